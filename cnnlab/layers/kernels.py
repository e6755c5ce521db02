"""The layers that Keras lacks, or that TensorFlow's CPU runs much faster when called directly.

This is the one file of the networks that imports TensorFlow. `FusedBatchNormV3` has no counterpart in `keras.ops`, and
Keras 3 composes batch normalisation from elementwise operations, each of which reads and writes a whole activation map.
`keras.ops` has no gradient of a convolution either, and oneDNN's gradient of its filter has a cost of its own for each
weight, whatever the images: at 6x6x512 to 512, 3x3, 64 images, it took 28 ms where forward took 9, and nine matrix
products took 11; at 11x11x1024 to 256, 1x1, 14 ms where one matrix product took 3 (mixed_bfloat16, 2 cores with AMX).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnlab.backend import keras, layers, ops, tf
from cnnlab.networks import Preprocessing

_WEIGHTS_PER_POSITION = 12
"""A k x k filter's gradient is taken as k² products where it has at least this many weights (of one of the k²) for each
position of the batch's maps: 1.35 to 4.7 times as fast above it, at 16 to 1,000; level at 8; slower below 7."""


@keras.saving.register_keras_serializable("cnnlab")
class CentredPixels(layers.Layer):
    """Raw pixels to network inputs as `Preprocessing` says, channel by channel. No parameters.

    Computed in float32 whatever the policy: bfloat16 has 8 significant bits, which a mean of 123.68 would use up.

    Shapes: (B, H, W, 3) in [0, 255], red first, to (B, H, W, 3).
    """

    def __init__(self, how: Preprocessing, *, name: str | None = None) -> None:
        super().__init__(name=name, dtype="float32")
        self.how = how

    def call(self, inputs: Any) -> Any:
        mean, scale = (ops.convert_to_tensor(each, "float32") for each in (self.how.mean, self.how.scale))
        centred = (inputs - mean) / scale
        return ops.flip(centred, axis=-1) if self.how.reverse else centred

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
            count = tf.cast(tf.size(inputs) / tf.shape(inputs)[-1], tf.float32)
            biased = variance * tf.maximum(count - 1.0, 1.0) / count
            for average, value in ((self.moving_mean, mean), (self.moving_variance, biased)):
                average.assign(average * self.momentum + value * (1.0 - self.momentum))
        return outputs


@keras.saving.register_keras_serializable("cnnlab")
class MatrixGradientConv2D(layers.Conv2D):
    """`keras.layers.Conv2D` with the same variables and results, whose kernel gradient is matrix products where faster.

    Groups are convolved one by one: Keras hands grouped convolutions on TensorFlow to XLA, which on a CPU took 594 ms
    where this took 12 ms (forward and backward, 64 maps of 15x15x96 to 256, 5x5, 2 groups, mixed_bfloat16).
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        towers = zip(tf.split(inputs, self.groups, axis=-1), tf.split(kernel, self.groups, axis=-1), strict=True)
        pays = self.compute_dtype == "bfloat16" and not tf.config.list_physical_devices("GPU")
        convolved = _convolved if pays else tf.nn.conv2d
        return tf.concat([convolved(x, w, self.strides, self.padding.upper()) for x, w in towers], axis=-1)


def _convolved(inputs: Any, kernel: Any, strides: tuple[int, int], padding: str) -> Any:
    every = [1, *strides, 1]

    @tf.custom_gradient
    def convolved(x: Any, w: Any) -> tuple[Any, Any]:
        def gradient(upstream: Any) -> tuple[Any, Any]:
            back = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(x), filter=w, out_backprop=upstream, strides=every, padding=padding
            )
            return back, _kernel_gradient(x, w, upstream, every, padding)

        return tf.nn.conv2d(x, w, every, padding), gradient

    return convolved(inputs, kernel)


def _kernel_gradient(x: Any, w: Any, upstream: Any, strides: list[int], padding: str) -> Any:
    size, _, channels, filters = w.shape
    if size == 1:
        return tf.reshape(_product(x[:, :: strides[1], :: strides[2]], upstream), w.shape)
    elements = upstream.shape.num_elements()  # None for a batch of unknown size
    shiftable = strides == [1, 1, 1, 1] and padding == "SAME" and size % 2 and elements is not None
    if shiftable and channels * filters >= _WEIGHTS_PER_POSITION * elements / filters:
        height, width = x.shape[1:3]
        border = size // 2
        padded = tf.pad(x, ((0, 0), (border, border), (border, border), (0, 0)))
        shifts = [(i, j) for i in range(size) for j in range(size)]
        products = [_product(padded[:, i : i + height, j : j + width], upstream) for i, j in shifts]
        return tf.reshape(tf.stack(products), w.shape)
    return tf.raw_ops.Conv2DBackpropFilter(
        input=x, filter_sizes=w.shape, out_backprop=upstream, strides=strides, padding=padding
    )


def _product(maps: Any, upstream: Any) -> Any:
    """Sum over all positions of the outer products of (B, H, W, C) and (B, H, W, F): (C, F)."""
    channels, filters = maps.shape[-1], upstream.shape[-1]
    return tf.matmul(tf.reshape(maps, (-1, channels)), tf.reshape(upstream, (-1, filters)), transpose_a=True)
