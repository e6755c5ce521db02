"""A lab in small, without a framework: it trains, checkpoints, publishes and notes as the real one does, in milliseconds."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.store import files
from cnnlab.store.record import Kind
from cnnlab.store.store import RunStore
from cnnlab.training.checkpoint import Checkpoint, load_newest, save

EPOCHS = 4
RUNS = ("toy-net-s0-00000001", "toy-net-s1-00000002")
SPLIT = {"train": 0.8, "seed": 0}
KINDS: tuple[Kind, ...] = ("run", "evaluation", "dataset")

Tell = Callable[[str], None]


def silent(text: str) -> None:
    """Nobody listens."""


def live(root: Path, tell: Tell = silent, *, trained: Tell = silent) -> None:
    """One start of the lab: what is missing is trained and evaluated, what was interrupted goes on."""
    store = RunStore(root)
    store.check_usable()
    describe(store, tell)
    entries = []
    for run_id in RUNS:
        train(store, run_id, tell, trained)
        entries.append({"run": run_id, "evaluation": evaluate(store, run_id, tell)})
        store.write_lab("toy", {"runs": entries, "test_uses": store.test_uses("ab", SPLIT)})


def describe(store: RunStore, tell: Tell) -> None:
    """The data set's record, which is published again each time, in the place of the one before."""
    with store.lock("toy-data"):
        store.sound("dataset", "toy-data", tell)
        store.publish("dataset", "toy-data", lambda folder: _written(folder, {"classes": 3}), replace=True)


def train(store: RunStore, run_id: str, tell: Tell, trained: Tell) -> None:
    """A random walk with momentum, whose every step comes from (seed, epoch)."""
    with store.lock(run_id, on_wait=lambda: tell(f"waiting for {store.holder(run_id)}")):
        if store.sound("run", run_id, tell):
            return
        folder = store.work_folder() / run_id
        files.remove_leftovers(folder)
        found = load_newest(folder, tell)
        state = [*found.model, *found.optimizer] if found else [np.zeros(50, np.float32), np.zeros(50, np.float32)]
        rows = list(found.meta["rows"]) if found else []
        for epoch in range(len(rows), EPOCHS):
            state[1] = np.float32(0.9) * state[1] + _drawn(run_id, epoch)
            state[0] = state[0] + state[1]
            rows.append({"epoch": epoch + 1, "loss": float(np.square(state[0]).mean())})
            save(folder, Checkpoint(epoch + 1, state[:1], state[1:], [], {"rows": rows}))

        def write(work: Path) -> dict[str, Any]:
            np.save(work / "weights.npy", state[0])
            return _written(work, rows)

        store.publish("run", run_id, write)
        trained(run_id)
        shutil.rmtree(folder)


def evaluate(store: RunStore, run_id: str, tell: Tell) -> str:
    """The evaluation's id."""
    name = f"{run_id}-e"
    with store.lock(name):
        if not store.sound("evaluation", name, tell):
            store.note_test_use("ab", SPLIT, evaluation=name)
            rows = store.read("run", run_id).json("rows.json")
            store.publish("evaluation", name, lambda folder: _written(folder, rows[-1]))
    return name


def _drawn(run_id: str, epoch: int) -> np.ndarray:
    seed = int(run_id.rsplit("-", 1)[1], 16)
    return np.random.default_rng([seed, epoch]).standard_normal(50).astype(np.float32)


def _written(folder: Path, rows: object) -> dict[str, Any]:
    (folder / "rows.json").write_text(json.dumps(rows))
    return {"seconds": 0.1, "resolved": {"epochs_run": EPOCHS}}


def result(root: Path) -> dict[str, str]:
    """What a start ended with: the hash of every file that does not tell the time, by its path."""
    store = RunStore(root)
    found = {f"{kind}/{one}/{name}": digest for kind, one, name, digest in _files(store)}
    found["lab"] = hashlib.sha256(json.dumps(store.read_lab("toy"), sort_keys=True).encode()).hexdigest()
    return found


def _files(store: RunStore) -> list[tuple[str, str, str, str]]:
    return [
        (kind, record_id, name, digest)
        for kind in KINDS
        for record_id in store.ids(kind)
        for name, digest in store.read(kind, record_id).manifest["files"].items()
    ]


def faults(root: Path) -> list[str]:
    """What a reader finds wrong at this moment: nothing, whenever it comes."""
    store = RunStore(root)
    found = [f"{kind} {one}: {why}" for kind in KINDS for one in store.ids(kind) if (why := store.damage(kind, one))]
    if (root / "labs" / "toy.json").exists():
        for entry in store.read_lab("toy")["runs"]:
            found += [f"named, not there: {entry['run']}"] * (not store.has("run", entry["run"]))
    store.test_uses("ab", SPLIT)
    return found


def leftovers(root: Path) -> list[str]:
    """What no start should leave behind: temporary files, work that is done, records that were set aside."""
    work = [*(root / ".work").rglob("*"), *root.rglob(".*.part"), *(root / ".damaged").glob("*")]
    return [str(path.relative_to(root)) for path in work]


def faults_of(store: RunStore) -> list[str]:
    """What is wrong with any record of a store."""
    return [why for kind in KINDS for one in store.ids(kind) if (why := store.damage(kind, one))]
