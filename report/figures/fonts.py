"""The one cutter of fonts: static instances of the packaged variable fonts, for the page, for paper and for charts.

Cutting costs seconds: files are kept in the user's cache folder, by all that they follow from.
"""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal, NamedTuple

from cnnlab.paths import cache_dir
from cnnlab.store.files import replace_file

Medium = Literal["screen", "print"]

VERSION = 3
"""Bumped when the same face would be cut otherwise."""

FORMATS = {"screen": ("woff2", "woff2"), "print": ("ttf", "truetype")}
"""By medium, extension and CSS name: small for a page that travels; WeasyPrint would spend 0.25 s on unpacking it."""

_TEXT = (
    *range(0x20, 0x7F), *range(0xA0, 0x180), *range(0x2010, 0x2028), *range(0x2030, 0x2040), *range(0x2070, 0x20A0),
    0x20AC, 0x0394, 0x03BC, 0x03C0, 0x03C3, 0x2190, 0x2191, 0x2192, 0x2193, 0x2212, 0x2248, 0x2260, 0x2264, 0x2265,
    0x221E, 0x2044, 0x202F, 0x2009, 0x2605, 0x2713, 0x2717, 0x2022, 0x25B2, 0x25CF,
)  # fmt: skip
_CODE = (*_TEXT, *range(0x2500, 0x25A0))
_CHARTS = (*range(0x20, 0x180), *range(0x370, 0x460), *range(0x2010, 0x2040), 0x20AC, 0x2192, 0x2212, 0x2248, 0xD7)
_FEATURES = ("kern", "liga", "tnum", "lnum", "pnum", "mark", "mkmk", "ccmp", "locl", "sups", "case")


class Face(NamedTuple):
    """One font face: CSS family, weight and style, and the variable font, axes and characters that it is cut to."""

    family: str
    weight: int
    style: str
    package: str
    file: str
    axes: tuple[tuple[str, float], ...]
    characters: tuple[int, ...] = _TEXT
    features: tuple[str, ...] = _FEATURES


_SERIF = ("fontpkg_source_serif_4", "SourceSerif4[opsz,wght].ttf")
_SERIF_ITALIC = ("fontpkg_source_serif_4", "SourceSerif4-Italic[opsz,wght].ttf")
_SANS = ("fontpkg_source_sans_3", "SourceSans3[wght].ttf")
_MONO = ("fontpkg_source_code_pro", "SourceCodePro[wght].ttf")
FACES = (
    Face("Source Serif 4", 400, "normal", *_SERIF, (("opsz", 11), ("wght", 400))),
    Face("Source Serif 4", 400, "italic", *_SERIF_ITALIC, (("opsz", 11), ("wght", 400))),
    Face("Source Serif 4", 600, "normal", *_SERIF, (("opsz", 16), ("wght", 600))),
    Face("Source Sans 3", 400, "normal", *_SANS, (("wght", 400),)),
    Face("Source Sans 3", 600, "normal", *_SANS, (("wght", 600),)),
    Face("Source Code Pro", 400, "normal", *_MONO, (("wght", 400),), _CODE),
)


@cache
def font_faces(medium: Medium = "screen") -> str:
    """`@font-face` rules with every face embedded, in the file format of the medium."""
    kind, name = FORMATS[medium]
    return "\n".join(
        f'@font-face{{font-family:"{face.family}";font-weight:{face.weight};font-style:{face.style};font-display:block;'
        f"src:url(data:font/{kind};base64,{base64.b64encode(font_file(face, kind).read_bytes()).decode()}) format('{name}')}}"
        for face in FACES
    )


@cache
def register() -> None:
    """Make Source Sans 3 known to matplotlib, which cannot set the weight of a variable font."""
    from matplotlib.font_manager import fontManager

    for weight in (400, 700):
        face = Face("Source Sans 3", weight, "normal", *_SANS, (("wght", weight),), _CHARTS, ())
        fontManager.addfont(font_file(face, "ttf"))
        # The cuts keep the variable font's names, of which matplotlib would guess family and weight.
        guessed = fontManager.ttflist.pop()
        fontManager.ttflist.append(
            replace(guessed, name=face.family, style="normal", variant="normal", weight=weight, stretch="normal", size="scalable")
        )  # fmt: skip


def font_file(face: Face, kind: str) -> Path:
    """The face as a file of this kind (`woff2` or `ttf`), cut if it was not before."""
    folder = resources.files(face.package)
    made_from = repr((VERSION, face, kind, folder.joinpath("metadata.json").read_text()))
    path = cache_dir() / f"{hashlib.sha256(made_from.encode()).hexdigest()[:32]}.{kind}"
    if not path.exists():
        from fontTools.subset import Options, Subsetter
        from fontTools.ttLib import TTFont
        from fontTools.varLib.instancer import instantiateVariableFont

        with resources.as_file(folder / "files" / face.file) as file:
            font = TTFont(file, recalcTimestamp=False)  # the same bytes whenever and wherever it is cut
        options = Options(layout_features=list(face.features), hinting=False, notdef_outline=True, name_IDs=["*"])
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=face.characters)
        subsetter.subset(font)
        font = instantiateVariableFont(font, dict(face.axes))
        font.flavor = kind if kind != "ttf" else None
        content = io.BytesIO()
        font.save(content)
        replace_file(path, content.getvalue())
    return path
