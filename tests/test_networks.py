"""The networks: counts, seeds, adaptations, precision, and the errors for what they cannot be."""

from __future__ import annotations

import subprocess
import sys
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


def described(name: str, **options: Any) -> keras.Model:
    return without_weights(lambda: build_network(name, **options))


def codes(name: str, size: int, classes: int = 1000, **options: object) -> dict[str, tuple[str, str]]:
    found = find_network(name).adaptations(size, classes, NetworkOptions.model_validate(options))
    return {item.code: (item.published, item.used) for item in found}


def test_importing_the_package_imports_no_framework() -> None:
    code = "import sys, cnnlab.networks; print('keras' in sys.modules, 'tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("name", "size", "parameters", "fixed"),
    [
        ("vgg19", 224, 143_667_240, 0),
        ("resnet50", 224, 25_636_712, 53_120),
        ("alexnet", 227, 60_965_224, 0),
        ("alexnet", 224, 60_965_224, 0),
    ],
)
def test_as_published_the_parameters_are_those_of_the_paper(name: str, size: int, parameters: int, fixed: int) -> None:
    model = described(name, image_size=size, classes=1000)
    assert model.count_params() == parameters
    assert sum(int(np.prod(weight.shape)) for weight in model.non_trainable_weights) == fixed
    assert find_network(name).adaptations(size, 1000, NetworkOptions()) == []


@pytest.mark.parametrize(("name", "theirs"), [("vgg19", "VGG19"), ("resnet50", "ResNet50")])
def test_layer_by_layer_equal_to_keras_applications(name: str, theirs: str) -> None:
    reference = getattr(keras.applications, theirs)(weights=None)
    model = described(name, image_size=224, classes=1000)
    mine = [(x.name, [tuple(w.shape) for w in x.weights], tuple(x.output.shape)) for x in model.layers if x.weights]
    assert mine == [
        (x.name, [tuple(w.shape) for w in x.weights], tuple(x.output.shape)) for x in reference.layers if x.weights
    ]


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
def test_the_same_seed_gives_the_same_weights(name: str) -> None:
    one, same, other = (build_network(name, image_size=16, classes=2, seed=seed) for seed in (7, 7, 8))
    kernels = [i for i, weight in enumerate(one.weights) if weight.path.endswith("kernel")]
    for i, weight in enumerate(one.weights):
        np.testing.assert_array_equal(to_numpy(weight), to_numpy(same.weights[i]))
    assert all(not np.array_equal(to_numpy(one.weights[i]), to_numpy(other.weights[i])) for i in kernels)
    first = [to_numpy(one.weights[i]).ravel()[:8].tolist() for i in kernels]
    assert len({tuple(values) for values in first}) == len(kernels)  # no two layers share their numbers


def test_dropout_is_seeded() -> None:
    runs = []
    for _ in range(3):
        model = build_network("alexnet", image_size=16, classes=2, seed=3)
        runs.append(to_numpy(model(pixels(16), training=True)))
    np.testing.assert_array_equal(runs[0], runs[1])


@pytest.mark.parametrize("name", network_names())
def test_outputs_start_near_uniform_from_raw_pixels(name: str) -> None:
    # In training mode: the moving averages of batch normalisation mean nothing yet.
    output = to_numpy(build_network(name, image_size=32, classes=10)(pixels(32, 16), training=True))
    assert -np.log(output.clip(1e-9)).mean() < 6  # ln 10 = 2.3; without the pixel scale VGG-19's is beyond 15


@pytest.mark.parametrize("size", [16, 17, 31, 32, 63, 64, 84, 111, 112])
@pytest.mark.parametrize("name", network_names())
def test_every_network_is_built_at_every_size(name: str, size: int) -> None:
    model = described(name, image_size=size, classes=5)
    assert model.output_shape == (None, 5)
    stated = codes(name, size, 5)
    assert stated["classes"] == ("1000", "5")
    assert stated["input_size"][1] == f"{size}x{size}x3"
    if "flatten" in stated:
        values = np.prod([int(part) for part in stated["flatten"][1].split("x")])
        assert model.get_layer("flatten").output.shape == (None, values)


def test_adaptations_are_stated() -> None:
    assert codes("vgg19", 224) == codes("alexnet", 227) == codes("alexnet", 224) == codes("resnet50", 224) == {}
    assert codes("vgg19", 32) == {"input_size": ("224x224x3", "32x32x3"), "flatten": ("7x7x512", "1x1x512")}
    assert codes("vgg19", 16)["last_pool"] == ("2x2/2", "none")
    assert codes("alexnet", 32)["stem"] == ("11x11/4", "5x5/1")
    assert codes("alexnet", 84)["stem"] == ("11x11/4", "7x7/2")
    assert codes("alexnet", 84)["flatten"] == ("6x6x256", "4x4x256")
    assert codes("resnet50", 32) == {"input_size": ("224x224x3", "32x32x3"), "stem": ("7x7/2", "3x3/1")}
    assert codes("resnet50", 84) == {"input_size": ("224x224x3", "84x84x3"), "stem_pool": ("3x3/2", "none")}
    assert "stem" not in codes("resnet50", 84, stem="published")
    assert codes("vgg19", 224, batch_norm=True, dropout=0.3, dense_units=512) == {
        "batch_norm": ("none", "after each convolution"),
        "dropout": ("0.5", "0.3"),
        "dense_units": ("4096", "512"),
    }


def test_the_stems_are_what_the_adaptations_say() -> None:
    for size, kernel, strides, pooled in ((32, 3, 1, True), (84, 7, 2, False), (112, 7, 2, True)):
        model = described("resnet50", image_size=size, classes=2)
        stem = model.get_layer("conv1_conv")
        assert (stem.kernel_size, stem.strides) == ((kernel,) * 2, (strides,) * 2)
        assert ("pool1_pool" in [layer.name for layer in model.layers]) is pooled
    for size, kernel, strides in ((32, 5, 1), (84, 7, 2), (112, 11, 4)):
        stem = described("alexnet", image_size=size, classes=2).get_layer("conv1")
        assert (stem.kernel_size, stem.strides) == ((kernel,) * 2, (strides,) * 2)


def test_batch_norm_momentum_dropout_and_width_reach_the_layers() -> None:
    options = NetworkOptions(batch_norm=True, dropout=0.25, dense_units=64)
    model = described("vgg19", image_size=32, classes=2, options=options, batch_norm_momentum=0.9)
    assert [layer.momentum for layer in model.layers if "_bn" in layer.name] == [0.9] * 16
    assert model.get_layer("fc1").units == model.get_layer("fc2").units == 64
    assert model.get_layer("fc1_dropout").rate == 0.25


@pytest.mark.parametrize(
    ("name", "size", "options", "where"),
    [
        ("resnet50", 32, {"batch_norm": True}, "networks.resnet50.batch_norm"),
        ("resnet50", 32, {"dense_units": 8}, "networks.resnet50.dense_units"),
        ("alexnet", 32, {"batch_norm": True}, "networks.alexnet.batch_norm"),
        ("alexnet", 32, {"stem": "published"}, "networks.alexnet.stem"),
        ("vgg19", 32, {"stem": "small"}, "networks.vgg19.stem"),
    ],
)
def test_options_that_a_network_lacks_are_refused(name: str, size: int, options: dict[str, object], where: str) -> None:
    chosen = NetworkOptions.model_validate(options)
    for call in (lambda: build_network(name, image_size=size, classes=2, options=chosen),
                 lambda: find_network(name).adaptations(size, 2, chosen)):  # fmt: skip
        with pytest.raises(LabError, match="cannot be built with this option") as caught:
            call()
        assert caught.value.where == where


def test_an_unknown_network_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(LabError, match="no such network") as caught:
        build_network("vgg18", image_size=32, classes=2)
    assert caught.value.hint == "did you mean “vgg19”?"


def test_head_layers_are_the_layers_with_weights_behind_the_base() -> None:
    assert find_network("vgg19").HEAD == ("fc1", "fc2", "predictions")
    for name in network_names():
        weighted = [x.name for x in described(name, image_size=32, classes=2).layers if x.weights]
        assert tuple(weighted[-len(find_network(name).HEAD) :]) == find_network(name).HEAD


def test_pixels_are_centred_as_keras_applications_does() -> None:
    images = pixels(8)
    theirs = keras.applications.vgg19.preprocess_input(images.copy())
    np.testing.assert_allclose(to_numpy(CentredPixels(CAFFE)(images)) * 64, theirs, atol=1e-4)
