"""CSV files that say which image belongs to which class, and their images found below a folder."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cnnlab.datasets.labelled import DIVISION_NAMES, Labelled, check_missing
from cnnlab.datasets.listing import DIVISIONS, Listing, display
from cnnlab.datasets.table import NO_DIVISION
from cnnlab.errors import DataError

FILE_COLUMNS = ("filename", "file", "path", "image")
LABEL_COLUMNS = ("label", "class", "category")
DIVISION_COLUMNS = ("split", "division", "subset")


@dataclass(frozen=True)
class Line:
    """One image by a CSV file: its name as written there, its class, its division."""

    file: str
    label: str
    division: int


def read_csv(path: Path, division: int = NO_DIVISION) -> list[Line]:
    """The lines of a CSV file with a head: a column for the file, one for the class, perhaps one for the division.

    Args:
        division: of images whose line does not say it.

    Raises:
        DataError: the file is unreadable, no such table, or a line lacks a name or a class.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            head = handle.readline()
            handle.seek(0)
            rows = csv.DictReader(handle, delimiter=max(",;\t", key=head.count), strict=True)
            columns = [str(name).strip().lower() for name in rows.fieldnames or ()]
            rows.fieldnames = columns
            file, label = (_column(path, columns, names) for names in (FILE_COLUMNS, LABEL_COLUMNS))
            part = next((name for name in DIVISION_COLUMNS if name in columns), None)
            return [_line(path, rows.line_num, row, file, label, part, division) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise DataError("a CSV file of the data set cannot be read", where=path, received=reason) from None


def _column(path: Path, columns: Sequence[str], names: Sequence[str]) -> str:
    for name in names:
        if name in columns:
            return name
    raise DataError(
        "a CSV file of the data set lacks a column",
        where=path,
        received=", ".join(columns) or "an empty file",
        expected=f"a head with one of: {', '.join(names)}",
        hint="the first line names the columns, as in: filename,label",
    )


def _line(path: Path, number: int, row: dict[str, str], file: str, label: str, part: str | None, division: int) -> Line:
    name, of_class = (row[file] or "").strip(), (row[label] or "").strip()
    if not name or not of_class:
        raise DataError(
            "a line of a CSV file names no file or no class",
            where=f"{path}, line {number}",
            received=",".join(str(value) for value in row.values()),
        )
    if part is None or not (written := (row[part] or "").strip().lower()):
        return Line(name, of_class, division)
    if written not in DIVISIONS:
        raise DataError(
            "a line of a CSV file names an unknown division",
            where=f"{path}, line {number}",
            received=written,
            expected=", ".join(DIVISIONS),
        )
    return Line(name, of_class, DIVISIONS[written])


class Finder:
    """Finds the images that lists name. Nothing but what the listing has seen can be found, whatever a list says."""

    def __init__(self, listing: Listing) -> None:
        self._images = listing.images
        self._by_name: dict[str, list[str]] = {}
        for relative in listing.images:
            self._by_name.setdefault(PurePosixPath(relative).name, []).append(relative)

    def find(self, written: str, *, prefer: Iterable[str] = ()) -> str | None:
        """The path of the image that a list calls `written`, None when it is not there.

        A list's paths may begin anywhere below the folder. Of several that end alike, the one whose folders are most
        of `prefer` (such as its class and its division) is taken.

        Raises:
            DataError: several images fit equally well.
        """
        wanted = written.replace("\\", "/").removeprefix("./").lstrip("/")
        if wanted in self._images:
            return wanted
        fitting = [path for path in self._by_name.get(PurePosixPath(wanted).name, ()) if path.endswith(f"/{wanted}")]
        if len(fitting) < 2:
            return fitting[0] if fitting else None
        wished = set(prefer)
        scores = [sum(part in wished for part in PurePosixPath(path).parts[:-1]) for path in fitting]
        best = [path for path, score in zip(fitting, scores, strict=True) if score == max(scores)]
        if len(best) > 1:
            raise DataError(
                "a list of the data set names an image that is there several times",
                received=f"{display(written)}: {', '.join(map(display, best[:3]))}",
                hint="let `path` point to the folder with one copy only",
            )
        return best[0]


def labelled_lines(lists: Mapping[Path, Sequence[Line]], listing: Listing, max_bad: float) -> Labelled:
    """The images that the lines of CSV files name.

    Raises:
        DataError: too many are not there.
    """
    lines = [line for of_file in lists.values() for line in of_file]
    finder = Finder(listing)
    paths = [finder.find(line.file, prefer=(line.label, DIVISION_NAMES.get(line.division, ""))) for line in lines]
    missing = [line.file for line, path in zip(lines, paths, strict=True) if path is None]
    found = [(line, path) for line, path in zip(lines, paths, strict=True) if path is not None]
    findings = check_missing(missing, len(lines), max_bad=max_bad, where=listing.root)
    return Labelled(
        [line.label for line, _ in found],
        [line.division for line, _ in found],
        [path for _, path in found],
        lambda index: listing.path(found[index][1]),
        (*listing.findings(lists), *findings),
    )
