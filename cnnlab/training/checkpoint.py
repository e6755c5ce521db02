"""The state of a training at an epoch boundary, in one file that is there whole or not at all.

A checkpoint is `epoch-<n>.checkpoint`: a line with its format and the sha256 of what follows, then an `.npz` of plain
arrays, with the rest as JSON inside. It is written under a temporary name, synced and renamed; a damaged one is
recognised by its hash and the one before it used. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.errors import Unwritable
from cnnlab.store import files
from cnnlab.store.files import finishing

FORMAT = 1

_KEPT = 2
_GROUPS = ("model", "optimizer", "best")
_HEADER = "cnnlab checkpoint {format} {sha256}\n"
_HEADER_BYTES = len(_HEADER.format(format=FORMAT, sha256=64 * "0"))


@dataclass(frozen=True)
class Checkpoint:
    """State after `epoch` finished epochs: variables in the model's order, and plain JSON values.

    `best` holds the best epoch's weights, and is empty when `epoch` is itself the best: the model has them.
    """

    epoch: int
    model: list[np.ndarray]
    optimizer: list[np.ndarray]
    best: list[np.ndarray]
    meta: dict[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint and delete all but it and the one before it.

    Raises:
        Unwritable: the folder cannot be written, or the disk is full; earlier checkpoints are left alone.
    """
    final = folder / f"epoch-{checkpoint.epoch:05d}.checkpoint"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with finishing():
            with files.replacing(final) as temporary, temporary.open("w+b") as handle:
                _fill(handle, checkpoint)
            for old in _files(folder)[_KEPT:]:
                old.unlink()
    except OSError as problem:
        raise Unwritable(
            "the checkpoint cannot be written",
            where=folder,
            received=problem.strerror or str(problem),
            hint="free some space or choose another folder with --runs; the checkpoints before it are still there",
        ) from None
    return final


def _fill(handle: io.BufferedRandom, checkpoint: Checkpoint) -> None:
    arrays: dict[str, Any] = {}
    for group in _GROUPS:
        arrays |= {f"{group}.{index}": array for index, array in enumerate(getattr(checkpoint, group))}
    meta = json.dumps({"epoch": checkpoint.epoch, **checkpoint.meta}).encode()
    handle.write(_header(64 * "0"))
    np.savez(handle, meta=np.frombuffer(meta, np.uint8), **arrays)
    handle.seek(_HEADER_BYTES)
    digest = hashlib.file_digest(handle, "sha256").hexdigest()
    handle.seek(0)
    handle.write(_header(digest))


def _header(sha256: str) -> bytes:
    return _HEADER.format(format=FORMAT, sha256=sha256).encode("ascii")


def load_newest(folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The newest undamaged checkpoint, None when there is none.

    `warn` is told of each damaged file passed over; it keeps its content under another name, which nobody reads.
    """
    for path in _files(folder):
        try:
            return _read(path)
        except (OSError, ValueError, KeyError) as problem:
            _set_aside(path)
            warn(f"checkpoint {path} is damaged ({problem}) and is passed over for the one before")
    return None


def set_all_aside(folder: Path) -> None:
    """Give every checkpoint of a folder a name under which it is neither read nor counted.

    Raises:
        Unwritable: the folder cannot be written.
    """
    for path in _files(folder):
        _set_aside(path)


def _set_aside(path: Path) -> None:
    try:
        path.rename(path.with_suffix(".damaged"))
    except OSError as problem:
        raise files.unwritable(problem, path) from None


def _read(path: Path) -> Checkpoint:
    """Raises OSError, ValueError or KeyError when it is not what was written."""
    with path.open("rb") as handle:
        header = handle.read(_HEADER_BYTES)
        if header != _header(hashlib.file_digest(handle, "sha256").hexdigest()):
            raise ValueError(_trouble(header))
        handle.seek(_HEADER_BYTES)
        with np.load(handle, allow_pickle=False) as archive:
            meta = json.loads(archive["meta"].tobytes())
            groups = {group: _group(archive, group) for group in _GROUPS}
    return Checkpoint(epoch=meta.pop("epoch"), meta=meta, **groups)


def _trouble(header: bytes) -> str:
    words = header.split()
    if len(words) == 4 and words[:2] == [b"cnnlab", b"checkpoint"] and words[2] != str(FORMAT).encode():
        return f"its format is {words[2].decode(errors='replace')}, this cnnlab reads {FORMAT}"
    return "its content is not what was written"


def _group(archive: Any, group: str) -> list[np.ndarray]:
    count = sum(name.startswith(f"{group}.") for name in archive.files)
    return [archive[f"{group}.{index}"] for index in range(count)]


def _files(folder: Path) -> list[Path]:
    """Checkpoints by epoch, newest first."""
    return sorted(folder.glob("epoch-*.checkpoint"), reverse=True)
