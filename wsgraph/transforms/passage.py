"""What lets an affine change of a layer's values through to the numbers and layers behind them, and what does not."""

from __future__ import annotations

from wsgraph.errors import SpaceError
from wsgraph.space import NeuronLayer, Pointwise, WeightSpace
from wsgraph.transforms.affine_change import AffineChange

SUMS = (Pointwise("add.Tensor", ("$0", "$1")), Pointwise("sub.Tensor", ("$0", "$1")))
"""Calls that add two layers, or subtract one."""
ALONE = ("pointwise", "batch_norm", "instance_norm")
"""Operators that treat every unit by itself."""
TOGETHER = ("softmax", "log_softmax", "layer_norm", "group_norm", "rms_norm")
"""Operators that treat all units of a piece alike."""
MEANS = ("mean", "adaptive_avg_pool", "upsample", "reflection_pad", "replication_pad")
SUMS_OF_POSITIONS = ("avg_pool", "sum", "cumsum", "grid_sampler")
MAXIMA = ("max_pool", "adaptive_max_pool", "amax", "amin", "softmax", "log_softmax", "pad", "constant_pad")
"""Functions of the positions of every unit by itself, in three kinds: those of other names let nothing through."""


def check_alone(space: WeightSpace, index: int, reader: int | None) -> None:
    """Make sure that nothing else depends on a layer's values.

    Raises:
        SpaceError: Something does, or might; or the layer is no work of weights.
    """
    layer = space.layers[index]
    if layer.is_source:
        raise SpaceError(f"The output contains {_what(layer)} itself, which no weights change.")
    readers = sorted({c.target for c in space.connections if c.source == index} - {reader})
    where = [repr(space.layers[i].name) for i in readers]
    unknown = [i for i, other in enumerate(space.layers) if other.operator == "data"]
    where += [repr(space.layers[i].name) for i in unknown if i > index or space.layers[i].group == layer.group]
    if layer.output and reader is not None:
        where.append("the output")
    if where:
        raise SpaceError(f"Layer {layer.name!r} cannot be changed alone: {', '.join(where)} may read it, too.")


def check_hidden(layer: NeuronLayer, change: AffineChange) -> None:
    """Make sure that operators of which a weight space holds but the name let the change through.

    Means over positions let everything through, other weighted sums all but a shift, other functions of each unit
    permutations; arithmetic with numbers from elsewhere lets nothing through.

    Raises:
        SpaceError: They do not.
    """
    for operator in layer.hidden:
        name = operator.lstrip("_")
        passes = name.startswith(MEANS) or (name.startswith(SUMS_OF_POSITIONS) and not change.shifts)
        if not passes and not (name.startswith((*SUMS_OF_POSITIONS, *MAXIMA)) and change.is_permutation):
            raise SpaceError(
                f"The output cannot be changed so: {operator} stands behind layer {layer.name!r}, and does not let it "
                "through. Change a network that leaves it to its caller."
            )


def before_activation(layer: NeuronLayer, change: AffineChange) -> AffineChange:
    """The change of the values before the layer's activations that is this change behind them."""
    for call in reversed(layer.activation):
        if change.is_permutation:
            return change
        line = _line(call)
        if line is None:
            raise _needs_permutation(layer, str(call))
        slope, offset = line
        change = AffineChange(change.matrix, (change.vector + offset * (change.matrix.sum(-1) - 1)) / slope)
    return change


def _line(call: Pointwise) -> tuple[float, float] | None:
    """Slope and offset of a call that multiplies by a constant or adds one, or None."""
    numbers = [a for a in call.args if isinstance(a, int | float)]
    n = numbers[0] if numbers else 0
    lines = {"mul": (n, 0), "add": (1, n), "rsub": (-1, n)}
    if call.args == ("$0", *numbers):
        lines |= {"neg": (-1, 0), "sub": (1, -n), "div": (1 / n if n else 0, 0)}
    elif call.args != (*numbers, "$0"):
        return None
    line = lines.get(call.op.split(".")[0]) if len(numbers) < 2 else None
    return line if line and line[0] else None


def check_operator(space: WeightSpace, index: int, change: AffineChange) -> None:
    """Make sure that what a layer does to its numbers and sources lets the change through.

    Raises:
        SpaceError: It does not.
    """
    layer, roles = space.layers[index], _roles(space, index)
    is_linear = layer.operator == "linear" and ("weight" in roles or {"operand", "bias"} <= roles)
    is_norm = layer.operator.endswith("_norm")
    if not is_linear and layer.operator not in (*ALONE, *TOGETHER):
        raise SpaceError(f"The output cannot be changed: nothing carries a change back through {_what(layer)}.")
    if not (is_linear or is_norm or summands(space, index) or change.is_permutation):
        raise _needs_permutation(layer, str(layer.pointwise or layer.operator))
    if change.shifts and not takes_shift(space, index):
        raise SpaceError(f"The output cannot be shifted: layer {layer.name!r} has no bias to take it up.")
    if is_norm and "gain" not in roles and not change.without_shift().is_permutation:
        raise SpaceError(f"The output cannot be scaled: layer {layer.name!r} has no gain to take it up.")
    if layer.operator in TOGETHER and not order_of(space, index, change).is_identity:
        parent = space.groups[layer.group].parent
        if parent is not None and space.groups[parent].size > 1:
            raise SpaceError(f"The output cannot be permuted: {_what(layer)} keeps pieces of its units apart.")


def order_of(space: WeightSpace, index: int, change: AffineChange) -> AffineChange:
    """The permutation P of A = D P.

    Raises:
        SpaceError: A mixes units.
    """
    if change.order is None:
        raise SpaceError(
            f"Layer {_what(space.layers[index])} treats every unit of the output by itself: it takes up scales, flips, "
            "shifts and permutations, but nothing that mixes units."
        )
    return change.order


def summands(space: WeightSpace, index: int) -> list[int]:
    """The layers whose sum (or difference) a layer is, those that enter with a plus; none for any other layer."""
    layer, sources = space.layers[index], [c.source for c in space.incoming[index] if c.source is not None]
    if layer.pointwise not in SUMS or len(space.incoming[index]) != 2 or len(set(sources)) != 2:
        return []
    return sources if layer.pointwise == SUMS[0] else sources[:1]


def takes_shift(space: WeightSpace, index: int) -> bool:
    """Whether a bias takes up a shift of a layer's values."""
    if any(_line(call) is None for call in space.layers[index].activation):
        return False
    biases = [c for c in space.incoming[index] if c.role in ("bias", "shift")]
    return len(biases) == 1 or any(takes_shift(space, i) for i in summands(space, index))


def _roles(space: WeightSpace, index: int) -> set[str]:
    return {c.role for c in space.incoming[index]}


def _needs_permutation(layer: NeuronLayer, what: str) -> SpaceError:
    return SpaceError(
        f"Layer {layer.name!r} ends with {what}, which nothing but permutations passes. Permute only, or change a "
        "network that leaves this function to its caller."
    )


def _what(layer: NeuronLayer) -> str:
    return f"{layer.name!r} ({layer.pointwise or layer.operator})"
