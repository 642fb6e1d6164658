"""Families of networks over networks by their short names, each with sizes and a learning rate to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wsgraph.errors import WSGraphError
from wsgraph.nn import (
    DualFlow,
    FlatMLP,
    GraphMetanetwork,
    MonomialNFN,
    NeuralGraphGNN,
    NeuralGraphTransformer,
    ScaleGMN,
    WeightSpaceModel,
)
from wsgraph.space import WeightSpace


@dataclass(frozen=True)
class Family:
    """A family, and what to begin with.

    Attributes:
        model: Its class.
        hidden_channels: Width.
        num_layers: Depth.
        lr: The largest learning rate.
        normalize: Whether it sees weights in units of their size in the training set.
        options: What else its class is told.
    """

    model: type[WeightSpaceModel]
    hidden_channels: int
    num_layers: int
    lr: float
    normalize: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


FAMILIES = {
    "dualflow": Family(DualFlow, 128, 2, 2e-3, normalize=False),
    "scalegmn": Family(ScaleGMN, 24, 3, 3e-3),
    "scalegmn-bidirectional": Family(ScaleGMN, 24, 3, 3e-3, options={"bidirectional": True}),
    "neural-graph-gnn": Family(NeuralGraphGNN, 24, 3, 3e-3, options={"probes": 16}),
    "neural-graph-transformer": Family(NeuralGraphTransformer, 24, 3, 2e-3, options={"probes": 16}),
    "graph-metanetwork": Family(GraphMetanetwork, 32, 3, 3e-3, options={"probes": 16}),
    "monomial": Family(MonomialNFN, 16, 3, 3e-3),
    "flat": Family(FlatMLP, 256, 2, 2e-3),
}
"""Sizes that two CPU cores train in minutes on thousands of small networks."""


def find_family(name: str) -> Family:
    """The family of a short name.

    Raises:
        WSGraphError: There is none.
    """
    if name not in FAMILIES:
        raise WSGraphError(f"There is no family {name!r}; there are {', '.join(FAMILIES)}.")
    return FAMILIES[name]


def build_model(
    name: str,
    space: WeightSpace,
    out_channels: int | None,
    *,
    hidden_channels: int | None = None,
    num_layers: int | None = None,
) -> WeightSpaceModel:
    """A model of a family, of its usual sizes unless others are given.

    Example:
        >>> import torch, wsgraph
        >>> from wsgraph.tasks.families import build_model
        >>> build_model("flat", wsgraph.trace(torch.nn.Linear(3, 2)), 10, hidden_channels=64).hidden_channels
        64
    """
    family = find_family(name)
    sizes = hidden_channels or family.hidden_channels, num_layers or family.num_layers
    return family.model(space, *sizes, out_channels=out_channels, **family.options)
