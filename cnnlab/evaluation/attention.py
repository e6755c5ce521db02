"""What a network looks at: Grad-CAM of test images, what covering the marked part does, and the first layer's filters.

Grad-CAM is of Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
ICCV 2017, section 3: the channels of a convolutional map, each weighted by the mean gradient of the class's score
(before the softmax) over its cells, added up, negative values left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cnnlab.backend import keras, layers, tf

LEAST_SIDE = 4
"""Cells a side that a map must have to say where in an image something is."""

COVERED = 0.25
"""Share of an image that is covered to see whether the marked part matters."""

SAMPLED = 48
"""Right and wrong test images, each at most, that what is measured over images is measured on."""

_BATCH = 32
_NO_MAPS = (layers.Dropout, layers.ZeroPadding2D, layers.MaxPooling2D, layers.AveragePooling2D)

Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Called as `Predictor`: images and rows of them, to probabilities."""


def map_layer(model: keras.Model) -> layers.Layer | None:
    """The deepest layer before the head whose map still has 4x4 cells, poolings aside; None if there is none.

    That is the last convolutional map, with whatever normalises, adds and rectifies it, as long as the input is large
    enough; at 32 px the last maps of VGG-19 and ResNet-50 have 2x2 cells, and an earlier one is taken.
    """
    found = None
    for layer in model.layers:
        shape = layer.output.shape
        if len(shape) == 4 and min(shape[1:3]) >= LEAST_SIDE and not isinstance(layer, _NO_MAPS):
            found = layer if _follows_a_convolution(layer, found) else found
    return found


def _follows_a_convolution(layer: layers.Layer, found: layers.Layer | None) -> bool:
    """Whether the map is learned: what only prepares the pixels comes before the first convolution."""
    return found is not None or isinstance(layer, layers.Conv2D)


def grad_cam(model: keras.Model, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Where in each image the score of one class comes from: float32 (n, h, w), at least 0, not normalised.

    A network of 16-bit layers computes in them up to the map and back to it; scores, weights and sums are float32.

    Args:
        model: with a `map_layer`, its last layer a dense softmax.
        images: uint8 (n, S, S, 3).
        classes: int (n,), the class of which to explain the score.
    """
    layer, classifier = map_layer(model), model.layers[-1]
    assert layer is not None
    base, rest = keras.Model(model.inputs, layer.output), keras.Model(layer.output, classifier.input)
    columns = np.asarray(classifier.kernel.value).T[np.asarray(classes)].astype(np.float32)
    parts = [np.empty((0, *layer.output.shape[1:3]), np.float32)]
    for start in range(0, len(images), _BATCH):
        rows = slice(start, start + _BATCH)
        pixels = tf.cast(tf.constant(np.asarray(images[rows])), tf.float32)
        maps = tf.cast(base(pixels, training=False), tf.float32)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(maps)
            features = tf.cast(rest(maps, training=False), tf.float32)
            scores = tf.reduce_sum(features * tf.constant(columns[rows]))  # the bias has no gradient
        weights = tf.reduce_mean(tape.gradient(scores, maps), axis=(1, 2), keepdims=True)
        parts.append(tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1)).numpy())
    return np.concatenate(parts)


def normalised(maps: np.ndarray) -> np.ndarray:
    """Each map with its largest value at 255: uint8 (n, h, w); one without any value stays 0."""
    highest = maps.max(axis=(1, 2), keepdims=True)
    return np.rint(255 * maps / np.where(highest > 0, highest, 1)).astype(np.uint8)


def sample(right: np.ndarray, most: int = SAMPLED) -> np.ndarray:
    """Positions, in order, of up to `most` right and `most` wrong answers, spread evenly: int64.

    Args:
        right: bool (N,).
    """
    kinds = [np.flatnonzero(right), np.flatnonzero(~right)]
    chosen = [kind[np.linspace(0, len(kind) - 1, min(most, len(kind))).round().astype(int)] for kind in kinds]
    return np.sort(np.concatenate(chosen))


def covering(maps: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels to cover: the marked quarter, and as many cells drawn from the others; bool (n, size, size) each.

    Drawn from a fixed seed, as many maps are 0 in most cells and what is least marked is then no definite place.

    Args:
        maps: (n, h, w).
    """
    count, height, width = maps.shape
    cells = max(1, round(COVERED * height * width))
    generator = np.random.default_rng(0)
    marked, other = np.zeros((2, count, height * width), bool)
    for index, values in enumerate(maps.reshape(count, -1)):
        order = np.argsort(-values.astype(np.float32), kind="stable")
        marked[index, order[:cells]] = True
        other[index, generator.choice(order[cells:], min(cells, len(order) - cells), replace=False)] = True
    rows, columns = (np.arange(size) * side // size for side in (height, width))
    whole = np.ix_(np.arange(count), rows, columns)
    return marked.reshape(maps.shape)[whole], other.reshape(maps.shape)[whole]


def covered_probabilities(
    predict: Predict, images: np.ndarray, maps: np.ndarray, classes: np.ndarray
) -> dict[str, np.ndarray]:
    """The probability of one class on each image as it is, with the marked quarter covered, and with another quarter.

    What is covered has the image's mean colour.

    Args:
        images: uint8 (n, S, S, 3); maps: (n, h, w); classes: int (n,).

    Returns:
        `whole`, `marked`, `other`: float16 (n,).
    """
    rows = np.arange(len(images))
    colours = images.mean(axis=(1, 2), keepdims=True).round().astype(np.uint8)
    views = {"whole": images}
    for name, where in zip(("marked", "other"), covering(maps, images.shape[1]), strict=True):
        views[name] = np.where(where[..., None], colours, images)
    return {name: predict(view, rows)[rows, classes].astype(np.float16) for name, view in views.items()}


def explain(
    model: keras.Model, predict: Predict, images: np.ndarray, predicted: np.ndarray, sampled: np.ndarray
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Maps of the predicted classes, and what covering does to those images that are sampled.

    Args:
        images: uint8 (n, S, S, 3); predicted: int (n,); sampled: bool (n,).

    Returns:
        What the manifest says (`layer`, `side` in cells), and arrays: `maps` uint8 (n, h, w), `sampled` bool (n,), and
        `whole`, `marked`, `other` float16 (n,) as `covered_probabilities`, NaN where not sampled. Both are empty for a
        network without a map of 4x4 cells.
    """
    layer = map_layer(model)
    if layer is None:
        return {}, {}
    maps = normalised(grad_cam(model, images, predicted))
    arrays = {"maps": maps, "sampled": np.asarray(sampled, bool)}
    found = covered_probabilities(predict, images[sampled], maps[sampled], predicted[sampled])
    for name, values in found.items():
        arrays[name] = np.full(len(images), np.nan, np.float16)
        arrays[name][sampled] = values
    return {"layer": layer.name, "side": int(maps.shape[1])}, arrays


def first_filters(model: keras.Model) -> np.ndarray | None:
    """The kernels of the first convolution, float16 (h, w, 3, F), red first whatever order the network has.

    None where the first convolution is not one of three channels.
    """
    first = next((layer for layer in model.layers if isinstance(layer, layers.Conv2D)), None)
    if first is None or first.kernel.shape[2] != 3:
        return None
    reverses = any(getattr(layer, "reverse", False) for layer in model.layers)
    kernel = np.asarray(first.kernel.value, np.float32)
    return (kernel[:, :, ::-1] if reverses else kernel).astype(np.float16)
