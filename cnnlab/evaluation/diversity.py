"""How varied the images of each class are: how far apart they lie, beside images of any class."""

from __future__ import annotations

import numpy as np


def class_diversity(seen: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Root mean square distance between two images of a class over that between any two images: float32 (classes,).

    1 is a class as varied as the whole set, 0 one of equal images; NaN one of fewer than two images, or where all
    images of the set are equal.

    It is meant for thumbnails (`baseline.thumbnails`), not for the features of a trained network. Those are learned so
    that classes come apart: a class lies scattered in them *because* the network fails on it, which would explain the
    failure by itself. Thumbnails do not know the network, and are one measure for all networks of a data set. Over 25 classes of Places
    (AlexNet, 64 px) neither went with accuracy for certain: rank correlation −0.09 (−0.47 to 0.32) for thumbnails; for the
    features of test images 0.35 (−0.06 to 0.66), by which varied classes would be the better recognised ones.

    Args:
        seen: (N, D), whatever describes an image; labels: int (N,).
    """
    values = np.asarray(seen, np.float64)
    whole = _spread(values)
    spreads = [_spread(values[labels == label]) for label in range(classes)]
    ratios = [spread / whole if whole > 0 else np.nan for spread in spreads]
    return np.sqrt(ratios).astype(np.float32)


def _spread(values: np.ndarray) -> float:
    """Mean square distance between two different rows, which is twice the sum of the columns' sample variances."""
    return float(2 * values.var(axis=0, ddof=1).sum()) if len(values) > 1 else float("nan")
