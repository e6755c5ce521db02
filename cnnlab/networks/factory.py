"""What the networks are made with: layers that are initialised, seeded and named in one way."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from cnnlab.backend import keras, layers
from cnnlab.errors import LabError
from cnnlab.networks.convolution import MatrixGradientConv2D
from cnnlab.networks.layers import FusedBatchNormalization
from cnnlab.spec import NetworkOptions


@dataclass(frozen=True)
class Adaptation:
    """One departure from a network as published: `code` names it, the other two are shapes, kernels or rates."""

    code: str
    published: str
    used: str


@dataclass(frozen=True)
class WeightFile:
    """A weight file of `keras.applications`, with its MD5 as Keras checks it."""

    url: str
    md5: str


@dataclass(frozen=True)
class LayerFactory:
    """Makes a network's layers.

    Convolutions and hidden dense layers start from He's normal distribution (He 2015, §2.2), the classifier from
    N(0, 0.001²), so that the loss starts at ln K (at the 0.01 of Krizhevsky 2012, §5, AlexNet's started a fifth above
    it), biases from 0. Every initialiser and Dropout is seeded from `seed` and the layer's name, that is its position,
    so that the same seed gives the same weights and a layer's weights do not depend on the layers before it.

    Args:
        seed: seed of all weights.
        fused_batch_norm: normalise on TensorFlow's fused kernel. Faster in 16 bits, slower in float32.
        batch_norm_momentum: share of the old moving average kept each step, in [0, 1).
    """

    seed: int = 0
    fused_batch_norm: bool = False
    batch_norm_momentum: float = 0.99

    def conv(self, filters: int, size: int, *, name: str, groups: int = 1, **rest: Any) -> layers.Layer:
        """A convolution with a `size` x `size` kernel and biases; further arguments are those of `Conv2D`."""
        start = self._initializer("he", name)
        return MatrixGradientConv2D(filters, size, groups=groups, kernel_initializer=start, name=name, **rest)

    def dense(self, units: int, *, name: str) -> layers.Layer:
        """A hidden dense layer with ReLU."""
        return layers.Dense(units, activation="relu", kernel_initializer=self._initializer("he", name), name=name)

    def classifier(self, classes: int, *, name: str) -> layers.Layer:
        """The last layer: softmax probabilities, in float32 whatever the policy."""
        start = self._initializer("small", name)
        return layers.Dense(classes, activation="softmax", kernel_initializer=start, dtype="float32", name=name)

    def dropout(self, rate: float, *, name: str) -> layers.Layer:
        """Dropout with its own seed."""
        return layers.Dropout(rate, seed=self._seed_of(name), name=name)

    def batch_norm(self, *, name: str, scale: float = 1.0) -> layers.Layer:
        """Batch normalisation over the channels, with the epsilon of `keras.applications`; `scale` is gamma's start."""
        kind = FusedBatchNormalization if self.fused_batch_norm else layers.BatchNormalization
        gamma = keras.initializers.Constant(scale)
        return kind(momentum=self.batch_norm_momentum, epsilon=1.001e-5, gamma_initializer=gamma, name=name)

    def _initializer(self, kind: str, name: str) -> keras.initializers.Initializer:
        if kind == "he":
            return keras.initializers.HeNormal(seed=self._seed_of(name))
        return keras.initializers.RandomNormal(stddev=0.001, seed=self._seed_of(name))

    def _seed_of(self, name: str) -> int:
        digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
        return int.from_bytes(digest[:4], "big") >> 1


def common_adaptations(
    *, image_size: int, classes: int, published_sizes: tuple[int, ...], dense_units: int | None, options: NetworkOptions
) -> list[Adaptation]:
    """The departures that every network can take: input size, classes, width and dropout of its dense head.

    Args:
        published_sizes: input sides that count as published; the first one is named.
        dense_units: published width of the hidden dense layers, None for a network that has none.
    """
    found = []
    if image_size not in published_sizes:
        found.append(Adaptation("input_size", square(published_sizes[0], 3), square(image_size, 3)))
    if classes != 1000:
        found.append(Adaptation("classes", "1000", str(classes)))
    if dense_units and options.dense_units not in (None, dense_units):
        found.append(Adaptation("dense_units", str(dense_units), str(options.dense_units)))
    rate = 0.5 if dense_units else 0.0
    if options.dropout not in (None, rate):
        found.append(Adaptation("dropout", str(rate), str(options.dropout)))
    return found


def square(side: int, channels: int | None = None) -> str:
    """`7x7` or `7x7x512`."""
    return f"{side}x{side}" + (f"x{channels}" if channels is not None else "")


def refuse(network: str, option: str, received: object, expected: str) -> LabError:
    """The error for an option that the network does not have, or cannot take at this input size."""
    return LabError(
        f"{network} cannot be built with this option",
        where=f"networks.{network}.{option}",
        received=received,
        expected=expected,
    )
