"""What the networks are made with: layers that are initialised, seeded and named in one way; and a network made so."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any

from cnnlab.backend import keras, layers
from cnnlab.layers.kernels import (
    CentredPixels,
    FusedBatchNormalization,
    LocalResponseNormalization,
    MatrixGradientConv2D,
)
from cnnlab.networks import find_network
from cnnlab.spec import NetworkOptions


@dataclass(frozen=True)
class LayerFactory:
    """Makes a network's layers, each with its `name`.

    Convolutions and hidden dense layers start from He's normal distribution (He 2015, §2.2), the classifier from
    N(0, 0.001²), so that the loss starts at ln K (at the 0.01 of Krizhevsky 2012, §5, AlexNet's started a fifth above
    it), biases from 0. Every initialiser and Dropout is seeded from `seed` and the layer's name, that is its position,
    so that the same seed gives the same weights and a layer's weights do not depend on the layers before it.

    Args:
        seed, fused_batch_norm, batch_norm_momentum: as of `build_network`.
    """

    seed: int = 0
    fused_batch_norm: bool | None = None
    batch_norm_momentum: float = 0.99

    model = keras.Model  # the network between two tensors
    centre = staticmethod(partial(CentredPixels, name="centre"))  # raw pixels as network inputs, by a `Preprocessing`
    response_norm = LocalResponseNormalization
    relu = staticmethod(partial(layers.Activation, "relu"))
    add = layers.Add
    concatenate = layers.Concatenate
    pad = layers.ZeroPadding2D
    max_pool = layers.MaxPooling2D  # of a side and strides, as is the next
    average_pool = layers.AveragePooling2D
    average = layers.GlobalAveragePooling2D  # (B, H, W, C) to (B, C)
    flatten = staticmethod(partial(layers.Flatten, name="flatten"))

    def image(self, side: int) -> keras.KerasTensor:
        """The input: raw pixels float32 (B, side, side, 3) in [0, 255], red first."""
        return keras.Input((side, side, 3), name="pixels")

    def conv(self, filters: int, size: int, *, name: str, groups: int = 1, **rest: Any) -> layers.Layer:
        """A convolution with a `size` x `size` kernel; further arguments are those of `Conv2D` (biases unless
        `use_bias=False`)."""
        start = keras.initializers.HeNormal(seed=self._seed_of(name))
        return MatrixGradientConv2D(filters, size, groups=groups, kernel_initializer=start, name=name, **rest)

    def dense(self, units: int, *, name: str) -> layers.Layer:
        """A hidden dense layer with ReLU."""
        start = keras.initializers.HeNormal(seed=self._seed_of(name))
        return layers.Dense(units, activation="relu", kernel_initializer=start, name=name)

    def classifier(self, classes: int, *, name: str) -> layers.Layer:
        """The last layer: softmax probabilities, in float32 whatever the policy."""
        start = keras.initializers.RandomNormal(stddev=0.001, seed=self._seed_of(name))
        return layers.Dense(classes, activation="softmax", kernel_initializer=start, dtype="float32", name=name)

    def dropout(self, rate: float, *, name: str) -> layers.Layer:
        """Dropout with its own seed."""
        return layers.Dropout(rate, seed=self._seed_of(name), name=name)

    def batch_norm(self, *, name: str, scale: float = 1.0) -> layers.Layer:
        """Batch normalisation over the channels, with the epsilon of `keras.applications`; `scale` is gamma's start."""
        fused = self.fused_batch_norm
        if fused is None:
            fused = keras.config.dtype_policy().compute_dtype != "float32"
        kind = FusedBatchNormalization if fused else layers.BatchNormalization
        gamma = keras.initializers.Constant(scale)
        return kind(momentum=self.batch_norm_momentum, epsilon=1.001e-5, gamma_initializer=gamma, name=name)

    def _seed_of(self, name: str) -> int:
        digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
        return int.from_bytes(digest[:4], "big") >> 1


def build_network(
    name: str, *, image_size: int, classes: int, options: NetworkOptions | None = None, seed: int = 0,
    fused_batch_norm: bool | None = None, batch_norm_momentum: float = 0.99,
) -> keras.Model:  # fmt: skip
    """Build a network under the current dtype policy.

    Args:
        name: one of `network_names()`; it is the model's name too.
        image_size: side S in pixels, at least 16.
        classes: number of classes, at least 2.
        seed: the same seed gives the same weights, layer by layer.
        fused_batch_norm: batch normalisation on TensorFlow's fused kernel. None: where the policy computes in 16 bits,
            in which it doubled ResNet-50's speed on a CPU with AMX; in float32 it was slower. Results are the same.
        batch_norm_momentum: share of the old moving average kept each step, in [0, 1). Short trainings need less than
            Keras's 0.99, or the averages lag behind the weights.

    Returns:
        A model from float32 (B, S, S, 3) raw pixels in [0, 255], red first, to float32 (B, classes) probabilities. Its
        first layers prepare the pixels, so the weights of `keras.applications` fit (`weights.load_weights`).

    Raises:
        LabError: no such network, or it does not have an option, or not at this size.
    """
    make = LayerFactory(seed, fused_batch_norm, batch_norm_momentum)
    return find_network(name).build(image_size, classes, options or NetworkOptions(), make)
