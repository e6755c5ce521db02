"""Use part of a data set: some of its classes, and so many images of each."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from cnnlab.datasets.table import Finding, Pictures
from cnnlab.errors import DataError, did_you_mean
from cnnlab.spec import DatasetSpec


def selected(pictures: Pictures, spec: DatasetSpec) -> Pictures:
    """The pictures that `spec.classes` and `spec.images_per_class` ask for, before any is decoded.

    What is drawn by chance depends on the split's seed, on the class and on the file's own name alone, so that every
    layout that keeps the names gives the same images. Raises DataError: there is no such class, or there are too few
    classes or images.
    """
    if spec.classes is None and spec.images_per_class is None:
        return pictures
    labels, each, rows = np.asarray(pictures.labels), spec.images_per_class, list[int]()
    chosen = _chosen_classes(pictures, spec, np.bincount(labels, minlength=len(pictures.classes)))
    for label in chosen:
        own = np.flatnonzero(labels == label).tolist()
        if each is not None:
            own.sort(key=lambda row: pictures.sources[row])  # decides between files of one name
            of_class = pictures.class_ids[label]
            own = _lot(own, spec.split.seed, lambda row: f"{of_class} {PurePosixPath(pictures.sources[row]).name}")  # noqa: B023
        rows += own[:each]
    if len(rows) == len(labels):
        return pictures
    rows.sort()
    detail = {"of_images": len(labels), "classes": len(chosen), "of_classes": len(pictures.classes)}
    index, whole = {label: position for position, label in enumerate(chosen)}, pictures.content
    return replace(
        pictures,
        classes=tuple(pictures.classes[label] for label in chosen),
        ids=tuple(pictures.ids[label] for label in chosen) if pictures.ids else (),
        labels=[index[pictures.labels[row]] for row in rows],
        sources=[pictures.sources[row] for row in rows],
        official=[pictures.official[row] for row in rows],
        content=lambda row: whole(rows[row]),
        findings=(*pictures.findings, Finding("selected", "info", len(rows), detail)),
    )


def _chosen_classes(pictures: Pictures, spec: DatasetSpec, sizes: np.ndarray) -> list[int]:
    """Labels, in the order of the whole data set."""
    least = spec.images_per_class or 1
    chosen = list(range(len(sizes)))
    if isinstance(spec.classes, tuple):
        both = (pictures.class_ids, pictures.classes)
        spellings = {_plain(one): label for own in both for label, one in enumerate(own)}
        if unknown := [name for name in spec.classes if _plain(name) not in spellings]:
            what, expected = "the data set has no such class", ", ".join(pictures.classes[:10])
            expected += ", …" if len(pictures.classes) > 10 else ""
            hint = did_you_mean(_plain(unknown[0]), spellings)
            raise DataError(what, where=pictures.where, received=unknown[0], expected=expected, hint=hint)
        chosen = sorted({spellings[_plain(name)] for name in spec.classes})
    elif spec.classes is not None:
        large = [label for label in chosen if sizes[label] >= least]
        if len(large) < spec.classes:
            what = "the data set has too few classes to choose from"
            received = f"{len(large)} classes of at least {least:,} images"
            hint = "lower `classes` or `images_per_class` in the lab file"
            raise DataError(what, where=pictures.where, received=received, expected=spec.classes, hint=hint)
        chosen = sorted(_lot(large, spec.split.seed, lambda label: pictures.class_ids[label])[: spec.classes])
    if len(chosen) < 2:
        received = ", ".join(pictures.classes[label] for label in chosen) or "none"
        what, hint = "a data set needs two classes or more", "name more `classes` in the lab file"
        raise DataError(what, where=pictures.where, received=received, hint=hint)
    if small := [label for label in chosen if spec.images_per_class and sizes[label] < least]:
        what, expected = "a class has fewer images than the lab asks for", f"{spec.images_per_class:,} of each class"
        received = ", ".join(f"“{pictures.classes[label]}” {sizes[label]:,}" for label in small[:5])
        hint = "lower `images_per_class` in the lab file, or choose other `classes`"
        raise DataError(what, where=pictures.where, received=received, expected=expected, hint=hint)
    return chosen


def _plain(name: str) -> str:
    """A class's name or id, whatever the case, with `_` for spaces or not."""
    words = unicodedata.normalize("NFC", name).casefold().replace("_", " ").strip().strip("/")
    letter, slash, rest = words.partition("/")
    # Places writes `/a/abbey`; the letter is a shelf, not part of the name.
    return rest if slash and len(letter) == 1 and rest.startswith(letter) else words


def _lot(items: Iterable[int], seed: int, key: Callable[[int], str]) -> list[int]:
    """Items in a random order that each one's own key and the seed decide: leaving one out moves no other."""
    return sorted(items, key=lambda item: hashlib.sha256(f"{seed} {key(item)}".encode()).digest())
