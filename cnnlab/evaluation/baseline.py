"""What needs no network: a linear classifier of tiny thumbnails, and always giving the same answer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnlab.errors import DataError
from cnnlab.identity import hash8
from cnnlab.spec import SPLITS, DatasetSpec
from cnnlab.store.record import Record
from cnnlab.store.store import RunStore

if TYPE_CHECKING:
    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable

METHOD, SIDE = "ridge classifier on 8x8 mean colours", 8

STRENGTHS = (1.0, 10.0, 100.0, 1e3, 1e4)
"""Of regularisation, among which the validation images choose."""

_VERSION = 2
"""Bumped by hand when the same images would give other numbers."""

_CHUNK_VALUES = 1 << 22
_LEAST_PROBABILITY = 1e-7  # as in the loss of the networks


def baseline_id(name: str, spec: DatasetSpec, fingerprint: str) -> str:
    """`<name>-<hash8>`: the record of the baselines of a data set, divided as `spec` says."""
    return f"{name}-{hash8({'data': spec.identity(), 'fingerprint': fingerprint, 'version': _VERSION})}"


def publish_baseline(store: RunStore, name: str, spec: DatasetSpec, table: ImageTable, splits: Splits) -> Record:
    """Fit the baselines on training images, measure them on validation and test, and publish the result.

    The linear one is scikit-learn's `RidgeClassifier` on the mean colours of an 8x8 grid, standardised by the training
    images; of the strengths the one best on validation is kept, the greatest of equals. It is fitted on training images
    alone.

    Returns:
        The record, the one already there if there is one. `predictions.npz`: `validation_predicted`,
        `validation_labels`, `test_predicted`, `test_labels`, int32, rows in the order of the split. The manifest's
        `constant` is of always answering the most frequent training class: accuracies in [0, 1], and the cross entropy
        in nats on validation of answering the training class frequencies (none below 1e-7). What is measured on a split
        without images is None.

    Raises:
        DataError: there is no training image.
    """
    record_id, classes = baseline_id(name, spec, table.fingerprint), len(table.classes)
    with store.lock(record_id):
        if store.has("baseline", record_id):
            return store.read("baseline", record_id)
        if not len(splits.train):
            raise DataError("there is no training image to fit a baseline on", where=f"datasets.{name}.split")
        started = time.perf_counter()
        labels = {part: table.labels[getattr(splits, part)].astype(np.int32) for part in SPLITS}
        strength, predicted = _linear(
            {part: thumbnails(table.images, getattr(splits, part)) for part in SPLITS}, labels
        )
        frequencies = np.bincount(labels["train"], minlength=classes) / len(labels["train"])
        losses = -np.log(np.maximum(frequencies, _LEAST_PROBABILITY))[labels["validation"]]
        right = {part: labels[part] == frequencies.argmax() for part in SPLITS}
        constant: dict[str, Any] = {"label": int(frequencies.argmax())}
        for key, values in (
            ("loss", losses), ("accuracy_test", right["test"]), ("accuracy_validation", right["validation"]),
        ):  # fmt: skip
            constant[key] = float(values.mean()) if len(values) else None

        def write(folder: Path) -> dict[str, Any]:
            arrays: dict[str, Any] = {f"{part}_predicted": one for part, one in predicted.items()}
            arrays |= {f"{part}_labels": labels[part] for part in predicted}
            np.savez_compressed(folder / "predictions.npz", **arrays)
            return {
                "dataset": name, "fingerprint": table.fingerprint, "split": spec.identity(), "method": METHOD,
                "side": SIDE, "strength": strength, "classes": classes, "constant": constant,
                "seconds": round(time.perf_counter() - started, 3),
            }  # fmt: skip

        return store.publish("baseline", record_id, write)


def thumbnails(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Mean colours of the cells of an 8x8 grid: float32 (len(rows), 192), 0 to 255.

    A pixel across the border of two cells counts in both, by area. Images are read a few at a time.

    Args:
        images: uint8 (N, S, S, 3), perhaps memory-mapped.
    """
    size = images.shape[1]
    edges, pixels = np.arange(SIDE + 1) * size / SIDE, np.arange(size)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    areas = (np.clip(shared, 0, None) * SIDE / size).astype(np.float32)  # (8, S), rows add up to 1
    chunk = max(1, _CHUNK_VALUES // (size * size * 3))
    parts = [np.empty((0, SIDE * SIDE * 3), np.float32)]
    for start in range(0, len(rows), chunk):
        some = images[rows[start : start + chunk]].astype(np.float32)
        bands = areas @ some.reshape(len(some), size, size * 3)
        parts.append((areas @ bands.reshape(len(some), SIDE, size, 3)).reshape(len(some), -1))
    return np.concatenate(parts)


def _linear(thumbs: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> tuple[float, dict[str, np.ndarray]]:
    """The strength that is best on validation, and what it predicts of validation and test, int32."""
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import RidgeClassifier

    seen = {part: values.astype(np.float64) for part, values in thumbs.items()}
    mean, deviation = seen["train"].mean(axis=0), seen["train"].std(axis=0)
    deviation[deviation < 1e-3] = 1  # a cell of one colour throughout, whose deviation is rounding
    for values in seen.values():
        values -= mean
        values /= deviation
    one_class = len(np.unique(labels["train"])) == 1  # which leaves nothing to separate
    found: list[tuple[int, float, dict[str, np.ndarray]]] = []
    for strength in STRENGTHS:
        model = DummyClassifier() if one_class else RidgeClassifier(alpha=strength, solver="cholesky")
        model.fit(seen["train"], labels["train"])
        answers = {
            part: np.asarray(model.predict(seen[part]) if len(seen[part]) else [], np.int32) for part in SPLITS[1:]
        }
        found.append((int((answers["validation"] == labels["validation"]).sum()), strength, answers))
    _, strength, answers = max(found, key=lambda one: one[:2])
    return strength, answers
