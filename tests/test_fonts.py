"""Fonts: cut once, embedded whole, and cut again when the cached file is damaged."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from report import fonts


def test_every_face_is_embedded_with_the_letters_of_the_report() -> None:
    rules = fonts.font_faces()
    files = [base64.b64decode(data) for data in re.findall(r"base64,([^)]+)\)", rules)]
    assert len(files) == len(fonts.FACES)
    assert sum(map(len, files)) < 250_000
    for face, content in zip(fonts.FACES, files, strict=True):
        font = TTFont(io.BytesIO(content))
        assert "fvar" not in font
        assert {ord(letter) for letter in "aZ09áéíóúñü¿¡“”–—−×·≤%"} <= set(font.getBestCmap()), face
    assert ord("┏") in TTFont(io.BytesIO(files[-1])).getBestCmap()


def test_a_damaged_cached_face_is_cut_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(fonts, "_cut", lambda face, file: file.name.encode())
    first = fonts._woff2(fonts.FACES[0])
    (path,) = tmp_path.rglob("*.woff2")
    path.write_bytes(path.read_bytes()[:-1])
    assert fonts._cached(path) is None
    assert fonts._woff2(fonts.FACES[0]) == first == b"SourceSerif4[opsz,wght].ttf"
    assert fonts._cached(path) == first
