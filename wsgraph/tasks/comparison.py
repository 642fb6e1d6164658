"""Several families on one task and data set, over several seeds: a table, a picture, files."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas
from lightning import seed_everything
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wsgraph.datasets import WeightDataset
from wsgraph.errors import WSGraphError
from wsgraph.files import write_bytes
from wsgraph.tasks.budget import epochs_within
from wsgraph.tasks.data import WeightData
from wsgraph.tasks.fitting import fit
from wsgraph.tasks.named import TaskMaker
from wsgraph.tasks.task import Augment


@dataclass(frozen=True)
class Trial:
    """One family, trained with one seed.

    Attributes:
        family: Its short name.
        seed: Of everything random.
        parameters: Number of the model's parameters.
        epochs: Passes over the training networks.
        seconds: Of training and testing.
        scores: Measures on the test networks.
    """

    family: str
    seed: int
    parameters: int
    epochs: int
    seconds: float
    scores: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """The trials of several families on one task.

    Attributes:
        task: Short name of the task.
        measure: The measure by which families are compared.
        trials: All of them.
    """

    task: str
    measure: str
    trials: tuple[Trial, ...]

    @property
    def frame(self) -> pandas.DataFrame:
        """One row a trial, with a column for each measure."""
        rows = [{**{k: v for k, v in asdict(t).items() if k != "scores"}, **t.scores} for t in self.trials]
        return pandas.DataFrame(rows)

    def table(self) -> list[list[str]]:
        """Texts: a head, and a row for each family with mean ± standard deviation over seeds."""
        measures = list(self.trials[0].scores)
        rows = [["model", "parameters", *measures, "epochs", "seconds"]]
        for family, group in self.frame.groupby("family", sort=False):
            cells = [_with_spread(group[m]) for m in measures]
            ends = [f"{group[name].mean():.0f}" for name in ("epochs", "seconds")]
            rows.append([str(family), f"{int(group['parameters'].iloc[0]):,}", *cells, *ends])
        return rows

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``comparison.md``, ``.csv``, ``.json`` and ``.png``."""
        folder = Path(folder)
        head, *rows = self.table()
        lines = [head, ["---"] * len(head), *rows]
        write_bytes(folder / "comparison.md", "".join(f"| {' | '.join(line)} |\n" for line in lines).encode())
        write_bytes(folder / "comparison.csv", self.frame.to_csv(index=False).encode())
        write_bytes(folder / "comparison.json", (json.dumps(asdict(self), indent=1) + "\n").encode())
        self.draw(folder / "comparison.png")

    def draw(self, path: str | os.PathLike[str]) -> None:
        """A dot for each trial, a bar for each family's mean."""
        families = list(dict.fromkeys(t.family for t in self.trials))
        figure = Figure(figsize=(1.5 + 1.3 * len(families), 4), layout="constrained")
        FigureCanvasAgg(figure)
        axis = figure.subplots()
        for place, family in enumerate(families):
            values = [t.scores[self.measure] for t in self.trials if t.family == family]
            axis.bar(place, sum(values) / len(values), width=0.6, color="tab:blue", alpha=0.4)
            axis.plot([place] * len(values), values, "o", color="tab:blue", markersize=4)
        axis.set(xticks=range(len(families)), xticklabels=families, ylabel=self.measure, title=self.task)
        axis.grid(axis="y", alpha=0.3)
        figure.savefig(path, dpi=150)


def compare(
    maker: TaskMaker,
    dataset: WeightDataset,
    folder: str | os.PathLike[str],
    families: Sequence[str],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    epochs: int = 20,
    seconds: float | None = None,
    batch_size: int = 64,
    by: str | None = None,
    augment: Augment | None = None,
    accelerator: str = "auto",
    progress: bool = True,
) -> Comparison:
    """Train each family with each seed on the same parts of a data set, and measure it.

    Args:
        maker: Makes the tasks.
        dataset: The networks.
        folder: Where trainings and results are written.
        families: Their short names.
        seeds: Of the models and of the order of the networks; the parts are always the same.
        epochs: Passes over the training networks.
        seconds: In place of epochs: every family gets as many as take about so long on this machine.
        batch_size: Networks in a batch.
        by: See :class:`WeightData`.
        augment: A transform of every training batch.
        accelerator: As for Lightning.
        progress: Whether to show progress bars.

    Raises:
        WSGraphError: No family or seed is given, or the data set does not suit the task.
    """
    if not families or not seeds:
        raise WSGraphError("A comparison needs at least one family and one seed.")
    trials, measure = [], ""
    for family in families:
        for seed in seeds:
            seed_everything(seed, verbose=False)
            task = maker(dataset, family, augment=augment)
            data = WeightData(dataset, batch_size, by=by, columns=task.columns, categories=task.categories, order=seed)
            start, measure = time.perf_counter(), task.monitor.removeprefix("val_")
            place = Path(folder) / f"{family}-{seed}"
            count = epochs if seconds is None else epochs_within(seconds, task, data, place)
            found = fit(task, data, place, epochs=count, accelerator=accelerator, progress=progress)
            size = sum(p.numel() for p in task.parameters())
            trials.append(Trial(family, seed, size, found.epochs, time.perf_counter() - start, found.scores))
    result = Comparison(maker.name, measure, tuple(trials))
    result.save(folder)
    return result


def _with_spread(values: pandas.Series) -> str:
    spread = f" ± {values.std():.4f}" if len(values) > 1 else ""
    return f"{values.mean():.4f}{spread}"
