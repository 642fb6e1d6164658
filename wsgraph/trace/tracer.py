"""What rules talk to: legs, nodes, and the ways in which tensors enter nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from math import prod
from typing import Any

import numpy as np

from wsgraph.space import Pin, Pointwise
from wsgraph.trace.legs import LEG, NODE, Ints, Label, Legs, rows
from wsgraph.trace.value import NotCovered, Value, laid, raised, span, with_node

Axes = tuple[int, ...]


@dataclass
class Node:
    """Units that one operator produces; it becomes a layer, or several."""

    name: str
    operator: str
    legs: Ints
    pointwise: Pointwise | None = None
    eps: float = 0.0
    output: bool = False
    hidden: tuple[str, ...] = ()


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
        tensor_labels: For each tensor, which of its axes have legs: one label for each set of axes.
        ignored: For each tensor, the axes whose indices some operator treats as mere positions.
        sines: Nodes of sin(z), in which half turns may hide.
        readers: For each node and each tensor, the calls that read it.
    """

    legs: Legs = field(default_factory=Legs)
    nodes: list[Node] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    pins: list[Pin] = field(default_factory=list)
    sines: list[int] = field(default_factory=list)
    tensor_labels: dict[str, dict[Axes, Label]] = field(default_factory=dict)
    ignored: dict[str, set[int]] = field(default_factory=dict)
    shifts: dict[str, float] = field(default_factory=dict)
    readers: dict[int | str, set[str]] = field(default_factory=dict)
    where: str = ""
    operator: str = ""
    overload: str = ""
    call: str = ""
    shape: Any = ()
    inputs: set[str] = field(default_factory=set)
    _data_units: dict[tuple[str, int], Label] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    # --------------------------------------------------------------- values

    def result(self, *labels: Label) -> Value:
        """The value of the operator at hand."""
        shape = tuple(self.shape)
        return Value(shape, tuple(raised(label, len(shape)) for label in labels), name=self.call)

    def units_along(self, value: Value, axis: int) -> tuple[Value, Label]:
        """The value, and the label of its units along one axis; data without units there become fixed units.

        The network's inputs become nodes of the operator ``"input"``, other data of the operator ``"data"``.
        """
        axis %= len(value.shape)
        value = self.activated(self.opened(value))
        found = value.along(axis)
        if len(found) > 1:
            raise NotCovered("a form in which an axis has units of two kinds")
        if found:
            return value, found[0]
        if value.shape[axis] == 1 and any(not span(label) for label in value.labels):
            return value, next(label for label in value.labels if not span(label))
        label = self._data_along(value, axis)
        return replace(value, labels=(*value.labels, label)), label

    def activated(self, value: Value) -> Value:
        """Parameters that stand for the values of a layer, as the values of a layer: that of their biases alone."""
        if not value.is_parameter or not value.labels:
            return value
        node = self.add_node("linear", np.concatenate([label[LEG].reshape(-1) for label in value.labels]))
        for label in value.labels if value.tensor is not None else ():
            self.use("bias", node, value.tensor, label, label)
        labels = tuple(with_node(label, node) for label in value.labels)
        return Value(value.shape, labels, name=value.name)

    def _data_along(self, value: Value, axis: int) -> Label:
        key = (value.name, axis)
        if key not in self._data_units:
            legs = self.legs.new(value.shape[axis])
            is_input = value.name in self.inputs and not value.labels
            node = self.add_node("input" if is_input else "data", legs, name=value.name)
            self._data_units[key] = make_label(legs, node)
            if not value.is_zero:
                self.legs.pin(self._data_units[key])
        return laid(self._data_units[key], axis, len(value.shape))

    def opened(self, value: Value, axes: Iterable[int] | None = None, pieces: int = 1) -> Value:
        """A stored tensor with labels; any other value as it is.

        Args:
            value: The value.
            axes: Axes whose indices are units: all that have several, if not given. Indices of the others are
                positions, which do not move.
            pieces: Number of pieces of axis 0 with separate units along the other axes (grouped convolutions).
        """
        if not value.is_raw:
            return value
        rank = len(value.shape)
        wanted = [a for a, n in enumerate(value.shape) if n > 1] if axes is None else [a % rank for a in axes]
        return self._with_labels(value, [(a,) for a in wanted], pieces)

    def opened_jointly(self, value: Value, groups: Sequence[Axes]) -> Value:
        """A stored tensor in which every one of these sets of axes has units of its own for each of its positions."""
        return self._with_labels(value, groups) if value.is_raw else value

    def _with_labels(self, value: Value, groups: Sequence[Axes], pieces: int = 1) -> Value:
        assert value.tensor is not None
        known = self.tensor_labels.setdefault(value.tensor, {})
        labels: dict[Axes, Label] = {}
        for group in groups:
            clash = [axes for axes in known if set(axes) & set(group)]
            if not clash:
                known[group] = self._axis_legs(value.shape, group, pieces if group != (0,) else 1)
            labels.update({axes: known[axes] for axes in clash or [group]})
        others = set(range(len(value.shape))) - {a for axes in labels for a in axes}
        self.ignored.setdefault(value.tensor, set()).update(others)
        found = tuple(labels.values())
        return replace(value, labels=found, members=((value.tensor, found),), is_raw=False)

    def axis(self, value: Value, axis: int = 0) -> Label:
        """The label along the one axis of a parameter whose indices are units."""
        return self.axes(value, (axis,))[0]

    def axes(self, value: Value, axes: Axes) -> list[Label]:
        """The labels along those axes of a parameter whose indices are units."""
        if not value.is_parameter:
            raise NotCovered("a form with computed numbers in place of a parameter")
        if value.is_raw:
            labels = list(self.opened(value, axes).labels)
        else:
            labels = [label for axis in axes for label in value.along(axis)]
        if len(labels) != len(axes) or any(_overlap(a, b) for a in labels for b in labels if a is not b):
            raise NotCovered("a form in which an axis of a parameter has no units of its own")
        return labels

    def _axis_legs(self, shape: tuple[int, ...], axes: Axes, pieces: int) -> Label:
        sizes = [shape[a] for a in axes]
        dims = [n if a in axes else 1 for a, n in enumerate(shape)]
        legs = self.legs.new(pieces * prod(sizes)).reshape(pieces, *sizes)
        if pieces > 1:
            dims[0] = shape[0]
            legs = legs.repeat(shape[0] // pieces, axis=0)
        return make_label(legs.reshape(dims), -1)

    def finish(self) -> None:
        """Pin the indices that some operator treats as positions, after the last call."""
        for tensor, axes in self.ignored.items():
            for known, label in self.tensor_labels[tensor].items():
                if axes & set(known):
                    self.legs.pin(label)

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
        name = self.name() if name is None else name
        self._names.add(name)
        hidden = (self.operator,) if operator == "pointwise" and pointwise is None else ()
        self.nodes.append(Node(name, operator, legs, pointwise, eps, hidden=hidden))
        number = len(self.nodes) - 1
        self.legs.mark(make_label(legs, number))
        return number

    def bystanders(self, x: Value, met: Label, node: int, keeps_multiplier: bool = False) -> list[Label]:
        """The labels of x beside the one that an operator meets, as units of the result's node too."""
        rest = [label for label in x.labels if label is not met]
        for label in rest:
            self.legs.restrict(label, magnitude=keeps_multiplier, sign=keeps_multiplier)
        legs = np.concatenate([self.nodes[node].legs, *(label[LEG].reshape(-1) for label in rest)])
        self.nodes[node].legs = np.unique(legs)
        for label in rest:
            self.operand(node, label, label)
        return [with_node(label, node) for label in rest]

    def name(self) -> str:
        """A name for the units that the operator at hand makes."""
        if not self.where:
            return self.call
        names = (self.where, f"{self.where}.{self.operator}")
        more = (f"{self.where}.{self.operator}_{i}" for i in count(2))
        return next(name for name in chain(names, more) if name not in self._names)

    def use(
        self, role: str, node: int, tensor: str | None, target: Label, met: Label, source: Label | None = None
    ) -> None:
        """Record a connection: legs ``target`` of a tensor (or source) meet legs ``met`` of the node, row by row.

        For an operand, ``target`` is the label of the source value itself.
        """
        legs, _ = rows(target, met) if source is None else rows(target, met, source)
        sources = None
        if source is not None:
            rank = max(label.ndim for label in (target, met, source)) - 1
            dims = np.broadcast_shapes(*(label.shape[1:] for label in (target, met, source)))
            sources = np.stack([legs[0], legs[2], np.broadcast_to(raised(source, rank)[NODE], dims).reshape(-1)])
        self.uses.append(Use(role, node, tensor, legs[:2], sources))

    def operand(self, node: int, label: Label, result: Label) -> None:
        """Record that the values of another node enter this one."""
        self.use("operand", node, None, label, result, label)

    def weight(self, node: int, tensor: str, out: Label, inner: Label, source: Label) -> None:
        """Record a linear map: legs ``out`` of the tensor are the node's, legs ``inner`` meet the source value."""
        legs = out[LEG].reshape(-1)
        self.uses.append(Use("weight", node, tensor, np.stack([legs, legs]), self._source_rows(inner, source)))

    def enter(self, role: str, node: int, value: Value, legs: Label, met: Label) -> None:
        """Record a parameter, or the tensors that it is made of, whose legs meet those of a node."""
        if value.tensor is not None:
            self.use(role, node, value.tensor, legs, met)
            return
        for tensor, labels in value.members:
            for label in labels:
                if label.size == legs.size:
                    self.use("part", node, tensor, label.reshape(legs.shape), met)

    def part(self, node: int, tensor: str, targets: Ints, inner: Label | None, source: Label) -> None:
        """Record a tensor that a computed weight is made of."""
        self.uses.append(
            Use("part", node, tensor, targets, None if inner is None else self._source_rows(inner, source))
        )

    def _source_rows(self, tensor_legs: Label, source: Label) -> Ints:
        legs, _ = rows(tensor_legs, source)
        dims = np.broadcast_shapes(tensor_legs.shape[1:], source.shape[1:])
        nodes = np.broadcast_to(source[NODE], dims).reshape(-1)
        return np.stack([*legs, nodes])

    def note_readers(self, values: Iterable[Value], results: Iterable[Value]) -> None:
        """The operator at hand reads the nodes and tensors of its arguments, except those that it only hands on."""
        handed_on = {source for value in results for source in _sources(value)}
        for value in values:
            for source in _sources(value) - handed_on:
                self.readers.setdefault(source, set()).add(self.call)

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
            nodes = {
                int(n) for (name, _), label in self._data_units.items() if name == value.name for n in label[NODE, :1]
            }
            if value.name in self.inputs and not value.labels and not nodes & shown:
                self.inputs.discard(value.name)
                for node in nodes:
                    self.nodes[node].operator = "data"

    # ----------------------------------------------------------------- pins

    def pin(self, values: Iterable[Any], reason: str) -> None:
        """Leave all units of these values (and of these parameters) in place, and say so in the report."""
        count = 0
        for value in values:
            if isinstance(value, Value):
                count += sum(self.legs.pin(label) for label in self.opened(value).labels)
        if count:
            self.pins.append(Pin(self.where, self.operator, reason, count))


def _overlap(a: Label, b: Label) -> bool:
    return bool(span(a) & span(b))


def make_label(legs: Ints, node: int) -> Label:
    """The label of legs at one site of a node (-1 for a parameter)."""
    return np.stack([legs, np.zeros_like(legs), np.full_like(legs, node)])


def _sources(value: Value) -> set[int | str]:
    """The nodes and tensors whose numbers a value holds."""
    nodes = {int(n) for label in value.labels for n in np.unique(label[NODE])} - {-1}
    return nodes | set(value.parts)


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
