"""Folders that cannot be used are found before training; moved and copied ones, and clocks that jump, change nothing."""

from __future__ import annotations

import datetime as dates
import errno
import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from cnnlab.app import pipeline
from cnnlab.errors import StoreError, Unwritable
from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore
from tests.command import write_images
from tests.faults import toy
from tests.quiet import QuietProgress


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_locks_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def flock(*arguments: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StoreError, match=r"no working file locks[\s\S]*--runs") as caught:
        RunStore(tmp_path).check_usable()
    assert caught.value.received == os.strerror(number)


def test_locks_that_keep_nobody_out_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *arguments: None)
    with pytest.raises(StoreError, match="keeps nobody out"):
        RunStore(tmp_path).check_usable()


def test_renames_that_leave_the_old_file_or_fail_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", lambda source, target: None)
        with pytest.raises(StoreError, match="does not rename files as it should"):
            RunStore(tmp_path).check_usable()

    def rename(source: object, target: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "replace", rename)
    with pytest.raises(Unwritable, match="Operation not permitted"):
        RunStore(tmp_path).check_usable()


@pytest.fixture
def lab(tmp_path: Path, write_lab: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Starts the lab of the fixture, whose data nobody gets to read."""
    write_images(tmp_path / "images", each=1)

    def opened(*arguments: Any, **options: Any) -> None:
        raise AssertionError("images were read before the folders were checked")

    monkeypatch.setattr(pipeline, "open_images", opened)
    loaded = load_lab(str(write_lab()))

    def start(runs: Path, out: Path) -> None:
        pipeline.run_lab(pipeline.Wanted(loaded, RunStore(runs), out, ("html",)), QuietProgress())

    return start


@pytest.mark.parametrize("broken", ["runs", "out", "runs/.work", "runs/.locks", "runs/labs", "out/mine"])
def test_a_folder_that_is_a_file_is_found_before_the_images_are_read(tmp_path: Path, lab: Any, broken: str) -> None:
    (tmp_path / broken).parent.mkdir(exist_ok=True)
    (tmp_path / broken).write_text("a file where a folder should be")
    with pytest.raises(Unwritable, match=r"cannot be written[\s\S]*--(runs|out)") as caught:
        lab(tmp_path / "runs", tmp_path / "out")
    assert str(tmp_path / broken.split("/")[0]) in str(caught.value.where)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no folder that even root cannot write")
@pytest.mark.parametrize("broken", ["runs", "out"])
def test_a_folder_that_nobody_can_write_is_found_before_the_images_are_read(
    tmp_path: Path, lab: Any, broken: str
) -> None:
    folders = {"runs": tmp_path / "runs", "out": tmp_path / "out"} | {broken: Path("/proc/self/task")}
    with pytest.raises(Unwritable, match=r"where: /proc/\w+/task"):
        lab(**folders)


def test_moved_and_copied_folders_change_nothing(tmp_path: Path) -> None:
    toy.live(tmp_path / "runs")
    expected = toy.result(tmp_path / "runs")
    (tmp_path / "runs").rename(tmp_path / "moved")
    shutil.copytree(tmp_path / "moved", tmp_path / "copied")
    for name in ("moved", "copied"):
        trained: list[str] = []
        with RunStore(tmp_path / "elsewhere").lock(toy.RUNS[0]):  # the same run id in another folder is another run
            toy.live(tmp_path / name, trained=trained.append)
        assert toy.result(tmp_path / name) == expected and trained == []


def test_an_interrupted_lab_goes_on_where_it_was_copied_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.live(tmp_path / "whole")

    def stopping(kind: str, record_id: str, *rest: Any, **options: Any) -> Any:
        if kind == "run":
            raise KeyboardInterrupt
        return publish(kind, record_id, *rest, **options)

    store = RunStore(tmp_path / "runs")
    publish = store.publish
    monkeypatch.setattr(RunStore, "publish", lambda self, *rest, **options: stopping(*rest, **options))
    with pytest.raises(KeyboardInterrupt):
        toy.live(tmp_path / "runs")
    monkeypatch.undo()
    shutil.copytree(tmp_path / "runs", tmp_path / "copied")
    epochs = [path.name for path in (tmp_path / "copied").rglob("epoch-*.npz")]
    assert sorted(epochs) == [f"epoch-0000{toy.EPOCHS - 1}.npz", f"epoch-0000{toy.EPOCHS}.npz"]
    toy.live(tmp_path / "copied")
    assert toy.result(tmp_path / "copied") == toy.result(tmp_path / "whole")


def test_a_clock_that_jumps_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question for the time is answered a year later or earlier than the last, and files are dated anyhow."""
    toy.live(tmp_path / "whole")
    jumps = iter(range(10**6))

    def jumping() -> float:
        return 1.7e9 + (-1) ** next(jumps) * 3.2e7

    class Dates(dates.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return dates.datetime.fromtimestamp(jumping(), tz)

    monkeypatch.setattr(time, "time", jumping)
    for module in ("cnnlab.store.store", "cnnlab.store.files"):
        monkeypatch.setattr(f"{module}.datetime", Dates)
    root = tmp_path / "runs"
    for _ in range(2):
        toy.live(root)
        for path in root.rglob("*"):
            os.utime(path, (jumping(), jumping()))
    assert toy.result(root) == toy.result(tmp_path / "whole") and toy.leftovers(root) == []


@pytest.mark.parametrize("ended", [True, False])
def test_leftovers_go_once_nobody_holds_them(tmp_path: Path, ended: bool) -> None:
    store = RunStore(tmp_path)
    toy.live(tmp_path)
    work = store.work_folder()
    for name in ("x-net-s0-1.0123abcd.part", "x-net-s0-1.0123abcd.doomed", toy.RUNS[0], "x-net-s0-1"):
        (work / name).mkdir()
        (work / name / "half").touch()
    names = {path.name for path in work.iterdir()}
    if ended:
        store.check_usable()
        assert {path.name for path in work.iterdir()} == {"x-net-s0-1"}, "an unfinished run is kept"
    else:
        with store.lock("x-net-s0-1.0123abcd.part"), store.lock(toy.RUNS[0]):
            RunStore(tmp_path).check_usable()
        assert {path.name for path in work.iterdir()} == names - {"x-net-s0-1.0123abcd.doomed"}
