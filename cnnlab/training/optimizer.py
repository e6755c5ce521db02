"""The recipe's optimiser over a model's trainable weights."""

from __future__ import annotations

from typing import Any

from cnnlab.backend import keras
from cnnlab.spec import Recipe
from cnnlab.training.schedule import Schedule


def make_optimizer(recipe: Recipe, model: keras.Model, steps: int, *, policy: str) -> Any:
    """An optimiser built for `model`, with the schedule laid over `steps` steps.

    SGD has classical momentum, not Nesterov's. Weight decay is decoupled (Loshchilov & Hutter 2019): before each step
    every kernel shrinks by rate · decay · itself; biases and batch-norm parameters do not. "adam" with a decay is
    therefore AdamW. Gradients are clipped by their global norm. float16 gradients are kept from vanishing by a dynamic
    loss scale.
    """
    common: dict[str, Any] = {
        "learning_rate": Schedule(recipe, steps),
        "weight_decay": recipe.weight_decay or None,
        "global_clipnorm": recipe.gradient_clip,
    }
    if recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(momentum=recipe.momentum, **common)
    else:
        optimizer = keras.optimizers.Adam(**common)
    optimizer.exclude_from_weight_decay(var_list=[v for v in model.trainable_variables if not is_kernel(v)])
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    return optimizer


def is_kernel(variable: Any) -> bool:
    """Whether weight decay applies: convolution and dense kernels (depthwise ones too), by their Keras name."""
    return bool(variable.path.rsplit("/", 1)[-1].endswith("kernel"))
