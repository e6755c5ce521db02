"""Images with the class that each belongs to, however a copy on the disk says it, on the way to `Pictures`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from cnnlab.datasets.listing import display
from cnnlab.datasets.pictures import Content, Pictures
from cnnlab.datasets.table import MOST_SOURCES, NO_DIVISION, TEST, TRAIN, VALIDATION, DatasetAbout, Finding
from cnnlab.errors import DataError

DIVISION_NAMES = {TRAIN: "train", VALIDATION: "validation", TEST: "test"}


@dataclass(frozen=True)
class Labelled:
    """Every usable image of a copy. `labels` are class ids; for `content` see `Pictures`."""

    labels: Sequence[str]
    divisions: Sequence[int]
    sources: Sequence[str]
    content: Callable[[int], Content]
    findings: tuple[Finding, ...] = ()


def labelled_pictures(images: Labelled, *, name_of: Callable[[str], str], about: DatasetAbout, where: Path) -> Pictures:
    """The images with their classes in the order of the ids, so that every layout gives the same labels.

    A division into disjoint classes is one for few-shot learning and no use to a classifier: it is dropped, and a
    finding says so.

    Raises:
        DataError: there is no image, one class only, or two that cannot be told apart.
    """
    ids = sorted(set(images.labels))
    if len(ids) < 2:
        raise DataError(
            "a data set needs images of two classes or more",
            where=where,
            received=f"{len(images.labels):,} images of {len(ids)} classes",
        )
    shown = [display(identifier) for identifier in ids]
    if len(set(shown)) < len(ids):
        raise DataError(
            "two classes have the same name, once it is made fit to be shown",
            where=where,
            received=f"“{next(name for name in shown if shown.count(name) > 1)}” twice",
            hint="rename one of them",
        )
    index = {identifier: label for label, identifier in enumerate(ids)}
    few_shot = few_shot_classes(images.labels, images.divisions)
    finding = Finding("few-shot", "info", len(ids), {DIVISION_NAMES[key]: n for key, n in few_shot.items()})
    return Pictures(
        classes=_distinct([display(name_of(identifier)) for identifier in ids], shown),
        ids=tuple(shown),
        labels=[index[label] for label in images.labels],
        sources=[display(source) for source in images.sources],
        official=[NO_DIVISION] * len(images.labels) if few_shot else images.divisions,
        about=about,
        content=images.content,
        where=where,
        findings=(*images.findings, *([finding] if few_shot else [])),
    )


def few_shot_classes(labels: Sequence[str], divisions: Sequence[int]) -> dict[int, int]:
    """Number of classes in each division when no two divisions share a class; {} when they do, or there are not two."""
    classes: dict[int, set[str]] = {}
    for label, division in zip(labels, divisions, strict=True):
        if division != NO_DIVISION:
            classes.setdefault(division, set()).add(label)
    if len(classes) < 2 or any(one & other for one, other in combinations(classes.values(), 2)):
        return {}
    return {division: len(found) for division, found in sorted(classes.items())}


def check_missing(missing: Sequence[str], listed: int, *, max_bad: float, where: Path) -> tuple[Finding, ...]:
    """The finding on files that a list names and that are not there.

    Raises:
        DataError: they are more than the share `max_bad` of the `listed` ones.
    """
    if not missing:
        return ()
    if len(missing) > max_bad * listed:
        raise DataError(
            "too many images that the data set's lists name are not there",
            where=where,
            received=f"{len(missing):,} of {listed:,} missing, such as {', '.join(map(display, missing[:3]))}",
            expected=f"at most {max_bad:.0%} of all (`max_bad` in the lab file)",
            hint="unpack or copy the images again; `path` is the folder with the lists and the images",
        )
    return (Finding("missing", "warning", len(missing), {}, tuple(map(display, missing[:MOST_SOURCES]))),)


def _distinct(names: Sequence[str], ids: Sequence[str]) -> tuple[str, ...]:
    """Names as they are; where several classes have the same one, the id as well ("crane", n02012849)."""
    return tuple(
        f"{name} ({identifier})" if names.count(name) > 1 and name != identifier else name
        for name, identifier in zip(names, ids, strict=True)
    )
