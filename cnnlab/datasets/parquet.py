"""Read image-classification data sets that are stored the way Hugging Face stores them, as parquet files."""

from __future__ import annotations

import os
import re
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.datasets.listing import DIVISIONS, display
from cnnlab.datasets.parquet_schema import (
    ParquetFile,
    damaged,
    described,
    pyarrow_modules,
    quoted,
    reading,
)
from cnnlab.datasets.pictures import Undecodable
from cnnlab.datasets.table import NO_DIVISION, TEST, VALIDATION
from cnnlab.errors import DataError

MOST_NAME = 300
"""A class name longer than this, in characters, is a caption or an attack."""

_ROWS_HELD = 256 * ((os.cpu_count() or 1) + 1)
"""Row groups are kept until this many rows are: decoding runs through them in order, several threads side by side."""

_SPLITS = DIVISIONS | {"dev": VALIDATION, "eval": TEST, "evaluation": TEST}


@dataclass(frozen=True)
class ParquetImages:
    """Encoded images of some parquet files in their order.

    Args:
        labels: the class of each image, by name; by its number as text when the file gives numbers without names.
        names: where each came from: "<relative file>:<row>", rows counted from 0.
        divisions: TRAIN, VALIDATION, TEST or NO_DIVISION of `cnnlab.datasets.table`, by the file's name.
        encoded: the bytes of image i as stored (JPEG, PNG, …). May be called from several threads at once. Raises
            Undecodable when the row holds none, DataError when the file cannot be read any more.
        unlabelled: how many rows were left out because they have no class, as those of many test divisions.
    """

    labels: list[str]
    names: list[str]
    divisions: list[int]
    encoded: Callable[[int], bytes]
    unlabelled: int


def parquet_files(root: Path) -> list[Path]:
    """A `*.parquet` file itself, or every one below a folder, at any depth, sorted by path.

    Hidden files and folders are skipped; links to folders, or to files outside the folder, are not followed.

    Raises:
        DataError: nothing is there, it cannot be listed, or it holds no such file.
    """
    expected = "a file *.parquet, or a folder with such files"
    if root.is_file() and root.suffix.lower() == ".parquet":
        return [root]
    if not root.is_dir():
        what = "the data set's path does not exist" if not root.exists() else "the data set's path is no parquet file"
        raise DataError(what, where=root, expected=expected, hint="check `path` in the lab file")
    files, links = _listed(root)
    if not files:
        received = "no parquet file" + (
            f" ({links} links to folders or out of this one are not followed)" * bool(links)
        )
        raise DataError("the data set's folder has no images", where=root, received=received, expected=expected)
    return sorted(files, key=lambda path: os.fsencode(path.relative_to(root).as_posix()))


def _listed(root: Path) -> tuple[list[Path], int]:
    """The parquet files below a folder in any order, and how many links were passed over."""
    found, links, inside = [], 0, root.resolve()
    try:
        for folder, folders, names in os.walk(root, onerror=_raise):
            links += sum(Path(folder, name).is_symlink() for name in folders)
            folders[:] = [name for name in folders if not name.startswith(".")]
            for path in (Path(folder, name) for name in names if _is_parquet(name)):
                if path.is_symlink() and not path.resolve().is_relative_to(inside):
                    links += 1
                elif path.is_file():
                    found.append(path)
    except OSError as problem:
        where = display(str(problem.filename or root))
        raise DataError("the data set's folder cannot be read", where=where, received=problem.strerror) from None
    return found, links


def _raise(problem: OSError) -> None:
    raise problem


def _is_parquet(name: str) -> bool:
    return name.lower().endswith(".parquet") and not name.startswith(".")


def read_parquet(paths: Sequence[Path], root: Path) -> ParquetImages:
    """The labelled images of some parquet files, as `parquet_files(root)` lists them.

    The metadata that Hugging Face's libraries write decide which column is the image and which the class; without
    them, a column of bytes named as in `IMAGE_NAMES` and one of text or whole numbers named as in `LABEL_NAMES`.
    Numbers become the names that the file's own metadata give them, so files may number the same classes differently;
    numbers without names become classes called "0", "1", …, which say nothing about what is on the images. Rows
    whose class is missing, empty or -1 are left out and counted.

    Only row groups that are being decoded are in memory, undecoded.

    Raises:
        DataError: pyarrow is not installed; a file is no parquet, is damaged, or has no such columns; a label has no
            name; the files disagree on whether classes have names; images are not in the files; no row is labelled.
    """
    base = root if root.is_dir() else root.parent
    files = [described(path, display(path.relative_to(base).as_posix())) for path in paths]
    _check_alike(files)
    labels: list[str] = []
    names: list[str] = []
    divisions: list[int] = []
    groups: list[tuple[ParquetFile, int]] = []
    places: list[np.ndarray] = []
    total, written = 0, dict[str, str]()
    for file in files:
        of_rows = _labels(file, written)
        kept = np.array([row for row, label in enumerate(of_rows) if label is not None], dtype=np.int64)
        labels += [label for label in of_rows if label is not None]
        names += [f"{file.shown}:{row}" for row in kept]
        divisions += [division(file.shown)] * len(kept)
        places.append(_places(file, len(groups))[kept])
        groups += [(file, group) for group in range(len(file.groups))]
        total += len(of_rows)
    if not labels:
        raise DataError("no image of the data set has a class", where=root, received=f"{total:,} rows without a label")
    return ParquetImages(labels, names, divisions, _Encoded(groups, np.concatenate(places)), total - len(labels))


def division(name: str) -> int:
    """The division that a file belongs to by its relative path, the last part that names one deciding.

    "data/train-00000-of-00002.parquet" and "train/0000.parquet" are for training; a part naming two says nothing.
    """
    for part in reversed(name.lower().split("/")):
        found = [_SPLITS[word] for word in re.split(r"[^a-z]+", part) if word in _SPLITS]
        if len(set(found)) == 1:
            return found[0]
    return NO_DIVISION


class _Encoded:
    """The bytes of image i, out of a row group that is read when the first of its images is asked for."""

    def __init__(self, groups: list[tuple[ParquetFile, int]], places: np.ndarray) -> None:
        """`places` is int64 (N, 2): for each image, the index into `groups` and the row within the group."""
        self.groups, self.places = groups, places
        self.held: OrderedDict[int, Any] = OrderedDict()
        self.lock = threading.Lock()
        self._check_embedded()

    def __call__(self, index: int) -> bytes:
        group, row = (int(part) for part in self.places[index])
        content: bytes | None = self._group(group)[row].as_py()
        if content is None:
            raise Undecodable("its row holds no image, at most the path of one")
        return content

    def _group(self, group: int) -> Any:
        with self.lock:
            if group not in self.held:
                self.held[group] = _read_group(*self.groups[group])
            self.held.move_to_end(group)
            while len(self.held) > 2 and sum(len(images) for images in self.held.values()) > _ROWS_HELD:
                self.held.popitem(last=False)
            return self.held[group]

    def _check_embedded(self) -> None:
        """A data set saved with the paths of its images instead of the images is known by its first row group."""
        first = int(self.places[0, 0])
        images = self._group(first)
        if images.null_count == len(images):
            raise DataError(
                "the images are not in the parquet file, only the paths they had elsewhere",
                where=self.groups[first][0].path,
                hint="save the data set with its images embedded, or use the folder of image files itself",
            )


def _read_group(file: ParquetFile, group: int) -> Any:
    """The column of bytes of one row group: a pyarrow ChunkedArray of binary scalars."""
    _, parquet = pyarrow_modules()
    with reading(file.path):
        with parquet.ParquetFile(file.path) as opened:
            path = f"{file.image}.bytes" if file.nested else file.image
            column = opened.read_row_group(group, columns=[path]).column(file.image)
        if file.nested:
            column = column.flatten()[0]
    if len(column) != file.groups[group]:
        raise damaged(file.path, f"row group {group} has {len(column)} images, not {file.groups[group]}")
    return column


def _places(file: ParquetFile, first: int) -> np.ndarray:
    """int64 (rows, 2): the row group, counted on from `first`, and the row within it, of each row of a file."""
    if not file.groups:
        return np.empty((0, 2), np.int64)
    within = [np.column_stack([np.full(n, first + g), np.arange(n)]) for g, n in enumerate(file.groups)]
    return np.concatenate(within).astype(np.int64)


def _check_alike(files: Sequence[ParquetFile]) -> None:
    numbered = next((file for file in files if file.numbers), None)
    named = next((file for file in files if not file.numbers), None)
    if numbered is not None and named is not None:
        raise DataError(
            "some files of the data set name the classes, others only number them",
            where=numbered.path,
            received=f"numbers without names in column {quoted(numbered.label)}, but names in {named.shown}",
            hint="leave the one or the other out of the data set",
        )


def _labels(file: ParquetFile, written: dict[str, str]) -> list[str | None]:
    """The class of every row, None where there is none. `written` is each class's name as the files have it."""
    _, parquet = pyarrow_modules()
    with reading(file.path):
        with parquet.ParquetFile(file.path) as opened:
            column = opened.read(columns=[file.label]).column(file.label)
        kind = column.type.value_type if hasattr(column.type, "value_type") else column.type
        coded = column.cast(kind).combine_chunks().dictionary_encode()
        values, codes = coded.dictionary.to_pylist(), coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    if len(codes) != sum(file.groups):
        raise damaged(file.path, f"{len(codes)} labels in {sum(file.groups)} rows")
    names = [*(_name(value, file, written) for value in values), None]
    return [names[code] for code in codes]


def _name(value: str | int, file: ParquetFile, written: dict[str, str]) -> str | None:
    """The name of the class that a label stands for."""
    if value == -1 or value == "":
        return None
    if isinstance(value, int) and (value < 0 or (file.classes is not None and value >= len(file.classes))):
        known = "a number from 0" if file.classes is None else f"a number from 0 to {len(file.classes) - 1}"
        raise DataError(
            "a label stands for no class",
            where=file.path,
            received=f"{value} in column {quoted(file.label)}",
            expected=f"{known}, or -1 for none",
        )
    name = value if isinstance(value, str) else str(value) if file.classes is None else file.classes[value]
    if len(name) > MOST_NAME or not name.strip():
        raise damaged(file.path, f"a class name of {len(name):,} characters, {quoted(name)}")
    shown, exact = display(name), unicodedata.normalize("NFC", name)
    if written.setdefault(shown, exact) != exact:
        raise DataError(
            "two classes have the same name, once it is made fit to be shown",
            where=file.path,
            received=f"{quoted(name)} twice",
        )
    return shown
