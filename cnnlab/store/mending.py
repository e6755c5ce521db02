"""Damaged records: found by their hashes, set aside, and left to be made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from cnnlab.errors import StoreError
from cnnlab.spec import evaluation_id
from cnnlab.store.store import Kind, RunStore

if TYPE_CHECKING:
    from cnnlab.app.plan import Plan

Tell = Callable[[str], None]

_READ: tuple[Kind, ...] = ("run", "evaluation")


def mend(plan: Plan, store: RunStore, tell: Tell) -> None:
    """Set aside what is damaged of a lab's runs and evaluations, weights included."""
    for planned in plan.runs:
        if planned.ready:
            sound(store, "run", planned.id, tell)
            sound(store, "evaluation", evaluation_id(planned.id, flip=planned.flip), tell)


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
