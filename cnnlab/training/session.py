"""The epochs of one run: train, measure, remember the best, keep a checkpoint, stop early or on divergence."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from cnnlab.progress import Progress
from cnnlab.spec import RunSpec
from cnnlab.training.batches import measured_sample, prefetched, training_batches
from cnnlab.training.checkpoint import Checkpoint
from cnnlab.training.history import EpochRow, from_dict, improves, measure
from cnnlab.training.loop import Arrays, Trainer
from cnnlab.training.schedule import learning_rate

log = logging.getLogger("cnnlab.training")

Stopped = Literal["completed", "early", "diverged"]


EXPLODED = 10.0
"""A mean training loss of an epoch this many times ln K, that of guessing, is an explosion: it does not come back."""


class Diverged(Exception):
    """The loss is not a finite number any more, or far above that of guessing."""


@dataclass
class Session:
    """A run in progress. `rows` and `best_row` are of finished epochs; `best` holds the kept epoch's weights.

    `unfrozen` makes the trainer that follows the epochs in which only the classifier learns.
    """

    spec: RunSpec
    trainer: Trainer
    images: np.ndarray
    labels: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    epochs: int
    steps: int
    rows: list[EpochRow] = field(default_factory=list)
    best_row: EpochRow | None = None
    best: Arrays = field(default_factory=list)
    unfrozen: Callable[[Trainer], Trainer] | None = None
    diverged_because: str | None = None

    def __post_init__(self) -> None:
        self._sample = measured_sample(self.train, len(self.validation), self.spec.seed)

    def run(self, progress: Progress, title: str, at_boundary: Callable[[], None]) -> Stopped:
        """Train from the state the trainer is in to the end; `at_boundary` is called after each epoch but the last."""
        progress.begin(title, epochs=self.epochs, steps=self.steps, done=len(self.rows))
        try:
            while (stopped := self._stopped()) is None:
                row = self._epoch(len(self.rows), progress)
                self._remember(row)
                measured = row.accuracy, row.val_accuracy, row.images_per_second
                progress.epoch(row.epoch, *measured)
                text = "epoch %d/%d, loss %.4f, validation loss %.4f, accuracy %.3f, validation accuracy %.3f, %.0f images/s"
                log.info(text, row.epoch, self.epochs, row.loss, row.val_loss, *measured)
                if self._stopped() is None:
                    at_boundary()
            return stopped
        except Diverged as problem:
            self.diverged_because = str(problem)
            log.warning("diverged in epoch %d: %s", len(self.rows) + 1, problem)
            return "diverged"
        finally:
            progress.end()

    def checkpoint(self, meta: dict[str, Any]) -> Checkpoint:
        """The state at the boundary just reached."""
        model, optimizer = self.trainer.state()
        best_epoch = self.best_row.epoch if self.best_row else None
        best = [] if best_epoch == len(self.rows) else self.best
        everything = {**meta, "rows": [asdict(row) for row in self.rows], "best_epoch": best_epoch}
        return Checkpoint(len(self.rows), model, optimizer, best, everything)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Continue after the checkpoint's epoch.

        Raises:
            ValueError: it belongs to another model or optimiser.
        """
        self.trainer.restore((checkpoint.model, checkpoint.optimizer))
        self.rows = [from_dict(row) for row in checkpoint.meta["rows"]]
        self.best = checkpoint.best or self._kept()
        self.best_row = self.rows[checkpoint.meta["best_epoch"] - 1]

    def _stopped(self) -> Stopped | None:
        rule, done = self.spec.recipe.early_stopping, len(self.rows)
        if done >= self.epochs:
            return "completed"
        waited = done - (self.best_row.epoch if self.best_row else 0)
        return "early" if rule is not None and self.rows and waited >= rule.patience else None

    def _remember(self, row: EpochRow) -> None:
        self.rows.append(row)
        if improves(row, self.best_row, self.spec.recipe.early_stopping):
            self.best_row, self.best = row, []  # the former best leaves its memory to this one
            self.best = self._kept()

    def _kept(self) -> Arrays:
        with self.trainer.averaged():
            return self.trainer.weights()

    def _epoch(self, index: int, progress: Progress) -> EpochRow:
        """Train and measure epoch `index` (0-based)."""
        started = time.perf_counter()
        if self.unfrozen is not None and 0 < index == self.spec.recipe.frozen_epochs:
            self.trainer = self.unfrozen(self.trainer)
        running, images = self._train(index, progress)
        trained = time.perf_counter()
        with self.trainer.averaged():
            loss, accuracy = self._measured(self._sample)
            val_loss, val_accuracy = self._measured(self.validation)
        rate = learning_rate((index + 1) * self.steps - 1, self.spec.recipe, self.epochs * self.steps)
        return EpochRow(
            epoch=index + 1,
            loss=loss,
            accuracy=accuracy,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            learning_rate=float(rate),
            seconds=time.perf_counter() - started,
            images_per_second=images / (trained - started),
            running_loss=running,
        )

    def _train(self, index: int, progress: Progress) -> tuple[float, int]:
        """Mean loss over the epoch's images, and their number."""
        recipe = self.spec.recipe
        self.trainer.seed_epoch(self.spec.seed, index)
        batches = training_batches(
            self.images,
            self.labels,
            self.train,
            batch_size=recipe.batch_size,
            augmentation=recipe.augmentation,
            seed=self.spec.seed,
            epoch=index,
        )
        total, seen = 0.0, 0
        for batch in prefetched(batches):
            total += _finite(self.trainer.step(*batch), "training loss") * len(batch.labels)
            seen += len(batch.labels)
            progress.step()
        mean, guessing = total / seen, math.log(self.trainer.predict.classes)
        if mean > EXPLODED * guessing:
            raise Diverged(f"the training loss is {mean:.4g}, that of guessing is {guessing:.4g}")
        return mean, seen

    def _measured(self, ids: np.ndarray) -> tuple[float, float]:
        loss, accuracy = measure(self.trainer.predict(self.images, ids), self.labels[ids])
        return _finite(loss, "measured loss"), accuracy


def _finite(loss: float, name: str) -> float:
    if not np.isfinite(loss):
        raise Diverged(f"the {name} is {loss}")
    return loss
