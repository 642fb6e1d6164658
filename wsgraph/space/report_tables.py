"""The tables of a report: layers, neuron groups, pins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from wsgraph.space.across import linear_group
from wsgraph.space.matrix_set import MatrixSet
from wsgraph.space.operators import Operator, calls, operators
from wsgraph.space.repeats import Row, merged, pattern, summarised
from wsgraph.space.scale import Factor, Scale, ScaleClass, ScaleSet

if TYPE_CHECKING:
    from wsgraph.space.parts import NeuronLayer, Pin
    from wsgraph.space.weight_space import WeightSpace

_KINDS = {ScaleSet.ONE: "none", ScaleSet.SIGN: "signs", ScaleSet.POSITIVE: "positive", ScaleSet.NONZERO: "nonzero"}

_WORDS = {
    ScaleSet.ONE: "no multiplier",
    ScaleSet.SIGN: "sign flips",
    ScaleSet.POSITIVE: "positive multipliers",
    ScaleSet.NONZERO: "nonzero multipliers",
}


def layer_table(space: WeightSpace, length: int) -> Table:
    """A row for each layer; names have at most ``length`` letters."""
    table = Table("#", "layer", "units", "operator", "activation", "group", "scale", title="Layers", box=box.SIMPLE)
    for i, layer in enumerate(space.layers):
        row = _layer_row(space, Operator(layer.name, (i,), ()))
        name, units, operator, activation, group, _ = row.cells
        scale = shorten(_scale_text(space, layer.scale), _less(length))
        table.add_row(str(i), shorten(name, length), units, operator, activation, shorten(group, _less(length)), scale)
    return table


def layer_summary(space: WeightSpace, length: int) -> Table:
    """A row for each operator; one for all of those that repeat in modules of the same kind."""
    columns = ("layer", "units", "operator", "activation", "group", "scale")
    table = Table("times", *columns, title="Layers, summarised", box=box.SIMPLE)
    rows = [_layer_row(space, operator) for operator in operators(space)]
    for count, (name, units, operator, activation, group, scale) in summarised(rows):
        names = shorten(name, length), units, operator, activation, shorten(group, _less(length))
        table.add_row(_times(count), *names, scale)
    return table


def group_table(space: WeightSpace, length: int) -> Table:
    """A row for each neuron group, with its scale classes."""
    table = Table("group", "units", "permuted", "scale classes", title="Neuron groups", box=box.SIMPLE)
    for i, group in enumerate(space.groups):
        classes = [f"{shorten(c.name, length)}: {_words(c)}" for c in space.scales if c.group == i]
        classes += [f"{shorten(c.name, length)}: half turns" for c in space.phases if c.group == i]
        table.add_row(shorten(group.name, length), _size(space, i), _moved(space, i), "\n".join(classes) or "-")
    return table


def group_summary(space: WeightSpace, length: int) -> Table:
    """A row for each neuron group; one for all of those that repeat in modules of the same kind."""
    columns = ("group", "units", "permuted", "scale classes")
    table = Table("times", *columns, title="Neuron groups, summarised", box=box.SIMPLE)
    paths = {operator.name: operator.path for operator in operators(space)}
    rows = []
    for i, group in enumerate(space.groups):
        path = paths.get(group.name, tuple(group.name.split(".")))
        found = [_kind_of(c) for c in space.scales if c.group == i]
        found += ["half turns" for c in space.phases if c.group == i]
        classes = ", ".join(f"{kind} × {found.count(kind)}" for kind in dict.fromkeys(found))
        cells = group.name, _size(space, i), _moved(space, i), classes or "-"
        rows.append(Row(path, cells, (group.fixed, *dict.fromkeys(found))))
    for count, (name, units, moved, text) in summarised(rows):
        table.add_row(_times(count), shorten(name, length), units, moved, text)
    return table


def pin_table(space: WeightSpace) -> Table:
    """A row for each operator and reason, with the modules where it was met."""
    table = Table("operator", "why", "units", "places", title="Pinned", box=box.SIMPLE)
    table.add_column("where", overflow="fold")
    pins: dict[tuple[str, str], list[Pin]] = {}
    for pin in space.pins:
        pins.setdefault((pin.operator, pin.reason), []).append(pin)
    for (operator, reason), found in pins.items():
        why = "no rule" if reason == f"no rule for {operator}" else reason
        where = _places(pin.where for pin in found)
        more = [f"and {len(where) - 4} more"] if len(where) > 5 else where[4:]
        units = sum(pin.num_units for pin in found)
        table.add_row(operator, why, str(units), str(len(found)), "\n".join([*where[:4], *more]))
    return table


def shorten(name: str, length: int) -> str:
    """A module path without its first parts, if it is too long, then without the middle of the rest."""
    start = 0
    while len(name) - start >= length and "." in name[start:]:
        start = name.index(".", start) + 1
    rest = name[start:]
    if len(rest) > length:
        return f"{rest[: length // 3]}…{rest[length // 3 + 1 - length :]}"
    return f"…{rest}" if start else name


# -------------------------------------------------------------------------------------------------------- cells


def _size(space: WeightSpace, group: int) -> str:
    """The number of units: in all, or of pieces and in each."""
    size, pieces = space.groups[group].size, space.num_pieces(group)
    return str(size) if pieces == 1 else f"{pieces} × {size // pieces}"


def _moved(space: WeightSpace, group: int) -> str:
    """How the units of a group are permuted, or what matrices act on them."""
    size, pieces, parts = space.groups[group].size, space.num_pieces(group), space.groups[group]
    if parts.linear.is_square:
        return parts.linear.of_size(size // pieces) + (" in each" if pieces > 1 else "")
    if parts.linear is MatrixSet.COMPLEX:
        return f"{_permuted(space, group)}, pairs turn"
    return _permuted(space, group)


def _permuted(space: WeightSpace, group: int) -> str:
    """Whether the units of a group change places, and how."""
    size, pieces, parts = space.groups[group].size, space.num_pieces(group), space.groups[group]
    if group not in space.moving_groups:
        return "no"
    if parts.across is not None:
        return f"as {space.groups[parts.across].name}, and as wholes"
    return "yes" if pieces == 1 else "as wholes" if parts.fixed or size == pieces else "in each, and as wholes"


def _layer_row(space: WeightSpace, operator: Operator) -> Row:
    layers = [space.layers[i] for i in operator.layers]
    groups = [space.groups[layer.group] for layer in layers]
    first, names = layers[0], list(dict.fromkeys(group.name for group in groups))
    call, *activations = calls(first)
    activation = " ∘ ".join(reversed(activations))
    shown = operator.name + (" (output)" if first.output else "")
    group_text = names[0] if len(names) == 1 else f"({len(names)} groups)"
    scale = ", ".join(dict.fromkeys(_kind(space, layer) for layer in layers))
    cells = shown, str(sum(group.size for group in groups)), call, activation, group_text, scale
    return Row(operator.path, cells, (call, activation, first.output, all(group.fixed for group in groups)))


def _words(scale_class: ScaleClass) -> str:
    if scale_class.product_of is not None:
        return "products over the parts"
    return _WORDS[scale_class.values] + ("" if scale_class.unit_over is None else " of product 1")


def _kind_of(scale_class: ScaleClass) -> str:
    return _KINDS[scale_class.values] if scale_class.product_of is None else "products over parts"


def _less(length: int) -> int:
    """The names of layers matter more than others."""
    return max(2 * length // 3, 12)


def _times(count: int) -> str:
    return f"{count} ×" if count > 1 else ""


def _places(names: Iterable[str]) -> list[str]:
    """Module paths, those that differ in numbers as one."""
    kinds: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        kinds.setdefault(pattern(name.split(".")), []).append(name)
    return [merged(list(dict.fromkeys(found))) or "(top level)" for found in kinds.values()]


def _kind(space: WeightSpace, layer: NeuronLayer) -> str:
    """What may act on the units of a layer, in a word."""
    base = linear_group(space, layer.group)
    group = space.groups[base]
    if group.linear.is_square:
        return group.linear.of_size(group.size // space.num_pieces(base))
    free = [(space.scales[f.scale_class].values, f) for f in layer.scale]
    magnitude = any(values.has_magnitude and f.power for values, f in free)
    if group.linear is MatrixSet.COMPLEX:
        return "complex" if magnitude else "turns"
    return _KINDS[ScaleSet.of(magnitude, any(values.has_sign and f.parity for values, f in free))]


def _scale_text(space: WeightSpace, scale: Scale) -> str:
    return " ".join(_factor_text(space.scales[f.scale_class], f) for f in scale) or "1"


def _factor_text(scale_class: ScaleClass, factor: Factor) -> str:
    name, (_, power, parity) = scale_class.name, factor
    whole = parity == power % 2 if scale_class.values is ScaleSet.NONZERO else True
    if whole and (power or parity):
        return name if power in (0, 1) else f"{name}^{power:g}"
    magnitude = "" if not power else f"|{name}|" + ("" if power == 1 else f"^{power:g}")
    return (f"sgn({name})" if parity else "") + magnitude
