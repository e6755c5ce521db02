"""From decoded images to rows in the order of their content: identity into a fingerprint, oddities into findings."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from cnnlab.datasets.decode import Look
from cnnlab.datasets.pictures import Pictures
from cnnlab.datasets.table import MOST_SOURCES, DatasetAbout, Finding
from cnnlab.errors import DataError
from cnnlab.identity import canonical_json
from cnnlab.spec import DatasetSpec

SMALL_CLASS = 30
"""Classes with fewer images are pointed out: their test accuracy will rest on a handful."""

IMBALANCE = 3.0
"""Largest over smallest class from which on the imbalance is pointed out."""

_WARNING_NOTES = {"several-frames"}


@dataclass(frozen=True)
class Rows:
    """Everything of a table but its pixels. `order[i]` is the reader's index of row i."""

    order: np.ndarray
    labels: list[int]
    sources: list[str]
    official: list[int]
    twins: list[int]
    hashes: list[int]
    fingerprint: str
    about: DatasetAbout
    findings: tuple[Finding, ...]


def arrange(pictures: Pictures, looks: Sequence[Look], spec: DatasetSpec) -> Rows:
    """Put the good images in the order of their content and describe them.

    Raises:
        DataError: a class is left without any image.
    """
    good = [index for index, look in enumerate(looks) if look.problem is None]
    names = [pictures.class_ids[label] for label in pictures.labels]
    order = sorted(
        good, key=lambda i: (looks[i].digest, looks[i].width, looks[i].height, names[i], pictures.sources[i])
    )
    labels = [pictures.labels[index] for index in order]
    _check_no_class_is_empty(pictures, labels)
    ordered = [looks[index] for index in order]
    sizes = Counter((look.height, look.width) for look in ordered)
    # The smaller of equally common sizes, so that the answer does not depend on the order of the files.
    (height, width), _ = min(sizes.items(), key=lambda item: (-item[1], item[0]))
    rows = Rows(
        order=np.array(order, dtype=np.int64),
        labels=labels,
        sources=[pictures.sources[index] for index in order],
        official=[pictures.official[index] for index in order],
        twins=_twins(ordered),
        hashes=[look.perceptual for look in ordered],
        fingerprint=fingerprint((names[i], looks[i].digest.hex(), looks[i].width, looks[i].height) for i in good),
        about=replace(pictures.about, height=height, width=width, channels=max(look.channels for look in ordered)),
        findings=(),
    )
    return replace(rows, findings=(*pictures.findings, *_findings(pictures, looks, ordered, rows, spec)))


def fingerprint(images: Iterable[tuple[str, str, int, int]]) -> str:
    """The identity of a data set: sha256 over its sorted images, whatever their names, places and order.

    Args:
        images: (class id, sha256 in hexadecimal of the RGB bytes at the original size, width, height).

    Returns:
        64 hexadecimal digits: the sha256 of one canonical JSON array a line, sorted.
    """
    total = hashlib.sha256()
    for entry in sorted(images):
        total.update(canonical_json(list(entry)).encode() + b"\n")
    return total.hexdigest()


def _check_no_class_is_empty(pictures: Pictures, labels: Sequence[int]) -> None:
    present = set(labels)
    for label, name in enumerate(pictures.classes):
        if label not in present:
            raise DataError(
                "a class of the data set has no image that can be decoded",
                where=pictures.where,
                received=f"class “{name}”",
                hint="add images to it, or remove its folder",
            )


def _twins(ordered: Sequence[Look]) -> list[int]:
    """Equal images are neighbours in the order of content."""
    twins: list[int] = []
    for row, look in enumerate(ordered):
        before = ordered[row - 1] if row else None
        same = before is not None and (before.digest, before.width, before.height) == (
            look.digest,
            look.width,
            look.height,
        )
        twins.append(twins[-1] if same else row)
    return twins


def near_duplicates(rows: Rows, groups: np.ndarray) -> Iterator[Finding]:
    """The finding on images that differ from the first of their group (int32 (N,)) by more than nothing, if any do."""
    near = [row for row, first in enumerate(groups) if first != rows.twins[row]]
    if near:
        crossing = sum(rows.labels[row] != rows.labels[int(groups[row])] for row in near)
        detail = {"groups": len({int(groups[row]) for row in near}), "with_other_label": crossing}
        yield _finding(
            "near-duplicate",
            "warning",
            len(near),
            detail,
            (f"{rows.sources[row]} = {rows.sources[int(groups[row])]}" for row in near),
        )


def _findings(
    pictures: Pictures, looks: Sequence[Look], ordered: Sequence[Look], rows: Rows, spec: DatasetSpec
) -> Iterator[Finding]:
    bad = [index for index, look in enumerate(looks) if look.problem]
    if bad:
        reasons = Counter(str(looks[index].problem) for index in bad)
        yield _finding(
            "undecodable", "warning", len(bad), dict(reasons.most_common(5)), (pictures.sources[i] for i in bad)
        )
    twins = [row for row, first in enumerate(rows.twins) if first != row]
    if twins:
        crossing = sum(rows.labels[row] != rows.labels[rows.twins[row]] for row in twins)
        detail = {"groups": len({rows.twins[row] for row in twins}), "with_other_label": crossing}
        copies = (f"{rows.sources[row]} = {rows.sources[rows.twins[row]]}" for row in twins)
        yield _finding("duplicate", "warning", len(twins), detail, copies)
    yield from _class_findings(pictures.classes, rows.labels)
    yield from _size_findings(ordered, rows, spec)
    if rows.about.channels == 3 and (grey := [row for row, look in enumerate(ordered) if look.channels == 1]):
        yield _finding("grey", "info", len(grey), {}, (rows.sources[row] for row in grey))
    for note in sorted({note for look in ordered for note in look.notes}):
        noted = [row for row, look in enumerate(ordered) if note in look.notes]
        severity: Literal["info", "warning"] = "warning" if note in _WARNING_NOTES else "info"
        yield _finding(note, severity, len(noted), {}, (rows.sources[row] for row in noted))


def _class_findings(classes: Sequence[str], labels: Sequence[int]) -> Iterator[Finding]:
    counts = np.bincount(labels, minlength=len(classes))
    small = {classes[label]: int(n) for label, n in enumerate(counts) if n < SMALL_CLASS}
    if small:
        yield _finding("small-class", "warning", len(small), dict(list(small.items())[:MOST_SOURCES]), ())
    ratio = counts.max() / counts.min()
    if ratio >= IMBALANCE:
        detail: dict[str, int | float | str] = {
            "largest": classes[int(counts.argmax())],
            "largest_images": int(counts.max()),
            "smallest": classes[int(counts.argmin())],
            "smallest_images": int(counts.min()),
            "ratio": round(float(ratio), 2),
        }
        yield _finding("imbalance", "warning", len(classes), detail, ())


def _size_findings(ordered: Sequence[Look], rows: Rows, spec: DatasetSpec) -> Iterator[Finding]:
    side = spec.image_size
    resized = [row for row, look in enumerate(ordered) if (look.height, look.width) != (side, side)]
    if resized:
        shapes = [(ordered[row].height, ordered[row].width) for row in resized]
        smallest, largest = min(shapes, key=lambda s: (s[0] * s[1], s)), max(shapes, key=lambda s: (s[0] * s[1], s))
        detail: dict[str, int | float | str] = {
            "to": f"{side}x{side}",
            "fit": spec.fit,
            "smallest": f"{smallest[1]}x{smallest[0]}",
            "largest": f"{largest[1]}x{largest[0]}",
            "enlarged": sum(min(shape) < side for shape in shapes),
        }
        yield _finding("resized", "info", len(resized), detail, ())


def _finding(
    kind: str,
    severity: Literal["info", "warning"],
    count: int,
    detail: dict[str, int] | dict[str, int | float | str],
    sources: Iterable[str],
) -> Finding:
    return Finding(kind, severity, count, dict(detail), tuple(sources)[:MOST_SOURCES])
