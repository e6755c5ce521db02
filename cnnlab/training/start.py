"""A training at its start: of a run, of a trial of a search, or of the learning-rate range test."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cnnlab.backend import keras, tf
from cnnlab.errors import DataError
from cnnlab.spec import RunSpec
from cnnlab.training.batches import steps_per_epoch
from cnnlab.training.loop import Predictor, Trainer
from cnnlab.training.model import Build, batch_norm_momentum, build_model, prepare, rate_factors, unfreeze
from cnnlab.training.optimizer import make_optimizer
from cnnlab.training.precision import Precision
from cnnlab.training.session import Session

if TYPE_CHECKING:
    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable

log = logging.getLogger("cnnlab.training")


def open_session(
    spec: RunSpec, table: ImageTable, splits: Splits, precision: Precision, *, build: Build | None = None
) -> Session:
    """The spec's training at its start, to the same bits as `cnnlab.training.fit.train` without a budget starts it.

    Neither the test images nor their number are looked at.

    Raises:
        DataError: nothing to train or to validate on.
        LabError: the network or its weights cannot be had.
    """
    check_images(spec, splits)
    steps = steps_per_epoch(len(splits.train), spec.recipe.batch_size)
    total = steps * spec.recipe.epochs
    trainer = open_trainer(
        spec, len(table.classes), precision, total_steps=total, momentum=batch_norm_momentum(total), build=build
    )
    return Session(
        spec=spec,
        trainer=trainer,
        images=table.images,
        labels=table.labels,
        train=splits.train,
        validation=splits.validation,
        epochs=spec.recipe.epochs,
        steps=steps,
        unfrozen=lambda former: unfrozen(former, spec, precision, total_steps=total, steps=steps),
    )


def open_trainer(
    spec: RunSpec, classes: int, precision: Precision, *, total_steps: int, momentum: float, build: Build | None = None
) -> Trainer:
    """The spec's model as it starts, and its optimiser.

    Raises:
        LabError: the network or its weights cannot be had.
    """
    model = open_model(spec, classes, precision, momentum=momentum, build=build)
    return fitted(model, spec, precision, total_steps=total_steps)


def open_model(
    spec: RunSpec, classes: int, precision: Precision, *, momentum: float, build: Build | None = None
) -> keras.Model:
    """The spec's model as it starts. Every operation is deterministic from here on: on a CPU that cost nothing that could
    be measured.

    Raises:
        LabError: the network or its weights cannot be had.
    """
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(spec.seed)
    model = build_model(spec, classes, precision, momentum=momentum, build=build)
    if (loaded := prepare(spec, model)) is not None:
        log.info(loaded)
    return model


def fitted(
    model: keras.Model,
    spec: RunSpec,
    precision: Precision,
    *,
    total_steps: int,
    done: int = 0,
    predict: Predictor | None = None,
) -> Trainer:
    """A trainer of what is trainable in `model`, with the recipe's rates from step `done` on."""
    factors = rate_factors(spec.network, model, spec.recipe.rate_decay)
    policy = precision.policy
    optimizer = make_optimizer(spec.recipe, model, total_steps, policy=policy, done=done, factors=factors)
    return Trainer(model, optimizer, spec.recipe, predict=predict, xla=precision.xla)


def unfrozen(former: Trainer, spec: RunSpec, precision: Precision, *, total_steps: int, steps: int) -> Trainer:
    """The trainer of the whole network, after the epochs of `steps` steps in which only its classifier learned.

    The former trainer's optimiser is freed: its slots would stay as large as the weights that they were for.
    """
    former.release_optimizer()
    unfreeze(former.model)
    done = spec.recipe.frozen_epochs * steps
    return fitted(former.model, spec, precision, total_steps=total_steps, done=done, predict=former.predict)


def release(session: Session) -> None:
    """Free the memory of the session's variables; model and optimiser are of no use afterwards."""
    session.trainer.release()


def check_images(spec: RunSpec, splits: Splits) -> None:
    """Refuse splits without training or validation images.

    Raises:
        DataError: one of the two is empty.
    """
    for name in ("train", "validation"):
        if not len(getattr(splits, name)):
            raise DataError(
                f"there is no {name} image to train with",
                where=f"datasets.{spec.dataset}.split",
                received=0,
                expected="at least 1 image in train and in validation",
                hint="give that split a larger share",
            )
