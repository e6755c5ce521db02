"""The published record of a data set: its files as agreed, made once, made again when damaged, never contradicted."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnlab.datasets.record import publish_dataset, record_id
from cnnlab.datasets.split import Splits, split_table
from cnnlab.datasets.table import DatasetAbout, Finding, ImageTable
from cnnlab.errors import DataError
from cnnlab.identity import hash8
from cnnlab.spec import DatasetSpec, Split
from cnnlab.store.store import RunStore

SPEC = DatasetSpec(
    reader="folder", image_size=16, split=Split(train=0.6, validation=0.2, test=0.2, seed=5), stand_in_for="photographs"
)


def table_of(classes: int = 3, each: int = 20) -> ImageTable:
    """Random images; rows 0 and 1 are twins."""
    random = np.random.RandomState(0)
    total = classes * each
    images = random.randint(0, 256, (total, 16, 16, 3)).astype(np.uint8)
    images[1] = images[0]
    twins = np.arange(total, dtype=np.int32)
    twins[1] = 0
    return ImageTable(
        images=images,
        labels=(np.arange(total) // 2 % classes).astype(np.int32),
        classes=tuple(f"class «{label}»" for label in range(classes)),
        sources=tuple(f"{row}.png" for row in range(total)),
        official=np.full(total, -1, np.int8),
        fingerprint="ab" * 32,
        about=DatasetAbout("A test", "nobody", "https://example.org", "folder a", 20, 30, 3),
        findings=(
            Finding("resized", "info", total, {"to": "16x16"}),
            Finding("duplicate", "warning", 1, {"groups": 1, "with_other_label": 0}, ("1.png",)),
        ),
        twins=twins,
    )


def splits_of(table: ImageTable) -> Splits:
    return split_table(table.labels, table.classes, SPEC.split)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_the_name_tells_data_size_and_split_apart(store: RunStore) -> None:
    table = table_of()
    record = publish_dataset(store, "mine", SPEC, table, splits_of(table))
    assert record.id == f"mine-abababab-{hash8(SPEC.identity())}" == record_id("mine", SPEC, table.fingerprint)
    assert record.folder == store.root / "datasets" / record.id
    others: list[dict[str, Any]] = [{"image_size": 32}, {"fit": "pad"}, {"split": Split(seed=6)}]
    ids = {record_id("mine", SPEC.model_copy(update=change), table.fingerprint) for change in others}
    assert len(ids | {record.id}) == 4
    assert record_id("mine", SPEC.model_copy(update={"title": "T"}), table.fingerprint) == record.id


def test_the_manifest(store: RunStore) -> None:
    table = table_of()
    manifest = publish_dataset(store, "mine", SPEC, table, splits_of(table)).manifest
    expected = {
        "format": 1,
        "kind": "dataset",
        "status": "done",
        "fingerprint": "ab" * 32,
        "name": "mine",
        "title": "A test",
        "credit": "nobody",
        "homepage": "https://example.org",
        "stand_in_for": "photographs",
        "image_size": 16,
        "fit": "crop",
        "images": 60,
        "classes": 3,
        "original": {"height": 20, "width": 30, "channels": 3},
        "source": "folder a",
        "near_searched": False,
        "split": SPEC.split.model_dump(mode="json"),
        "validation_drawn": True,
        "test_is_validation": False,
    }
    assert {key: manifest[key] for key in expected} == expected
    assert sorted(manifest["files"]) == ["classes.json", "exhibits.npz", "findings.json", "leaks.npz", "splits.npz"]


def test_the_manifest_says_whose_validation_and_test_images_they_are(store: RunStore) -> None:
    official = np.zeros(60, np.int8)
    official[10:20] = 1
    table = replace(table_of(), official=official)
    rows = np.arange(60, dtype=np.int32)
    for name, validation, test, expected in (
        ("drawn", rows[:5], rows[10:20], (True, True)),
        ("theirs", rows[10:20], rows[:5], (False, False)),
    ):
        manifest = publish_dataset(store, name, SPEC, table, Splits(rows[20:], validation, test)).manifest
        assert (manifest["validation_drawn"], manifest["test_is_validation"]) == expected


def test_the_lab_may_word_title_and_credit(store: RunStore) -> None:
    table = table_of()
    spec = SPEC.model_copy(update={"title": "Hands", "credit": "me"})
    manifest = publish_dataset(store, "mine", spec, table, splits_of(table)).manifest
    assert (manifest["title"], manifest["credit"]) == ("Hands", "me")


def test_classes_and_splits(store: RunStore) -> None:
    table = table_of()
    splits = splits_of(table)
    record = publish_dataset(store, "mine", SPEC, table, splits)
    assert record.json("classes.json")[1] == {
        "index": 1,
        "id": "class «1»",
        "name": "class «1»",
        "images": 20,
        "train": 12,
        "validation": 4,
        "test": 4,
    }
    arrays = record.arrays("splits.npz")
    assert sorted(arrays) == ["labels", "test", "train", "validation"]
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.int32)}
    assert np.array_equal(arrays["labels"], table.labels)
    assert np.array_equal(arrays["test"], splits.test)


def leaky(*, excluded: bool) -> Splits:
    """Row 0 of validation and row 1 of test are the same image; row 2 of test is much like row 59 of training."""
    rows = np.arange(60, dtype=np.int32)
    leaks = np.array([[1, 0], [2, 59]], dtype=np.int32)
    test = rows[3:5] if excluded else rows[1:5]
    return Splits(train=rows[5:], validation=rows[:1], test=test, leaks=leaks, leaks_excluded=excluded)


def test_leaks_are_listed_with_their_pictures(store: RunStore) -> None:
    table = table_of()
    record = publish_dataset(store, "kept", SPEC, table, leaky(excluded=False))
    leak = record.json("findings.json")[-1]
    assert (leak["kind"], leak["severity"], leak["count"]) == ("leak", "warning", 2)
    assert leak["detail"] == {"exact": 1, "other_label": 1, "excluded": 0}
    assert leak["sources"] == ["1.png = 0.png", "2.png = 59.png"]
    arrays = record.arrays("leaks.npz")
    assert arrays["pairs"].tolist() == [[1, 0], [2, 59]] and arrays["exact"].tolist() == [True, False]
    assert np.array_equal(arrays["images"], table.images[[[1, 0], [2, 59]]])
    assert arrays["labels"].tolist() == table.labels[[[1, 0], [2, 59]]].tolist()
    left_out = publish_dataset(store, "excluded", SPEC, table, leaky(excluded=True)).json("findings.json")[-1]
    assert left_out["severity"] == "info" and left_out["detail"]["excluded"] == 1


def test_no_leaks_are_an_empty_file(store: RunStore) -> None:
    table = table_of()
    record = publish_dataset(store, "mine", SPEC, table, splits_of(table))
    assert [finding["kind"] for finding in record.json("findings.json")] == ["resized", "duplicate"]
    arrays = record.arrays("leaks.npz")
    assert arrays["pairs"].shape == (0, 2) and arrays["images"].shape == (0, 2, 16, 16, 3)


@pytest.mark.parametrize(("classes", "each"), [(3, 4), (25, 4), (26, 2)])
def test_exhibits_are_training_images_of_every_class(store: RunStore, classes: int, each: int) -> None:
    table = table_of(classes)
    splits = splits_of(table)
    shown = publish_dataset(store, "mine", SPEC, table, splits).arrays("exhibits.npz")
    assert shown["images"].shape == (classes * each, 16, 16, 3) and shown["images"].dtype == np.uint8
    assert shown["labels"].tolist() == [label for label in range(classes) for _ in range(each)]
    assert shown["ids"].dtype == shown["labels"].dtype == np.int32
    assert set(shown["ids"]) <= set(splits.train) and len(set(shown["ids"])) == classes * each
    assert np.array_equal(shown["images"], table.images[shown["ids"]])


def test_published_once(store: RunStore) -> None:
    table = table_of()
    first = publish_dataset(store, "mine", SPEC, table, splits_of(table))
    before = (first.folder / "manifest.json").stat()
    again = publish_dataset(store, "mine", SPEC, table, splits_of(table))
    assert again.manifest == first.manifest
    assert (first.folder / "manifest.json").stat().st_ino == before.st_ino


def test_other_words_or_findings_replace_the_record(store: RunStore) -> None:
    table = table_of()
    publish_dataset(store, "mine", SPEC, table, splits_of(table))
    titled = publish_dataset(store, "mine", SPEC.model_copy(update={"title": "New"}), table, splits_of(table))
    assert titled.manifest["title"] == "New"
    quiet = dataclasses.replace(table, findings=())
    assert publish_dataset(store, "mine", SPEC, quiet, splits_of(quiet)).json("findings.json") == []


@pytest.mark.parametrize("name", ["splits.npz", "classes.json", "findings.json", "exhibits.npz", "manifest.json"])
def test_a_damaged_record_is_made_again(store: RunStore, name: str) -> None:
    table = table_of()
    record = publish_dataset(store, "mine", SPEC, table, splits_of(table))
    (record.folder / name).write_bytes(b"garbage")
    again = publish_dataset(store, "mine", SPEC, table, splits_of(table))
    assert again.manifest["files"] == record.manifest["files"]
    for file in record.manifest["files"]:
        again.bytes(file)


def test_a_record_of_a_newer_version_is_set_aside(store: RunStore) -> None:
    table = table_of()
    record = publish_dataset(store, "mine", SPEC, table, splits_of(table))
    path = record.folder / "manifest.json"
    path.write_text(json.dumps({**record.manifest, "format": 2}))
    assert publish_dataset(store, "mine", SPEC, table, splits_of(table)).manifest["format"] == 1
    (kept,) = store.put_away()
    assert json.loads((kept / "manifest.json").read_text())["format"] == 2


def test_the_same_images_divided_otherwise_are_refused(store: RunStore) -> None:
    table = table_of()
    publish_dataset(store, "mine", SPEC, table, splits_of(table))
    other = split_table(table.labels, table.classes, Split(train=0.6, validation=0.2, test=0.2, seed=6))
    with pytest.raises(DataError, match="another division"):
        publish_dataset(store, "mine", SPEC, table, other)
