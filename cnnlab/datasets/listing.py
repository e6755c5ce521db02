"""List the files of a data set's folder, trusting neither its names nor its links."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cnnlab.datasets.cache import Stamp
from cnnlab.datasets.table import MOST_SOURCES, TEST, TRAIN, VALIDATION, Finding
from cnnlab.errors import DataError

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp"})
"""Files with another suffix are no images."""

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


@dataclass
class Listing:
    """What lies below a folder. Paths are relative to `root`, with `/`.

    Args:
        root: absolute, without links.
        images: stamp of each image file by its path, in the order of the paths.
        others: what is no image, sorted within each folder.
        links: links that are not followed, because they lead out of the folder or to another folder, as shown.
    """

    root: Path
    images: dict[str, Stamp] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    def path(self, relative: str) -> Path:
        """Where an image is."""
        return self.root / relative

    def findings(self, lists: Collection[Path] = ()) -> tuple[Finding, ...]:
        """What was passed over; `lists` are files that were read for what they say of the images."""
        return passed_over([other for other in self.others if self.path(other) not in lists], self.links)


def list_images(root: Path) -> Listing:
    """Every image below a folder, however deep. Links to folders are not followed, links to files when they stay inside.

    Raises:
        DataError: the path is missing, not a folder, or unreadable.
    """
    check_folder(root)
    listing = Listing(root.resolve())
    found: list[Stamp] = []
    waiting = [listing.root]
    try:
        while waiting:
            for entry in entries(listing.root, waiting.pop(), listing.others, listing.links):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif is_image(entry):
                    found.append(stamp_of(listing.root, entry))
                else:
                    listing.others.append(_relative(listing.root, entry))
    except OSError as problem:
        raise unreadable(root, problem) from None
    listing.images = {one.path: one for one in sorted(found, key=lambda one: os.fsencode(one.path))}
    return listing


def passed_over(others: list[str], links: list[str]) -> tuple[Finding, ...]:
    """The findings on files that are no images and on links that are not followed."""
    suffixes = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in others)
    every = (
        Finding("ignored", "info", len(others), _shown_keys(suffixes), tuple(map(display, others[:MOST_SOURCES]))),
        Finding("link", "warning", len(links), {}, tuple(links[:MOST_SOURCES])),
    )
    return tuple(finding for finding in every if finding.count)


def _shown_keys(suffixes: Counter[str]) -> dict[str, int]:
    return {display(suffix): count for suffix, count in suffixes.most_common(5)}


def check_folder(root: Path) -> None:
    """Raises DataError when a data set's folder is not one."""
    if not root.exists():
        raise DataError("the data set's folder does not exist", where=root, hint="check `path` in the lab file")
    if not root.is_dir():
        raise DataError(
            "the data set's path is not a folder",
            where=root,
            expected="a folder with one folder of images per class",
            hint="unpack archives first",
        )


def unreadable(root: Path, problem: OSError) -> DataError:
    """The error for a folder that the system does not let us read."""
    where = display(str(problem.filename or root))
    return DataError("the data set's folder cannot be read", where=where, received=problem.strerror)


def entries(root: Path, folder: Path, litter: list[str], links: list[str]) -> Iterator[os.DirEntry[str]]:
    """What a folder below `root` holds, sorted; litter and links that are not followed go into those lists instead."""
    with os.scandir(folder) as found:
        ordered = sorted(found, key=lambda entry: os.fsencode(entry.name))
    for entry in ordered:
        if is_litter(entry.name):
            litter.append(shown(root, entry))
        elif entry.is_symlink() and not _leads_inside(root, entry):
            links.append(shown(root, entry))
        else:
            yield entry


def stamp_of(root: Path, entry: os.DirEntry[str]) -> Stamp:
    """The stamp of a file, its path relative to `root`."""
    status = entry.stat()
    return Stamp(_relative(root, entry), status.st_size, status.st_mtime_ns)


def display(name: str) -> str:
    """Untrusted text made safe to show: control, format and undecodable characters become U+FFFD; NFC.

    Composing accents makes the names of macOS (which decomposes them) equal to everyone else's.
    """
    safe = (
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in name
    )
    return unicodedata.normalize("NFC", "".join(safe))


def shown(root: Path, entry: os.DirEntry[str]) -> str:
    """The path of an entry relative to `root`, fit to be shown."""
    return display(_relative(root, entry))


def is_litter(name: str) -> bool:
    """Whether a name is hidden, or what file managers leave behind."""
    return name.startswith(".") or name in _LITTER


def is_image(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a file with an image's suffix."""
    return os.path.splitext(entry.name)[1].lower() in SUFFIXES and entry.name[0] != "." and entry.is_file()  # noqa: PTH122


def _relative(root: Path, entry: os.DirEntry[str]) -> str:
    return entry.path[len(os.fspath(root).rstrip("/")) + 1 :]


def _leads_inside(root: Path, entry: os.DirEntry[str]) -> bool:
    """Whether a link leads to a file of the data set (links to folders could lead round in circles)."""
    target = Path(os.path.realpath(entry.path))
    return target.is_file() and target.is_relative_to(root)
