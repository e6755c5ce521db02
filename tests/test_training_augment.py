"""Augmentation: flips and crops image by image, Keras's layers by what they do to whole batches."""

from __future__ import annotations

import copy
from typing import get_args

import numpy as np
import pytest
from training_toys import CLASSES, SIZE, build, spec, toy

from cnnlab.spec import Augmentation, Recipe
from cnnlab.store.store import RunStore
from cnnlab.training.batches import Batch, prefetched, training_batches
from cnnlab.training.engine import Trainer, make_optimizer
from cnnlab.training.run import train_model
from tests.quiet import QuietProgress

EVERY = get_args(Augmentation)
NOISE = np.random.default_rng(0).integers(0, 256, (40, SIZE, SIZE, 3), dtype=np.uint8)
LABELS = (np.arange(40) % 3).astype(np.int32)


def epoch(*augmentation: str, seed: int = 0, number: int = 0, images: np.ndarray = NOISE) -> list[Batch]:
    options = {"batch_size": 16, "augmentation": augmentation, "seed": seed, "epoch": number, "classes": 3}
    labels = (np.arange(len(images)) % 3).astype(np.int32)
    return list(prefetched(training_batches(images, labels, np.arange(len(images)), **options)))  # type: ignore[arg-type]


@pytest.mark.parametrize("chosen", [*[(one,) for one in EVERY], ("cutmix", "mixup"), EVERY], ids="-".join)
def test_batches_have_their_shapes_and_depend_on_seed_and_epoch_alone(chosen: tuple[str, ...]) -> None:
    before = NOISE.copy()
    found = epoch(*chosen)
    assert len(found) == 2
    for batch, again in zip(found, epoch(*chosen), strict=True):
        assert batch.images.shape == (16, SIZE, SIZE, 3) and 0 <= batch.images.min() <= batch.images.max() < 255.001
        assert batch.images.dtype == (np.uint8 if set(chosen) <= {"flip", "crop"} else np.float32)
        if {"mixup", "cutmix"} & set(chosen):
            assert batch.labels.dtype == np.float32 and batch.labels.shape == (16, 3)
            np.testing.assert_allclose(batch.labels.sum(axis=1), 1, rtol=1e-5)
        else:
            assert batch.labels.dtype == np.int32 and batch.labels.shape == (16,)
        np.testing.assert_array_equal(batch.images, again.images)
        np.testing.assert_array_equal(batch.labels, again.labels)
    for other in (found[1:], epoch(*chosen, number=1), epoch(*chosen, seed=1), epoch()):
        assert not np.array_equal(found[0].images, other[0].images)
    np.testing.assert_array_equal(NOISE, before)


def test_flips_and_crops_are_those_of_one_image_after_the_other() -> None:
    """The draws of (seed 3, epoch 2, stream 1), applied by padding, cutting and mirroring."""
    order = np.random.default_rng(np.random.SeedSequence([3, 2, 0])).permutation(np.arange(40))
    draws = np.random.default_rng(np.random.SeedSequence([3, 2, 1]))
    for step, batch in enumerate(epoch("crop", "flip", seed=3, number=2)):
        shifts = draws.integers(-2, 2, size=(2, 16, 1), endpoint=True)[..., 0]
        mirrored = draws.random((16, 1))[:, 0] < 0.5
        assert 0 < mirrored.sum() < 16 and np.unique(shifts).tolist() == [-2, -1, 0, 1, 2]
        for position, row in enumerate(order[step * 16 : step * 16 + 16]):
            down, right = shifts[:, position] + 2
            padded = np.pad(NOISE[row], ((2, 2), (2, 2), (0, 0)), mode="reflect")
            one = padded[down : down + SIZE, right : right + SIZE]
            np.testing.assert_array_equal(batch.images[position], one[:, ::-1] if mirrored[position] else one)


def test_every_augmentation_has_draws_of_its_own() -> None:
    """Erasing more changes neither which images are in a batch nor how they are flipped and shifted."""
    alone, together = epoch("crop", "flip")[0], epoch("crop", "flip", "erase")[0]
    np.testing.assert_array_equal(alone.labels, together.labels)
    assert 0 < (alone.images != together.images).any((1, 2, 3)).sum() < 16
    np.testing.assert_array_equal(epoch("mixup")[0].labels, epoch("mixup", "flip", "erase")[0].labels)


def test_erasing_greys_a_rectangle_of_the_stated_size_in_half_of_the_images() -> None:
    images = np.zeros((1600, 40, 40, 3), np.uint8)
    made = np.concatenate([batch.images for batch in epoch("erase", images=images)])
    assert set(np.unique(made)) == {0, 127.5}
    changed = made.any(axis=-1)
    hit = changed.any((1, 2))
    area = changed.sum((1, 2))[hit]
    np.testing.assert_array_equal(area, changed.any(2).sum(1)[hit] * changed.any(1).sum(1)[hit])
    assert hit.mean() == pytest.approx(0.5, abs=0.05) and 0.01 < area.min() / 1600 < area.max() / 1600 < 0.24


def test_randaugment_leaves_images_upright() -> None:
    """Of bars that lie, rows differ more than columns, whatever is done to colours, unless they are turned on end."""
    bars = np.zeros((16, SIZE, SIZE, 3), np.uint8)
    bars[:, :: SIZE // 2] = bars[:, 1 :: SIZE // 2] = 120
    changed = 0
    for number in range(40):
        made = epoch("randaugment", number=number, images=bars)[0].images.mean(axis=3)
        changed += not np.array_equal(made, bars[..., 0])
        assert (made.mean(axis=2).std(axis=1) >= made.mean(axis=1).std(axis=1)).all(), number
    assert changed > 20


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_labels_count_each_image_as_the_share_that_it_has(kind: str) -> None:
    """Every image is of one grey, 100 times its class: the mean of a mixed one says how much it is of which class."""
    levels = np.broadcast_to((100 * LABELS)[:, None, None, None], (40, 24, 24, 3)).astype(np.uint8)
    found = epoch(kind, images=levels)
    for batch in found:
        expected = batch.images.mean(axis=(1, 2, 3)) / 100
        np.testing.assert_allclose(batch.labels @ np.arange(3), expected, atol=1e-4 if kind == "mixup" else 0.12)
        assert set(np.unique(batch.images)) <= {0, 100, 200} or kind == "mixup"
    assert any(((batch.labels > 0.02) & (batch.labels < 0.98)).any() for batch in found)


def test_the_loss_of_a_mixed_batch_is_that_of_both_labels() -> None:
    recipe = Recipe(label_smoothing=0.3, augmentation=("mixup",), learning_rate=0.01, warmup=0)
    model = build("toy", image_size=SIZE, classes=3)
    model.layers[-2].rate = 0.0
    trainer = Trainer(model, make_optimizer(recipe, model, 10, policy="float32"), recipe)
    share = np.linspace(0, 1, 40, dtype=np.float32)[:, None]
    truth = np.eye(3, dtype=np.float32)[LABELS]
    p = np.asarray(model(NOISE.astype(np.float32), training=True), np.float64)
    start = copy.deepcopy(trainer.state())
    for labels, targets in ((mixed := share * truth + (1 - share) * np.roll(truth, 1, 0), mixed), (LABELS, truth)):
        trainer.restore(start)
        expected = -((targets * 0.7 + 0.1) * np.log(p)).sum(1).mean()
        assert trainer.step(NOISE, labels) == pytest.approx(expected, rel=1e-4)


def test_a_run_with_every_augmentation_learns(tmp_path) -> None:
    table, splits = toy()
    options = {"store": RunStore(tmp_path), "budget_seconds": None, "progress": QuietProgress(), "build": build}
    record = train_model(spec(augmentation=EVERY, epochs=6), table, splits, **options).record
    rows = record.rows("history.csv")
    assert record.manifest["resolved"]["stopped"] == "completed" and len(rows) == 6
    assert record.json("spec.json")["versions"]["engine"] == 3, "others' ids stay as they were"
    assert max(float(row["val_accuracy"]) for row in rows) > 1.2 / CLASSES
    assert all(np.isfinite(float(row["running_loss"])) for row in rows)
