"""The report's fonts: static instances of the packaged variable fonts, cut to the characters a report uses.

Made once and kept in the user's cache folder; the page and the PDF embed the same files.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from report.data.kept import keep, kept

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

Medium = Literal["screen", "print"]

VERSION = 2
"""Bumped when the same face would be cut otherwise."""

FORMATS = {"screen": ("woff2", "woff2"), "print": ("ttf", "truetype")}
"""By medium, the file's extension and its CSS name: small for a page that travels; for paper as WeasyPrint wants it, which
would spend a quarter of a second on unpacking."""

_TEXT = (
    *range(0x20, 0x7F), *range(0xA0, 0x180), *range(0x2010, 0x2028), *range(0x2030, 0x2040), *range(0x2070, 0x20A0),
    0x20AC, 0x0394, 0x03BC, 0x03C0, 0x03C3, 0x2190, 0x2191, 0x2192, 0x2193, 0x2212, 0x2248, 0x2260, 0x2264, 0x2265,
    0x221E, 0x2044, 0x202F, 0x2009, 0x2605, 0x2713, 0x2717, 0x2022, 0x25B2, 0x25CF,
)  # fmt: skip
_CODE = (*_TEXT, *range(0x2500, 0x25A0))
_FEATURES = ["kern", "liga", "tnum", "lnum", "pnum", "mark", "mkmk", "ccmp", "locl", "sups", "case"]


@dataclass(frozen=True)
class Face:
    """One font face: CSS family, weight and style, and the variable font and axes that it is cut from."""

    family: str
    weight: int
    style: str
    package: str
    file: str
    axes: tuple[tuple[str, float], ...]
    characters: tuple[int, ...] = _TEXT


_SERIF = ("fontpkg_source_serif_4", "SourceSerif4[opsz,wght].ttf")
_SERIF_ITALIC = ("fontpkg_source_serif_4", "SourceSerif4-Italic[opsz,wght].ttf")
_SANS = ("fontpkg_source_sans_3", "SourceSans3[wght].ttf")
_CODE_FONT = ("fontpkg_source_code_pro", "SourceCodePro[wght].ttf")
FACES = (
    Face("Source Serif 4", 400, "normal", *_SERIF, (("opsz", 11), ("wght", 400))),
    Face("Source Serif 4", 400, "italic", *_SERIF_ITALIC, (("opsz", 11), ("wght", 400))),
    Face("Source Serif 4", 600, "normal", *_SERIF, (("opsz", 16), ("wght", 600))),
    Face("Source Sans 3", 400, "normal", *_SANS, (("wght", 400),)),
    Face("Source Sans 3", 600, "normal", *_SANS, (("wght", 600),)),
    Face("Source Code Pro", 400, "normal", *_CODE_FONT, (("wght", 400),), _CODE),
)


@lru_cache
def font_faces(medium: Medium = "screen") -> str:
    """`@font-face` rules with every face embedded, in the file format of the medium."""
    kind, name = FORMATS[medium]
    return "\n".join(
        f'@font-face{{font-family:"{face.family}";font-weight:{face.weight};font-style:{face.style};font-display:block;'
        f"src:url(data:font/{kind};base64,{base64.b64encode(_file(face, kind)).decode()}) format('{name}')}}"
        for face in FACES
    )


def _file(face: Face, kind: str) -> bytes:
    """The face as a file of this kind (`woff2` or `ttf`), kept from when it was made before."""
    folder = resources.files(face.package)
    key = repr((VERSION, face, kind, folder.joinpath("metadata.json").read_text()))
    if (content := kept(key)) is not None:
        return content
    if kind == "ttf":
        content = _unpacked(_file(face, "woff2"))
    else:
        with resources.as_file(folder / "files" / face.file) as file:
            content = _cut(face, file)
    keep(key, content)
    return content


def _cut(face: Face, file: Path) -> bytes:
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont
    from fontTools.varLib.instancer import instantiateVariableFont

    font = TTFont(file, recalcTimestamp=False)  # the same bytes whenever and wherever it is cut
    options = Options(layout_features=_FEATURES, hinting=False, notdef_outline=True, name_IDs=["*"])
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=face.characters)
    subsetter.subset(font)
    return _saved(instantiateVariableFont(font, dict(face.axes)), "woff2")


def _unpacked(content: bytes) -> bytes:
    from fontTools.ttLib import TTFont

    return _saved(TTFont(io.BytesIO(content), recalcTimestamp=False), None)


def _saved(font: TTFont, flavor: str | None) -> bytes:
    font.flavor = flavor
    buffer = io.BytesIO()
    font.save(buffer)
    return buffer.getvalue()
