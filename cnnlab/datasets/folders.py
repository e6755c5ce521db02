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
from cnnlab.datasets.table import DIVISIONS, MOST_SOURCES, NO_DIVISION, Content, DatasetAbout, Finding, Pictures
from cnnlab.errors import DataError, visible
from cnnlab.spec import SPLITS

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp"})
"""Files with another suffix are no images."""

LEVELS = frozenset(DIVISIONS) - {"dev", "eval", "evaluation"}
"""Names of the optional level of folders above the classes."""

FILE_COLUMNS = ("filename", "file", "path", "image")
LABEL_COLUMNS = ("label", "class", "category")
DIVISION_COLUMNS = ("split", "division", "subset")

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
    """The division that a file belongs to by its relative path, the last part that names exactly one deciding.

    `data/train-00000-of-00002.parquet` and `train/0000.parquet` are for training.
    """
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
        return finding("ignored", others, {display(k): n for k, n in kinds}) + finding("link", links, severe=True)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.images:
            found.setdefault(PurePosixPath(path).name, []).append(path)
        return found

    def find(self, written: str, *, prefer: Iterable[str] = ()) -> str | None:
        """The path of the image that a list calls `written`, None when it is not there, whatever a list says.

        A list's paths may begin anywhere below the folder. Of several that end alike, the one whose folders are most
        of `prefer` (such as its class and its division) is taken.

        Raises:
            DataError: several images fit equally well.
        """
        wanted = written.replace("\\", "/").removeprefix("./").lstrip("/")
        if wanted in self.images:
            return wanted
        fitting = [path for path in self._by_name.get(PurePosixPath(wanted).name, ()) if path.endswith(f"/{wanted}")]
        scores = [len(set(prefer) & set(PurePosixPath(path).parts[:-1])) for path in fitting]
        best = [path for path, score in zip(fitting, scores, strict=True) if score == max(scores)]
        if len(best) > 1:
            raise DataError(
                "a list of the data set names an image that is there several times",
                received=f"{display(written)}: {', '.join(map(display, best[:3]))}",
                hint="let `path` point to the folder with one copy only",
            )
        return best[0] if best else None


def finding(
    kind: str, names: Sequence[str], detail: Mapping[str, int] | None = None, *, severe: bool = False
) -> tuple[Finding, ...]:
    """The finding on files or classes of these names, which are made fit to be shown; () where there are none."""
    shown = tuple(map(display, names[:MOST_SOURCES]))
    return (Finding(kind, "warning" if severe else "info", len(names), detail or {}, shown),) if names else ()


def list_images(root: Path) -> Listing:
    """Everything below a folder, however deep. Links to folders are not followed, links to files when they stay inside.

    Raises:
        DataError: the path is missing, not a folder, or unreadable.
    """
    try:
        if not root.exists():
            raise DataError("the data set's folder does not exist", where=root, hint="check `path` in the lab file")
        if not root.is_dir():
            expected, hint = "a folder with one folder of images per class", "unpack archives first"
            raise DataError("the data set's path is not a folder", where=root, expected=expected, hint=hint)
        listing = Listing(root.resolve())
        start, waiting = len(os.fspath(listing.root).rstrip("/")) + 1, [os.fspath(listing.root)]
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    path = entry.path[start:]
                    if entry.name.startswith(".") or entry.name in _LITTER:
                        listing.others.append(path)
                    elif entry.is_symlink() and not _leads_inside(listing.root, entry.path):
                        listing.links.append(path)
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


def _leads_inside(root: Path, link: str) -> bool:
    """Whether a link leads to a file of the data set (links to folders could lead round in circles)."""
    target = Path(os.path.realpath(link))
    return target.is_file() and target.is_relative_to(root)


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
    finding says so.

    Raises:
        DataError: there is no image, one class only, or two that cannot be told apart.
    """
    ids = sorted(set(images.labels))
    if len(ids) < 2:
        received = f"{len(images.labels):,} images of {len(ids)} classes"
        raise DataError("a data set needs images of two classes or more", where=where, received=received)
    index = {identifier: label for label, identifier in enumerate(ids)}
    shown, names = [display(one) for one in ids], [display(name_of(one)) for one in ids]
    if twice := [name for name, count in Counter(shown).items() if count > 1]:
        what, received = "two classes have the same name, once it is made fit to be shown", f"“{twice[0]}” twice"
        raise DataError(what, where=where, received=received, hint="rename one of them")
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

    Raises:
        DataError: there are no classes, only one, an empty one, two of the same name, or a division of a part only.
    """
    levels, rows, outside = _levels(listing), list[Row](), list[str]()
    written: dict[str, str] = {}
    for base, part in levels:
        names = [path.removeprefix(base) for path in listing.folders if path.startswith(base)]
        classes = [(display(name), unicodedata.normalize("NFC", name)) for name in names if "/" not in name]
        counts = Counter(shown for shown, _ in classes)
        for shown, exact in classes:
            if counts[shown] > 1 or written.setdefault(shown, exact) != exact:
                what = "two class folders have the same name, once it is made fit to be shown"
                raise DataError(what, where=listing.root, received=f"“{shown}” twice", hint="rename one of them")
        for path in listing.images:
            if path.startswith(base):
                folder, slash, _ = path.removeprefix(base).partition("/")
                rows.append((display(folder), part, path)) if slash else outside.append(path)
    links = f" ({len(listing.links)} links to folders or out of this one are not followed)" * bool(listing.links)

    def unfit(what: str, received: str, expected: str = "", hint: str | None = None) -> DataError:
        expected = expected or "a folder with one folder of images (JPEG, PNG, WebP or BMP) per class"
        return DataError(what, where=listing.root, received=received + links, expected=expected, hint=hint)

    if not written:
        found = f"{len(outside)} images outside any folder" if outside else "no class folder"
        raise unfit("the data set's folder has no classes", found)
    if len(written) == 1:
        (only,) = written
        hint = f"if the classes are inside “{only}”, let `path` point there"
        raise unfit("the data set has one class only", f"“{only}”", hint=hint)
    if empty := sorted(set(written) - {name for name, _, _ in rows}):
        least, hint = "at least one JPEG, PNG, WebP or BMP file in it", "add images to it, or remove the folder"
        raise unfit("a class folder has no image", f"class “{empty[0]}”", least, hint)
    renamed = [shown for shown, exact in written.items() if shown != exact]
    more = finding("outside-class", outside, severe=True) + finding("renamed-class", renamed, severe=True)
    passed = listing.passed_over([base for base, _ in levels])
    return in_listing(sorted(rows, key=lambda row: os.fsencode(row[2])), listing, passed + more)


def _levels(listing: Listing) -> list[tuple[str, int]]:
    """What the paths of class folders begin with, and their division: "" when there is no level of divisions.

    What only half looks like divisions is refused: "train" and "test" must never become two classes unnoticed.
    """
    top = [path for path in listing.folders if "/" not in path]
    named = sorted((name for name in top if name.lower() in LEVELS), key=lambda name: DIVISIONS[name.lower()])
    others = [display(name) for name in top if name not in named]
    flat = []  # divisions whose images are not all in class folders; one folder named "images" is none
    for name in named:
        inside = [path for path in (*listing.images, *listing.folders) if path.startswith(f"{name}/")]
        direct = [path for path in inside if path.count("/") == 1]
        folders = [path.lower() for path in direct if path not in listing.images]
        if len(folders) < len(direct) or folders == [f"{name.lower()}/images"]:
            flat.append(name)
    if not named or (len(named) == 1 and (others or flat)):
        return [("", NO_DIVISION)]
    if others or flat:
        raise DataError(
            "the folder is divided into training and test images only in part",
            where=listing.root,
            received=f"{others[0]} beside {named[0]}"
            if others
            else f"not every image in {flat[0]} is in a class folder",
            expected="train/<class>/…, and perhaps validation/<class>/… and test/<class>/…, or <class>/… alone",
            hint=f"let `path` point to “{named[0]}”, or move the rest elsewhere: cnnlab divides images itself",
        )
    return [(f"{name}/", DIVISIONS[name.lower()]) for name in named]


def read_csv(path: Path, part: int = NO_DIVISION) -> list[Line]:
    """The lines of a CSV file with a head: a column for the file, one for the class, perhaps one for the division.

    Args:
        part: the division of images whose line does not say it.

    Raises:
        DataError: the file is unreadable, no such table, or a line lacks a name or a class.
    """
    lines: list[Line] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            head = handle.readline()
            handle.seek(0)
            rows = csv.DictReader(handle, delimiter=max(",;\t", key=head.count), strict=True)
            columns = rows.fieldnames = [str(name).strip().lower() for name in rows.fieldnames or ()]
            kinds = (FILE_COLUMNS, LABEL_COLUMNS, DIVISION_COLUMNS)
            used = [next((name for name in names if name in columns), None) for names in kinds]
            if None in used[:2]:
                raise DataError(
                    "a CSV file of the data set lacks a column",
                    where=path,
                    received=", ".join(columns) or "an empty file",
                    expected=f"a head with one of: {', '.join(kinds[used.index(None)])}",
                    hint="the first line names the columns, as in: filename,label",
                )
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
    """The images that the lines of CSV files name.

    Raises:
        DataError: more than the share `max_bad` of them is not there.
    """
    rows, missing = list[Row](), list[str]()
    for file, label, part in (line for lines in lists.values() for line in lines):
        prefer = (label, SPLITS[part]) if part != NO_DIVISION else (label,)
        path = listing.find(file, prefer=prefer)
        rows.append((label, part, path)) if path else missing.append(file)
    found = check_missing(missing, len(rows) + len(missing), max_bad=max_bad, where=listing.root)
    return in_listing(rows, listing, listing.passed_over(lists=lists) + found)


def check_missing(missing: Sequence[str], listed: int, *, max_bad: float, where: Path) -> tuple[Finding, ...]:
    """The finding on files that a list names and that are not there.

    Raises:
        DataError: they are more than the share `max_bad` of the `listed` ones.
    """
    if len(missing) > max_bad * listed:
        raise DataError(
            "too many images that the data set's lists name are not there",
            where=where,
            received=f"{len(missing):,} of {listed:,} missing, such as {', '.join(map(display, missing[:3]))}",
            expected=f"at most {max_bad:.0%} of all (`max_bad` in the lab file)",
            hint="unpack or copy the images again; `path` is the folder with the lists and the images",
        )
    return finding("missing", missing, severe=True)
