"""What a command of ``wsgraph zoo`` says in the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from torch import Tensor

from wsgraph.cli.console import answers

if TYPE_CHECKING:
    from wsgraph.datasets import WeightDataset


def say(networks: WeightDataset, out: Path, columns: list[str], seconds: float, as_json: bool) -> None:
    """What is in the data set, for people or for programs."""
    scores = {name: _summary(networks.column(name)) for name in columns}
    if as_json:
        facts: dict[str, Any] = {"folder": str(out), "networks": len(networks), "space": networks.space.digest}
        facts |= {"parameters": networks.space.num_parameters, **scores, "seconds": round(seconds, 3)}
        print(json.dumps(facts))
        return
    table = Table("", "lowest", "median", "highest")
    for name, summary in scores.items():
        table.add_row(name, *("none" if value is None else f"{value:.4g}" for value in summary.values()))
    console = answers()
    console.print(f"{len(networks)} networks of {networks.space!r} in {out}", markup=False)
    console.print(table)


def _summary(values: Tensor) -> dict[str, float | None]:
    values = values[values.isfinite()]
    if len(values) == 0:
        return dict.fromkeys(("lowest", "median", "highest"))
    found = {"lowest": values.min(), "median": values.median(), "highest": values.max()}
    return {name: value.item() for name, value in found.items()}
