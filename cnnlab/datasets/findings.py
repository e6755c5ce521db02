"""From decoded images to rows in the order of their content: identity into a fingerprint, oddities into findings."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from cnnlab.datasets.decode import Look
from cnnlab.datasets.table import MOST_SOURCES, DatasetAbout, Finding, Pictures
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
    names = [pictures.class_ids[label] for label in pictures.labels]
    good = [index for index, look in enumerate(looks) if look.problem is None]
    good.sort(key=lambda i: (looks[i].digest, looks[i].width, looks[i].height, names[i], pictures.sources[i]))
    labels = [pictures.labels[index] for index in good]
    if empty := sorted(set(range(len(pictures.classes))) - set(labels)):
        raise DataError(
            "a class of the data set has no image that can be decoded",
            where=pictures.where,
            received=f"class “{pictures.classes[empty[0]]}”",
            hint="add images to it, or remove its folder",
        )
    ordered = [looks[index] for index in good]
    seen: dict[tuple[bytes, int, int], int] = {}
    sizes = Counter((look.height, look.width) for look in ordered)
    # The smaller of equally common sizes, so that the answer does not depend on the order of the files.
    (height, width), _ = min(sizes.items(), key=lambda item: (-item[1], item[0]))
    rows = Rows(
        order=np.array(good, dtype=np.int64),
        labels=labels,
        sources=[pictures.sources[index] for index in good],
        official=[pictures.official[index] for index in good],
        twins=[seen.setdefault((look.digest, look.width, look.height), row) for row, look in enumerate(ordered)],
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


def copies(kind: Literal["duplicate", "near-duplicate"], rows: Rows, firsts: Sequence[int]) -> tuple[Finding, ...]:
    """The finding on images that are copies of the first of their group (`firsts`); near ones are no exact ones too."""
    found = [row for row, first in enumerate(firsts) if first != (row if kind == "duplicate" else rows.twins[row])]
    other = sum(rows.labels[row] != rows.labels[firsts[row]] for row in found)
    detail = {"groups": len({firsts[row] for row in found}), "with_other_label": other}
    sources = tuple(f"{rows.sources[row]} = {rows.sources[firsts[row]]}" for row in found[:MOST_SOURCES])
    return (Finding(kind, "warning", len(found), detail, sources),) if found else ()


def _findings(
    pictures: Pictures, looks: Sequence[Look], ordered: Sequence[Look], rows: Rows, spec: DatasetSpec
) -> list[Finding]:
    found: list[Finding] = []

    def add(
        kind: str, detail: Mapping[str, int | float | str], count: int, sources: Sequence[str] = (), *, severe: bool
    ) -> None:
        if count:
            found.append(Finding(kind, "warning" if severe else "info", count, detail, tuple(sources[:MOST_SOURCES])))

    def add_rows(kind: str, own: list[int]) -> None:
        add(kind, {}, len(own), [rows.sources[row] for row in own], severe=kind == "several-frames")

    bad = [index for index, look in enumerate(looks) if look.problem]
    problems = Counter(str(looks[index].problem) for index in bad).most_common(5)
    add("undecodable", dict(problems), len(bad), [pictures.sources[index] for index in bad], severe=True)
    found += copies("duplicate", rows, rows.twins)
    counts = np.bincount(rows.labels, minlength=len(pictures.classes)).tolist()
    few = [label for label, count in enumerate(counts) if count < SMALL_CLASS]
    add("small-class", {pictures.classes[i]: counts[i] for i in few[:MOST_SOURCES]}, len(few), severe=True)
    high, low = max(counts), min(counts)
    largest, smallest = pictures.classes[counts.index(high)], pictures.classes[counts.index(low)]
    sizes = {"largest": largest, "largest_images": high, "smallest": smallest, "smallest_images": low}
    ratio = high / low
    add("imbalance", {**sizes, "ratio": round(ratio, 2)}, len(counts) if ratio >= IMBALANCE else 0, severe=True)
    side = spec.image_size
    shapes = [(o.height * o.width, o.height, o.width) for o in ordered if (o.height, o.width) != (side, side)]
    if shapes:
        (_, *least), (_, *most) = min(shapes), max(shapes)
        enlarged = sum(min(height, width) < side for _, height, width in shapes)
        words = {"to": f"{side}x{side}", "fit": spec.fit, "smallest": "{1}x{0}".format(*least)}
        detail: dict[str, int | str] = {**words, "largest": "{1}x{0}".format(*most), "enlarged": enlarged}
        add("resized", detail, len(shapes), severe=False)
    if rows.about.channels == 3:
        add_rows("grey", [row for row, look in enumerate(ordered) if look.channels == 1])
    for note in sorted({note for look in ordered for note in look.notes}):
        add_rows(note, [row for row, look in enumerate(ordered) if note in look.notes])
    return found
