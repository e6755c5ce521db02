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
LABELS = (np.arange(48) % 2).astype(np.int32)
NOISE = np.random.default_rng(0).normal(0, 20, (48, SIZE, SIZE, 3))
PIXELS = np.clip(60 + 120 * LABELS[:, None, None, None] + NOISE, 0, 255).astype(np.uint8)
TABLE, SPLITS = Table(PIXELS, LABELS, ("dark", "bright")), Splits(*np.split(np.arange(48), [32, 40]))


def kernels(model: keras.Model, scale: float = 1.0) -> dict[str, np.ndarray]:
    """Of the convolutions, as the file has them."""
    found = {layer.name: layer.get_weights()[0] for layer in model.layers if "_conv" in layer.name}
    return {name: one / (scale if name == "block1_conv1" else 1) for name, one in found.items()}


def trained(path: Path, folder: Path, **recipe: object) -> dict[str, np.ndarray]:
    """The kernels of VGG-19 after a training that starts from the file."""
    chosen = {
        "weights": str(path), "epochs": 1, "batch_size": 8, "learning_rate": 0.01, "momentum": 0.0, "warmup": 0.0,
        "schedule": "constant", "precision": "float32", "early_stopping": None, **recipe,
    }  # fmt: skip
    data, options = DatasetSpec(reader="folder", image_size=SIZE), NetworkOptions(dense_units=16, dropout=0.0)
    spec = RunSpec(dataset="tones", data=data, network="vgg19", options=options, recipe=Recipe.model_validate(chosen))
    store = RunStore(folder)
    record = train_model(spec, TABLE, SPLITS, store=store, budget_seconds=None, progress=QuietProgress()).record
    return kernels(load_model(record, 2), CAFFE.kernel)


def test_the_base_is_the_files_until_it_thaws_and_early_blocks_move_less(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    reference = keras.applications.VGG19(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3))
    for layer in (one for one in reference.layers if one.weights):  # random weights of the size that trained ones have
        kernel, bias = layer.get_weights()
        kernel = np.random.default_rng(1).normal(0, np.sqrt(2 / np.prod(kernel.shape[:3])), kernel.shape)
        layer.set_weights(
            [kernel / (64 if layer.name == "block1_conv1" else 1), bias]
        )  # it sees pixels in tens, not ones
    save_legacy(reference, path := tmp_path / "vgg19_notop.h5")
    start = kernels(reference)
    for name, kernel in trained(path, tmp_path / "frozen", frozen_epochs=1).items():
        np.testing.assert_allclose(kernel, start[name], rtol=1e-6, err_msg=name)
    thawed = trained(path, tmp_path / "thawed", epochs=2, frozen_epochs=1)
    assert all((thawed[name] != start[name]).any() for name in thawed)
    # One step of plain gradient descent, in which a block moves in proportion to its rate.
    same, slower = (
        trained(path, tmp_path / str(decay), batch_size=32, learning_rate=10.0, rate_decay=decay)
        for decay in (1.0, 0.5)
    )
    for name, blocks in (("block5_conv4", 1), ("block4_conv1", 2), ("block1_conv2", 5)):
        moved, less = same[name] - start[name], slower[name] - start[name]
        assert np.abs(less).sum() == pytest.approx(np.abs(moved).sum() * 0.5**blocks, rel=0.05), name
