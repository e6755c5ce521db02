"""What every reader hands over, `Pictures`, and what every data set becomes: an `ImageTable` of equal square images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from cnnlab.errors import DataError

TRAIN, VALIDATION, TEST, NO_DIVISION = 0, 1, 2, -1
"""Values of `ImageTable.official`."""

DIVISIONS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), TEST),
}
"""What training, validation and test are called."""

MOST_SOURCES = 20
"""A finding names at most this many images; its `count` is always the whole number."""

Content = Path | bytes | np.ndarray
"""An image before it is decoded: a file, its bytes, or pixels uint8 (h, w) or (h, w, 3)."""


Report = Callable[..., None]
"""Told what is going on: a sentence; or, with the share in 0..1 that is done as well, the state of longer work."""


def silent(message: str, share: float | None = None, /) -> None:
    """The default `Report`."""


class Undecodable(Exception):
    """One image cannot be used; the text says why. Becomes a finding, or a DataError when there are too many."""


@dataclass(frozen=True)
class Finding:
    """Something about the data that a reader of the report should know; a "warning" when it may change conclusions.

    Args:
        kind: "undecodable", "missing", "duplicate", "near-duplicate", "small-class", "empty-class", "imbalance",
            "resized", "grey", "rotated", "transparent", "deep", "cmyk", "several-frames", "ignored", "outside-class",
            "link", "renamed-class", "unlabelled", "few-shot", "incomplete", "selected", "leak".
        count: how many images (or classes, files) it concerns, of which `sources` are at most `MOST_SOURCES`.
        detail: numbers and strings that say more.
    """

    kind: str
    severity: Literal["info", "warning"]
    count: int
    detail: Mapping[str, int | float | str]
    sources: tuple[str, ...] = ()


def finding(
    kind: str, names: Sequence[str], detail: Mapping[str, int] | None = None, *, severe: bool = False
) -> tuple[Finding, ...]:
    """The finding on the images, files or classes of these names; () where there are none."""
    severity: Literal["info", "warning"] = "warning" if severe else "info"
    return (Finding(kind, severity, len(names), detail or {}, tuple(names[:MOST_SOURCES])),) if names else ()


def unlabelled_rows(count: int) -> tuple[Finding, ...]:
    """The finding on rows of a file that have no class."""
    return (Finding("unlabelled", "warning", count, {}),) if count else ()


@dataclass(frozen=True)
class DatasetAbout:
    """Credits, and where this copy was found; `credit` is None for a user's own folder until the lab states one.

    `height`, `width` are the most common original size in pixels, `channels` is 1 when every original is grey, else 3.
    """

    title: str
    credit: str | None
    homepage: str | None
    source: str
    height: int = 0
    width: int = 0
    channels: int = 3


@dataclass(frozen=True)
class Pictures:
    """Every image of a data set in the reader's order. `content(i)` is called in that order, and raises Undecodable.

    `where` is the file or folder that errors about the whole data set name. `ids` are what classes are known by where
    these are not their names.
    """

    classes: tuple[str, ...]
    labels: Sequence[int]
    sources: Sequence[str]
    official: Sequence[int]
    about: DatasetAbout
    content: Callable[[int], Content]
    where: Path
    findings: tuple[Finding, ...] = ()
    ids: tuple[str, ...] = ()

    @property
    def class_ids(self) -> tuple[str, ...]:
        """`ids`, or the names where there are none."""
        return self.ids or self.classes


def pictures_in_arrays(
    *parts: tuple[str, np.ndarray, np.ndarray, int], classes: tuple[str, ...], about: DatasetAbout, where: Path
) -> Pictures:
    """`Pictures` that are all in memory. Raises DataError: images and labels differ in number.

    A part is a name, uint8 (N, h, w) or (N, h, w, 3), labels (N,) and the division; its image 3 has the source "name:3".
    """
    for name, own, labels, _ in parts:
        if len(own) != len(labels):
            received = f"{len(own):,} images and {len(labels):,} labels of {name}"
            raise DataError("images and labels differ in number", where=where, received=received)
    images, labels = (np.concatenate([part[index] for part in parts]) for index in (1, 2))
    sources = [f"{name}:{row}" for name, own, *_ in parts for row in range(len(own))]
    official = [division for _, own, _, division in parts for _ in own]
    return Pictures(classes, labels.reshape(-1).tolist(), sources, official, about, images.__getitem__, where)


@dataclass(frozen=True)
class ImageTable:
    """A whole data set, ready for training. Rows are ordered by the content of the images alone.

    The order (by the sha256 of the original pixels) makes row ids a function of the data: two copies with other file
    names or another layout get the same ids, hence the same splits, and any run of rows is a random sample.

    Args:
        images: uint8 (N, S, S, 3), RGB, memory-mapped, read-only.
        labels: int32 (N,), index into `classes`, which are display names.
        sources: where image i came from: a relative path with `/`, or "train-images:123".
        official: int8 (N,): 0 train, 1 validation, 2 test by the data set's own division, -1 none.
        fingerprint: 64 hexadecimal digits; see `cnnlab.datasets.findings.fingerprint`.
        twins: int32 (N,): the lowest row with exactly the same original pixels, itself when there is no other.
        kin: int32 (N,): the lowest row of its group of exact and near duplicates (recompressed or resized copies of one
            photograph). Both are None when unknown.
        ids: the classes' identifiers, such as WordNet's; () when they are the names.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    sources: tuple[str, ...]
    official: np.ndarray
    fingerprint: str
    about: DatasetAbout
    findings: tuple[Finding, ...]
    twins: np.ndarray | None = None
    kin: np.ndarray | None = None
    ids: tuple[str, ...] = ()
