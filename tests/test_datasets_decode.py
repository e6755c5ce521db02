"""Decoding in processes gives what decoding in threads gives; its failures end in one message."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cnnlab.datasets import decode
from cnnlab.datasets.table import Content, DatasetAbout, Pictures, Undecodable, silent
from cnnlab.errors import DataError
from cnnlab.spec import DatasetSpec
from tests.datasets import encoded, picture, put

SPEC = DatasetSpec(reader="folder", image_size=20, max_bad=0.02)


def pictures(folder: Path, bad: tuple[int, ...] = ()) -> Pictures:
    """300 pictures: as an array, as bytes and as a file by turns."""

    def content(index: int) -> Content:
        if index in bad:
            raise Undecodable("nothing there")
        kinds = (
            lambda: np.asarray(picture(index)),
            lambda: encoded(picture(index)),
            lambda: put(folder / f"{index}.png", picture(index)),
        )
        return kinds[index % 3]()

    labels, sources = [index % 2 for index in range(300)], [f"{index}.png" for index in range(300)]
    return Pictures(("a", "b"), labels, sources, [-1] * 300, DatasetAbout("t", None, None, "s"), content, folder)


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return put(tmp_path / "raw", b"")


@pytest.mark.parametrize("processes", [False, True])
def test_every_image_is_where_it_belongs(
    processes: bool, into: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "PROCESSES_FROM", 0 if processes else 10**9)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    told: list[float] = []
    looks = decode.decode_all(pictures(tmp_path, bad=(7,)), SPEC, into, lambda message, share: told.append(share))
    for index, square in enumerate(np.fromfile(into, np.uint8).reshape(300, 20, 20, 3)):
        assert np.array_equal(square, np.asarray(picture(index)) * (index != 7))
    assert [(i, look.problem) for i, look in enumerate(looks) if look.problem] == [(7, "nothing there")]
    assert len({look.digest for look in looks}) == 300
    assert told == sorted(told) and told[-1] == 1.0


def test_too_many_bad_ones_stop_early(into: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too many images") as caught:
        decode.decode_all(pictures(tmp_path, bad=tuple(range(10))), SPEC, into, silent)
    assert "10 bad among the first 128 of 300" in str(caught.value.received)
    assert caught.value.expected == "at most 2% of all (`max_bad` in the lab file)"


class Deadly:
    """Content that kills the process it is unpickled in."""

    def __reduce__(self) -> object:
        return os._exit, (1,)


def test_a_process_that_dies_is_an_error(into: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "PROCESSES_FROM", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    deadly = pictures(tmp_path)
    object.__setattr__(deadly, "content", lambda index: Deadly())
    with pytest.raises(DataError, match="process that decodes images died") as caught:
        decode.decode_all(deadly, SPEC, into, silent)
    assert "memory may be full" in str(caught.value.hint)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        decode.decode_all(pictures(tmp_path), SPEC, tmp_path / "nowhere" / "raw", silent)
