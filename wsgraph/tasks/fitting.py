"""Train a task, keep the best, and measure it."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from rich.console import Console

from wsgraph.tasks.data import WeightData
from wsgraph.tasks.task import Task

CLIP = 1.0
"""The largest norm of a gradient."""


@dataclass(frozen=True)
class Fitted:
    """What came out of a training.

    Attributes:
        task: The best of all epochs.
        checkpoint: Its file.
        scores: Its measures on the test networks, by name without the part.
        epochs: How many were run.
    """

    task: Task
    checkpoint: Path
    scores: dict[str, float]
    epochs: int

    def __repr__(self) -> str:
        scores = ", ".join(f"{name} {value:.4f}" for name, value in self.scores.items())
        return f"Fitted({type(self.task).__name__}, {self.epochs} epochs; {scores}; {self.checkpoint})"


def fit(
    task: Task,
    data: WeightData,
    folder: str | os.PathLike[str],
    *,
    epochs: int = 20,
    patience: int | None = None,
    accelerator: str = "auto",
    devices: int = 1,
    progress: bool = True,
) -> Fitted:
    """Train a task, and measure its best epoch on the test networks.

    The folder gets ``best.ckpt`` and ``last.ckpt`` (see :meth:`Task.load`), ``metrics.csv`` and logs for TensorBoard.
    The same call goes on from ``last.ckpt``, if it was interrupted. Seed everything before the task is built
    (``lightning.seed_everything``), and the result is reproducible.

    Args:
        task: The task; it is trained in place.
        data: Its networks, with the columns that it needs.
        folder: Where to write; made if it is not there.
        epochs: Passes over the training networks.
        patience: Stop after so many epochs without a better one; None to go to the end.
        accelerator: As for Lightning: ``"auto"``, ``"cpu"``, ``"gpu"``.
        devices: Number of processes, each with a device of its own (data-parallel, where it is more than one).
        progress: Whether to show a progress bar, where there is a terminal.

    Returns:
        The best task, its checkpoint and its measures.
    """
    folder, progress = Path(folder), progress and Console().is_terminal
    mode = "max" if task.higher_is_better else "min"
    always: dict[str, Any] = {"save_on_train_epoch_end": True, "enable_version_counter": False}
    best = ModelCheckpoint(folder, "best", task.monitor, mode=mode, **always)
    latest = ModelCheckpoint(folder, "last", **always)
    stop = [] if patience is None else [EarlyStopping(task.monitor, patience=patience, mode=mode)]
    loggers = [CSVLogger(folder, name="", version=""), TensorBoardLogger(folder, name="tensorboard", version="")]
    with _quiet():
        trainer = Trainer(
            max_epochs=epochs,
            accelerator=accelerator,
            devices=devices,
            strategy="ddp" if devices > 1 else "auto",
            callbacks=[best, latest, *stop, *([RichProgressBar(leave=False)] if progress else [])],
            logger=loggers,
            gradient_clip_val=CLIP,
            log_every_n_steps=1,
            num_sanity_val_steps=0,
            enable_progress_bar=progress,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        task.look_at(data)
        last = folder / "last.ckpt"
        trainer.fit(task, data, ckpt_path=last if last.exists() else None, weights_only=True)
        chosen = Task.load(best.best_model_path)
        scores = trainer.test(chosen, data, verbose=False)[0]
    names = {name.removeprefix("test_"): value for name, value in scores.items()}
    return Fitted(chosen, Path(best.best_model_path), names, trainer.current_epoch)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's advice: about hardware, loggers, and workers that these loaders do not have."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning.*")
            yield
    finally:
        logger.setLevel(level)
