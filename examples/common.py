"""What the examples share: their options, and the data sets that they make where none is given."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from torch import Tensor

from wsgraph.datasets import WeightDataset
from wsgraph.tasks import Comparison, TaskMaker, compare
from wsgraph.zoo import Constant, Hyperparameters, LogUniform, Uniform, fit_inr_dataset, small_cnn, train_classifiers

OMEGA = 5.0
"""Images of 8 x 8 pixels need low frequencies; at 30, noise between the pixels hides what they show."""

console = Console() if sys.stdout.isatty() else Console(width=140)


@dataclass(frozen=True)
class Options:
    """What a user may choose.

    Attributes:
        data: A data set to use in place of the one that the example makes.
        out: Where everything is written.
        fast: Whether to rehearse, in a minute.
        seeds: How many seeds to average over.
        models: Short names of the families.
        seconds: For each training, in place of a number of epochs.
    """

    data: Path | None
    out: Path
    fast: bool
    seeds: int
    models: tuple[str, ...]
    seconds: float | None

    @property
    def runs(self) -> Path:
        """Where trainings are written."""
        return self.out / ("runs-fast" if self.fast else "runs")


def read_options(description: str, out: str, models: Sequence[str]) -> Options:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a data set of wsgraph; made from scikit-learn's digits if not given")
    parser.add_argument("--out", type=Path, default=Path(out), help=f"folder for everything written (default {out}/)")
    parser.add_argument("--fast", action="store_true", help="few networks and epochs, to see that it runs")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (default 3; 1 with --fast)")
    parser.add_argument("--models", default=",".join(models), help="families, with commas between")
    parser.add_argument("--seconds", type=float, help="of each training, in place of the usual number of epochs")
    given = parser.parse_args()
    torch.set_num_threads(1)  # the tensors are small: a second thread costs more than it brings
    seeds, families = 1 if given.fast else given.seeds, tuple(given.models.split(","))
    return Options(given.data, given.out, given.fast, seeds, families, given.seconds)


def digits() -> tuple[Tensor, Tensor]:
    """Images ``[1797, 8, 8]`` in [0, 1] and what they show."""
    found = load_digits()
    return torch.tensor(found.images / 16, dtype=torch.float32), torch.tensor(found.target)


def digit_inrs(options: Options, fits_per_image: int = 2) -> WeightDataset:
    """INRs of digits, or those that the user has."""
    if options.data is not None:
        return WeightDataset(options.data).loaded()
    images, labels = digits()
    count, steps = (300, 100) if options.fast else (len(images), 200)
    return fit_inr_dataset(
        images[:count],
        options.out / ("inrs-fast" if options.fast else "inrs"),
        labels=labels[:count],
        hidden=(16, 16),
        omega=OMEGA,
        steps=steps,
        lr=1e-2,
        fits_per_image=1 if options.fast else fits_per_image,
    ).loaded()


def digit_classifiers(options: Options) -> WeightDataset:
    """Small CNNs, trained on digits with all kinds of hyperparameters; or those that the user has."""
    if options.data is not None:
        return WeightDataset(options.data).where("finite").loaded()
    images, labels = digits()
    x, order = images[:, None], torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    training, test = order[360:], order[:360]
    count, epochs = (64, 2) if options.fast else (1000, 12)
    zoo = train_classifiers(
        small_cnn,
        (x[training], labels[training], x[test], labels[test]),
        options.out / ("cnns-fast" if options.fast else "cnns"),
        count=count,
        hyperparameters=Hyperparameters(
            lr=LogUniform(5e-4, 3e-2),
            dropout=Uniform(0.0, 0.5),
            initial_scale=LogUniform(0.3, 3.0),
            epochs=Constant(epochs),
        ),
        batch_size=64,
    )
    return zoo.where("finite").loaded()


def compared(
    options: Options, maker: TaskMaker, networks: WeightDataset, title: str, epochs: int, **more: Any
) -> Comparison:
    """Compare the families on a task, and print the table.

    Args:
        options: What the user has chosen.
        maker: Of the task.
        networks: The data set.
        title: Of the table.
        epochs: Passes over the training networks, if there is time.
        **more: Of :func:`wsgraph.tasks.compare`.
    """
    console.print(networks)
    epochs = 1 if options.fast else epochs
    more |= {"seeds": range(options.seeds), "epochs": epochs, "seconds": options.seconds}
    result = compare(maker, networks, options.runs, options.models, **more)
    say(result, title)
    return result


def say(comparison: Comparison, title: str) -> None:
    """Print the table of a comparison."""
    head, *rows = comparison.table()
    table = Table(*head, title=title)
    for row in rows:
        table.add_row(*row)
    console.print(table)
