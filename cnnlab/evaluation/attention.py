"""Where a network looks: Grad-CAM of test images.

It is of Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017,
section 3: the channels of a convolutional map, each weighted by the mean gradient of the class's score (before the
softmax) over its cells, added up, negative values left out.
"""

from __future__ import annotations

import numpy as np

from cnnlab.backend import keras, layers, tf

LEAST_SIDE = 4
"""Cells a side that a map must have to say where in an image something is."""

_BATCH = 32
_NO_MAPS = (layers.Dropout, layers.ZeroPadding2D, layers.MaxPooling2D, layers.AveragePooling2D)


def map_layer(model: keras.Model) -> layers.Layer | None:
    """The deepest layer before the head whose map still has 4x4 cells, poolings aside; None if there is none.

    That is the last convolutional map, with whatever normalises, adds and rectifies it, as long as the input is large
    enough; at 32 px the last maps of VGG-19 and ResNet-50 have 2x2 cells, and an earlier one is taken. What only prepares
    the pixels comes before the first convolution.
    """
    found = None
    for layer in model.layers:
        shape = layer.output.shape
        if len(shape) == 4 and min(shape[1:3]) >= LEAST_SIDE and not isinstance(layer, _NO_MAPS):
            found = layer if found is not None or isinstance(layer, layers.Conv2D) else None
    return found


def grad_cam(model: keras.Model, layer: layers.Layer, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Where in each image the score of one class comes from: float32 (n, h, w), at least 0, not normalised.

    A network of 16-bit layers computes in them up to the map and back to it; scores, weights and sums are float32.

    Args:
        model: its last layer a dense softmax; layer: its `map_layer`.
        images: uint8 (n, S, S, 3).
        classes: int (n,), the class of which to explain the score.
    """
    classifier = model.layers[-1]
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
