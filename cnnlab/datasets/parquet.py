"""Image-classification data sets in parquet files, as Hugging Face's libraries write them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cnnlab.datasets.folders import Labelled, display, division, list_images
from cnnlab.datasets.table import Undecodable, unlabelled_rows
from cnnlab.errors import DataError

IMAGE_NAMES = ("image", "img")
LABEL_NAMES = ("label", "labels", "class", "class_name", "category", "wnid", "synset", "fine_label", "target")
"""Columns that hold images and classes where the files' own metadata do not say which do; the first of several counts."""

MOST_NAME = 300
"""A class name longer than this, in characters, is a caption or an attack."""


def parquet_files(root: Path) -> list[Path]:
    """Every `*.parquet` file below a folder, at any depth, sorted by path; what `list_images` passes over is not there."""
    listing = list_images(root)
    hidden = re.compile(r"(^|/)\.")
    found = [path for path in listing.others if path.lower().endswith(".parquet") and not hidden.search(path)]
    return [listing.root / path for path in found if (listing.root / path).is_file()]


def read_parquet(paths: Sequence[Path], root: Path) -> Labelled:
    """The labelled images of some parquet files below `root`; rows without a class are left out, which a finding says.

    The metadata that Hugging Face's libraries write decide which column is the image and which the class, else their
    names. Numbers become the names that the file's own metadata give them, so files may number the same classes
    differently. Images are read as they are asked for, a row group at a time.

    Raises DataError: pyarrow is not installed; a file is no parquet, is damaged, or has no such columns; a label has no
    name; the files disagree on whether classes have names; images are not in the files; no row is labelled.
    """
    try:
        from pyarrow import parquet
    except ImportError:
        raise DataError("reading parquet files needs pyarrow", hint="pip install pyarrow") from None
    labels: list[str] = []
    rows: list[tuple[Path, str, int, int]] = []  # file, column, row group, row in it
    sources: list[str] = []
    divisions: list[int] = []
    unlabelled, numbered = 0, dict[bool, Path]()
    for path in paths:
        shown, at = display(path.relative_to(root).as_posix()), 0
        with _reading(path), parquet.ParquetFile(path) as file:
            image, label, names = _columns(file.schema_arrow, path)
            for group in range(file.num_row_groups):
                values = file.read_row_group(group, columns=[label]).column(0).to_pylist()
                for row, value in enumerate(values):
                    if value is None or value in (-1, ""):
                        unlabelled += 1
                        continue
                    labels.append(_class_name(value, names, path))
                    rows.append((path, image, group, row))
                    sources.append(f"{shown}:{at + row}")
                    divisions.append(division(shown))
                    numbered.setdefault(isinstance(value, int) and names is None, path)
                at += len(values)
    if not labels:
        received = f"{unlabelled:,} rows without a label"
        raise DataError("no image of the data set has a class", where=root, received=received)
    if len(numbered) > 1:
        what = "some files of the data set name the classes, others only number them"
        hint = "leave the one or the other out"
        received = f"numbers without names, but names in {numbered[False]}"
        raise DataError(what, where=numbered[True], received=received, hint=hint)
    images = _Images(rows)
    if images.group(0).null_count == len(images.group(0)):
        what = "the images are not in the parquet file, only the paths they had elsewhere"
        hint = "save the data set with its images embedded, or use the folder of image files itself"
        raise DataError(what, where=rows[0][0], hint=hint)
    return Labelled(labels, divisions, sources, images, unlabelled_rows(unlabelled))


class _Images:
    """The encoded bytes of image i. Images are asked for in order: the last row group is kept."""

    def __init__(self, rows: list[tuple[Path, str, int, int]]) -> None:
        self.rows = rows
        self.held: tuple[tuple[Path, int] | None, Any] = None, None

    def __call__(self, index: int) -> bytes:
        content: bytes | None = self.group(index)[self.rows[index][3]].as_py()
        if content is None:
            raise Undecodable("its row holds no image, at most the path of one")
        return content

    def group(self, index: int) -> Any:
        """The column of bytes of the row group that image `index` is in."""
        from pyarrow import parquet, types

        path, column, group, _ = self.rows[index]
        if self.held[0] != (path, group):
            with _reading(path), parquet.ParquetFile(path) as file:
                found = file.read_row_group(group, columns=[column]).column(0).combine_chunks()
                if types.is_struct(found.type):
                    found = found.flatten()[found.type.get_field_index("bytes")]
            self.held = (path, group), found
        return self.held[1]


def _columns(schema: Any, path: Path) -> tuple[str, str, list[str] | None]:
    """The columns of the images and of the classes, and the classes' names where the labels are numbers with names."""
    metadata = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    declared = (metadata.get("info") or {}).get("features") or {}
    features = {name: one for name, one in declared.items() if isinstance(one, dict)}
    types = {name: str(schema.field(name).type) for name in schema.names}
    text = {name for name, kind in types.items() if re.match(r"(large_)?string|dictionary", kind)}
    chosen = []
    for what, marked, usual, pattern in (
        ("images", "Image", IMAGE_NAMES, r"(large_)?binary|struct<.*bytes: (large_)?binary"),
        ("classes", "ClassLabel", LABEL_NAMES, r"u?int|(large_)?string|dictionary"),
    ):
        usable = [name for name, kind in types.items() if re.match(pattern, kind)]
        marks = [name for name in usable if features.get(name, {}).get("_type") == marked]
        by_name = [name for one in usual for name in usable if name.lower() == one]
        # Those that are called as usual first; text goes before numbers without names.
        called = [name for name in by_name if name in marks]
        choices = called or marks or [name for name in by_name if name in text] or by_name
        if not choices:
            columns = (f"“{display(name[:60])}” ({kind[:40]})" for name, kind in types.items())
            received, expected = f"the columns {', '.join(columns)}", " or ".join(usual)
            raise DataError(f"the parquet file has no {what}", where=path, received=received, expected=expected)
        if len(marks) > 1 and not called:
            received = ", ".join(f"“{display(name[:60])}”" for name in marks)
            what, expected = "several columns of the parquet file could be meant", " or ".join(usual)
            raise DataError(what, where=path, received=received, expected=f"one, or one that is called {expected}")
        chosen.append(choices[0])
    names = features.get(chosen[1], {}).get("names") if "string" not in types[chosen[1]] else None
    if names is not None and (not isinstance(names, list) or len(set(names)) < len(names)):
        raise ValueError("class names that are not a list of different texts")
    return chosen[0], chosen[1], names


def _class_name(value: str | int, names: list[str] | None, path: Path) -> str:
    if isinstance(value, int) and (value < 0 or (names is not None and value >= len(names))):
        expected = f"a number from 0{f' to {len(names) - 1}' if names else ''}, or -1 for none"
        raise DataError("a label stands for no class", where=path, received=value, expected=expected)
    name = names[value] if names is not None and isinstance(value, int) else str(value)
    if len(name) > MOST_NAME or not name.strip():
        raise ValueError(f"a class name of {len(name):,} characters")
    return unicodedata.normalize("NFC", name)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Whatever is wrong with a file, as a DataError."""
    from pyarrow import ArrowException

    try:
        yield
    except (
        ArrowException, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, MemoryError,
    ) as problem:  # fmt: skip
        what, received = "the parquet file cannot be used", " ".join(display(str(problem)).split())[:300]
        expected, hint = "a whole parquet file as Hugging Face's libraries write it", "fetch it again"
        received = received or type(problem).__name__
        raise DataError(what, where=path, received=received, expected=expected, hint=hint) from None
