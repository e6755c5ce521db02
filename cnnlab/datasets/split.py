"""Divide a table into training, validation and test images: stratified, exact in number, the same for the same seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnnlab.errors import DataError
from cnnlab.spec import SPLITS, Split


@dataclass(frozen=True)
class Splits:
    """Row ids of a table, int32, sorted, disjoint."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_table(labels: np.ndarray, classes: Sequence[str], split: Split) -> Splits:
    """Divide rows at random inside each class, every class in its share of each split (at least one image).

    Totals are exact: counts as asked, shares rounded by largest remainder. Asking for fewer training images leaves
    validation and test as they were.

    Args:
        labels: int (N,), index into `classes`.
        classes: names, for messages.
        split: shares or counts, and the seed.

    Raises:
        DataError: there are too few images, in all or in some class.
    """
    sizes = np.bincount(labels, minlength=len(classes))
    totals = _totals(split, len(labels))
    _check(sizes, classes, totals, len(labels))
    takes = _apportion(sizes, totals)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in SPLITS}
    random = _random(split.seed)
    for label in range(len(classes)):
        rows = random.permutation(np.flatnonzero(labels == label))
        start = 0
        for name in reversed(SPLITS):
            parts[name].append(rows[start : start + takes[name][label]])
            start += takes[name][label]
    return Splits(**{name: np.sort(np.concatenate(parts[name])).astype(np.int32) for name in SPLITS})


def _random(seed: int) -> np.random.RandomState:
    # RandomState's stream is frozen for good (NEP 19), Generator's is not; the digest takes seeds of any size.
    digest = hashlib.sha256(f"split {seed}".encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, dtype="<u4").astype(np.uint32))


def _totals(split: Split, images: int) -> dict[str, int]:
    """Images in each split: counts as they are, shares of all images by largest remainder."""
    asked = {name: getattr(split, name) for name in SPLITS}
    totals = {name: value for name, value in asked.items() if isinstance(value, int)}
    exact = {name: value * images for name, value in asked.items() if isinstance(value, float)}
    totals |= {name: int(value + 1e-6) for name, value in exact.items()}
    # What no split asked for takes part in the rounding, so that shares adding up to 1 use every image and no more.
    spare = round(sum(exact.values())) - sum(totals[name] for name in exact)
    for name in sorted(exact, key=lambda name: totals[name] - exact[name])[:spare]:
        totals[name] += 1
    return totals


def _check(sizes: np.ndarray, classes: Sequence[str], totals: dict[str, int], images: int) -> None:
    if sum(totals.values()) > images:
        raise DataError(
            "the split asks for more images than the data set has",
            received=", ".join(f"{name} {totals[name]:,}" for name in SPLITS) + f" = {sum(totals.values()):,}",
            expected=f"{images:,} at most",
            hint="lower the counts of `split`, or give shares such as 0.8, 0.1 and 0.1",
        )
    small = [f"“{classes[label]}” has {n}" for label, n in enumerate(sizes) if n < len(SPLITS)]
    if small:
        raise DataError(
            "a class has too few images to be in training, validation and test",
            received=", ".join(small[:5]) + (f" and {len(small) - 5} more classes" if len(small) > 5 else ""),
            expected=f"at least {len(SPLITS)} images in every class",
            hint="add images to the class, or remove it from the data set",
        )
    for name, total in totals.items():
        if total < len(classes):
            raise DataError(
                f"the {name} split is too small for every class to have an image in it",
                received=f"{total:,} images for {len(classes)} classes",
                expected=f"at least {len(classes)}",
                hint=f"raise split.{name} in the lab file",
            )


def _apportion(sizes: np.ndarray, totals: dict[str, int]) -> dict[str, list[int]]:
    """How many images of each class go into each split."""
    left, takes = sizes.astype(np.int64), {}
    for position, name in enumerate(reversed(SPLITS)):
        still_to_come = len(SPLITS) - 1 - position
        take = _proportional(sizes, totals[name], most=left - still_to_come)
        left = left - take
        takes[name] = [int(n) for n in take]
    return takes


def _proportional(sizes: np.ndarray, total: int, *, most: np.ndarray) -> np.ndarray:
    """Whole numbers in 1..`most` that add up to `total`, each as near to its class's share as can be."""
    exact = sizes * (total / sizes.sum())
    take = np.clip(np.floor(exact + 1e-6).astype(np.int64), 1, most)
    while (missing := total - int(take.sum())) != 0:
        step = 1 if missing > 0 else -1
        able = np.flatnonzero(take < most) if missing > 0 else np.flatnonzero(take > 1)
        # Furthest from its share first; equal ones by class, so that the answer is one and the same everywhere.
        order = able[np.argsort(-step * np.round(exact - take, 6)[able], kind="stable")]
        take[order[: abs(missing)]] += step
    return take
