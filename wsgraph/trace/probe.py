"""A program run on random numbers: does what matrices do to a group of units end where it began?

The calls that read the units of a group are made twice, on random numbers and on the same numbers after matrices have
acted on the units. A result is *clean* if it is as its labels say: moved like its units if it has any, and otherwise
unchanged. What is not clean may be read only by further calls that can be made here. All these calls are analytic
functions, so that what holds at random points holds everywhere.
"""

from __future__ import annotations

import operator
from typing import Any

from torch import Tensor, fx

from wsgraph.trace.action import Action, Incomplete
from wsgraph.trace.legs import Label
from wsgraph.trace.numbers import Numbers, Unknown, made
from wsgraph.trace.pieces import operator_of
from wsgraph.trace.tracer import Tracer, flatten_values
from wsgraph.trace.value import Value

SHAPES = """
    view reshape _unsafe_view flatten unflatten _reshape_alias squeeze unsqueeze permute transpose t numpy_T swapaxes
    swapdims movedim moveaxis adjoint mT expand expand_as broadcast_to slice narrow select chunk split split_with_sizes
    tensor_split unsafe_chunk unsafe_split unbind flip roll repeat tile repeat_interleave contiguous clone detach alias
    lift_fresh to _to_copy type_as float double half bfloat16 cat concat concatenate stack
"""
ARITHMETIC = """
    add sub subtract rsub mul multiply div divide true_divide neg square pow sqrt rsqrt reciprocal mean sum
    linalg_vector_norm norm rms_norm layer_norm linear matmul mm bmm addmm baddbmm einsum scaled_dot_product_attention
    conv1d conv2d conv3d
"""
ANALYTIC = frozenset((*SHAPES.split(), *ARITHMETIC.split()))
"""Operators whose results are analytic functions of their arguments, nearly everywhere."""
PRECISION = 1e-9

Pair = tuple[Any, Any]
"""A value, and what becomes of it."""


class Probe:
    """The calls of one trace, ready to be made."""

    def __init__(self, graph: fx.Graph, values: dict[fx.Node, Any], tracer: Tracer) -> None:
        self.graph = graph
        self.values = values
        self.tracer = tracer
        self.numbers = Numbers(values)

    def allows(self, action: Action) -> bool:
        """Whether matrices may act on the units of a group: never yes where they may not."""
        try:
            _Run(self, action).run()
        except (Incomplete, Unknown):
            return False
        return True

    def labels(self, node: fx.Node) -> tuple[Label, ...]:
        """All labels of a value, or of its parts."""
        return tuple(label for value in flatten_values([self.values.get(node)]) for label in self.labels_of(value))

    def labels_of(self, value: Value) -> tuple[Label, ...]:
        """The labels of a value; of a stored tensor, those that some rule asked for."""
        if value.is_raw and value.tensor is not None:
            return tuple(self.tracer.tensor_labels.get(value.tensor, {}).values())
        return value.labels


class _Run:
    """One run through a program, with what becomes of every value that the action changes."""

    def __init__(self, probe: Probe, action: Action) -> None:
        self.probe = probe
        self.action = action
        self.pairs: dict[fx.Node, Pair] = {}
        self.dirty: set[fx.Node] = set()

    def run(self) -> None:
        for node in self.probe.graph.nodes:
            if not any(self._is_moved(arg) for arg in node.all_input_nodes):
                if node.op != "placeholder" and self._is_moved(node):
                    raise Unknown  # units that no stored tensor makes cannot move
                continue
            if node.op == "output" or not self._is_analytic(node) or self._is_lost(node):
                raise Unknown
            if self._is_map(node):
                self._map(node)
            else:
                self._call(node)

    def _is_moved(self, node: fx.Node) -> bool:
        return node in self.dirty or any(self.action.acts_on(label) for label in self.probe.labels(node))

    def _is_analytic(self, node: fx.Node) -> bool:
        name = operator_of(node)
        return node.target is operator.getitem or (
            (name in ANALYTIC or name == "embedding") and node.kwargs.get("rounding_mode") is None
        )

    def _is_lost(self, node: fx.Node) -> bool:
        """Whether a call takes what is not clean times stored weights, after which it would hardly become clean."""
        values = [self.probe.values.get(arg) for arg in node.all_input_nodes]
        weights = [v for v in values if isinstance(v, Value) and v.is_raw and len(v.shape) > 1]
        return bool(weights) and not self.dirty.isdisjoint(node.all_input_nodes)

    # ------------------------------------------------------------------ linear maps by stored tensors

    def _is_map(self, node: fx.Node) -> bool:
        """Whether a call is a product with stored weights, and its other argument has the units along its last axis."""
        name = operator_of(node)
        if name not in ("linear", "embedding"):
            return False
        numbers, weight = (self.probe.values[arg] for arg in node.args[:2])  # type: ignore[index]
        if name == "embedding":
            return bool(numbers.is_raw)
        others = [lab for lab in self.probe.labels_of(numbers) if not any(lab is own for own in numbers.along(-1))]
        return bool(weight.is_raw) and not any(self.action.acts_on(label) for label in others)

    def _map(self, node: fx.Node) -> None:
        """Both sides of a weight have to be moved alike: that which is summed over, and that of the result."""
        name = operator_of(node)
        x, weight = node.args[:2] if name == "linear" else (None, node.args[0])
        bias = node.args[2] if name == "linear" and len(node.args) > 2 else None
        rows, columns = (self._frames(weight, axis) for axis in (0, 1))
        if name == "embedding":
            rows, columns = columns, rows
        if columns != (None if x is None else self._frames(x, -1)) or rows != self._frames(node, -1):
            raise Unknown
        if bias is not None and rows != self._frames(bias, 0):
            raise Unknown
        if rows is not None:
            self._begin(node)

    def _frames(self, node: Any, axis: int) -> Any:
        value = self.probe.values[node]
        axis %= len(value.shape)
        found = [lab for lab in self.probe.labels_of(value) if lab.shape[axis + 1] > 1 and self.action.acts_on(lab)]
        if any(lab.size != 3 * lab.shape[axis + 1] for lab in found) or len(found) > 1:
            raise Unknown
        return self.action.frames(found[0]) if found else None

    def _begin(self, node: fx.Node) -> None:
        """Random numbers in place of a clean value."""
        plain = made(node)
        self.pairs[node] = plain, self.action.move(plain, self.probe.labels(node))

    # ------------------------------------------------------------------ other calls

    def _call(self, node: fx.Node) -> None:
        """Make a call on both versions of its arguments, and see whether its result is clean."""
        pairs = {arg: self._pair(arg) for arg in node.all_input_nodes}
        plain, moved = (
            self.probe.numbers.call(node, {arg: pair[side] for arg, pair in pairs.items()}) for side in (0, 1)
        )
        self.pairs[node] = plain, moved
        if not isinstance(plain, Tensor):
            self.dirty.add(node)  # its parts are looked at one by one
            return
        try:
            expected = self.action.move(plain, self.probe.labels(node))
        except Incomplete:
            self.dirty.add(node)
            return
        if _agree(moved, expected):
            self.pairs[node] = plain, expected
        else:
            self.dirty.add(node)

    def _pair(self, node: fx.Node) -> Pair:
        if node not in self.pairs:
            value = self.probe.values.get(node)
            plain = self.probe.numbers.of(node)
            is_moved = isinstance(value, Value) and any(map(self.action.acts_on, self.probe.labels_of(value)))
            return plain, self.action.move(plain, self.probe.labels_of(value)) if is_moved else plain  # type: ignore[arg-type]
        return self.pairs[node]


def _agree(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are equal up to rounding, finite, and not zero."""
    if a.shape != b.shape or not (a.is_floating_point() and b.is_floating_point() and b.numel()):
        return False
    size = b.abs().max()
    return bool(size > 0) and bool((a - b).abs().max() <= PRECISION * size)
