"""The recipe's optimiser over a model's trainable weights, each updated by one kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnlab.backend import keras, tf
from cnnlab.spec import Recipe
from cnnlab.training.schedule import Schedule


def make_optimizer(
    recipe: Recipe, model: keras.Model, steps: int, *, policy: str, done: int = 0, factors: Sequence[float] = ()
) -> Any:
    """An optimiser built for `model`, with the schedule laid over `steps` steps.

    SGD has classical momentum, not Nesterov's. Weight decay is decoupled (Loshchilov & Hutter 2019): before each step
    every kernel shrinks by rate · decay · itself; biases and batch-norm parameters do not. "adam" with a decay is
    therefore AdamW. Gradients are clipped by their global norm. float16 gradients are kept from vanishing by a dynamic
    loss scale. With `recipe.ema` it keeps an exponential moving average of each trainable weight (Polyak & Juditsky
    1992).

    Args:
        done: steps of the schedule that lie behind already.
        factors: of the learning rate, one for each of `model.trainable_variables`; none means 1 for all.
    """
    common: dict[str, Any] = {
        "learning_rate": Schedule(recipe, steps, done=done),
        "weight_decay": recipe.weight_decay or None,
        "global_clipnorm": recipe.gradient_clip,
        "use_ema": recipe.ema > 0,
        "ema_momentum": recipe.ema,
        "factors": tuple(factors) or (1.0,) * len(model.trainable_variables),
    }
    optimizer = FusedSGD(momentum=recipe.momentum, **common) if recipe.optimizer == "sgd" else FusedAdam(**common)
    optimizer.exclude_from_weight_decay(var_list=[v for v in model.trainable_variables if not is_kernel(v)])
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    return optimizer


class FusedSGD(keras.optimizers.SGD):
    """`keras.optimizers.SGD` with classical momentum, updating each variable in one kernel, at its own rate.

    Keras composes an update from elementwise operations, each of which reads and writes all parameters: for AlexNet
    that took longer than its convolutions.

    Args:
        factors: of the learning rate, by variable.
    """

    def __init__(self, *, factors: Sequence[float], **rest: Any) -> None:
        super().__init__(**rest)
        self.factors = factors

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index, dtype = self._get_variable_index(variable), variable.dtype
        rate = tf.cast(learning_rate, dtype) * self.factors[index]
        if not self.momentum:
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)
            return
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=self.momentums[index].value.handle,
            lr=rate,
            grad=gradient,
            momentum=tf.constant(self.momentum, dtype),
        )


class FusedAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam`, updating each variable in one kernel, at its own rate (see `FusedSGD`)."""

    def __init__(self, *, factors: Sequence[float], **rest: Any) -> None:
        super().__init__(**rest)
        self.factors = factors

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index, dtype = self._get_variable_index(variable), variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        beta_1, beta_2 = tf.constant(self.beta_1, dtype), tf.constant(self.beta_2, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, dtype) * self.factors[index],
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.constant(self.epsilon, dtype),
            grad=gradient,
        )


def is_kernel(variable: Any) -> bool:
    """Whether weight decay applies: convolution and dense kernels (depthwise ones too), by their Keras name."""
    return bool(variable.path.rsplit("/", 1)[-1].endswith("kernel"))
