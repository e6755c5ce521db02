"""The decoded cache: a data set is decoded once per size and fit, then opened as a memory map in milliseconds.

Two files per entry under `<data_dir>/.cache/`: the pixels (`.npy`) and a JSON sidecar with everything else. Both are
written under a temporary name and renamed, the sidecar last, so an entry is there whole or not at all. The folder may
be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.datasets.build import Rows, arrange, decode_all
from cnnlab.datasets.pictures import Pictures, Report
from cnnlab.datasets.table import DatasetAbout, Finding, ImageTable
from cnnlab.errors import DataError, StoreError
from cnnlab.spec import DatasetSpec
from cnnlab.store import replace_file

VERSION = 1
"""Bumped by hand when decoding, resizing, the findings or the files change, so that old entries are not used."""

_SAMPLES, _SAMPLE_BYTES = 64, 1 << 14
_STALE_SECONDS = 24 * 3600
_COPY_ROWS = 1024


class CacheProblem(DataError):
    """The decoded images cannot be stored: no other source of the same data would help."""


@dataclass(frozen=True)
class Stamp:
    """A file as the cache knows it: changing any of these makes another entry."""

    path: str
    size: int
    mtime_ns: int


def stamp(path: Path) -> Stamp:
    """The stamp of one file. Raises OSError when it is not there."""
    status = path.stat()
    return Stamp(str(path), status.st_size, status.st_mtime_ns)


def cached_table(
    spec: DatasetSpec,
    stamps: Sequence[Stamp],
    read: Callable[[], Pictures],
    *,
    data_dir: Path,
    report_progress: Report,
    notes: str = "",
) -> ImageTable:
    """The decoded table of the files with these stamps, from the cache or by `read` and decoding.

    Args:
        notes: whatever else the entry depends on, such as what the reader noticed while listing.

    Raises:
        DataError: from `read`, or the data cannot be decoded.
        CacheProblem: the cache cannot be written.
    """
    key = _key(spec, stamps, notes)
    pixels = data_dir / ".cache" / f"{spec.reader}-{key}.npy"
    if pixels.with_suffix(".json").exists():
        try:
            return _load(pixels)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
            report_progress(f"the decoded cache {pixels} is damaged ({problem}); decoding again")
    pictures = read()
    with _writing(pixels.parent):
        _write(pixels, pictures, spec, report_progress)
        return _load(pixels)


def _key(spec: DatasetSpec, stamps: Sequence[Stamp], notes: str) -> str:
    parts = [VERSION, spec.reader, spec.image_size, spec.fit, notes, [[s.path, s.size, s.mtime_ns] for s in stamps]]
    return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()[:24]


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except (OSError, StoreError) as problem:
        raise CacheProblem(
            "the decoded images cannot be stored",
            where=folder,
            received=problem.received if isinstance(problem, StoreError) else problem.strerror or str(problem),
            hint="free some space, or choose another data folder with the environment variable CNNLAB_DATA",
        ) from None


def _write(pixels: Path, pictures: Pictures, spec: DatasetSpec, report: Report) -> None:
    total, side = len(pictures.labels), spec.image_size
    _remove_stale(pixels.parent)
    _check_space(pixels.parent, 2 * total * side * side * 3)
    report(f"decoding {total:,} images of {pictures.about.title} to {side}x{side} pixels (done once)")
    unique = uuid.uuid4().hex[:8]
    raw, ordered = (pixels.with_name(f".{pixels.stem}-{unique}-{part}.part") for part in ("raw", "ordered"))
    try:
        decoded = _new_array(raw, total, side)
        rows = arrange(pictures, decode_all(pictures, spec, decoded, report), spec)
        final = _new_array(ordered, len(rows.labels), side)
        for start in range(0, len(final), _COPY_ROWS):
            final[start : start + _COPY_ROWS] = decoded[rows.order[start : start + _COPY_ROWS]]
        final.flush()
        del decoded, final
        _sync(ordered)
        content = _sidecar(rows, pictures.classes, ordered)
        ordered.replace(pixels)
        replace_file(pixels.with_suffix(".json"), content)
    finally:
        raw.unlink(missing_ok=True)
        ordered.unlink(missing_ok=True)


def _new_array(path: Path, rows: int, side: int) -> np.memmap:
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(rows, side, side, 3))


def _check_space(folder: Path, needed: int) -> None:
    # A memory map on a full disk dies of SIGBUS, which no handler can turn into a message.
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CacheProblem(
            "there is not enough space for the decoded images",
            where=folder,
            received=f"{free / 1e9:.1f} GB free",
            expected=f"{needed / 1e9:.1f} GB while decoding, half of it afterwards",
            hint="free some space, lower image_size, or choose another data folder with CNNLAB_DATA",
        )


def _remove_stale(folder: Path) -> None:
    """Delete what killed processes left behind."""
    for part in folder.glob(".*.part"):
        try:
            if part.stat().st_mtime < time.time() - _STALE_SECONDS:
                part.unlink()
        except FileNotFoundError:
            continue


def _sidecar(rows: Rows, classes: Sequence[str], pixels: Path) -> bytes:
    content = {
        "version": VERSION,
        "bytes": pixels.stat().st_size,
        "sample": _sample(pixels),
        "classes": classes,
        "labels": rows.labels,
        "sources": rows.sources,
        "official": rows.official,
        "twins": [[row, first] for row, first in enumerate(rows.twins) if first != row],
        "fingerprint": rows.fingerprint,
        "about": asdict(rows.about),
        "findings": [asdict(finding) for finding in rows.findings],
    }
    text = json.dumps(content, separators=(",", ":"))
    return json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest(), "content": text}).encode()


def _sample(path: Path) -> str:
    """sha256 over blocks spread over a file: enough to notice a damaged one without reading gigabytes."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        last = max(0, path.stat().st_size - _SAMPLE_BYTES)
        for index in range(_SAMPLES):
            handle.seek(last * index // (_SAMPLES - 1))
            digest.update(handle.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def _load(pixels: Path) -> ImageTable:
    """An entry as it was written. Raises one of the errors that `cached_table` catches when it is not."""
    content = _checked_sidecar(pixels.with_suffix(".json"))
    if (found := pixels.stat().st_size) != content["bytes"]:
        raise ValueError(f"{found:,} bytes instead of {content['bytes']:,}")
    if _sample(pixels) != content["sample"]:
        raise ValueError("its pixels are not the ones that were written")
    images = np.load(pixels, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    twins = np.arange(len(images), dtype=np.int32)
    for row, first in content["twins"]:
        twins[row] = first
    return ImageTable(
        images=images,
        labels=_frozen(np.array(content["labels"], dtype=np.int32)),
        classes=tuple(content["classes"]),
        sources=tuple(content["sources"]),
        official=_frozen(np.array(content["official"], dtype=np.int8)),
        fingerprint=content["fingerprint"],
        about=DatasetAbout(**content["about"]),
        findings=tuple(Finding(**{**f, "sources": tuple(f["sources"])}) for f in content["findings"]),
        twins=_frozen(twins),
    )


def _checked_sidecar(path: Path) -> dict[str, Any]:
    outer = json.loads(path.read_bytes())
    text = outer["content"]
    if hashlib.sha256(text.encode()).hexdigest() != outer["sha256"]:
        raise ValueError("its description is not the one that was written")
    content: dict[str, Any] = json.loads(text)
    return content


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def _sync(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
