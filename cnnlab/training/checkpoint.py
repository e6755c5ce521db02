"""The state of a training at an epoch boundary, in one file that is there whole or not at all.

A checkpoint is `epoch-<n>.<sha256>.npz`: plain arrays, with the rest as JSON inside. It is written under a temporary
name, synced and renamed; its name holds the hash of its content, so that a damaged one is recognised and the one
before it used. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.errors import StoreError

_KEPT = 2
_GROUPS = ("model", "optimizer", "best")


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
        StoreError: the folder cannot be written, or the disk is full; earlier checkpoints are left alone.
    """
    arrays: dict[str, Any] = {}
    for group in _GROUPS:
        arrays |= {f"{group}.{index}": array for index, array in enumerate(getattr(checkpoint, group))}
    meta = json.dumps({"epoch": checkpoint.epoch, **checkpoint.meta}).encode()
    temporary = folder / f"writing-{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb+") as handle:
            np.savez(handle, meta=np.frombuffer(meta, np.uint8), **arrays)
            handle.flush()
            os.fsync(handle.fileno())
            handle.seek(0)
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        final = folder / f"epoch-{checkpoint.epoch:05d}.{digest}.npz"
        temporary.rename(final)
        _sync(folder)
        for old in _files(folder)[_KEPT:]:
            old.unlink()
    except OSError as problem:
        raise StoreError(
            "the checkpoint cannot be written",
            where=folder,
            received=problem.strerror,
            hint="free some space or choose another folder with --runs",
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
    return final


def load_newest(folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The newest undamaged checkpoint, None when there is none; `warn` is told of each damaged file passed over."""
    for path in _files(folder):
        with path.open("rb") as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
        if found == path.name.split(".")[1]:
            return _read(path)
        warn(f"checkpoint {path} is damaged and is passed over")
    return None


def _read(path: Path) -> Checkpoint:
    with np.load(path, allow_pickle=False) as archive:
        meta = json.loads(archive["meta"].tobytes())
        groups = {group: _group(archive, group) for group in _GROUPS}
    return Checkpoint(epoch=meta.pop("epoch"), meta=meta, **groups)


def _group(archive: Any, group: str) -> list[np.ndarray]:
    count = sum(name.startswith(f"{group}.") for name in archive.files)
    return [archive[f"{group}.{index}"] for index in range(count)]


def _files(folder: Path) -> list[Path]:
    """Checkpoints by epoch, newest first."""
    return sorted(folder.glob("epoch-*.*.npz"), key=lambda path: path.name.split(".")[0], reverse=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
