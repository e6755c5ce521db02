"""The layers that Keras lacks, or that TensorFlow's CPU runs much faster when called directly.

With `convolution` these are the files of the networks that import TensorFlow: `FusedBatchNormV3` has no counterpart in `keras.ops`,
and Keras 3 composes batch normalisation from elementwise operations instead, each of which reads and writes a whole
activation map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnlab.backend import keras, layers, ops, tf

PIXEL_SCALE = 64.0
"""What centred pixels are divided by: near their standard deviation (57-58 on ImageNet), and a power of two, so that
dividing the input by it and multiplying the first kernel by it cancel without any rounding."""

IMAGENET_MEAN = (123.68, 116.779, 103.939)
"""Mean red, green and blue of ImageNet's training images, as `keras.applications` subtracts it."""


@keras.saving.register_keras_serializable("cnnlab")
class CentredPixels(layers.Layer):
    """Raw pixels to network inputs: `(pixel - mean) / PIXEL_SCALE`, channel by channel. No parameters.

    Computed in float32 whatever the policy: bfloat16 has 8 significant bits, which a mean of 123.68 would use up.

    Args:
        reverse: give blue, green, red as the weights of Caffe's networks expect, instead of red, green, blue.

    Shapes: (B, H, W, 3) in [0, 255], red first, to (B, H, W, 3) in about [-2, 2.4].
    """

    def __init__(self, *, reverse: bool, name: str | None = None) -> None:
        super().__init__(name=name, dtype="float32")
        self.reverse = reverse

    def call(self, inputs: Any) -> Any:
        centred = (inputs - ops.convert_to_tensor(IMAGENET_MEAN, "float32")) / PIXEL_SCALE
        return ops.flip(centred, axis=-1) if self.reverse else centred

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)


@keras.saving.register_keras_serializable("cnnlab")
class LocalResponseNormalization(layers.Layer):
    """`b = a / (k + alpha * sum of a² over n neighbouring maps) ** beta` (Krizhevsky 2012, §3.3). No parameters.

    The sum over neighbours is a product with a banded matrix of zeros and ones, the power -3/4 is two square roots, and
    the gradient is written out: each pass over a map this large costs as much as its arithmetic.
    `beta` is therefore fixed at the paper's 0.75. The neighbours are all maps of the layer, across its two towers.

    Shapes: (B, H, W, C) to the same.
    """

    def __init__(self, *, k: float = 2.0, n: int = 5, alpha: float = 1e-4, **rest: Any) -> None:
        super().__init__(**rest)
        self.k, self.n, self.alpha = k, n, alpha

    def call(self, inputs: Any) -> Any:
        maps = np.arange(inputs.shape[-1])
        near = (np.abs(maps[:, None] - maps[None, :]) <= self.n // 2).astype("float32")
        return _normalized(inputs, ops.convert_to_tensor(near, inputs.dtype), self.k, self.alpha)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)


def _normalized(inputs: Any, near: Any, k: float, alpha: float) -> Any:
    """`a · s ** -3/4` with `s = k + alpha · (a² · near)`; `near` is symmetric, (C, C)."""

    @ops.custom_gradient
    def normalized(a: Any) -> tuple[Any, Any]:
        root = ops.rsqrt(k + ops.matmul(ops.square(a), alpha * near))
        outputs = a * (root * ops.sqrt(root))

        def gradient(upstream: Any) -> Any:
            spread = ops.matmul(upstream * outputs * ops.square(root), (1.5 * alpha) * near)
            return upstream * (root * ops.sqrt(root)) - a * spread

        return outputs, gradient

    return normalized(inputs)


@keras.saving.register_keras_serializable("cnnlab")
class FusedBatchNormalization(layers.BatchNormalization):
    """`keras.layers.BatchNormalization` over the last axis on TensorFlow's fused kernel: same variables, same results.

    The kernel hands back the sample variance (Bessel's correction, n / (n - 1)); Keras averages the biased one, so the
    correction is taken out again before the moving average.

    Shapes: (B, H, W, C) to the same; masks and batch renormalisation are not supported.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        learning = bool(training and self.trainable)
        empty = tf.zeros([0], tf.float32)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=empty if learning else tf.convert_to_tensor(self.moving_mean),
            variance=empty if learning else tf.convert_to_tensor(self.moving_variance),
            epsilon=self.epsilon,
            data_format="NHWC",
            is_training=learning,
        )
        if learning:
            self._follow(mean, variance, tf.cast(tf.size(inputs) / tf.shape(inputs)[-1], tf.float32))
        return outputs

    def _follow(self, mean: Any, variance: Any, count: Any) -> None:
        biased = variance * tf.maximum(count - 1.0, 1.0) / count
        for average, value in ((self.moving_mean, mean), (self.moving_variance, biased)):
            average.assign(average * self.momentum + value * (1.0 - self.momentum))
