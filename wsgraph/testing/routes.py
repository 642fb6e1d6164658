"""Two ways to compute one thing."""

from __future__ import annotations

from torch import nn

from wsgraph.graph import NeuronGraph
from wsgraph.testing.parts import assert_close, parts_of
from wsgraph.testing.precision import Tolerance, limits, short, strictest
from wsgraph.testing.runner import cast, name, refuse_constant, refuse_degenerate, run


def assert_routes_agree(model: nn.Module, graphs: NeuronGraph, *, tolerance: Tolerance = 1e-9) -> None:
    """``model.dense(graphs)``, ``model.sparse(graphs)`` and ``model(graphs)`` give the same.

    Args:
        model: A model over networks with both routes. A copy runs, in evaluation mode, in float64 and float32.
        graphs: A batch of neuron graphs of one weight space.
        tolerance: Largest relative error in float64, 1e5 times as much in float32; or one for each type.

    Raises:
        AssertionError: They differ; or the test is empty, since the model returns the same for all networks.
    """
    __tracebackhide__ = True
    refuse_degenerate(graphs)
    for dtype, limit in limits(tolerance):
        twin, inputs = cast(model, graphs, dtype)
        dense = run(twin, inputs, "dense")
        refuse_constant(twin, inputs, dense, strictest(tolerance))
        for route in ("sparse", "forward"):
            answer = run(twin, inputs, route)
            if type(answer) is not type(dense):
                raise AssertionError(f"{name(model)}.{route} returned a {type(answer).__name__}, dense another type.")
            what = f"{name(model)}.{route} differs from the dense route ({short(dtype)})"
            assert_close(parts_of(answer), parts_of(dense), limit, what)
