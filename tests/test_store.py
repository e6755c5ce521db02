"""The run store: whole or not at all, verified when read, refused when newer."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnlab.errors import StoreError
from cnnlab.store.files import replace_file
from cnnlab.store.store import RunStore


def _write(folder: Path, seconds: float = 1.5) -> dict[str, Any]:
    (folder / "spec.json").write_text('{"a": 1}')
    (folder / "history.csv").write_text("epoch,loss\n1,0.5\n")
    np.savez(folder / "predictions.npz", labels=np.arange(3))
    return {"seconds": seconds}


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_a_published_record_reads_back_wherever_it_is_moved(store: RunStore, tmp_path: Path) -> None:
    store.publish("run", "x-s0-1", _write)
    shutil.copytree(store.root, tmp_path / "elsewhere")
    for record in (store.read("run", "x-s0-1"), RunStore(tmp_path / "elsewhere").read("run", "x-s0-1")):
        assert record.json("spec.json") == {"a": 1}
        assert record.rows("history.csv") == [{"epoch": "1", "loss": "0.5"}]
        assert record.arrays("predictions.npz")["labels"].tolist() == [0, 1, 2]
        assert (record.manifest["status"], record.manifest["seconds"], record.manifest["format"]) == ("done", 1.5, 1)
        assert sorted(record.manifest["files"]) == ["history.csv", "predictions.npz", "spec.json"]
    assert store.ids("run") == ["x-s0-1"]


def test_a_writer_that_fails_leaves_nothing(store: RunStore) -> None:
    def fail(folder: Path) -> dict[str, Any]:
        (folder / "half").write_text("half")
        raise RuntimeError("stopped half way")

    with pytest.raises(RuntimeError, match="half way"):
        store.publish("run", "x-s0-1", fail)
    assert not store.has("run", "x-s0-1")
    assert list((store.root / ".work").iterdir()) == []


NEWER = r"newer cnnlab[\s\S]*format 2[\s\S]*upgrade"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("spec.json", b'{"a": 2}', r"not what was published[\s\S]*spec\.json"),
        ("spec.json", None, r"cannot be read[\s\S]*spec\.json"),
        *(("manifest.json", content, "damaged") for content in (b"", b"{", b"[]", b"null", b'{"format": 1}')),
        ("manifest.json", b'{"format": 1, "kind": "run", "id": "y", "files": {}}', "another record's"),
        ("manifest.json", b'{"format": 2}', NEWER),
        ("manifest.json", None, "no such record"),
    ],
)
def test_a_changed_record_is_not_trusted(store: RunStore, name: str, content: bytes | None, said: str) -> None:
    path = store.publish("run", "x-s0-1", _write).folder / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(StoreError, match=said):
        store.read("run", "x-s0-1").json("spec.json")
    assert (store.ids("run") == []) == ((name, content) == ("manifest.json", None))


def test_publishing_twice_keeps_the_first_unless_told_to_replace(store: RunStore) -> None:
    for seconds, replace, expected in ((1, False, 1), (2, False, 1), (3, True, 3)):
        store.publish("run", "x-s0-1", partial(_write, seconds=seconds), replace=replace)
        assert store.read("run", "x-s0-1").manifest["seconds"] == expected


def test_pickles_and_files_that_are_not_in_the_manifest_are_refused(store: RunStore) -> None:
    def write(folder: Path) -> dict[str, Any]:
        np.savez(folder / "bad.npz", bad=np.array([{"a": 1}], dtype=object), allow_pickle=True)
        return {}

    record = store.publish("run", "x-s0-1", write)
    with pytest.raises(StoreError, match="allow_pickle=False"):
        record.arrays("bad.npz")
    with pytest.raises(StoreError, match="no such file"):
        record.bytes("other.json")


def test_an_unwritable_folder_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"cannot be written[\s\S]*--runs"):
        RunStore(tmp_path / "runs").publish("run", "x-s0-1", _write)


def test_replace_file_leaves_the_old_content_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lab.json"
    replace_file(path, b"old")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["lab.json"]


def test_the_lab_lock_reads_back(store: RunStore) -> None:
    store.write_lab("demo", {"runs": []})
    assert store.read_lab("demo") == {"format": 1, "runs": []}
    with pytest.raises(StoreError, match="cnnlab run other"):
        store.read_lab("other")


def test_an_unfinished_run_is_listed_with_the_epochs_that_a_start_goes_on_from(store: RunStore) -> None:
    folder = store.work_folder() / "x-s0-1"
    folder.mkdir()
    for name in ("train.log", "epoch-00002.npz", "epoch-00003.damaged", "epoch-00005.checkpoint"):
        (folder / name).touch()  # the last is a checkpoint of an earlier snapshot, which is not read
    assert store.rows() == [{"run": "x-s0-1", "status": "unfinished", "epochs": 2}]


def _hold(root: Path, held: Any) -> None:
    with RunStore(root).lock("x"):
        held.set()
        time.sleep(60)


def test_a_killed_holder_frees_its_lock(store: RunStore) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    holder = context.Process(target=_hold, args=(store.root, held))
    holder.start()
    assert held.wait(30)
    waited: list[bool] = []

    def kill() -> None:
        waited.append(True)
        assert holder.pid is not None
        os.kill(holder.pid, signal.SIGKILL)

    with store.lock("x", on_wait=kill):
        pass
    holder.join()
    assert waited == [True]


SPLIT = {"train": 0.8, "seed": 0}


def _ledger(store: RunStore) -> Path:
    (path,) = (store.root / "test-uses").iterdir()
    return path


def test_uses_of_test_images_are_counted_by_evaluation(store: RunStore) -> None:
    assert store.test_uses("ab", SPLIT) == 0
    assert [store.note_test_use("ab", SPLIT, evaluation=one) for one in ("e1", "e2", "e1", "e3")] == [1, 2, 2, 3]
    assert store.test_uses("ab", {"seed": 0, "train": 0.8}) == 3, "whatever the order of the keys"
    lines = [json.loads(line) for line in _ledger(store).read_text().splitlines()]
    assert [line["evaluation"] for line in lines] == ["e1", "e2", "e1", "e3"]
    assert all(datetime.fromisoformat(line["when"]).tzinfo is not None for line in lines)
    assert (store.test_uses("cd", SPLIT), store.test_uses("ab", {**SPLIT, "seed": 1})) == (0, 0)
    assert store.note_test_use("cd", SPLIT, evaluation="e1") == 1
    assert store.ids("run") == []


@pytest.mark.parametrize("torn", [b'{"evaluation":"e3","wh', b'{"evaluation":"e3","when":"now"}', b"\0\0\0"])
def test_a_note_that_was_cut_short_loses_no_other(store: RunStore, torn: bytes) -> None:
    for evaluation in ("e1", "e2"):
        store.note_test_use("ab", SPLIT, evaluation=evaluation)
    path = _ledger(store)
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert store.test_uses("ab", SPLIT) == 2
    assert store.note_test_use("ab", SPLIT, evaluation="e4") == 3
    assert path.read_bytes().startswith(whole + b'{"evaluation":"e4"') and torn not in path.read_bytes()


@pytest.mark.parametrize("line", [b"not json", b"[]", b"{}", b"3", b"\xff"])
def test_damaged_notes_are_said(store: RunStore, line: bytes) -> None:
    store.note_test_use("ab", SPLIT, evaluation="e1")
    _ledger(store).write_bytes(line + b"\n" + _ledger(store).read_bytes())
    with pytest.raises(StoreError, match="damaged"):
        store.test_uses("ab", SPLIT)


def test_a_note_that_cannot_be_kept_is_an_error(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.note_test_use("ab", SPLIT, evaluation="e1")
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:7]))
        with pytest.raises(StoreError, match=r"cannot be written[\s\S]*No space left"):
            store.note_test_use("ab", SPLIT, evaluation="e2")
    assert store.test_uses("ab", SPLIT) == 1
    assert store.note_test_use("ab", SPLIT, evaluation="e3") == 2


def _note(root: Path, name: str, ready: Any, go: Any) -> None:
    ready.release()
    go.wait(30)
    for number in range(40):
        RunStore(root).note_test_use("ab", SPLIT, evaluation=f"{name}{number}")


def test_two_processes_lose_no_note(store: RunStore) -> None:
    context = multiprocessing.get_context("spawn")
    ready, go = context.Semaphore(0), context.Event()
    writers = [context.Process(target=_note, args=(store.root, name, ready, go)) for name in "ab"]
    for writer in writers:
        writer.start()
    for _ in writers:
        assert ready.acquire(timeout=30)
    go.set()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert store.test_uses("ab", SPLIT) == 80
    names = [json.loads(line)["evaluation"] for line in _ledger(store).read_text().splitlines()]
    for name in "ab":
        assert [one for one in names if one[0] == name] == [f"{name}{number}" for number in range(40)]
