"""Decode a whole data set: pixels into a memory map, identity into a fingerprint, oddities into findings."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from cnnlab.datasets.lookalikes import LEAST_SIDE, NOT_HASHED, perceptual_hash
from cnnlab.datasets.pictures import Pictures, Report, Undecodable
from cnnlab.datasets.pixels import as_rgb, fit_square
from cnnlab.datasets.table import MOST_SOURCES, DatasetAbout, Finding
from cnnlab.errors import DataError
from cnnlab.spec import DatasetSpec, canonical_json

SMALL_CLASS = 30
"""Classes with fewer images are pointed out: their test accuracy will rest on a handful."""

IMBALANCE = 3.0
"""Largest over smallest class from which on the imbalance is pointed out."""

_CHUNK = 128
_WARNING_NOTES = {"several-frames"}


@dataclass(frozen=True)
class Look:
    """What was learnt of one image: sha256 of its RGB pixels at the original size, that size, and the perceptual hash
    of the square that the networks see. Or why it is bad."""

    digest: bytes = b""
    height: int = 0
    width: int = 0
    channels: int = 3
    perceptual: int = NOT_HASHED
    notes: tuple[str, ...] = ()
    problem: str | None = None


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


def decode_all(
    pictures: Pictures, spec: DatasetSpec, write: Callable[[int, np.ndarray], None], report: Report
) -> list[Look]:
    """Decode every image, on all cores.

    Args:
        write: told the reader's index of the first image, and uint8 (n, S, S, 3): what is undecodable is black. Called
            from several threads, in no order.

    Returns:
        What was learnt of each image, in the reader's order.

    Raises:
        DataError: more than `spec.max_bad` of the images are undecodable.
    """
    total = len(pictures.labels)
    looks: list[Look] = []
    bad: list[int] = []
    # Pillow warns on odd but decodable files; they are findings or nothing, not noise on the user's screen.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        warnings.simplefilter("ignore")
        chunks = [range(start, min(start + _CHUNK, total)) for start in range(0, total, _CHUNK)]
        try:
            for chunk, found in zip(
                chunks, pool.map(lambda c: _decode_chunk(pictures, spec, write, c), chunks), strict=True
            ):
                looks += found
                bad += [index for index, look in zip(chunk, found, strict=True) if look.problem]
                if len(bad) > spec.max_bad * total:
                    raise _too_many_bad(pictures, looks, bad, spec.max_bad)
                report(f"decoding {total:,} images", len(looks) / total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return looks


def _decode_chunk(
    pictures: Pictures, spec: DatasetSpec, write: Callable[[int, np.ndarray], None], chunk: range
) -> list[Look]:
    squares = np.zeros((len(chunk), spec.image_size, spec.image_size, 3), np.uint8)
    looks = [_decode_one(pictures, spec, square, index) for square, index in zip(squares, chunk, strict=True)]
    write(chunk.start, squares)
    return looks


def _decode_one(pictures: Pictures, spec: DatasetSpec, into: np.ndarray, index: int) -> Look:
    try:
        picture = pictures.decode(index)
    except Undecodable as problem:
        return Look(problem=str(problem))
    pixels = picture.pixels
    digest = hashlib.sha256(as_rgb(pixels).tobytes()).digest()
    square = fit_square(pixels, spec.image_size, spec.fit)
    into[:] = as_rgb(square)
    channels = 1 if pixels.ndim == 2 else 3
    height, width = pixels.shape[:2]
    hashed = perceptual_hash(square) if min(height, width) >= LEAST_SIDE else NOT_HASHED
    return Look(digest, height, width, channels, hashed, picture.notes)


def _too_many_bad(pictures: Pictures, looks: Sequence[Look], bad: Sequence[int], most: float) -> DataError:
    examples = "; ".join(f"{pictures.sources[index]}: {looks[index].problem}" for index in bad[:3])
    return DataError(
        "too many images of the data set cannot be decoded",
        where=pictures.where,
        received=f"{len(bad)} bad among the first {len(looks)} of {len(pictures.labels)}, such as {examples}",
        expected=f"at most {most:.0%} of all (`max_bad` in the lab file)",
        hint="remove or replace the damaged files; an interrupted copy or download is the usual cause",
    )


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
        yield _finding("near-duplicate", "warning", len(near), detail, (rows.sources[row] for row in near))


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
        yield _finding("duplicate", "warning", len(twins), detail, (rows.sources[row] for row in twins))
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
