"""What ``wsgraph train`` and ``wsgraph compare`` share: their options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wsgraph.cli.console import CommandError

if TYPE_CHECKING:
    from wsgraph.datasets import WeightDataset

TaskName = Annotated[
    Literal["classify", "generalization", "hyperparameters", "edit", "embed"],
    typer.Argument(
        metavar="TASK",
        help="classify (name what INRs show), generalization (predict test accuracy), hyperparameters (predict how "
        "networks were trained), edit (change what INRs show), embed (contrastive, judged by retrieval).",
    ),
]
Data = Annotated[Path, typer.Option("--data", metavar="FOLDER", help="A data set: see wsgraph data, wsgraph zoo.")]
Where = Annotated[
    str | None, typer.Option(help="Only networks that meet this condition: \"epoch == 20 and activation == 'relu'\".")
]
Targets = Annotated[
    list[str] | None, typer.Option("--target", metavar="COLUMN", help="Column to predict; the usual one if not given.")
]
Edit = Annotated[Literal["dilate", "contrast"], typer.Option(help="What is done to images, for edit.")]
By = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Networks that agree in it stay in one part: image_index, network."),
]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the training networks.")]
Seconds = Annotated[
    float | None, typer.Option(help="In place of epochs: as many as take about so long, for each model and seed.")
]
BatchSize = Annotated[int, typer.Option(min=1, help="Networks in a batch.")]
Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where results are written.")]


def opened(folder: Path, where: str | None) -> WeightDataset:
    """The data set of a command, with its weights in memory."""
    try:
        from wsgraph.datasets import WeightDataset
        from wsgraph.tasks import TASKS  # noqa: F401  needs Lightning
    except ImportError as error:
        raise CommandError(f"Training needs {error.name}: pip install 'wsgraph[tasks]'.") from error
    dataset = WeightDataset(folder)
    return (dataset if where is None else dataset.where(where)).loaded()
