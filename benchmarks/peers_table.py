"""What ``benchmarks/peers.py`` prints and writes: a table, JSON, CSV, and a picture."""

from __future__ import annotations

import csv
import json
import os
from itertools import groupby
from math import floor, log10
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

Row = dict[str, Any]
NUMBERS = ("parameters", "convert", "infer", "learn", "peak", "flops", "bytes", "stops", "failed")
PLAIN = ("networks", "batch", "model", "code", "size", "heap", "device", "threads", "clock")


def print_table(console: Console, rows: list[Row], allowed: dict[bool, dict[str, float]]) -> None:
    """One line for each case, and what the machine allows."""
    columns = ("", "model", "size", "parameters", "convert", "forward", "both", "peak MB", "GFLOP/s", "GB/s")
    table = Table(*columns, title="ms a network; rates in per cent of what the machine allows")
    for column in table.columns[3:]:
        column.justify = "right"
    for _, group in groupby(rows, key=_setting):
        for place, row in enumerate(group):
            table.add_row("" if place else _setting(row), *cells(row, allowed[row["heap"]]))
        table.add_section()
    console.print(table)
    for heap, rate in allowed.items():
        found = [f"{key}: {value / 1e9:,.1f} 10⁹/s" for key, value in rate.items() if key in ("matrix", "copy")]
        console.print(f"The machine, {_allocator(heap)}, operations and bytes: {', '.join(found) or rate}")
    if rows:
        load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
        first = rows[0]
        console.print(f"{first['device']}, threads: {first['threads']}, clock: {first['clock']}, load: {load}")
    for row in rows:
        if "failed" in row:
            console.print(f"{name(row)} failed: {row['failed']}", markup=False)


def cells(row: Row, allowed: dict[str, float]) -> list[str]:
    """The line of a case."""
    if "learn" not in row:
        return [name(row), f"stops here: {row['stops']}" if "stops" in row else "does not run"]
    rates = []
    for amount, limit in (("flops", "matrix"), ("bytes", "copy")):
        if amount not in row:
            rates.append("")
            continue
        rate = row[amount] / (row["learn"] / 1000)
        rates.append(f"{rate / 1e9:,.1f} ({rate / allowed[limit]:.0%})" if limit in allowed else f"{rate / 1e9:,.1f}")
    times = [f"{row[key]:.3g}" if row[key] < 100 else f"{row[key]:,.0f}" for key in ("convert", "infer", "learn")]
    return [name(row), row["size"], f"{row['parameters']:,}", *times, f"{row['peak'] / 1e6:,.0f}", *rates]


def name(row: Row) -> str:
    """The model and whose code it is."""
    return f"{row['model']} ({row['code'] or 'wsgraph'})"


def _allocator(heap: bool) -> str:
    return "freed memory kept" if heap else "default allocator"


def _setting(row: Row) -> str:
    return f"{row['networks']} × {row['batch']}" + (", freed memory kept" if row["heap"] else "")


def write(out: Path, rows: list[Row], allowed: dict[bool, dict[str, float]]) -> None:
    """All numbers, and the picture."""
    out.parent.mkdir(parents=True, exist_ok=True)
    machine = {_allocator(heap): rate for heap, rate in allowed.items()}
    out.with_suffix(".json").write_text(json.dumps({"machine": machine, "cases": rows}, indent=1))
    with out.with_suffix(".csv").open("w", newline="") as file:
        table = csv.DictWriter(file, [*PLAIN, *NUMBERS], extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    draw(rows, out.with_suffix(".png"))


def draw(rows: list[Row], path: Path) -> None:
    """Time and memory: bars for each kind of network and batch, lines over the width for SIRENs of three layers."""
    wide = [row for row in rows if len(row["layout"]) == 5 and "CNN" not in row["networks"]]
    groups = [list(group) for _, group in groupby([r for r in rows if r not in wide], key=_setting)]
    groups += [wide] if wide else []
    if not groups:
        return
    height = sum(0.8 + 0.25 * len(group) if group is not wide else 4 for group in groups) + 0.5
    figure = Figure(figsize=(11, height), layout="constrained")
    axes = figure.subplots(len(groups), 2, squeeze=False)
    for line, group in zip(axes, groups, strict=True):
        for axis, key, label in zip(
            line, ("learn", "peak"), ("forward and backward, ms a network", "peak MB"), strict=True
        ):
            (lines if group is wide else bars)(axis, group, key)
            (axis.set_ylabel if group is wide else axis.set_xlabel)(label)
    figure.savefig(path, dpi=150)


def _value(row: Row, key: str) -> float:
    return float(row[key]) / (1e6 if key == "peak" else 1)


def bars(axis: Axes, rows: list[Row], key: str) -> None:
    """One bar for each model, peers' in another colour."""
    axis.set_title(_setting(rows[0]), fontsize=9)
    for place, row in enumerate(rows):
        if key in row:
            axis.barh(place, _value(row, key), color="tab:orange" if row["code"] else "tab:blue")
        else:
            text = " stops here" if "stops" in row else " does not run"
            axis.text(0, place, text, va="center", fontsize=8, transform=axis.get_yaxis_transform())
    axis.set_yticks(range(len(rows)), [name(row) for row in rows], fontsize=8)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xscale("log")
    smallest = min((_value(row, key) for row in rows if key in row), default=1.0)
    axis.set_xlim(left=10 ** floor(log10(max(smallest, 1e-3))))


def lines(axis: Axes, rows: list[Row], key: str) -> None:
    """One line for each model over the width; a cross where it stops."""
    colors = mpl.colormaps["tab20"]
    names = list(dict.fromkeys((name(row), row["heap"]) for row in rows))
    for place, (label, heap) in enumerate(names):
        found = [row for row in rows if name(row) == label and row["heap"] == heap and key in row]
        style: dict[str, Any] = {"color": colors(place % 20), "linestyle": "--" if heap else "-"}
        if found:
            places, values = zip(*((row["layout"][1], _value(row, key)) for row in found), strict=True)
            axis.plot(places, values, marker=".", label=label, **style)
            if len(found) < sum(name(row) == label and row["heap"] == heap for row in rows):
                axis.plot(places[-1], values[-1], marker="x", markersize=10, **style)
    axis.set(xscale="log", yscale="log", xlabel="width of the SIRENs; × is the last one that ran")
    widths = sorted({row["layout"][1] for row in rows})
    axis.set_xticks(widths, [str(width) for width in widths])
    axis.minorticks_off()
    axis.legend(fontsize=7)
