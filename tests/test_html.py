"""The page: one file without requests, accessible structure, tables, galleries and listings as they are laid out."""

from __future__ import annotations

import base64
import io
import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup, Tag
from PIL import Image

from cnnlab.errors import TemplateProblem
from cnnlab.lab import Lab
from cnnlab.store.store import RunStore
from report.activities.leaks import leak_gallery
from report.build import page
from report.data.records import LabData, open_lab
from report.document.assembly import assemble
from report.document.tokens import Tokens
from report.evidence.language import Language
from report.evidence.quantity import Column, Evidence, Exhibit, Gallery, Quantity, Table
from report.render.html import png_uri, script_hash
from report.render.tables import table_view
from tests.command import ROOT
from tests.pages import CODE, HOSTILE, REFERENCES, SECTIONS, SUMMARY, PlainSection, write_lab


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("html")
    return rendered(folder, *write_lab(folder))


@pytest.fixture(scope="module")
def dom(text: str) -> BeautifulSoup:
    return BeautifulSoup(text, "html.parser")


def rendered(folder: Path, store: RunStore, lab: Lab, sections: Any = SECTIONS, medium: str = "screen") -> str:
    """The page of these sections."""
    document = assemble(open_lab(store, "demo"), lab, Language("es"), sections=sections, references=REFERENCES)
    return page(document, lab, folder / "out", medium)


def one(dom: BeautifulSoup | Tag, selector: str) -> Tag:
    found = dom.select(selector)
    assert len(found) == 1, (selector, len(found))
    return found[0]


def test_it_asks_the_network_for_nothing(dom: BeautifulSoup, text: str) -> None:
    assert dom.select("link, iframe, object, embed, base, script[src]") == []
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in dom.select("img"))
    style = one(dom, "head style").get_text()
    assert "@import" not in style
    assert all(address.startswith("data:") for address in re.findall(r"url\(([^)]*)\)", style))
    policy = str(one(dom, "meta[http-equiv='Content-Security-Policy']")["content"])
    assert "default-src 'none'" in policy
    assert f"'sha256-{script_hash(one(dom, 'script').get_text())}'" in policy
    assert re.search(r"\son\w+=|\sstyle=", re.sub(r"<svg.*?</svg>", "", text, flags=re.S)) is None
    assert len(text) < 700_000


def test_structure(dom: BeautifulSoup) -> None:
    assert one(dom, "html")["lang"] == "es"
    assert one(dom, "head > title").get_text() == one(dom, "h1").get_text() == "A lab <1>"
    levels = [int(heading.name[1]) for heading in dom.select("h1, h2, h3, h4")]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert one(dom, "#activity-07 > h3").get_text() == "Actividad 7 Contenido"
    assert [h.get_text() for h in dom.select("h2.part")] == ["Parte 1: VGG-19", "Parte 2.1: Clothes"]
    assert len(dom.select("main")) == len(dom.select("nav")) == 1


def test_every_link_leads_somewhere_and_ids_are_unique(dom: BeautifulSoup) -> None:
    ids = [str(element["id"]) for element in dom.select("[id]")]
    assert len(ids) == len(set(ids))
    inside = {str(a["href"])[1:] for a in dom.select("a[href^='#']")}
    assert inside <= set(ids)
    named = {run for q in dom.select("data.q[data-runs]") for run in str(q["data-runs"]).split()}
    assert named and {f"record-{run}" for run in named} <= set(ids)


def test_tables(dom: BeautifulSoup) -> None:
    table = one(dom, "#activity-07-results table")
    caption = " ".join(one(table, "caption").get_text().split())
    assert caption == "Tabla 2. VGG-19 is second. n = 1,000 test images ★ mejor valor de su columna."
    assert [th.get_text() for th in table.select("thead th[scope=col]")] == ["Network", "Accuracy", "Loss", "Protocol"]
    assert [th.get_text() for th in table.select("tbody th[scope=row]")] == ["VGG-19", HOSTILE[0], "ResNet-50"]
    assert [strong.get_text() for strong in table.select("strong.best")] == ["1,500", "71,0\u00a0%", "71,0\u00a0%"]
    assert [td.get_text() for td in table.select("td.num")][-1] == "12,250"
    assert table.select("tbody tr")[1].select("td")[1].get_text() == "–"


def test_decimals_are_padded_to_align() -> None:
    columns = (Column(key="a", head="A"), Column(key="b", head="B"))
    rows = tuple({"a": f"{value}", "b": Quantity(value=value, unit="rate")} for value in (0.5, 0.0125, 3.0))
    view = table_view(Table(caption="", columns=columns, rows=rows), Tokens(Language("es")), "print")
    assert [(str(row[1].content), row[1].pad, row[1].point) for row in view.rows] == [
        ("0,5", 3, False), ("0,0125", 0, False), ("3", 4, True),
    ]  # fmt: skip


def test_galleries(dom: BeautifulSoup) -> None:
    tiles = dom.select("#activity-07-mistakes .tile")
    assert [" ".join(str(c) for c in tile["class"]) for tile in tiles[:2]] == ["tile right", "tile wrong"]
    assert [tile.select_one(".mark").get_text() for tile in tiles[:2]] == ["✓", "✗"]  # type: ignore[union-attr]
    assert one(tiles[1], ".mark")["aria-label"] == "error"
    assert one(tiles[1], ".taken").get_text() == f"→ {HOSTILE[0]}"
    assert one(tiles[0], ".confidence").get_text() == "90,0\u00a0%"
    assert "tiny" in one(tiles[0], "img")["class"]


def test_pairs_of_a_gallery_stay_together(tmp_path: Path) -> None:
    leaks = {"clothes": [(30, 0, True), (70, 1, False)]}
    store, lab = write_lab(
        tmp_path, leaks=leaks, classes={"clothes": HOSTILE[:5], "digits": ["0", "1"]}, dataset={"title": HOSTILE[5]},
        prose={"activity-07": "Before.\n\n{{ gallery('leaks') }}\n\nSee {{ ref('leaks') }}.\n"},
    )  # fmt: skip
    leaked = PlainSection("activity-07", 7, "2_1", "training", _leaks_only)
    for medium in ("screen", "print"):
        dom = BeautifulSoup(rendered(tmp_path, store, lab, [leaked], medium), "html.parser")
        gallery = one(dom, "#activity-07-leaks")
        groups = gallery.select(".tiles.groups > .group")
        assert [group["aria-label"] for group in groups] == ["Par 1", "Par 2"]
        assert [[tile.get_text() for tile in group.select(".tile .class")] for group in groups] == [
            [HOSTILE[0], HOSTILE[0]], [HOSTILE[1], HOSTILE[0]],
        ]  # fmt: skip
        assert [tile.get_text() for tile in gallery.select(".origin")] == [
            "test", "entrenamiento, mismos píxeles", "test", "entrenamiento, casi igual",
        ]  # fmt: skip
        assert [image["alt"] for image in gallery.select("img")][2] == f"Imagen de la clase {HOSTILE[1]}"
        assert gallery.select("b b, script, em, .mark, .taken") == []
        assert one(gallery, ".hidden").get_text() == "2 pares de una imagen y su copia"
        assert len(dom.select(".tiles.groups .tile")) == 4


def _leaks_only(data: LabData, language: Language) -> Evidence:
    return Evidence(items={"leaks": leak_gallery(data.parts["2_1"].dataset, language)})


def test_images_are_embedded_losslessly() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    data = base64.b64decode(png_uri(Exhibit(pixels=pixels, label="x")).removeprefix("data:image/png;base64,"))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)


def test_listings_show_all_of_code_and_output(dom: BeautifulSoup) -> None:
    listing = one(dom, "#activity-07-block")
    assert one(listing, "pre.code").get_text() == CODE
    assert one(listing, "pre.output").get_text() == SUMMARY
    assert "fit-100" in one(listing, "pre.output")["class"]


def test_bibliography_lists_what_is_cited_in_order(dom: BeautifulSoup) -> None:
    items = dom.select("#bibliography li")
    assert [item["id"] for item in items] == ["ref-vgg", "ref-he2016"]
    assert "Deep residual learning <for> images" in items[1].get_text()
    assert "Never cited" not in dom.get_text()


def test_appendix_names_runs_versions_and_credits(dom: BeautifulSoup) -> None:
    words = " ".join(one(dom, "#appendix").get_text().split())
    facts = ("Test CPU, 2 núcleos, 24 GiB", "learning_rate = 0,02", "keras 3.15.1", "mixed_bfloat16", "1 min 2 s")
    for expected in ("clothes-alexnet-s0-", "clothes credit (MIT)", "git abc1234", *facts):
        assert expected in words.replace("\u00a0", " "), expected


def test_the_appendix_says_how_the_report_can_be_made_again(tmp_path: Path) -> None:
    store, lab = write_lab(
        tmp_path, language="en", searches={"vgg19": {}}, folds={"alexnet": [0.5, 0.6]}, test_uses=7, seeds=(0, 1),
        diverged={"resnet50": "it diverged"}, networks={"clothes": ["alexnet", "vgg19"], "digits": ["alexnet"]},
    )  # fmt: skip
    document = assemble(open_lab(store, "demo"), lab, Language("en"), sections=SECTIONS, references=REFERENCES)
    facts = {term: str(text).replace("\u00a0", " ") for term, text in document.appendix["Reproducibility"][0].facts}
    assert facts["Seeds"] == "0, 1"
    assert facts["Evaluations that have looked at the test images"] == "Clothes: 7; Digits: 7"
    assert facts["Data that were left out"] == "Clothes: nothing; Digits: nothing"
    assert (facts["Determinism"], facts["Code"]) == ("not recorded", "git abc1234; not recorded")


def test_generated_sections_say_so(dom: BeautifulSoup) -> None:
    assert [review.parent["id"] for review in dom.select(".review") if review.parent] == ["introduction"]


def test_the_labs_own_templates_win_and_their_mistakes_are_told(tmp_path: Path) -> None:
    store, lab = write_lab(tmp_path)
    own = lab.templates / "activities" / "training.html.j2"
    own.parent.mkdir(parents=True)
    own.write_text("{% extends 'section.html.j2' %}{% block after %}<p class='mine'>mine</p>{% endblock %}")
    assert one(BeautifulSoup(rendered(tmp_path, store, lab), "html.parser"), ".mine").get_text() == "mine"
    for text, said in (("\n{% block %}", "line 2"), ("{{ sectoin.key }}", "sectoin")):
        own.write_text(text)
        with pytest.raises(TemplateProblem, match=said):
            rendered(tmp_path, store, lab)


def test_an_activity_without_a_template_of_its_own_has_the_common_layout(tmp_path: Path) -> None:
    section = PlainSection("introduction", None, None, "nowhere", SECTIONS[0].says)
    dom = BeautifulSoup(rendered(tmp_path, *write_lab(tmp_path), [section]), "html.parser")
    assert one(dom, "section#introduction")["class"] == ["chapter", "nowhere"]


def test_a_wide_table_keeps_to_the_measure_where_its_heads_can_wrap() -> None:
    sheet = (ROOT / "templates/style/screen.css").read_text(encoding="utf-8")
    desktop = sheet.split("@media (min-width: 1100px) {")[1].split("\n}")[0]
    assert ".table.wide { max-width: var(--full) }" in desktop
    assert ".table.wide table { width: var(--text) }" in desktop
    phone = sheet.split("@media (max-width: 600px) {")[1].split("\n}")[0]
    assert re.search(r"\.scroll caption \{ max-width: calc\(100vw - [\d.]+rem\); position: sticky; left: 0 \}", phone)
    assert ".table.wide table" not in sheet.replace(desktop, "")  # a phone scrolls it, and never starts from 680 px


@pytest.mark.parametrize(
    ("count", "group", "across"), [(8, 1, 4), (7, 1, 4), (20, 1, 5), (18, 1, 6), (3, 1, 6), (12, 2, 4), (9, 3, 6)]
)
def test_galleries_have_even_rows(count: int, group: int, across: int) -> None:
    exhibit = Exhibit(pixels=np.zeros((4, 4), np.uint8), label="a")
    assert Gallery(caption="", alt="", items=(exhibit,) * count, group=group).across == across
