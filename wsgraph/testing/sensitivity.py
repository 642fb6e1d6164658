"""Models must see what is not a symmetry."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import nn

from wsgraph.graph import NeuronGraph
from wsgraph.testing.changes import Change, changes
from wsgraph.testing.moves import refuse_unmoved, seeded
from wsgraph.testing.parts import Answer, deviation, parts_of
from wsgraph.testing.runner import cast, name, refuse_constant, refuse_degenerate, run

MAX_LISTED = 10


def assert_sensitive(
    model: nn.Module,
    graphs: NeuronGraph,
    *,
    tensors: Collection[str] | None = None,
    max_changes: int = 100,
    max_scale: float = 10.0,
    generator: torch.Generator | None = None,
    tolerance: float = 1e-9,
) -> None:
    """The model notices what is not a symmetry: it is not more invariant, or equivariant, than it should be.

    Every axis of every block is permuted, scaled and flipped in sign without the blocks that a symmetry moves along
    with it. An invariant model must change its outputs, an equivariant one must break f(h·W) = h·f(W). This law is
    tried in float64 alone, where a small change can be told from rounding.

    Args:
        model: A model over networks, invariant or equivariant. A copy runs, in evaluation mode.
        graphs: A batch of neuron graphs, see :func:`wsgraph.testing.random_graphs`; different spaces may be mixed.
        tensors: Names of the tensors to change, all if not given. A model that sees no more of a network than its
            function cannot notice a tensor that has no effect (a bias before an instance normalisation).
        max_changes: Number of changes to try, drawn at random if there are more.
        max_scale: Multipliers lie in [1 / max_scale, max_scale].
        generator: Source of randomness; seeded with 0 if not given.
        tolerance: The smallest relative change of the answer that counts as noticed.

    Raises:
        AssertionError: Some changes went unnoticed, with a list of them; or the test is empty, since there is nothing
            to change, or the model returns the same for all networks.
    """
    __tracebackhide__ = True
    generator = seeded(generator)
    refuse_degenerate(graphs)
    for space, matrix in graphs.matrices():
        refuse_unmoved(space, matrix, generator, max_scale)
    twin, inputs = cast(model, graphs, torch.float64)
    answer = run(twin, inputs)
    refuse_constant(twin, inputs, answer, tolerance)
    tried = _sample(graphs, tensors, max_changes, max_scale, generator)
    unnoticed = [change for change in tried if _effect(change, twin, inputs, answer) <= tolerance]
    if unnoticed:
        listed = "; ".join(str(change) for change in unnoticed[:MAX_LISTED])
        more = f"; and {len(unnoticed) - MAX_LISTED} more" if len(unnoticed) > MAX_LISTED else ""
        raise AssertionError(
            f"{name(model)} does not notice {len(unnoticed)} of {len(tried)} changes that are no symmetry (relative "
            f"effect at most {tolerance:.0e}): {listed}{more}."
        )


def _sample(
    graphs: NeuronGraph,
    tensors: Collection[str] | None,
    max_changes: int,
    max_scale: float,
    generator: torch.Generator,
) -> list[Change]:
    __tracebackhide__ = True
    found = [change for space in dict.fromkeys(graphs.spaces) for change in changes(space, generator, max_scale)]
    found = [c for c in found if tensors is None or c.space.blocks[c.place[0]].tensor in tensors]
    if not found:
        raise AssertionError("There is nothing to change outside the symmetry group, which proves nothing.")
    return [found[i] for i in torch.randperm(len(found), generator=generator)[:max_changes]]


def _effect(change: Change, model: nn.Module, graphs: NeuronGraph, answer: Answer) -> float:
    """By how much f(h·W) differs from f(W), or from h·f(W)."""
    __tracebackhide__ = True
    after = run(model, change(graphs))
    expected = change(answer) if isinstance(answer, NeuronGraph) else answer
    return deviation(parts_of(after), parts_of(expected)).error
