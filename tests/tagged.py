"""A PDF's structure tree, and what PDF/UA-1 (ISO 14289-1) asks of it and of the file that a program can check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pypdf import PageObject, PdfReader
from pypdf.generic import ContentStream

KIDS = {
    "Table": {"TR", "THead", "TBody", "TFoot", "Caption"}, "THead": {"TR"}, "TBody": {"TR"}, "TFoot": {"TR"},
    "TR": {"TH", "TD"}, "L": {"L", "LI", "Caption"}, "LI": {"Lbl", "LBody"},
}  # fmt: skip
"""What these may hold (7.2)."""

PARENTS = {
    "TR": {"Table", "THead", "TBody", "TFoot"}, "THead": {"Table"}, "TBody": {"Table"}, "TFoot": {"Table"}, "TH": {"TR"},
    "TD": {"TR"}, "LI": {"L"}, "LBody": {"LI"}, "Lbl": {"LI"},
}  # fmt: skip
"""Where these may stand (7.2)."""

PAINTED = {*b"Tj TJ ' \" S s f F f* B B* b b* Do sh BI".split(), b"INLINE IMAGE"}
"""Operators that put something on the page."""


@dataclass
class Element:
    """A structure element with its kids."""

    kind: str
    entry: Any
    parent: Element | None = None
    kids: list[Element] = field(default_factory=list)

    def all(self) -> Iterator[Element]:
        """This and all below, as they are read."""
        yield self
        for kid in self.kids:
            yield from kid.all()

    def attribute(self, name: str) -> Any:
        """Of its attribute objects."""
        found = self.entry.get("/A")
        for one in found if isinstance(found, list) else [found]:
            if one is not None and name in one.get_object():
                return one.get_object()[name]
        return None

    @property
    def where(self) -> str:
        """The kinds from the root to here."""
        return f"{self.parent.where} > {self.kind}" if self.parent else self.kind


def structure(reader: PdfReader) -> Element:
    """The structure tree below its root."""
    return grown(reader.trailer["/Root"]["/StructTreeRoot"])  # type: ignore[index]


def grown(entry: Any, parent: Element | None = None) -> Element:
    """The element of this entry with all below it."""
    element = Element(str(entry.get("/S", "Root")).removeprefix("/"), entry, parent)
    kids = entry.get("/K")
    kids = kids.get_object() if hasattr(kids, "get_object") else kids
    for kid in kids if isinstance(kids, list) else [kids]:
        kid = kid.get_object() if hasattr(kid, "get_object") else kid
        if isinstance(kid, dict) and "/S" in kid:
            element.kids.append(grown(kid, element))
    return element


def structure_problems(top: Element) -> list[str]:
    """What is where it may not be, and what lacks what it needs."""
    return [problem for one in top.all() for problem in (*_placed(one), *_table(one))] + _headings(top)


def _placed(one: Element) -> Iterator[str]:
    wrong = {kid.kind for kid in one.kids} - KIDS.get(one.kind, {kid.kind for kid in one.kids})
    if wrong:
        yield f"{one.where} holds {', '.join(sorted(wrong))}"
    if one.kind in PARENTS and one.parent and one.parent.kind not in PARENTS[one.kind]:
        yield f"{one.where} stands wrongly"
    if re.fullmatch(r"H\d|P|Caption|Figure", one.kind) and one.parent and one.parent.kind == one.kind:
        yield f"{one.where} stands in its like"
    if one.kind == "Figure" and not str(one.entry.get("/Alt", "")).strip():
        yield f"{one.where} says nothing"
    if "/P" not in one.entry and one.parent:
        yield f"{one.where} has no parent"


def _headings(top: Element) -> list[str]:
    """Headings start at 1 and go down by one level at a time (7.4.2)."""
    levels = [int(one.kind[1]) for one in top.all() if re.fullmatch(r"H[1-6]", one.kind)]
    return [f"level {after} after {before}" for before, after in pairwise([0, *levels]) if after > before + 1]


def _table(one: Element) -> Iterator[str]:
    """Rows of equal length, at most one head and caption in their places, each cell with its heads (7.2, 7.5)."""
    if one.kind != "Table":
        return
    kinds = [kid.kind for kid in one.kids]
    heads, captions = kinds.count("THead"), kinds.count("Caption")
    if max(heads, captions) > 1 or "Caption" in kinds[1:-1] or (heads and "TBody" not in kinds):
        yield f"{one.where} has {kinds}"
    rows = [row for row in one.all() if row.kind == "TR"]
    widths = {sum(int(cell.attribute("/ColSpan") or 1) for cell in row.kids) for row in rows}
    if len(widths) != 1:
        yield f"{one.where} has rows of {sorted(widths)} cells"
    named = {str(cell.entry["/ID"]): cell for cell in one.all() if cell.kind == "TH"}
    for cell in one.all():
        if cell.kind == "TH" and cell.attribute("/Scope") not in ("/Column", "/Row"):
            yield f"{cell.where} has no scope"
        if cell.kind == "TD" and not {"/Column", "/Row"} <= {
            named[str(name)].attribute("/Scope") for name in cell.attribute("/Headers") or () if str(name) in named
        }:
            yield f"{cell.where} has not a head of its column and one of its row"


def untagged(page: PageObject) -> list[str]:
    """Operators that paint outside of marked content, which is neither read nor known to be decoration (7.1)."""
    depth, found = 0, []
    for _, operator in ContentStream(page.get_contents(), page.pdf).operations:
        if operator in (b"BDC", b"BMC"):
            depth += 1
        elif operator == b"EMC":
            depth -= 1
        elif operator in PAINTED and depth == 0:
            found.append(operator.decode())
    return found


def fonts(reader: PdfReader) -> dict[str, bool]:
    """Every font of the pages and of what they draw, by name: whether it is embedded and maps its codes to characters."""
    found: dict[str, bool] = {}
    for page in reader.pages:
        for font in _fonts(page.get("/Resources")):
            described = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
            descriptor = described.get("/FontDescriptor", {}).get_object() if "/FontDescriptor" in described else {}
            embedded = any(key in descriptor for key in ("/FontFile", "/FontFile2", "/FontFile3"))
            found[str(font["/BaseFont"])] = embedded and "/ToUnicode" in font
    return found


def _fonts(resources: Any) -> Iterator[Any]:
    resources = resources.get_object() if resources is not None else {}
    for font in resources.get("/Font", {}).values():
        yield font.get_object()
    for drawn in resources.get("/XObject", {}).values():
        if drawn.get_object().get("/Subtype") == "/Form":
            yield from _fonts(drawn.get_object().get("/Resources"))
