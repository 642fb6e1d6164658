"""What running learned inputs through the networks of a weight space needs to know, found once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from wsgraph.graph.links import links
from wsgraph.nn.multilinear import Form, forms_into
from wsgraph.nn.operands import before_norm, is_exact, wide_biases
from wsgraph.nn.powers import Powers
from wsgraph.nn.structure import Flow, Vectors, is_norm, structure
from wsgraph.space import Connection, WeightSpace


@dataclass(frozen=True, eq=False)
class Plan:
    """Tables over the layers of a weight space.

    Attributes:
        space: The weight space.
        flows: For each layer, the matrices that enter it.
        matrices: Those whose numbers take off all of the source's multiplier, by names of target and number.
        forms: For each layer, the weights by which several layers enter it.
        vectors: For each layer, the blocks of its vectors.
        wide: For each layer, its biases of several axes.
        before_norm: For each normalisation, the multiplier that its input must have.
        exact: Layers whose elementwise call gives what their scale says.
        magnitude: For each layer, whether its units have free magnitudes.
        sign: For each layer, whether its units have free signs.
        recurs: Whether some layer reads a state that an earlier step left.
    """

    space: WeightSpace
    flows: tuple[tuple[Flow, ...], ...]
    matrices: dict[str, Flow]
    forms: tuple[tuple[Form, ...], ...]
    vectors: tuple[Vectors, ...]
    wide: tuple[tuple[Connection, ...], ...]
    before_norm: dict[int, Powers]
    exact: frozenset[int]
    magnitude: tuple[bool, ...]
    sign: tuple[bool, ...]
    recurs: bool


@lru_cache(maxsize=64)
def plan_of(space: WeightSpace) -> Plan:
    """The plan of a weight space."""
    form, layers = structure(space), range(len(space.layers))
    forms = tuple(tuple(forms_into(space, i)) for i in layers)
    blocks = [{form.block for form in found} for found in forms]
    return Plan(
        space,
        tuple(tuple(flow for flow in form.flows[i] if flow.link.block not in blocks[i]) for i in layers),
        _matrices(space),
        forms,
        form.vectors,
        tuple(tuple(wide_biases(space, i)) for i in layers),
        {i: before_norm(space, i) for i in layers if is_norm(space, i)},
        frozenset(i for i in layers if is_exact(space, i)),
        form.magnitude,
        form.sign,
        any(link.source >= link.target for link in links(space)),
    )


def _matrices(space: WeightSpace) -> dict[str, Flow]:
    return {
        f"{layer}_{number}": flow
        for layer, flows in enumerate(structure(space).flows)
        for number, flow in enumerate(flows)
        if flow.link.axis is not None and not flow.magnitude and not flow.sign
    }


def alike(space: WeightSpace, other: WeightSpace) -> bool:
    """Whether two weight spaces have the same layers, but for the number of units that symmetries move.

    Example:
        >>> import wsgraph
        >>> from torch.nn import Linear, Sequential, Tanh
        >>> narrow, wide, deep = (
        ...     wsgraph.trace(Sequential(*layers))
        ...     for layers in (
        ...         (Linear(2, 8), Tanh(), Linear(8, 1)),
        ...         (Linear(2, 16), Tanh(), Linear(16, 1)),
        ...         (Linear(2, 8), Tanh(), Linear(8, 8), Tanh(), Linear(8, 1)),
        ...     )
        ... )
        >>> alike(narrow, wide), alike(narrow, deep)
        (True, False)
    """
    return space == other or _without_sizes(space) == _without_sizes(other)


@lru_cache(maxsize=64)
def _without_sizes(space: WeightSpace) -> tuple[Any, ...]:
    """All of a weight space but names, tensors and the sizes of groups that move."""
    moving = space.moving_groups
    groups = [(g.fixed, g.parent, g.linear, None if i in moving else g.size) for i, g in enumerate(space.groups)]
    layers = [
        (n.group, n.scale, n.operator, n.pointwise, n.eps, n.activation, n.output, n.hidden) for n in space.layers
    ]
    blocks = [
        ([(a.group, a.scale, a.phase) for a in b.axes], [len(k) for k in b.kernel], b.shift, b.pieces > 1, b.turns)
        for b in space.blocks
    ]
    scales = [(s.group, s.values) for s in space.scales]
    return groups, layers, blocks, scales, space.connections, [(p.group, p.period) for p in space.phases]
