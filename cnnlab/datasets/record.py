"""Publish what the report needs to know of a data set, so that it needs no image but a handful of examples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.datasets.lookalikes import LEAST_SIDE
from cnnlab.datasets.split import Splits
from cnnlab.datasets.table import MOST_SOURCES, VALIDATION, Finding, ImageTable
from cnnlab.errors import DataError, StoreError
from cnnlab.identity import hash8
from cnnlab.spec import FORMAT, SPLITS, DatasetSpec
from cnnlab.store.record import Record
from cnnlab.store.store import RunStore

EXHIBITS_A_CLASS, EXHIBITS_OF_MANY, MANY_CLASSES = 4, 2, 25
"""Examples kept of each class, fewer where there are more than `MANY_CLASSES`."""

SHOWN_LEAKS = 12
"""Pairs of a leaked image and its copy whose pixels are kept."""


def record_id(name: str, spec: DatasetSpec, fingerprint: str) -> str:
    """`<name>-<fingerprint8>-<hash8>`: one data set may be read at two sizes or splits."""
    return f"{name}-{fingerprint[:8]}-{hash8(spec.identity())}"


def publish_dataset(store: RunStore, name: str, spec: DatasetSpec, table: ImageTable, splits: Splits) -> Record:
    """The record of a data set as a lab uses it; one that is there already, and says the same, is returned.

    A record is replaced when it is damaged, or when its wording (title, credit, stand-in) or findings have changed.

    Raises:
        DataError: a record of the same images exists whose rows or splits differ.
        StoreError: the record cannot be written.
    """
    identifier = record_id(name, spec, table.fingerprint)
    with store.lock(identifier):  # two labs that replace the same record at once would trip over each other
        return _publish_locked(store, identifier, _fields(name, spec, table, splits), spec, table, splits)


def _publish_locked(
    store: RunStore, identifier: str, fields: dict[str, Any], spec: DatasetSpec, table: ImageTable, splits: Splits
) -> Record:
    findings = _json([_as_json(finding) for finding in (*table.findings, *leak_findings(table, splits))])
    if store.has("dataset", identifier):
        old = _intact(store, identifier)
        if old is not None:
            _check_same_rows(old, table, splits)
            if (
                all(old.manifest.get(key) == value for key, value in fields.items())
                and old.bytes("findings.json") == findings
            ):
                return old

    def write(folder: Path) -> Mapping[str, Any]:
        (folder / "classes.json").write_bytes(_json(_classes(table, splits)))
        (folder / "findings.json").write_bytes(findings)
        ids = {split: getattr(splits, split).astype(np.int32) for split in SPLITS}
        np.savez_compressed(folder / "splits.npz", **ids, labels=table.labels.astype(np.int32))
        shown = exhibits(table, splits, seed=spec.split.seed)
        np.savez_compressed(
            folder / "exhibits.npz", images=table.images[shown], ids=shown, labels=table.labels[shown].astype(np.int32)
        )
        leaks: dict[str, Any] = leak_arrays(table, splits)
        np.savez_compressed(folder / "leaks.npz", **leaks)
        return fields

    return store.publish("dataset", identifier, write, replace=True)


def _fields(name: str, spec: DatasetSpec, table: ImageTable, splits: Splits) -> dict[str, Any]:
    about = table.about
    return {
        "fingerprint": table.fingerprint,
        "name": name,
        "title": spec.title or about.title,
        "credit": spec.credit or about.credit,
        "homepage": about.homepage,
        "stand_in_for": spec.stand_in_for,
        "image_size": spec.image_size,
        "fit": spec.fit,
        "images": len(table.labels),
        "classes": len(table.classes),
        "original": {"height": about.height, "width": about.width, "channels": about.channels},
        "source": about.source,
        "near_searched": min(about.height, about.width) >= LEAST_SIDE,
        "split": spec.split.model_dump(mode="json"),
        "validation_drawn": bool((table.official[splits.validation] != VALIDATION).all()),
        "test_is_validation": bool((table.official[splits.test] == VALIDATION).all()),
    }


def _intact(store: RunStore, identifier: str) -> Record | None:
    """The published record, or None when it is damaged and has to be made again."""
    try:
        record = store.read("dataset", identifier)
        for file in ("classes.json", "splits.npz", "findings.json", "exhibits.npz", "leaks.npz"):
            record.bytes(file)
    except StoreError:
        if _written_by_newer(store, identifier):
            raise
        return None
    return record


def _written_by_newer(store: RunStore, identifier: str) -> bool:
    try:
        content = json.loads((store.folder("dataset", identifier) / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return False
    found = content.get("format") if isinstance(content, dict) else None
    return isinstance(found, int) and found > FORMAT


def _check_same_rows(old: Record, table: ImageTable, splits: Splits) -> None:
    arrays = old.arrays("splits.npz")
    names = [entry["name"] for entry in old.json("classes.json")]
    same = names == list(table.classes) and np.array_equal(arrays["labels"], table.labels)
    if not same or not all(np.array_equal(arrays[split], getattr(splits, split)) for split in SPLITS):
        raise DataError(
            "the same images were recorded before with other classes or another division",
            where=old.folder,
            hint="give the data set another name in the lab, or remove that record",
        )


def _classes(table: ImageTable, splits: Splits) -> list[dict[str, Any]]:
    def count(rows: np.ndarray) -> list[int]:
        return [int(n) for n in np.bincount(table.labels[rows], minlength=len(table.classes))]

    ids = table.ids or table.classes
    whole = count(np.arange(len(table.labels)))
    parts = {split: count(getattr(splits, split)) for split in SPLITS}
    return [
        {"index": i, "id": ids[i], "name": name, "images": whole[i], **{split: parts[split][i] for split in SPLITS}}
        for i, name in enumerate(table.classes)
    ]


def leak_findings(table: ImageTable, splits: Splits) -> tuple[Finding, ...]:
    """The finding "leak" when images of validation or test have a copy among those seen before."""
    rows = splits.leaks[:, 0]
    if not len(rows):
        return ()
    detail: dict[str, int | float | str] = {
        "exact": int(_exact(table, splits.leaks).sum()),
        "other_label": int((table.labels[splits.leaks[:, 0]] != table.labels[splits.leaks[:, 1]]).sum()),
        "excluded": int(splits.leaks_excluded),
    }
    sources = tuple(f"{table.sources[row]} = {table.sources[copy]}" for row, copy in splits.leaks[:MOST_SOURCES])
    return (Finding("leak", "info" if splits.leaks_excluded else "warning", len(rows), detail, sources),)


def leak_arrays(table: ImageTable, splits: Splits) -> dict[str, np.ndarray]:
    """`pairs` int32 (L, 2), leaked row and copy; `exact` bool (L,); of the first `SHOWN_LEAKS` of them, `images` uint8
    (n, 2, S, S, 3) and `labels` int32 (n, 2)."""
    shown = splits.leaks[:SHOWN_LEAKS]
    return {
        "pairs": splits.leaks,
        "exact": _exact(table, splits.leaks),
        "images": table.images[shown],
        "labels": table.labels[shown].astype(np.int32),
    }


def _exact(table: ImageTable, pairs: np.ndarray) -> np.ndarray:
    twins = np.arange(len(table.labels)) if table.twins is None else table.twins
    return np.asarray(twins[pairs[:, 0]] == twins[pairs[:, 1]])


def exhibits(table: ImageTable, splits: Splits, *, seed: int) -> np.ndarray:
    """Rows of a few training images of each class, int32, class by class, chosen by the seed."""
    each = EXHIBITS_OF_MANY if len(table.classes) > MANY_CLASSES else EXHIBITS_A_CLASS
    random = np.random.RandomState(seed % 2**32)
    labels = table.labels[splits.train]
    chosen = [random.permutation(splits.train[labels == label])[:each] for label in range(len(table.classes))]
    return np.concatenate(chosen).astype(np.int32)


def _as_json(finding: Finding) -> dict[str, Any]:
    return {**asdict(finding), "detail": dict(finding.detail), "sources": list(finding.sources)}


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode()
