"""A run before it is trained: built, checked, and timed over a few steps that leave no trace."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnlab.backend import keras
from cnnlab.spec import Recipe, RunSpec
from cnnlab.training.batches import measured_sample, steps_per_epoch
from cnnlab.training.budget import Pace, probe
from cnnlab.training.hardware import accelerator, peak_memory_gib, reset_peak_memory
from cnnlab.training.loop import Predictor
from cnnlab.training.model import Build, batch_norm_momentum
from cnnlab.training.precision import Precision, resolve
from cnnlab.training.sanity import initial_loss, overfit
from cnnlab.training.start import check_images, fitted, open_model

_RECORD_BYTES = 1_000_000
"""Of a run's history, log and manifest, at most."""

if TYPE_CHECKING:
    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable


class Space(NamedTuple):
    """Bytes of disk that a run takes: its record, and its checkpoints while it is trained, at most."""

    record: int
    checkpoints: int


@dataclass(frozen=True)
class Prepared:
    """What a run will take, measured on a model of its own that is gone by now.

    Attributes:
        steps: of an epoch.
        pace: predicted, of this machine as it is now.
        sanity: what `sanity.json` holds.
        seconds: that preparing took.
        opening: seconds that building and tracing will take once more.
        memory_gib: the process's peak meanwhile, that of training; None where the system does not tell.
        space: on the disk.
    """

    precision: Precision
    steps: int
    pace: Pace
    sanity: dict[str, Any]
    seconds: float
    opening: float
    memory_gib: float | None
    space: Space

    @property
    def fixed_seconds(self) -> float:
        """Of the run, whatever its number of epochs."""
        return self.seconds + self.opening


def prepare_run(
    spec: RunSpec, table: ImageTable, splits: Splits, *, build: Build | None = None, overfit_batch: bool = False
) -> Prepared:
    """Build what `spec` trains, look at its first loss and time some steps; nothing of it stays in memory.

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
    model = open_model(spec, classes, precision, momentum=batch_norm_momentum(total), build=build)
    opening = time.perf_counter() - started
    predict = Predictor(model)
    sample = measured_sample(splits.train, len(splits.validation), spec.seed)
    sanity: dict[str, Any] = {"classes": classes, "ln_classes": math.log(classes)}
    sanity["initial_loss"] = initial_loss(predict, table.images, table.labels, sample)
    checkable = overfit_batch and recipe.weights is None
    sanity["overfit"] = overfit(predict, table.images, table.labels, sample, precision.policy) if checkable else None
    rows = splits.train[: recipe.batch_size]
    batch = table.images[rows], table.labels[rows]
    measured = len(sample) + len(splits.validation)
    trainer = fitted(model, spec, precision, total_steps=total, predict=predict)
    pace = probe(trainer, batch, steps=steps, measured=measured)
    if accelerator() is not None:  # on a CPU it made training five times slower
        trainer.release_optimizer()
        trainer = fitted(model, spec, precision._replace(xla=True), total_steps=total, predict=predict)
        faster = probe(trainer, batch, steps=steps, measured=measured)
        if faster.epoch < pace.epoch:
            pace, precision = faster, precision._replace(xla=True)
    space = _space(model, recipe)
    trainer.release()
    seconds = time.perf_counter() - started
    return Prepared(precision, steps, pace, sanity, seconds, opening + pace.trace, peak_memory_gib(), space)


def _space(model: keras.Model, recipe: Recipe) -> Space:
    """Of the weights, and of three checkpoints: two are kept while one is written."""
    weights = 4 * sum(math.prod(variable.shape) for variable in model.variables)
    return Space(weights + _RECORD_BYTES, 3 * weight_copies(recipe) * weights)


def weight_copies(recipe: Recipe) -> int:
    """In a checkpoint: the weights themselves, the optimiser's slots, their averages, the best epoch's."""
    slots = 2 if recipe.optimizer == "adam" else int(recipe.momentum > 0)
    return 1 + slots + (recipe.ema > 0) + (recipe.early_stopping is not None)
