"""ScaleGMN by its dense and its sparse route, the latter with and without torch-scatter: forward and backward.

Run ``python benchmarks/routes.py``. Prints milliseconds per network (median of several runs), on SIRENs [2, 32, 32, 1].
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch_geometric.typing
from rich.console import Console
from rich.table import Table
from torch import Tensor

import wsgraph as wsg
from wsgraph.testing import random_graphs
from wsgraph.zoo import Siren


def milliseconds(run: Callable[[], Tensor], parameters: list[Tensor], count: int, repeats: int) -> float:
    """Median time of a forward and a backward pass, per network."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        torch.autograd.grad(run().square().mean(), parameters, allow_unused=True)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[1:]) / count


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    space = wsg.trace(Siren())
    graphs = random_graphs(space, options.batch, torch.Generator().manual_seed(0), dtype=torch.float32)
    model = wsg.nn.ScaleGMN(space, options.channels, options.layers, out_channels=10)
    parameters = list(model.parameters())
    installed = torch_geometric.typing.WITH_TORCH_SCATTER
    table = Table("route", "ms per network", title=f"{options.channels} channels, batch {options.batch}, CPU")
    rows: dict[str, tuple[Callable[[wsg.NeuronGraph], Tensor], bool]] = {
        "dense": (model.dense, installed),
        "sparse, torch only": (model.sparse, False),
    }
    if installed:
        rows["sparse, torch-scatter"] = (model.sparse, True)
    for name, (route, scatter) in rows.items():
        torch_geometric.typing.WITH_TORCH_SCATTER = scatter
        time_of = milliseconds(lambda route=route: route(graphs), parameters, options.batch, options.repeats)
        table.add_row(name, f"{time_of:.2f}")
    torch_geometric.typing.WITH_TORCH_SCATTER = installed
    Console().print(table)


if __name__ == "__main__":
    main()
