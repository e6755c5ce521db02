"""Decoding in processes gives what decoding in threads gives; its failures end in one message."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnlab.datasets import decode as module
from cnnlab.datasets.decode import decode_all
from cnnlab.datasets.table import Content, DatasetAbout, Pictures, Undecodable, silent
from cnnlab.errors import DataError
from cnnlab.spec import DatasetSpec

SPEC = DatasetSpec(reader="folder", image_size=16, max_bad=0.02)


def png(seed: int, folder: Path) -> Content:
    """A picture as bytes, as a file or as an array, by turns."""
    pixels = np.random.RandomState(seed).randint(0, 256, (16, 16, 3), dtype=np.uint8)
    if seed % 3 == 0:
        return pixels
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    if seed % 3 == 1:
        return buffer.getvalue()
    path = folder / f"{seed}.png"
    path.write_bytes(buffer.getvalue())
    return path


def pictures(folder: Path, images: int = 300, bad: tuple[int, ...] = ()) -> Pictures:
    contents = [png(seed, folder) for seed in range(images)]

    def content(index: int) -> Content:
        if index in bad:
            raise Undecodable("nothing there")
        return contents[index]

    return Pictures(
        classes=("a", "b"),
        labels=[index % 2 for index in range(images)],
        sources=[f"{index}.png" for index in range(images)],
        official=[-1] * images,
        about=DatasetAbout("t", None, None, "s"),
        content=content,
        where=folder,
    )


@pytest.mark.parametrize("processes", [False, True])
def test_every_image_is_where_it_belongs(processes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROCESSES_FROM", 0 if processes else 10**9)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    into = tmp_path / "raw"
    into.touch()
    told: list[float | None] = []
    looks = decode_all(pictures(tmp_path, bad=(7,)), SPEC, into, lambda message, share=None, /: told.append(share))
    squares = np.fromfile(into, np.uint8).reshape(300, 16, 16, 3)
    for index, square in enumerate(squares):
        expected = np.random.RandomState(index).randint(0, 256, (16, 16, 3), dtype=np.uint8)
        assert np.array_equal(square, 0 * expected if index == 7 else expected)
    assert [index for index, look in enumerate(looks) if look.problem] == [7] and looks[7].problem == "nothing there"
    assert len({look.digest for look in looks}) == 300
    assert told == sorted(told) and told[-1] == 1.0


def test_too_many_bad_ones_stop_early(tmp_path: Path) -> None:
    into = tmp_path / "raw"
    into.touch()
    with pytest.raises(DataError, match="too many images") as caught:
        decode_all(pictures(tmp_path, bad=tuple(range(10))), SPEC, into, silent)
    assert "10 bad among the first 128 of 300" in str(caught.value.received)
    assert caught.value.expected == "at most 2% of all (`max_bad` in the lab file)"


class Deadly:
    """Content that kills the process it is unpickled in."""

    def __reduce__(self) -> object:
        return os._exit, (1,)


def test_a_process_that_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROCESSES_FROM", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    into = tmp_path / "raw"
    into.touch()
    deadly = pictures(tmp_path)
    object.__setattr__(deadly, "content", lambda index: Deadly())
    with pytest.raises(DataError, match="process that decodes images died") as caught:
        decode_all(deadly, SPEC, into, silent)
    assert "memory may be full" in str(caught.value.hint)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        decode_all(pictures(tmp_path), SPEC, tmp_path / "nowhere" / "raw", silent)
