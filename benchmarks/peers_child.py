"""The process in which ``benchmarks/peers.py`` measures one case: reads it from its input, writes numbers to a file.

Every case has a fresh process, so that neither memory nor modules of one model are found by the next.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from loading import count_memory_anew, memory
from peers_adapters import ADAPTERS
from peers_case import Case, Contestant, State
from peers_cost import cost, duration, machine
from peers_ours import ours

CLOCKS = {"wall": time.perf_counter, "process": time.process_time}
SHORTEST = 0.1
OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc", "Cannot allocate memory", "bad allocation")


class Memory:
    """The most memory that the process had, above what it had at first: of the device, or of the process."""

    def __init__(self, device: str) -> None:
        self.cuda = device != "cpu"
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        else:
            count_memory_anew()
        self.first = torch.cuda.memory_allocated() if self.cuda else memory(peak=False)

    def peak(self) -> int:
        """Bytes."""
        return (torch.cuda.max_memory_allocated() if self.cuda else memory(peak=True)) - self.first


def limit_memory(case: Case) -> None:
    """From now on, let allocations beyond the limit fail."""
    if case.device != "cpu":
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, case.gigabytes * 1e9 / total))
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = pages * resource.getpagesize() + int(case.gigabytes * 1e9)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def limit_time(case: Case) -> None:
    """End the process after so many seconds of its own time; the parent looks at those on the wall."""
    if case.clock == "process":
        seconds = int(time.process_time() + case.seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def settle(device: str) -> None:
    """Let torch load what it loads once, before memory is counted."""
    layer = torch.nn.Linear(8, 8, device=device)
    torch.autograd.grad(layer(torch.randn(4, 8, device=device)).sin().sum(), list(layer.parameters()))


def times(case: Case, run: Callable[[], object], until: float) -> float:
    """Median milliseconds per network; after the time is up, of the runs that there were.

    Runs that are too short for the clock are counted in groups of a tenth of a second.
    """
    clock, start = CLOCKS[case.clock], time.perf_counter()
    found, runs = [duration(run, case.device, clock)], 1
    while runs < case.warmup and clock() < until:
        found, runs = [duration(run, case.device, clock)], runs + 1
    group = max(1, int(SHORTEST * runs / (time.perf_counter() - start)))
    counted: list[float] = []
    while len(counted) < case.repeats and clock() < until:
        counted.append(duration(lambda: [run() for _ in range(group)], case.device, clock) / group)
    return 1000 * statistics.median(counted or found) / case.batch


def measure(
    case: Case, contestant: Contestant, states: list[State], save: Callable[[dict[str, Any]], object]
) -> dict[str, Any]:
    """The numbers of a case; those that were found are saved before operations are counted."""
    model, until = contestant.model, CLOCKS[case.clock]() + case.seconds / 2
    used = Memory(case.device)
    limit_memory(case)
    batch = contestant.convert(states)

    def infer() -> None:
        with torch.no_grad():
            contestant.run(batch)

    row: dict[str, Any] = {"size": contestant.size, "parameters": sum(p.numel() for p in model.parameters())}
    row["learn"] = times(case, lambda: learn(contestant, batch), until)
    row["convert"] = times(case, lambda: contestant.convert(states), until)
    model.eval()
    row["infer"] = times(case, infer, until)
    model.train()
    row["peak"] = used.peak()
    save(row)
    return row | costs(case, contestant, states)


def costs(case: Case, contestant: Contestant, states: list[State]) -> dict[str, float]:
    """Operations and bytes per network, forward and backward, from batches of two and of four: both grow evenly."""
    batches = [contestant.convert(states[:1] * count) for count in (2, 4)]
    found = [cost(partial(learn, contestant, batch)) for batch in batches]
    totals = [two + (four - two) * (case.batch - 2) / 2 for two, four in zip(*found, strict=True)]
    return {key: total / case.batch for key, total in zip(("flops", "bytes"), totals, strict=True)}


def learn(contestant: Contestant, batch: Any) -> None:
    """Forward and backward."""
    parameters = [p for p in contestant.model.parameters() if p.requires_grad]
    torch.autograd.grad(contestant.run(batch).square().mean(), parameters, allow_unused=True)


def answer(order: dict[str, Any], save: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """What the machine allows if no case is given, or the numbers of a case, or why there are none."""
    torch.set_num_threads(order["threads"])
    if order["case"] is None:
        return machine(order["device"])
    case = Case(**order["case"] | {"layout": tuple(order["case"]["layout"])})
    try:
        states = case.states()
        settle(case.device)
        limit_time(case)
        torch.manual_seed(1)
        contestant = _contestant(case, order["peers"])
        return measure(case, contestant, states, save)
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, MemoryError) or any(word in str(error) for word in OUT_OF_MEMORY):
            return {"stops": f"more than {case.gigabytes:g} GB"}
        return {"failed": f"{type(error).__name__}: {error}"}
    except Exception as error:  # of code that is not ours
        return {"failed": f"{type(error).__name__}: {error}"}


def _contestant(case: Case, peers: str | None) -> Contestant:
    if not case.code:
        return ours(case)
    return ADAPTERS[case.code][case.model](Path(peers or "") / case.code, case)


def main() -> None:
    """Read the order, and leave the numbers where it says."""
    warnings.simplefilter("ignore")
    order = json.loads(sys.argv[1])
    out = Path(order["out"])

    def save(row: dict[str, Any]) -> None:
        part = out.with_suffix(".part")
        part.write_text(json.dumps(row))
        part.replace(out)

    save(answer(order, save))


if __name__ == "__main__":
    main()
