"""Between models, state dicts and neuron graphs. Lossless both ways."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from wsgraph.errors import SpaceError, StateError
from wsgraph.graph.neuron_graph import NeuronGraph
from wsgraph.space import WeightSpace
from wsgraph.trace import trace


def to_graph(
    model: nn.Module | Mapping[str, Tensor], space: WeightSpace | None = None, *, example_inputs: Any = None
) -> NeuronGraph:
    """The neuron graph of a model, or of a state dict of a known weight space.

    Args:
        model: A module, or a state dict.
        space: Its weight space. Needed for a state dict; traced from a module if not given.
        example_inputs: As for :func:`wsgraph.trace`.

    Raises:
        StateError: The state dict does not belong to the space.
        TraceError: The module cannot be traced.

    Example:
        >>> import torch, wsgraph
        >>> model = torch.nn.Linear(3, 2)
        >>> graph = wsgraph.to_graph(model)
        >>> torch.equal(wsgraph.to_state_dict(graph)["weight"], model.weight)
        True
    """
    if isinstance(model, nn.Module):
        space = trace(model, example_inputs) if space is None else space
        model = model.state_dict()
    if space is None:
        raise StateError(
            "A state dict alone has no architecture. Pass its weight space: to_graph(state, wsgraph.trace(model))."
        )
    if not isinstance(model, Mapping):
        raise StateError(f"Expected a torch.nn.Module or a state dict, got {type(model).__name__}.")
    weights, integers = space.flatten(model)
    if weights.dim() != 1:
        raise StateError(f"Expected the state dict of one network, got a stack of {len(weights)}: use to_graphs.")
    _warn_of_nonfinite(weights, space)
    return NeuronGraph(weights, space, integers)


def to_graphs(
    states: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]], space: WeightSpace, **attributes: Tensor
) -> NeuronGraph:
    """Neuron graphs of many networks of one weight space, as one PyG ``Batch``: one gather, no loop over networks.

    Args:
        states: A state dict whose tensors are stacked ``[N, ...]``, or a list of state dicts.
        space: Their weight space.
        **attributes: Tensors ``[N, ...]`` to attach, one row for each network (``y=labels``).

    Raises:
        StateError: A state dict does not belong to the space, or there is none.

    Example:
        >>> import torch, wsgraph
        >>> models = [torch.nn.Linear(3, 2) for _ in range(5)]
        >>> graphs = wsgraph.to_graphs([m.state_dict() for m in models], wsgraph.trace(models[0]))
        >>> len(graphs), graphs[4]
        (5, NeuronGraph(5 nodes, 6 edges, 8 weights))
    """
    if not isinstance(states, Mapping):
        states = _stack(states)
    weights, integers = space.flatten(states)
    if weights.dim() != 2:
        raise StateError("Expected stacked tensors [N, ...] or a list of state dicts, got one network: use to_graph.")
    if len(weights) == 0:
        raise StateError("Expected at least one network, got none.")
    _warn_of_nonfinite(weights, space)
    return batch_of(weights, space, integers, **attributes)


def to_state_dict(graph: NeuronGraph) -> dict[str, Tensor]:
    """The state dict of a neuron graph, bit for bit; of a batch of one weight space, with stacked tensors.

    Raises:
        SpaceError: The batch mixes weight spaces.
    """
    if not isinstance(graph, NeuronGraph):
        raise SpaceError(f"Expected a NeuronGraph, got {type(graph).__name__}.")
    if not isinstance(graph, Batch):
        return graph.space.unflatten(graph.weights, graph.integers)
    matrix = graph.weight_matrix
    return graph.spaces[0].unflatten(matrix, graph.integers.view(len(matrix), -1))


def batch_of(weights: Tensor, space: WeightSpace, integers: Tensor | None = None, **attributes: Tensor) -> NeuronGraph:
    """A PyG ``Batch`` of neuron graphs from their weight matrix ``[B, P]``, without a loop over networks."""
    count = len(weights)
    if weights.shape[1:] != (space.num_weights,):
        raise SpaceError(
            f"Expected weights of shape [B, {space.num_weights}] for {space!r}, got {list(weights.shape)}."
        )
    integers = torch.empty((count, 0), dtype=torch.long, device=weights.device) if integers is None else integers
    batch = Batch(_base_cls=NeuronGraph)
    rows = {"weights": weights, "integers": integers, **attributes}
    slices: dict[str, Tensor] = {}
    for name, tensor in rows.items():
        if len(tensor) != count:
            raise SpaceError(f"Attribute {name!r} has {len(tensor)} rows for {count} networks.")
        flat = tensor.dim() > 1 and name in ("weights", "integers")
        setattr(batch, name, tensor.reshape(-1) if flat else tensor)
        slices[name] = torch.arange(count + 1) * (tensor.shape[1] if flat else 1)
    batch.space = [space] * count
    batch.num_nodes = count * space.num_nodes
    batch._store._num_nodes = [space.num_nodes] * count
    batch.batch = torch.arange(count, device=weights.device).repeat_interleave(space.num_nodes)
    batch.ptr = torch.arange(count + 1, device=weights.device) * space.num_nodes
    slices["space"] = torch.arange(count + 1)
    batch._num_graphs = count
    batch._slice_dict = slices
    batch._inc_dict = {name: torch.zeros(count, dtype=torch.long) for name in rows} | {"space": None}
    return batch


def take(graphs: NeuronGraph, index: Tensor) -> NeuronGraph:
    """The graphs of a batch of one weight space at these positions, as a batch: a slice of rows."""
    attributes = {
        name: value[index]
        for name, value in graphs.to_dict().items()
        if isinstance(value, Tensor) and name not in ("weights", "integers", "batch", "ptr")
    }
    integers = graphs.integers.view(len(graphs.spaces), -1)[index]
    return batch_of(graphs.weight_matrix[index], graphs.spaces[0], integers, **attributes)


def batches(
    graphs: NeuronGraph, batch_size: int, *, shuffle: bool = False, generator: torch.Generator | None = None
) -> Iterator[NeuronGraph]:
    """Cut a batch of one weight space into batches, in order or shuffled; like a ``DataLoader``, without its copies."""
    count = len(graphs.spaces)
    order = torch.randperm(count, generator=generator) if shuffle else torch.arange(count)
    for part in order.split(batch_size):
        yield take(graphs, part)


def _stack(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    if len(states) == 0:
        raise StateError("Expected at least one state dict, got an empty list.")
    names = list(states[0])
    for i, state in enumerate(states):
        if list(state) != names and set(state) != set(names):
            raise StateError(f"State dict {i} has other keys than state dict 0: {sorted(set(state) ^ set(names))[:3]}.")
        wrong = [n for n in names if state[n].shape != states[0][n].shape]
        if wrong:
            raise StateError(
                f"State dict {i}: tensor {wrong[0]!r} has shape {list(state[wrong[0]].shape)}, "
                f"in state dict 0 it has {list(states[0][wrong[0]].shape)}."
            )
    return {name: torch.stack([state[name] for state in states]) for name in names}


def _warn_of_nonfinite(weights: Tensor, space: WeightSpace) -> None:
    if bool(torch.isfinite(weights.sum())):  # no second copy of a large network
        return
    parts = zip(space.blocks, space.slices, strict=True)
    bad = [block.tensor for block, part in parts if not bool(torch.isfinite(weights[..., part]).all())]
    if bad:
        names = ", ".join(repr(name) for name in dict.fromkeys(bad))
        warnings.warn(f"The weights are not finite (NaN or infinite) in: {names}.", RuntimeWarning, stacklevel=3)
