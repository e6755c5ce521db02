"""The state of a training at an epoch boundary, in one `.npz` of plain arrays; the zip's own checksums tell a damaged one."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.store import files

FORMAT = 2

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
        Unwritable: the folder cannot be written, or the disk is full; earlier checkpoints are left alone.
    """
    arrays: dict[str, Any] = {}
    for group in _GROUPS:
        arrays |= {f"{group}.{index}": array for index, array in enumerate(getattr(checkpoint, group))}
    counts = {group: len(getattr(checkpoint, group)) for group in _GROUPS}  # a zip's checksums do not cover its names
    meta = json.dumps({"format": FORMAT, "epoch": checkpoint.epoch, "counts": counts, **checkpoint.meta}).encode()
    final = folder / f"epoch-{checkpoint.epoch:05d}.npz"
    with files.writing(final), files.finishing():
        with files.replacing(final) as temporary, temporary.open("wb") as handle:
            np.savez(handle, meta=np.frombuffer(meta, np.uint8), **arrays)
        for old in newest_first(folder)[_KEPT:]:
            old.unlink()
    return final


def load_newest(folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The newest undamaged checkpoint, None when there is none.

    `warn` is told of each damaged file passed over; it keeps its content under another name, which nobody reads.
    """
    for path in newest_first(folder):
        try:
            with path.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
                if archive.zip.testzip() is not None:
                    raise ValueError("its content is not what was written")
                meta = json.loads(archive["meta"].tobytes())
                if (format := meta.pop("format")) != FORMAT:
                    raise ValueError(f"its format is {format}, this cnnlab reads {FORMAT}")
                counts = meta.pop("counts")
                groups = {group: [archive[f"{group}.{index}"] for index in range(counts[group])] for group in _GROUPS}
            return Checkpoint(epoch=meta.pop("epoch"), meta=meta, **groups)
        except (OSError, EOFError, LookupError, RuntimeError, ValueError, zipfile.BadZipFile) as problem:
            set_aside(path)
            warn(f"checkpoint {path} is damaged ({problem}) and is passed over for the one before")
    return None


def set_aside(path: Path) -> None:
    """Give a checkpoint a name under which it is neither read nor counted. Raises Unwritable."""
    with files.writing(path):
        path.rename(path.with_suffix(".damaged"))


def newest_first(folder: Path) -> list[Path]:
    """The files of checkpoints in a folder, by epoch."""
    return sorted(folder.glob("epoch-*.npz"), reverse=True)
