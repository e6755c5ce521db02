"""Divide a table into training, validation and test images: stratified, exact in number, the same for the same seed."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cnnlab.datasets.table import NO_DIVISION, TEST, TRAIN, VALIDATION, ImageTable
from cnnlab.errors import DataError
from cnnlab.spec import SPLITS, Fold, Split

NO_LEAKS = np.zeros((0, 2), dtype=np.int32)


@dataclass(frozen=True)
class Splits:
    """Row ids of a table, int32, sorted, disjoint.

    `leaks`, int32 (L, 2), are the division's leaked rows with a copy of each (see `find_leaks`); `leaks_excluded` says
    whether those rows have been taken out.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    leaks: np.ndarray = field(default_factory=lambda: NO_LEAKS)
    leaks_excluded: bool = False


def split_table(
    labels: np.ndarray, classes: Sequence[str], split: Split, *, official: np.ndarray | None = None,
    kin: np.ndarray | None = None,
) -> Splits:  # fmt: skip
    """Divide rows inside each class, at random or as the data set's authors did, every class in each split.

    Random totals are exact: counts as asked, shares rounded by largest remainder. Asking for fewer training images
    leaves validation and test as they were.

    Args:
        labels: int (N,), index into `classes`.
        classes: names, for messages.
        split: policy, shares or counts, and the seed.
        official: int (N,), `ImageTable.official`; only the policy "official" needs it.
        kin: int (N,), `ImageTable.kin`; None when copies are not known.

    Raises:
        DataError: there are too few images, in all or in some class, or no official division.
    """
    if split.policy == "official":
        parts = _official(labels, classes, split, np.full(len(labels), NO_DIVISION) if official is None else official)
    else:
        parts = _divided(labels, classes, split)
    train, validation, test = (np.sort(parts[name]).astype(np.int32) for name in SPLITS)
    splits = Splits(train, validation, test)
    if kin is None:
        return splits
    splits = replace(splits, leaks=find_leaks(kin, train, validation, test))
    if split.leaks == "keep":
        return splits
    kept = {name: np.setdiff1d(getattr(splits, name), splits.leaks[:, 0]) for name in ("validation", "test")}
    for name, rows in kept.items():
        if absent := _absent(labels[rows], classes):
            what = f"without the leaked images, the {name} split has no image of some class"
            hint = 'put `leaks = "keep"` into `split`, or remove the copies from the data set'
            raise DataError(what, received=absent, hint=hint)
    return replace(splits, **kept, leaks_excluded=True)


def fold_splits(splits: Splits, labels: np.ndarray, fold: Fold, *, seed: int) -> Splits:
    """The splits of one fold: training and validation images together are divided anew, the test images stay.

    Stratified, the folds as equal in size as can be; of a class with fewer images than folds some folds have none to
    validate on.

    Args:
        labels: int (N,), of the whole table.
        seed: of the division, the same for all folds.

    Raises DataError: there are fewer images than folds, or no class has as many.
    """
    from sklearn.model_selection import StratifiedKFold

    pool = np.sort(np.concatenate([splits.train, splits.validation]))
    if np.bincount(labels[pool]).max(initial=0) < fold.of:
        received, expected = f"{len(pool)} training and validation images", f"a class with at least {fold.of}"
        what = "there are too few images for a cross-validation"
        raise DataError(what, received=received, expected=expected, hint="ask for fewer folds")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        divided = StratifiedKFold(fold.of, shuffle=True, random_state=seed).split(pool, labels[pool])
        train, validation = list(divided)[fold.index]
    return replace(splits, train=pool[train], validation=pool[validation], leaks=NO_LEAKS)


def split_images(table: ImageTable, split: Split) -> Splits:
    """`split_table` of a whole table, with what it knows of the authors' division and of copies."""
    return split_table(table.labels, table.classes, split, official=table.official, kin=table.kin)


def find_leaks(kin: np.ndarray, train: np.ndarray, validation: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Validation images with a copy in training, and test images with one in training or in validation.

    Validation counts as seen by then: it has chosen the epoch.

    `kin`, int (N,), is `ImageTable.kin`; the others are rows. Returns int32 (L, 2): the leaked row and one copy of it,
    ordered by the first; a copy in training before any other.
    """
    leaks: list[tuple[int, int]] = []
    copy: dict[int, int] = {}
    for seen, rows in ((train, validation), (validation, test)):
        for row in seen.tolist():
            copy.setdefault(int(kin[row]), row)
        leaks += [(row, copy[int(kin[row])]) for row in rows.tolist() if int(kin[row]) in copy]
    return np.array(sorted(leaks), dtype=np.int32).reshape(-1, 2)


def _absent(labels: np.ndarray, classes: Sequence[str]) -> str:
    """The first classes that have no image among those with these labels, in words."""
    return ", ".join(f"“{classes[label]}”" for label in sorted(set(range(len(classes))) - set(labels.tolist()))[:5])


def _divided(labels: np.ndarray, classes: Sequence[str], split: Split) -> dict[str, np.ndarray]:
    sizes = np.bincount(labels, minlength=len(classes))
    totals, left = _totals(split, sizes, classes), sizes.astype(np.int64)
    takes = dict[str, np.ndarray]()
    for to_come, name in reversed(list(enumerate(SPLITS))):
        takes[name] = _proportional(sizes, totals[name], most=left - to_come)
        left = left - takes[name]
    parts: dict[str, list[np.ndarray]] = {name: [] for name in SPLITS}
    random = _random(split.seed)
    for label in range(len(classes)):
        rows = random.permutation(np.flatnonzero(labels == label))
        for name in reversed(SPLITS):
            parts[name].append(rows[: takes[name][label]])
            rows = rows[takes[name][label] :]
    return {name: np.concatenate(rows) for name, rows in parts.items()}


def _official(labels: np.ndarray, classes: Sequence[str], split: Split, official: np.ndarray) -> dict[str, np.ndarray]:
    """The authors' training and test images; where they have no test images with labels, their validation images are
    the test. Validation is theirs, or drawn from the training images."""
    parts = {
        name: np.flatnonzero(official == value) for name, value in zip(SPLITS, (TRAIN, VALIDATION, TEST), strict=True)
    }
    if not len(parts["test"]):
        parts["test"], parts["validation"] = parts["validation"], parts["test"]
    for name in ("train", "test"):
        hint = 'leave `policy = "official"` out of `split`, then this lab divides the images itself'
        if not len(parts[name]):
            what = "the data set has no division of its own into training and test images"
            raise DataError(what, received=f"no {name} image", hint=hint)
        if absent := _absent(labels[parts[name]], classes):
            what = f"the data set's own division has no {name} image of some class"
            hint = f"{hint}, or leave those classes out with `classes`"
            raise DataError(what, received=absent, hint=hint)
    if not len(parts["validation"]):
        sizes = np.bincount(labels[parts["train"]], minlength=len(classes))
        images, asked = int(sizes.sum()), split.validation
        total = asked if isinstance(asked, int) else round(asked * images)
        if not len(sizes) <= total <= images - len(sizes):
            what = "the validation split does not leave every class an image in it and one to train on"
            received = f"{total:,} of {images:,} training images in {len(sizes)} classes"
            raise DataError(what, received=received, hint="change split.validation in the lab file")
        take, random = _proportional(sizes, total, most=sizes - 1), _random(split.seed)
        of_class = [parts["train"][labels[parts["train"]] == label] for label in range(len(classes))]
        shuffled = [(random.permutation(rows), n) for rows, n in zip(of_class, take, strict=True)]
        parts["validation"] = np.concatenate([rows[:n] for rows, n in shuffled])
        parts["train"] = np.concatenate([rows[n:] for rows, n in shuffled])
    return parts


def _random(seed: int) -> np.random.RandomState:
    # RandomState's stream is frozen for good (NEP 19), Generator's is not; the digest takes seeds of any size.
    digest = hashlib.sha256(f"split {seed}".encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, dtype="<u4").astype(np.uint32))


def _totals(split: Split, sizes: np.ndarray, classes: Sequence[str]) -> dict[str, int]:
    """Images in each split: counts as they are, shares of all images by largest remainder."""
    images, asked = int(sizes.sum()), {name: getattr(split, name) for name in SPLITS}
    totals = {name: value for name, value in asked.items() if isinstance(value, int)}
    exact = {name: value * images for name, value in asked.items() if isinstance(value, float)}
    totals |= {name: int(value + 1e-6) for name, value in exact.items()}
    # What no split asked for takes part in the rounding, so that shares adding up to 1 use every image and no more.
    spare = round(sum(exact.values())) - sum(totals[name] for name in exact)
    for name in sorted(exact, key=lambda name: totals[name] - exact[name])[:spare]:
        totals[name] += 1
    if sum(totals.values()) > images:
        what, expected = "the split asks for more images than the data set has", f"{images:,} at most"
        received = ", ".join(f"{name} {totals[name]:,}" for name in SPLITS) + f" = {sum(totals.values()):,}"
        hint = "lower the counts of `split`, or give shares such as 0.8, 0.1 and 0.1"
        raise DataError(what, received=received, expected=expected, hint=hint)
    if small := [f"“{name}” has {n}" for name, n in zip(classes, sizes, strict=True) if n < len(SPLITS)]:
        what = "a class has too few images to be in training, validation and test"
        received = ", ".join(small[:5]) + (f" and {len(small) - 5} more classes" if len(small) > 5 else "")
        hint = "add images to the class, or remove it from the data set"
        raise DataError(what, received=received, expected=f"at least {len(SPLITS)} images in every class", hint=hint)
    for name, total in totals.items():
        if total < len(classes):
            what = f"the {name} split is too small for every class to have an image in it"
            received, expected = f"{total:,} images for {len(classes)} classes", f"at least {len(classes)}"
            raise DataError(what, received=received, expected=expected, hint=f"raise split.{name} in the lab file")
    return totals


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
