"""The PDF of a whole report by the rules of PDF/UA-1 that a program can check: tags, texts, heads, fonts, links, outline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, TextStringObject

from tests.parity import Forms
from tests.tagged import Element, fonts, grown, structure, structure_problems, untagged


@pytest.fixture(scope="module")
def reader(forms: Callable[[str], Forms]) -> PdfReader:
    return forms("en").reader


@pytest.fixture(scope="module")
def dom(forms: Callable[[str], Forms]) -> BeautifulSoup:
    """The page that the PDF is made of."""
    return BeautifulSoup(forms("en").page, "html.parser")


@pytest.fixture(scope="module")
def tree(reader: PdfReader) -> Element:
    return structure(reader)


def of_kind(tree: Element, *kinds: str) -> list[Element]:
    return [one for one in tree.all() if one.kind in kinds]


def test_the_file_says_what_it_is(reader: PdfReader, dom: BeautifulSoup) -> None:
    root: Any = reader.trailer["/Root"]
    assert reader.pdf_header == "%PDF-1.7"
    assert root["/Lang"] == "en" and root["/MarkInfo"]["/Marked"] and root["/ViewerPreferences"]["/DisplayDocTitle"]
    described = BeautifulSoup(root["/Metadata"].get_data(), "html.parser")
    assert [one["pdfuaid:part"] for one in described.find_all(attrs={"pdfuaid:part": True})] == ["1"]
    title = dom.title.text  # type: ignore[union-attr]
    assert described.find("dc:title").text.strip() == title  # type: ignore[union-attr]
    assert reader.metadata is not None and reader.metadata.title == title


def test_the_structure_is_sound(tree: Element) -> None:
    assert structure_problems(tree) == []


def test_all_that_is_painted_is_tagged_or_decoration_and_all_that_is_tagged_is_in_the_tree(
    reader: PdfReader, tree: Element
) -> None:
    assert [found for sheet in reader.pages for found in untagged(sheet)] == []
    numbers: Any = reader.trailer["/Root"]["/StructTreeRoot"]["/ParentTree"]["/Nums"]  # type: ignore[index]
    parents = [one for group in numbers[1::2] for one in _all(group.get_object())]
    inside = {id(one.entry) for one in tree.all()}
    headers = [one for one in parents if id(one) not in inside]
    margins = 2 * len(reader.pages) - 1  # the running head, from the second page on, and the number of the page
    assert len(parents) > 5000
    assert all(one["/S"] in ("/Span", "/NonStruct") for one in headers) and len(headers) <= 5 * margins


def _all(found: Any) -> list[Any]:
    return [one.get_object() for one in found] if isinstance(found, list) else [found]


def test_every_picture_is_described_by_its_data(tree: Element, dom: BeautifulSoup) -> None:
    texts = Counter(str(one.entry["/Alt"]) for one in of_kind(tree, "Figure"))
    assert texts == Counter(str(one["alt"]) for one in dom.select("img"))
    drawn = [str(one["alt"]) for one in dom.select("figure.chart img")]
    assert len(drawn) > 10 and len(set(drawn)) == len(drawn)
    assert [text for text in drawn if not any(sign.isdigit() for sign in text)] == []
    assert [text for text in texts if len(text) < 4 or "description" in text] == []


def test_tables_have_heads_of_columns_and_of_rows(tree: Element, dom: BeautifulSoup) -> None:
    scopes = Counter((one.parent.parent.kind, str(one.attribute("/Scope"))) for one in of_kind(tree, "TH"))  # type: ignore[union-attr]
    assert set(scopes) == {("THead", "/Column"), ("TBody", "/Row")}
    assert scopes["TBody", "/Row"] == len(dom.select("tbody th"))
    assert scopes["THead", "/Column"] >= len(dom.select("thead th")), "and again where a table goes on"
    assert len(of_kind(tree, "Caption")) >= len(dom.select("caption, figcaption"))


def test_lists_of_facts_have_their_terms_as_labels(tree: Element, dom: BeautifulSoup) -> None:
    items = [one for one in of_kind(tree, "LI") if [kid.kind for kid in one.kids] == ["Lbl", "LBody"]]
    assert len(items) >= len(dom.select("dl > div")) > 50


def test_headings_are_those_of_the_page_and_the_outline_follows_them(
    reader: PdfReader, tree: Element, dom: BeautifulSoup
) -> None:
    heads = [one.name.upper() for one in dom.select("h1, h2, h3, h4, h5")]
    assert [one.kind for one in tree.all() if one.kind in ("H1", "H2", "H3", "H4", "H5")] == heads
    marked = dom.select("h2:not(.contents), h3")
    told = [(int(one.name[1]) - 2, " ".join(str(one.get("data-head", one.text)).split())) for one in marked]
    assert _outline(reader.outline) == told and len(told) > 20


def _outline(entries: Any, level: int = 0) -> list[tuple[int, str]]:
    found = []
    for entry in entries:
        here = [] if isinstance(entry, list) else [(level, " ".join(str(entry.title).split()))]
        found += here or _outline(entry, level + 1)
    return found


def test_every_font_is_embedded_and_maps_to_characters(reader: PdfReader) -> None:
    found = fonts(reader)
    assert len(found) >= 6 and all(found.values()), found
    assert all(any(kind in name for name in found) for kind in ("Serif", "Code"))


def test_links_lead_somewhere_and_are_tagged_and_named(reader: PdfReader, dom: BeautifulSoup) -> None:
    links: list[Any] = [one.get_object() for sheet in reader.pages for one in sheet.get("/Annots", [])]
    assert {one["/Subtype"] for one in links} == {"/Link"} and len(links) > 100
    inner = [one["/Dest"] for one in links if "/Dest" in one]
    assert set(inner) <= set(reader.named_destinations)
    pages = {sheet.indirect_reference for sheet in reader.pages}
    assert all(one.page in pages for one in reader.named_destinations.values())
    assert {one["/A"]["/URI"] for one in links if "/A" in one} == {
        str(one["href"]) for one in dom.select(".references a.url")
    }
    assert [one for one in links if not ("/Dest" in one or one["/A"]["/S"] == "/URI")] == []
    assert all(str(one["/Contents"]).strip() and "/StructParent" in one for one in links)
    assert all(sheet["/Tabs"] == "/S" for sheet in reader.pages)


def _element(kind: str, *kids: DictionaryObject, **entries: str) -> DictionaryObject:
    made = DictionaryObject({NameObject("/S"): NameObject(f"/{kind}"), NameObject("/K"): ArrayObject(kids)})
    own = {NameObject(f"/{key}"): TextStringObject(value) for key, value in entries.items()}
    made.update({NameObject("/P"): DictionaryObject(), **own})
    return made


HEAD = _element("THead", _element("TR", _element("TH", ID="a")))
BODY = _element("TBody", _element("TR", _element("TH", ID="b"), _element("TD")))


@pytest.mark.parametrize(
    ("kid", "words"),
    [
        (_element("H2"), ["level 2 after 0"]),
        (_element("Figure"), ["Figure says nothing"]),
        (_element("L", _element("P")), ["L holds P"]),
        (_element("TR", _element("TD")), ["TR stands wrongly"]),
        (_element("P", _element("P")), ["P > P stands in its like"]),
        (_element("Table", HEAD, BODY), ["has no scope", "has rows of [1, 2] cells", "has not a head of its column"]),
    ],
)
def test_the_checks_find_what_is_wrong(kid: DictionaryObject, words: list[str]) -> None:
    found = structure_problems(grown(DictionaryObject({NameObject("/K"): ArrayObject([kid])})))
    assert all(any(one in problem for problem in found) for one in words), found
