"""What networks over networks read of a weight space: freedoms of layers, and the flows between them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from torch import Tensor

from wsgraph.graph.links import Link, arranged, is_vector, links
from wsgraph.graph.topology import ROLES
from wsgraph.nn.powers import Powers, freedoms, part, powers
from wsgraph.space import WeightSpace
from wsgraph.space.across import crosses, for_parts
from wsgraph.space.per_space import per_space
from wsgraph.space.scale import Scale

Factors = list[tuple[Scale, float]]


@dataclass(frozen=True)
class Flow:
    """A way in which the values of one layer enter another with numbers that scale as target / source.

    Where the numbers take off only the sign of the source's multiplier, or only its magnitude, or nothing (a score has
    none), the reader of the source must take off the rest.

    Attributes:
        link: The connection, in pieces. Numbers of a link without a block are ones, or a normalisation's gains.
        magnitude: Whether the magnitude of the source must be taken off.
        sign: Whether its sign must be.
    """

    link: Link
    magnitude: bool = False
    sign: bool = False


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
        fixed: For each layer, whether its units stay in place, and have no free multiplier.
        depth: For each layer, the number of weights on the longest path from an input.
    """

    flows: tuple[tuple[Flow, ...], ...]
    vectors: tuple[Vectors, ...]
    magnitude: tuple[bool, ...]
    sign: tuple[bool, ...]
    fixed: tuple[bool, ...]
    depth: tuple[int, ...]


@per_space
def structure(space: WeightSpace) -> Structure:
    """The structure of a weight space."""
    pairs = [freedoms(space, layer.scale) for layer in space.layers]
    return Structure(
        _flows(space),
        tuple(_vectors(space, i) for i in range(len(space.layers))),
        tuple(magnitude for magnitude, _ in pairs),
        tuple(sign for _, sign in pairs),
        tuple(stays(space, i) for i in range(len(space.layers))),
        tuple(_depths(space)),
    )


def stays(space: WeightSpace, layer: int) -> bool:
    """Whether no symmetry moves or multiplies the units of a layer."""
    scale, group = space.layers[layer].scale, space.layers[layer].group
    return group not in space.moving_groups and freedoms(space, scale) == (False, False)


def is_norm(space: WeightSpace, layer: int) -> bool:
    """Whether the layer is a normalisation."""
    return space.layers[layer].operator.endswith("_norm")


def is_wire(space: WeightSpace, link: Link) -> bool:
    """Whether no permutation moves a link's numbers but along with its units, so that they may be features of edges."""
    if link.block is None:
        return True
    axes = space.blocks[link.block].axes
    used = {link.connection.target_axis: link.target} | ({} if link.axis is None else {link.axis: link.source})
    alike = link.axis is None or all(_alike(space, axes[a].group, layer) for a, layer in used.items())
    return alike and not any(axis.group in space.moving_groups for a, axis in enumerate(axes) if a not in used)


def _flows(space: WeightSpace) -> tuple[tuple[Flow, ...], ...]:
    table: list[list[Flow]] = [[] for _ in space.layers]
    for link in links(space):
        flow = _flow(space, link)
        if flow is not None:
            table[link.target].append(flow)
    return tuple(tuple(row) for row in table)


def _flow(space: WeightSpace, link: Link) -> Flow | None:
    """The flow of a link whose numbers give the target's multiplier, and take off all they can of the source's."""
    source, target = (space.layers[i].scale for i in (link.source, link.target))
    sides, free = _sides(space, link), freedoms(space, source)
    groups = space.layers[link.source].group, space.layers[link.target].group
    if link.axis is None and any(mixes(space, powers(space, (s, 1)), *groups) for s in (source, target)):
        return None
    for kept in ((True, True), (False, True), (True, False), (False, False)):
        *rows, last = sides or [[]]
        products = [powers(space, *row) for row in rows] + [powers(space, *last, (part(source, *kept), 1.0))]
        if sides and products == [powers(space, (target, 1.0)), ()][: len(sides)]:
            return Flow(link, free[0] and not kept[0], free[1] and not kept[1])
    return None


def _sides(space: WeightSpace, link: Link) -> list[Factors]:
    """What multiplies a link's numbers: rows and columns of a matrix apart; nothing if something else moves them."""
    if link.block is None:
        vectors = _vectors(space, link.target) if is_norm(space, link.target) else Vectors()
        found = ((vectors.gain, 1.0), (vectors.variance, -0.5))
        return [[(space.blocks[b].axes[0].scale, power) for b, power in found if b is not None]]
    axes = space.blocks[link.block].axes
    used = {link.connection.target_axis: link.target} | ({} if link.axis is None else {link.axis: link.source})
    others = [axis for number, axis in enumerate(axes) if number not in used]
    if any(axis.group in space.moving_groups or powers(space, (axis.scale, 1.0)) for axis in others):
        return []
    if link.axis is not None and not all(_alike(space, axes[a].group, layer) for a, layer in used.items()):
        return []
    return [[(axes[a].scale, 1.0)] for a in used]


def mixes(space: WeightSpace, multiplier: Powers, first: int, second: int) -> bool:
    """Whether units of two groups that meet piece by piece may have unlike multipliers in a piece."""
    above = {space.scales[number].group for number, _, _ in multiplier}
    return first != second and any(crosses(space, group, a) for group in (first, second) for a in above)


def _alike(space: WeightSpace, group: int, layer: int) -> bool:
    """Whether an axis of this group runs over the units of a layer."""
    own = space.layers[layer].group
    both_stay = not {group, own} & space.moving_groups
    return group == own or (both_stay and space.groups[group].size == space.groups[own].size)


def _vectors(space: WeightSpace, layer: int) -> Vectors:
    names = {field.name for field in fields(Vectors)}
    found = {ROLES.get(c.role, c.role): c.block for c in space.incoming[layer] if is_vector(space, c)}
    return Vectors(**{name: block for name, block in found.items() if name in names})


def _depths(space: WeightSpace) -> list[int]:
    depths = [0] * len(space.layers)
    for connection in space.connections:
        if connection.source is not None and connection.source < connection.target:
            steps = depths[connection.source] + (connection.role in ("weight", "part"))
            depths[connection.target] = max(depths[connection.target], steps)
    return depths


# ------------------------------------------------------------------ numbers


def flow_weights(space: WeightSpace, flow: Flow, weights: Tensor) -> Tensor:
    """The numbers of a flow: ``[B, pieces, targets, sources, kernel]``.

    A normalisation is the diagonal γ / √(v + ε). The numbers scale as target / source under every symmetry.
    """
    link = flow.link
    if link.block is not None:
        view = space.block_view(weights, link.block)
        return arranged(space, link, view.reshape(len(weights), *space.blocks[link.block].shape))
    numbers = norm_diagonal(space, link.target, weights).unflatten(1, (link.pieces, link.targets))
    return numbers[:, :, :, None, None].expand(-1, -1, -1, link.sources, -1)


def layer_bias(space: WeightSpace, layer: int, weights: Tensor, vectors: Vectors | None = None) -> Tensor | None:
    """The bias ``[B, units]`` of a layer, that of a normalisation with its mean folded in: β - γ m / √(v + ε).

    Its vectors are those of the structure; a caller that is compiled passes them.
    """
    vectors = vectors or structure(space).vectors[layer]
    bias = vector_of(space, layer, vectors.bias, weights)
    mean = vector_of(space, layer, vectors.mean, weights)
    if mean is None:
        return bias
    folded = -norm_diagonal(space, layer, weights, vectors) * mean
    return folded if bias is None else bias + folded


def vector_of(space: WeightSpace, layer: int, block: int | None, weights: Tensor) -> Tensor | None:
    """A vector ``[B, units]`` of a layer, at its first kernel position if it has several."""
    if block is None:
        return None
    view = space.block_view(weights, block).reshape(len(weights), len(space.blocks[block].axes[0].offsets), -1)[..., 0]
    own, group = space.layers[layer].group, space.blocks[block].axes[0].group
    return for_parts(space, view, own, group) if view.shape[1] else view


def norm_diagonal(space: WeightSpace, layer: int, weights: Tensor, vectors: Vectors | None = None) -> Tensor:
    """The gains γ / √(v + ε) of a normalisation, ``[B, units]``; ones of any other layer."""
    vectors = vectors or structure(space).vectors[layer]
    gain, variance = (vector_of(space, layer, block, weights) for block in (vectors.gain, vectors.variance))
    if gain is None:
        gain = weights.new_ones(len(weights), space.size(layer))
    return gain if variance is None else gain * (variance + space.layers[layer].eps).clamp_min(1e-30).rsqrt()
