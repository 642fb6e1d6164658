"""What all tasks share: a network over networks, how it is trained, and checkpoints that know their weight space."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torchmetrics import MetricCollection

from wsgraph.errors import WSGraphError
from wsgraph.graph import NeuronGraph
from wsgraph.nn import WeightSpaceModel
from wsgraph.space import WeightSpace
from wsgraph.tasks.data import WeightData
from wsgraph.tasks.families import build_model, find_family

KEY = "wsgraph"
"""The entry of a checkpoint that says which task, space and model it is of."""

Augment = Callable[[NeuronGraph], NeuronGraph]


class Task(LightningModule):
    """A task for a network over networks, as a Lightning module.

    AdamW with one cycle of the learning rate. Subclasses say what the model returns (``out_channels``), the loss, and
    what is measured.

    Args:
        space: The weight space of the networks.
        family: Short name of the model's family, of :data:`wsgraph.tasks.FAMILIES`.
        out_channels: Numbers for each network, or None for updated weights.
        hidden_channels: Width of the model; that of the family if not given.
        num_layers: Depth of the model; that of the family if not given.
        lr: The largest learning rate; that of the family if not given.
        weight_decay: Of AdamW.
        augment: A transform of every training batch. It is not stored in checkpoints.

    Attributes:
        model: The network over networks.
        monitor: The name of the measure that decides which epoch was the best.
        higher_is_better: Whether it should be large.
    """

    monitor: str
    higher_is_better: bool = True

    def __init__(
        self,
        space: WeightSpace,
        family: str = "dualflow",
        *,
        out_channels: int | None,
        hidden_channels: int | None = None,
        num_layers: int | None = None,
        lr: float | None = None,
        weight_decay: float = 1e-2,
        augment: Augment | None = None,
    ) -> None:
        super().__init__()
        self.family, self.weight_decay, self.augment = family, weight_decay, augment
        self.lr = lr or find_family(family).lr
        self.model: WeightSpaceModel = build_model(
            family, space, out_channels, hidden_channels=hidden_channels, num_layers=num_layers
        )

    def measure_by(self, metrics: MetricCollection) -> None:
        """Measure by these, separately on validation and test networks."""
        self.metrics = nn.ModuleDict({part: metrics.clone(prefix=f"{part}_") for part in ("val", "test")})

    def update_metrics(self, part: str, found: Tensor, true: Tensor) -> None:
        """Count the answers for a batch, and log the measures at the end of the pass."""
        metrics = cast(MetricCollection, self.metrics[part])
        metrics.update(found, true)
        self.log_dict(metrics, on_epoch=True, batch_size=len(found), prog_bar=True)

    @property
    def space(self) -> WeightSpace:
        """The weight space of the networks."""
        return self.model.space

    def arguments(self) -> dict[str, Any]:
        """What the constructor needs beside the space and the family, of types that JSON has."""
        return {
            "hidden_channels": self.model.hidden_channels,
            "num_layers": self.model.num_layers,
            "lr": self.lr,
            "weight_decay": self.weight_decay,
        }

    def look_at(self, data: WeightData) -> None:
        """Fix what depends on the training networks, before the first step: the sizes of their blocks."""
        if find_family(self.family).normalize:
            self.model.normalize_by(data.sample())

    @property
    def columns(self) -> tuple[str, ...]:
        """The numeric columns that batches need."""
        return ()

    @property
    def categories(self) -> dict[str, tuple[Any, ...]]:
        """The other columns that batches need, and their values."""
        return {}

    @abstractmethod
    def loss(self, batch: NeuronGraph) -> Tensor:
        """The loss of a training batch."""

    @abstractmethod
    def measure(self, batch: NeuronGraph, part: str) -> None:
        """Log what is measured on a batch of ``"val"`` or ``"test"`` networks."""

    # ----------------------------------------------------------------- what Lightning asks for

    def forward(self, graphs: NeuronGraph) -> Any:
        """What the model returns."""
        return self.model(graphs)

    def on_fit_start(self) -> None:
        """Keep the seed."""
        self._seed = torch.initial_seed()

    def on_train_epoch_start(self) -> None:
        """Random numbers of an epoch are the same whether the training was interrupted before or not."""
        torch.manual_seed(
            (self._seed * 1_000_003 + self.current_epoch * self.trainer.world_size + self.global_rank) % 2**63
        )

    def training_step(self, batch: NeuronGraph, batch_idx: int) -> Tensor:
        """The loss, after the augmentation."""
        loss = self.loss(batch if self.augment is None else self.augment(batch))
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.spaces), prog_bar=True)
        return loss

    def validation_step(self, batch: NeuronGraph, batch_idx: int) -> None:
        """The measures."""
        self.measure(batch, "val")

    def test_step(self, batch: NeuronGraph, batch_idx: int) -> None:
        """The measures."""
        self.measure(batch, "test")

    def optimizer(self) -> torch.optim.Optimizer:
        """AdamW over all parameters."""
        return torch.optim.AdamW(self.parameters(), lr=self.lr, weight_decay=self.weight_decay)

    def configure_optimizers(self) -> Any:
        """AdamW with a learning rate that rises over a tenth of all steps and falls to 0."""
        optimizer = self.optimizer()
        total = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: one_cycle(step, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    # ----------------------------------------------------------------- checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what :meth:`load` needs."""
        checkpoint[KEY] = {
            "task": type(self).__name__,
            "family": self.family,
            "space": self.space.to_json(),
            "arguments": self.arguments(),
        }

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Task:
        """The task of a checkpoint, in evaluation mode. Nothing in the file is executed.

        Args:
            path: A checkpoint written by Lightning's ``Trainer``.

        Raises:
            WSGraphError: The file is no checkpoint of a task, or of another one than this class.
        """
        kept = _read(Path(path))
        kinds = {kind.__name__: kind for kind in _subclasses(cls)}
        about = kept[KEY]
        if about["task"] not in kinds:
            raise WSGraphError(f"{path} is a checkpoint of {about['task']}, not of {' or '.join(kinds)}.")
        task = kinds[about["task"]](WeightSpace.from_json(about["space"]), about["family"], **about["arguments"])
        task.load_state_dict(kept["state_dict"])
        return task.eval()


def one_cycle(step: int, total: int) -> float:
    """The learning rate at a step, as a share of the largest: up in a straight line, and down half a cosine.

    Example:
        >>> [round(one_cycle(step, 20), 2) for step in (0, 1, 2, 11, 20)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    rise = max(total // 10, 1)
    if step < rise:
        return (step + 1) / rise
    return (1 + math.cos(math.pi * min((step - rise) / max(total - rise, 1), 1.0))) / 2


def _read(path: Path) -> Mapping[str, Any]:
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WSGraphError(f"There is no checkpoint {path}.") from None
    except Exception as error:
        raise WSGraphError(f"{path} is no checkpoint that can be read safely: {error}") from error
    if not isinstance(kept, Mapping) or KEY not in kept:
        raise WSGraphError(f"{path} is no checkpoint of a task of wsgraph.")
    return kept


def _subclasses(cls: type[Task]) -> list[type[Task]]:
    return [cls, *(below for child in cls.__subclasses__() for below in _subclasses(child))]
