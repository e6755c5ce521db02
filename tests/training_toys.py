"""A separable toy problem and tiny networks, shared by the tests of training and evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnlab.backend import keras
from cnnlab.spec import DatasetSpec, Recipe, RunSpec

SIZE, CLASSES = 16, 3


@dataclass(frozen=True)
class Table:
    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    fingerprint: str = "ab" * 32


@dataclass(frozen=True)
class Splits:
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def toy(count: int = 150, classes: int = CLASSES, seed: int = 0) -> tuple[Table, Splits]:
    """Noise around one grey level a class; 60 % train, 20 % validation, 20 % test."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % classes).astype(np.int32)
    levels = 40 + 180 * labels / max(1, classes - 1)
    images = np.clip(levels[:, None, None, None] + rng.normal(0, 12, (count, SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
    ids = rng.permutation(count).astype(np.int32)
    first, second = int(0.6 * count), int(0.8 * count)
    parts = [np.sort(part) for part in (ids[:first], ids[first:second], ids[second:])]
    return Table(images, labels, tuple(f"class {c}" for c in range(classes))), Splits(*parts)


def build(
    name: str, *, image_size: int, classes: int, seed: int = 0, batch_norm_momentum: float = 0.99, **rest: Any
) -> Any:
    """Convolution, batch norm, dropout and a dense softmax."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((image_size, image_size, 3)),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(4, 3, strides=2, kernel_initializer=keras.initializers.HeNormal(seed), name="conv"),
            layers.BatchNormalization(momentum=batch_norm_momentum, name="norm"),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dropout(0.2, seed=seed),
            layers.Dense(
                classes,
                activation="softmax",
                dtype="float32",
                kernel_initializer=keras.initializers.GlorotUniform(seed),
                name="classifier",
            ),
        ]
    )


def spec(*, seed: int = 0, **recipe: Any) -> RunSpec:
    """A run of the toy problem, quick and in float32 unless told otherwise."""
    chosen = {"learning_rate": 0.02, "batch_size": 16, "epochs": 4, "precision": "float32", "early_stopping": None}
    data = DatasetSpec(reader="folder", image_size=SIZE)
    return RunSpec(dataset="toy", data=data, network="alexnet", recipe=Recipe(**{**chosen, **recipe}), seed=seed)


TABLE_OF_TOY, SPLITS_OF_TOY = toy()
