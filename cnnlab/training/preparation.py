"""A run before it is trained: built, checked, and timed over a few steps that leave no trace."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cnnlab.spec import Recipe, RunSpec
from cnnlab.training.batches import measured_sample, steps_per_epoch
from cnnlab.training.budget import Pace, probe
from cnnlab.training.hardware import accelerator, memory_gib, peak_memory_gib, reset_peak_memory
from cnnlab.training.loop import Trainer
from cnnlab.training.model import Build, batch_norm_momentum
from cnnlab.training.precision import Precision, resolve
from cnnlab.training.sanity import initial_loss, overfit
from cnnlab.training.start import check_images, fitted, open_trainer

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
    """A trainer at its start.

    Attributes:
        steps: of an epoch.
        pace: predicted, of this machine as it is now.
        sanity: what `sanity.json` holds.
        seconds: that preparing took.
        memory_gib: the process's peak meanwhile; None where the system does not tell.
        copies: of the weights, that a checkpoint holds at most.
        headroom_gib: by how much that peak was above what the process held in the end.
    """

    trainer: Trainer
    precision: Precision
    momentum: float
    steps: int
    pace: Pace
    sanity: dict[str, Any]
    seconds: float
    memory_gib: float | None
    headroom_gib: float
    copies: int

    @property
    def space(self) -> Space:
        """Of the weights, and of three checkpoints: two are kept while one is written."""
        weights = sum(_bytes(variable) for variable in self.trainer.model.variables)
        return Space(weights + _RECORD_BYTES, 3 * self.copies * weights)

    def predicted_seconds(self, epochs: int) -> float:
        """Of the whole run, preparing included."""
        return self.seconds + epochs * self.pace.epoch

    def predicted_memory_gib(self) -> float | None:
        """The peak of a training that begins now, with whatever else the process holds."""
        held = memory_gib()
        return None if held is None else round(held + self.headroom_gib, 2)


def prepare_run(
    spec: RunSpec, table: ImageTable, splits: Splits, *, build: Build | None = None, overfit_batch: bool = False
) -> Prepared:
    """Build what `spec` trains, look at its first loss and time some steps.

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
    steps = steps_per_epoch(len(splits.train), recipe.batch_size)
    momentum = batch_norm_momentum(steps * recipe.epochs)
    trainer = open_trainer(
        spec, len(table.classes), precision, total_steps=steps * recipe.epochs, momentum=momentum, build=build
    )
    sample = measured_sample(splits.train, len(splits.validation), spec.seed)
    classes = len(table.classes)
    sanity: dict[str, Any] = {"classes": classes, "ln_classes": math.log(classes)}
    sanity["initial_loss"] = initial_loss(trainer, table.images, table.labels, sample)
    rows = splits.train[: recipe.batch_size]
    batch = table.images[rows], table.labels[rows]
    measured = len(sample) + len(splits.validation)
    pace = probe(trainer, batch, steps=steps, measured=measured)
    if accelerator() is not None:  # on a CPU it made training five times slower
        compiled = fitted(
            trainer.model,
            spec,
            precision._replace(xla=True),
            total_steps=steps * recipe.epochs,
            predict=trainer.predict,
        )
        faster = probe(compiled, batch, steps=steps, measured=measured)
        pays = faster.epoch < pace.epoch
        (trainer if pays else compiled).release_optimizer()
        if pays:
            trainer, pace, precision = compiled, faster, precision._replace(xla=True)
    checkable = overfit_batch and recipe.weights is None
    sanity["overfit"] = overfit(trainer, table.images, table.labels, sample, precision.policy) if checkable else None
    seconds = time.perf_counter() - started
    peak = peak_memory_gib()
    headroom = max(0.0, peak - (memory_gib() or peak)) if peak else 0.0
    return Prepared(trainer, precision, momentum, steps, pace, sanity, seconds, peak, headroom, _copies(recipe))


def _copies(recipe: Recipe) -> int:
    """Of the weights in a checkpoint: themselves, the optimiser's for each, their averages, the best epoch's."""
    slots = 2 if recipe.optimizer == "adam" else int(recipe.momentum > 0)
    return 1 + slots + (recipe.ema > 0) + (recipe.early_stopping is not None)


def _bytes(variable: Any) -> int:
    return math.prod(variable.shape) * np.dtype("float32").itemsize
