"""A convolution that trains faster in bfloat16 on a CPU: the gradient of its kernel as matrix products.

The second file of the networks that imports TensorFlow, for want of the two gradient kernels in `keras.ops`. oneDNN's
gradient of a convolution's filter has a cost of its own for each weight, whatever the images: at 6x6x512 to 512, 3x3, 64
images, it took 28 ms where forward took 9, and nine matrix products took 11; at 11x11x1024 to 256, 1x1, 14 ms where one
matrix product took 3 (mixed_bfloat16, 2 cores with AMX).
"""

from __future__ import annotations

from typing import Any

from cnnlab.backend import keras, layers, tf

_WEIGHTS_PER_POSITION = 12
"""A k x k filter's gradient is taken as k² products where it has at least this many weights (of one of the k²) for each
position of the batch's maps: 1.35 to 4.7 times as fast above it, at 16 to 1,000; level at 8; slower below 7."""


@keras.saving.register_keras_serializable("cnnlab")
class MatrixGradientConv2D(layers.Conv2D):
    """`keras.layers.Conv2D` with the same variables and results, whose kernel gradient is matrix products where faster.

    Groups are convolved one by one: Keras hands grouped convolutions on TensorFlow to XLA, which on a CPU took 594 ms
    where this took 12 ms (forward and backward, 64 maps of 15x15x96 to 256, 5x5, 2 groups, mixed_bfloat16).
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        towers = zip(tf.split(inputs, self.groups, axis=-1), tf.split(kernel, self.groups, axis=-1), strict=True)
        convolved = _convolved if self._pays() else tf.nn.conv2d
        return tf.concat([convolved(x, w, self.strides, self.padding.upper()) for x, w in towers], axis=-1)

    def _pays(self) -> bool:
        return bool(self.compute_dtype == "bfloat16" and not tf.config.list_physical_devices("GPU"))


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
        return _shifted_products(x, upstream, size)
    return tf.raw_ops.Conv2DBackpropFilter(
        input=x, filter_sizes=w.shape, out_backprop=upstream, strides=strides, padding=padding
    )


def _shifted_products(x: Any, upstream: Any, size: int) -> Any:
    """One product for each position of the kernel: (size, size, C, F)."""
    height, width = x.shape[1:3]
    border = size // 2
    padded = tf.pad(x, ((0, 0), (border, border), (border, border), (0, 0)))
    shifts = [(i, j) for i in range(size) for j in range(size)]
    products = [_product(padded[:, i : i + height, j : j + width], upstream) for i, j in shifts]
    return tf.reshape(tf.stack(products), (size, size, *products[0].shape))


def _product(maps: Any, upstream: Any) -> Any:
    """Sum over all positions of the outer products of (B, H, W, C) and (B, H, W, F): (C, F)."""
    channels, filters = maps.shape[-1], upstream.shape[-1]
    return tf.matmul(tf.reshape(maps, (-1, channels)), tf.reshape(upstream, (-1, filters)), transpose_a=True)
