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
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.datasets.decode import decode_all
from cnnlab.datasets.findings import arrange, copies, oddities
from cnnlab.datasets.lookalikes import kin
from cnnlab.datasets.selection import selected
from cnnlab.datasets.table import DatasetAbout, Finding, ImageTable, Pictures, Report
from cnnlab.errors import DataError, StoreError
from cnnlab.spec import DatasetSpec
from cnnlab.store.files import replace_file

VERSION = 3
"""Bumped by hand when decoding, resizing, the findings or the files change, so that old entries are not used."""

_SAMPLES, _SAMPLE_BYTES = 64, 1 << 14
_STALE_SECONDS = 24 * 3600
_ELSEWHERE = "choose another data folder with the environment variable CNNLAB_DATA"


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
    spec: DatasetSpec, stamps: Sequence[Stamp], read: Callable[[], Pictures], *, data_dir: Path, report_progress: Report,
    notes: str = "",
) -> ImageTable:  # fmt: skip
    """The decoded table of the files with these stamps, from the cache or by `read` and decoding.

    `notes` is whatever else the entry depends on, such as what the reader noticed while listing. Raises DataError: from
    `read`, or the data cannot be decoded; CacheProblem: the cache cannot be written.
    """
    chosen = [spec.classes, spec.images_per_class, spec.split.seed] if spec.classes or spec.images_per_class else []
    parts = [VERSION, spec.reader, spec.image_size, spec.fit, spec.max_bad, chosen, notes]
    parts += [[one.path, one.size, one.mtime_ns] for one in stamps]
    key = hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()[:24]
    pixels = data_dir / ".cache" / f"{spec.reader}-{key}.npy"
    if pixels.with_suffix(".json").exists():
        try:
            return _load(pixels)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
            report_progress(f"the decoded cache {pixels} is damaged ({problem}); decoding again")
    pictures = selected(read(), spec)
    try:
        pixels.parent.mkdir(parents=True, exist_ok=True)
        _write(pixels, pictures, spec, report_progress)
        return _load(pixels)
    except (OSError, StoreError) as problem:
        received = problem.received if isinstance(problem, StoreError) else problem.strerror or str(problem)
        what, where = "the decoded images cannot be stored", pixels.parent
        raise CacheProblem(what, where=where, received=received, hint=f"free some space, or {_ELSEWHERE}") from None


def _write(pixels: Path, pictures: Pictures, spec: DatasetSpec, report: Report) -> None:
    total, side = len(pictures.labels), spec.image_size
    for part in pixels.parent.glob(".*.part"):  # what killed processes left behind
        with suppress(FileNotFoundError):
            if part.stat().st_mtime < time.time() - _STALE_SECONDS:
                part.unlink()
    needed, free = 2 * total * side * side * 3, shutil.disk_usage(pixels.parent).free
    if free < needed:  # better said before an hour of decoding than after it
        what, received = "there is not enough space for the decoded images", f"{free / 1e9:.1f} GB free"
        expected = f"{needed / 1e9:.1f} GB while decoding, half of it afterwards"
        hint = f"free some space, lower image_size, or {_ELSEWHERE}"
        raise CacheProblem(what, where=pixels.parent, received=received, expected=expected, hint=hint)
    report(f"decoding {total:,} images of {pictures.about.title} to {side}x{side} pixels (done once)")
    unique = uuid.uuid4().hex[:8]
    raw, ordered = (pixels.with_name(f".{pixels.stem}-{unique}-{part}.part") for part in ("raw", "ordered"))
    try:
        raw.touch()
        looks = decode_all(pictures, spec, raw, report)
        rows = arrange(pictures, looks)
        # Read and written, not mapped: where the disk is full, that is an error and not a signal that ends the process.
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(rows.order), side, side, 3)}
        with raw.open("rb") as source, ordered.open("wb", buffering=1 << 24) as target:
            np.lib.format.write_array_header_1_0(target, header)
            for row in rows.order:
                target.write(os.pread(source.fileno(), 3 * side**2, row * 3 * side**2))
            target.flush()
            os.fsync(target.fileno())
        raw.unlink()
        images = np.load(ordered, mmap_mode="r", allow_pickle=False)
        groups = kin(images, np.array(rows.hashes, np.uint64), np.array(rows.twins, np.int32)).tolist()
        near = copies("near-duplicate", rows, groups)
        findings = (*pictures.findings, *oddities(pictures, looks, rows, spec), *near)
        content = {
            "version": VERSION,
            "bytes": ordered.stat().st_size,
            "sample": _sample(ordered),
            "classes": pictures.classes,
            "ids": pictures.ids,
            "labels": rows.labels,
            "sources": rows.sources,
            "official": rows.official,
            "twins": [[row, first] for row, first in enumerate(rows.twins) if first != row],
            "kin": [[row, first] for row, first in enumerate(groups) if first != row],
            "fingerprint": rows.fingerprint,
            "about": asdict(rows.about),
            "findings": [asdict(finding) for finding in findings],
        }
        text = json.dumps(content, separators=(",", ":"))
        sidecar = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "content": text}
        ordered.replace(pixels)
        replace_file(pixels.with_suffix(".json"), json.dumps(sidecar).encode())
    finally:
        raw.unlink(missing_ok=True)
        ordered.unlink(missing_ok=True)


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
    outer = json.loads(pixels.with_suffix(".json").read_bytes())
    if hashlib.sha256(outer["content"].encode()).hexdigest() != outer["sha256"]:
        raise ValueError("its description is not the one that was written")
    content = json.loads(outer["content"])
    if (found := pixels.stat().st_size) != content["bytes"]:
        raise ValueError(f"{found:,} bytes instead of {content['bytes']:,}")
    if _sample(pixels) != content["sample"]:
        raise ValueError("its pixels are not the ones that were written")
    images = np.load(pixels, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    arrays: dict[str, Any] = {"labels": np.array(content["labels"], np.int32)}
    arrays["official"] = np.array(content["official"], np.int8)
    for key in ("twins", "kin"):
        arrays[key] = np.arange(len(images), dtype=np.int32)
        for row, first in content[key]:
            arrays[key][row] = first
    for array in arrays.values():
        array.setflags(write=False)
    findings = (Finding(**{**one, "sources": tuple(one["sources"])}) for one in content["findings"])
    texts: dict[str, Any] = {key: tuple(content[key]) for key in ("classes", "sources", "ids")}
    about, fingerprint = DatasetAbout(**content["about"]), content["fingerprint"]
    return ImageTable(images=images, fingerprint=fingerprint, about=about, findings=tuple(findings), **arrays, **texts)
