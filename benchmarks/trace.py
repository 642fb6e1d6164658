"""What tracing costs and finds: time, size of the graph, memory, groups, share of the numbers that move, and error.

Run ``python benchmarks/trace.py``. Every network is traced in a process of its own, on one thread. ``--models`` takes
names and patterns of ``tests/model_list.py`` (``--models "torchvision/*,plain/gpt"``); networks of packages that are
not installed are skipped, and named.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

DEFAULT = """
    plain/* torchvision/alexnet torchvision/vgg16_bn torchvision/resnet18 torchvision/resnet50 torchvision/resnet152
    torchvision/densenet121 torchvision/googlenet torchvision/inception_v3 torchvision/mobilenet_v3_small
    torchvision/shufflenet_v2_x1_0 torchvision/squeezenet1_1 torchvision/efficientnet_b0 torchvision/regnet_y_400mf
    torchvision/resnext50_32x4d torchvision/convnext_tiny torchvision/swin_t torchvision/swin_v2_t torchvision/maxvit_t
    torchvision/vit_b_16 torchvision/vit_l_16 torchvision/deeplabv3_resnet50 torchvision/retinanet_resnet50_fpn
    torchvision/r3d_18 transformers/bert transformers/roberta transformers/gpt2 transformers/gpt2_350m
    transformers/gpt_neox transformers/llama transformers/mistral transformers/qwen3 transformers/gemma2
    transformers/mixtral transformers/mamba transformers/t5 transformers/bart transformers/vit transformers/swin
    transformers/clip transformers/whisper transformers/wav2vec2
"""
COLUMNS = {
    "parameters": "{:,}",
    "trace s": "{:.2f}",
    "graph s": "{:.3f}",
    "nodes": "{:,}",
    "edges": "{:,}",
    "bytes / bytes": "{:.3f}",
    "peak MB": "{:,.0f}",
    "groups": "{}",
    "moved": "{:.2%}",
    "error": "{:.1e}",
}
LARGE = 250_000_000
"""Networks with more parameters are not verified, which takes four copies of them in double precision."""


def measure(name: str, verify: bool) -> dict[str, Any]:
    """One row of the table; runs in a process of its own, whose peak memory is that of the trace and the graph."""
    import torch
    from model_list import build

    import wsgraph as wsg

    torch.set_num_threads(1)
    model, inputs = build(name)
    before = _peak()
    start = time.perf_counter()
    space = wsg.trace(model, inputs)
    traced = time.perf_counter()
    graph = wsg.to_graph(model, space)
    made = time.perf_counter()
    row = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "trace s": traced - start,
        "graph s": made - traced,
        "nodes": graph.num_nodes,
        "bytes / bytes": (graph.weights.nbytes + graph.integers.nbytes) / _bytes(model),
        "peak MB": _peak() - before,
        "edges": graph.num_edges,
        "groups": len(space.moving_groups),
        "moved": space.num_moved / space.num_weights,
    }
    if verify and space.num_weights <= LARGE:
        row["error"] = wsg.verify(model, space, example_inputs=inputs)
    return row


def _peak() -> float:
    """Most memory that this process had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _bytes(model: Any) -> int:
    """Bytes of the different tensors in a state dict."""
    return sum({t.data_ptr(): t.nbytes for t in model.state_dict().values()}.values())


def alone(name: str, verify: bool) -> dict[str, Any]:
    """``measure`` in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(measure, name, verify).result()
        except Exception as error:
            return {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}


def print_table(console: Console, rows: dict[str, dict[str, Any]]) -> None:
    """The numbers of all networks; failures below."""
    table = Table("network", *COLUMNS, title="Tracing, one thread")
    for name, row in rows.items():
        if "failed" not in row:
            table.add_row(name, *(form.format(row[key]) if key in row else "" for key, form in COLUMNS.items()))
    console.print(table)
    for name, row in rows.items():
        if "failed" in row:
            console.print(f"{name} failed: {row['failed']}", markup=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    from model_list import NAMES, installed, package

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(DEFAULT.split()), help="names and patterns, with commas between")
    parser.add_argument("--no-verify", action="store_true", help="leave out the error, which takes the longest")
    parser.add_argument("--json", type=Path, help="also write the numbers to a file")
    options = parser.parse_args(arguments)
    patterns = options.models.split(",")
    names = [name for name in NAMES if any(fnmatch(name, pattern) for pattern in patterns)]
    if not names:
        parser.error(f"no network is called {options.models}; there are {', '.join(NAMES)}")
    console, rows = Console(width=max(Console().width, 160)), {}  # the table needs as much
    with console.status("") as status:
        for name in filter(installed, names):
            status.update(name)
            rows[name] = alone(name, not options.no_verify)
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1))
    print_table(console, rows)
    missing = [name for name in names if not installed(name)]
    if missing:
        console.print(
            f"Skipped {len(missing)}, since {' and '.join(sorted({package(n) for n in missing}))} cannot be imported: "
            f"{', '.join(missing)}"
        )


if __name__ == "__main__":
    main()
