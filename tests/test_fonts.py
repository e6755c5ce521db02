"""Fonts: cut once, embedded whole, and cut again when the cached file is damaged."""

from __future__ import annotations

import base64
import io
import re
from importlib import resources
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from report import fonts


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


def test_a_damaged_cached_face_is_cut_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(fonts, "_cut", lambda face, file: file.name.encode())
    first = fonts._file(fonts.FACES[0], "woff2")
    (path,) = tmp_path.rglob("*.woff2")
    path.write_bytes(path.read_bytes()[:-1])
    assert fonts._cached(path) is None
    assert fonts._file(fonts.FACES[0], "woff2") == first == b"SourceSerif4[opsz,wght].ttf"
    assert fonts._cached(path) == first


def test_a_face_is_the_same_whenever_it_is_cut() -> None:
    face = fonts.FACES[3]
    with resources.as_file(resources.files(face.package) / "files" / face.file) as file:
        published = TTFont(file)["head"].modified
    for kind in ("woff2", "ttf"):
        assert TTFont(io.BytesIO(fonts._file(face, kind)))["head"].modified == published
