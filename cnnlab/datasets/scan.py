"""List a folder that holds one folder per class, trusting neither its names nor its links."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cnnlab.datasets.cache import Stamp
from cnnlab.datasets.table import MOST_SOURCES, NO_DIVISION, TEST, TRAIN, VALIDATION, Finding
from cnnlab.errors import DataError

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp"})
"""Files with another suffix are ignored, and counted."""

DIVISIONS = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "test": TEST,
    "testing": TEST,
}
"""Names of the optional level above the classes."""

_LITTER = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN"})


@dataclass(frozen=True)
class Found:
    """One image file: its class, its division and its stamp (whose path is relative to the root)."""

    path: Path
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
        suffixes = Counter(Path(name).suffix.lower() or "no suffix" for name in self.ignored)
        every = (
            Finding("ignored", "info", len(self.ignored), dict(suffixes.most_common(5)), tuple(self.ignored)),
            Finding("outside-class", "warning", len(self.outside), {}, tuple(self.outside)),
            Finding("link", "warning", len(self.links), {}, tuple(self.links)),
            Finding("renamed-class", "warning", len(renamed), {}, tuple(renamed)),
        )
        return tuple(Finding(f.kind, f.severity, f.count, f.detail, f.sources[:MOST_SOURCES]) for f in every if f.count)


def display(name: str) -> str:
    """Untrusted text made safe to show: control, format and undecodable characters become U+FFFD; NFC.

    Composing accents makes the names of macOS (which decomposes them) equal to everyone else's.
    """
    safe = (
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in name
    )
    return unicodedata.normalize("NFC", "".join(safe))


def scan_folder(root: Path) -> Scan:
    """List the images of a one-folder-per-class data set, below an optional level of train/validation/test.

    Directory links are not followed; links to files are when they stay inside the folder.

    Raises:
        DataError: the path is missing, not a folder, unreadable, without classes, with one class only, with an empty
            class, with two classes of the same name, or divided into training and test images only in part.
    """
    try:
        _check_root(root)
        scan = Scan(root.resolve())
        for folder, official in _divisions(scan):
            for entry in _entries(scan, folder):
                if entry.is_dir(follow_symlinks=False):
                    _scan_class(scan, Path(entry.path), official)
                elif _is_image(entry):
                    scan.outside.append(_shown(scan, entry))
                else:
                    scan.ignored.append(_shown(scan, entry))
    except OSError as problem:
        where = display(str(problem.filename or root))
        raise DataError("the data set's folder cannot be read", where=where, received=problem.strerror) from None
    _check_classes(scan)
    scan.images.sort(key=lambda found: os.fsencode(found.stamp.path))
    return scan


def _check_root(root: Path) -> None:
    if not root.exists():
        raise DataError("the data set's folder does not exist", where=root, hint="check `path` in the lab file")
    if not root.is_dir():
        raise DataError(
            "the data set's path is not a folder",
            where=root,
            expected="a folder with one folder of images per class",
            hint="unpack archives first",
        )


def _divisions(scan: Scan) -> list[tuple[Path, int]]:
    """The folders that hold class folders, with their division: the root itself when there is no such level.

    What only half looks like divisions is refused: "train" and "test" must never become two classes unnoticed.
    """
    with os.scandir(scan.root) as entries:
        folders = sorted(
            (e for e in entries if e.is_dir(follow_symlinks=False) and not _is_litter(e.name)), key=lambda e: e.name
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
        children = [entry for entry in inner if not _is_litter(entry.name)]
    folders = [entry.name.lower() for entry in children if entry.is_dir(follow_symlinks=False)]
    return folders != ["images"] and not any(_is_image(entry) for entry in children)


def _entries(scan: Scan, folder: Path) -> Iterator[os.DirEntry[str]]:
    """What a folder holds, sorted, without litter and without links that are not followed."""
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    for entry in ordered:
        if _is_litter(entry.name):
            scan.ignored.append(_shown(scan, entry))
        elif entry.is_symlink() and not _leads_inside(scan.root, entry):
            scan.links.append(_shown(scan, entry))
        else:
            yield entry


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
            elif _is_image(entry):
                status = entry.stat()
                relative = os.path.relpath(entry.path, scan.root)
                found = Stamp(relative.replace(os.sep, "/"), status.st_size, status.st_mtime_ns)
                scan.images.append(Found(Path(entry.path), name, official, found))
            else:
                scan.ignored.append(_shown(scan, entry))


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


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name in _LITTER


def _is_image(entry: os.DirEntry[str]) -> bool:
    return Path(entry.name).suffix.lower() in SUFFIXES and not entry.name.startswith(".") and entry.is_file()


def _leads_inside(root: Path, entry: os.DirEntry[str]) -> bool:
    """Whether a link leads to a file of the data set (links to folders could lead round in circles)."""
    target = Path(os.path.realpath(entry.path))
    return target.is_file() and target.is_relative_to(root)


def _shown(scan: Scan, entry: os.DirEntry[str]) -> str:
    return display(os.path.relpath(entry.path, scan.root).replace(os.sep, "/"))
