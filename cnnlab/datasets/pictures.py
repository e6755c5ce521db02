"""What a reader hands over: a list of images that can be decoded one by one, and nothing about sizes or caches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from cnnlab.datasets.table import NO_DIVISION, DatasetAbout, Finding


class Report(Protocol):
    """Told what is going on; never needed for correctness."""

    def __call__(self, message: str, share: float | None = None, /) -> None:
        """A sentence; or, with the share in 0..1 that is done, the state of work that takes a while."""


def silent(message: str, share: float | None = None, /) -> None:
    """The default `Report`."""


class Undecodable(Exception):
    """One image cannot be used; the text says why. Becomes a finding, or a DataError when there are too many."""


@dataclass(frozen=True)
class Picture:
    """One decoded image: uint8 (h, w) when grey, else (h, w, 3) RGB. `notes` are kinds of findings it adds to."""

    pixels: np.ndarray
    notes: tuple[str, ...] = ()


Content = Path | bytes | np.ndarray
"""An image before it is decoded: a file, its bytes, or pixels uint8 (h, w) or (h, w, 3)."""


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


def pictures_in_array(
    pixels: np.ndarray,
    labels: np.ndarray,
    *,
    classes: tuple[str, ...],
    sources: Sequence[str],
    about: DatasetAbout,
    where: Path,
    official: Sequence[int] | None = None,
) -> Pictures:
    """`Pictures` of images that are all in memory: uint8 (N, h, w) or (N, h, w, 3)."""
    return Pictures(
        classes=classes,
        labels=[int(label) for label in labels],
        sources=sources,
        official=[NO_DIVISION] * len(pixels) if official is None else official,
        about=about,
        content=lambda index: pixels[index],
        where=where,
    )
