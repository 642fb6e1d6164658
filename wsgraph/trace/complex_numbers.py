"""Complex numbers that are made of units, as pairs of real ones: rotations written as complex products."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from wsgraph.trace.pieces import operator_of

aten = torch.ops.aten
PRODUCTS = ("mul", "multiply")
SAME = (
    "view reshape _unsafe_view unflatten squeeze unsqueeze permute transpose expand slice clone contiguous select neg"
)
Parts = tuple[fx.Node, fx.Node]
"""The nodes of a real part and of an imaginary part."""


def as_reals(graph: fx.Graph) -> None:
    """Write complex numbers that real ones are viewed as, and viewed as real ones again, as two values, in place.

    ``view_as_real(view_as_complex(x) * w)`` becomes the stack of a c - b s and b c + a s, where (a, b) are the numbers
    of x, and (c, s) the parts of w, whatever makes these. Complex numbers with another use stay as they are.
    """
    parts: dict[fx.Node, Parts] = {}
    for node in list(graph.nodes):
        found = _parts(node, parts)
        if found is not None:
            parts[node] = found
        elif operator_of(node) == "view_as_real" and node.args[0] in parts:
            node.replace_all_uses_with(_call(node, aten.stack.default, list(parts[node.args[0]]), -1))


def _parts(node: fx.Node, parts: dict[fx.Node, Parts]) -> Parts | None:
    """The two parts of what a call makes of complex numbers that have parts, or views as complex; None if unknown."""
    name, before = operator_of(node), [arg for arg in node.all_input_nodes if arg in parts]
    if name == "view_as_complex":
        real, imaginary = (_call(node, aten.select.int, node.args[0], -1, i) for i in (0, 1))
        return real, imaginary
    if not before or node.kwargs:
        return None
    if name in SAME.split() and len(node.all_input_nodes) == 1:
        target: Any = node.target
        real, imaginary = (_call(node, target, parts[before[0]][i], *node.args[1:]) for i in (0, 1))
        return real, imaginary
    if name not in PRODUCTS or len(node.all_input_nodes) != 2:
        return None
    (a, b), (c, s) = (_both(node, arg, parts) for arg in sorted(node.all_input_nodes, key=lambda arg: arg not in parts))
    if s is None:
        return _call(node, aten.mul.Tensor, a, c), _call(node, aten.mul.Tensor, b, c)
    ac, bs, bc, sa = (_call(node, aten.mul.Tensor, p, q) for p, q in ((a, c), (b, s), (b, c), (a, s)))
    return _call(node, aten.sub.Tensor, ac, bs), _call(node, aten.add.Tensor, bc, sa)


def _both(node: fx.Node, factor: fx.Node, parts: dict[fx.Node, Parts]) -> tuple[fx.Node, fx.Node | None]:
    """Real and imaginary part of a factor; a real one has no other."""
    if factor in parts:
        return parts[factor]
    if not factor.meta["val"].is_complex():
        return factor, None
    return _call(node, aten.real.default, factor), _call(node, aten.imag.default, factor)


def _call(like: fx.Node, target: Any, *args: Any) -> fx.Node:
    """A new call just before another one, which it takes the place of."""
    graph = like.graph
    with graph.inserting_before(like):
        node = graph.call_function(target, args)
    values = fx.map_arg(args, lambda used: used.meta["val"])
    node.meta = {**like.meta, "val": target(*values)}
    return node
