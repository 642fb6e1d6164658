"""Tasks by short names, made for a data set: what the command line and comparisons use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wsgraph.datasets import WeightDataset
from wsgraph.errors import WSGraphError
from wsgraph.tasks.classify_inrs import ClassifyINRs
from wsgraph.tasks.edit_inrs import EditINRs
from wsgraph.tasks.embed_networks import EmbedNetworks
from wsgraph.tasks.predict_generalization import PredictGeneralization
from wsgraph.tasks.predict_hyperparameters import PredictHyperparameters
from wsgraph.tasks.target import Target
from wsgraph.tasks.task import Task

HYPERPARAMETERS = ("lr", "weight_decay", "initial_scale", "optimizer", "dropout", "fraction", "epochs", "architecture")
"""Columns of zoos of classifiers; those that differ between networks are predicted, where no others are named."""


@dataclass(frozen=True)
class TaskMaker:
    """Makes tasks of one kind for a data set.

    Attributes:
        name: Short name of the kind.
        targets: The columns to predict; the usual ones if there are none.
        edit: What is done to images, where the task edits INRs.
    """

    name: str
    targets: tuple[str, ...] = ()
    edit: str = "dilate"

    def __post_init__(self) -> None:
        if self.name not in _MAKERS:
            raise WSGraphError(f"There is no task {self.name!r}; there are {', '.join(_MAKERS)}.")

    def __call__(self, dataset: WeightDataset, family: str, **options: Any) -> Task:
        """A fresh task for the networks of a data set.

        Args:
            dataset: The networks.
            family: Short name of the model's family.
            **options: Of :class:`Task`.

        Raises:
            WSGraphError: The data set lacks a column, or a setting, that the task needs.
        """
        return _MAKERS[self.name](self, dataset, family, options)

    def target(self, dataset: WeightDataset, usual: str) -> str:
        """The one column to predict."""
        (name,) = self.targets or (usual,)
        if name not in dataset.table.columns:
            raise WSGraphError(
                f"The task {self.name!r} needs the column {name!r}; there are "
                f"{', '.join(map(repr, dataset.table.columns))}."
            )
        return name


Maker = Callable[[TaskMaker, WeightDataset, str, dict[str, Any]], Task]


def _classify(maker: TaskMaker, dataset: WeightDataset, family: str, options: dict[str, Any]) -> Task:
    target = maker.target(dataset, "label")
    classes = int(dataset.column(target).max()) + 1
    return ClassifyINRs(dataset.space, family, num_classes=classes, target=target, **options)


def _generalization(maker: TaskMaker, dataset: WeightDataset, family: str, options: dict[str, Any]) -> Task:
    return PredictGeneralization(dataset.space, family, target=maker.target(dataset, "test_accuracy"), **options)


def _hyperparameters(maker: TaskMaker, dataset: WeightDataset, family: str, options: dict[str, Any]) -> Task:
    return PredictHyperparameters(dataset.space, family, targets=_targets(dataset, maker.targets), **options)


def _edit(maker: TaskMaker, dataset: WeightDataset, family: str, options: dict[str, Any]) -> Task:
    missing = {"omega", "image_size"} - dataset.settings.keys()
    if missing:
        raise WSGraphError(f"The settings of {dataset!r} lack {' and '.join(sorted(missing))}: are these INRs?")
    shown = {name: dataset.settings[name] for name in ("omega", "image_size")}
    return EditINRs(dataset.space, family, edit=maker.edit, **shown, **options)


def _embed(maker: TaskMaker, dataset: WeightDataset, family: str, options: dict[str, Any]) -> Task:
    return EmbedNetworks(dataset.space, family, target=maker.target(dataset, "label"), **options)


def _targets(dataset: WeightDataset, names: Sequence[str]) -> list[Target]:
    table = dataset.table
    usual = [n for n in HYPERPARAMETERS if n in table.columns and table[n].nunique() > 1]
    if not (names or usual):
        raise WSGraphError(
            f"No hyperparameter differs between these networks; name the columns to predict, out of "
            f"{', '.join(map(repr, table.columns))}."
        )
    return [Target.of_column(dataset, name) for name in names or usual]


_MAKERS: dict[str, Maker] = {
    "classify": _classify,
    "generalization": _generalization,
    "hyperparameters": _hyperparameters,
    "edit": _edit,
    "embed": _embed,
}

TASKS = tuple(_MAKERS)
"""Short names of all tasks."""
