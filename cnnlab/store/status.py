"""What is in the run store: finished runs, damaged ones, those set aside, and those that were interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnlab.store.store import RunStore

Row = dict[str, Any]


def rows_of(store: RunStore) -> list[Row]:
    """One row a run: `run`, `status` and what else is known of it. Every file of a finished one is verified.

    `status` is "done" or "diverged" of a finished run; "damaged" of one with a file that is not what was published, which
    `problem` names; "set aside" of a record that was damaged and has been put away, in the folder `where`;
    "training" of one that a process, its `holder`, trains now; "unfinished" of one that the next start resumes, after
    `epochs` epochs (0: it has no checkpoint yet).
    """
    finished = [_finished(store, run_id) for run_id in store.ids("run")]
    return [*finished, *_unfinished(store), *_set_aside(store)]


def words_of(row: Row) -> str:
    """A row as a line of text."""
    match row["status"]:
        case "damaged":
            told = f"{row['problem']}; cnnlab run makes it anew"
        case "set aside":
            told = f"was damaged, kept in {row['where']}"
        case "training":
            told = f"{row['holder']} trains it"
        case "unfinished":
            told = f"interrupted, goes on after epoch {row['epochs']}" if row["epochs"] else "interrupted, starts anew"
        case _:
            told = f"{row['epochs']} epochs in {row['seconds']:.0f} s, {row['created']}"
    return f"{row['status']:10} {row['run']}  {told}"


def _finished(store: RunStore, run_id: str) -> Row:
    if problem := store.damage("run", run_id):
        return {"run": run_id, "status": "damaged", "problem": problem}
    manifest = store.read("run", run_id).manifest
    known = {key: manifest[key] for key in ("status", "created", "seconds")}
    return {"run": run_id, **known, "epochs": manifest["resolved"]["epochs_run"]}


def _unfinished(store: RunStore) -> list[Row]:
    rows: list[Row] = []
    for log in sorted((store.root / ".work").glob("*/train.log")):
        run_id = log.parent.name
        if store.held(run_id):
            rows.append({"run": run_id, "status": "training", "holder": store.holder(run_id)})
        elif not store.has("run", run_id):
            rows.append({"run": run_id, "status": "unfinished", "epochs": _epochs(log.parent)})
    return rows


def _epochs(folder: Path) -> int:
    """Of the newest checkpoint."""
    found = [path.stem.removeprefix("epoch-") for path in folder.glob("epoch-*.checkpoint")]
    return max((int(number) for number in found if number.isdigit()), default=0)


def _set_aside(store: RunStore) -> list[Row]:
    return [
        {"run": path.name.rsplit(".", 1)[0], "status": "set aside", "where": str(path)} for path in store.put_away()
    ]
