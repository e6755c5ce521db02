"""From decoded images to rows in the order of their content: identity into a fingerprint, oddities into findings."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from cnnlab.datasets.decode import Look
from cnnlab.datasets.table import MOST_SOURCES, DatasetAbout, Finding, Pictures, finding
from cnnlab.errors import DataError
from cnnlab.identity import canonical_json
from cnnlab.spec import DatasetSpec

SMALL_CLASS = 30
"""Classes with fewer images are pointed out: their test accuracy will rest on a handful."""

IMBALANCE = 3.0
"""Largest over smallest class from which on the imbalance is pointed out."""


@dataclass(frozen=True)
class Rows:
    """Everything of a table but its pixels. `order[i]` is the reader's index of row i."""

    order: list[int]
    labels: list[int]
    sources: list[str]
    official: list[int]
    twins: list[int]
    hashes: list[int]
    fingerprint: str
    about: DatasetAbout


def arrange(pictures: Pictures, looks: Sequence[Look]) -> Rows:
    """Put the good images in the order of their content. Raises DataError: a class is left without any image."""
    names = [pictures.class_ids[label] for label in pictures.labels]
    good = [index for index, look in enumerate(looks) if look.problem is None]
    good.sort(key=lambda i: (looks[i].digest, looks[i].width, looks[i].height, names[i], pictures.sources[i]))
    labels = [pictures.labels[index] for index in good]
    if empty := sorted(set(range(len(pictures.classes))) - set(labels)):
        what = "a class of the data set has no image that can be decoded"
        received = f"class “{pictures.classes[empty[0]]}”"
        hint = "add images to it, or remove its folder"
        raise DataError(what, where=pictures.where, received=received, hint=hint)
    ordered = [looks[index] for index in good]
    seen: dict[tuple[bytes, int, int], int] = {}
    sizes = Counter((look.height, look.width) for look in ordered)
    # The smaller of equally common sizes, so that the answer does not depend on the order of the files.
    (height, width), _ = min(sizes.items(), key=lambda item: (-item[1], item[0]))
    return Rows(
        order=good,
        labels=labels,
        sources=[pictures.sources[index] for index in good],
        official=[pictures.official[index] for index in good],
        twins=[seen.setdefault((look.digest, look.width, look.height), row) for row, look in enumerate(ordered)],
        hashes=[look.perceptual for look in ordered],
        fingerprint=fingerprint((names[i], looks[i].digest.hex(), looks[i].width, looks[i].height) for i in good),
        about=replace(pictures.about, height=height, width=width, channels=max(look.channels for look in ordered)),
    )


def fingerprint(images: Iterable[tuple[str, str, int, int]]) -> str:
    """The identity of a data set: sha256 over its sorted images, whatever their names, places and order.

    Args:
        images: (class id, sha256 in hexadecimal of the RGB bytes at the original size, width, height).

    Returns 64 hexadecimal digits: the sha256 of one canonical JSON array a line, sorted.
    """
    total = hashlib.sha256()
    for entry in sorted(images):
        total.update(canonical_json(list(entry)).encode() + b"\n")
    return total.hexdigest()


def copies(kind: Literal["duplicate", "near-duplicate"], rows: Rows, firsts: Sequence[int]) -> tuple[Finding, ...]:
    """The finding on images that are copies of the first of their group (`firsts`); near ones are no exact ones too."""
    found = [row for row, first in enumerate(firsts) if first != (row if kind == "duplicate" else rows.twins[row])]
    other = sum(rows.labels[row] != rows.labels[firsts[row]] for row in found)
    detail = {"groups": len({firsts[row] for row in found}), "with_other_label": other}
    return finding(kind, [f"{rows.sources[row]} = {rows.sources[firsts[row]]}" for row in found], detail, severe=True)


def oddities(pictures: Pictures, looks: Sequence[Look], rows: Rows, spec: DatasetSpec) -> Iterator[Finding]:
    """What is odd in the images, but for near duplicates."""
    bad = [index for index, look in enumerate(looks) if look.problem]
    problems = Counter(str(looks[index].problem) for index in bad).most_common(5)
    yield from finding("undecodable", [pictures.sources[index] for index in bad], dict(problems), severe=True)
    yield from copies("duplicate", rows, rows.twins)
    classes, counts = pictures.classes, np.bincount(rows.labels, minlength=len(pictures.classes)).tolist()
    if few := [label for label, count in enumerate(counts) if count < SMALL_CLASS]:
        yield Finding("small-class", "warning", len(few), {classes[i]: counts[i] for i in few[:MOST_SOURCES]})
    low, high = min(counts), max(counts)
    if (ratio := high / low) >= IMBALANCE:
        largest, smallest = classes[counts.index(high)], classes[counts.index(low)]
        detail: dict[str, int | float | str] = {"largest": largest, "largest_images": high}
        detail |= {"smallest": smallest, "smallest_images": low, "ratio": round(ratio, 2)}
        yield Finding("imbalance", "warning", len(counts), detail)
    ordered, side = [looks[index] for index in rows.order], spec.image_size
    shapes = [(o.height * o.width, o.height, o.width) for o in ordered if (o.height, o.width) != (side, side)]
    if shapes:
        least, most = ("{2}x{1}".format(*end) for end in (min(shapes), max(shapes)))
        enlarged = sum(min(height, width) < side for _, height, width in shapes)
        detail = {"to": f"{side}x{side}", "fit": spec.fit, "smallest": least, "largest": most, "enlarged": enlarged}
        yield Finding("resized", "info", len(shapes), detail)
    if rows.about.channels == 3:
        yield from finding("grey", [rows.sources[row] for row, look in enumerate(ordered) if look.channels == 1])
    for note in sorted({note for look in ordered for note in look.notes}):
        own = [rows.sources[row] for row, look in enumerate(ordered) if note in look.notes]
        yield from finding(note, own, severe=note == "several-frames")
