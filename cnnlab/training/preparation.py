"""A run before it is trained: built, checked, and timed over a few steps that leave no trace."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnlab.spec import RunSpec
from cnnlab.training.batches import measured_sample, steps_per_epoch
from cnnlab.training.budget import Pace, probe
from cnnlab.training.hardware import peak_memory_gib, reset_peak_memory
from cnnlab.training.loop import Trainer
from cnnlab.training.model import Build, batch_norm_momentum
from cnnlab.training.precision import Precision, resolve
from cnnlab.training.sanity import initial_loss, overfit
from cnnlab.training.start import check_images, open_trainer

if TYPE_CHECKING:
    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable


@dataclass(frozen=True)
class Prepared:
    """A trainer at its start.

    Attributes:
        steps: of an epoch.
        pace: predicted, of this machine as it is now.
        sanity: what `sanity.json` holds.
        seconds: that preparing took.
        memory_gib: the process's peak meanwhile; None where the system does not tell.
    """

    trainer: Trainer
    precision: Precision
    momentum: float
    steps: int
    pace: Pace
    sanity: dict[str, Any]
    seconds: float
    memory_gib: float | None

    def predicted_seconds(self, epochs: int) -> float:
        """Of the whole run, preparing included."""
        return self.seconds + epochs * self.pace.epoch


def prepare_run(
    spec: RunSpec, table: ImageTable, splits: Splits, *, build: Build | None = None, overfit_batch: bool = False
) -> Prepared:
    """Build what `spec` trains, look at its first loss and time some steps.

    Args:
        build: replaces `cnnlab.networks.build_network`.
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
    pace = probe(trainer, batch, steps=steps, measured=len(sample) + len(splits.validation))
    checkable = overfit_batch and recipe.weights is None
    sanity["overfit"] = overfit(trainer, table.images, table.labels, sample, precision.policy) if checkable else None
    seconds = time.perf_counter() - started
    return Prepared(trainer, precision, momentum, steps, pace, sanity, seconds, peak_memory_gib())
