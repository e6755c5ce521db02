"""Which test images an evaluation shows: typical successes and failures of each class, and the surest mistakes."""

from __future__ import annotations

import numpy as np

_PER_CLASS, _MISTAKES, _MANY_CLASSES, _EXTREMES = 4, 12, 25, 5


def choose(predicted: np.ndarray, confidence: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Positions, each once, of the test images to keep.

    Up to 4 right and 4 wrong images of each class, most confident first (of the 5 worst and 5 best classes only, where
    there are more than 25), then the 12 most confident mistakes of all.

    Args:
        predicted, confidence, labels: (N,): predicted class, its probability, true class.
    """
    order = np.argsort(-confidence.astype(np.float64), kind="stable")
    right = predicted[order] == labels[order]
    groups = [
        order[(labels[order] == label) & (right == correct)][:_PER_CLASS]
        for label in _shown_classes(predicted, labels, classes)
        for correct in (True, False)
    ]
    chosen = np.concatenate([*groups, order[~right][:_MISTAKES]])
    _, first = np.unique(chosen, return_index=True)
    return chosen[np.sort(first)].astype(np.int64)


def _shown_classes(predicted: np.ndarray, labels: np.ndarray, classes: int) -> list[int]:
    """All classes, or the 5 worst and 5 best by accuracy (ties by index) of those that have test images."""
    if classes <= _MANY_CLASSES:
        return list(range(classes))
    counts = np.bincount(labels, minlength=classes)
    hits = np.bincount(labels[predicted == labels], minlength=classes)
    present = np.flatnonzero(counts)
    ranked = present[np.argsort(hits[present] / counts[present], kind="stable")]
    return [int(label) for label in dict.fromkeys([*ranked[:_EXTREMES], *ranked[-_EXTREMES:]])]
