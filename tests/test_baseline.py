"""Baselines: thumbnails pixel by pixel, problems whose answer is known, and the record's fields."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import StandardScaler

from cnnlab.datasets.split import Splits
from cnnlab.datasets.table import NO_DIVISION, DatasetAbout, ImageTable
from cnnlab.errors import DataError
from cnnlab.evaluation import baseline
from cnnlab.evaluation.baseline import baseline_id, publish_baseline, thumbnails
from cnnlab.spec import DatasetSpec
from cnnlab.store.record import Record
from cnnlab.store.store import RunStore
from tests.command import ROOT

SPEC = DatasetSpec(reader="folder", image_size=16)


def a_table(images: np.ndarray, labels: np.ndarray, classes: int) -> ImageTable:
    return ImageTable(
        images=images,
        labels=np.asarray(labels, np.int32),
        classes=tuple(f"class {i}" for i in range(classes)),
        sources=tuple(map(str, range(len(images)))),
        official=np.full(len(images), NO_DIVISION, np.int8),
        fingerprint="ab" * 32,
        about=DatasetAbout("Toy", None, None, "here"),
        findings=(),
    )


def parts(*sizes: int) -> Splits:
    ends = np.cumsum((0, *sizes))
    return Splits(*(np.arange(a, b, dtype=np.int32) for a, b in pairwise(ends)))


def corners(count: int, classes: int = 3, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright square, in a place of its own for each class."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % classes
    images = rng.integers(0, 100, (count, size, size, 3), dtype=np.uint8)
    for label, (y, x) in enumerate([(0, 0), (0, 12), (12, 0), (12, 12)][:classes]):
        images[labels == label, y : y + 4, x : x + 4] += 100
    return images, labels


def publish(store: RunStore, table: ImageTable, splits: Splits) -> Record:
    return publish_baseline(store, "toy", SPEC, table, splits)


@pytest.mark.parametrize("size", [16, 84, 30, 17])
def test_thumbnails_are_mean_colours_by_area(size):
    images = np.random.default_rng(size).integers(0, 256, (5, size, size, 3), dtype=np.uint8)
    found = thumbnails(images, np.array([4, 0, 2])).reshape(3, 8, 8, 3)
    assert found.dtype == np.float32
    # Each pixel as 8x8 of them, of which every cell has a whole number.
    fine = images[[4, 0, 2]].astype(float).repeat(8, 1).repeat(8, 2)
    np.testing.assert_allclose(found, fine.reshape(3, 8, size, 8, size, 3).mean((2, 4)), atol=1e-3)


def test_thumbnails_in_chunks_are_the_same_and_read_no_other_row(monkeypatch):
    images = np.random.default_rng(1).integers(0, 256, (50, 20, 20, 3), dtype=np.uint8)
    whole = thumbnails(images, np.arange(50))
    asked = []

    class Watched:
        shape = images.shape

        def __getitem__(self, rows):
            asked.append(rows.tolist())
            return images[rows]

    monkeypatch.setattr(baseline, "_CHUNK_VALUES", 3 * 20 * 20 * 3)
    np.testing.assert_allclose(thumbnails(Watched(), np.arange(3, 11)), whole[3:11], rtol=1e-6)
    assert asked == [[3, 4, 5], [6, 7, 8], [9, 10]]
    assert thumbnails(images, np.arange(0)).shape == (0, 192)


def test_what_a_line_separates_is_all_right(tmp_path):
    images, labels = corners(120)
    splits = parts(60, 30, 30)
    record = publish(RunStore(tmp_path), a_table(images, labels, 3), splits)
    arrays = record.arrays("predictions.npz")
    assert sorted(arrays) == ["test_labels", "test_predicted", "validation_labels", "validation_predicted"]
    for part in ("validation", "test"):
        assert arrays[f"{part}_labels"].dtype == arrays[f"{part}_predicted"].dtype == np.int32
        np.testing.assert_array_equal(arrays[f"{part}_labels"], labels[getattr(splits, part)])
        np.testing.assert_array_equal(arrays[f"{part}_predicted"], arrays[f"{part}_labels"])
    manifest = record.manifest
    assert record.id == baseline_id("toy", SPEC, "ab" * 32) == manifest["id"]
    assert (manifest["dataset"], manifest["fingerprint"], manifest["classes"]) == ("toy", "ab" * 32, 3)
    assert (manifest["method"], manifest["side"]) == ("ridge classifier on 8x8 mean colours", 8)
    assert manifest["split"] == SPEC.identity() and manifest["strength"] in baseline.STRENGTHS
    fields = {"dataset", "fingerprint", "split", "method", "side", "strength", "seconds", "classes", "constant"}
    assert set(manifest) - {"format", "kind", "id", "status", "created", "files"} == fields


def test_predictions_are_those_of_scikit_learn_with_the_strength_best_on_validation(tmp_path):
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 4, 400)
    images = np.clip(100 + 6 * labels[:, None, None, None] + rng.normal(0, 40, (400, 16, 16, 3)), 0, 255)
    images = images.astype(np.uint8)
    splits = parts(250, 90, 60)
    record = publish(RunStore(tmp_path), a_table(images, labels, 4), splits)
    seen = images.reshape(400, 8, 2, 8, 2, 3).mean((2, 4)).reshape(400, -1)
    scaler = StandardScaler().fit(seen[splits.train])
    right, models = {}, {}
    for strength in baseline.STRENGTHS:
        model = RidgeClassifier(alpha=strength).fit(scaler.transform(seen[splits.train]), labels[splits.train])
        models[strength] = model
        right[strength] = model.score(scaler.transform(seen[splits.validation]), labels[splits.validation])
    best = max(right, key=lambda strength: (right[strength], strength))
    assert len(set(right.values())) > 1 and record.manifest["strength"] == best
    expected = models[best].predict(scaler.transform(seen[splits.test]))
    np.testing.assert_array_equal(record.arrays("predictions.npz")["test_predicted"], expected)


def test_of_equals_the_strongest_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(baseline, "STRENGTHS", (1.0, 10.0))
    images, labels = corners(120)
    assert publish(RunStore(tmp_path), a_table(images, labels, 3), parts(60, 30, 30)).manifest["strength"] == 10.0


def test_always_the_same_answer_by_hand(tmp_path):
    labels = np.concatenate([[0, 1, 1, 1, 2, 2], [1, 1, 0, 2], [1, 0, 2, 2, 2]])
    images = np.random.default_rng(3).integers(0, 256, (15, 16, 16, 3), dtype=np.uint8)
    constant = publish(RunStore(tmp_path), a_table(images, labels, 3), parts(6, 4, 5)).manifest["constant"]
    assert constant["label"] == 1
    assert (constant["accuracy_validation"], constant["accuracy_test"]) == (0.5, 0.2)
    assert constant["loss"] == pytest.approx((2 * math.log(2) + math.log(6) + math.log(3)) / 4)


def test_one_validation_image_and_no_test_image(tmp_path):
    images, labels = corners(61)
    record = publish(RunStore(tmp_path), a_table(images, labels, 3), parts(60, 1, 0))
    arrays = record.arrays("predictions.npz")
    assert arrays["validation_predicted"].tolist() == [0]
    assert arrays["test_predicted"].shape == arrays["test_labels"].shape == (0,)
    assert arrays["test_predicted"].dtype == arrays["test_labels"].dtype == np.int32
    constant = record.manifest["constant"]
    assert (constant["accuracy_test"], constant["accuracy_validation"]) == (None, 1.0)


def test_classes_that_a_split_does_not_have(tmp_path):
    """Class 3 is not in training: never predicted, and its frequency of 0 is taken as 1e-7."""
    images, labels = corners(80, classes=4)
    train, rest = np.flatnonzero(labels[:60] != 3), np.arange(60, 80)
    splits = Splits(train.astype(np.int32), rest[labels[rest] != 0].astype(np.int32), rest[labels[rest] != 1])
    record = publish(RunStore(tmp_path), a_table(images, labels, 4), splits)
    arrays = record.arrays("predictions.npz")
    for part in ("validation", "test"):
        found, known = arrays[f"{part}_predicted"], arrays[f"{part}_labels"] != 3
        assert 3 not in found and not known.all()
        np.testing.assert_array_equal(found[known], arrays[f"{part}_labels"][known])
    assert record.manifest["constant"]["loss"] == pytest.approx((2 * math.log(3) + math.log(1e7)) / 3)


def test_one_class_in_training_is_the_answer_to_everything(tmp_path):
    images, labels = corners(40, classes=2)
    zeros = np.flatnonzero(labels == 0)[:10].astype(np.int32)
    record = publish(
        RunStore(tmp_path), a_table(images, labels, 2), Splits(zeros, np.arange(30, 35), np.arange(35, 40))
    )
    assert record.arrays("predictions.npz")["test_predicted"].tolist() == [0] * 5


def test_images_of_one_colour_and_few_of_them_do_not_disturb(tmp_path):
    images, labels = corners(12)
    images[:, :8] = 7
    record = publish(RunStore(tmp_path), a_table(images, labels, 3), parts(6, 3, 3))
    assert set(record.arrays("predictions.npz")["test_predicted"].tolist()) <= {0, 1, 2}


def test_nothing_to_fit_on_is_said(tmp_path):
    images, labels = corners(12)
    with pytest.raises(DataError, match="no training image"):
        publish(RunStore(tmp_path), a_table(images, labels, 3), parts(0, 6, 6))


def test_the_same_again_is_read_and_made_anew_is_the_same(tmp_path, monkeypatch):
    images, labels = corners(120)
    table, splits = a_table(images, labels, 3), parts(60, 30, 30)
    store = RunStore(tmp_path / "a")
    record = publish(store, table, splits)
    other = publish(RunStore(tmp_path / "b"), table, splits)
    for key, value in record.arrays("predictions.npz").items():
        np.testing.assert_array_equal(value, other.arrays("predictions.npz")[key])
    assert {**record.manifest, "seconds": 0, "created": 0} == {**other.manifest, "seconds": 0, "created": 0}
    monkeypatch.setattr(baseline, "_linear", None)  # not called again
    assert publish(store, table, splits).manifest == record.manifest
    assert store.ids("baseline") == [record.id]


def test_its_identity_is_of_images_and_division():
    mine = baseline_id("toy", SPEC, "ab" * 32)
    split = SPEC.split.model_copy(update={"seed": 1})
    others = [
        baseline_id("toy", SPEC, "cd" * 32),
        baseline_id("toy", SPEC.model_copy(update={"split": split}), "ab" * 32),
        baseline_id("toy", SPEC.model_copy(update={"image_size": 32}), "ab" * 32),
    ]
    assert len({mine, *others}) == 4 and mine.startswith("toy-")
    assert baseline_id("toy", SPEC.model_copy(update={"title": "Toys"}), "ab" * 32) == mine


def test_no_framework_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from tests.test_baseline import a_table, corners, parts, publish\n"
        "from cnnlab.store.store import RunStore\n"
        "images, labels = corners(30)\n"
        "publish(RunStore(Path(sys.argv[1])), a_table(images, labels, 3), parts(18, 6, 6))\n"
        "print(sorted({'tensorflow', 'keras', 'torch', 'jax'} & {name.split('.')[0] for name in sys.modules}))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == "[]"
