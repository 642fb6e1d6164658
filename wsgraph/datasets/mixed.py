"""Batches of neuron graphs of several weight spaces, without a loop over networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Batch

from wsgraph.graph import NeuronGraph, batch_of
from wsgraph.space import WeightSpace

Run = tuple[WeightSpace, Tensor, Tensor]
"""A weight space, and the weights ``[k, P]`` and integers ``[k, Q]`` of graphs of it that follow one another."""


def batch_of_runs(runs: Sequence[Run], **attributes: Tensor) -> NeuronGraph:
    """A PyG ``Batch`` of neuron graphs from runs of graphs of one weight space each.

    It is what ``Batch.from_data_list`` makes of the graphs.

    Args:
        runs: In the order of the graphs.
        **attributes: Tensors ``[B, ...]`` to attach, one row for each graph.
    """
    if len(runs) == 1:
        space, weights, integers = runs[0]
        return batch_of(weights, space, integers, **attributes)
    counts = torch.tensor([len(weights) for _, weights, _ in runs])
    device, total = runs[0][1].device, int(counts.sum())
    nodes = torch.tensor([space.num_nodes for space, _, _ in runs]).repeat_interleave(counts)
    batch = Batch(_base_cls=NeuronGraph)
    batch.weights = torch.cat([weights.reshape(-1) for _, weights, _ in runs])
    batch.integers = torch.cat([integers.reshape(-1) for _, _, integers in runs])
    for name, values in attributes.items():
        setattr(batch, name, values)
    batch.space = [space for space, weights, _ in runs for _ in range(len(weights))]
    batch.num_nodes = int(nodes.sum())
    batch._store._num_nodes = nodes.tolist()
    batch.batch = torch.arange(total).repeat_interleave(nodes).to(device)
    batch.ptr = _starts(nodes).to(device)
    batch._num_graphs = total
    batch._slice_dict = {name: torch.arange(total + 1) for name in (*attributes, "space")} | {
        "weights": _starts(torch.tensor([weights.shape[1] for _, weights, _ in runs]).repeat_interleave(counts)),
        "integers": _starts(torch.tensor([integers.shape[1] for _, _, integers in runs]).repeat_interleave(counts)),
    }
    numbers = ("weights", "integers", *attributes)
    batch._inc_dict = {name: torch.zeros(total, dtype=torch.long) for name in numbers} | {"space": None}
    return batch


def _starts(sizes: Tensor) -> Tensor:
    """0 and the sums of the first 1, 2, ... sizes."""
    return torch.nn.functional.pad(sizes.cumsum(0), (1, 0))
