"""Grad-CAM against maps found by hand, on every network."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from training_toys import build, spec, toy

from cnnlab.architectures.construction import without_weights
from cnnlab.backend import keras
from cnnlab.evaluation.attention import grad_cam, map_layer, normalised
from cnnlab.evaluation.exhibits import choose
from cnnlab.evaluation.predict import evaluate
from cnnlab.layers.factory import build_network
from cnnlab.spec import DatasetSpec, NetworkOptions, Recipe, RunSpec
from cnnlab.store.store import RunStore
from cnnlab.training.engine import build_model
from cnnlab.training.machine import Precision
from cnnlab.training.run import train_model
from tests.quiet import QuietProgress

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def two_channels(side: int = 8) -> keras.Model:
    """A map of an image's red and its green; class 0 is for red, class 1 against red and twice for green."""
    layers = keras.layers
    inputs = keras.Input((side, side, 3))
    maps = layers.Conv2D(2, 1, use_bias=False, name="maps")(inputs)
    outputs = layers.Dense(2, activation="softmax", name="head")(layers.GlobalAveragePooling2D()(maps))
    model = keras.Model(inputs, outputs)
    model.get_layer("maps").set_weights([np.array([[1, 0], [0, 1], [0, 0]], np.float32).reshape(1, 1, 3, 2)])
    model.get_layer("head").set_weights([np.array([[1, -1], [0, 2]], np.float32), np.array([5, -5], np.float32)])
    return model


def pictures(count: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def network(name: str, size: int, policy: str = "float32") -> keras.Model:
    options = NetworkOptions() if name == "resnet50" else NetworkOptions(dense_units=32)
    data = DatasetSpec(reader="any", image_size=size)
    what = RunSpec(dataset="any", data=data, network=name, options=options, recipe=Recipe())
    return build_model(what, 5, Precision(policy, "requested", policy != "float32"), momentum=0.9)


def test_the_map_is_the_one_found_by_hand() -> None:
    model, images = two_channels(), pictures(40, 8)  # more than a batch
    assert map_layer(model).name == "maps"
    classes = np.arange(40) % 2
    red, green = images[..., 0].astype(float), images[..., 1].astype(float)
    expected = np.where(classes[:, None, None] == 0, red / 64, np.maximum(2 * green - red, 0) / 64)
    np.testing.assert_allclose(grad_cam(model, map_layer(model), images, classes), expected, rtol=1e-4, atol=1e-4)
    only_red = images * np.array([1, 0, 0], np.uint8)
    assert not grad_cam(model, map_layer(model), only_red, np.ones(40, int)).any(), "nothing speaks for class 1"


@pytest.mark.parametrize(
    ("name", "size", "layer", "side"),
    [
        ("alexnet", 28, "conv5", 6),
        ("alexnet", 64, "conv5", 7),
        ("vgg19", 32, "block4_conv4", 4),
        ("vgg19", 64, "block5_conv4", 4),
        ("resnet50", 32, "conv4_block6_out", 4),
        ("resnet50", 64, "conv5_block3_out", 4),
    ],
)
def test_every_network_has_a_map_of_at_least_four_cells(name: str, size: int, layer: str, side: int) -> None:
    model = network(name, size)
    found = map_layer(model)
    assert (found.name, tuple(found.output.shape[1:3])) == (layer, (side, side))
    maps = grad_cam(model, found, pictures(2, size), np.array([0, 3]))
    assert (
        maps.shape == (2, side, side) and np.isfinite(maps).all() and (maps >= 0).all() and maps.any(axis=(1, 2)).all()
    )
    assert (normalised(maps).max(axis=(1, 2)) == 255).all()


def test_published_sizes_give_the_last_convolutional_map() -> None:
    found = {
        name: map_layer(without_weights(partial(build_network, name, image_size=size, classes=10)))
        for name, size in (("alexnet", 227), ("vgg19", 224), ("resnet50", 224))
    }
    assert {name: (layer.name, layer.output.shape[1]) for name, layer in found.items()} == {
        "alexnet": ("conv5", 13), "vgg19": ("block5_conv4", 14), "resnet50": ("conv5_block3_out", 7),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["alexnet", "vgg19", "resnet50"])
def test_sixteen_bits_give_the_maps_of_float32(name: str) -> None:
    exact, short = network(name, 32), network(name, 32, "mixed_bfloat16")
    short.set_weights(exact.get_weights())
    images, classes = pictures(6, 32), np.arange(6) % 5
    one, other = (
        normalised(grad_cam(model, map_layer(model), images, classes)).astype(float) for model in (exact, short)
    )
    # VGG-19 without any training, and without normalisation, adds up the rounding of 20 layers; trained ones agree far better.
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.93
    assert np.abs(one - other).mean() < 8


def test_a_map_without_values_stays_empty() -> None:
    maps = normalised(np.stack([np.zeros((4, 4)), np.linspace(0, 2, 16).reshape(4, 4)]))
    assert not maps[0].any()
    assert (maps[1].ravel() == np.rint(np.linspace(0, 255, 16))).all()


def test_a_network_without_a_map_is_not_explained() -> None:
    layers = keras.layers
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(2, activation="softmax")])
    assert map_layer(model) is None


def test_an_evaluation_keeps_maps_of_what_it_explains(tmp_path) -> None:
    store, (table, splits) = RunStore(tmp_path), toy()
    run, model, live, _ = train_model(
        spec(epochs=1), table, splits, store=store, budget_seconds=None, progress=QuietProgress(), build=build
    )
    record = evaluate(run, table, splits, store=store, predict=live)
    arrays, predictions = record.arrays("attention.npz"), record.arrays("predictions.npz")
    probabilities = predictions["test_probabilities"]
    answers, confidence = probabilities.argmax(1), probabilities.max(1)
    _, shown = choose(answers, confidence, predictions["test_labels"], table.classes)
    np.testing.assert_array_equal(arrays["ids"], predictions["test_ids"][shown])
    layer = map_layer(model)
    assert record.manifest["attention"] == {"layer": layer.name, "side": 7} and set(arrays) == {"ids", "maps"}
    expected = normalised(grad_cam(model, layer, table.images[arrays["ids"]], answers[shown]))
    np.testing.assert_array_equal(arrays["maps"], expected)
