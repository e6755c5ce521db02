"""Baselines: thumbnails pixel by pixel, problems whose answer is known, and the record's fields."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
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
Fit = Callable[..., Record]


def corners(count: int, classes: int = 3, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright square, in a place of its own for each class."""
    labels = np.arange(count) % classes
    images = np.random.default_rng(0).integers(0, 100, (count, size, size, 3), dtype=np.uint8)
    for label, (y, x) in enumerate([(0, 0), (0, 12), (12, 0), (12, 12)][:classes]):
        images[labels == label, y : y + 4, x : x + 4] += 100
    return images, labels


def parts(*sizes: int) -> Splits:
    return Splits(*(np.arange(a, b, dtype=np.int32) for a, b in pairwise(np.cumsum((0, *sizes)))))


def fit_in(store: RunStore, images: np.ndarray, labels: np.ndarray, splits: Splits) -> Record:
    """The record of baselines on a table of these images."""
    table = ImageTable(
        images=images, labels=np.asarray(labels, np.int32), classes=tuple(f"class {i}" for i in range(max(labels) + 1)),
        sources=tuple(map(str, range(len(images)))), official=np.full(len(images), NO_DIVISION, np.int8),
        fingerprint="ab" * 32, about=DatasetAbout("Toy", None, None, "here"), findings=(),
    )  # fmt: skip
    return publish_baseline(store, "toy", SPEC, table, splits)


@pytest.fixture
def fit(tmp_path: Path) -> Fit:
    return lambda *given: fit_in(RunStore(tmp_path), *given)


@pytest.mark.parametrize("size", [16, 84, 30, 17])
def test_thumbnails_are_mean_colours_by_area(size: int) -> None:
    images = np.random.default_rng(size).integers(0, 256, (5, size, size, 3), dtype=np.uint8)
    found = thumbnails(images, np.array([4, 0, 2])).reshape(3, 8, 8, 3)
    # Each pixel as 8x8 of them, of which every cell has a whole number.
    fine = images[[4, 0, 2]].astype(float).repeat(8, 1).repeat(8, 2)
    np.testing.assert_allclose(found, fine.reshape(3, 8, size, 8, size, 3).mean((2, 4)), atol=1e-3)
    assert found.dtype == np.float32 and thumbnails(images, np.arange(0)).shape == (0, 192)


def test_thumbnails_in_chunks_are_the_same_and_read_no_other_row(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(1).integers(0, 256, (50, 20, 20, 3), dtype=np.uint8)
    whole, asked = thumbnails(images, np.arange(50)), []

    class Watched:
        shape = images.shape

        def __getitem__(self, rows: np.ndarray) -> np.ndarray:
            asked.append(rows.tolist())
            return images[rows]

    monkeypatch.setattr(baseline, "_CHUNK_VALUES", 3 * 20 * 20 * 3)
    np.testing.assert_allclose(thumbnails(Watched(), np.arange(3, 11)), whole[3:11], rtol=1e-6)  # type: ignore[arg-type]
    assert asked == [[3, 4, 5], [6, 7, 8], [9, 10]]


def test_what_a_line_separates_is_all_right_by_the_strongest_of_equals(fit: Fit) -> None:
    images, labels = corners(120)
    splits = parts(60, 30, 30)
    record = fit(images, labels, splits)
    arrays, manifest = record.arrays("predictions.npz"), record.manifest
    assert sorted(arrays) == ["test_labels", "test_predicted", "validation_labels", "validation_predicted"]
    for part in ("validation", "test"):
        assert arrays[f"{part}_labels"].dtype == arrays[f"{part}_predicted"].dtype == np.int32
        np.testing.assert_array_equal(arrays[f"{part}_labels"], labels[getattr(splits, part)])
        np.testing.assert_array_equal(arrays[f"{part}_predicted"], arrays[f"{part}_labels"])
    assert record.id == baseline_id("toy", SPEC, "ab" * 32) == manifest["id"]
    own = {key: manifest[key] for key in set(manifest) - {"format", "kind", "id", "status", "created", "files"}}
    del own["seconds"], own["constant"]
    method = {"method": "ridge classifier on 8x8 mean colours", "side": 8, "strength": own["strength"], "classes": 3}
    assert own == {"dataset": "toy", "fingerprint": "ab" * 32, "split": SPEC.identity(), **method}
    assert own["strength"] == max(
        strength for strength in baseline.STRENGTHS if ridge(images, labels, splits, strength)[0] == 1
    )


def ridge(images: np.ndarray, labels: np.ndarray, splits: Splits, strength: float) -> tuple[float, np.ndarray]:
    """scikit-learn's accuracy on validation, and what it predicts of the test images of 16 px."""
    seen = images.reshape(len(images), 8, 2, 8, 2, 3).mean((2, 4)).reshape(len(images), -1)
    seen = StandardScaler().fit(seen[splits.train]).transform(seen)
    model = RidgeClassifier(alpha=strength).fit(seen[splits.train], labels[splits.train])
    return model.score(seen[splits.validation], labels[splits.validation]), model.predict(seen[splits.test])


def test_predictions_are_those_of_scikit_learn_with_the_strength_best_on_validation(fit: Fit) -> None:
    rng, splits = np.random.default_rng(2), parts(250, 90, 60)
    labels = rng.integers(0, 4, 400)
    noisy = np.clip(100 + 6 * labels[:, None, None, None] + rng.normal(0, 40, (400, 16, 16, 3)), 0, 255)
    images = noisy.astype(np.uint8)
    found = {strength: ridge(images, labels, splits, strength) for strength in baseline.STRENGTHS}
    best = max(found, key=lambda strength: (found[strength][0], strength))
    record = fit(images, labels, splits)
    assert len({right for right, _ in found.values()}) > 1 and record.manifest["strength"] == best
    np.testing.assert_array_equal(record.arrays("predictions.npz")["test_predicted"], found[best][1])


def test_always_the_same_answer_by_hand(fit: Fit) -> None:
    labels = np.concatenate([[0, 1, 1, 1, 2, 2], [1, 1, 0, 2], [1, 0, 2, 2, 2]])
    images = np.random.default_rng(3).integers(0, 256, (15, 16, 16, 3), dtype=np.uint8)
    constant = fit(images, labels, parts(6, 4, 5)).manifest["constant"]
    loss = (2 * math.log(2) + math.log(6) + math.log(3)) / 4
    assert constant == {"label": 1, "accuracy_validation": 0.5, "accuracy_test": 0.2, "loss": pytest.approx(loss)}


def test_small_and_lopsided_splits(tmp_path: Path) -> None:
    images, labels = corners(61)
    record = fit_in(RunStore(tmp_path / "no test image"), images, labels, parts(60, 1, 0))
    arrays = record.arrays("predictions.npz")
    assert arrays["validation_predicted"].tolist() == [0] and arrays["test_predicted"].shape == (0,)
    assert arrays["test_predicted"].dtype == arrays["test_labels"].dtype == np.int32
    constant = record.manifest["constant"]
    assert (constant["accuracy_test"], constant["accuracy_validation"]) == (None, 1.0)
    images, labels = corners(80, classes=4)
    # Class 3 is not in training: never predicted, and its frequency of 0 is taken as 1e-7.
    train, rest = np.flatnonzero(labels[:60] != 3), np.arange(60, 80)
    splits = Splits(train.astype(np.int32), rest[labels[rest] != 0].astype(np.int32), rest[labels[rest] != 1])
    record = fit_in(RunStore(tmp_path / "no such class"), images, labels, splits)
    arrays = record.arrays("predictions.npz")
    for part in ("validation", "test"):
        found, known = arrays[f"{part}_predicted"], arrays[f"{part}_labels"] != 3
        assert 3 not in found and not known.all()
        np.testing.assert_array_equal(found[known], arrays[f"{part}_labels"][known])
    assert record.manifest["constant"]["loss"] == pytest.approx((2 * math.log(3) + math.log(1e7)) / 3)
    zeros = np.flatnonzero(labels == 0)[:10].astype(np.int32)
    splits = Splits(zeros, np.arange(30, 35), np.arange(35, 40))
    record = fit_in(RunStore(tmp_path / "one class"), images, labels, splits)
    assert record.arrays("predictions.npz")["test_predicted"].tolist() == [0] * 5
    images, labels = corners(12)
    images[:, :8] = 7
    record = fit_in(RunStore(tmp_path / "one colour"), images, labels, parts(6, 3, 3))
    assert set(record.arrays("predictions.npz")["test_predicted"].tolist()) <= {0, 1, 2}
    with pytest.raises(DataError, match="no training image"):
        fit_in(RunStore(tmp_path / "nothing"), images, labels, parts(0, 6, 6))


def test_the_same_again_is_read_and_made_anew_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, store = (*corners(120), parts(60, 30, 30)), RunStore(tmp_path / "a")
    record, other = fit_in(store, *given), fit_in(RunStore(tmp_path / "b"), *given)
    for key, value in record.arrays("predictions.npz").items():
        np.testing.assert_array_equal(value, other.arrays("predictions.npz")[key])
    assert {**record.manifest, "seconds": 0, "created": 0} == {**other.manifest, "seconds": 0, "created": 0}
    monkeypatch.setattr(baseline, "_linear", None)  # not called again
    assert fit_in(store, *given).manifest == record.manifest and store.ids("baseline") == [record.id]


def test_its_identity_is_of_images_and_division() -> None:
    mine, split = baseline_id("toy", SPEC, "ab" * 32), SPEC.split.model_copy(update={"seed": 1})
    others = [SPEC.model_copy(update=one) for one in ({"split": split}, {"image_size": 32})]
    ids = {mine, baseline_id("toy", SPEC, "cd" * 32), *(baseline_id("toy", one, "ab" * 32) for one in others)}
    assert len(ids) == 4 and mine.startswith("toy-")
    assert baseline_id("toy", SPEC.model_copy(update={"title": "Toys"}), "ab" * 32) == mine


def test_no_framework_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from tests.test_baseline import RunStore, corners, fit_in, parts\n"
        "fit_in(RunStore(Path(sys.argv[1])), *corners(30), parts(18, 6, 6))\n"
        "print(sorted({'tensorflow', 'keras', 'torch', 'jax'} & {name.split('.')[0] for name in sys.modules}))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == "[]"
