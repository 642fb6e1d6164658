"""What networks over networks read of a weight space: freedoms of layers, and the flows between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor

from wsgraph.space import Connection, WeightSpace
from wsgraph.space.scale import Scale


def freedoms(space: WeightSpace, scale: Scale) -> tuple[bool, bool]:
    """Whether a scale has a free magnitude, and whether it has a free sign."""
    classes = [(space.scales[f.scale_class].values, f) for f in scale]
    magnitude = any(f.power and values.has_magnitude for values, f in classes)
    return magnitude, any(f.parity and values.has_sign for values, f in classes)


@dataclass(frozen=True)
class Flow:
    """A way in which the values of one layer enter another with numbers that scale as target / source.

    Attributes:
        source: Index of the source layer.
        target: Index of the target layer.
        block: Index of the weight's block; None for a diagonal of ones or of a normalisation's gains.
        target_axis: Axis of the block that runs over the target.
        kernel: Number of kernel positions.
        diagonal: Whether unit i of the source enters unit i of the target only.
    """

    source: int
    target: int
    block: int | None
    target_axis: int
    kernel: int
    diagonal: bool


@dataclass(frozen=True)
class Vectors:
    """Blocks of the vectors that belong to one layer, and the ε of its normalisation."""

    bias: int | None = None
    gain: int | None = None
    mean: int | None = None
    variance: int | None = None
    slope: int | None = None


@dataclass(frozen=True, eq=False)
class Structure:
    """Flows and freedoms of a weight space.

    Attributes:
        flows: For each layer, what enters it.
        vectors: For each layer, its bias and norm parameters.
        magnitude: For each layer, whether its units have free magnitudes.
        sign: For each layer, whether its units have free signs.
        fixed: For each layer, whether its units stay in place.
        depth: For each layer, the number of weights on the longest path from an input.
    """

    flows: tuple[tuple[Flow, ...], ...]
    vectors: tuple[Vectors, ...]
    magnitude: tuple[bool, ...]
    sign: tuple[bool, ...]
    fixed: tuple[bool, ...]
    depth: tuple[int, ...]


@lru_cache(maxsize=64)
def structure(space: WeightSpace) -> Structure:
    """The structure of a weight space."""
    pairs = [freedoms(space, layer.scale) for layer in space.layers]
    return Structure(
        tuple(_flows(space, i) for i in range(len(space.layers))),
        tuple(_vectors(space, i) for i in range(len(space.layers))),
        tuple(magnitude for magnitude, _ in pairs),
        tuple(sign for _, sign in pairs),
        tuple(space.groups[layer.group].fixed for layer in space.layers),
        tuple(_depths(space)),
    )


def is_norm(space: WeightSpace, layer: int) -> bool:
    """Whether the layer is a normalisation."""
    return space.layers[layer].operator.endswith("_norm")


def _flows(space: WeightSpace, target: int) -> tuple[Flow, ...]:
    entering = [c for c in space.incoming[target] if c.source is not None and _is_flow(space, c)]
    return tuple(dict.fromkeys(_flow(space, c) for c in entering))


def _is_flow(space: WeightSpace, connection: Connection) -> bool:
    """Weights, normalisations, and operands that keep their multiplier; not the factors of a product."""
    assert connection.source is not None
    source, target = space.layers[connection.source], space.layers[connection.target]
    return connection.block is not None or is_norm(space, connection.target) or source.scale == target.scale


def _flow(space: WeightSpace, connection: Connection) -> Flow:
    assert connection.source is not None
    if connection.block is None:
        return Flow(connection.source, connection.target, None, 0, 1, True)
    block = space.blocks[connection.block]
    diagonal = len(block.axes) == 1
    return Flow(
        connection.source, connection.target, connection.block, connection.target_axis, block.kernel_size, diagonal
    )


def _vectors(space: WeightSpace, layer: int) -> Vectors:
    found = {
        "bias" if c.role == "shift" else c.role: c.block
        for c in space.incoming[layer]
        if c.block is not None and c.source is None and c.role not in ("weight", "operand")
    }
    return Vectors(**found)


def _depths(space: WeightSpace) -> list[int]:
    depths = [0] * len(space.layers)
    for connection in space.connections:
        if connection.source is not None:
            steps = depths[connection.source] + (connection.role == "weight")
            depths[connection.target] = max(depths[connection.target], steps)
    return depths


# ------------------------------------------------------------------ numbers


def flow_weights(space: WeightSpace, flow: Flow, weights: Tensor) -> Tensor:
    """The numbers of a flow: ``[B, targets, sources, kernel]``, or ``[B, units, kernel]`` of a diagonal.

    A normalisation is the diagonal γ / √(v + ε). The numbers scale as target / source under every symmetry.
    """
    if flow.block is None:
        return _diagonal(space, flow.target, weights)[..., None]
    block = space.blocks[flow.block]
    values = space.block_view(weights, flow.block).reshape(len(weights), *block.shape[: len(block.axes)], flow.kernel)
    return values.transpose(1, 2) if flow.target_axis == 1 else values


def layer_bias(space: WeightSpace, layer: int, weights: Tensor) -> Tensor | None:
    """The bias ``[B, units]`` of a layer, that of a normalisation with its mean folded in: β - γ m / √(v + ε)."""
    vectors = structure(space).vectors[layer]
    bias = _vector(space, vectors.bias, weights)
    if vectors.mean is None:
        return bias
    mean = _vector(space, vectors.mean, weights)
    assert mean is not None
    folded = -_diagonal(space, layer, weights) * mean
    return folded if bias is None else bias + folded


def _diagonal(space: WeightSpace, layer: int, weights: Tensor) -> Tensor:
    vectors = structure(space).vectors[layer]
    gain, variance = _vector(space, vectors.gain, weights), _vector(space, vectors.variance, weights)
    if gain is None:
        gain = weights.new_ones(len(weights), space.size(layer))
    return gain if variance is None else gain * (variance + space.layers[layer].eps).clamp_min(1e-30).rsqrt()


def _vector(space: WeightSpace, block: int | None, weights: Tensor) -> Tensor | None:
    """A vector ``[B, units]``, at its first kernel position if it has several."""
    if block is None:
        return None
    return space.block_view(weights, block).reshape(len(weights), space.blocks[block].shape[0], -1)[..., 0]
