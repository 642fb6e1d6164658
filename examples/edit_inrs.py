"""Edit what implicit neural representations (INRs) show by changing their weights: thicker strokes, more contrast.

Fits INRs to scikit-learn's digits, trains equivariant families to edit them, compares them with doing nothing, checks
that edited INRs stay edited when their weights are moved by a symmetry, and draws them before and after. Run
``python examples/edit_inrs.py`` (``--fast`` for a rehearsal).
"""

from __future__ import annotations

from pathlib import Path

import torch
from common import Options, console, digit_inrs, read_options, say
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wsgraph.datasets import WeightDataset
from wsgraph.tasks import EditINRs, Task, TaskMaker, compare
from wsgraph.transforms import RandomSymmetry

SHOWN = 10


def edit(inrs: WeightDataset, name: str, options: Options) -> None:
    """Compare the families on one edit."""
    folder = options.runs / name
    result = compare(
        TaskMaker("edit", edit=name),
        inrs,
        folder,
        options.models,
        seeds=range(options.seeds),
        epochs=2 if options.fast else 30,
        seconds=options.seconds,
        by="image_index",
    )
    say(result, f"{name}: mean squared errors of the edited image, and without any change")
    task = Task.load(folder / f"{options.models[0]}-0" / "best.ckpt")
    assert isinstance(task, EditINRs)
    console.print(f"Moved by a random symmetry, the edited images change by {change_when_moved(task, inrs):.1e}.")
    draw(task, inrs, options.out / f"{name}.png")


@torch.no_grad()
def change_when_moved(task: EditINRs, inrs: WeightDataset) -> float:
    """The largest change of an edited image when a symmetry moves the weights before the edit."""
    graphs = next(iter(inrs[:64].batches(64)))
    moved = RandomSymmetry(generator=torch.Generator().manual_seed(0))(graphs)
    return (task.images(task(moved)) - task.images(task(graphs))).abs().max().item()


@torch.no_grad()
def draw(task: EditINRs, inrs: WeightDataset, path: Path) -> None:
    """What some INRs show: before, after, and what they should show."""
    graphs = next(iter(inrs[:SHOWN].batches(SHOWN)))
    rows = {"before": task.images(graphs), "after": task.images(task(graphs)), "target": task.targets(graphs)}
    figure = Figure(figsize=(SHOWN, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    for line, (title, images) in zip(figure.subplots(len(rows), SHOWN), rows.items(), strict=True):
        for axis, image in zip(line, images, strict=True):
            axis.imshow(image[0], cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(title)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Make the INRs, and edit them in both ways."""
    options = read_options(__doc__ or "", "edit_inrs", ("dualflow", "scalegmn", "monomial", "flat"))
    inrs = digit_inrs(options)
    console.print(inrs)
    for name in ("dilate", "contrast"):
        edit(inrs, name, options)


if __name__ == "__main__":
    main()
