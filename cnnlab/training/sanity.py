"""Checks before a training: the loss at its start, and whether the network can learn one small batch by heart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cnnlab.spec import Recipe
from cnnlab.training.history import measure
from cnnlab.training.loop import Predictor, Trainer
from cnnlab.training.optimizer import make_optimizer

OVERFIT_IMAGES, OVERFIT_STEPS, LEARNED = 8, 200, 0.1
"""Images of the batch, steps at most, and the share of its first loss below which it counts as learned."""

_RECIPE = Recipe(optimizer="adam", learning_rate=3e-4, gradient_clip=1.0, schedule="constant", warmup=0.0)


def initial_loss(predict: Predictor, images: np.ndarray, labels: np.ndarray, sample: np.ndarray) -> float | None:
    """Cross entropy in nats before the first step, in inference mode, on up to 256 rows of `sample`; None when it is
    not finite."""
    rows = sample[:256]
    loss, _ = measure(predict(images, rows), labels[rows])
    return loss if math.isfinite(loss) else None


def overfit(
    predict: Predictor, images: np.ndarray, labels: np.ndarray, rows: np.ndarray, policy: str
) -> dict[str, Any] | None:
    """Train on the first 8 of `rows` alone by Adam at 3e-4 until their loss is a tenth of what it was.

    A network that cannot do this has a mistake in its layers, its loss or its data (Karpathy 2019, "A recipe for
    training neural networks"). Losses are those of training, with dropout.

    Returns:
        `images`, `steps`, `loss_before` and `loss`, of the last step at which it was finite; None when it never was.
    """
    rows = rows[:OVERFIT_IMAGES]
    batch, truth = np.asarray(images[rows]), labels[rows]
    optimizer = make_optimizer(_RECIPE, predict.model, OVERFIT_STEPS, policy=policy)
    learner = Trainer(predict.model, optimizer, _RECIPE, predict=predict)
    losses: list[float] = []
    while len(losses) < OVERFIT_STEPS and not (losses and losses[-1] < LEARNED * losses[0]):
        losses.append(learner.step(batch, truth))
        if not math.isfinite(losses[-1]):
            break
    learner.release_optimizer()
    finite = [loss for loss in losses if math.isfinite(loss)]
    if not finite:
        return None
    return {
        "images": len(rows),
        "steps": len(losses),
        "loss_before": finite[0],
        "loss": finite[-1],
    }
