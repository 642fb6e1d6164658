"""From images to networks to graphs to answers: read digits from the weights of networks that represent them.

Part 1 fits implicit neural representations (INRs) to the digits that scikit-learn ships, turns them into neuron graphs,
and trains four families of networks over networks to name the digit from the weights alone. Part 2 moves trained
classifiers by their symmetries, and shows that neither their outputs nor the answers about them change.

Run ``python examples/quickstart.py`` (minutes on two cores; ``--fast`` for a short rehearsal). Tables are printed,
pictures are written to ``quickstart/``.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

import wsgraph as wsg
from wsgraph.graph import batches, take
from wsgraph.transforms import InputAffine, RandomSymmetry
from wsgraph.zoo import FittedINRs, fit_inrs

NUM_TEST_IMAGES = 360
console = Console()


@dataclass(frozen=True)
class Recipe:
    """How one family is trained."""

    build: Callable[[wsg.WeightSpace, int | None], wsg.nn.WeightSpaceModel]
    epochs: int
    lr: float
    normalize: bool = True  # weights in units of their size in the training set


@dataclass
class Result:
    """What came out."""

    name: str
    num_parameters: int
    plain: float = 0.0
    moved: float = 0.0
    seconds: float = 0.0
    curve: list[float] = field(default_factory=list)


def recipes(fast: bool) -> dict[str, Recipe]:
    """The four families, each with a budget that two cores can afford."""
    few = 1 if fast else None
    return {
        "DualFlow": Recipe(lambda s, n: wsg.nn.DualFlow(s, 128, 2, out_channels=n), few or 10, 2e-3, normalize=False),
        "ScaleGMN": Recipe(lambda s, n: wsg.nn.ScaleGMN(s, 24, 3, out_channels=n), few or 14, 3e-3),
        "MonomialNFN": Recipe(lambda s, n: wsg.nn.MonomialNFN(s, 16, 3, out_channels=n), few or 30, 3e-3),
        "FlatMLP": Recipe(lambda s, n: wsg.nn.FlatMLP(s, 256, 2, out_channels=n), few or 10, 2e-3),
    }


# ------------------------------------------------------------------ part one


def fit_digits(fits_per_image: int, steps: int, seed: int, folder: Path) -> tuple[FittedINRs, Tensor]:
    """INRs of all digits, several independent ones an image, and the labels of the images."""
    digits = load_digits()
    images = torch.tensor(digits.images / 16, dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    fitted = fit_inrs(
        images, hidden=(16, 16), omega=5.0, steps=steps, lr=1e-2, fits_per_image=fits_per_image, generator=generator
    )
    console.print(f"Fitted {fitted!r}")
    draw_reconstructions(images, fitted, folder / "reconstructions.png")
    return fitted, torch.tensor(digits.target)


def split_by_image(fitted: FittedINRs, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of the INRs of training images, and of one INR for each held-out image."""
    num_images = int(fitted.image_index.max()) + 1
    held_out = torch.zeros(num_images, dtype=torch.bool)
    held_out[torch.randperm(num_images, generator=torch.Generator().manual_seed(seed))[:NUM_TEST_IMAGES]] = True
    first = torch.ones(len(fitted), dtype=torch.bool)
    first[1:] = fitted.image_index[1:] != fitted.image_index[:-1]
    is_test = held_out[fitted.image_index]
    return (~is_test).nonzero()[:, 0], (is_test & first).nonzero()[:, 0]


def train(name: str, recipe: Recipe, training: wsg.NeuronGraph, tests: dict[str, wsg.NeuronGraph], seed: int) -> Result:
    """Train one family to name the digit, and test it on held-out INRs, as they are and moved."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    space = training.spaces[0]
    model = recipe.build(space, 10)
    result = Result(name, sum(p.numel() for p in model.parameters()))
    if recipe.normalize:
        model.normalize_by(training)
    augment = InputAffine(rotation=8, scale=(0.93, 1.07), shear=0.08, shift=0.08, generator=generator)
    start = time.perf_counter()
    steps = recipe.epochs * math.ceil(len(training.spaces) / 64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.lr, total_steps=steps, pct_start=0.1)
    with _progress() as progress:
        task = progress.add_task(f"Training {name}", total=steps)
        for _ in range(recipe.epochs):
            model.train()
            for batch in batches(training, 64, shuffle=True, generator=generator):
                loss = F.cross_entropy(model(augment(batch)), batch.y)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                progress.advance(task)
            result.curve.append(accuracy(model, tests["plain"]))
    result.seconds = time.perf_counter() - start
    result.plain, result.moved = (accuracy(model, tests[k]) for k in ("plain", "moved"))
    return result


@torch.no_grad()
def accuracy(model: nn.Module, graphs: wsg.NeuronGraph) -> float:
    """Share of the graphs whose digit the model names."""
    model.eval()
    return (model(graphs).argmax(1) == graphs.y).float().mean().item()


def part_one(fast: bool, seed: int, folder: Path) -> list[Result]:
    """INRs in, accuracies out."""
    console.rule("1. Digits from the weights of their INRs")
    fitted, labels = fit_digits(1 if fast else 6, 100 if fast else 200, seed, folder)
    start = time.perf_counter()
    space = wsg.trace(fitted.model())
    graphs = wsg.to_graphs(fitted.states, space, y=labels[fitted.image_index])
    console.print(f"Traced and converted {len(fitted)} networks in {time.perf_counter() - start:.2f} s: {space!r}")
    graphs[0].draw(folder / "graph.png")
    torch.set_num_threads(1)  # the tensors are small: a second thread costs more than it brings
    train_index, test_index = split_by_image(fitted, seed)
    test = take(graphs, test_index)
    tests = {"plain": test, "moved": RandomSymmetry(generator=torch.Generator().manual_seed(seed))(test)}
    training = take(graphs, train_index)
    results = [train(name, recipe, training, tests, seed) for name, recipe in recipes(fast).items()]
    table = Table("model", "parameters", "plain INRs", "moved INRs", "seconds", title="Accuracy on held-out digits")
    for r in results:
        table.add_row(r.name, f"{r.num_parameters:,}", f"{r.plain:.1%}", f"{r.moved:.1%}", f"{r.seconds:.0f}")
    console.print(table)
    console.print(
        f"{len(train_index)} INRs of training images, {len(test_index)} INRs of held-out images, seed {seed}."
    )
    draw_curves(results, folder / "learning_curves.png")
    draw_bars(results, folder / "accuracy.png")
    return results


# ------------------------------------------------------------------ part two


def small_cnn() -> nn.Module:
    """A ReLU CNN with batch normalisation."""
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)),
    )


class SmallResNet(nn.Module):
    """A residual network: a stem, two blocks around one stream, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(nn.Conv2d(12, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU()),
                *(nn.Conv2d(12, 12, 3, padding=1), nn.BatchNorm2d(12)),
            )
            for _ in range(2)
        )
        self.head = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images ``[B, 1, 8, 8]``."""
        x = self.stem(x)
        for block in self.blocks:
            x = torch.relu(x + block(x))
        return self.head(x.mean((2, 3)))


def train_classifier(model: nn.Module, epochs: int, seed: int) -> float:
    """Train on the digits; returns the accuracy on held-out ones."""
    digits = load_digits()
    x, y = torch.tensor(digits.images / 16, dtype=torch.float32)[:, None], torch.tensor(digits.target)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    test, training = order[:NUM_TEST_IMAGES], order[NUM_TEST_IMAGES:]
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for part in training.split(64):
            loss = F.cross_entropy(model(x[part]), y[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        return (model(x[test]).argmax(1) == y[test]).float().mean().item()


@torch.no_grad()
def changes(model: nn.Module, seed: int) -> dict[str, float]:
    """Largest relative change of the network's outputs, and of each family's answer, under a random symmetry."""
    space = wsg.trace(model)
    graph = wsg.to_graph(model, space)
    moved = RandomSymmetry(max_scale=100.0, generator=torch.Generator().manual_seed(seed))(graph)
    found = {"outputs (float64)": wsg.verify(model, space, max_scale=100.0)}
    for name, recipe in recipes(fast=True).items():
        torch.manual_seed(seed)
        family = recipe.build(space, 10).eval()
        before = family(graph)
        found[name] = ((family(moved) - before).abs().max() / before.abs().max()).item()
    return found


def part_two(fast: bool, seed: int, folder: Path) -> None:
    """Trained classifiers, moved."""
    console.rule("2. Classifiers moved by their symmetries")
    torch.manual_seed(seed)
    rows = {}
    for name, model in {"CNN with BatchNorm": small_cnn(), "residual network": SmallResNet()}.items():
        score = train_classifier(model, 1 if fast else 10, seed)
        rows[f"{name}, {score:.1%} on held-out digits"] = changes(model, seed)
        wsg.to_graph(model).draw(folder / f"{type(model).__name__.lower()}.png")
    console.print(wsg.trace(model).report())
    table = Table("relative change of", *rows, title="After random permutations and positive scales up to 100")
    for key in next(iter(rows.values())):
        table.add_row(key, *(f"{row[key]:.1e}" for row in rows.values()))
    console.print(table)


# ------------------------------------------------------------------ pictures


def draw_reconstructions(images: Tensor, fitted: FittedINRs, path: Path) -> None:
    """Some images above what their INRs show, at their own and at four times their resolution."""
    first = [int((fitted.image_index == i).nonzero()[0]) for i in range(10)]
    index = torch.tensor(first)
    rows = {
        "image": images[:10],
        "INR": fitted.render(index)[:, 0],
        "INR, 32 × 32": fitted.render(index, (32, 32))[:, 0],
    }
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    axes = figure.subplots(len(rows), 10)
    for line, (title, row) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(line, row, strict=True):
            axis.imshow(image, cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(title)
    save(figure, path)


def draw_curves(results: list[Result], path: Path) -> None:
    """Accuracy on held-out INRs against training time."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    for r in results:
        seconds = [r.seconds * (i + 1) / len(r.curve) for i in range(len(r.curve))]
        axis.plot(seconds, r.curve, marker="o", label=r.name)
    axis.axhline(0.1, color="grey", linestyle=":", label="chance")
    axis.set(xlabel="training time in seconds", ylabel="accuracy on held-out digits", ylim=(0, 1.02))
    axis.grid(alpha=0.3)
    axis.legend()
    save(figure, path)


def draw_bars(results: list[Result], path: Path) -> None:
    """Accuracy as the INRs are, and after random symmetries."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    for shift, (label, values) in zip(
        (-0.2, 0.2), {"plain": [r.plain for r in results], "moved": [r.moved for r in results]}.items(), strict=True
    ):
        bars = axis.bar([i + shift for i in range(len(results))], values, width=0.38, label=f"{label} INRs")
        axis.bar_label(bars, [f"{v:.1%}" for v in values], padding=3, fontsize=9, backgroundcolor="white")
    axis.axhline(0.1, color="grey", linestyle=":", label="chance", zorder=0)
    axis.set(xticks=range(len(results)), xticklabels=[r.name for r in results], ylim=(0, 1.1), ylabel="accuracy")
    axis.legend(loc="upper right")
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a picture."""
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=150)


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default 0)")
    parser.add_argument("--out", type=Path, default=Path("quickstart"), help="folder for the pictures")
    parser.add_argument("--fast", action="store_true", help="one epoch of everything, to see that it runs")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    part_one(options.fast, options.seed, options.out)
    part_two(options.fast, options.seed, options.out)
    console.print(f"Done in {time.perf_counter() - start:.0f} s. Pictures are in {options.out}/.")


if __name__ == "__main__":
    main()
