"""The logo of a report's title block: a PNG, JPEG or SVG file, checked and embedded as a `data:` address."""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from xml.parsers import expat

from cnnlab.errors import LabError

LARGEST = 512 * 1024
"""Bytes of the file."""

LONGEST_SIDE = 4096
"""Pixels of a PNG or JPEG."""

MOST_USES = 20
"""`use` elements of an SVG: what copies copies grows as their power."""

_RASTER = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG"}
_SVG = "http://www.w3.org/2000/svg"
_ELEMENTS = frozenset(
    [
        "svg",
        "g",
        "defs",
        "title",
        "desc",
        "metadata",
        "symbol",
        "use",
        "style",
        "path",
        "rect",
        "circle",
        "ellipse",
        "line",
        "polyline",
        "polygon",
        "text",
        "tspan",
        "textPath",
        "image",
        "linearGradient",
        "radialGradient",
        "stop",
        "clipPath",
        "mask",
        "pattern",
        "marker",
        "switch",
        "filter",
        "feBlend",
        "feColorMatrix",
        "feComposite",
        "feFlood",
        "feGaussianBlur",
        "feMerge",
        "feMergeNode",
        "feOffset",
    ]
)
_FOREIGN = frozenset({"http://www.w3.org/1999/xhtml", "http://www.w3.org/1998/Math/MathML"})
_PICTURE = re.compile(r"data:image/(png|jpeg);base64,")
_OUTSIDE = re.compile(r"""url\(\s*(?!\s*["']?\s*#)|@import|image-set\(|\bsrc\(|javascript:|\\""", re.IGNORECASE)


def logo_uri(path: Path) -> str:
    """The file as a `data:` address.

    Raises:
        LabError: it is missing, too large, damaged, or an SVG with a script or a reference outside itself.
    """
    content = _read(path)
    kind = next((name for magic, name in _RASTER.items() if content.startswith(magic)), None)
    if kind:
        _check_raster(content, kind, path)
    else:
        _Checker(path).check(content)
    mime = f"image/{kind.lower()}" if kind else "image/svg+xml"
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise LabError("the logo is not there", where=path, hint="style.logo is relative to the lab file")
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as problem:
        raise LabError("the logo cannot be read", where=path, received=problem.strerror) from None
    if len(content) > LARGEST:
        raise LabError(
            "the logo is too large a file",
            where=path,
            received=f"{path.stat().st_size / 1024:.0f} KiB",
            expected=f"at most {LARGEST // 1024} KiB",
        )
    return content


def _check_raster(content: bytes, kind: str, path: Path) -> None:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(content), formats=[kind]) as image:
                if max(image.size) <= LONGEST_SIDE:
                    image.load()
                size = image.size
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError) as problem:
        raise LabError(f"the logo is no {kind} that can be decoded", where=path, received=str(problem)) from None
    if max(size) > LONGEST_SIDE:
        raise LabError(
            "the logo has too many pixels",
            where=path,
            received=f"{size[0]}×{size[1]}",
            expected=f"at most {LONGEST_SIDE} a side",
        )


class _Checker:
    """Reads an SVG once and refuses what could run, or fetch anything from outside the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._root, self._uses = "", 0
        self._style: list[str] = []

    def check(self, content: bytes) -> None:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = lambda *_: self._refuse("a document type", "remove its <!DOCTYPE … >")
        parser.ProcessingInstructionHandler = lambda target, _: self._refuse(f"<?{target} … ?>")
        parser.StartElementHandler = self._element
        parser.CharacterDataHandler = self._style.append
        parser.EndElementHandler = self._end
        try:
            parser.Parse(content, True)
        except (expat.ExpatError, ValueError, LookupError) as problem:
            raise LabError(
                "the logo is neither PNG, JPEG nor SVG", where=self._path, received=f"as SVG: {problem}"
            ) from None

    def _element(self, full: str, attributes: Mapping[str, str]) -> None:
        space, _, name = full.rpartition(" ")
        if not self._root and (space, name) != (_SVG, "svg"):
            raise LabError(
                "the logo is neither PNG, JPEG nor SVG",
                where=self._path,
                received=f"XML that begins with <{name}>",
                expected=f'<svg xmlns="{_SVG}">',
            )
        self._root = self._root or name
        if space in _FOREIGN or (space in ("", _SVG) and name not in _ELEMENTS):
            self._refuse(f"<{name}>")
        self._uses += name == "use"
        if self._uses > MOST_USES:
            self._refuse(f"more than {MOST_USES} <use>")
        for attribute, value in attributes.items():
            self._attribute(name, attribute, value)
        self._style.clear()

    def _attribute(self, element: str, full: str, value: str) -> None:
        space, _, name = full.rpartition(" ")
        shown = f'{name}="{value[:60]}"'
        if name.lower().startswith("on") or name == "base":
            self._refuse(shown)
        elif name in ("href", "src"):
            if not value.strip().startswith("#") and not (element == "image" and _PICTURE.match(value)):
                self._refuse(shown)
        elif not space and _OUTSIDE.search(value):
            self._refuse(shown)

    def _end(self, full: str) -> None:
        """Text is looked at where the style sheet that it may belong to is whole."""
        if full.rpartition(" ")[2] == "style" and (found := _OUTSIDE.search("".join(self._style))):
            self._refuse(f"a style sheet with “{found[0]}”")
        self._style.clear()

    def _refuse(self, what: str, hint: str = "export it as plain SVG, or as PNG") -> None:
        raise LabError(
            "the logo holds what could run or ask for something outside itself",
            where=self._path,
            received=what,
            expected="shapes, text and gradients that refer to nothing but this file",
            hint=hint,
        )
