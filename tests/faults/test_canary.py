"""No page is asked for and no file is read that a report only mentions; a picture that is missing stops the PDF."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cnnlab.errors import CnnlabError, LabError, StoreError, TemplateProblem
from report.build import page
from report.data.records import open_lab
from report.document.assembly import assemble
from report.evidence.language import Language
from report.render import pdf
from report.render.assets import logo_uri
from tests.pages import REFERENCES, SECTIONS, write_lab

_OPENED: list[str] = []
"""Every path that this process opens, while a canary listens."""
_HOOKED = False


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        _OPENED.append(str(arguments[0]))


@dataclass
class Canary:
    """An address and a file that nobody has a reason to look at, and who did."""

    address: str
    file: Path
    asked: list[str] = field(default_factory=list)

    @property
    def opened(self) -> list[str]:
        return [path for path in _OPENED if self.file.name in path]

    def is_alive(self) -> bool:
        return not self.asked and not self.opened


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    global _HOOKED
    if not _HOOKED:  # a hook cannot be taken away again
        sys.addaudithook(_hear)
        _HOOKED = True
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    file = tmp_path / "canary.png"
    file.write_bytes(b"a secret")
    _OPENED.clear()
    try:
        yield Canary(f"http://127.0.0.1:{server.server_address[1]}", file, asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_canary_hears(canary: Canary) -> None:
    from urllib.request import urlopen

    urlopen(f"{canary.address}/heard", timeout=10).close()
    canary.file.read_bytes()
    assert canary.asked == ["/heard"] and canary.opened == [str(canary.file)]


def test_names_and_commentary_ask_for_nothing(canary: Canary, tmp_path: Path) -> None:
    places = [f"{canary.address}/x.png", canary.file.as_uri(), str(canary.file)]
    names = [text for place in places for text in (place, f"<img src='{place}'>", f"![x]({place})", f"url({place})")]
    prose = "".join(
        f"![x]({place}) [y]({place}) <img src='{place}'> {{{{ given('{place}') }}}}\n\n" for place in places
    )
    texts = {"introduction": prose, "activity-01": "x\n", "activity-07": "{{ table('results') }}\n"}
    store, lab = write_lab(tmp_path, prose=texts, classes={"clothes": names[:6], "digits": names[6:]}, per_class=8)
    document = assemble(open_lab(store, "demo"), lab, Language("es"), sections=SECTIONS, references=REFERENCES)
    screen, paper = (page(document, lab, tmp_path / "out", medium) for medium in ("screen", "print"))
    assert pdf.render_pdf(paper).content.startswith(b"%PDF-")
    assert screen.count(canary.address) >= 4 and f'src="{canary.address}' not in screen
    assert canary.is_alive()


OUTSIDE = {
    "import": "@import '{0}';",
    "import, url": "p {{ color: red }}\n@import url({0});",
    "background": "p {{ background: url({0}) }}",
    "quoted": "p {{ background: URL( '{0}' ) }}",
    "font": "@font-face {{ font-family: q; src: url({0}) }}",
    "content": "p::before {{ content: url({0}) }}",
    "image-set": "p {{ background: image-set('{0}' 1x) }}",
    "list": "li {{ list-style-image: url({0}) }}",
    "comment before": "/* one */ /* two\n*/ p {{ border-image: url({0}) 1 }} /* three */",
}


@pytest.mark.parametrize("key", OUTSIDE)
@pytest.mark.parametrize("sheet", ["common", "screen", "print"])
def test_a_style_sheet_that_looks_outside_is_named(canary: Canary, tmp_path: Path, key: str, sheet: str) -> None:
    store, lab = write_lab(tmp_path)
    document = assemble(open_lab(store, "demo"), lab, Language("es"), sections=SECTIONS[:1], references=REFERENCES)
    path = lab.templates / "style" / f"{sheet}.css"
    path.parent.mkdir(parents=True)
    for place in (f"{canary.address}/x", canary.file.as_uri(), "x.png"):
        path.write_text(OUTSIDE[key].format(place))
        with pytest.raises(TemplateProblem, match="outside the page") as problem:
            page(document, lab, tmp_path / "out", "print" if sheet == "print" else "screen")
        assert str(path) in str(problem.value.where) and place in str(problem.value.received)
    assert canary.is_alive()


def test_a_style_sheet_that_stays_inside_is_taken(tmp_path: Path) -> None:
    store, lab = write_lab(tmp_path)
    document = assemble(open_lab(store, "demo"), lab, Language("es"), sections=SECTIONS[:1], references=REFERENCES)
    path = lab.templates / "style" / "common.css"
    path.parent.mkdir(parents=True)
    path.write_text(
        "/* url(http://127.0.0.1/) */ p { background: url(data:image/png;base64,AAAA) } a { fill: url(#x) }"
    )
    assert "fill: url(#x)" in page(document, lab, tmp_path / "out", "screen")
    path.write_bytes(b"\xff")
    with pytest.raises(TemplateProblem, match="cannot be read"):
        page(document, lab, tmp_path / "out", "screen")


NS = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
PICTURES = [
    '<svg {ns}><image href="{0}"/></svg>',
    '<svg {ns}><image xlink:href="{0}"/></svg>',
    '<svg {ns}><use xlink:href="{0}#a"/></svg>',
    "<svg {ns}><style>@import url({0});</style></svg>",
    '<svg {ns}><rect style="fill: url({0})"/></svg>',
    '<svg {ns}><rect fill="url({0}#a)"/></svg>',
    '<!DOCTYPE svg [<!ENTITY x SYSTEM "{0}">]><svg {ns}><text>&x;</text></svg>',
    '<?xml-stylesheet href="{0}"?><svg {ns}/>',
    "<svg {ns}><script>fetch('{0}')</script></svg>",
    "<svg {ns}><rect onload=\"fetch('{0}')\"/></svg>",
    '<svg {ns}><a href="{0}"><rect/></a></svg>',
    '<svg {ns}><foreignObject><img src="{0}"/></foreignObject></svg>',
    '<svg {ns}><feImage href="{0}"/></svg>',
    '<svg {ns} xml:base="{0}"><image href="#a"/></svg>',
]


@pytest.mark.parametrize("picture", PICTURES)
def test_a_logo_that_looks_outside_is_refused_or_sees_nothing(canary: Canary, tmp_path: Path, picture: str) -> None:
    for place in (f"{canary.address}/x.svg", canary.file.as_uri()):
        (tmp_path / "logo.svg").write_text(picture.format(place, ns=NS))
        try:
            made = pdf.render_pdf(
                f"<html lang=en><title>t</title><img alt=x src='{logo_uri(tmp_path / 'logo.svg')}'><p>x"
            )
        except LabError as problem:
            assert "<!DOCTYPE" in picture, problem
            continue
        assert made.content.startswith(b"%PDF")
    assert canary.is_alive()


def embedded(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


@pytest.mark.parametrize(
    "tag",
    [
        f"<img alt='The loss' src='{embedded('<svg')}'>",
        "<img alt='The loss' src='data:image/png;base64,AAAA'>",
        "<img alt='The loss' src=''>",
        "<img alt='The loss'>",
        "<img alt='The loss' srcset='{0}'>",
    ],
)
def test_a_missing_picture_is_named(canary: Canary, tag: str) -> None:
    made = pdf.render_pdf(f"<html lang=en><title>t</title>{tag.replace('{0}', canary.address)}<p>x")
    assert made.content.startswith(b"%PDF") and ["“The loss”" in one for one in made.missing] == [True]
    assert canary.is_alive()


def test_what_a_picture_of_the_page_looks_for_outside_is_named(canary: Canary) -> None:
    for place in (f"{canary.address}/x.svg", canary.file.as_uri()):
        source = embedded(PICTURES[0].format(place, ns=NS))
        made = pdf.render_pdf(f"<html lang=en><title>t</title><img alt=x src='{source}'>")
        assert made.content.startswith(b"%PDF") and [place in one for one in made.missing] == [True]
    assert canary.is_alive()


@pytest.mark.parametrize(
    "tag",
    [
        "<img alt=x src='{0}'>",
        "<link rel=stylesheet href='{0}'>",
        "<object data='{0}'></object>",
        "<embed src='{0}'>",
        "<link rel=attachment href='{0}'>",
        "<a rel=attachment href='{0}'>x</a>",
        "<base href='{0}/'><img alt=x src='a.png'>",
        "<p style='background: url({0})'>x",
    ],
)
def test_an_element_that_looks_outside_is_named(canary: Canary, tag: str) -> None:
    for place in (canary.address, canary.file.as_uri()):
        made = pdf.render_pdf(f"<html lang=en><title>t</title>{tag.format(place)}<p>x")
        assert made.content.startswith(b"%PDF")
        assert [place.removesuffix(".png") in one for one in made.missing] == [True]
    assert canary.is_alive()


@pytest.mark.parametrize(
    "tag", ["<iframe src='{0}'></iframe>", "<script src='{0}'></script>", "<video src='{0}'></video>"]
)
def test_what_paper_does_not_show_is_not_asked_for(canary: Canary, tag: str) -> None:
    for place in (canary.address, canary.file.as_uri()):
        assert pdf.render_pdf(f"<html lang=en><title>t</title>{tag.format(place)}<p>x").content.startswith(b"%PDF")
    assert canary.is_alive()


@pytest.mark.parametrize("damage", ["garbage", "empty", "folder", "file in place of the folder"])
def test_a_damaged_figure_cache_is_drawn_again_or_named(tmp_path: Path, damage: str) -> None:
    store, lab = write_lab(tmp_path)
    document = assemble(open_lab(store, "demo"), lab, Language("es"), sections=SECTIONS, references=REFERENCES)
    whole, cache = page(document, lab, tmp_path / "out", "screen"), tmp_path / "out" / ".figures"
    drawings = sorted(cache.glob("*.svg"))
    assert len(drawings) == 2
    for path in drawings:
        path.unlink() if damage in ("folder", "file in place of the folder") else path.write_bytes(
            b"" if damage == "empty" else b"\xff<svg onload='alert(1)'></svg>\n"
        )
    if damage == "folder":
        drawings[0].mkdir()
    if damage == "file in place of the folder":
        cache.rmdir()
        cache.write_bytes(b"x")
    if damage in ("garbage", "empty"):
        assert page(document, lab, tmp_path / "out", "screen") == whole
        return
    with pytest.raises(StoreError, match="cannot be written") as problem:
        page(document, lab, tmp_path / "out", "screen")
    assert isinstance(problem.value, CnnlabError) and str(cache) in str(problem.value.where)
