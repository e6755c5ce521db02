"""Fabricated records made again with something else in them: their hashes are right, what they say may be anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.store.record import Kind
from cnnlab.store.store import RunStore

Arrays = dict[str, np.ndarray]


def forge(store: RunStore, kind: Kind, identifier: str, edit: Callable[[Path], None]) -> None:
    """Publish the record again after `edit` has changed files in its folder."""
    old = store.read(kind, identifier)
    files = {name: old.bytes(name) for name in old.manifest["files"]}

    def write(folder: Path) -> dict[str, Any]:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        edit(folder)
        return {key: value for key, value in old.manifest.items() if key not in ("format", "kind", "id", "files")}

    store.publish(kind, identifier, write, replace=True)


def forge_json(store: RunStore, kind: Kind, identifier: str, name: str, content: Any) -> None:
    """Publish the record again with this JSON in one of its files."""
    forge_bytes(store, kind, identifier, name, json.dumps(content).encode())


def forge_bytes(store: RunStore, kind: Kind, identifier: str, name: str, content: bytes) -> None:
    """Publish the record again with this content of one of its files."""

    def edit(folder: Path) -> None:
        (folder / name).write_bytes(content)

    forge(store, kind, identifier, edit)


def forge_arrays(path: Path, change: Callable[[Arrays], None]) -> None:
    """Change arrays of an `.npz` file."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    change(arrays)
    np.savez(path, **arrays)  # type: ignore[arg-type]


def forge_predictions(store: RunStore, change: Callable[[Arrays], None]) -> None:
    """Change the predictions of every evaluation of the fabricated lab."""
    for entry in store.read_lab("demo")["runs"]:
        if entry["evaluation"]:
            forge(
                store, "evaluation", entry["evaluation"],
                lambda folder: forge_arrays(folder / "predictions.npz", change),
            )  # fmt: skip
