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
    variables = []
    for one in (layer, other):
        one.build(VALUES.shape)
        variables.append([(variable.path, variable.shape, variable.trainable) for variable in one.variables])
    assert variables[0] == variables[1]
    layer.trainable = False
    np.testing.assert_allclose(to_numpy(layer(VALUES, training=True)), VALUES / np.sqrt(1 + 1e-3), rtol=1e-5)
    np.testing.assert_array_equal(to_numpy(layer.moving_mean), 0)
    single = FusedBatchNormalization(momentum=0.5)  # of one value, whose sample variance is none
    single(np.full((1, 1, 1, 2), 4.0, "float32"), training=True)
    np.testing.assert_allclose([to_numpy(one)[0] for one in (single.moving_mean, single.moving_variance)], [2.0, 0.5])


@pytest.mark.parametrize(("dtype", "near"), [("float32", 1e-5), ("mixed_bfloat16", 2e-2)])
def test_local_response_normalisation_is_the_papers_formula_and_so_is_its_gradient(dtype: str, near: float) -> None:
    """Against automatic differentiation in float64."""
    large = tf.constant(VALUES * 40, tf.float64)  # so that the sum of squares matters beside k = 2
    band = tf.constant(np.abs(np.subtract.outer(range(6), range(6))) <= 2, tf.float64)
    weights = np.sin(np.arange(VALUES.size)).reshape(VALUES.shape)
    found = []
    layer = LocalResponseNormalization(dtype=dtype)
    for inputs, computed in (
        (large, lambda x: x / (2 + 1e-4 * tf.square(x) @ band) ** 0.75),
        (tf.cast(large, layer.compute_dtype), layer),
    ):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = computed(inputs)
            total = tf.reduce_sum(tf.cast(output, tf.float64) * weights)
        found.append([to_numpy(tf.cast(one, tf.float64)) for one in (output, tape.gradient(total, inputs))])
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=10 * near if dtype == "float32" else 3e-2)
    np.testing.assert_allclose(found[1][1], found[0][1], atol=near)


SHAPES = {
    "1x1": {"kernel_size": 1},
    "1x1, stride 2": {"kernel_size": 1, "strides": 2},
    "shifted products": {"kernel_size": 3, "padding": "same", "filters": 600},
    "its own kernel": {"kernel_size": 3, "padding": "same"},
    "valid": {"kernel_size": 3, "filters": 600},
    "stride 2": {"kernel_size": 3, "strides": 2, "padding": "same", "filters": 600},
    "even": {"kernel_size": 2, "padding": "same", "filters": 600},
    "groups": {"kernel_size": 3, "padding": "same", "groups": 2, "filters": 8},
    "groups, stride 2": {"kernel_size": 3, "strides": 2, "groups": 2, "filters": 8},
}


@pytest.mark.parametrize(("policy", "near"), [("float32", 1e-5), ("mixed_bfloat16", 2e-2)])
@pytest.mark.parametrize("options", SHAPES.values(), ids=SHAPES)
def test_a_convolution_and_its_gradients_are_kerass(options: dict[str, Any], policy: str, near: float) -> None:
    """In each way in which the kernel's gradient is computed, against Keras's layer in float32, one a group: grouped ones
    need XLA on a CPU."""
    options, found = {"filters": 4, "bias_initializer": "ones", **options}, []
    for kind, own in ((MatrixGradientConv2D, policy), (keras.layers.Conv2D, "float32")):
        layer = kind(**options, dtype=own)
        layer.build(VALUES.shape)
        layer.kernel.assign(np.random.default_rng(2).normal(0, 0.3, layer.kernel.shape))
        x = tf.cast(VALUES, layer.compute_dtype)
        with tf.GradientTape() as tape:
            tape.watch(x)
            if kind is MatrixGradientConv2D or layer.groups == 1:
                output = layer(x)
            else:
                pairs = (tf.split(one, layer.groups, axis=-1) for one in (x, layer.kernel))
                each = [tf.nn.conv2d(a, b, layer.strides, layer.padding.upper()) for a, b in zip(*pairs, strict=True)]
                output = tf.concat(each, -1) + 1
            weights = np.random.default_rng(3).normal(0, 1, output.shape).astype("float32")
            total = tf.reduce_sum(tf.cast(output, tf.float32) * weights)
        found.append([tf.cast(one, tf.float32) for one in (output, *tape.gradient(total, [x, layer.kernel.value]))])
    for mine, expected in zip(*found, strict=True):
        scale = float(np.abs(to_numpy(expected)).max())
        np.testing.assert_allclose(to_numpy(mine) / scale, to_numpy(expected) / scale, atol=near)


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
