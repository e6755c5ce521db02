"""The epochs of one training: train, measure, remember the best, stop early or on divergence."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, astuple, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cnnlab.errors import DataError
from cnnlab.progress import Progress
from cnnlab.spec import EarlyStopping, RunSpec
from cnnlab.training.batches import Batch, measured_sample, prefetched, steps_per_epoch, training_batches
from cnnlab.training.checkpoint import Checkpoint
from cnnlab.training.engine import Arrays, Build, learning_rate, open_model, open_trainer
from cnnlab.training.machine import Precision

if TYPE_CHECKING:
    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable

log = logging.getLogger("cnnlab.training")

Stopped = Literal["completed", "early", "diverged"]

EXPLODED = 10.0
"""A mean training loss of an epoch this many times ln K, that of guessing, is an explosion: it does not come back."""


class Diverged(Exception):
    """The loss is not a finite number any more, or far above that of guessing."""


@dataclass(frozen=True)
class EpochRow:
    """One epoch (1-based). `loss` and `accuracy` are measured like validation: inference mode, no augmentation, plain
    cross entropy (nats), on a fixed sample of the training set; `running_loss` is the mean loss that was trained on,
    label smoothing included. `learning_rate` is that of the last step; `seconds` includes the measuring,
    `images_per_second` is of training alone.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float
    images_per_second: float
    running_loss: float


def to_csv(rows: Iterable[EpochRow]) -> str:
    """The rows with a header line; numbers in the shortest form that reads back to the same value."""
    lines = [[field.name for field in fields(EpochRow)], *(map(repr, astuple(row)) for row in rows)]
    return "".join(",".join(line) + "\n" for line in lines)


def measure(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Mean cross entropy in nats and accuracy in [0, 1] of probabilities (N, K) for labels (N,).

    Probabilities are bounded below by 1e-7, as Keras does; not-a-number stays not-a-number.
    """
    of_truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    loss = -np.log(np.maximum(of_truth, 1e-7)).mean()
    return float(loss), float((probabilities.argmax(axis=1) == labels).mean())


def improves(row: EpochRow, best: EpochRow | None, rule: EarlyStopping | None) -> bool:
    """Whether `row` takes the place of the best epoch so far; ties keep the earlier one.

    Without early stopping the last epoch is the one that is kept.
    """
    if best is None or rule is None:
        return True
    if rule.monitor == "val_loss":
        return row.val_loss < best.val_loss - rule.min_delta
    return row.val_accuracy > best.val_accuracy + rule.min_delta


def check_images(spec: RunSpec, splits: Splits) -> None:
    """Refuse splits without training or validation images.

    Raises:
        DataError: one of the two is empty.
    """
    for name in ("train", "validation"):
        if not len(getattr(splits, name)):
            raise DataError(
                f"there is no {name} image to train with", where=f"datasets.{spec.dataset}.split", received=0,
                expected="at least 1 image in train and in validation", hint="give that split a larger share",
            )  # fmt: skip


class Session:
    """A training of `epochs` epochs at its start, to the same bits whoever starts it: a run, a search, a range test.

    `rows` and `best_row` are of finished epochs, `best` holds the kept epoch's weights, `sample` the training rows that
    are measured. Neither the test images nor their number are looked at.

    Raises:
        DataError: nothing to train or to validate on.
        LabError: the network or its weights cannot be had.
    """

    def __init__(
        self,
        spec: RunSpec,
        table: ImageTable,
        splits: Splits,
        precision: Precision,
        *,
        epochs: int | None = None,
        build: Build | None = None,
    ) -> None:
        check_images(spec, splits)
        self.spec, self.table, self.precision = spec, table, precision
        self.train, self.validation = splits.train, splits.validation
        self.sample = measured_sample(splits.train, len(splits.validation), spec.seed)
        self.epochs = epochs or spec.recipe.epochs
        self.steps = steps_per_epoch(len(splits.train), spec.recipe.batch_size)
        self.total = self.epochs * self.steps
        model = open_model(spec, len(table.classes), precision, steps=self.total, build=build)
        self.trainer = open_trainer(model, spec, precision, steps=self.total)
        self.rows: list[EpochRow] = []
        self.best_row: EpochRow | None = None
        self.best: Arrays = []
        self.diverged_because: str | None = None

    def run(self, progress: Progress, title: str, at_boundary: Callable[[], None]) -> Stopped:
        """Train from the state the trainer is in to the end; `at_boundary` is called after each epoch but the last."""
        progress.begin(title, epochs=self.epochs, steps=self.steps, done=len(self.rows))
        try:
            while (stopped := self._stopped()) is None:
                row = self._epoch(len(self.rows), progress)
                self.rows.append(row)
                if improves(row, self.best_row, self.spec.recipe.early_stopping):
                    self.best_row, self.best = row, []  # the former best leaves its memory to this one
                    self.best = self._kept()
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
        if 0 < self.spec.recipe.frozen_epochs < checkpoint.epoch:
            self.thaw()
        self.trainer.restore((checkpoint.model, checkpoint.optimizer))
        self.rows = [EpochRow(**row) for row in checkpoint.meta["rows"]]
        self.best = checkpoint.best or self._kept()
        self.best_row = self.rows[checkpoint.meta["best_epoch"] - 1]

    def thaw(self) -> None:
        """Train the whole network, after the epochs in which only its classifier learned.

        The former optimiser is freed: its slots would stay as large as the weights that they were for.
        """
        self.trainer.release_optimizer()
        for layer in self.trainer.model.layers:
            layer.trainable = True
        done, predict = self.spec.recipe.frozen_epochs * self.steps, self.trainer.predict
        self.trainer = open_trainer(
            predict.model, self.spec, self.precision, steps=self.total, done=done, predict=predict
        )

    def _stopped(self) -> Stopped | None:
        rule, done = self.spec.recipe.early_stopping, len(self.rows)
        if done >= self.epochs:
            return "completed"
        waited = done - (self.best_row.epoch if self.best_row else 0)
        return "early" if rule is not None and self.rows and waited >= rule.patience else None

    def _kept(self) -> Arrays:
        with self.trainer.averaged():
            return self.trainer.weights()

    def _epoch(self, index: int, progress: Progress) -> EpochRow:
        """Train and measure epoch `index` (0-based)."""
        started = time.perf_counter()
        if 0 < index == self.spec.recipe.frozen_epochs:
            self.thaw()
        total, seen = 0.0, 0
        for batch in self.batches(index):
            total += _finite(self.trainer.step(*batch), "training loss") * len(batch.labels)
            seen += len(batch.labels)
            progress.step()
        running, guessing = total / seen, math.log(self.trainer.predict.classes)
        if running > EXPLODED * guessing:
            raise Diverged(f"the training loss is {running:.4g}, that of guessing is {guessing:.4g}")
        trained = time.perf_counter()
        with self.trainer.averaged():
            loss, accuracy = self._measured(self.sample)
            val_loss, val_accuracy = self._measured(self.validation)
        return EpochRow(
            epoch=index + 1, loss=loss, accuracy=accuracy, val_loss=val_loss, val_accuracy=val_accuracy,
            learning_rate=float(learning_rate((index + 1) * self.steps - 1, self.spec.recipe, self.total)),
            seconds=time.perf_counter() - started, images_per_second=seen / (trained - started), running_loss=running,
        )  # fmt: skip

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch (0-based), with dropout's streams at its start."""
        recipe, seed = self.spec.recipe, self.spec.seed
        self.trainer.seed_epoch(seed, epoch)
        return prefetched(
            training_batches(
                self.table.images, self.table.labels, self.train, classes=len(self.table.classes),
                batch_size=recipe.batch_size, augmentation=recipe.augmentation, seed=seed, epoch=epoch,
            )
        )  # fmt: skip

    def _measured(self, ids: np.ndarray) -> tuple[float, float]:
        loss, accuracy = measure(self.trainer.predict(self.table.images, ids), self.table.labels[ids])
        return _finite(loss, "measured loss"), accuracy


def _finite(loss: float, name: str) -> float:
    if math.isfinite(loss):
        return loss
    raise Diverged(f"the {name} is {loss}")
