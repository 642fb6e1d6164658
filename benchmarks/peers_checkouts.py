"""How ``benchmarks/peers.py`` reaches the code in a folder of checkouts, and gives its data sets networks in memory."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from peers_case import State


def use(folder: Path, *unneeded: str) -> None:
    """Import from a checkout, whose modules may import others that are not installed and not needed here."""
    sys.path[:0] = [str(folder), str(folder / "experiments" / "perceiver-pytorch")]
    for name in unneeded:
        try:
            importlib.import_module(name)
        except ImportError:
            sys.modules[name] = mock.MagicMock()


def without_files(kind: Any, **attributes: Any) -> Any:
    """One of their data sets with what its constructor would have read."""
    dataset = kind.__new__(kind)
    vars(dataset).update(attributes)
    return dataset


def items(dataset: Any, states: Sequence[State]) -> list[Any]:
    """All items of a data set that loads one file a network; it gets state dicts from memory instead."""
    with mock.patch.object(torch, "load", lambda place, **_: states[place]):
        return [dataset[i] for i in range(len(states))]


def zoo_columns(states: Sequence[State]) -> dict[str, Any]:
    """What data sets of the Small CNN Zoo hold in memory: an array a tensor, and a table of metrics."""
    import pandas as pd

    columns = {name: torch.stack([state[name] for state in states]).numpy() for name in states[0]}
    metrics = pd.DataFrame({"test_accuracy": [0.5] * len(states), "config.activation": ["relu"] * len(states)})
    parts = ("weight", "bias")
    weights, biases = ([value for name, value in columns.items() if name.endswith(part)] for part in parts)
    return {"weights": weights, "biases": biases, "metrics": metrics}
