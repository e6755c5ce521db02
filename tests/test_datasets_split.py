"""Splits: exact in number, disjoint, stratified, the same for the same seed; impossible ones are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cnnlab.datasets.split import Splits, find_leaks, split_table
from cnnlab.errors import DataError
from cnnlab.spec import SPLITS, Split

CLASSES = ("ant", "bee", "cat")
GOLDEN = [[3, 5, 7], [4, 8, 9]]


def labels_of(*sizes: int) -> np.ndarray:
    """Shuffled labels with this many of each class."""
    labels = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
    return np.random.RandomState(1).permutation(labels)


def counts(labels: np.ndarray, splits: Splits) -> dict[str, list[int]]:
    return {name: np.bincount(labels[getattr(splits, name)], minlength=labels.max() + 1).tolist() for name in SPLITS}


@pytest.mark.parametrize(
    ("sizes", "split", "expected"),
    [
        ((100, 50, 50), Split(train=0.8, validation=0.1, test=0.1), (160, 20, 20)),
        ((7, 7, 7), Split(train=0.6, validation=0.2, test=0.2), (13, 4, 4)),
        ((33, 34, 34), Split(train=0.7, validation=0.15, test=0.15), (71, 15, 15)),
        ((40, 40, 40), Split(train=31, validation=17, test=19), (31, 17, 19)),
        ((40, 40, 40), Split(train=0.5, validation=10, test=20), (60, 10, 20)),
        ((40, 40, 40), Split(train=0.25, validation=0.25, test=0.25), (30, 30, 30)),
    ],
)
def test_totals_are_exact_and_no_image_is_in_two_splits(
    sizes: tuple[int, ...], split: Split, expected: tuple[int, ...]
) -> None:
    labels = labels_of(*sizes)
    splits = split_table(labels, CLASSES, split)
    parts = [getattr(splits, name) for name in SPLITS]
    assert tuple(len(part) for part in parts) == expected
    together = np.concatenate(parts)
    assert len(np.unique(together)) == len(together)
    assert together.min() >= 0 and together.max() < len(labels)
    for part in parts:
        assert part.dtype == np.int32
        assert np.all(np.diff(part) > 0)


def test_shares_that_add_up_to_one_use_every_image() -> None:
    for images in range(30, 130):
        labels = np.arange(images, dtype=np.int32) % 3
        splits = split_table(labels, CLASSES, Split(train=0.7, validation=0.1, test=0.2))
        assert sum(len(getattr(splits, name)) for name in SPLITS) == images


@pytest.mark.parametrize(
    ("sizes", "split", "expected"),
    [
        ((100, 50, 10), Split(), {"train": [80, 40, 8], "validation": [10, 5, 1], "test": [10, 5, 1]}),
        ((500, 3, 500), Split(train=0.9, validation=0.05, test=0.05),
         {"train": [450, 1, 452], "validation": [25, 1, 24], "test": [25, 1, 24]}),
        ((3, 4, 5), Split(train=6, validation=3, test=3), {"train": [1, 2, 3], "validation": [1] * 3, "test": [1] * 3}),
    ],
)  # fmt: skip
def test_every_class_has_its_share_of_each_split(
    sizes: tuple[int, ...], split: Split, expected: dict[str, list[int]]
) -> None:
    labels = labels_of(*sizes)
    assert counts(labels, split_table(labels, CLASSES, split)) == expected


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    labels = labels_of(60, 60, 60)
    first, again, other = (split_table(labels, CLASSES, Split(seed=seed)) for seed in (3, 3, 2**80))
    for name in SPLITS:
        assert np.array_equal(getattr(first, name), getattr(again, name))
        assert not np.array_equal(getattr(first, name), getattr(other, name))


def test_the_rows_of_a_seed_never_change() -> None:
    # Recorded splits would stop matching their data set record if this did.
    labels = np.arange(15, dtype=np.int32) % 3
    splits = split_table(labels, CLASSES, Split(train=9, validation=3, test=3, seed=0))
    assert [getattr(splits, name).tolist() for name in ("validation", "test")] == GOLDEN


def test_fewer_training_images_leave_validation_and_test_as_they_were() -> None:
    labels = labels_of(60, 60, 60)
    many = split_table(labels, CLASSES, Split(train=120, validation=30, test=30))
    few = split_table(labels, CLASSES, Split(train=12, validation=30, test=30))
    assert np.array_equal(many.validation, few.validation)
    assert np.array_equal(many.test, few.test)
    assert set(few.train) < set(many.train)


@pytest.mark.parametrize(
    ("sizes", "split", "what", "received"),
    [
        ((10, 10, 10), Split(train=20, validation=10, test=10), "asks for more images",
         "train 20, validation 10, test 10 = 40"),
        ((10, 2, 10), Split(), "too few images", "“bee” has 2"),
        ((10, 10, 10), Split(train=20, validation=5, test=2), "the test split is too small", "2 images for 3 classes"),
        ((4, 4, 4), Split(policy="official"), "no division of its own", "no train image"),
    ],
)  # fmt: skip
def test_a_split_that_cannot_be_made_is_refused(sizes: tuple[int, ...], split: Split, what: str, received: str) -> None:
    with pytest.raises(DataError, match=what) as caught:
        split_table(labels_of(*sizes), CLASSES, split)
    assert caught.value.received == received and caught.value.hint


def official_split(official: np.ndarray | None, **options: Any) -> Splits:
    return split_table(labels_of(20, 20, 20), CLASSES, Split(policy="official", **options), official=official)


def test_an_official_division_is_kept_and_validation_drawn_from_its_training_images() -> None:
    labels, official = labels_of(20, 20, 20), np.tile([0, 0, 0, 2], 15)
    splits = official_split(official, validation=9)
    assert np.array_equal(splits.test, np.flatnonzero(official == 2))
    assert np.bincount(labels[splits.validation]).tolist() == [3, 3, 3]
    assert sorted([*splits.train, *splits.validation]) == np.flatnonzero(official == 0).tolist()
    assert len(official_split(official, validation=0.2).validation) == 9
    other = official_split(official, validation=9, seed=1)
    assert np.array_equal(other.test, splits.test) and not np.array_equal(other.validation, splits.validation)
    theirs = np.tile([0, 0, 1, 2], 15)
    used = official_split(theirs)
    assert [np.flatnonzero(theirs == i).tolist() for i in range(3)] == [getattr(used, n).tolist() for n in SPLITS]
    no_test = np.tile([0, 0, 0, 1], 15)
    splits = official_split(no_test, validation=3)
    assert np.array_equal(splits.test, np.flatnonzero(no_test == 1)) and len(splits.validation) == 3


def test_a_division_that_is_not_there_or_lacks_a_class_is_refused() -> None:
    labels = labels_of(20, 20, 20)
    official = np.zeros(60, int)
    official[[np.flatnonzero(labels == label)[0] for label in range(3)]] = 2
    for given, options, what, received in (
        (None, {}, "no division of its own", "no train image"),
        (np.zeros(60, int), {}, "no division of its own", "no test image"),
        (official * (labels == 1), {}, "no test image of some class", f"“{CLASSES[0]}”, “{CLASSES[2]}”"),
        (official, {"validation": 2}, "does not leave every class an image", "2 of 57 training images in 3 classes"),
    ):
        with pytest.raises(DataError, match=what) as caught:
            official_split(given, **options)
        assert caught.value.received == received and caught.value.hint


def test_leaks_are_images_with_a_copy_among_those_seen_before() -> None:
    kin = np.arange(10)
    kin[[4, 7]] = 1  # 1 in training, 4 in validation, 7 in test
    kin[8] = 5  # 5 in validation, 8 in test
    kin[9] = 2  # both in training
    train, validation, test = np.array([0, 1, 2, 3, 9]), np.array([4, 5]), np.array([6, 7, 8])
    assert find_leaks(kin, train, validation, test).tolist() == [[4, 1], [7, 1], [8, 5]]
    assert find_leaks(np.arange(10), train, validation, test).shape == (0, 2)


def test_leaks_are_kept_or_excluded_by_choice() -> None:
    labels = labels_of(20, 20, 20)
    plain = split_table(labels, CLASSES, Split())
    pairs = [[int(plain.test[0]), int(plain.train[3])], [int(plain.validation[1]), int(plain.train[5])]]
    kin = np.arange(60)
    for pair in pairs:
        kin[max(pair)] = min(pair)
    kept, without = (split_table(labels, CLASSES, Split(leaks=leaks), kin=kin) for leaks in ("keep", "exclude"))
    assert kept.leaks.tolist() == without.leaks.tolist() == sorted(pairs)
    assert (kept.leaks_excluded, without.leaks_excluded) == (False, True)
    assert np.array_equal(kept.test, plain.test) and np.array_equal(without.train, plain.train)
    assert np.array_equal(without.test, plain.test[1:])
    assert without.validation.tolist() == [row for row in plain.validation if row != plain.validation[1]]
    few, split = labels_of(3, 3, 3), Split(train=3, validation=3, test=3, leaks="exclude")
    plain, kin = split_table(few, CLASSES, split), np.arange(9)
    kin[max(plain.test[0], plain.train[0])] = min(plain.test[0], plain.train[0])
    with pytest.raises(DataError, match="without the leaked images, the test split has no image"):
        split_table(few, CLASSES, split, kin=kin)
