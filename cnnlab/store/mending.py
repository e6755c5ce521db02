"""Damaged records: found by their hashes, set aside, and left to be made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cnnlab.errors import StoreError
from cnnlab.store.store import Kind, RunStore

Tell = Callable[[str], None]

_READ: tuple[Kind, ...] = ("run", "evaluation")


def sound(store: RunStore, kind: Kind, record_id: str, tell: Tell) -> bool:
    """Whether a record is there and whole; a damaged one is set aside, which `tell` is told."""
    if not store.folder(kind, record_id).exists():
        return False
    with store.lock(record_id):
        return store.sound(kind, record_id, tell)


def trouble(store: RunStore, entry: Mapping[str, Any]) -> str:
    """Why the run or the evaluation of an entry of the lab lock cannot be read, as far as a report needs it; "" if it can.

    The weights are not looked at: no report reads them.
    """
    try:
        for kind in _READ:
            if entry.get(kind):
                record = store.read(kind, entry[kind])
                for name in record.manifest["files"]:
                    if not name.endswith(".h5"):
                        record.check(name)
    except StoreError as problem:
        return f"its record is damaged ({problem.what}: {problem.where}); run the lab again, which makes it anew"
    return ""
