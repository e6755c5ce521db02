"""A folder's files, trusting neither its names nor its links, and which class and division each image belongs to."""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path, PurePosixPath

from cnnlab.datasets.cache import Stamp
from cnnlab.datasets.table import DIVISIONS, NO_DIVISION, Content, DatasetAbout, Finding, Pictures, finding
from cnnlab.errors import DataError, visible
from cnnlab.spec import SPLITS

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp"})
"""Files with another suffix are no images."""

LEVELS = frozenset(DIVISIONS) - {"dev", "eval", "evaluation"}
"""Names of the optional level of folders above the classes."""

_COLUMNS = (("filename", "file", "path", "image"), ("label", "class", "category"), ("split", "division", "subset"))
"""Of a CSV list: what the columns of files, classes and divisions are called."""

_EXPECTED = "a folder with one folder of images (JPEG, PNG, WebP or BMP) per class"
_SAME, _RENAME = "have the same name, once it is made fit to be shown", "rename one of them"
_LITTER = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN"})

Line = tuple[str, str, int]
"""An image by a list: its name as written there, its class, its division."""

Row = tuple[str, int, str]
"""An image of a listing: its class, its division, its path."""


def display(name: str) -> str:
    """Untrusted text made safe to show on one line, and NFC.

    Composing accents makes the names of macOS (which decomposes them) equal to everyone else's.
    """
    breaks = dict.fromkeys(map(ord, "\n\t\u2028\u2029"), "\N{REPLACEMENT CHARACTER}")
    return unicodedata.normalize("NFC", visible(name).translate(breaks))


def division(name: str) -> int:
    """The division of a relative path, by the last part that names exactly one: `data/train-00000-of-00002.parquet`."""
    for part in reversed(name.lower().split("/")):
        found = {DIVISIONS[word] for word in re.split(r"[^a-z]+", part) if word in DIVISIONS}
        if len(found) == 1:
            return found.pop()
    return NO_DIVISION


@dataclass
class Listing:
    """What lies below a folder, each list in the order of the paths, which are relative to `root`, with `/`.

    Args:
        root: absolute, without links.
        images: the stamp of each image file by its path.
        folders: those that were entered.
        others: what is no image.
        links: links that are not followed, because they lead out of the folder or to another folder.
    """

    root: Path
    images: dict[str, Stamp] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    @property
    def stamps(self) -> list[Stamp]:
        """What a cache entry of all its images depends on."""
        return [Stamp(str(self.root), 0, 0), *self.images.values()]

    def passed_over(self, below: Sequence[str] = ("",), lists: Collection[Path] = ()) -> tuple[Finding, ...]:
        """The findings on what was not read below some folders ("" or ending in `/`); `lists` are files that were."""
        others, links = (
            [path for path in paths if path.startswith(tuple(below)) and self.root / path not in lists]
            for paths in (self.others, self.links)
        )
        kinds = Counter(PurePosixPath(path).suffix.lower() or "no suffix" for path in others).most_common(5)
        detail = {display(kind): count for kind, count in kinds}
        return finding("ignored", [*map(display, others)], detail) + finding(
            "link", [*map(display, links)], severe=True
        )

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.images:
            found.setdefault(PurePosixPath(path).name, []).append(path)
        return found

    def find(self, written: str, *, prefer: Iterable[str] = ()) -> str | None:
        """The path of the image that a list calls `written`, None when it is not there.

        A list's paths may begin anywhere below the folder. Of several that end alike, the one whose folders are most
        of `prefer` (such as its class and its division) is taken. Raises DataError: several fit equally well.
        """
        wanted = written.replace("\\", "/").removeprefix("./").lstrip("/")
        if wanted in self.images:
            return wanted
        fitting = [path for path in self._by_name.get(PurePosixPath(wanted).name, ()) if path.endswith(f"/{wanted}")]
        scores = [len(set(prefer) & set(PurePosixPath(path).parts[:-1])) for path in fitting]
        best = [path for path, score in zip(fitting, scores, strict=True) if score == max(scores)]
        if len(best) > 1:
            received = f"{display(written)}: {', '.join(map(display, best[:3]))}"
            what, hint = "a list names an image that is there several times", "let `path` point to one copy only"
            raise DataError(what, where=self.root, received=received, hint=hint)
        return best[0] if best else None


def list_images(root: Path) -> Listing:
    """Everything below a folder, however deep. Links to folders are not followed, links to files when they stay inside.

    Raises DataError: the path is missing, not a folder, or unreadable.
    """
    try:
        if not root.is_dir():
            what = "path is not a folder" if root.exists() else "folder does not exist"
            hint = "unpack archives first" if root.exists() else "check `path` in the lab file"
            raise DataError(f"the data set's {what}", where=root, expected=_EXPECTED, hint=hint)
        listing = Listing(root.resolve())
        start, waiting = len(os.fspath(listing.root).rstrip("/")) + 1, [os.fspath(listing.root)]
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    path = entry.path[start:]
                    target = Path(os.path.realpath(entry.path)) if entry.is_symlink() else None
                    if entry.name.startswith(".") or entry.name in _LITTER:
                        listing.others.append(path)
                    elif target and not (target.is_file() and target.is_relative_to(listing.root)):
                        listing.links.append(path)  # those to folders could lead round in circles
                    elif entry.is_dir(follow_symlinks=False):
                        listing.folders.append(path)
                        waiting.append(entry.path)
                    elif PurePosixPath(entry.name).suffix.lower() in SUFFIXES and entry.is_file():
                        status = entry.stat()
                        listing.images[path] = Stamp(path, status.st_size, status.st_mtime_ns)
                    else:
                        listing.others.append(path)
    except OSError as problem:
        where = display(str(problem.filename or root))
        raise DataError("the data set's folder cannot be read", where=where, received=problem.strerror) from None
    for paths in (listing.folders, listing.others, listing.links):
        paths.sort(key=os.fsencode)
    listing.images = {path: listing.images[path] for path in sorted(listing.images, key=os.fsencode)}
    return listing


@dataclass(frozen=True)
class Labelled:
    """Every usable image of a copy, however it says the classes. `labels` are class ids; for `content` see `Pictures`."""

    labels: Sequence[str]
    divisions: Sequence[int]
    sources: Sequence[str]
    content: Callable[[int], Content]
    findings: tuple[Finding, ...] = ()


def in_listing(rows: Sequence[Row], listing: Listing, findings: Iterable[Finding]) -> Labelled:
    """Images of a listing."""
    labels, divisions, paths = zip(*rows, strict=True) if rows else ((), (), ())
    return Labelled(labels, divisions, paths, lambda index: listing.root / paths[index], tuple(findings))


def labelled_pictures(images: Labelled, *, name_of: Callable[[str], str], about: DatasetAbout, where: Path) -> Pictures:
    """The images with their classes in the order of the ids, so that every layout gives the same labels.

    A division into disjoint classes is one for few-shot learning and no use to a classifier: it is dropped, and a
    finding says so. Raises DataError: there is no image, one class only, or two that cannot be told apart.
    """
    ids = sorted(set(images.labels))
    if len(ids) < 2:
        received = f"{len(images.labels):,} images of {len(ids)} classes"
        raise DataError("a data set needs images of two classes or more", where=where, received=received)
    index = {identifier: label for label, identifier in enumerate(ids)}
    shown, names = [display(one) for one in ids], [display(name_of(one)) for one in ids]
    if twice := [name for name, count in Counter(shown).items() if count > 1]:
        raise DataError(f"two classes {_SAME}", where=where, received=f"“{twice[0]}” twice", hint=_RENAME)
    shared = {name for name, count in Counter(names).items() if count > 1}  # "crane" is n02012849 and n03126707
    classes: dict[int, set[str]] = {}
    for label, part in set(zip(images.labels, images.divisions, strict=True)):
        if part != NO_DIVISION:
            classes.setdefault(part, set()).add(label)
    few_shot = len(classes) > 1 and not any(one & other for one, other in combinations(classes.values(), 2))
    detail = {SPLITS[part]: len(found) for part, found in sorted(classes.items())}
    return Pictures(
        classes=tuple(f"{n} ({i})" if n in shared and n != i else n for n, i in zip(names, shown, strict=True)),
        ids=tuple(shown),
        labels=[index[label] for label in images.labels],
        sources=[display(source) for source in images.sources],
        official=[NO_DIVISION] * len(images.labels) if few_shot else images.divisions,
        about=about,
        content=images.content,
        where=where,
        findings=(*images.findings, *([Finding("few-shot", "info", len(ids), detail)] if few_shot else [])),
    )


def by_class_folders(listing: Listing) -> Labelled:
    """The images of a folder that holds one folder a class, perhaps below a level of train/validation/test.

    Raises DataError: there are no classes, only one, an empty one, two of the same name, or a division of a part only.
    """
    levels, rows, outside, written = _levels(listing), list[Row](), list[str](), dict[str, str]()
    for base, part in levels:
        here = set[str]()
        for name in (path.removeprefix(base) for path in listing.folders if path.startswith(base)):
            if "/" not in name:
                shown, exact = display(name), unicodedata.normalize("NFC", name)
                if shown in here or written.setdefault(shown, exact) != exact:
                    what, received = f"two class folders {_SAME}", f"“{shown}” twice"
                    raise DataError(what, where=listing.root, received=received, hint=_RENAME)
                here.add(shown)
        for path in listing.images:
            if path.startswith(base):
                folder, slash, _ = path.removeprefix(base).partition("/")
                rows.append((display(folder), part, path)) if slash else outside.append(path)
    what, received, expected, hint = "", "", _EXPECTED, None
    if not written:
        what = "the data set's folder has no classes"
        received = f"{len(outside)} images outside any folder" if outside else "no class folder"
    elif len(written) == 1:
        what, received = "the data set has one class only", f"“{next(iter(written))}”"
        hint = f"if the classes are inside {received}, let `path` point there"
    elif empty := sorted(set(written) - {name for name, _, _ in rows}):
        what, received = "a class folder has no image", f"class “{empty[0]}”"
        expected, hint = "at least one JPEG, PNG, WebP or BMP file in it", "add images to it, or remove the folder"
    if what:
        received += f" ({len(listing.links)} links to folders or out of this one are not followed)" * bool(
            listing.links
        )
        raise DataError(what, where=listing.root, received=received, expected=expected, hint=hint)
    renamed = [shown for shown, exact in written.items() if shown != exact]
    more = finding("outside-class", [*map(display, outside)], severe=True) + finding(
        "renamed-class", renamed, severe=True
    )
    passed = listing.passed_over([base for base, _ in levels])
    return in_listing(sorted(rows, key=lambda row: os.fsencode(row[2])), listing, passed + more)


def _levels(listing: Listing) -> list[tuple[str, int]]:
    """What the paths of class folders begin with, and their division: "" when there is no level of divisions.

    What only half looks like divisions is refused: "train" and "test" must never become two classes unnoticed.
    """
    top = [path for path in listing.folders if "/" not in path]
    named = sorted((name for name in top if name.lower() in LEVELS), key=lambda name: DIVISIONS[name.lower()])
    odd = [f"{display(name)} beside {named[0]}" for name in top if name not in named] if named else []
    for name in named:  # divisions whose images are not all in class folders; one folder named "images" is none
        direct = [path for path in (*listing.images, *listing.folders) if path.rpartition("/")[0] == name]
        folders = [path.lower() for path in direct if path not in listing.images]
        if len(folders) < len(direct) or folders == [f"{name.lower()}/images"]:
            odd.append(f"not every image in {name} is in a class folder")
    if not named or (len(named) == 1 and odd):
        return [("", NO_DIVISION)]
    if odd:
        what = "the folder is divided into training and test images only in part"
        expected = "train/<class>/…, and perhaps validation/<class>/… and test/<class>/…, or <class>/… alone"
        hint = f"let `path` point to “{named[0]}”, or move the rest elsewhere: cnnlab divides images itself"
        raise DataError(what, where=listing.root, received=odd[0], expected=expected, hint=hint)
    return [(f"{name}/", DIVISIONS[name.lower()]) for name in named]


def read_csv(path: Path, part: int = NO_DIVISION) -> list[Line]:
    """The lines of a CSV file with a head: a column for the file, one for the class, perhaps one for the division.

    `part` is the division of images whose line does not say it.
    Raises DataError: the file is unreadable, no such table, or a line lacks a name or a class.
    """
    lines: list[Line] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            head = handle.readline()
            handle.seek(0)
            rows = csv.DictReader(handle, delimiter=max(",;\t", key=head.count), strict=True)
            columns = rows.fieldnames = [str(name).strip().lower() for name in rows.fieldnames or ()]
            used = [next((name for name in names if name in columns), None) for names in _COLUMNS]
            if None in used[:2]:
                what, received = "a CSV file of the data set lacks a column", ", ".join(columns) or "an empty file"
                expected = f"a head with one of: {', '.join(_COLUMNS[used.index(None)])}"
                hint = "the first line names the columns, as in: filename,label"
                raise DataError(what, where=path, received=received, expected=expected, hint=hint)
            for row in rows:
                file, label, written = ((row[name] or "").strip() if name else "" for name in used)
                where, known = f"{path}, line {rows.line_num}", ", ".join(DIVISIONS)
                if not file or not label:
                    what, received = "a line of a CSV file names no file or no class", ",".join(map(str, row.values()))
                    raise DataError(what, where=where, received=received)
                if written and written.lower() not in DIVISIONS:
                    what = "a line of a CSV file names an unknown division"
                    raise DataError(what, where=where, received=written.lower(), expected=known)
                lines.append((file, label, DIVISIONS.get(written.lower(), part)))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise DataError("a CSV file of the data set cannot be read", where=path, received=reason) from None
    return lines


def by_lines(lists: Mapping[Path, Sequence[Line]], listing: Listing, max_bad: float) -> Labelled:
    """The images that the lines of CSV files name. Raises DataError: too many (see `check_missing`) are not there."""
    rows, missing = list[Row](), list[str]()
    for file, label, part in (line for lines in lists.values() for line in lines):
        path = listing.find(file, prefer=(label, SPLITS[part]) if part != NO_DIVISION else (label,))
        rows.append((label, part, path)) if path else missing.append(file)
    found = check_missing(missing, len(rows) + len(missing), max_bad=max_bad, where=listing.root)
    return in_listing(rows, listing, listing.passed_over(lists=lists) + found)


def check_missing(missing: Sequence[str], listed: int, *, max_bad: float, where: Path) -> tuple[Finding, ...]:
    """The finding on files that a list names and that are not there.

    Raises DataError: they are more than the share `max_bad` of the `listed` ones.
    """
    if len(missing) > max_bad * listed:
        what = "too many images that the data set's lists name are not there"
        received = f"{len(missing):,} of {listed:,} missing, such as {', '.join(map(display, missing[:3]))}"
        expected = f"at most {max_bad:.0%} of all (`max_bad` in the lab file)"
        hint = "unpack or copy the images again; `path` is the folder with the lists and the images"
        raise DataError(what, where=where, received=received, expected=expected, hint=hint)
    return finding("missing", [*map(display, missing)], severe=True)
