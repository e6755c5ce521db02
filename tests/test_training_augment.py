"""Augmentation: each kind against numbers made by hand, by Pillow, or image by image."""

from __future__ import annotations

import copy
from typing import get_args

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from training_toys import CLASSES, SIZE, build, spec, toy

from cnnlab.spec import Augmentation, Recipe
from cnnlab.store.store import RunStore
from cnnlab.training import augment
from cnnlab.training.augment import OPERATIONS, augmented, erased, mixed, randaugmented
from cnnlab.training.batches import Batch, training_batches
from cnnlab.training.fit import train_model
from cnnlab.training.loop import Trainer
from cnnlab.training.optimizer import make_optimizer
from tests.quiet import QuietProgress

EVERY = get_args(Augmentation)
RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (40, SIZE, SIZE, 3), dtype=np.uint8)
LABELS = (np.arange(40) % 3).astype(np.int32)


def smooth(count: int, size: int = 24) -> np.ndarray:
    """Images with more than noise in them: coloured slopes, uint8."""
    y, x = np.mgrid[:size, :size] / (size - 1)
    slopes = np.random.default_rng(5).uniform(-150, 150, (count, 1, 1, 3, 2))
    values = 128 + slopes[..., 0] * (y - 0.5)[..., None] + slopes[..., 1] * (x - 0.5)[..., None]
    return np.clip(values, 0, 255).astype(np.uint8)


def epoch(*augmentation: str, seed: int = 0, number: int = 0, size: int = 16) -> list[Batch]:
    batches = training_batches(
        NOISE, LABELS, np.arange(40), batch_size=size, augmentation=augmentation, seed=seed, epoch=number
    )
    return list(batches)


def of(rng_seed: int) -> np.random.Generator:
    return np.random.default_rng(rng_seed)


@pytest.mark.parametrize("chosen", [*[(one,) for one in EVERY], ("cutmix", "mixup"), EVERY], ids="-".join)
def test_batches_have_their_shapes_and_depend_on_seed_and_epoch(chosen):
    mixes = bool({"mixup", "cutmix"} & set(chosen))
    found = epoch(*chosen)
    assert len(found) == 2
    for batch, again in zip(found, epoch(*chosen), strict=True):
        assert batch.images.dtype == np.uint8 and batch.images.shape == (16, SIZE, SIZE, 3)
        assert batch.labels.dtype == np.int32 and batch.labels.shape == (16,)
        assert (batch.partners is not None) == mixes == (batch.share is not None)
        if mixes:
            assert (batch.partners.dtype, batch.share.dtype) == (np.int32, np.float32)
            assert batch.partners.shape == batch.share.shape == (16,)
            assert (batch.share >= 0).all() and (batch.share <= 1).all()
            np.testing.assert_array_equal(batch.share, again.share)
            np.testing.assert_array_equal(batch.partners, again.partners)
        np.testing.assert_array_equal(batch.images, again.images)
    assert not np.array_equal(found[0].images, found[1].images)
    for other in (epoch(*chosen, number=1), epoch(*chosen, seed=1), epoch()):
        assert not np.array_equal(found[0].images, other[0].images)


def test_the_table_is_not_changed():
    before = NOISE.copy()
    epoch(*EVERY)
    for work in (erased, randaugmented, lambda images, rng: mixed(images, frozenset({"mixup", "cutmix"}), rng)):
        work(NOISE, of(0))
    np.testing.assert_array_equal(NOISE, before)


def test_flips_and_crops_are_those_of_one_image_after_the_other():
    """The draws of (seed 3, epoch 2, stream 1), applied by padding, cutting and mirroring."""
    found = epoch("crop", "flip", seed=3, number=2)
    order = of(np.random.SeedSequence([3, 2, 0])).permutation(np.arange(40))
    draws = of(np.random.SeedSequence([3, 2, 1]))
    for step, batch in enumerate(found):
        shifts = draws.integers(-2, 2, size=(2, 16, 1), endpoint=True)[..., 0]
        mirrored = draws.random((16, 1))[:, 0] < 0.5
        assert 0 < mirrored.sum() < 16 and np.unique(shifts).tolist() == [-2, -1, 0, 1, 2]
        for position, row in enumerate(order[step * 16 : step * 16 + 16]):
            down, right = shifts[:, position] + 2
            padded = np.pad(NOISE[row], ((2, 2), (2, 2), (0, 0)), mode="reflect")
            one = padded[down : down + SIZE, right : right + SIZE]
            np.testing.assert_array_equal(batch.images[position], one[:, ::-1] if mirrored[position] else one)


def test_every_augmentation_has_draws_of_its_own():
    """Erasing more changes neither which images are in a batch nor how they are flipped and shifted."""
    alone, together = epoch("crop", "flip")[0], epoch("crop", "flip", "erase")[0]
    erasing = (alone.images != together.images).any((1, 2, 3))
    np.testing.assert_array_equal(alone.labels, together.labels)
    assert 0 < erasing.sum() < 16
    shares, more = epoch("mixup")[0].share, epoch("mixup", "flip", "randaugment")[0].share
    np.testing.assert_array_equal(shares, more)


def test_erasing_takes_a_rectangle_of_the_stated_size_from_half_of_the_images():
    count, size = 2000, 40
    images = np.zeros((count, size, size, 3), np.uint8)
    images[:, ::2] = (255, 200, 100)  # every image's mean colour is one that it has nowhere
    changed = (erased(images, of(1)) != images).any(-1)
    hit = changed.any((1, 2))
    assert hit.mean() == pytest.approx(0.5, abs=0.04)
    height = changed.any(2).sum(1)[hit]
    width = changed.any(1).sum(1)[hit]
    area = changed.sum((1, 2))[hit]
    np.testing.assert_array_equal(area, height * width)
    assert 0.015 < area.min() / size**2 < 0.03 and 0.17 < area.max() / size**2 < 0.215
    assert area.mean() / size**2 == pytest.approx(0.11, abs=0.006)
    aspect = np.log(height / width)
    assert np.abs(aspect).max() < np.log(1 / 0.3) + 0.25 and aspect.mean() == pytest.approx(0, abs=0.07)
    everywhere = changed.mean(0)
    assert (everywhere > 0).all() and everywhere[20, 20] > everywhere[0, 0]


def test_what_is_erased_gets_the_mean_colour_of_its_image():
    made = erased(NOISE, of(2))
    changed = (made != NOISE).any(-1)
    assert changed.any((1, 2)).sum() > 10
    for image, original, mask in zip(made, NOISE, changed, strict=True):
        mean = np.rint(original.reshape(-1, 3).mean(0))
        np.testing.assert_array_equal(image[mask], np.broadcast_to(mean, (mask.sum(), 3)))


def test_mixup_is_the_weighted_mean_and_its_weights_are_of_beta():
    made, partners, share = mixed(NOISE, frozenset({"mixup"}), of(3))
    assert sorted(partners.tolist()) == list(range(40)) and len(set(share.tolist())) == 40
    for i in range(40):
        mean = share[i] * NOISE[i].astype(float) + (1 - share[i]) * NOISE[partners[i]]
        np.testing.assert_allclose(made[i], mean, atol=0.501)
    many = np.concatenate([mixed(NOISE[:, :1, :1], frozenset({"mixup"}), of(seed))[2] for seed in range(100)])
    # Beta(a, a) has the variance 1 / (4 (2 a + 1)).
    assert many.mean() == pytest.approx(0.5, abs=0.02) and many.var() == pytest.approx(1 / 5.6, rel=0.05)


def test_cutmix_counts_each_pixel_as_what_it_is():
    values = np.arange(200, dtype=np.uint8)[:, None, None, None]
    images = np.broadcast_to(values, (200, 24, 24, 3))
    made, partners, share = mixed(images, frozenset({"cutmix"}), of(4))
    own = (made == values).all(-1)
    other = (made == values[partners]).all(-1)
    assert (own | other).all()
    apart = partners != np.arange(200)
    assert apart.sum() > 150
    np.testing.assert_array_equal(share[apart], (own.sum((1, 2))[apart] / 24**2).astype(np.float32))
    for mask in other[apart]:
        rows, columns = mask.any(1).sum(), mask.any(0).sum()
        assert mask.sum() == rows * columns
    assert share.min() < 0.2 and share.max() > 0.95
    corners = other[apart][:, [0, 0, -1, -1], [0, -1, 0, -1]].any(1)
    assert 0.2 < corners.mean() < 0.9, "rectangles are cut off at the border"


def test_with_both_kinds_of_mixing_each_batch_is_of_one():
    images = np.broadcast_to(np.array([0, 200], np.uint8)[:, None, None, None], (2, 8, 8, 3))
    kinds = []
    for seed in range(60):
        made, partners, _ = mixed(images, frozenset({"mixup", "cutmix"}), of(seed))
        if partners.tolist() == [1, 0]:
            kinds.append("cutmix" if set(np.unique(made)) <= {0, 200} else "mixup")
    assert {"cutmix", "mixup"} == set(kinds)
    assert epoch("mixup", size=40)[0].share.tolist() != epoch("cutmix", size=40)[0].share.tolist()


def test_partners_are_labels_of_the_batch():
    for batch in epoch("cutmix"):
        assert sorted(batch.partners.tolist()) == sorted(batch.labels.tolist())


PILLOW = {
    "autocontrast": lambda image, sign: ImageOps.autocontrast(image),
    "equalize": lambda image, sign: ImageOps.equalize(image),
    "solarize": lambda image, sign: ImageOps.solarize(image, 128),
    "posterize": lambda image, sign: ImageOps.posterize(image, 6),
    "colour": lambda image, sign: ImageEnhance.Color(image).enhance(1 + 0.45 * sign),
    "contrast": lambda image, sign: ImageEnhance.Contrast(image).enhance(1 + 0.45 * sign),
    "brightness": lambda image, sign: ImageEnhance.Brightness(image).enhance(1 + 0.45 * sign),
    "sharpness": lambda image, sign: ImageEnhance.Sharpness(image).enhance(1 + 0.45 * sign),
}


@pytest.mark.parametrize("name", sorted(PILLOW))
def test_operations_on_colours_are_pillows(name):
    """Exactly, but for the last digit where Pillow cuts off what is rounded here."""
    images = np.concatenate([smooth(6), NOISE[:6].repeat(2, 1)[:, :24].repeat(2, 2)[:, :, :24]])
    signs = np.tile([1, -1], 6)
    made = OPERATIONS[name](images, signs)
    theirs = [PILLOW[name](Image.fromarray(i), s) for i, s in zip(images, signs, strict=True)]
    exact = name in ("equalize", "solarize", "posterize")
    np.testing.assert_allclose(made.astype(int), np.stack(theirs).astype(int), atol=0 if exact else 2)
    assert made.dtype == np.uint8 and (made != images).any()


def test_operations_leave_an_image_of_one_colour_alone_or_defined():
    flat = np.full((2, 8, 8, 3), 77, np.uint8)
    for name, operation in OPERATIONS.items():
        expected = {"posterize": [76], "brightness": [42, 112]}.get(name, [77])
        assert np.unique(operation(flat, np.array([1, -1]))).tolist() == expected


def test_operations_that_move_pixels():
    size = 20
    images = np.zeros((2, size, size, 3), np.uint8)
    images[..., 0], images[..., 1] = np.mgrid[:size, :size]
    signs = np.array([1, -1])
    y, x = np.mgrid[5:15, 5:15]  # far enough from the border

    def sources(name):
        made = OPERATIONS[name](images, signs)[:, 5:15, 5:15].astype(int)
        return made[..., 0] - y, made[..., 1] - x

    down, right = sources("translate-x")
    assert (down == 0).all() and (right[0] == -5).all() and (right[1] == 5).all()
    down, right = sources("translate-y")
    assert (right == 0).all() and (down[0] == -5).all() and (down[1] == 5).all()
    for sign, (down, right) in zip(signs, zip(*sources("shear-x"), strict=True), strict=True):
        assert (down == 0).all()
        np.testing.assert_allclose(right, sign * 0.15 * (y - 9.5), atol=0.51)
    for sign, (down, right) in zip(signs, zip(*sources("rotate"), strict=True), strict=True):
        angle = sign * np.radians(15)
        np.testing.assert_allclose(down, np.cos(angle) * (y - 9.5) + np.sin(angle) * (x - 9.5) - (y - 9.5), atol=0.51)
        np.testing.assert_allclose(right, np.cos(angle) * (x - 9.5) - np.sin(angle) * (y - 9.5) - (x - 9.5), atol=0.51)
    border = OPERATIONS["translate-x"](images, signs)[0, 0, :6, 1]
    assert border.tolist() == [5, 4, 3, 2, 1, 0], "reflected"


def test_two_operations_are_applied_one_after_the_other(monkeypatch):
    monkeypatch.setattr(
        augment,
        "OPERATIONS",
        {"add": lambda images, signs: images + np.uint8(3), "double": lambda images, signs: images * np.uint8(2)},
    )
    made = randaugmented(np.full((64, 2, 2, 3), 10, np.uint8), of(0))
    assert set(made[:, 0, 0, 0].tolist()) == {16, 23, 26, 40}
    assert (made == made[:, :1, :1, :1]).all()


def test_every_operation_is_drawn_as_often(monkeypatch):
    counts = dict.fromkeys(OPERATIONS, 0)
    plus = 0

    def counting(name):
        def count(images, signs):
            nonlocal plus
            counts[name] += len(images)
            plus += int((signs == 1).sum())
            assert set(signs.tolist()) <= {1, -1}
            return images

        return count

    monkeypatch.setattr(augment, "OPERATIONS", {name: counting(name) for name in OPERATIONS})
    randaugmented(np.zeros((7000, 1, 1, 3), np.uint8), of(0))
    assert sum(counts.values()) == 14_000 and len(counts) == 14
    assert all(850 < n < 1150 for n in counts.values()) and 6700 < plus < 7300


def test_the_loss_of_a_mixed_batch_is_that_of_both_labels():
    recipe = Recipe(label_smoothing=0.3, augmentation=("mixup",), learning_rate=0.01, warmup=0)
    model = build("toy", image_size=SIZE, classes=3)
    model.layers[-2].rate = 0.0
    trainer = Trainer(model, make_optimizer(recipe, model, 10, policy="float32"), recipe)
    partners, share = np.roll(LABELS, 1), np.linspace(0, 1, 40, dtype=np.float32)
    p = np.asarray(model(NOISE.astype(np.float32), training=True), np.float64)
    targets = (share[:, None] * np.eye(3)[LABELS] + (1 - share[:, None]) * np.eye(3)[partners]) * 0.7 + 0.1
    start = copy.deepcopy(trainer.state())
    assert trainer.step(NOISE, LABELS, partners, share) == pytest.approx(-(targets * np.log(p)).sum(1).mean(), rel=1e-4)
    trainer.restore(start)
    whole = np.eye(3)[LABELS] * 0.7 + 0.1
    assert trainer.step(NOISE, LABELS) == pytest.approx(-(whole * np.log(p)).sum(1).mean(), rel=1e-4)


@pytest.mark.parametrize("chosen", [EVERY, ("cutmix",)])
def test_a_run_with_augmentation_learns(tmp_path, chosen):
    table, splits = toy()
    record = train_model(
        spec(augmentation=chosen, epochs=6),
        table,
        splits,
        store=RunStore(tmp_path),
        budget_seconds=None,
        progress=QuietProgress(),
        build=build,
    ).record
    rows = record.rows("history.csv")
    assert record.manifest["resolved"]["stopped"] == "completed" and len(rows) == 6
    assert max(float(row["val_accuracy"]) for row in rows) > 1.5 / CLASSES
    assert all(np.isfinite(float(row["running_loss"])) for row in rows)


def test_a_gather_of_chosen_rows_takes_those():
    rows = np.array([5, 5, 3])
    np.testing.assert_array_equal(augmented(NOISE, rows, frozenset(), of(0)), NOISE[rows])
