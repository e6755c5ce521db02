"""What a network's predictions are worth, by numpy alone. `probabilities` are (N, K), `labels` and `predicted` (N,)."""

from __future__ import annotations

import numpy as np


def class_counts(predicted: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Right answers and images of each class, int64 (K,) each."""
    images = np.bincount(labels, minlength=classes)
    return np.bincount(labels[predicted == labels], minlength=classes), images


def top_k(probabilities: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Whether the true class is among the `k` most probable ones, bool (N,)."""
    k = min(k, probabilities.shape[1])
    best = np.argpartition(-probabilities, k - 1, axis=1)[:, :k]
    return np.asarray((best == labels[:, None]).any(axis=1))


def confusion(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Images by true class (rows) and predicted class (columns), int64 (K, K)."""
    return np.bincount(labels.astype(np.int64) * classes + predicted, minlength=classes**2).reshape(classes, classes)


def top_confusions(matrix: np.ndarray, most: int) -> list[tuple[int, int, int]]:
    """The most frequent mistakes as (true class, predicted class, images), the largest first; only those that occur."""
    mistakes = matrix.copy()
    np.fill_diagonal(mistakes, 0)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:most]
    found = [(int(i // len(matrix)), int(i % len(matrix)), int(mistakes.flat[i])) for i in order]
    return [entry for entry in found if entry[2]]


def surest_mistakes(probabilities: np.ndarray, labels: np.ndarray, most: int) -> list[int]:
    """Positions of at most `most` wrong answers, those of highest probability first; ties in their order."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    return [int(i) for i in wrong[np.argsort(-confidence[wrong], kind="stable")][:most]]


def calibration_bins(probabilities: np.ndarray, labels: np.ndarray, bins: int) -> tuple[np.ndarray, ...]:
    """Images, mean confidence (0 where there is none) and right answers of equally wide bins of the highest probability.

    Shapes (bins,): int64, float64, int64. A bin holds its lower bound; the last one holds 1 as well.
    """
    confidence, right = probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    images, total = np.bincount(bin_of, minlength=bins), np.bincount(bin_of, weights=confidence, minlength=bins)
    return images, total / np.maximum(images, 1), np.bincount(bin_of[right], minlength=bins)
