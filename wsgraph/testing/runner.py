"""Running models over networks, and refusing proofs that would prove nothing."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from wsgraph.graph import NeuronGraph
from wsgraph.testing.parts import Answer, assert_finite, parts_of, spread

MIN_SPREAD = 10
"""Answers must differ between networks by this many times the tolerance."""


def cast(model: nn.Module, graphs: NeuronGraph, dtype: torch.dtype) -> tuple[nn.Module, NeuronGraph]:
    """A copy of a model in evaluation mode, and of the graphs, in another floating type."""
    return copy.deepcopy(model).to(dtype).eval(), with_weights(graphs, graphs.weights.to(dtype))


def with_weights(graphs: NeuronGraph, weights: Tensor) -> NeuronGraph:
    """The same batch with other weights (flat)."""
    changed = copy.copy(graphs)
    changed.weights = weights
    return changed


def run(model: nn.Module, graphs: NeuronGraph, route: str = "forward") -> Answer:
    """What a model returns, after a look at its form.

    Args:
        model: A model over networks.
        graphs: Its input.
        route: The method to call, ``"forward"`` for the model itself.
    """
    __tracebackhide__ = True
    before = graphs.weights.clone()
    with torch.no_grad():
        answer: Answer = model(graphs) if route == "forward" else getattr(model, route)(graphs)
    if not torch.equal(graphs.weights, before):
        raise AssertionError(f"{name(model)} changed the weights of its input in place.")
    _check_form(model, graphs, answer)
    assert_finite(parts_of(answer), f"{name(model)} returns numbers that are not finite")
    return answer


def _check_form(model: nn.Module, graphs: NeuronGraph, answer: object) -> None:
    __tracebackhide__ = True
    count = len(graphs.spaces)
    if isinstance(answer, NeuronGraph):
        if answer.spaces != graphs.spaces:
            raise AssertionError(f"{name(model)} returned graphs of other weight spaces than it was given.")
    elif not isinstance(answer, Tensor):
        raise AssertionError(f"{name(model)} returned a {type(answer).__name__}; expected a tensor or a NeuronGraph.")
    elif answer.dim() == 0 or len(answer) != count:
        raise AssertionError(f"{name(model)} returned shape {list(answer.shape)}; expected [{count}, ...].")


def refuse_degenerate(graphs: NeuronGraph) -> None:
    """Fail on graphs that prove nothing: fewer than two, zero, or not finite."""
    __tracebackhide__ = True
    if len(graphs.spaces) < 2:
        raise AssertionError("A batch of one network proves nothing: pass at least two, see random_graphs.")
    if not bool(graphs.weights.any()):
        raise AssertionError("All weights are zero, which proves nothing: pass random ones, see random_graphs.")
    assert_finite(parts_of(graphs), "The weights are not finite")


def refuse_constant(model: nn.Module, graphs: NeuronGraph, answer: Answer, limit: float) -> None:
    """Fail on an answer that is the same for every network, or the input itself."""
    __tracebackhide__ = True
    comparable = isinstance(answer, Tensor) or any(len(matrix) > 1 for _, matrix in graphs.matrices())
    if comparable and spread(answer) <= MIN_SPREAD * limit:
        raise AssertionError(
            f"{name(model)} returns nearly the same for every network (relative spread {spread(answer):.1e}), which "
            "proves nothing: give it random parameters, and networks that differ."
        )
    if isinstance(answer, NeuronGraph) and torch.equal(answer.weights, graphs.weights):
        raise AssertionError(
            f"{name(model)} returns the weights as they came, which proves nothing: give it random parameters."
        )


def name(model: nn.Module) -> str:
    """What to call a model in a message."""
    return type(model).__name__
