"""What a weight space is, in sentences."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from wsgraph.space.across import linear_group
from wsgraph.space.matrix_set import MatrixSet
from wsgraph.space.scale import ScaleSet

if TYPE_CHECKING:
    from wsgraph.space.parts import Block
    from wsgraph.space.shift import Shift
    from wsgraph.space.weight_space import WeightSpace

_KINDS = {
    ScaleSet.SIGN: "sign flips",
    ScaleSet.POSITIVE: "positive numbers",
    ScaleSet.NONZERO: "nonzero numbers",
}

_CHAPTER = "CONTRIBUTING.md, “Adding a rule for an operator”"


def sentences(space: WeightSpace) -> Iterator[str]:
    """What can be moved, by what, how much of the network that is, and what stays."""
    yield from _permuted(space)
    yield from _larger_units(space)
    counts = {kind: sum(c.values is kind and c.product_of is None for c in space.scales) for kind in _KINDS}
    found = [f"{_KINDS[kind]} ({_count(n, 'class', 'classes')})" for kind, n in counts.items() if n]
    yield f"Values may be multiplied by {_listed(found)}." if found else "No values may be multiplied."
    turning = sum(space.groups[c.group].size for c in space.phases)
    if turning:
        yield f"The sines of {_count(turning, 'unit')} may be shifted by half turns."
    yield from _shifted(space)
    share = _percent(num_moved_parameters(space), space.num_parameters)
    yield f"{share} of the {_count(space.num_parameters, 'parameter')} are moved by some symmetry."
    yield from _ends(space)
    yield from _pinned(space)


def num_moved_parameters(space: WeightSpace) -> int:
    """How many of the parameters some symmetry moves or scales; shifts do not count."""
    return sum(block.numel for block in _parameters(space) if _is_moved(space, block))


def hints(space: WeightSpace) -> Iterator[str]:
    """What to do about pins."""
    unknown = dict.fromkeys(pin.operator for pin in space.pins if pin.reason.startswith("no rule for"))
    partial = dict.fromkeys(pin.operator for pin in space.pins if pin.operator not in unknown)
    if unknown:
        yield (
            "The symmetries are right, but there could be more. To free the units in front of "
            f"{_listed(list(unknown))}, register a rule with wsgraph.trace.rule: see {_CHAPTER}."
        )
    if partial:
        yield f"The rules of {_listed(list(partial))} do not cover these cases; see {_CHAPTER}."


# ---------------------------------------------------------------------------------------------------- what moves


def _permuted(space: WeightSpace) -> Iterator[str]:
    """Units that are permuted one by one."""
    parents = {group.parent for group in space.groups}
    moving = [space.groups[i] for i in sorted(space.moving_groups) if i not in parents]
    free = [group for group in moving if not (group.fixed or group.linear.is_square)]
    if free:
        units = sum(group.size for group in free)
        yield f"{_count(units, 'unit')} in {_count(len(free), 'group')} can be permuted."
    elif not space.moving_groups:
        yield "No units can be permuted."
    planes = sum(group.size for group in space.groups if group.linear is MatrixSet.COMPLEX)
    if planes:
        yield f"{_count(planes, 'pair')} of units can be turned, each by an angle of its own."


def _larger_units(space: WeightSpace) -> Iterator[str]:
    """Attention heads and the like, which swap as wholes, and the matrices that act on units."""
    numbers: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
    sizes = {i: g.size // max(space.num_pieces(i), 1) for i, g in enumerate(space.groups) if g.linear.is_square}
    linear = {i: (size, space.groups[i].linear.of_size(size)) for i, size in sizes.items()}
    for parent in sorted({g.parent for g in space.groups if g.parent is not None}):
        inside = [i for i, g in enumerate(space.groups) if g.parent == parent]
        names = tuple(name for _, name in sorted({linear.pop(i) for i in inside if i in linear}))
        numbers[_word(space, inside), names].append(space.groups[parent].size)
    for (word, names), found in numbers.items():
        where = f"In {len(found)} places, " if len(found) > 1 else ""
        number = str(found[0]) if len(set(found)) == 1 else f"{min(found)} to {max(found)}"
        matrices = _listed(names) + (" acts" if len(names) == 1 else " act")
        yield f"{where}{number} {word} swap as wholes{f'; {matrices} inside each of them' if names else ''}."
    for (size, name), places in Counter(linear.values()).items():
        yield f"{name} acts on {_count(places, 'group')} of {_count(size, 'unit')}."


def _shifted(space: WeightSpace) -> Iterator[str]:
    """What may be added, since it is removed again: to any entry of a block, or the same to many."""
    free = [s for s in space.shifts if s.numel == space.blocks[s.block].numel]
    tied = [s for s in space.shifts if s.numel < space.blocks[s.block].numel]
    found = [_tensors(space, free)] if free else []
    if tied:
        count = _count(sum(shift.numel for shift in tied), "number")
        found.append(f"{count} to many entries at once of {_tensors(space, tied)}")
    if found:
        yield f"Anything may be added to {'; '.join(found)}." if free else f"Shifts may add {found[0]}."


def _tensors(space: WeightSpace, shifts: Sequence[Shift]) -> str:
    names = list(dict.fromkeys(space.blocks[shift.block].tensor for shift in shifts))
    return _listed(
        [repr(name) for name in names] if len(names) < 4 else [*map(repr, names[:2]), f"{len(names) - 2} others"]
    )


def _word(space: WeightSpace, inside: Sequence[int]) -> str:
    """What to call the larger units that groups are the inside of."""
    if any(space.groups[linear_group(space, i)].linear for i in inside):
        return "attention heads"
    convolutions = {axis.group for block in space.blocks if block.pieces > 1 for axis in block.axes}
    return "groups of a convolution" if convolutions.intersection(inside) else "blocks of units"


def _is_moved(space: WeightSpace, block: Block) -> bool:
    return block.turns is not None or any(a.scale or a.plane or a.group in space.moving_groups for a in block.axes)


def _parameters(space: WeightSpace) -> list[Block]:
    """The blocks of parameters."""
    names = {tensor.name for tensor in space.tensors if tensor.is_parameter}
    return [block for block in space.blocks if block.tensor in names]


# ---------------------------------------------------------------------------------------------------- what stays


def _ends(space: WeightSpace) -> Iterator[str]:
    """Inputs and outputs."""
    inputs = {layer.group for layer in space.layers if layer.operator == "input"}
    outputs = {layer.group for layer in space.layers if layer.output} - inputs
    sizes = [
        (sum(space.groups[g].size for g in found), name) for found, name in ((inputs, "input"), (outputs, "output"))
    ]
    if inputs or outputs:
        yield f"{_listed([_count(size, name) for size, name in sizes if size])} stay in place."


def _pinned(space: WeightSpace) -> Iterator[str]:
    """Units that stay because some operator has no rule, or none for its case."""
    if not space.pins:
        yield "Nothing was pinned."
        return
    ends = {layer.group for layer in space.layers if layer.output or layer.operator == "input"}
    made = {layer.group for layer in space.layers if layer.operator != "data"}
    still = made - ends - space.moving_groups
    pinned = {group for group in still if space.groups[group].fixed}
    held = [b for b in _parameters(space) if not _is_moved(space, b) and any(a.group in pinned for a in b.axes)]
    units = sum(space.groups[group].size for group in pinned)
    operators = _listed(list(dict.fromkeys(pin.operator for pin in space.pins)))
    share = _percent(sum(block.numel for block in held), space.num_parameters)
    yield (
        f"Pinned are what {operators} read{'s' * (' and ' not in operators)}: {_count(units, 'unit')}, "
        f"which leaves {share} of the parameters where they are."
    )


# --------------------------------------------------------------------------------------------------------- words


def _count(number: int, word: str, plural: str = "") -> str:
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _percent(part: int, whole: int) -> str:
    """A share that says 100% only if it is everything, and 0% only if it is nothing."""
    share = 100 * part / max(whole, 1)
    if 0 < part < whole:
        share = min(max(share, 0.1), 99.9)
    return f"{share:.1f}%"
