"""Reader `mini-imagenet`: 60,000 images of 84x84 pixels in 100 classes, in every layout that people hold.

The layouts, looked for in this order: cache pickles, parquet files, CSV lists with a folder of images, one folder per
WordNet id. All of them give the same table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.datasets import folders
from cnnlab.datasets.cache import Stamp, cached_table, stamp
from cnnlab.datasets.parquet import parquet_files, read_parquet
from cnnlab.datasets.table import NO_DIVISION, DatasetAbout, Finding, ImageTable, Pictures, Report, unlabelled_rows
from cnnlab.datasets.unpickle import load_pickle
from cnnlab.errors import DataError
from cnnlab.spec import DatasetSpec

IMAGES, CLASSES = 60_000, 100
"""Of the published data set (Vinyals et al. 2016, section 4.1.2); a copy with fewer is used, and called incomplete."""

CREDIT = "O. Vinyals et al., Matching Networks for One Shot Learning, 2016; images of ImageNet, for research only"

EXPECTED = (
    "cache pickles mini-imagenet-cache-*.pkl, parquet files, train.csv, val.csv and test.csv with a folder of images, "
    "or one folder per WordNet id (perhaps below train/, val/ and test/)"
)


@dataclass(frozen=True)
class Copy:
    """A copy as it lies on the disk: what its cache entry depends on, and how to read it."""

    layout: str
    where: Path
    stamps: Sequence[Stamp]
    read: Callable[[], folders.Labelled]


def open_table(spec: DatasetSpec, *, data_dir: Path, report_progress: Report) -> ImageTable:
    """The images of `spec.path`, a folder or one file of it; else of the folder `mini-imagenet` in the data folder.

    Classes are WordNet ids in their order, shown by their names. The usual files hold disjoint classes, 64, 16 and 20,
    for few-shot learning: they are merged, and a finding says so. Raises DataError: there is no copy, or it cannot be
    read.
    """
    copy = _find_copy(spec.path or data_dir / "mini-imagenet", spec)

    def pictures() -> Pictures:
        images = copy.read()
        labels, found = [wordnet_id(label) for label in images.labels], list(images.findings)
        if (len(labels), len(set(labels))) != (IMAGES, CLASSES):
            detail = {"images": len(labels), "of_images": IMAGES, "classes": len(set(labels)), "of_classes": CLASSES}
            found.append(Finding("incomplete", "warning", max(0, IMAGES - len(labels)), detail))
        images = replace(images, labels=labels, findings=tuple(found))
        about = DatasetAbout(title="mini-ImageNet", credit=CREDIT, homepage=None, source=copy.layout)
        return folders.labelled_pictures(images, name_of=lambda i: names().get(i, i), about=about, where=copy.where)

    return cached_table(spec, copy.stamps, pictures, data_dir=data_dir, report_progress=report_progress)


def _find_copy(path: Path, spec: DatasetSpec) -> Copy:
    """The copy at a path: a file, a folder, or a folder's only subfolder, which archives often hold; else a DataError."""
    if path.is_dir():
        inner = [one for one in path.iterdir() if one.is_dir() and not one.is_symlink() and one.name[0] not in "._"]
        for folder in (path, *(inner if len(inner) == 1 else [])):
            pickles, lists = (sorted(filter(Path.is_file, folder.glob(kind))) for kind in ("*.pkl", "*.csv"))
            pickles = [one for one in pickles if folders.division(one.name) != NO_DIVISION]
            for paths in (pickles, parquet_files(folder) if any(folder.rglob("*.parquet")) else [], lists):
                if copy := _files_copy(folder, paths, spec):
                    return copy
            classes = [one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")]
            if len(classes) > 1 or any(name.lower() in folders.LEVELS for name in classes):
                listing = folders.list_images(folder)
                found = folders.by_class_folders(listing)
                return Copy("one folder per class", folder, listing.stamps, lambda: found)  # noqa: B023
    elif path.is_file() and (copy := _files_copy(path.parent, [path], spec)):
        return copy
    received = "none of the layouts that are known" if path.exists() else "nothing of that name"
    hint = "let `path` point to your copy (unpack archives first), or give `hub = { repo = …, revision = … }` and run "
    hint += "`cnnlab data fetch`"
    raise DataError("there is no copy of mini-ImageNet", where=path, received=received, expected=EXPECTED, hint=hint)


def _files_copy(folder: Path, paths: Sequence[Path], spec: DatasetSpec) -> Copy | None:
    """The copy in files of one kind, None when there are none or the kind is unknown."""
    kind, stamps = paths[0].suffix.lower() if paths else "", [stamp(path) for path in paths]
    if kind == ".pkl":
        return Copy("cache pickles", folder, stamps, lambda: _read_pickles(paths))
    if kind == ".parquet":
        root = folder.resolve()
        inside = [root / path.name if path.parent == folder else path for path in paths]
        return Copy("parquet files", folder, stamps, lambda: read_parquet(inside, root))
    if kind == ".csv":
        listing = folders.list_images(folder)

        def read() -> folders.Labelled:
            lines = {listing.root / path.name: folders.read_csv(path, folders.division(path.name)) for path in paths}
            return folders.by_lines(lines, listing, spec.max_bad)

        return Copy("CSV lists with a folder of images", folder, [*stamps, *listing.images.values()], read)
    return None


def _read_pickles(paths: Sequence[Path]) -> folders.Labelled:
    images, labels, divisions, sources = list[np.ndarray](), list[str](), list[int](), list[str]()
    unlabelled = 0
    for path in paths:
        pixels, of_rows = _checked(load_pickle(path), path)
        rows = sorted(of_rows)
        unlabelled += len(pixels) - len(rows)
        images += [pixels[row] for row in rows]
        labels += [of_rows[row] for row in rows]
        divisions += [folders.division(path.name)] * len(rows)
        sources += [f"{path.stem}:{row}" for row in rows]
    return folders.Labelled(labels, divisions, sources, images.__getitem__, unlabelled_rows(unlabelled))


def _checked(content: Any, path: Path) -> tuple[np.ndarray, dict[int, str]]:
    """The images uint8 (N, h, w, 3) of a cache pickle, and the class of each row that has one."""
    table = {_text(key): value for key, value in content.items()} if isinstance(content, dict) else {}
    pixels, classes = table.get("image_data"), table.get("class_dict")
    good = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim == 4 and pixels.shape[3] == 3
    if not isinstance(pixels, np.ndarray) or not good or not isinstance(classes, dict):
        received = f"keys {sorted(table)}" if table else type(content).__name__
        expected = "a dict with image_data, uint8 (N, 84, 84, 3), and class_dict {WordNet id: row numbers}"
        raise DataError("the pickle is no cache of mini-ImageNet", where=path, received=received, expected=expected)
    of_rows: dict[int, str] = {}
    for key, rows in classes.items():
        name, listed = _text(key), rows.tolist() if isinstance(rows, np.ndarray) else rows
        whole = isinstance(listed, list | tuple) and all(isinstance(row, int) for row in listed)
        if not whole or (listed and not 0 <= min(listed) <= max(listed) < len(pixels)):
            what, received = "a class of the pickle has impossible row numbers", f"class “{folders.display(name)}”"
            expected = f"whole numbers from 0 to {len(pixels) - 1}"
            raise DataError(what, where=path, received=received, expected=expected)
        for row in listed:
            if of_rows.setdefault(row, name) != name:
                received = f"row {row} in “{folders.display(of_rows[row])}” and “{folders.display(name)}”"
                raise DataError("the pickle puts an image into two classes", where=path, received=received)
    return pixels, of_rows


def _text(key: Any) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


@cache
def names() -> dict[str, str]:
    """English name by WordNet id, for the 100 classes of mini-ImageNet (names of ImageNet's classes, from WordNet)."""
    text = files("cnnlab.readers").joinpath("wordnet_names.tsv").read_text(encoding="utf-8")
    return dict(line.split("\t") for line in text.splitlines()[1:])


@cache
def wordnet_id(label: str) -> str:
    """The WordNet id that a label is or names; the label itself when it is neither."""
    found = (wnid for wnid, name in names().items() if _plain(name) == _plain(label))
    return label if re.fullmatch(r"n\d{8}", label) else next(found, label)


def _plain(name: str) -> str:
    # Copies write "house_finch", and give all of WordNet's synonyms after a comma.
    return name.split(",")[0].replace("_", " ").strip().casefold()
