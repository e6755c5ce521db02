"""What is kept from one process to the next: whole, its user's own, and never read from where others write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from report.data import kept as place
from report.data.kept import MOST, keep, kept


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where things are kept in a test."""
    monkeypatch.setattr(place, "user_cache_path", lambda name: tmp_path / name)
    place._folder.cache_clear()
    yield tmp_path / "cnnlab" / "templates"
    place._folder.cache_clear()


def test_it_is_there_for_the_key_alone(folder: Path) -> None:
    assert kept("one") is None
    keep("one", b"content")
    keep("two", b"")
    assert (kept("one"), kept("two"), kept("three")) == (b"content", b"", None)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_damaged_file_is_none(folder: Path) -> None:
    keep("one", b"content")
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert kept("one") is None
    path.write_bytes(b"")
    assert kept("one") is None


def test_a_file_under_another_name_is_none(folder: Path) -> None:
    keep("one", b"content")
    keep("two", b"other")
    first, second = place._path("one"), place._path("two")
    assert first and second
    first.write_bytes(second.read_bytes())
    assert kept("one") is None


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o755])
def test_a_folder_that_others_may_enter_is_not_used(folder: Path, mode: int) -> None:
    keep("one", b"content")
    folder.chmod(mode)
    place._folder.cache_clear()
    assert kept("one") is None
    keep("two", b"content")
    assert len(list(folder.iterdir())) == 1


def test_a_folder_of_another_user_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep("one", b"content")
    place._folder.cache_clear()
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    assert kept("one") is None


def test_a_link_in_its_place_is_not_used(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.parent.mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    keep("one", b"content")
    assert kept("one") is None and not list((tmp_path / "elsewhere").iterdir())


def test_it_does_not_grow_without_end(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True)
    for number in range(MOST):
        (folder / f"old-{number}").touch()
    keep("new", b"content")
    assert len(list(folder.iterdir())) == MOST // 2 and kept("new") == b"content"
