"""What every reader hands over, `Pictures`, and what every data set becomes: an `ImageTable` of equal square images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

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


class Report(Protocol):
    """Told what is going on; never needed for correctness."""

    def __call__(self, message: str, share: float | None = None, /) -> None:
        """A sentence; or, with the share in 0..1 that is done, the state of work that takes a while."""


def silent(message: str, share: float | None = None, /) -> None:
    """The default `Report`."""


class Undecodable(Exception):
    """One image cannot be used; the text says why. Becomes a finding, or a DataError when there are too many."""


@dataclass(frozen=True)
class Finding:
    """Something about the data that a reader of the report should know.

    Args:
        kind: "undecodable", "missing", "duplicate", "near-duplicate", "small-class", "empty-class", "imbalance",
            "resized", "grey", "rotated", "transparent", "deep", "cmyk", "several-frames", "ignored", "outside-class",
            "link", "renamed-class", "unlabelled", "few-shot", "incomplete", "selected".
        severity: "warning" when it may change conclusions, else "info".
        count: how many images (or classes, files) it concerns.
        detail: numbers and strings that say more.
        sources: at most `MOST_SOURCES` of the images concerned.
    """

    kind: str
    severity: Literal["info", "warning"]
    count: int
    detail: Mapping[str, int | float | str]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetAbout:
    """Credits and origin.

    `height`, `width` are the most common original size in pixels, `channels` is 1 when every original is grey, else 3.
    `source` says where this copy was found. `credit` is None for a user's own folder until the lab states one.
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

    `where` is the file or folder that errors about the whole data set name. `ids` are the classes' identifiers where
    these are not their names: what a class is known by, whatever it is called in the report.
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
    """`Pictures` that are all in memory.

    Args:
        parts: name, uint8 (N, h, w) or (N, h, w, 3), labels (N,), division; the source of its image 3 is "name:3".

    Raises:
        DataError: images and labels differ in number.
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
        labels: int32 (N,), index into `classes`.
        classes: display names.
        sources: where image i came from: a relative path with `/`, or "train-images:123".
        official: int8 (N,): 0 train, 1 validation, 2 test by the data set's own division, -1 none.
        fingerprint: 64 hexadecimal digits; see `cnnlab.datasets.findings.fingerprint`.
        about: title, credit, original size.
        findings: what was noticed while reading.
        twins: int32 (N,): the lowest row with exactly the same original pixels, the row itself when there is no
            other; None when unknown.
        kin: int32 (N,): the lowest row of the group of exact and near duplicates that the row belongs to (recompressed
            or resized copies of one photograph); None when unknown.
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
