"""Fonts: cut once, embedded whole."""

from __future__ import annotations

import base64
import io
import re
from importlib import resources
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from cnnlab.paths import cache_dir
from report.figures import fonts


@pytest.mark.parametrize(("medium", "most"), [("screen", 250_000), ("print", 600_000)])
def test_every_face_is_embedded_with_the_letters_of_the_report(medium: fonts.Medium, most: int) -> None:
    rules = fonts.font_faces(medium)
    files = [base64.b64decode(data) for data in re.findall(r"base64,([^)]+)\)", rules)]
    assert len(files) == len(fonts.FACES)
    assert sum(map(len, files)) < most
    for face, content in zip(fonts.FACES, files, strict=True):
        font = TTFont(io.BytesIO(content))
        assert "fvar" not in font
        assert {ord(letter) for letter in "aZ09áéíóúñü¿¡“”–—−×·≤%"} <= set(font.getBestCmap()), face
    assert ord("┏") in TTFont(io.BytesIO(files[-1])).getBestCmap()


def test_a_face_is_the_same_whenever_it_is_cut() -> None:
    face = fonts.FACES[3]
    with resources.as_file(resources.files(face.package) / "files" / face.file) as file:
        published = TTFont(file)["head"].modified
    for kind in ("woff2", "ttf"):
        assert TTFont(io.BytesIO(fonts.font_file(face, kind).read_bytes()))["head"].modified == published


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o755])
def test_nothing_is_read_from_a_folder_that_others_may_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    monkeypatch.setattr("cnnlab.paths.user_cache_path", lambda name: tmp_path / name)
    cache_dir.cache_clear()
    own = cache_dir()
    assert own == tmp_path / "cnnlab" / "made" and own.stat().st_mode & 0o777 == 0o700
    own.chmod(mode)
    cache_dir.cache_clear()
    assert cache_dir() != own and cache_dir().stat().st_mode & 0o777 == 0o700
    cache_dir.cache_clear()
