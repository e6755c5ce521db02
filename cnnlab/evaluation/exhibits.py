"""Which test images an evaluation shows: typical successes and failures of each class, and the surest mistakes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_PER_CLASS, _MISTAKES, _MANY_CLASSES, _EXTREMES = 4, 12, 25, 5


def choose(predicted: np.ndarray, confidence: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Positions, each once, of the test images to keep.

    Up to 4 right and 4 wrong images of each class, most confident first (of the 5 worst and 5 best classes only, where
    there are more than 25), then the 12 most confident mistakes of all.

    Args:
        predicted, confidence, labels: (N,): predicted class, its probability, true class.
        classes: names of the classes.
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


def _shown_classes(predicted: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> list[int]:
    """All classes, or the 5 best and 5 worst by accuracy of those that have test images.

    Ties are in the order of the names, as reports rank them: the images kept have to be those of the class they name.
    """
    if len(classes) <= _MANY_CLASSES:
        return list(range(len(classes)))
    counts = np.bincount(labels, minlength=len(classes))
    hits = np.bincount(labels[predicted == labels], minlength=len(classes))
    ranked = sorted(np.flatnonzero(counts).tolist(), key=lambda i: (-hits[i] / counts[i], classes[i]))
    return list(dict.fromkeys([*ranked[:_EXTREMES], *ranked[-_EXTREMES:]]))
