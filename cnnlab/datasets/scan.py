"""List a folder that holds one folder per class, trusting neither its names nor its links."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cnnlab.datasets.cache import Stamp
from cnnlab.datasets.listing import (
    DIVISIONS,
    check_folder,
    display,
    entries,
    is_image,
    is_litter,
    passed_over,
    shown,
    stamp_of,
    unreadable,
)
from cnnlab.datasets.table import MOST_SOURCES, NO_DIVISION, Finding
from cnnlab.errors import DataError


@dataclass(frozen=True)
class Found:
    """One image file: its class, its division and its stamp (whose path is relative to the root)."""

    name: str
    official: int
    stamp: Stamp


@dataclass
class Scan:
    """What a folder holds. `classes` are display names, sorted; `images` are sorted by path.

    `written` is each class's name as the folder has it; `seen` are the (class, division) pairs met so far.
    """

    root: Path
    classes: list[str] = field(default_factory=list)
    images: list[Found] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)
    seen: set[tuple[str, int]] = field(default_factory=set)

    def findings(self) -> tuple[Finding, ...]:
        """What was passed over."""
        renamed = [shown for shown, written in self.written.items() if shown != written]
        every = (
            *passed_over(self.ignored, self.links),
            Finding("outside-class", "warning", len(self.outside), {}, tuple(self.outside[:MOST_SOURCES])),
            Finding("renamed-class", "warning", len(renamed), {}, tuple(renamed[:MOST_SOURCES])),
        )
        return tuple(finding for finding in every if finding.count)


def scan_folder(root: Path) -> Scan:
    """List the images of a one-folder-per-class data set, below an optional level of train/validation/test.

    Directory links are not followed; links to files are when they stay inside the folder.

    Raises:
        DataError: the path is missing, not a folder, unreadable, without classes, with one class only, with an empty
            class, with two classes of the same name, or divided into training and test images only in part.
    """
    try:
        check_folder(root)
        scan = Scan(root.resolve())
        for folder, official in _divisions(scan):
            for entry in _entries(scan, folder):
                if entry.is_dir(follow_symlinks=False):
                    _scan_class(scan, Path(entry.path), official)
                elif is_image(entry):
                    scan.outside.append(shown(scan.root, entry))
                else:
                    scan.ignored.append(shown(scan.root, entry))
    except OSError as problem:
        raise unreadable(root, problem) from None
    _check_classes(scan)
    scan.images.sort(key=lambda found: os.fsencode(found.stamp.path))
    return scan


def _divisions(scan: Scan) -> list[tuple[Path, int]]:
    """The folders that hold class folders, with their division: the root itself when there is no such level.

    What only half looks like divisions is refused: "train" and "test" must never become two classes unnoticed.
    """
    with os.scandir(scan.root) as entries:
        folders = sorted(
            (e for e in entries if e.is_dir(follow_symlinks=False) and not is_litter(e.name)), key=lambda e: e.name
        )
    named = sorted(
        (entry for entry in folders if entry.name.lower() in DIVISIONS), key=lambda e: DIVISIONS[e.name.lower()]
    )
    others = [display(entry.name) for entry in folders if entry not in named]
    flat = [entry.name for entry in named if not _has_class_folders(Path(entry.path))]
    if not named or (len(named) == 1 and (others or flat)):
        return [(scan.root, NO_DIVISION)]
    if others or flat:
        reason = (
            f"{others[0]} beside {named[0].name}" if others else f"not every image in {flat[0]} is in a class folder"
        )
        raise DataError(
            "the folder is divided into training and test images only in part",
            where=scan.root,
            received=reason,
            expected="train/<class>/…, and perhaps validation/<class>/… and test/<class>/…, or <class>/… alone",
            hint=f"let `path` point to “{named[0].name}”, or move the rest elsewhere: cnnlab divides images itself",
        )
    return [(Path(entry.path), DIVISIONS[entry.name.lower()]) for entry in named]


def _has_class_folders(division: Path) -> bool:
    """Whether every image of a division is in a class folder. One folder named "images" is none."""
    with os.scandir(division) as inner:
        children = [entry for entry in inner if not is_litter(entry.name)]
    folders = [entry.name.lower() for entry in children if entry.is_dir(follow_symlinks=False)]
    return folders != ["images"] and not any(is_image(entry) for entry in children)


def _entries(scan: Scan, folder: Path) -> Iterator[os.DirEntry[str]]:
    return entries(scan.root, folder, scan.ignored, scan.links)


def _scan_class(scan: Scan, folder: Path, official: int) -> None:
    name, written = display(folder.name), unicodedata.normalize("NFC", folder.name)
    if scan.written.setdefault(name, written) != written or (name, official) in scan.seen:
        raise DataError(
            "two class folders have the same name, once it is made fit to be shown",
            where=scan.root,
            received=f"“{name}” twice",
            hint="rename one of them",
        )
    scan.seen.add((name, official))
    if name not in scan.classes:
        scan.classes.append(name)
    _scan_images(scan, folder, name, official)


def _scan_images(scan: Scan, folder: Path, name: str, official: int) -> None:
    """Every image below a class folder, however deep."""
    waiting = [folder]
    while waiting:
        for entry in _entries(scan, waiting.pop()):
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif is_image(entry):
                scan.images.append(Found(name, official, stamp_of(scan.root, entry)))
            else:
                scan.ignored.append(shown(scan.root, entry))


def _check_classes(scan: Scan) -> None:
    scan.classes.sort()
    counts = Counter(found.name for found in scan.images)
    expected = "a folder with one folder of images (JPEG, PNG, WebP or BMP) per class"
    if not scan.classes:
        received = f"{len(scan.outside)} images outside any folder" if scan.outside else "no class folder"
        received += _links(scan)
        raise DataError("the data set's folder has no classes", where=scan.root, received=received, expected=expected)
    if len(scan.classes) == 1:
        only = scan.classes[0]
        hint = f"if the classes are inside “{only}”, let `path` point there"
        raise DataError(
            "the data set has one class only",
            where=scan.root,
            received=f"“{only}”{_links(scan)}",
            expected=expected,
            hint=hint,
        )
    for name in scan.classes:
        if not counts[name]:
            raise DataError(
                "a class folder has no image",
                where=scan.root,
                received=f"class “{name}”{_links(scan)}",
                expected="at least one JPEG, PNG, WebP or BMP file in it",
                hint="add images to it, or remove the folder",
            )


def _links(scan: Scan) -> str:
    """A folder made of links looks full to its owner."""
    return f" ({len(scan.links)} links to folders or out of this one are not followed)" if scan.links else ""
