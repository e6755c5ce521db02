"""A run that starts from a weight file of `keras.applications`: frozen, then thawed, early blocks slower than late ones."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from test_weight_files import save_legacy
from training_toys import Splits, Table

from cnnlab.evaluation.predict import load_model
from cnnlab.networks import CAFFE
from cnnlab.spec import DatasetSpec, NetworkOptions, Recipe, RunSpec
from cnnlab.store.store import RunStore
from cnnlab.training.run import train_model
from tests.quiet import QuietProgress

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = 32


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[keras.Model, Path]:
    """VGG-19 with random weights of the size that trained ones have, in the format that is published."""
    keras.utils.set_random_seed(0)
    reference = keras.applications.VGG19(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3))
    for layer in reference.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            deviation = np.sqrt(2 / np.prod(kernel.shape[:3]))
            layer.set_weights([np.random.default_rng(1).normal(0, deviation, kernel.shape), bias])
    first = reference.get_layer("block1_conv1")
    first.set_weights([first.get_weights()[0] / 64, first.get_weights()[1]])  # it sees pixels in tens, not ones
    path = tmp_path_factory.mktemp("weights") / "vgg19_notop.h5"
    save_legacy(reference, path)
    return reference, path


def images() -> tuple[Table, Splits]:
    rng = np.random.default_rng(0)
    labels = (np.arange(48) % 2).astype(np.int32)
    pixels = np.clip(60 + 120 * labels[:, None, None, None] + rng.normal(0, 20, (48, SIZE, SIZE, 3)), 0, 255)
    parts = np.split(np.arange(48), [32, 40])
    return Table(pixels.astype(np.uint8), labels, ("dark", "bright")), Splits(*parts)


def trained(path: Path, folder: Path, *, epochs: int, **recipe: object) -> keras.Model:
    table, splits = images()
    spec = RunSpec(
        dataset="tones",
        data=DatasetSpec(reader="folder", image_size=SIZE),
        network="vgg19",
        options=NetworkOptions(dense_units=16, dropout=0.0),
        recipe=Recipe.model_validate(
            {
                "weights": str(path), "epochs": epochs, "batch_size": 8, "learning_rate": 0.01, "momentum": 0.0,
                "schedule": "constant", "warmup": 0.0, "precision": "float32", "early_stopping": None, **recipe,
            }
        ),
    )  # fmt: skip
    store = RunStore(folder)
    record = train_model(spec, table, splits, store=store, budget_seconds=None, progress=QuietProgress()).record
    return load_model(record, 2)


def kernels(model: keras.Model) -> dict[str, np.ndarray]:
    """Of the convolutions, as the file has them."""
    found = {layer.name: layer.get_weights()[0] for layer in model.layers if "_conv" in layer.name}
    return {name: one / (CAFFE.kernel if name == "block1_conv1" else 1) for name, one in found.items()}


def test_the_base_is_the_files_until_it_thaws(published: tuple[keras.Model, Path], tmp_path: Path) -> None:
    reference, path = published
    start = kernels(reference) | {"block1_conv1": reference.get_layer("block1_conv1").get_weights()[0]}
    frozen = kernels(trained(path, tmp_path / "a", epochs=1, frozen_epochs=1))
    for name, kernel in frozen.items():
        np.testing.assert_allclose(kernel, start[name], rtol=1e-6, err_msg=name)
    thawed = kernels(trained(path, tmp_path / "b", epochs=2, frozen_epochs=1))
    assert all((thawed[name] != start[name]).any() for name in thawed)


def test_early_blocks_move_less(published: tuple[keras.Model, Path], tmp_path: Path) -> None:
    """One step of plain gradient descent, in which a block moves in proportion to its rate."""
    _, path = published
    once = {"epochs": 1, "batch_size": 32, "learning_rate": 10.0}
    before = kernels(trained(path, tmp_path / "start", **{**once, "learning_rate": 1e-12}))
    same, slower = (kernels(trained(path, tmp_path / str(decay), rate_decay=decay, **once)) for decay in (1.0, 0.5))
    for name, blocks in (("block5_conv4", 1), ("block4_conv1", 2), ("block1_conv2", 5)):
        moved, less = same[name] - before[name], slower[name] - before[name]
        assert np.abs(less).sum() == pytest.approx(np.abs(moved).sum() * 0.5**blocks, rel=0.05), name
