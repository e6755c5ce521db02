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
from urllib.request import urlopen

import pytest

from cnnlab.errors import LabError, StoreError, TemplateProblem
from report.build import page
from report.render import pdf
from report.render.assets import logo_uri
from tests.pages import Desk

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

    @property
    def places(self) -> tuple[str, str]:
        """An address below it, and the file's."""
        return f"{self.address}/x.svg", self.file.as_uri()


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
    desk = Desk(tmp_path, classes={"clothes": names[:6], "digits": names[6:]}, per_class=8)
    document = desk.document(**texts)
    screen, paper = (page(document, desk.lab, tmp_path / "out", medium) for medium in ("screen", "print"))
    assert pdf.render_pdf(paper).content.startswith(b"%PDF-")
    assert screen.count(canary.address) >= 4 and f'src="{canary.address}' not in screen
    assert canary.is_alive()


OUTSIDE = [
    "@import '{0}';",
    "p {{ color: red }}\n@import url({0});",
    "p {{ background: url({0}) }}",
    "p {{ background: URL( '{0}' ) }}",
    "@font-face {{ font-family: q; src: url({0}) }}",
    "p::before {{ content: url({0}) }}",
    "p {{ background: image-set('{0}' 1x) }}",
    "li {{ list-style-image: url({0}) }}",
    "/* one */ /* two\n*/ p {{ border-image: url({0}) 1 }} /* three */",
]


@pytest.mark.parametrize("sheet", ["common", "screen", "print"])
def test_a_style_sheet_that_looks_outside_is_named(canary: Canary, tmp_path: Path, sheet: str) -> None:
    desk = Desk(tmp_path)
    document, path = desk.document(), desk.lab.templates / "style" / f"{sheet}.css"
    path.parent.mkdir(parents=True)
    for place in (*canary.places, "x.png"):
        for rule in OUTSIDE:
            path.write_text(rule.format(place))
            with pytest.raises(TemplateProblem, match="outside the page") as problem:
                page(document, desk.lab, tmp_path / "out", "print" if sheet == "print" else "screen")
            assert str(path) in str(problem.value.where) and place in str(problem.value.received)
    assert canary.is_alive()
    path.write_text(
        "/* url(http://127.0.0.1/) */ p { background: url(data:image/png;base64,AAAA) } a { fill: url(#x) }"
    )
    medium = "print" if sheet == "print" else "screen"
    assert "fill: url(#x)" in page(document, desk.lab, tmp_path / "out", medium), "one that stays inside is taken"
    path.write_bytes(b"\xff")
    with pytest.raises(TemplateProblem, match="cannot be read"):
        page(document, desk.lab, tmp_path / "out", medium)


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


def laid_out(html: str) -> list[str]:
    """What is missing in the PDF of a page, which is made all the same."""
    made = pdf.render_pdf(f"<html lang=en><title>t</title>{html}<p>x")
    assert made.content.startswith(b"%PDF")
    return list(made.missing)


@pytest.mark.parametrize("picture", PICTURES)
def test_a_logo_that_looks_outside_is_refused_or_sees_nothing(canary: Canary, tmp_path: Path, picture: str) -> None:
    logo = tmp_path / "logo.svg"
    for place in canary.places:
        logo.write_text(picture.format(place, ns=NS))
        if "<!DOCTYPE" in picture:
            with pytest.raises(LabError):
                logo_uri(logo)
        else:
            laid_out(f"<img alt=x src='{logo_uri(logo)}'>")
    assert canary.is_alive()


def embedded(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


ELEMENTS = [  # and what the PDF is said to lack, `{0}` being an address or a file
    (f"<img alt='The loss' src='{embedded('<svg')}'>", "“The loss”"),
    ("<img alt='The loss' src='data:image/png;base64,AAAA'>", "“The loss”"),
    ("<img alt='The loss' src=''>", "“The loss”"),
    ("<img alt='The loss'>", "“The loss”"),
    ("<img alt='The loss' srcset='{0}'>", "“The loss”"),
    ("<img alt=x src='{0}'>", "{0}"),
    ("<img alt=x src='{1}'>", "{0}"),
    ("<link rel=stylesheet href='{0}'>", "{0}"),
    ("<object data='{0}'></object>", "{0}"),
    ("<embed src='{0}'>", "{0}"),
    ("<link rel=attachment href='{0}'>", "{0}"),
    ("<a rel=attachment href='{0}'>x</a>", "{0}"),
    ("<base href='{0}/'><img alt=x src='a.png'>", "{0}"),
    ("<p style='background: url({0})'>x", "{0}"),
    ("<iframe src='{0}'></iframe>", ""),
    ("<script src='{0}'></script>", ""),
    ("<video src='{0}'></video>", ""),
]


@pytest.mark.parametrize(("tag", "lacks"), ELEMENTS)
def test_a_picture_that_is_missing_or_outside_is_named_and_not_asked_for(canary: Canary, tag: str, lacks: str) -> None:
    for place in canary.places:
        found = laid_out(tag.replace("{0}", place).replace("{1}", embedded(PICTURES[0].format(place, ns=NS))))
        # an address in the base of the page is told without what is behind its last slash
        assert [lacks.replace("{0}", place.rpartition(".")[0]) in one for one in found] == [True] * bool(lacks), found
    assert canary.is_alive()


@pytest.mark.parametrize("damage", ["garbage", "empty", "folder", "file in place of the folder"])
def test_a_damaged_figure_cache_is_drawn_again_or_named(tmp_path: Path, damage: str) -> None:
    desk = Desk(tmp_path)
    document, out = desk.document(), tmp_path / "out"
    whole, cache = page(document, desk.lab, out, "screen"), out / ".figures"
    drawings = sorted(cache.glob("*.svg"))
    assert len(drawings) == 2
    for path in drawings:
        path.write_bytes(b"" if damage == "empty" else b"\xff<svg onload='alert(1)'></svg>\n")
    if damage in ("garbage", "empty"):
        assert page(document, desk.lab, out, "screen") == whole
        return
    for path in drawings:
        path.unlink()
    if damage == "folder":
        drawings[0].mkdir()
    else:
        cache.rmdir()
        cache.write_bytes(b"x")
    with pytest.raises(StoreError, match="cannot be written") as problem:
        page(document, desk.lab, out, "screen")
    assert str(cache) in str(problem.value.where)
