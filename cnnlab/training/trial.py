"""A training that leaves no run behind: for the trials of a search, and for the learning-rate range test."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cnnlab.backend import keras, tf
from cnnlab.errors import DataError
from cnnlab.spec import RunSpec
from cnnlab.training.batches import steps_per_epoch
from cnnlab.training.loop import Trainer
from cnnlab.training.model import Build, batch_norm_momentum, build_model, prepare
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
    recipe = spec.recipe
    steps = steps_per_epoch(len(splits.train), recipe.batch_size)
    keras.utils.set_random_seed(spec.seed)
    momentum = batch_norm_momentum(steps * recipe.epochs)
    model = build_model(spec, len(table.classes), precision, momentum=momentum, build=build)
    if (loaded := prepare(spec, model)) is not None:
        log.info(loaded)
    optimizer = make_optimizer(recipe, model, steps * recipe.epochs, policy=precision.policy)
    return Session(
        spec=spec,
        trainer=Trainer(model, optimizer, recipe),
        images=table.images,
        labels=table.labels,
        train=splits.train,
        validation=splits.validation,
        epochs=recipe.epochs,
        steps=steps,
    )


def release(session: Session) -> None:
    """Free the memory of the session's variables; model and optimiser are of no use afterwards.

    TensorFlow keeps the variables of a traced training step after model, optimiser and trainer are gone: three copies
    of the weights a trial with Adam, of which twenty fill a machine's memory.
    """
    for variable in [*session.trainer.model.variables, *session.trainer.optimizer.variables]:
        handle, nothing = variable.value.handle, tf.zeros((0,), variable.dtype)
        tf.raw_ops.AssignVariableOp(resource=handle, value=nothing, validate_shape=False)


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
