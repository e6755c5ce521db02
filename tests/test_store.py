"""The run store: whole or not at all, verified when read, refused when newer."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnlab.errors import StoreError
from cnnlab.store import RunStore, replace_file


def _write(folder: Path) -> dict[str, Any]:
    (folder / "spec.json").write_text('{"a": 1}')
    (folder / "history.csv").write_text("epoch,loss\n1,0.5\n")
    np.savez(folder / "predictions.npz", labels=np.arange(3))
    return {"seconds": 1.5}


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_a_published_record_reads_back(store: RunStore) -> None:
    record = store.publish("run", "x-s0-1", _write)
    assert record.json("spec.json") == {"a": 1}
    assert record.rows("history.csv") == [{"epoch": "1", "loss": "0.5"}]
    assert record.arrays("predictions.npz")["labels"].tolist() == [0, 1, 2]
    assert (record.manifest["status"], record.manifest["seconds"], record.manifest["format"]) == ("done", 1.5, 1)
    assert sorted(record.manifest["files"]) == ["history.csv", "predictions.npz", "spec.json"]
    assert [found.id for found in store.records("run")] == ["x-s0-1"]


def test_a_writer_that_fails_leaves_nothing(store: RunStore) -> None:
    def fail(folder: Path) -> dict[str, Any]:
        (folder / "half").write_text("half")
        raise RuntimeError("stopped half way")

    with pytest.raises(RuntimeError, match="half way"):
        store.publish("run", "x-s0-1", fail)
    assert not store.has("run", "x-s0-1")
    assert list((store.root / ".work").iterdir()) == []


def test_a_changed_file_is_not_trusted(store: RunStore) -> None:
    record = store.publish("run", "x-s0-1", _write)
    (record.folder / "spec.json").write_text('{"a": 2}')
    with pytest.raises(StoreError, match="not what was published"):
        store.read("run", "x-s0-1").json("spec.json")


def test_a_missing_file_is_named(store: RunStore) -> None:
    record = store.publish("run", "x-s0-1", _write)
    (record.folder / "spec.json").unlink()
    with pytest.raises(StoreError, match=r"cannot be read[\s\S]*spec\.json"):
        record.json("spec.json")
    with pytest.raises(StoreError, match="no such file"):
        record.bytes("other.json")


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_damaged_manifest_is_said(store: RunStore, content: str) -> None:
    record = store.publish("run", "x-s0-1", _write)
    (record.folder / "manifest.json").write_text(content)
    with pytest.raises(StoreError, match="damaged"):
        store.read("run", "x-s0-1")


def test_a_newer_record_is_refused_with_what_to_do(store: RunStore) -> None:
    record = store.publish("run", "x-s0-1", _write)
    manifest = json.loads((record.folder / "manifest.json").read_text())
    (record.folder / "manifest.json").write_text(json.dumps({**manifest, "format": 2}))
    with pytest.raises(StoreError, match=r"newer cnnlab[\s\S]*format 2[\s\S]*upgrade"):
        store.read("run", "x-s0-1")


def test_publishing_twice_keeps_the_first_unless_told_to_replace(store: RunStore) -> None:
    store.publish("run", "x-s0-1", _write)
    store.publish("run", "x-s0-1", lambda folder: {**_write(folder), "seconds": 9.0})
    assert store.read("run", "x-s0-1").manifest["seconds"] == 1.5
    store.publish("run", "x-s0-1", lambda folder: {**_write(folder), "seconds": 9.0}, replace=True)
    assert store.read("run", "x-s0-1").manifest["seconds"] == 9.0


def test_a_folder_without_manifest_is_no_record(store: RunStore) -> None:
    (store.root / "half").mkdir(parents=True)
    assert list(store.records("run")) == []
    with pytest.raises(StoreError, match="no such record"):
        store.read("run", "half")


def test_records_survive_a_move(store: RunStore, tmp_path: Path) -> None:
    store.publish("evaluation", "e", _write)
    shutil.copytree(store.root, tmp_path / "elsewhere")
    assert RunStore(tmp_path / "elsewhere").read("evaluation", "e").json("spec.json") == {"a": 1}


def test_pickles_are_refused(store: RunStore) -> None:
    def write(folder: Path) -> dict[str, Any]:
        np.savez(folder / "bad.npz", bad=np.array([{"a": 1}], dtype=object), allow_pickle=True)
        return {}

    record = store.publish("run", "x-s0-1", write)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        record.arrays("bad.npz")


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
