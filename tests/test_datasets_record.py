"""The published record of a data set: its files as agreed, made once, made again when damaged, never contradicted."""

from __future__ import annotations

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
from cnnlab.store.record import Record
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


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def publish(
    store: RunStore,
    table: ImageTable | None = None,
    splits: Splits | None = None,
    *,
    name: str = "mine",
    **changes: Any,
) -> Record:
    """The record of a table as the lab divides it, `changes` made to its spec."""
    table = table or table_of()
    splits = splits or split_table(table.labels, table.classes, SPEC.split)
    return publish_dataset(store, name, SPEC.model_copy(update=changes), table, splits)


def test_the_name_tells_data_size_and_split_apart(store: RunStore) -> None:
    record = publish(store)
    assert record.id == f"mine-abababab-{hash8(SPEC.identity())}" == record_id("mine", SPEC, "ab" * 32)
    assert record.folder == store.root / "datasets" / record.id
    others: list[dict[str, Any]] = [{"image_size": 32}, {"fit": "pad"}, {"split": Split(seed=6)}]
    assert len({record_id("mine", SPEC.model_copy(update=change), "ab" * 32) for change in others} | {record.id}) == 4
    assert record_id("mine", SPEC.model_copy(update={"title": "T"}), "ab" * 32) == record.id


def test_what_is_recorded(store: RunStore) -> None:
    table = table_of()
    record, splits = publish(store, table), split_table(table.labels, table.classes, SPEC.split)
    expected = {
        "format": 1, "kind": "dataset", "status": "done", "fingerprint": "ab" * 32, "name": "mine", "title": "A test",
        "credit": "nobody", "homepage": "https://example.org", "stand_in_for": "photographs", "image_size": 16,
        "fit": "crop", "images": 60, "classes": 3, "original": {"height": 20, "width": 30, "channels": 3},
        "source": "folder a", "near_searched": False, "split": SPEC.split.model_dump(mode="json"),
        "validation_drawn": True, "test_is_validation": False,
    }  # fmt: skip
    assert {key: record.manifest[key] for key in expected} == expected
    names = ["classes.json", "exhibits.npz", "findings.json", "leaks.npz", "splits.npz"]
    assert sorted(record.manifest["files"]) == names
    counts = {"images": 20, "train": 12, "validation": 4, "test": 4}
    assert record.json("classes.json")[1] == {"index": 1, "id": "class «1»", "name": "class «1»", **counts}
    assert [finding["kind"] for finding in record.json("findings.json")] == ["resized", "duplicate"]
    arrays, leaks = record.arrays("splits.npz"), record.arrays("leaks.npz")
    assert sorted(arrays) == ["labels", "test", "train", "validation"]
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.int32)}
    assert np.array_equal(arrays["labels"], table.labels) and np.array_equal(arrays["test"], splits.test)
    assert leaks["pairs"].shape == (0, 2) and leaks["images"].shape == (0, 2, 16, 16, 3)


def test_the_manifest_says_whose_validation_and_test_images_they_are(store: RunStore) -> None:
    official = np.zeros(60, np.int8)
    official[10:20] = 1
    table, rows = replace(table_of(), official=official), np.arange(60, dtype=np.int32)
    for name, validation, test, expected in (
        ("drawn", rows[:5], rows[10:20], (True, True)),
        ("theirs", rows[10:20], rows[:5], (False, False)),
    ):
        manifest = publish(store, table, Splits(rows[20:], validation, test), name=name).manifest
        assert (manifest["validation_drawn"], manifest["test_is_validation"]) == expected


@pytest.mark.parametrize("excluded", [False, True])
def test_leaks_are_listed_with_their_pictures(store: RunStore, excluded: bool) -> None:
    """Row 0 of validation and row 1 of test are the same image; row 2 of test is much like row 59 of training."""
    table, rows = table_of(), np.arange(60, dtype=np.int32)
    leaks = np.array([[1, 0], [2, 59]], dtype=np.int32)
    record = publish(store, table, Splits(rows[5:], rows[:1], rows[3 if excluded else 1 : 5], leaks, excluded))
    assert record.json("findings.json")[-1] == {
        "kind": "leak", "severity": "info" if excluded else "warning", "count": 2,
        "detail": {"exact": 1, "other_label": 1, "excluded": int(excluded)},
        "sources": ["1.png = 0.png", "2.png = 59.png"],
    }  # fmt: skip
    arrays = record.arrays("leaks.npz")
    assert arrays["pairs"].tolist() == leaks.tolist() and arrays["exact"].tolist() == [True, False]
    assert np.array_equal(arrays["images"], table.images[leaks])
    assert arrays["labels"].tolist() == table.labels[leaks].tolist()


@pytest.mark.parametrize(("classes", "each"), [(3, 4), (25, 4), (26, 2)])
def test_exhibits_are_training_images_of_every_class(store: RunStore, classes: int, each: int) -> None:
    table = table_of(classes)
    record = publish(store, table)
    shown, train = record.arrays("exhibits.npz"), record.arrays("splits.npz")["train"]
    assert shown["images"].shape == (classes * each, 16, 16, 3) and shown["images"].dtype == np.uint8
    assert shown["labels"].tolist() == [label for label in range(classes) for _ in range(each)]
    assert shown["ids"].dtype == shown["labels"].dtype == np.int32
    assert set(shown["ids"]) <= set(train) and len(set(shown["ids"])) == classes * each
    assert np.array_equal(shown["images"], table.images[shown["ids"]])


def test_published_once_unless_words_or_findings_are_others(store: RunStore) -> None:
    first = publish(store)
    before = (first.folder / "manifest.json").stat()
    assert publish(store).manifest == first.manifest
    assert (first.folder / "manifest.json").stat().st_ino == before.st_ino
    manifest = publish(store, title="Hands", credit="me").manifest
    assert (manifest["title"], manifest["credit"]) == ("Hands", "me")
    assert publish(store, replace(table_of(), findings=())).json("findings.json") == []


@pytest.mark.parametrize("name", ["splits.npz", "classes.json", "findings.json", "exhibits.npz", "manifest.json"])
def test_a_damaged_record_is_made_again(store: RunStore, name: str) -> None:
    record = publish(store)
    (record.folder / name).write_bytes(b"garbage")
    again = publish(store)
    assert again.manifest["files"] == record.manifest["files"] and store.damage("dataset", record.id) is None


def test_a_record_of_a_newer_version_is_set_aside(store: RunStore) -> None:
    record = publish(store)
    (record.folder / "manifest.json").write_text(json.dumps({**record.manifest, "format": 2}))
    assert publish(store).manifest["format"] == 1
    (kept,) = (store.root / ".damaged").iterdir()
    assert json.loads((kept / "manifest.json").read_text())["format"] == 2


def test_the_same_images_divided_otherwise_are_refused(store: RunStore) -> None:
    publish(store)
    table = table_of()
    other = split_table(table.labels, table.classes, Split(train=0.6, validation=0.2, test=0.2, seed=6))
    for changed, splits in ((table, other), (replace(table, classes=("a", "b", "c")), None)):
        with pytest.raises(DataError, match="another division"):
            publish(store, changed, splits)
