"""wsgraph's families in ``benchmarks/peers.py``: all that are registered, at the widths that were published."""

from __future__ import annotations

from peers_case import Case, Contestant

import wsgraph as wsg
from wsgraph.tasks.families import FAMILIES, build_model

PUBLISHED = {
    "ScaleGMN": ((128, 4), (128, 4)),
    "NeuralGraphGNN": ((32, 4), (256, 4)),
    "NeuralGraphTransformer": ((64, 4), (128, 4)),
    "MonomialNFN": ((64, 3), (16, 3)),
}
"""Channels and layers in the configurations of the papers' code, on SIRENs and on the Small CNN Zoo."""


def ours(case: Case) -> Contestant:
    """A registered family; those without a published configuration have the registry's sizes."""
    family = FAMILIES[case.model]
    sizes = PUBLISHED.get(family.model.__name__)
    channels, layers = sizes[case.convolutional] if sizes else (family.hidden_channels, family.num_layers)
    space = wsg.trace(case.network())
    model = build_model(case.model, space, 10, hidden_channels=case.channels or channels, num_layers=layers)
    size = f"{model.hidden_channels} × {model.num_layers}"
    return Contestant(model, lambda states: wsg.to_graphs(states, space).to(case.device), model, size)
