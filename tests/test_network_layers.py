"""The layers of our own against a plain computation, or against the Keras layer that they stand for."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.ops import convert_to_numpy as to_numpy

from cnnlab.layers.kernels import FusedBatchNormalization, LocalResponseNormalization, MatrixGradientConv2D

# Keras's variables do not know the `copy` argument with which numpy 2.4 asks for an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

VALUES = np.random.default_rng(1).normal(3, 2, (4, 5, 5, 6)).astype("float32")
TOLERANCE = {"float32": 2e-5, "mixed_bfloat16": 4e-2}


def trained(layer: keras.layers.Layer, training: bool) -> dict[str, Any]:
    """Output, variables afterwards, and gradients of a weighted sum of the output."""
    layer.build(VALUES.shape)
    for variable, value in zip(layer.variables, ("gamma", "beta", "mean", "variance"), strict=True):
        start = {"gamma": 1.5, "beta": -0.5, "mean": 2.0, "variance": 3.0}[value]
        variable.assign(np.full(variable.shape, start) + np.arange(variable.shape[0]) / 10)
    x = tf.cast(VALUES, layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = layer(x, training=training)
        loss = tf.reduce_sum(tf.cast(output, tf.float32) * np.sin(np.arange(VALUES.size)).reshape(VALUES.shape))
    gradients = tape.gradient(loss, [x, *[variable.value for variable in layer.trainable_variables]])
    return {
        "dtype": output.dtype,
        "output": to_numpy(tf.cast(output, tf.float32)),
        "variables": [to_numpy(variable) for variable in layer.variables],
        "gradients": [to_numpy(tf.cast(gradient, tf.float32)) for gradient in gradients],
    }


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_fused_batch_normalisation_is_keras_batch_normalisation(dtype: str, training: bool) -> None:
    kinds = (keras.layers.BatchNormalization, FusedBatchNormalization)
    theirs, mine = (trained(kind(momentum=0.8, epsilon=1e-3, dtype=dtype), training) for kind in kinds)
    near = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    assert mine["dtype"] == theirs["dtype"]
    np.testing.assert_allclose(mine["output"], theirs["output"], **near)
    for key in ("variables", "gradients"):
        for own, other in zip(mine[key], theirs[key], strict=True):
            np.testing.assert_allclose(own, other, **near)
    if training:  # the biased variance: far from the sample variance at 100 values, within float32's precision
        biased = 0.8 * (3 + np.arange(6) / 10) + 0.2 * VALUES.var(axis=(0, 1, 2))
        np.testing.assert_allclose(mine["variables"][3], biased, rtol=1e-5 if dtype == "float32" else 1e-2)


def test_fused_batch_normalisation_has_the_same_variables_and_freezes_alike() -> None:
    layer, other = (
        kind(name="bn", dtype="float32") for kind in (FusedBatchNormalization, keras.layers.BatchNormalization)
    )
    layer.build(VALUES.shape)
    other.build(VALUES.shape)
    assert [(v.path, v.shape, v.trainable) for v in layer.variables] == [
        (v.path, v.shape, v.trainable) for v in other.variables
    ]
    layer.trainable = False
    np.testing.assert_allclose(to_numpy(layer(VALUES, training=True)), VALUES / np.sqrt(1 + 1e-3), rtol=1e-5)
    np.testing.assert_array_equal(to_numpy(layer.moving_mean), 0)


def test_fused_batch_normalisation_of_a_single_value() -> None:
    layer = FusedBatchNormalization(momentum=0.5)
    layer(np.full((1, 1, 1, 2), 4.0, "float32"), training=True)
    np.testing.assert_allclose(to_numpy(layer.moving_mean), 2.0)
    np.testing.assert_allclose(to_numpy(layer.moving_variance), 0.5)


@pytest.mark.parametrize(("strides", "padding"), [(1, "same"), (2, "valid")])
def test_grouped_convolution_is_one_convolution_a_group(strides: int, padding: str) -> None:
    layer = MatrixGradientConv2D(
        8, 3, strides=strides, padding=padding, groups=2, bias_initializer="ones", dtype="float32"
    )
    output = to_numpy(layer(VALUES))
    assert tuple(layer.kernel.shape) == (3, 3, 3, 8)
    for group in range(2):
        kernel = to_numpy(layer.kernel)[..., 4 * group : 4 * group + 4]
        alone = keras.ops.conv(VALUES[..., 3 * group : 3 * group + 3], kernel, strides=strides, padding=padding)
        np.testing.assert_allclose(output[..., 4 * group : 4 * group + 4], to_numpy(alone) + 1, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_local_response_normalisation_is_the_papers_formula(dtype: str) -> None:
    large = VALUES * 40  # so that the sum of squares matters beside k = 2
    expected = np.empty_like(large)
    for i in range(6):
        near = large[..., max(0, i - 2) : i + 3]
        expected[..., i] = large[..., i] / (2 + 1e-4 * (near**2).sum(axis=-1)) ** 0.75
    layer = LocalResponseNormalization(dtype=dtype)
    output = to_numpy(keras.ops.cast(layer(large), "float32"))
    np.testing.assert_allclose(output, expected, rtol=1e-4 if dtype == "float32" else 3e-2)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_the_written_out_gradient_of_response_normalisation(dtype: str) -> None:
    """Against automatic differentiation of the paper's formula in float64."""
    large = tf.constant(VALUES * 40, tf.float64)
    near = tf.constant(np.abs(np.subtract.outer(range(6), range(6))) <= 2, tf.float64)
    weights = np.sin(np.arange(VALUES.size)).reshape(VALUES.shape)
    with tf.GradientTape() as tape:
        tape.watch(large)
        formula = large / (2 + 1e-4 * tf.square(large) @ near) ** 0.75
        total = tf.reduce_sum(formula * weights)
    expected = tape.gradient(total, large)
    layer = LocalResponseNormalization(dtype=dtype)
    inputs = tf.cast(large, layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(tf.cast(layer(inputs), tf.float32) * weights.astype("float32"))
    found = to_numpy(tf.cast(tape.gradient(total, inputs), tf.float64))
    np.testing.assert_allclose(found, to_numpy(expected), atol=1e-5 if dtype == "float32" else 2e-2)


SHAPES = {
    "1x1": {"kernel_size": 1},
    "1x1, stride 2": {"kernel_size": 1, "strides": 2},
    "shifted products": {"kernel_size": 3, "padding": "same", "filters": 600},
    "its own kernel": {"kernel_size": 3, "padding": "same"},
    "valid": {"kernel_size": 3, "filters": 600},
    "stride 2": {"kernel_size": 3, "strides": 2, "padding": "same", "filters": 600},
    "even": {"kernel_size": 2, "padding": "same", "filters": 600},
    "groups": {"kernel_size": 3, "padding": "same", "groups": 2, "filters": 8},
}


@pytest.mark.parametrize("options", SHAPES.values(), ids=SHAPES)
def test_the_gradients_of_a_convolution_are_kerass(options: dict[str, Any]) -> None:
    """In bfloat16, each way in which the kernel's gradient is computed, against Keras's layer in float32."""
    options = {"filters": 4, **options}
    gradients = []
    for kind, policy in ((MatrixGradientConv2D, "mixed_bfloat16"), (keras.layers.Conv2D, "float32")):
        layer = kind(**options, dtype=policy)
        layer.build(VALUES.shape)
        layer.kernel.assign(np.random.default_rng(2).normal(0, 0.3, layer.kernel.shape))
        x = tf.cast(VALUES, layer.compute_dtype)
        with tf.GradientTape() as tape:
            tape.watch(x)
            output = _convolved(layer, x)
            weights = np.random.default_rng(3).normal(0, 1, output.shape).astype("float32")
            total = tf.reduce_sum(tf.cast(output, tf.float32) * weights)
        gradients.append([tf.cast(one, tf.float32) for one in tape.gradient(total, [x, layer.kernel.value])])
    for found, expected in zip(*gradients, strict=True):
        scale = float(np.abs(to_numpy(expected)).max())
        np.testing.assert_allclose(to_numpy(found) / scale, to_numpy(expected) / scale, atol=2e-2)


def _convolved(layer: keras.layers.Conv2D, x: Any) -> Any:
    """One convolution a group: Keras's own needs XLA for groups on a CPU."""
    if layer.groups == 1 or isinstance(layer, MatrixGradientConv2D):
        return layer(x)
    kernels, parts = tf.split(layer.kernel, layer.groups, axis=-1), tf.split(x, layer.groups, axis=-1)
    return tf.concat([tf.nn.conv2d(a, b, 1, layer.padding.upper()) for a, b in zip(parts, kernels, strict=True)], -1)


def test_which_gradients_are_shifted_products() -> None:
    """Where a kernel has many weights for each position of the batch, in bfloat16; nowhere in float32."""

    def operations(filters: int, policy: str) -> set[str]:
        layer = MatrixGradientConv2D(filters, 3, padding="same", dtype=policy)
        layer.build(VALUES.shape)

        @tf.function
        def gradient(x: Any) -> Any:
            with tf.GradientTape() as tape:
                total = tf.reduce_sum(layer(x))
            return tape.gradient(total, layer.kernel.value)

        graph = gradient.get_concrete_function(tf.TensorSpec(VALUES.shape, layer.compute_dtype)).graph
        return {operation.type for operation in graph.get_operations()}

    assert "Conv2DBackpropFilter" not in operations(600, "mixed_bfloat16")
    assert "Conv2DBackpropFilter" in operations(40, "mixed_bfloat16")
    assert "Conv2DBackpropFilter" in operations(600, "float32")
