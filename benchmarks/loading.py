"""Batches of a data set of SIRENs [2, 32, 32, 1], from disk and from memory, beside one ``torch.load`` a network.

Run ``python benchmarks/loading.py``; ``--networks 2000 --files 50`` makes it small. Prints graphs per second (the best
of several passes over all networks), how many times that is more than one file a network, and by how much the memory
of the process grew. The files are read right after they were written: what is measured is the way through memory, not
the disk.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader

import wsgraph as wsg
from wsgraph.datasets import WeightDataset, WeightWriter
from wsgraph.zoo import Siren

SHARD = 10_000


def write_networks(folder: Path, count: int) -> WeightDataset:
    """A data set of random networks."""
    space, rng = wsg.trace(Siren()), torch.Generator().manual_seed(0)
    writer = WeightWriter(folder)
    for number, start in enumerate(range(0, count, SHARD)):
        weights = torch.randn(min(SHARD, count - start), space.num_weights, generator=rng)
        writer.write(number, space, weights, {"label": torch.randint(10, (len(weights),), generator=rng)})
    return WeightDataset(folder)


def one_by_one(files: list[Path], space: wsg.WeightSpace, batch_size: int) -> Iterable[wsg.NeuronGraph]:
    """What a loop over files does."""
    for start in range(0, len(files), batch_size):
        part = files[start : start + batch_size]
        yield Batch.from_data_list([wsg.to_graph(torch.load(file, weights_only=True), space) for file in part])


def memory(peak: bool) -> int:
    """Bytes of this process that are in memory, now or at most since it began to be counted."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    word = "VmHWM:" if peak else "VmRSS:"
    return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith(word))


def count_memory_anew() -> None:
    """Forget the largest amount so far, where the system can."""
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def measure(batches: Callable[[], Iterable[wsg.NeuronGraph]], repeats: int) -> tuple[float, float]:
    """Graphs per second of the best pass, and by how many MiB the memory grew."""
    count_memory_anew()
    before, rates = memory(peak=False), []
    for _ in range(repeats):
        start = time.perf_counter()
        graphs = sum(len(batch) for batch in batches())
        rates.append(graphs / (time.perf_counter() - start))
    return max(rates), (memory(peak=True) - before) / 2**20


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=50_000)
    parser.add_argument("--files", type=int, default=500, help="networks that are read one by one")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", help="where to write; a temporary folder if not given")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        dataset = write_networks(Path(place) / "set", options.networks)
        files = [Path(place) / f"{i}.pt" for i in range(min(options.files, len(dataset)))]
        for i, file in enumerate(files):
            torch.save(wsg.to_state_dict(dataset[i]), file)
        show(dataset, files, options.batch, options.repeats)


def show(dataset: WeightDataset, files: list[Path], batch_size: int, repeats: int) -> None:
    """Measure every way, each on a data set that has just been opened, and print."""
    few, *opened = (WeightDataset(dataset.folder) for _ in range(3))
    loaded = WeightDataset(dataset.folder).loaded()
    label = ["label"]
    ways: dict[str, Callable[[], Iterable[wsg.NeuronGraph]]] = {
        "a file a network: torch.load, to_graph": lambda: one_by_one(files, dataset.space, batch_size),
        "DataLoader of PyTorch Geometric, from disk": lambda: DataLoader(few[: 10 * len(files)], batch_size),
        "batches from disk, in order": lambda: opened[0].batches(batch_size, columns=label),
        "batches from disk, shuffled": lambda: opened[1].batches(batch_size, shuffle=True, columns=label),
        "batches from memory, in order": lambda: loaded.batches(batch_size, columns=label),
        "batches from memory, shuffled": lambda: loaded.batches(batch_size, shuffle=True, columns=label),
    }
    size = dataset.weights(0).nbytes * len(dataset) / 2**20
    title = f"{len(dataset):,} networks of {dataset.space.num_weights:,} weights ({size:,.0f} MiB), batch {batch_size}"
    table = Table("way", "graphs per second", "times", "MiB per second", "memory grew by MiB", title=title)
    base = None
    for name, batches in ways.items():
        rate, grown = measure(batches, repeats)
        base = base or rate
        speed = rate * size / len(dataset)
        table.add_row(name, f"{rate:,.0f}", f"{rate / base:,.0f}", f"{speed:,.0f}", f"{grown:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
