"""A disk that is full at any step: a clear error, nothing lost, nothing left behind once there is space again."""

from __future__ import annotations

import errno
import logging
import resource
import shutil
from pathlib import Path

import pytest

from cnnlab.errors import Unwritable
from cnnlab.store import files
from cnnlab.training.run import logged
from tests.faults import toy
from tests.faults.steps import NEED_SPACE, Steps, full


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("found, least", [("nothing", 120), ("a finished lab", 25)])
def test_no_space_at_any_step(quick_path: Path, found: str, least: int, lasting: bool) -> None:
    whole, root = quick_path / "whole", quick_path / "runs"
    toy.live(whole)
    expected, step, told, errors = toy.result(whole), 0, [], 0
    while True:
        step += 1
        if found != "nothing":
            shutil.copytree(whole, root)
        steps = Steps(step, full, calls=NEED_SPACE, lasting=lasting)
        try:
            with steps.counted():
                toy.live(root)
        except Unwritable as problem:
            assert problem.received == "No space left on device" and str(quick_path) in str(problem.where)
            errors += 1
        if steps.count < step:
            break
        assert toy.faults(root) == []
        toy.live(root, told.append)
        assert (toy.result(root), toy.leftovers(root), told) == (expected, [], [])
        shutil.rmtree(root)
    assert step > least
    assert errors > 0.4 * step, "what is asked for and there already, as a folder, needs no space"


def test_a_log_that_cannot_be_written_is_an_error_not_a_traceback_on_the_screen(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")
    with (
        pytest.raises(Unwritable, match=r"/dev/full[\s\S]*No space left"),
        logged(Path("/dev/full"), "cnnlab.training"),
    ):
        logging.getLogger("cnnlab.training").info("an epoch is over")
    (tmp_path / "file").touch()
    with pytest.raises(Unwritable, match="File exists"), logged(tmp_path / "file" / "log", "cnnlab.training"):
        pass
    assert capfd.readouterr() == ("", "")


def test_temporary_files_of_the_living_stay(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    dead = tmp_path / ".report.html.0123abcd.part"
    dead.write_bytes(b"half")
    (tmp_path / ".mine.part").write_bytes(b"a user's own")
    with files.replacing(path) as temporary:
        temporary.write_bytes(b"whole")
        files.remove_leftovers(tmp_path)
        names = sorted(one.name for one in tmp_path.iterdir())
        assert len(names) == 2 and dead.name not in names and ".mine.part" in names
    assert path.read_bytes() == b"whole" and len(list(tmp_path.iterdir())) == 2


def test_space_is_held_before_a_library_writes_that_would_not_survive_its_lack(tmp_path: Path) -> None:
    former, path = resource.getrlimit(resource.RLIMIT_FSIZE), tmp_path / "weights.weights.h5"
    files.reserve(path, 2_000)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, former[1]))
        with pytest.raises(OSError) as problem:
            files.reserve(path, 2_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert problem.value.errno == errno.EFBIG and not path.exists()
