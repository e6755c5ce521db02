"""Grad-CAM against maps found by hand, on every network, and what is measured with its maps."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from training_toys import SIZE, build, spec, toy

from cnnlab.architectures.construction import without_weights
from cnnlab.backend import keras
from cnnlab.evaluation.attention import (
    covered_probabilities,
    covering,
    explain,
    first_filters,
    grad_cam,
    map_layer,
    normalised,
    sample,
)
from cnnlab.evaluation.exhibits import explained
from cnnlab.evaluation.predict import evaluate
from cnnlab.layers.factory import build_network
from cnnlab.spec import NetworkOptions
from cnnlab.store.store import RunStore
from cnnlab.training.fit import train_model
from cnnlab.training.precision import dtype_policy
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
    with dtype_policy(policy):
        return build_network(name, image_size=size, classes=5, options=options)


def test_the_map_is_the_one_found_by_hand() -> None:
    model, images = two_channels(), pictures(40, 8)  # more than a batch
    assert map_layer(model).name == "maps"
    classes = np.arange(40) % 2
    red, green = images[..., 0].astype(float), images[..., 1].astype(float)
    expected = np.where(classes[:, None, None] == 0, red / 64, np.maximum(2 * green - red, 0) / 64)
    np.testing.assert_allclose(grad_cam(model, images, classes), expected, rtol=1e-4, atol=1e-4)
    only_red = images * np.array([1, 0, 0], np.uint8)
    assert not grad_cam(model, only_red, np.ones(40, int)).any(), "nothing speaks for class 1"


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
    maps = grad_cam(model, pictures(2, size), np.array([0, 3]))
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
    one, other = (normalised(grad_cam(model, images, classes)).astype(float) for model in (exact, short))
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
    assert explain(model, lambda images, rows: None, pictures(2, 8), np.zeros(2, int), np.ones(2, bool)) == ({}, {})
    assert first_filters(model) is None


def test_the_sample_is_spread_over_right_and_wrong_answers() -> None:
    right = np.tile([True, True, False, True], 100)
    found = sample(right, most=5)
    assert found.tolist() == sorted(found.tolist())
    assert (right[found].sum(), (~right[found]).sum()) == (5, 5)
    assert found.min() <= 2 and found.max() >= 398
    assert sample(np.array([True, False, True])).tolist() == [0, 1, 2]
    assert sample(np.zeros(0, bool)).tolist() == []


def test_the_marked_quarter_and_another_are_covered() -> None:
    maps = np.zeros((2, 4, 4), np.uint8)
    maps[0, :2, :2] = 200
    maps[1, 3] = (9, 8, 7, 6)
    marked, other = covering(maps, 8)
    assert marked[0, :4, :4].all() and marked[1, 6:].all()
    assert not (marked & other).any()
    assert [one.sum(axis=(1, 2)).tolist() for one in (marked, other)] == [[16, 16], [16, 16]]


def test_covering_what_counts_changes_the_answer() -> None:
    images = np.full((3, 8, 8, 3), 40, np.uint8)
    images[:, :4, :4] = 240  # the answer is the brightness of this corner
    maps = np.zeros((3, 4, 4), np.uint8)
    maps[:, :2, :2] = 255

    def predict(views: np.ndarray, rows: np.ndarray) -> np.ndarray:
        bright = views[rows, :4, :4].mean(axis=(1, 2, 3)) / 255
        return np.stack([1 - bright, bright], axis=1)

    found = covered_probabilities(predict, images, maps, np.array([1, 1, 0]))
    assert found["whole"].dtype == np.float16
    np.testing.assert_allclose(found["whole"], [240 / 255, 240 / 255, 15 / 255], atol=1e-3)
    np.testing.assert_allclose(found["marked"], [90 / 255, 90 / 255, 165 / 255], atol=1e-3)
    np.testing.assert_allclose(found["other"], found["whole"])


def test_first_filters_have_red_first() -> None:
    for name, order in (("alexnet", [0, 1, 2]), ("resnet50", [2, 1, 0])):
        model = network(name, 32)
        kernel = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)).get_weights()[0]
        found = first_filters(model)
        assert found is not None and found.dtype == np.float16
        np.testing.assert_array_equal(found, kernel[:, :, order].astype(np.float16))


def test_an_evaluation_keeps_maps_of_what_it_shows_and_of_a_sample(tmp_path) -> None:
    store, (table, splits) = RunStore(tmp_path), toy()
    run, model, live, _ = train_model(
        spec(epochs=1), table, splits, store=store, budget_seconds=None, progress=QuietProgress(), build=build
    )
    record = evaluate(run, table, splits, store=store, predict=live)
    arrays, predictions = record.arrays("attention.npz"), record.arrays("predictions.npz")
    predicted, labels = predictions["test_probabilities"].argmax(1), predictions["test_labels"]
    shown = explained(predicted, predictions["test_probabilities"].max(1), labels, table.classes)
    assert set(arrays["ids"]) == set(predictions["test_ids"]), "all 30 are in the sample"
    assert set(predictions["test_ids"][shown]) <= set(arrays["ids"])
    assert record.manifest["attention"] == {"layer": map_layer(model).name, "side": 7}
    answers = predicted[np.searchsorted(predictions["test_ids"], arrays["ids"])]
    np.testing.assert_array_equal(arrays["maps"], normalised(grad_cam(model, table.images[arrays["ids"]], answers)))
    whole = predictions["test_probabilities"].max(1)[np.searchsorted(predictions["test_ids"], arrays["ids"])]
    np.testing.assert_allclose(arrays["whole"], whole, atol=1e-3)
    assert record.arrays("filters.npz")["filters"].shape == (3, 3, 3, 4)
    assert arrays["sampled"].all() and SIZE == 16
