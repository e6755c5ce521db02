"""Which test images an evaluation shows: typical successes and failures of each class, and what is taken for what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_PER_CLASS, _MISTAKES, _MANY_CLASSES, _EXTREMES = 4, 12, 15, 5
CONFUSIONS, EXAMPLES = 3, 3


def choose(
    predicted: np.ndarray, confidence: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Positions, each once, of the test images to keep, 159 at most, and of those of which it is also kept where the network
    looks, 55 at most.

    Up to 4 right and 4 wrong images of each class, most confident first (of the 5 worst and 5 best classes only, where
    there are more than 15), then the 12 most confident mistakes of all, then what `confusion_examples` gives. Where the
    network looks is kept of the same, but of the best and of the worst class alone.

    Args:
        predicted, confidence, labels: (N,): predicted class, its probability, true class.
        classes: names of the classes. Those of equal accuracy are in the order of their names, as reports rank them: the
            images kept have to be those of the classes that a report names.
    """
    order = np.argsort(-confidence.astype(np.float64), kind="stable")
    right = predicted[order] == labels[order]
    rest = [order[~right][:_MISTAKES], confusion_examples(predicted, confidence, labels, len(classes))]
    counts = np.bincount(labels, minlength=len(classes))
    hits = np.bincount(labels[predicted == labels], minlength=len(classes))
    ranked = sorted(np.flatnonzero(counts).tolist(), key=lambda label: (-hits[label] / counts[label], classes[label]))
    many = len(classes) > _MANY_CLASSES
    found = []
    for shown in (
        [*ranked[:_EXTREMES], *ranked[-_EXTREMES:]] if many else range(len(classes)),
        [*ranked[:1], *ranked[-1:]],
    ):
        kinds = [(label, correct) for label in shown for correct in (True, False)]
        groups = [order[(labels[order] == label) & (right == correct)][:_PER_CLASS] for label, correct in kinds]
        chosen = np.concatenate([*groups, *rest])
        found.append(chosen[np.sort(np.unique(chosen, return_index=True)[1])].astype(np.int64))
    return found[0], found[1]


def confusion_examples(predicted: np.ndarray, confidence: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Positions of images that show the 3 most frequent confusions, perhaps some twice.

    Of each confusion of A with B, most confident first: 3 images of A taken for B, 3 right ones of A and 3 of B. Ties are
    in the order of the classes, as reports rank them.

    Args:
        predicted, confidence, labels: (N,); classes: how many.
    """
    order = np.argsort(-confidence.astype(np.float64), kind="stable")
    wrong = predicted != labels
    found, counts = np.unique(labels[wrong].astype(np.int64) * classes + predicted[wrong], return_counts=True)
    groups = [order[:0]]
    for true, taken in (divmod(int(pair), classes) for pair in found[np.argsort(-counts, kind="stable")[:CONFUSIONS]]):
        for label, answer in ((true, taken), (true, true), (taken, taken)):
            groups.append(order[(labels[order] == label) & (predicted[order] == answer)][:EXAMPLES])
    return np.concatenate(groups)
