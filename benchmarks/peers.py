"""wsgraph's families beside the released code of the papers: time, memory, and the share of what the machine allows.

Run ``python benchmarks/peers.py``. ``--peers DIR`` names a folder with checkouts of the peers' repositories (all
optional): ``DIR/scalegmn``, ``DIR/neural-graphs``, ``DIR/DWSNets``, ``DIR/nfn``, ``DIR/Monomial-NFN``; what they import
must be installed (``pip install hydra-core einops random-fourier-features-pytorch``). Input networks are SIRENs
[2, 32, 32, 1] and those of the Small CNN Zoo; ``--widths`` adds SIRENs with three hidden layers of 16 to 1024 units.

Every case has a process of its own. Times are medians, in milliseconds a network: ``convert`` from state dicts to the
input batch, ``forward`` without gradients, ``both`` forward and backward. Memory is the most that the process had above
its libraries, state dicts and parameters. Rates are those of ``both``: operations of matrix products, and bytes that
all operators read and write, beside a product of large matrices and a copy of a large tensor on the same threads.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from peers_adapters import ADAPTERS, PERCEPTRONS_ONLY
from peers_case import CNN_LAYOUT, Case
from peers_table import print_table, write
from rich.console import Console

from wsgraph.tasks.families import FAMILIES

WIDTHS = (16, 32, 64, 128, 256, 512, 1024)
HEAP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
"""Keeps freed memory with the process, where glibc would give large pieces back each time."""


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Everything to measure, in the order of the table."""
    layouts: list[tuple[tuple[int, ...], list[int]]] = []
    if "siren" in options.networks:
        layouts.append(((2, 32, 32, 1), options.batch or [64]))
    if "cnn" in options.networks:
        layouts.append((CNN_LAYOUT, options.batch or [128]))
    layouts += [((2, width, width, width, 1), options.batch or [64]) for width in options.widths]
    models = [(name, "") for name in FAMILIES]
    if options.peers is not None:
        models += [(name, code) for code in ADAPTERS if (options.peers / code).is_dir() for name in ADAPTERS[code]]
    heaps = (False, True) if options.allocators else (False,)
    for (layout, batches), heap in product(layouts, heaps):
        for batch, (model, code) in product(batches, models):
            wanted = not options.models or model in options.models
            if wanted and not (layout == CNN_LAYOUT and model in PERCEPTRONS_ONLY):
                yield _case(options, model, code, layout, batch, heap)


def _case(options: argparse.Namespace, model: str, code: str, layout: tuple[int, ...], batch: int, heap: bool) -> Case:
    names = ("channels", "device", "threads", "warmup", "repeats", "clock")
    settings = {name: getattr(options, name) for name in names}
    limits = {"seconds": options.time_limit, "gigabytes": options.memory_limit}
    return Case(model, code, layout, batch, heap, **settings, **limits)


def alone(case: Case | None, options: argparse.Namespace, heap: bool) -> dict[str, Any]:
    """What a fresh process finds: the numbers of a case, or of the machine; or how it ended."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "0"}
    environment |= {"OMP_NUM_THREADS": str(options.threads)} | (HEAP if heap else {})
    patience = options.time_limit * (1 if options.clock == "wall" else 20) + 60
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "numbers.json"
        order = {"case": case and asdict(case), "peers": options.peers and str(options.peers), "out": str(out)}
        order |= {"threads": options.threads, "device": options.device}
        script = str(Path(__file__).with_name("peers_child.py"))
        try:
            command = [sys.executable, script, json.dumps(order)]
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=patience, check=False
            )
        except subprocess.TimeoutExpired:
            done = None
        if out.exists():
            return dict(json.loads(out.read_text()))
    if done is None or done.returncode == -signal.SIGXCPU:
        return {"stops": f"more than {options.time_limit:g} s"}
    lines = done.stderr.strip().splitlines()
    ends_by_memory = done.returncode < 0 or "bad_alloc" in done.stderr
    if ends_by_memory:
        return {"stops": f"ended by signal {-done.returncode}, as when memory runs out"}
    return {"failed": lines[-1] if lines else f"exit code {done.returncode}"}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, help="folder of the peers' repositories")
    parser.add_argument("--models", nargs="+", help="only these, as the table calls them")
    parser.add_argument("--networks", nargs="*", default=["siren", "cnn"], choices=["siren", "cnn"])
    parser.add_argument("--widths", nargs="*", type=int, default=[], help="three hidden layers; all widths if empty")
    parser.add_argument("--batch", nargs="+", type=int, help="batch sizes; 64 SIRENs and 128 CNNs if not given")
    parser.add_argument("--channels", type=int, help="width of all of wsgraph's models")
    parser.add_argument("--allocators", action="store_true", help="also with freed memory kept by the process")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--clock", default="wall", choices=["wall", "process"], help="process: on a shared machine")
    parser.add_argument("--memory-limit", type=float, default=8.0, help="GB for a case")
    parser.add_argument("--time-limit", type=float, default=120.0, help="seconds for a case")
    parser.add_argument("--out", type=Path, default=Path("peers"), help="where to write: .json, .csv, .png")
    options = parser.parse_args(arguments)
    if options.peers is not None:
        options.peers = options.peers.resolve()
        if not any((options.peers / code).is_dir() for code in ADAPTERS):
            parser.error(f"{options.peers} has none of the folders {', '.join(ADAPTERS)}")
    if "--widths" in (arguments or sys.argv) and not options.widths:
        options.widths = list(WIDTHS)
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    options, console = parse(arguments), Console(width=170)
    heaps = (False, True) if options.allocators else (False,)
    rows: list[dict[str, Any]] = []
    with console.status("the machine") as status:
        allowed = {heap: alone(None, options, heap) for heap in heaps}
        for case in cases(options):
            status.update(f"{case.networks}, batch {case.batch}: {case.model}")
            rows.append(asdict(case) | {"networks": case.networks} | alone(case, options, case.heap))
            write(options.out, rows, allowed)
        for heap, rates in allowed.items():  # again: other work on the machine may have come or gone
            later = alone(None, options, heap)
            rates |= {key: max(later[key], rates.get(key, 0)) for key in ("copy", "matrix") if key in later}
    write(options.out, rows, allowed)
    print_table(console, rows, allowed)
    console.print(f"Wrote {', '.join(str(options.out.with_suffix(end)) for end in ('.json', '.csv', '.png'))}.")


if __name__ == "__main__":
    main()
