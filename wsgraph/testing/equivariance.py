"""Models over networks against the symmetries of the networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsgraph.graph import NeuronGraph
from wsgraph.testing.moves import act, draw_for_each, refuse_unmoved, seeded
from wsgraph.testing.parts import Answer, assert_close, parts_of
from wsgraph.testing.precision import Tolerance, limits, short, strictest
from wsgraph.testing.runner import cast, name, refuse_constant, refuse_degenerate, run


def assert_invariant(
    model: nn.Module,
    graphs: NeuronGraph,
    *,
    num_samples: int = 2,
    max_scale: float = 10.0,
    scale: bool = True,
    generator: torch.Generator | None = None,
    tolerance: Tolerance = 1e-9,
) -> None:
    """The model's outputs stay when every network of the batch is moved by a symmetry of its own (without shifts).

    Args:
        model: A model over networks that returns ``[B, ...]``. A copy runs, in evaluation mode, in float64 and float32.
        graphs: A batch of neuron graphs, see :func:`wsgraph.testing.random_graphs`; different spaces may be mixed.
        num_samples: Number of symmetries to try.
        max_scale: Magnitudes of multipliers lie in [1 / max_scale, max_scale].
        scale: Whether signs, magnitudes and half turns are drawn; permutations alone if not.
        generator: Source of randomness; seeded with 0 if not given.
        tolerance: Largest max |y' - y| / max |y| in float64, 1e5 times as much in float32; or one for each type.

    Raises:
        AssertionError: They do not stay; or the test is empty, since no symmetry changes the weights, or the outputs
            are the same for all networks, or not finite.
    """
    __tracebackhide__ = True
    _assert_law(model, graphs, Tensor, "is not invariant", num_samples, max_scale, scale, generator, tolerance)


def assert_equivariant(
    model: nn.Module,
    graphs: NeuronGraph,
    *,
    num_samples: int = 2,
    max_scale: float = 10.0,
    scale: bool = True,
    generator: torch.Generator | None = None,
    tolerance: Tolerance = 1e-9,
) -> None:
    """Moving the networks and running the model is running the model and moving what it returns: f(g·W) = g·f(W).

    Shifts are left out: an affine map of the weights has no place in what is added to them.

    Args:
        model: A model over networks that returns neuron graphs of the same spaces. A copy runs, in evaluation mode, in
            float64 and float32.
        graphs: A batch of neuron graphs, see :func:`wsgraph.testing.random_graphs`; different spaces may be mixed.
        num_samples: Number of symmetries to try.
        max_scale: Magnitudes of multipliers lie in [1 / max_scale, max_scale].
        scale: Whether signs, magnitudes and half turns are drawn; permutations alone if not.
        generator: Source of randomness; seeded with 0 if not given.
        tolerance: Largest relative error, measured tensor by tensor, in float64, 1e5 times as much in float32; or one
            for each type.

    Raises:
        AssertionError: The law is broken; or the test is empty, since no symmetry changes the weights, or the model
            returns the same for all networks, or what it was given, or numbers that are not finite.
    """
    __tracebackhide__ = True
    _assert_law(model, graphs, NeuronGraph, "is not equivariant", num_samples, max_scale, scale, generator, tolerance)


def _assert_law(
    model: nn.Module,
    graphs: NeuronGraph,
    kind: type[Answer],
    complaint: str,
    num_samples: int,
    max_scale: float,
    scale: bool,
    generator: torch.Generator | None,
    tolerance: Tolerance,
) -> None:
    __tracebackhide__ = True
    generator = seeded(generator)
    refuse_degenerate(graphs)
    for space, matrix in graphs.matrices():
        refuse_unmoved(space, matrix, generator, max_scale, scale)
    for dtype, limit in limits(tolerance):
        twin, inputs = cast(model, graphs, dtype)
        answer = run(twin, inputs)
        if not isinstance(answer, kind):
            raise AssertionError(f"{name(model)} returned a {type(answer).__name__}, expected a {kind.__name__}.")
        refuse_constant(twin, inputs, answer, strictest(tolerance))
        for _ in range(num_samples):
            symmetries = draw_for_each(inputs, generator, max_scale, scale)
            moved = run(twin, act(symmetries, inputs))
            expected = answer if isinstance(answer, Tensor) else act(symmetries, answer)
            assert_close(parts_of(moved), parts_of(expected), limit, f"{name(model)} {complaint} ({short(dtype)})")
