"""Garbage in every kind of file: what is damaged is set aside and made again, the rest is left alone, and it is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cnnlab.store.store import RunStore, words_of
from cnnlab.training import checkpoint as checkpoints
from cnnlab.training.checkpoint import Checkpoint, load_newest, save
from tests.faults import toy


def flipped(content: bytes) -> bytes:
    """One bit in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]


def of_the_future(content: bytes) -> bytes:
    """The same by a later version."""
    return json.dumps({**json.loads(content), "format": 99}).encode()


def of_another(content: bytes) -> bytes:
    """A folder that was copied over another's name."""
    return json.dumps({**json.loads(content), "id": "another-net-s0-00000000"}).encode()


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "noise": lambda content: np.random.default_rng(0).bytes(len(content)),
    "flipped": flipped,
}
OF_A_RUN = ("manifest.json", "rows.json", "weights.npy")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished lab."""
    root = tmp_path_factory.mktemp("whole") / "runs"
    toy.live(root)
    return root


@pytest.mark.parametrize(
    ("name", "how"),
    [  # a bit of the manifest may be one that says nothing
        (name, how) for name in OF_A_RUN for how in (*DAMAGE, "missing") if (name, how) != ("manifest.json", "flipped")
    ],
)
def test_a_damaged_run_is_said_set_aside_and_trained_again(tmp_path: Path, whole: Path, name: str, how: str) -> None:
    root = tmp_path / "runs"
    shutil.copytree(whole, root)
    path = root / toy.RUNS[0] / name
    path.unlink() if how == "missing" else path.write_bytes(DAMAGE[how](path.read_bytes()))
    other = (root / toy.RUNS[1] / "manifest.json").stat()
    status = {row["run"]: row for row in RunStore(root).rows()}
    if (name, how) != ("manifest.json", "missing"):
        assert status[toy.RUNS[0]]["status"] == "damaged" and str(path) in words_of(status[toy.RUNS[0]])
    assert status[toy.RUNS[1]]["status"] == "done"
    told: list[str] = []
    trained: list[str] = []
    toy.live(root, told.append, trained=trained.append)
    assert toy.result(root) == toy.result(whole) and trained == [toy.RUNS[0]]
    assert len(told) == 1 and f"the run {toy.RUNS[0]} is damaged" in told[0] and str(path) in told[0]
    (aside,) = (root / ".damaged").iterdir()
    assert str(aside) in told[0] and [row["where"] for row in RunStore(root).rows() if "where" in row] == [str(aside)]
    same = (root / toy.RUNS[1] / "manifest.json").stat()
    assert (same.st_ino, same.st_mtime_ns) == (other.st_ino, other.st_mtime_ns), "the rest is not even written again"


@pytest.mark.parametrize("change", [of_the_future, of_another])
def test_a_manifest_of_another_version_or_run_is_no_record(
    tmp_path: Path, whole: Path, change: Callable[[bytes], bytes]
) -> None:
    root = tmp_path / "runs"
    shutil.copytree(whole, root)
    for path in (root / toy.RUNS[0] / "manifest.json", root / "datasets" / "toy-data" / "manifest.json"):
        path.write_bytes(change(path.read_bytes()))
    told: list[str] = []
    toy.live(root, told.append)
    assert toy.result(root) == toy.result(whole)
    assert [text.split(" is damaged")[0] for text in told] == [
        "warning: the dataset toy-data",
        f"warning: the run {toy.RUNS[0]}",
    ]


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize(
    "path", ["labs/toy.json", f"evaluations/{toy.RUNS[0]}-e/rows.json", f".locks/{toy.RUNS[0]}.lock"]
)
def test_garbage_anywhere_else_is_made_again(tmp_path: Path, whole: Path, path: str, how: str) -> None:
    root = tmp_path / "runs"
    shutil.copytree(whole, root)
    (root / path).write_bytes(DAMAGE[how]((root / path).read_bytes()))
    trained: list[str] = []
    toy.live(root, trained=trained.append)
    assert toy.result(root) == toy.result(whole) and trained == []


def checkpoint(epoch: int) -> Checkpoint:
    array = np.full(1000, epoch, np.float32)
    return Checkpoint(epoch, [array], [array], [], {"rows": []})


@pytest.mark.parametrize("how", [*DAMAGE, "future", "a folder"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for epoch in (1, 2, 3):
        with monkeypatch.context() as later:
            later.setattr(checkpoints, "FORMAT", 9 if (how, epoch) == ("future", 3) else checkpoints.FORMAT)
            save(tmp_path, checkpoint(epoch))
    newest = tmp_path / "epoch-00003.npz"
    content = newest.read_bytes()
    if how == "a folder":
        newest.unlink()
        newest.mkdir()
    elif how != "future":
        newest.write_bytes(DAMAGE[how](content))
    told: list[str] = []
    found = load_newest(tmp_path, told.append)
    assert found is not None and found.epoch == 2 and found.model[0].tolist() == [2] * 1000
    assert len(told) == 1 and str(newest) in told[0] and ("its format is 9" in told[0]) == (how == "future")
    save(tmp_path, checkpoint(3))
    assert sorted(path.name for path in tmp_path.glob("epoch-*.npz")) == [f"epoch-0000{n}.npz" for n in (2, 3)]


def test_no_flipped_bit_of_a_checkpoint_gives_other_content(tmp_path: Path) -> None:
    """At places spread over the file, the zip's own tables included; some of their bits, as the time of day, say nothing."""
    written = checkpoint(1)
    path = save(tmp_path, written)
    content, told = path.read_bytes(), list[str]()
    for place in [*range(0, len(content), 53), *range(len(content) - 500, len(content))]:
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        found = load_newest(tmp_path, told.append)
        if found is not None:
            assert (found.epoch, found.best, found.meta) == (1, [], {"rows": []}), place
            for mine, theirs in zip(found.model + found.optimizer, written.model + written.optimizer, strict=True):
                assert mine.dtype == theirs.dtype and mine.tobytes() == theirs.tobytes(), place
    assert len(told) > len(content) / 53 / 2
    path.write_bytes(content)
    assert load_newest(tmp_path, pytest.fail) is not None
