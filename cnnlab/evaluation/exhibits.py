"""Which test images an evaluation shows: typical successes and failures of each class, and what is taken for what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_PER_CLASS, _MISTAKES, _MANY_CLASSES, _EXTREMES = 4, 12, 15, 5
CONFUSIONS, EXAMPLES = 3, 3


def choose(predicted: np.ndarray, confidence: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Positions, each once, of the test images to keep.

    Up to 4 right and 4 wrong images of each class, most confident first (of the 5 worst and 5 best classes only, where
    there are more than 15), then the 12 most confident mistakes of all, then what `confusion_examples` gives: 159
    images at most.

    Args:
        predicted, confidence, labels: (N,): predicted class, its probability, true class.
        classes: names of the classes.
    """
    shown = _shown_classes(predicted, labels, classes)
    return _unique(_of_classes(predicted, confidence, labels, shown), _rest(predicted, confidence, labels, classes))


def explained(predicted: np.ndarray, confidence: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Positions, each once, of those images kept of which it is also kept where the network looks: 55 at most.

    Those of the best and of the worst class, the most confident mistakes, and the examples of confusions.

    Args:
        As `choose`.
    """
    ranked = _ranked(predicted, labels, classes)
    ends = list(dict.fromkeys([*ranked[:1], *ranked[-1:]]))
    return _unique(_of_classes(predicted, confidence, labels, ends), _rest(predicted, confidence, labels, classes))


def confusion_examples(predicted: np.ndarray, confidence: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Positions of images that show the 3 most frequent confusions, perhaps some twice.

    Of each confusion of A with B, most confident first: 3 images of A taken for B, 3 right ones of A and 3 of B.

    Args:
        predicted, confidence, labels: (N,); classes: how many.
    """
    order = _by_confidence(confidence)
    groups = [
        order[(labels[order] == label) & (predicted[order] == answer)][:EXAMPLES]
        for true, taken in _confusions(predicted, labels, classes)
        for label, answer in ((true, taken), (true, true), (taken, taken))
    ]
    return np.concatenate([*groups, order[:0]])


def _confusions(predicted: np.ndarray, labels: np.ndarray, classes: int) -> list[tuple[int, int]]:
    """The most frequent pairs of true and predicted class; ties in the order of the classes, as reports rank them."""
    wrong = predicted != labels
    pairs = labels[wrong].astype(np.int64) * classes + predicted[wrong]
    found, counts = np.unique(pairs, return_counts=True)
    chosen = found[np.argsort(-counts, kind="stable")[:CONFUSIONS]]
    return [(int(pair // classes), int(pair % classes)) for pair in chosen]


def _of_classes(
    predicted: np.ndarray, confidence: np.ndarray, labels: np.ndarray, shown: Sequence[int]
) -> list[np.ndarray]:
    order = _by_confidence(confidence)
    right = predicted[order] == labels[order]
    return [
        order[(labels[order] == label) & (right == correct)][:_PER_CLASS]
        for label in shown
        for correct in (True, False)
    ]


def _rest(
    predicted: np.ndarray, confidence: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> list[np.ndarray]:
    order = _by_confidence(confidence)
    mistakes = order[predicted[order] != labels[order]][:_MISTAKES]
    return [mistakes, confusion_examples(predicted, confidence, labels, len(classes))]


def _by_confidence(confidence: np.ndarray) -> np.ndarray:
    return np.argsort(-confidence.astype(np.float64), kind="stable")


def _unique(*groups: Sequence[np.ndarray]) -> np.ndarray:
    chosen = np.concatenate([part for group in groups for part in group])
    _, first = np.unique(chosen, return_index=True)
    return chosen[np.sort(first)].astype(np.int64)


def _shown_classes(predicted: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> list[int]:
    """All classes, or the 5 best and 5 worst by accuracy of those that have test images."""
    if len(classes) <= _MANY_CLASSES:
        return list(range(len(classes)))
    ranked = _ranked(predicted, labels, classes)
    return list(dict.fromkeys([*ranked[:_EXTREMES], *ranked[-_EXTREMES:]]))


def _ranked(predicted: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> list[int]:
    """The classes with test images by accuracy, the best first.

    Ties are in the order of the names, as reports rank them: the images kept have to be those of the class they name.
    """
    counts = np.bincount(labels, minlength=len(classes))
    hits = np.bincount(labels[predicted == labels], minlength=len(classes))
    return sorted(np.flatnonzero(counts).tolist(), key=lambda i: (-hits[i] / counts[i], classes[i]))
