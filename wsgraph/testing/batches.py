"""Networks of a batch know nothing of each other."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from wsgraph.graph import NeuronGraph
from wsgraph.testing.parts import Answer, assert_close, parts_of
from wsgraph.testing.precision import Tolerance, limits, short, strictest
from wsgraph.testing.runner import cast, name, refuse_constant, refuse_degenerate, run, with_weights


def assert_batch_consistent(model: nn.Module, graphs: NeuronGraph, *, tolerance: Tolerance = 1e-9) -> None:
    """A batch gives what its networks give one by one, and in another order the same in that order.

    Args:
        model: A model over networks, invariant or equivariant. A copy runs, in evaluation mode, in float64 and float32.
        graphs: A batch of neuron graphs that differ.
        tolerance: Largest relative error in float64, 1e5 times as much in float32; or one for each type.

    Raises:
        AssertionError: The law is broken; or the test is empty, since the model returns the same for all networks.
    """
    __tracebackhide__ = True
    refuse_degenerate(graphs)
    for dtype, limit in limits(tolerance):
        twin, inputs = cast(model, graphs, dtype)
        together = run(twin, inputs)
        refuse_constant(twin, inputs, together, strictest(tolerance))
        alone = [run(twin, _select(inputs, [i])) for i in range(len(inputs.spaces))]
        what = f"{name(model)} returns for a network in a batch what it does not return for it alone ({short(dtype)})"
        assert_close(parts_of(together), parts_of(_joined(alone, together)), limit, what)
        order = torch.arange(len(inputs.spaces)).roll(1).tolist()
        permuted = run(twin, _select(inputs, order))
        expected = together[order] if isinstance(together, Tensor) else _select(together, order)
        what = f"{name(model)} returns other values for another order of the batch ({short(dtype)})"
        assert_close(parts_of(permuted), parts_of(expected), limit, what)


def _select(graphs: NeuronGraph, order: Iterable[int]) -> NeuronGraph:
    batch: NeuronGraph = Batch.from_data_list([graphs[i] for i in order])
    return batch


def _joined(answers: list[Answer], like: Answer) -> Answer:
    if isinstance(like, Tensor):
        return torch.cat([answer for answer in answers if isinstance(answer, Tensor)])
    return with_weights(like, torch.cat([answer.weights for answer in answers if isinstance(answer, NeuronGraph)]))
