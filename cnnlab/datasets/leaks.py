"""Images of validation or test that have a copy among the images that a network has seen before."""

from __future__ import annotations

import numpy as np

NO_LEAKS = np.zeros((0, 2), dtype=np.int32)


def find_leaks(kin: np.ndarray, train: np.ndarray, validation: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Validation images with a copy in training, and test images with one in training or in validation.

    Validation counts as seen by then: it has chosen the epoch.

    Args:
        kin: int (N,), the first row of each row's group of exact and near duplicates (`ImageTable.kin`).
        train, validation, test: rows.

    Returns:
        int32 (L, 2): the leaked row and one copy of it, ordered by the first; a copy in training before any other.
    """
    leaks = [*_copies(kin, validation, train), *_copies(kin, test, np.concatenate([train, validation]))]
    return np.array(sorted(leaks), dtype=np.int32).reshape(-1, 2)


def _copies(kin: np.ndarray, rows: np.ndarray, seen: np.ndarray) -> list[tuple[int, int]]:
    copy: dict[int, int] = {}
    for row in seen.tolist():
        copy.setdefault(int(kin[row]), row)
    return [(row, copy[int(kin[row])]) for row in rows.tolist() if int(kin[row]) in copy]
