"""What a parquet file says about itself: which column holds the images, which the classes, and their names."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlab.datasets.listing import display
from cnnlab.errors import DataError

IMAGE_NAMES = ("image", "img")
"""Columns that hold the images when the file's metadata does not say which do."""

LABEL_NAMES = ("label", "labels", "class", "class_name", "category", "wnid", "synset", "fine_label", "target")
"""Columns that hold the classes when the file's metadata does not say which do; the first of several counts."""

MOST_METADATA = 1 << 24
"""Metadata longer than this, in bytes, is not parsed."""

MOST_ROWS = 100_000_000
"""A file that announces more rows than this is refused before its labels are read."""


@dataclass(frozen=True)
class ParquetFile:
    """What one parquet file says about itself.

    `image` is a column of bytes or, `nested`, of structs with a field of bytes; `classes` are None when the labels are
    text, or numbers without names (`numbers`); `groups` are the numbers of rows of the row groups.
    """

    path: Path
    shown: str
    image: str
    nested: bool
    label: str
    classes: tuple[str, ...] | None
    numbers: bool
    groups: tuple[int, ...]


def described(path: Path, shown: str) -> ParquetFile:
    """Open a file, and find its columns."""
    _, parquet = pyarrow_modules()
    with reading(path), parquet.ParquetFile(path) as opened:
        schema, metadata = opened.schema_arrow, opened.metadata
        groups = tuple(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
        times = Counter(schema.names)
        types = {field.name: field.type for field in schema if times[field.name] == 1}
        features = _features((schema.metadata or {}).get(b"huggingface"), path)
    if sum(groups) > MOST_ROWS or min(groups, default=0) < 0:
        raise damaged(path, f"{sum(groups):,} rows announced")
    image = _image_column(types, features, path)
    label = _label_column(types, features, path)
    classes = _class_names(features.get(label, {}), path)
    numbers = classes is None and not _is_text(types[label])
    return ParquetFile(path, shown, image, _is_struct(types[image]), label, classes, numbers, groups)


def _features(raw: bytes | None, path: Path) -> dict[str, dict[str, Any]]:
    """What Hugging Face's metadata say about each column; of what is valid but no plain feature, nothing."""
    if raw is None:
        return {}
    if len(raw) > MOST_METADATA:
        raise damaged(path, f"{len(raw):,} bytes of metadata")
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        raise damaged(path, "metadata `huggingface` that are no JSON") from None
    for key in ("info", "features", None):
        if not isinstance(content, dict):
            raise damaged(path, "metadata `huggingface` of another form")
        content = content if key is None else content.get(key) or {}
    return {name: feature for name, feature in content.items() if isinstance(feature, dict)}


def _image_column(types: dict[str, Any], features: dict[str, dict[str, Any]], path: Path) -> str:
    usable = [name for name, kind in types.items() if _is_image(kind)]
    declared = [name for name in usable if features.get(name, {}).get("_type") == "Image"]
    named = [name for name in usable if name.lower() in IMAGE_NAMES]
    if not (declared or named):
        expected = "a column that the metadata call an Image, or one of bytes named " + " or ".join(IMAGE_NAMES)
        raise DataError("the parquet file has no images", where=path, received=_columns(types), expected=expected)
    return _chosen(declared or named, IMAGE_NAMES, path)


def _label_column(types: dict[str, Any], features: dict[str, dict[str, Any]], path: Path) -> str:
    numbers = [name for name, kind in types.items() if pyarrow_modules()[0].types.is_integer(kind)]
    texts = [name for name, kind in types.items() if _is_text(kind)]
    declared = [name for name in numbers if features.get(name, {}).get("_type") == "ClassLabel"]
    for candidates in (declared, _named(texts), _named(numbers)):
        if candidates:
            return _chosen(candidates, LABEL_NAMES, path)
    raise DataError(
        "the parquet file has no classes",
        where=path,
        received=_columns(types),
        expected=f"a column that the metadata call a ClassLabel, or text or whole numbers named {', '.join(LABEL_NAMES)}",
        hint="leave files without labels out of the data set",
    )


def _named(columns: list[str]) -> list[str]:
    return [name for name in columns if name.lower() in LABEL_NAMES]


def _chosen(candidates: list[str], preferred: Sequence[str], path: Path) -> str:
    """The only candidate, or the one with the most usual name."""
    usual = [name for best in preferred for name in candidates if name.lower() == best]
    if len(candidates) > 1 and not usual:
        raise DataError(
            "several columns of the parquet file could be meant",
            where=path,
            received=", ".join(quoted(name) for name in candidates[:10]),
            expected=f"one, or one that is called {' or '.join(preferred)}",
        )
    return usual[0] if usual else candidates[0]


def _class_names(feature: dict[str, Any], path: Path) -> tuple[str, ...] | None:
    """The names of a ClassLabel, None when the column is none or the names are not given."""
    names = feature.get("names") if feature.get("_type") == "ClassLabel" else None
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise damaged(path, "class names that are not a list of different texts")
    return tuple(names)


def _is_struct(kind: Any) -> bool:
    return bool(pyarrow_modules()[0].types.is_struct(kind))


def _is_image(kind: Any) -> bool:
    """Whether a column's type is bytes, or Hugging Face's struct of bytes and a path."""
    if _is_struct(kind):
        return any(field.name == "bytes" and not _is_struct(field.type) and _is_image(field.type) for field in kind)
    types = pyarrow_modules()[0].types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _is_text(kind: Any) -> bool:
    types = pyarrow_modules()[0].types
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def pyarrow_modules() -> tuple[Any, Any]:
    """The modules `pyarrow` and `pyarrow.parquet`."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError("reading parquet files needs pyarrow", hint="pip install pyarrow") from None
    return pyarrow, pyarrow.parquet


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever pyarrow finds wrong with a file, as a DataError."""
    pyarrow, _ = pyarrow_modules()
    try:
        yield
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError, MemoryError) as problem:
        raise damaged(path, " ".join(display(str(problem)).split())[:300] or type(problem).__name__) from None


def damaged(path: Path, received: str) -> DataError:
    return DataError(
        "the parquet file cannot be used",
        where=path,
        received=received,
        expected="a whole parquet file as Hugging Face's libraries write it",
        hint="fetch it again; an interrupted copy or download is the usual cause",
    )


def _columns(types: dict[str, Any]) -> str:
    shown = [f"{quoted(name)} ({str(kind)[:40]})" for name, kind in list(types.items())[:10]]
    return "the columns " + ", ".join(shown) if shown else "no column"


def quoted(name: str) -> str:
    return f"“{display(name[:60])}”"
