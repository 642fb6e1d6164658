"""Recurrent layers: one step, after which the state is what it was before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from wsgraph.trace.legs import LEG
from wsgraph.trace.registry import rule
from wsgraph.trace.rules.arithmetic import add, multiply
from wsgraph.trace.rules.concat import cat
from wsgraph.trace.rules.linear import linear
from wsgraph.trace.rules.pointwise import elementwise
from wsgraph.trace.rules.shape import take
from wsgraph.trace.tracer import Tracer, make_label
from wsgraph.trace.value import NotCovered, Value, laid

Step = Callable[["_Steps", Value, list[Value], list[Value]], list[Value]]


class _Steps:
    """Calls of other rules, with the names and shapes that they expect."""

    def __init__(self, tracer: Tracer, rows: tuple[int, ...]) -> None:
        self.tracer = tracer
        self.rows = rows

    def _at(self, operator: str, width: int, overload: str = "default") -> Tracer:
        self.tracer.operator, self.tracer.overload, self.tracer.shape = operator, overload, (*self.rows, width)
        return self.tracer

    def linear(self, x: Value, weight: Value, bias: Value | None = None) -> Value:
        return linear(self._at("linear", weight.shape[0]), x, weight, bias)

    def add(self, x: Value, y: Value) -> Value:
        return add(self._at("add", x.shape[-1], "Tensor"), x, y)

    def multiply(self, x: Value, y: Value) -> Value:
        return multiply(self._at("mul", x.shape[-1], "Tensor"), x, y)

    def apply(self, operator: str, x: Value) -> Value:
        return elementwise(self._at(operator, x.shape[-1]), x)

    def complement(self, x: Value) -> Value:
        """1 - x."""
        return add(self._at("rsub", x.shape[-1], "Scalar"), x, 1)

    def gates(self, x: Value, count: int) -> list[Value]:
        size = x.shape[-1] // count
        return [take(self._at("slice", size), x, -1, slice(i * size, (i + 1) * size)) for i in range(count)]

    def state(self, initial: Value | None, size: int, name: str) -> Value:
        """Units for a state, before the step that makes them."""
        legs = self.tracer.legs.new(size)
        node = self.tracer.add_node("data", legs, name=f"{self.tracer.name()}.{name}")
        label = laid(make_label(legs, node), -1, len(self.rows) + 1)
        if initial is not None and initial.labels:
            raise NotCovered("a form whose first state is computed")
        if initial is None or not initial.is_zero:
            self.tracer.legs.pin(label)
        return Value((*self.rows, size), (label,), name=f"{self.tracer.call}.{name}")


def lstm_step(steps: _Steps, x: Value, states: list[Value], weights: list[Value]) -> list[Value]:
    """i, f, o = σ(·), g = tanh(·), c' = f c + i g, h' = o tanh(c'), and a projection of h' if there is one."""
    h, c = states
    i, f, g, o = steps.gates(_mixed(steps, x, h, weights), 4)
    i, f, o = (steps.apply("sigmoid", gate) for gate in (i, f, o))
    c = steps.add(steps.multiply(f, c), steps.multiply(i, steps.apply("tanh", g)))
    h = steps.multiply(o, steps.apply("tanh", c))
    projection = [w for w in weights[2:] if len(w.shape) == 2]
    return [steps.linear(h, projection[0]) if projection else h, c]


def gru_step(steps: _Steps, x: Value, states: list[Value], weights: list[Value]) -> list[Value]:
    """r, z = σ(·), n = tanh(W x + r ⊙ U h), h' = (1 - z) n + z h."""
    (h,) = states
    biases = weights[2:] or [None, None]  # type: ignore[list-item]
    from_x = steps.gates(steps.linear(x, weights[0], biases[0]), 3)
    from_h = steps.gates(steps.linear(h, weights[1], biases[1]), 3)
    r, z = (steps.apply("sigmoid", steps.add(a, b)) for a, b in zip(from_x[:2], from_h[:2], strict=True))
    n = steps.apply("tanh", steps.add(from_x[2], steps.multiply(r, from_h[2])))
    return [steps.add(steps.multiply(steps.complement(z), n), steps.multiply(z, h))]


def rnn_step(activation: str) -> Step:
    """h' = a(W x + U h)."""

    def step(steps: _Steps, x: Value, states: list[Value], weights: list[Value]) -> list[Value]:
        return [steps.apply(activation, _mixed(steps, x, states[0], weights))]

    return step


def _mixed(steps: _Steps, x: Value, h: Value, weights: list[Value]) -> Value:
    biases = [w for w in weights[2:] if len(w.shape) == 1] or [None, None]  # type: ignore[list-item]
    return steps.add(steps.linear(x, weights[0], biases[0]), steps.linear(h, weights[1], biases[1]))


@rule("lstm")
def lstm(
    tracer: Tracer,
    x: Value,
    states: list[Value],
    params: list[Value],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool = False,
) -> tuple[Value, ...]:
    """Long short-term memory, stacked, in both directions, with projections."""
    return _stacked(tracer, lstm_step, x, list(states), params, num_layers, bidirectional)


@rule("gru")
def gru(
    tracer: Tracer,
    x: Value,
    state: Value,
    params: list[Value],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool = False,
) -> tuple[Value, ...]:
    """Gated recurrent units."""
    return _stacked(tracer, gru_step, x, [state], params, num_layers, bidirectional)


@rule("rnn_tanh", "rnn_relu")
def rnn(
    tracer: Tracer,
    x: Value,
    state: Value,
    params: list[Value],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool = False,
) -> tuple[Value, ...]:
    """Elman's recurrence."""
    step = rnn_step(tracer.operator.removeprefix("rnn_"))
    return _stacked(tracer, step, x, [state], params, num_layers, bidirectional)


@rule("lstm_cell")
def lstm_cell(tracer: Tracer, x: Value, states: list[Value], *weights: Value | None) -> tuple[Value, ...]:
    """One step, from the given state."""
    steps = _Steps(tracer, x.shape[:-1])
    return tuple(lstm_step(steps, x, list(states), [w for w in weights if w is not None]))


@rule("gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
def cell(tracer: Tracer, x: Value, state: Value, *weights: Value | None) -> Value:
    """One step, from the given state."""
    name = tracer.operator.removeprefix("rnn_").removesuffix("_cell")
    step: Step = gru_step if name == "gru" else rnn_step(name)
    return step(_Steps(tracer, x.shape[:-1]), x, [state], [w for w in weights if w is not None])[0]


def _stacked(
    tracer: Tracer,
    step: Step,
    x: Value,
    initial: list[Value],
    params: list[Value],
    num_layers: int,
    bidirectional: bool,
) -> tuple[Value, ...]:
    """All layers and directions of a recurrent layer; the results are those of ATen, outputs first."""
    shapes, directions = tracer.shape, 2 if bidirectional else 1
    count = len(params) // (num_layers * directions)
    finals: list[list[Value]] = []
    for layer in range(num_layers):
        steps = _Steps(tracer, x.shape[:-1])
        both = []
        for direction in range(directions):
            number = layer * directions + direction
            final = _run(steps, step, x, initial, params[number * count : (number + 1) * count], number)
            both.append(final[0])
            finals.append(final)
        tracer.shape = (*x.shape[:-1], sum(h.shape[-1] for h in both))
        x = cat(tracer, both, -1) if bidirectional else both[0]
    tracer.shape = shapes[0]
    output = replace(x, shape=tuple(shapes[0]))
    return (output, *(_final(tracer, [f[i] for f in finals], shapes[1 + i]) for i in range(len(initial))))


def _run(steps: _Steps, step: Step, x: Value, initial: list[Value], weights: list[Value], number: int) -> list[Value]:
    """One direction of one layer: the states after a step are those before it."""
    sizes = [s.shape[-1] for s in initial]
    before = [steps.state(s, n, f"state{number}.{i}") for i, (s, n) in enumerate(zip(initial, sizes, strict=True))]
    after = step(steps, x, before, list(weights))
    for old, new in zip(before, after, strict=True):
        steps.tracer.legs.equal(old.labels[0], new.labels[0])
    return after


def _final(tracer: Tracer, states: list[Value], shape: tuple[int, ...]) -> Value:
    """The last states ``[layers * directions, batch, units]``: labelled if there is one layer and direction."""
    tracer.shape = tuple(shape)
    if len(states) == 1:
        return tracer.result(laid(states[0].labels[0].reshape(3, -1), -1, len(shape)))
    legs = np.stack([s.labels[0].reshape(3, -1) for s in states], axis=1)
    dims = (3, shape[0], *[1] * (len(shape) - 2), shape[-1])
    assert legs[LEG].size == shape[0] * shape[-1]
    return tracer.result(legs.reshape(dims))
