"""Reader `mini-imagenet`: 60,000 images of 84x84 pixels in 100 classes, in every layout that people hold.

The layouts, looked for in this order: cache pickles, parquet files, CSV lists with a folder of images, one folder per
WordNet id. All of them give the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.datasets.cache import Stamp, cached_table, stamp
from cnnlab.datasets.csv_list import labelled_lines, read_csv
from cnnlab.datasets.labelled import Labelled, labelled_pictures
from cnnlab.datasets.listing import DIVISIONS, display, list_images
from cnnlab.datasets.parquet import parquet_files, read_parquet
from cnnlab.datasets.pictures import Pictures, Report
from cnnlab.datasets.scan import scan_folder
from cnnlab.datasets.table import NO_DIVISION, DatasetAbout, Finding, ImageTable
from cnnlab.datasets.unpickle import load_pickle
from cnnlab.errors import DataError
from cnnlab.readers._wordnet import readable, wordnet_id
from cnnlab.readers.folder import scan_labelled
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
    read: Callable[[], Labelled]


def open_table(spec: DatasetSpec, *, data_dir: Path, report_progress: Report) -> ImageTable:
    """The images of `spec.path`, a folder or one file of it; else of the folder `mini-imagenet` in the data folder.

    Classes are WordNet ids in their order, shown by their names. The usual files hold disjoint classes, 64, 16 and 20,
    for few-shot learning: they are merged, and a finding says so.

    Raises:
        DataError: there is no copy, or it cannot be read.
    """
    copy = find_copy(spec.path or data_dir / "mini-imagenet", spec)
    return cached_table(
        spec,
        copy.stamps,
        lambda: _pictures(copy),
        data_dir=data_dir,
        report_progress=report_progress,
    )


def find_copy(path: Path, spec: DatasetSpec) -> Copy:
    """The copy at a path: a file, a folder, or a folder's only subfolder.

    Raises:
        DataError: there is none.
    """
    if path.is_dir():
        for folder in (path, *_only_folder(path)):
            for find in (_pickles, _parquet, _lists, _folders):
                if (copy := find(folder, spec)) is not None:
                    return copy
    elif path.suffix == ".pkl" and path.is_file():
        return _pickled([path])
    elif path.suffix == ".parquet" and path.is_file():
        return _in_parquet([path], path.parent)
    elif path.suffix == ".csv" and path.is_file():
        return _listed([path], path.parent, spec)
    raise DataError(
        "there is no copy of mini-ImageNet",
        where=path,
        received="nothing of that name" if not path.exists() else "none of the layouts that are known",
        expected=EXPECTED,
        hint="let `path` in the lab file point to your copy (unpack archives first), or give `hub = { repo = …, "
        "revision = … }` and run `cnnlab data fetch`",
    )


def _only_folder(path: Path) -> list[Path]:
    """Archives often hold one folder that holds the rest."""
    folders = [
        one for one in sorted(path.iterdir()) if one.is_dir() and not one.is_symlink() and one.name[0] not in "._"
    ]
    return folders if len(folders) == 1 else []


def _pictures(copy: Copy) -> Pictures:
    images = copy.read()
    images = replace(images, labels=[wordnet_id(label) for label in images.labels])
    images = replace(images, findings=(*images.findings, *_incomplete(images.labels)))
    about = DatasetAbout(title="mini-ImageNet", credit=CREDIT, homepage=None, source=copy.layout)
    return labelled_pictures(images, name_of=readable, about=about, where=copy.where)


def _incomplete(labels: Sequence[str]) -> list[Finding]:
    images, classes = len(labels), len(set(labels))
    if (images, classes) == (IMAGES, CLASSES):
        return []
    detail = {"images": images, "of_images": IMAGES, "classes": classes, "of_classes": CLASSES}
    return [Finding("incomplete", "warning", max(0, IMAGES - images), detail)]


def _pickles(folder: Path, spec: DatasetSpec) -> Copy | None:
    paths = [path for path in sorted(folder.glob("*.pkl")) if path.is_file() and _division(path.stem) != NO_DIVISION]
    return _pickled(paths) if paths else None


def _division(stem: str) -> int:
    """train for "mini-imagenet-cache-train"; none when the last word is another."""
    return DIVISIONS.get(stem.replace("_", "-").rpartition("-")[2].lower(), NO_DIVISION)


def _pickled(paths: list[Path]) -> Copy:
    return Copy("cache pickles", paths[0].parent, [stamp(path) for path in paths], lambda: _read_pickles(paths))


def _read_pickles(paths: Sequence[Path]) -> Labelled:
    images: list[np.ndarray] = []
    labels: list[str] = []
    divisions: list[int] = []
    sources: list[str] = []
    unlabelled = 0
    for path in paths:
        pixels, of_rows = _checked(load_pickle(path), path)
        rows = [row for row in range(len(pixels)) if row in of_rows]
        unlabelled += len(pixels) - len(rows)
        images += [pixels[row] for row in rows]
        labels += [of_rows[row] for row in rows]
        divisions += [_division(path.stem)] * len(rows)
        sources += [f"{path.stem}:{row}" for row in rows]
    findings = (Finding("unlabelled", "warning", unlabelled, {}),) if unlabelled else ()
    return Labelled(labels, divisions, sources, lambda index: images[index], findings)


def _checked(content: Any, path: Path) -> tuple[np.ndarray, dict[int, str]]:
    """The images uint8 (N, h, w, 3) of a cache pickle, and the class of each row that has one."""
    table = {_text(key): value for key, value in content.items()} if isinstance(content, dict) else {}
    pixels, classes = table.get("image_data"), table.get("class_dict")
    good = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim == 4 and pixels.shape[3] == 3
    if not isinstance(pixels, np.ndarray) or not good or not isinstance(classes, dict):
        raise DataError(
            "the pickle is no cache of mini-ImageNet",
            where=path,
            received=f"keys {sorted(table)}" if table else type(content).__name__,
            expected="a dict with image_data, uint8 (N, 84, 84, 3), and class_dict {WordNet id: row numbers}",
        )
    of_rows: dict[int, str] = {}
    for key, rows in classes.items():
        for row in _rows(rows, len(pixels), _text(key), path):
            if of_rows.setdefault(row, _text(key)) != _text(key):
                raise DataError(
                    "the pickle puts an image into two classes",
                    where=path,
                    received=f"row {row} in “{display(of_rows[row])}” and “{display(_text(key))}”",
                )
    return pixels, of_rows


def _rows(rows: Any, total: int, name: str, path: Path) -> list[int]:
    listed = rows.tolist() if isinstance(rows, np.ndarray) else rows
    if not isinstance(listed, list | tuple) or not all(isinstance(row, int) and 0 <= row < total for row in listed):
        raise DataError(
            "a class of the pickle has impossible row numbers",
            where=path,
            received=f"class “{display(name)}”",
            expected=f"whole numbers from 0 to {total - 1}",
        )
    return list(listed)


def _text(key: Any) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


def _parquet(folder: Path, spec: DatasetSpec) -> Copy | None:
    return _in_parquet(parquet_files(folder), folder) if any(folder.rglob("*.parquet")) else None


def _in_parquet(paths: list[Path], root: Path) -> Copy:
    return Copy("parquet files", root, [stamp(path) for path in paths], lambda: _read_parquet(paths, root))


def _read_parquet(paths: Sequence[Path], root: Path) -> Labelled:
    found = read_parquet(paths, root)
    findings = (Finding("unlabelled", "warning", found.unlabelled, {}),) if found.unlabelled else ()
    return Labelled(found.labels, found.divisions, found.names, found.encoded, findings)


def _lists(folder: Path, spec: DatasetSpec) -> Copy | None:
    lists = [path for path in sorted(folder.glob("*.csv")) if path.is_file()]
    return _listed(lists, folder, spec) if lists else None


def _listed(lists: list[Path], folder: Path, spec: DatasetSpec) -> Copy:
    listing = list_images(folder)

    def read() -> Labelled:
        lines = {listing.root / path.name: read_csv(path, _division(path.stem)) for path in lists}
        return labelled_lines(lines, listing, spec.max_bad)

    stamps = [*(stamp(path) for path in lists), *listing.images.values()]
    return Copy("CSV lists with a folder of images", folder, stamps, read)


def _folders(folder: Path, spec: DatasetSpec) -> Copy | None:
    inner = [one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")]
    if len(inner) < 2 and not any(name.lower() in DIVISIONS for name in inner):
        return None
    scan = scan_folder(folder)
    stamps = [Stamp(str(scan.root), 0, 0), *(found.stamp for found in scan.images)]
    return Copy("one folder per class", folder, stamps, lambda: scan_labelled(scan))
