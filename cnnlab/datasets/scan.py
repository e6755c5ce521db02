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
    """What a folder holds. `classes` are display names, sorted; `images` are sorted by path."""

    root: Path
    classes: list[str] = field(default_factory=list)
    images: list[Found] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)

    def findings(self) -> tuple[Finding, ...]:
        """What was passed over."""
        suffixes = Counter(Path(name).suffix.lower() or "no suffix" for name in self.ignored)
        every = (
            Finding("ignored", "info", len(self.ignored), dict(suffixes.most_common(5)), tuple(self.ignored)),
            Finding("outside-class", "warning", len(self.outside), {}, tuple(self.outside)),
            Finding("link", "warning", len(self.links), {}, tuple(self.links)),
            Finding("renamed-class", "warning", len(self.renamed), {}, tuple(self.renamed)),
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
            class, or with two classes of the same name.
    """
    _check_root(root)
    scan = Scan(root.resolve())
    try:
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
    """The folders that hold class folders, with their division: the root itself when there is no such level."""
    with os.scandir(scan.root) as entries:
        folders = [e for e in entries if e.is_dir(follow_symlinks=False) and not _is_litter(e.name)]
    if not folders or not all(entry.name.lower() in DIVISIONS for entry in folders):
        return [(scan.root, NO_DIVISION)]
    for entry in folders:
        with os.scandir(entry.path) as inner:
            if any(_is_image(child) for child in inner):
                return [(scan.root, NO_DIVISION)]
    return [(Path(e.path), DIVISIONS[e.name.lower()]) for e in sorted(folders, key=lambda e: e.name)]


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
    name = display(folder.name)
    known = scan.renamed.get(name, name)
    if known != folder.name and name != unicodedata.normalize("NFC", folder.name):
        scan.renamed[name] = folder.name
    if name not in scan.classes:
        scan.classes.append(name)
    _scan_images(scan, folder, name, official)


def _scan_images(scan: Scan, folder: Path, name: str, official: int) -> None:
    for entry in _entries(scan, folder):
        if entry.is_dir(follow_symlinks=False):
            _scan_images(scan, Path(entry.path), name, official)
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
        raise DataError("the data set's folder has no classes", where=scan.root, received=received, expected=expected)
    if len(scan.classes) == 1:
        only = scan.classes[0]
        hint = f"if the classes are inside “{only}”, let `path` point there"
        raise DataError(
            "the data set has one class only", where=scan.root, received=f"“{only}”", expected=expected, hint=hint
        )
    for name in scan.classes:
        if not counts[name]:
            raise DataError(
                "a class folder has no image",
                where=scan.root,
                received=f"class “{name}”",
                expected="at least one JPEG, PNG, WebP or BMP file in it",
                hint="add images to it, or remove the folder",
            )


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
