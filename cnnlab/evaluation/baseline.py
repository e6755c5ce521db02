"""What needs no network: a linear classifier of tiny thumbnails, and always giving the same answer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnlab.errors import DataError
from cnnlab.evaluation.diversity import class_diversity
from cnnlab.identity import hash8
from cnnlab.spec import DatasetSpec
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
        without images is None. `diversity.npz`: `train`, how varied the training images of each class are, see
        `class_diversity`.

    Raises:
        DataError: there is no training image.
    """
    record_id = baseline_id(name, spec, table.fingerprint)
    with store.lock(record_id):
        if store.has("baseline", record_id):
            return store.read("baseline", record_id)
        if not len(splits.train):
            raise DataError("there is no training image to fit a baseline on", where=f"datasets.{name}.split")
        started = time.perf_counter()
        labels = {part: table.labels[getattr(splits, part)].astype(np.int32) for part in _PARTS}
        seen = {part: thumbnails(table.images, getattr(splits, part)) for part in _PARTS}
        diversity = class_diversity(seen["train"], labels["train"], len(table.classes))
        strength, predicted = _linear(seen, labels)
        fields = {
            "dataset": name,
            "fingerprint": table.fingerprint,
            "split": spec.identity(),
            "method": METHOD,
            "side": SIDE,
            "strength": strength,
            "classes": len(table.classes),
            "constant": _constant(labels, len(table.classes)),
        }

        def write(folder: Path) -> dict[str, Any]:
            arrays: dict[str, Any] = {}
            for part in _PARTS[1:]:
                arrays |= {f"{part}_predicted": predicted[part], f"{part}_labels": labels[part]}
            np.savez_compressed(folder / "predictions.npz", **arrays)
            np.savez_compressed(folder / "diversity.npz", train=diversity)
            return {**fields, "seconds": round(time.perf_counter() - started, 3)}

        return store.publish("baseline", record_id, write)


_PARTS = ("train", "validation", "test")


def thumbnails(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Mean colours of the cells of an 8x8 grid: float32 (len(rows), 192), 0 to 255.

    A pixel across the border of two cells counts in both, by area. Images are read a few at a time.

    Args:
        images: uint8 (N, S, S, 3), perhaps memory-mapped.
    """
    size = images.shape[1]
    areas = _areas(size)
    chunk = max(1, _CHUNK_VALUES // (size * size * 3))
    parts = [np.empty((0, SIDE * SIDE * 3), np.float32)]
    for start in range(0, len(rows), chunk):
        some = images[rows[start : start + chunk]].astype(np.float32)
        bands = areas @ some.reshape(len(some), size, size * 3)
        parts.append((areas @ bands.reshape(len(some), SIDE, size, 3)).reshape(len(some), -1))
    return np.concatenate(parts)


def _areas(size: int) -> np.ndarray:
    """float32 (8, S): the share of each cell that each pixel of a line of S takes up; rows add up to 1."""
    edges = np.arange(SIDE + 1) * size / SIDE
    pixels = np.arange(size)
    ends = np.minimum(edges[1:, None], pixels + 1)
    starts = np.maximum(edges[:-1, None], pixels)
    return (np.clip(ends - starts, 0, None) * SIDE / size).astype(np.float32)


def _linear(thumbs: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> tuple[float, dict[str, np.ndarray]]:
    """The strength that is best on validation, and what it predicts of validation and test, int32."""
    seen = {part: values.astype(np.float64) for part, values in thumbs.items()}
    mean, deviation = seen["train"].mean(axis=0), seen["train"].std(axis=0)
    deviation[deviation < 1e-3] = 1  # a cell of one colour throughout, whose deviation is rounding
    for values in seen.values():
        values -= mean
        values /= deviation
    best: tuple[int, float, Any] | None = None
    for strength in STRENGTHS:
        model = _fitted(seen["train"], labels["train"], strength)
        right = int((_predicted(model, seen["validation"]) == labels["validation"]).sum())
        if best is None or right >= best[0]:
            best = right, strength, model
    assert best is not None
    return best[1], {part: _predicted(best[2], seen[part]) for part in _PARTS[1:]}


def _fitted(seen: np.ndarray, labels: np.ndarray, strength: float) -> Any:
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import RidgeClassifier

    if len(np.unique(labels)) == 1:  # which leaves nothing to separate
        return DummyClassifier(strategy="most_frequent").fit(seen, labels)
    return RidgeClassifier(alpha=strength, solver="cholesky").fit(seen, labels)


def _predicted(model: Any, seen: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(seen) if len(seen) else [], np.int32)


def _constant(labels: dict[str, np.ndarray], classes: int) -> dict[str, Any]:
    frequencies = np.bincount(labels["train"], minlength=classes) / len(labels["train"])
    label = int(frequencies.argmax())
    losses = -np.log(np.maximum(frequencies, _LEAST_PROBABILITY))[labels["validation"]]
    return {
        "label": label,
        "loss": _mean(losses),
        "accuracy_test": _mean(labels["test"] == label),
        "accuracy_validation": _mean(labels["validation"] == label),
    }


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
