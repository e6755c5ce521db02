"""A run before it is trained: built, checked, and timed over a few steps that leave no trace; how many epochs fit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cnnlab.spec import Recipe, RunSpec
from cnnlab.training.batches import measured_sample, steps_per_epoch
from cnnlab.training.engine import Build, Predictor, Trainer, inference_batch, make_optimizer, open_model, open_trainer
from cnnlab.training.machine import Precision, accelerator, peak_memory_gib, reset_peak_memory, resolve
from cnnlab.training.session import check_images, measure

if TYPE_CHECKING:
    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable

OVERFIT_IMAGES, OVERFIT_STEPS, LEARNED = 8, 200, 0.1
"""Images of the batch, steps at most, and the share of its first loss below which it counts as learned."""

_OVERFITTING = Recipe(optimizer="adam", learning_rate=3e-4, gradient_clip=1.0, schedule="constant", warmup=0.0)
_PROBES, _PROBE_SECONDS = 4, 3.0
_RECORD_BYTES = 1_000_000
"""Of a run's history, log and manifest, at most."""


@dataclass(frozen=True)
class Plan:
    """The course of a run as laid out before it: seconds are wall clock from the start of `train_model`.

    `shortened`: the budget took epochs away; `fits`: one epoch is planned even where none fits into the budget.
    """

    epochs_requested: int
    epochs_planned: int
    steps_per_epoch: int
    predicted_seconds: float
    budget_seconds: float | None

    @property
    def shortened(self) -> bool:
        return self.epochs_planned < self.epochs_requested

    @property
    def fits(self) -> bool:
        return self.budget_seconds is None or self.predicted_seconds <= self.budget_seconds


class Pace(NamedTuple):
    """Seconds of one epoch, measuring included, and of tracing step and inference."""

    epoch: float
    trace: float


def make_plan(*, epochs: int, steps: int, pace: Pace, fixed_seconds: float, budget_seconds: float | None) -> Plan:
    """The largest number of epochs, at most `epochs` and at least 1, whose predicted time is inside the budget.

    Args:
        fixed_seconds: what is spent whatever the number of epochs.
    """
    planned = epochs
    if budget_seconds is not None and fixed_seconds + epochs * pace.epoch > budget_seconds and epochs > 1:
        planned = int(max(1, min(epochs - 1, (budget_seconds - fixed_seconds) / max(pace.epoch, 1e-9))))
    return Plan(epochs, planned, steps, fixed_seconds + planned * pace.epoch, budget_seconds)


@dataclass(frozen=True)
class Prepared:
    """What a run will take, measured on a model of its own that is gone by now.

    Attributes:
        steps: of an epoch.
        pace: predicted, of this machine as it is now.
        sanity: what `sanity.json` holds.
        seconds: that preparing took.
        fixed_seconds: of the run, whatever its number of epochs: these, building and tracing once more.
        memory_gib: the process's peak meanwhile, that of training; None where the system does not tell.
        record_bytes, checkpoint_bytes: of the disk, at most; checkpoints are there while it is trained.
    """

    precision: Precision
    steps: int
    pace: Pace
    sanity: dict[str, Any]
    seconds: float
    fixed_seconds: float
    memory_gib: float | None
    record_bytes: int
    checkpoint_bytes: int


def prepare_run(
    spec: RunSpec, table: ImageTable, splits: Splits, *, build: Build | None = None, overfit_batch: bool = False
) -> Prepared:
    """Build what `spec` trains, look at its first loss and time some steps; nothing of it stays in memory.

    The first loss is the cross entropy in nats in inference mode, on up to 256 training images; None when it is not
    finite.

    Args:
        build: replaces `cnnlab.layers.factory.build_network`.
        overfit_batch: also check that one batch can be learned by heart, for a network that starts from scratch.

    Raises:
        DataError: nothing to train or to validate on.
        LabError: the network or its weights cannot be had.
    """
    check_images(spec, splits)
    started = time.perf_counter()
    reset_peak_memory()
    recipe, precision = spec.recipe, resolve(spec.recipe.precision)
    steps, classes = steps_per_epoch(len(splits.train), recipe.batch_size), len(table.classes)
    total = steps * recipe.epochs
    model = open_model(spec, classes, precision, steps=total, build=build)
    opening = time.perf_counter() - started
    predict = Predictor(model)
    sample = measured_sample(splits.train, len(splits.validation), spec.seed)
    loss, _ = measure(predict(table.images, sample[:256]), table.labels[sample[:256]])
    batch = table.images[sample[:OVERFIT_IMAGES]], table.labels[sample[:OVERFIT_IMAGES]]
    learned = overfit(predict, *batch, precision.policy) if overfit_batch and recipe.weights is None else None
    sanity: dict[str, Any] = {"classes": classes, "ln_classes": math.log(classes)}
    sanity |= {"initial_loss": loss if math.isfinite(loss) else None, "overfit": learned}

    def timed(precision: Precision) -> tuple[Trainer, Pace]:
        rows = splits.train[: recipe.batch_size]
        trainer = open_trainer(model, spec, precision, steps=total, predict=predict)
        measured = len(sample) + len(splits.validation)
        return trainer, probe(trainer, (table.images[rows], table.labels[rows]), steps=steps, measured=measured)

    trainer, pace = timed(precision)
    if accelerator() is not None:  # on a CPU XLA made training five times slower
        trainer.release_optimizer()
        trainer, faster = timed(precision._replace(xla=True))
        if faster.epoch < pace.epoch:
            pace, precision = faster, precision._replace(xla=True)
    weights = 4 * sum(math.prod(variable.shape) for variable in model.variables)
    trainer.release()
    seconds = time.perf_counter() - started
    return Prepared(
        precision, steps, pace, sanity, seconds, fixed_seconds=seconds + opening + pace.trace,
        memory_gib=peak_memory_gib(), record_bytes=weights + _RECORD_BYTES,
        checkpoint_bytes=3 * weight_copies(recipe) * weights,  # two are kept while one is written
    )  # fmt: skip


def weight_copies(recipe: Recipe) -> int:
    """In a checkpoint: the weights themselves, the optimiser's slots, their averages, the best epoch's."""
    slots = int(recipe.momentum > 0) if recipe.optimizer == "sgd" else 2
    return 1 + slots + (recipe.ema > 0) + (recipe.early_stopping is not None)


def overfit(predict: Predictor, images: np.ndarray, labels: np.ndarray, policy: str) -> dict[str, Any] | None:
    """Train on these images alone by Adam at 3e-4 until their loss is a tenth of what it was.

    A network that cannot do this has a mistake in its layers, its loss or its data (Karpathy 2019, "A recipe for
    training neural networks"). Losses are those of training, with dropout.

    Returns:
        `images`, `steps`, `loss_before` and `loss`, of the last step at which it was finite; None when it never was.
    """
    optimizer = make_optimizer(_OVERFITTING, predict.model, OVERFIT_STEPS, policy=policy)
    learner = Trainer(predict.model, optimizer, _OVERFITTING, predict=predict)
    losses: list[float] = []
    while len(losses) < OVERFIT_STEPS and not (losses and losses[-1] < LEARNED * losses[0]):
        losses.append(learner.step(images, labels))
        if not math.isfinite(losses[-1]):
            break
    learner.release_optimizer()
    finite = [loss for loss in losses if math.isfinite(loss)]
    if not finite:
        return None
    return {"images": len(images), "steps": len(losses), "loss_before": finite[0], "loss": finite[-1]}


def probe(trainer: Trainer, batch: tuple[np.ndarray, np.ndarray], *, steps: int, measured: int) -> Pace:
    """The predicted pace of epochs of `steps` steps and `measured` images in inference mode.

    The first step and inference trace and are not counted. The trainer is used up.
    """
    started = time.perf_counter()
    kept = trainer.weights()  # in memory meanwhile, as the best epoch's are in a training
    copying = time.perf_counter() - started
    images, labels = batch
    rows = np.arange(min(len(images), inference_batch(images.shape[1]), measured))
    step, first_step = _median_seconds(lambda: trainer.step(images, labels))
    inference, first_inference = _median_seconds(lambda: trainer.predict(images, rows))
    del kept
    traces = max(0.0, first_step - step) + max(0.0, first_inference - inference)
    return Pace(step * steps + inference * measured / len(rows) + copying, traces)


def _median_seconds(work: Callable[[], Any]) -> tuple[float, float]:
    """Median seconds of a few calls after the first, and those of the first."""
    times: list[float] = []
    while len(times) <= _PROBES and (len(times) < 3 or sum(times[1:]) < _PROBE_SECONDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return float(np.median(times[1:])), times[0]
