"""What rules talk to: legs, nodes, and the ways in which tensors enter nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from wsgraph.space import Pin, Pointwise
from wsgraph.trace.legs import LEG, NODE, Ints, Label, Legs, rows
from wsgraph.trace.value import NotCovered, Value, along


@dataclass
class Node:
    """Units that one operator produces; it becomes a layer, or several."""

    name: str
    operator: str
    legs: Ints
    pointwise: Pointwise | None = None
    eps: float = 0.0
    output: bool = False


@dataclass(frozen=True)
class Use:
    """How a tensor or another node's values enter a node.

    Attributes:
        role: Of the connection.
        node: The target.
        tensor: The tensor used, or None.
        targets: ``[2, n]``: legs of the tensor (of the source, for an operand), and the legs of the node they meet.
        sources: ``[3, n]``: legs of the tensor, and the legs and nodes of the source values they meet, or None.
    """

    role: str
    node: int
    tensor: str | None
    targets: Ints
    sources: Ints | None = None


@dataclass
class Tracer:
    """The state of one trace.

    Attributes:
        where: Module path of the operator at hand.
        operator: Its name.
        call: Its name in the exported graph.
        shape: Shape of its result (a list for several results).
    """

    legs: Legs = field(default_factory=Legs)
    nodes: list[Node] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    pins: list[Pin] = field(default_factory=list)
    tensor_labels: dict[str, list[Label | None]] = field(default_factory=dict)
    shifts: dict[str, float] = field(default_factory=dict)
    where: str = ""
    operator: str = ""
    overload: str = ""
    call: str = ""
    shape: Any = ()
    inputs: set[str] = field(default_factory=set)
    _data_units: dict[tuple[str, int], Label] = field(default_factory=dict)

    # --------------------------------------------------------------- values

    def result(self, label: Label | None = None) -> Value:
        """The value of the operator at hand."""
        return Value(tuple(self.shape), label, name=self.call)

    def units_along(self, value: Value, axis: int) -> Value:
        """The value with units along one axis; data without a meaning become fixed units there.

        The network's inputs become nodes of the operator ``"input"``, other data of the operator ``"data"``.

        A value whose units lie along other axes is pinned first.
        """
        axis %= len(value.shape)
        size = value.shape[axis]
        if value.label is not None and value.label.shape[axis + 1] == size:
            return value
        if value.labels or value.is_parameter:
            self.pin([value], "its units do not lie along the axis that is used")
        key = (value.name, axis)
        if key not in self._data_units:
            legs = self.legs.new(size)
            node = self.add_node("input" if value.name in self.inputs else "data", legs, name=value.name)
            label = make_label(legs, node)
            self.legs.pin(label)
            self._data_units[key] = label
        return Value(value.shape, along(self._data_units[key], axis, len(value.shape)), name=value.name)

    def parameter(self, value: Value, axes: Iterable[int], pieces: int = 1) -> Value:
        """A parameter with labels along some axes.

        Args:
            value: The parameter.
            axes: Axes whose indices are units.
            pieces: Number of pieces of axis 0 with separate units along the other axes (grouped convolutions).
        """
        if value.tensor is None or value.axes:
            return value
        rank = len(value.shape)
        known = self.tensor_labels.setdefault(value.tensor, [None] * rank)
        for axis in axes:
            axis %= rank
            if known[axis] is None:
                known[axis] = self._axis_legs(value.shape, axis, pieces if axis else 1)
        return replace(value, axes=tuple(known))

    def axis(self, value: Value, axis: int, pieces: int = 1) -> Label:
        """The label along one axis of a parameter."""
        label = self.parameter(value, (axis,), pieces).axes[axis] if value.is_parameter else None
        if label is None:
            raise NotCovered("a form with computed numbers in place of a parameter")
        return label

    def _axis_legs(self, shape: tuple[int, ...], axis: int, pieces: int) -> Label:
        legs = self.legs.new(pieces * shape[axis]).reshape(pieces, shape[axis])
        dims = [1] * len(shape)
        dims[axis] = shape[axis]
        if pieces > 1:
            dims[0] = shape[0]
            legs = legs.repeat(shape[0] // pieces, axis=0)
        return make_label(legs.reshape(dims), -1)

    # ---------------------------------------------------------------- nodes

    def add_node(
        self,
        operator: str,
        legs: Ints,
        name: str | None = None,
        pointwise: Pointwise | None = None,
        eps: float = 0.0,
    ) -> int:
        """A new node; returns its number."""
        legs = np.unique(legs)
        self.nodes.append(Node(self.name() if name is None else name, operator, legs, pointwise, eps))
        number = len(self.nodes) - 1
        self.legs.mark(make_label(legs, number))
        return number

    def name(self) -> str:
        """A name for the units that the operator at hand makes."""
        used = {node.name for node in self.nodes}
        return self.where if self.where and self.where not in used else self.call

    def use(
        self, role: str, node: int, tensor: str | None, target: Label, met: Label, source: Label | None = None
    ) -> None:
        """Record a connection: legs ``target`` of a tensor (or source) meet legs ``met`` of the node, row by row.

        For an operand, ``target`` is the label of the source value itself.
        """
        legs, _ = rows(target, met) if source is None else rows(target, met, source)
        sources = None
        if source is not None:
            dims = np.broadcast_shapes(*(label.shape[1:] for label in (target, met, source)))
            sources = np.stack([legs[0], legs[2], np.broadcast_to(source[NODE], dims).reshape(-1)])
        self.uses.append(Use(role, node, tensor, legs[:2], sources))

    def weight(self, node: int, tensor: str | None, out: Label, inner: Label, source: Label) -> None:
        """Record a linear map: legs ``out`` of the tensor are the node's, legs ``inner`` meet the source value."""
        if tensor is not None:
            legs = out[LEG].reshape(-1)
            self.uses.append(Use("weight", node, tensor, np.stack([legs, legs]), self._source_rows(inner, source)))

    def _source_rows(self, tensor_legs: Label, source: Label) -> Ints:
        legs, _ = rows(tensor_legs, source)
        dims = np.broadcast_shapes(tensor_legs.shape[1:], source.shape[1:])
        nodes = np.broadcast_to(source[NODE], dims).reshape(-1)
        return np.stack([*legs, nodes])

    def note_hidden_reads(self, values: Iterable[Value], results: Iterable[Value], first_use: int) -> None:
        """An input that an operator reads in a way that no connection shows is mere data.

        Args:
            values: Arguments of the operator at hand.
            results: Its results.
            first_use: Number of uses before it.
        """
        shown = {int(n) for use in self.uses[first_use:] if use.sources is not None for n in use.sources[2]}
        shown |= {int(n) for result in results for label in result.labels for n in label[NODE].reshape(-1)}
        for value in values:
            nodes = {int(label[NODE, 0]) for (name, _), label in self._data_units.items() if name == value.name}
            if value.name in self.inputs and value.label is None and not nodes & shown:
                self.inputs.discard(value.name)
                for node in nodes:
                    self.nodes[node].operator = "data"

    # ----------------------------------------------------------------- pins

    def pin(self, values: Iterable[Any], reason: str) -> None:
        """Leave all units of these values (and of these parameters) in place, and say so in the report."""
        count = 0
        for value in values:
            if not isinstance(value, Value):
                continue
            value = self.parameter(value, range(len(value.shape)))
            count += sum(self.legs.pin(label) for label in value.labels)
        if count:
            self.pins.append(Pin(self.where, self.operator, reason, count))


def make_label(legs: Ints, node: int) -> Label:
    """The label of legs at one site of a node (-1 for a parameter)."""
    return np.stack([legs, np.zeros_like(legs), np.full_like(legs, node)])


def flatten_values(args: Sequence[Any]) -> list[Value]:
    """All values in nested arguments."""
    found: list[Value] = []
    for arg in args:
        if isinstance(arg, Value):
            found.append(arg)
        elif isinstance(arg, list | tuple):
            found += flatten_values(arg)
        elif isinstance(arg, dict):
            found += flatten_values(list(arg.values()))
    return found
