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
def test_every_face_is_embedded_with_the_letters_of_the_report_the_same_whenever_it_is_cut(
    medium: fonts.Medium, most: int
) -> None:
    files = [base64.b64decode(data) for data in re.findall(r"base64,([^)]+)\)", fonts.font_faces(medium))]
    assert len(files) == len(fonts.FACES) and sum(map(len, files)) < most
    for face, content in zip(fonts.FACES, files, strict=True):
        font = TTFont(io.BytesIO(content))
        with resources.as_file(resources.files(face.package) / "files" / face.file) as file:
            assert "fvar" not in font and font["head"].modified == TTFont(file)["head"].modified
        letters = "aZ09áéíóúñü¿¡“”–—−×·≤%" + ("┏" if "Code" in face.family else "")
        assert set(map(ord, letters)) <= set(font.getBestCmap()), face


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
