"""The networks: counts, seeds, adaptations, precision, and the errors for what they cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy

from cnnlab.architectures.construction import without_weights
from cnnlab.errors import LabError
from cnnlab.layers.factory import build_network
from cnnlab.layers.kernels import CentredPixels
from cnnlab.networks import CAFFE, find_network, network_names
from cnnlab.spec import NetworkOptions

# Keras's variables do not know the `copy` argument with which numpy 2.4 asks for an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(params=["float32", "mixed_bfloat16"])
def policy(request: pytest.FixtureRequest) -> Iterator[str]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


def pixels(size: int, images: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (images, size, size, 3)).astype("float32")


def described(name: str, size: int = 32, classes: int = 2, **options: Any) -> keras.Model:
    return without_weights(lambda: build_network(name, image_size=size, classes=classes, **options))


def codes(name: str, size: int, classes: int = 1000, **options: object) -> dict[str, tuple[str, str]]:
    found = find_network(name).adaptations(size, classes, NetworkOptions.model_validate(options))
    return {item.code: (item.published, item.used) for item in found}


@pytest.mark.parametrize(
    ("name", "theirs", "size", "parameters", "fixed"),
    [
        ("vgg19", "VGG19", 224, 143_667_240, 0),
        ("resnet50", "ResNet50", 224, 25_636_712, 53_120),
        ("alexnet", "", 227, 60_965_224, 0),
        ("alexnet", "", 224, 60_965_224, 0),
    ],
)
def test_as_published_it_is_that_of_the_paper_and_of_keras_applications(
    name: str, theirs: str, size: int, parameters: int, fixed: int
) -> None:
    model = described(name, size, 1000)
    assert model.count_params() == parameters
    assert sum(int(np.prod(weight.shape)) for weight in model.non_trainable_weights) == fixed
    assert codes(name, size) == {}
    layers = [
        [(x.name, [tuple(w.shape) for w in x.weights], tuple(x.output.shape)) for x in one.layers if x.weights]
        for one in (model, getattr(keras.applications, theirs)(weights=None) if theirs else model)
    ]
    assert layers[0] == layers[1]
    assert tuple(layer for layer, *_ in layers[0][-len(find_network(name).HEAD) :]) == find_network(name).HEAD


@pytest.mark.parametrize("name", network_names())
def test_trains_and_gives_float32_probabilities(name: str, policy: str) -> None:
    model = build_network(name, image_size=32, classes=3)
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy", jit_compile=False)
    before = [to_numpy(weight) for weight in model.trainable_weights]
    # ResNet-50's blocks start as their shortcuts, so their inner weights move from the second step on.
    for _ in range(3):
        loss = model.train_on_batch(pixels(32, 4), np.array([0, 1, 2, 0]))
    assert np.isfinite(loss)
    idle = [w.path for w, old in zip(model.trainable_weights, before, strict=True) if np.array_equal(to_numpy(w), old)]
    # Biases before batch normalisation stay idle, and scales that start at 1 move by less than float32 resolves there.
    assert [path for path in idle if path.endswith("kernel")] == []
    output = model.predict_on_batch(pixels(32))
    assert output.dtype == np.float32 and output.shape == (2, 3)
    np.testing.assert_allclose(output.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", network_names())
def test_the_same_seed_gives_the_same_weights_and_outputs_near_uniform(name: str) -> None:
    one, same, other = (build_network(name, image_size=32, classes=10, seed=seed) for seed in (7, 7, 8))
    kernels = [i for i, weight in enumerate(one.weights) if weight.path.endswith("kernel")]
    for i, weight in enumerate(one.weights):
        np.testing.assert_array_equal(to_numpy(weight), to_numpy(same.weights[i]))
    assert all(not np.array_equal(to_numpy(one.weights[i]), to_numpy(other.weights[i])) for i in kernels)
    first = [to_numpy(one.weights[i]).ravel()[:8].tolist() for i in kernels]
    assert len({tuple(values) for values in first}) == len(kernels)  # no two layers share their numbers
    # In training mode: the moving averages of batch normalisation mean nothing yet; and dropout is seeded as well.
    outputs = [to_numpy(model(pixels(32, 16), training=True)) for model in (one, same)]
    np.testing.assert_array_equal(*outputs)
    assert -np.log(outputs[0].clip(1e-9)).mean() < 6  # ln 10 = 2.3; without the pixel scale VGG-19's is beyond 15


@pytest.mark.parametrize("size", [16, 17, 31, 32, 63, 64, 84, 111, 112])
@pytest.mark.parametrize("name", network_names())
def test_every_network_is_built_at_every_size(name: str, size: int) -> None:
    model, stated = described(name, size, 5), codes(name, size, 5)
    assert model.output_shape == (None, 5)
    assert (stated["classes"], stated["input_size"][1]) == (("1000", "5"), f"{size}x{size}x3")
    if "flatten" in stated:
        values = np.prod([int(part) for part in stated["flatten"][1].split("x")])
        assert model.get_layer("flatten").output.shape == (None, values)


def test_adaptations_are_stated() -> None:
    assert codes("vgg19", 32) == {"input_size": ("224x224x3", "32x32x3"), "flatten": ("7x7x512", "1x1x512")}
    assert codes("vgg19", 16)["last_pool"] == ("2x2/2", "none")
    assert codes("alexnet", 84)["flatten"] == ("6x6x256", "4x4x256")
    assert codes("resnet50", 32) == {"input_size": ("224x224x3", "32x32x3"), "stem": ("7x7/2", "3x3/1")}
    assert codes("resnet50", 84) == {"input_size": ("224x224x3", "84x84x3"), "stem_pool": ("3x3/2", "none")}
    assert "stem" not in codes("resnet50", 84, stem="published")
    assert codes("vgg19", 224, batch_norm=True, dropout=0.3, dense_units=512) == {
        "batch_norm": ("none", "after each convolution"), "dropout": ("0.5", "0.3"), "dense_units": ("4096", "512"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "size", "kernel", "strides"),
    [("resnet50", 32, 3, 1), ("resnet50", 84, 7, 2), ("resnet50", 112, 7, 2),
     ("alexnet", 32, 5, 1), ("alexnet", 84, 7, 2), ("alexnet", 112, 11, 4)],
)  # fmt: skip
def test_the_stems_are_what_the_adaptations_say(name: str, size: int, kernel: int, strides: int) -> None:
    model = described(name, size)
    stem = model.get_layer(find_network(name).FIRST)
    assert (stem.kernel_size, stem.strides) == ((kernel,) * 2, (strides,) * 2)
    if name == "alexnet" and size < 112:
        assert codes(name, size)["stem"] == ("11x11/4", f"{kernel}x{kernel}/{strides}")
    elif name == "resnet50":
        assert ("pool1_pool" in [layer.name for layer in model.layers]) == ("stem_pool" not in codes(name, size))


def test_batch_norm_momentum_dropout_and_width_reach_the_layers() -> None:
    options = NetworkOptions(batch_norm=True, dropout=0.25, dense_units=64)
    model = described("vgg19", options=options, batch_norm_momentum=0.9)
    assert [layer.momentum for layer in model.layers if "_bn" in layer.name] == [0.9] * 16
    assert model.get_layer("fc1").units == model.get_layer("fc2").units == 64
    assert model.get_layer("fc1_dropout").rate == 0.25


@pytest.mark.parametrize(
    ("name", "options", "where"),
    [
        ("resnet50", {"batch_norm": True}, "networks.resnet50.batch_norm"),
        ("resnet50", {"dense_units": 8}, "networks.resnet50.dense_units"),
        ("alexnet", {"batch_norm": True}, "networks.alexnet.batch_norm"),
        ("alexnet", {"stem": "published"}, "networks.alexnet.stem"),
        ("vgg19", {"stem": "small"}, "networks.vgg19.stem"),
    ],
)
def test_options_that_a_network_lacks_are_refused(name: str, options: dict[str, object], where: str) -> None:
    chosen = NetworkOptions.model_validate(options)
    for call in (lambda: described(name, options=chosen), lambda: codes(name, 32, 2, **options)):
        with pytest.raises(LabError, match="cannot be built with this option") as caught:
            call()
        assert caught.value.where == where


def test_an_unknown_network_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(LabError, match="no such network") as caught:
        described("vgg18")
    assert caught.value.hint == "did you mean “vgg19”?"


def test_pixels_are_centred_as_keras_applications_does() -> None:
    images = pixels(8)
    theirs = keras.applications.vgg19.preprocess_input(images.copy())
    np.testing.assert_allclose(to_numpy(CentredPixels(CAFFE)(images)) * 64, theirs, atol=1e-4)
