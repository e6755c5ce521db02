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
from cnnlab.datasets.table import MOST_SOURCES, VALIDATION, Finding, ImageTable, silent
from cnnlab.errors import DataError
from cnnlab.identity import hash8
from cnnlab.spec import SPLITS, DatasetSpec
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

    A damaged one is set aside; one whose wording (title, credit, stand-in) or findings have changed is replaced. Raises
    DataError: a record of the same images exists whose rows or splits differ; StoreError: the record cannot be written.
    """
    identifier, about = record_id(name, spec, table.fingerprint), table.about
    fields = {
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
    findings = _json([asdict(finding) for finding in (*table.findings, *leak_findings(table, splits))])
    rows: dict[str, Any] = {split: getattr(splits, split).astype(np.int32) for split in SPLITS}
    rows["labels"] = table.labels.astype(np.int32)

    def write(folder: Path) -> Mapping[str, Any]:
        (folder / "findings.json").write_bytes(findings)
        np.savez_compressed(folder / "splits.npz", **rows)
        _write_classes(folder, table, rows, spec.split.seed)
        leaks, shown = splits.leaks, splits.leaks[:SHOWN_LEAKS]
        images, labels = table.images[shown], rows["labels"][shown]
        np.savez_compressed(folder / "leaks.npz", pairs=leaks, exact=_exact(table, leaks), images=images, labels=labels)
        return fields

    with store.lock(identifier):  # two labs that replace the same record at once would trip over each other
        if store.sound("dataset", identifier, silent):
            old = store.read("dataset", identifier)
            arrays, names = old.arrays("splits.npz"), [entry["name"] for entry in old.json("classes.json")]
            if names != list(table.classes) or not all(np.array_equal(arrays[key], rows[key]) for key in rows):
                what = "the same images were recorded before with other classes or another division"
                hint = "give the data set another name in the lab, or remove that record"
                raise DataError(what, where=old.folder, hint=hint)
            same = all(old.manifest.get(key) == value for key, value in fields.items())
            if same and old.bytes("findings.json") == findings:
                return old
        return store.publish("dataset", identifier, write, replace=True)


def _write_classes(folder: Path, table: ImageTable, rows: Mapping[str, np.ndarray], seed: int) -> None:
    """`classes.json`, how many images of each class there are, and `exhibits.npz`, a few training images of each."""
    parts = {"images": np.arange(len(table.labels)), **{split: rows[split] for split in SPLITS}}
    counts = {key: np.bincount(table.labels[own], minlength=len(table.classes)) for key, own in parts.items()}
    classes = [
        {"index": index, "id": identifier, "name": name, **{key: int(each[index]) for key, each in counts.items()}}
        for index, (identifier, name) in enumerate(zip(table.ids or table.classes, table.classes, strict=True))
    ]
    (folder / "classes.json").write_bytes(_json(classes))
    each = EXHIBITS_OF_MANY if len(classes) > MANY_CLASSES else EXHIBITS_A_CLASS
    train, labels, random = rows["train"], rows["labels"][rows["train"]], np.random.RandomState(seed % 2**32)
    chosen = [random.permutation(train[labels == label])[:each] for label in range(len(classes))]
    ids = np.concatenate(chosen).astype(np.int32)
    np.savez_compressed(folder / "exhibits.npz", images=table.images[ids], ids=ids, labels=rows["labels"][ids])


def leak_findings(table: ImageTable, splits: Splits) -> tuple[Finding, ...]:
    """The finding "leak" when images of validation or test have a copy among those seen before."""
    rows, copies = splits.leaks.T
    if not len(rows):
        return ()
    other, exact = int((table.labels[rows] != table.labels[copies]).sum()), int(_exact(table, splits.leaks).sum())
    detail = {"exact": exact, "other_label": other, "excluded": int(splits.leaks_excluded)}
    sources = tuple(f"{table.sources[row]} = {table.sources[copy]}" for row, copy in splits.leaks[:MOST_SOURCES])
    return (Finding("leak", "info" if splits.leaks_excluded else "warning", len(rows), detail, sources),)


def _exact(table: ImageTable, pairs: np.ndarray) -> np.ndarray:
    twins = np.arange(len(table.labels)) if table.twins is None else table.twins
    return np.asarray(twins[pairs[:, 0]] == twins[pairs[:, 1]])


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode()
