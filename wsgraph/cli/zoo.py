"""``wsgraph zoo``: train many small networks into a data set."""

from __future__ import annotations

import re
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from wsgraph.cli.console import CommandError, explained
from wsgraph.cli.zoo_data import load_images, split_classes
from wsgraph.cli.zoo_summary import say
from wsgraph.zoo import Constant, Hyperparameters, Uniform, fit_inr_dataset, small_cnn, train_classifiers
from wsgraph.zoo.small_cnn import ACTIVATIONS

zoo = typer.Typer(no_args_is_help=True, help="Train many small networks, and write them to a data set of weights.")

INRS = """
\b
Examples:
  wsgraph zoo inrs --out digits-inrs
  wsgraph zoo inrs --data mnist.npz --hidden 16x16 --out mnist-inrs
  wsgraph zoo inrs --count 100 --steps 200 --json --out few > summary.json

Run it again after an interruption, and it goes on. Exit codes: 0 all is well, 2 the data or an option cannot be used.
"""

CLASSIFIERS = """
\b
Examples:
  wsgraph zoo classifiers --count 1000 --out digits-zoo
  wsgraph zoo classifiers --data cifar10_gray.npz --activation tanh --ray 8 --out cifar-zoo

Run it again after an interruption, and it goes on. Exit codes: 0 all is well, 2 the data or an option cannot be used.
"""

Data = Annotated[
    str,
    typer.Option(
        metavar="digits|FILE.npz",
        help="The digits of scikit-learn, or arrays x_train/y_train (and x_test/y_test), images/labels or x/y: "
        "images [N, H, W] or [N, C, H, W], uint8 or floating.",
    ),
]
Out = Annotated[Path, typer.Option(metavar="FOLDER", help="Of the data set.")]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
Ray = Annotated[
    int | None, typer.Option(metavar="N", help="Tasks of Ray at a time, in place of threads; Ray is the extra 'ray'.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]


@zoo.command()
def inrs(
    out: Out,
    data: Data = "digits",
    count: Annotated[int | None, typer.Option(help="Number of images, the first ones; all if not given.")] = None,
    hidden: Annotated[str, typer.Option(metavar="WxW", help="Widths of the sine layers.")] = "32x32",
    omega: Annotated[float, typer.Option(help="Frequency of the sine layers.")] = 30.0,
    steps: Annotated[int, typer.Option(help="Of the optimiser, each on all pixels.")] = 500,
    lr: Annotated[float, typer.Option(help="The first learning rate.")] = 5e-3,
    fits_per_image: Annotated[int, typer.Option(help="Networks fitted to each image.")] = 1,
    seed: Seed = 0,
    ray: Ray = None,
    as_json: Json = False,
) -> None:
    """Fit an implicit neural representation (a SIREN) to every image."""
    with explained():
        images = load_images(data)
        images = images if count is None else images.first(_positive("--count", count))
        start = time.perf_counter()
        networks = fit_inr_dataset(
            images.pixels,
            out,
            labels=images.labels,
            hidden=_widths(hidden),
            omega=omega,
            steps=steps,
            lr=lr,
            fits_per_image=fits_per_image,
            seed=seed,
            ray=ray,
        )
        say(networks, out, ["psnr"], time.perf_counter() - start, as_json)


@zoo.command()
def classifiers(
    out: Out,
    data: Data = "digits",
    count: Annotated[int, typer.Option(help="Number of networks.")] = 100,
    epochs: Annotated[int, typer.Option(help="Of every network.")] = 20,
    activation: Annotated[str, typer.Option(metavar="|".join(ACTIVATIONS), help="Of all networks.")] = "relu",
    seed: Seed = 0,
    ray: Ray = None,
    as_json: Json = False,
) -> None:
    """Train small CNNs of three layers, each with its own hyperparameters, optimiser and part of the data."""
    with explained():
        parts = split_classes(load_images(data), data)
        in_channels, classes = parts[0].shape[1], int(parts[1].max()) + 1
        start = time.perf_counter()
        networks = train_classifiers(
            partial(small_cnn, in_channels, classes, activation),
            parts,
            out,
            count=count,
            hyperparameters=Hyperparameters(dropout=Uniform(0.0, 0.5), epochs=Constant(_positive("--epochs", epochs))),
            seed=seed,
            ray=ray,
        )
        say(networks, out, ["train_accuracy", "test_accuracy"], time.perf_counter() - start, as_json)


inrs.__doc__ = f"{inrs.__doc__}\n{INRS}"
classifiers.__doc__ = f"{classifiers.__doc__}\n{CLASSIFIERS}"


def _widths(word: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d+(x\d+)*", word):
        raise CommandError(f"Expected widths such as --hidden 32x32, got {word!r}.")
    return tuple(map(int, word.split("x")))


def _positive(option: str, number: int) -> int:
    if number < 1:
        raise CommandError(f"Expected {option} of at least 1, got {number}.")
    return number
