"""Source Sans 3 for matplotlib, which cannot set the weight of a variable font: static cuts of the pip package's file."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

FAMILY = "Source Sans 3"
WEIGHTS = (400, 700)
_CHARACTERS = (*range(0x20, 0x180), *range(0x370, 0x460), *range(0x2010, 0x2040), 0x20AC, 0x2192, 0x2212, 0x2248, 0xD7)


@cache
def register() -> None:
    """Make the family known to matplotlib; the first time on a machine the cuts are made, which takes seconds."""
    from matplotlib.font_manager import fontManager

    for weight in WEIGHTS:
        path = _cut(weight)
        fontManager.addfont(path)
        # The cuts keep the variable font's names, of which matplotlib would guess family and weight.
        guessed = fontManager.ttflist.pop()
        fontManager.ttflist.append(
            replace(
                guessed,
                name=FAMILY,
                style="normal",
                variant="normal",
                weight=weight,
                stretch="normal",
                size="scalable",
            )
        )


def _cut(weight: int) -> Path:
    """The font at one weight, made once into matplotlib's own cache folder."""
    import fontpkg_source_sans_3
    import matplotlib

    source = fontpkg_source_sans_3.ROOT / "files" / "SourceSans3[wght].ttf"
    stamp = hashlib.sha256(source.read_bytes() + repr((weight, _CHARACTERS)).encode()).hexdigest()[:16]
    path = Path(matplotlib.get_cachedir()) / f"source-sans-3-{weight}-{stamp}.ttf"
    if not path.exists():
        _instantiate(source, weight, path)
    return path


def _instantiate(source: Path, weight: int, path: Path) -> None:
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont
    from fontTools.varLib.instancer import instantiateVariableFont

    font = TTFont(source)
    subsetter = Subsetter(Options(layout_features=[], hinting=False, notdef_outline=True))
    subsetter.populate(unicodes=_CHARACTERS)
    subsetter.subset(font)
    font = instantiateVariableFont(font, {"wght": weight})
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".ttf")
    with os.fdopen(handle, "wb") as stream:
        font.save(stream)
    Path(temporary).replace(path)
