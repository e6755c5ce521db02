"""Every number that a report shows in captions, notes and tables is one that `report.json` lists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag

from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore
from report.build import page
from report.data.records import open_lab
from report.document.assembly import assemble
from report.document.model import Document
from report.document.provenance import printed
from report.evidence.language import Language
from tests.whole_report import write_demo

NOT_NUMBERS = {
    r"VGG-19|ResNet-50|vgg19|resnet50|conv\d_\d|block\d_\w+|fc\d|Max-\d+": "names of networks and layers",
    r"([Bb]loque|[Bb]lock)s? \d( (y|and) \d)?|(Capa|Layer) \d": "names of blocks and layers",
    r"[Tt]op-\d": "names of errors",
    r"95\u00a0?\u202f? ?%": "the level of every interval, which the program has as a constant",
    r"\([\d·×]+ ?\+ ?1\) ?· ?[\d.,·]+|[\d·]+ ?\+ ?\d+|\+ 1\)": "formulas, whose value stands beside them",
    r"224 ?×\u00a0?224(?!×)": "the input of the published networks",
    r"\d+ (recortes|crops)( .*)?|.*(recort|crop|escala|scale).*": "protocols of papers, as published",
    r"\((19|20)\d\d\)|(?<= )(19|20)\d\d": "years",
    r"el 1 (es )?el sesgo|siendo el 1|the 1 being": "the one of the formula",
    r"mini-ImageNet|ImageNet-1k|bfloat16|float32|mixed_bfloat16": "names of formats and data",
}
"""What may hold digits and is not a printed number, with why."""

NAMES = [pattern for pattern, why in NOT_NUMBERS.items() if why.startswith(("names of", "the level"))]

ORDINALS = ("Ensayo", "Trial", "Partición", "Fold", "Pliegue")
"""Heads of columns that only count the rows."""


Made = tuple[Document, BeautifulSoup]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("numbers")
    write_demo(folder)
    return folder


@pytest.fixture(scope="module", params=["es", "en"])
def made(folder: Path, request: pytest.FixtureRequest) -> Made:
    """A report with everything in it, and its page."""
    lab = load_lab("demo", overrides=[f"lab.language={request.param}"])
    document = assemble(open_lab(RunStore(folder / "runs"), "demo"), lab, Language(request.param))
    return document, BeautifulSoup(page(document, lab, folder / "out", "screen"), "html.parser")


def unmarked(tag: Tag) -> str:
    """What a tag says outside its marked numbers, its label and what is known not to be a number."""
    copy = BeautifulSoup(str(tag), "html.parser")
    for marked in copy.select("data.q, .label, code, .class"):
        marked.replace_with(" ")
    text = " ".join(copy.get_text().split())
    for pattern in NOT_NUMBERS:
        text = re.sub(pattern, " ", text)
    return text


def test_captions_and_tables_show_only_numbers_that_answer_for_themselves(made: Made) -> None:
    _, dom = made
    found = dom.select("main figcaption, main caption, main .note, main .problem, main th, main td")
    places = [tag for tag in found if not tag.find_parent(id="asked")]  # there the assignment's own words stand
    assert len(places) > 400
    loose = [
        (tag.find_parent("section")["id"], unmarked(tag)) for tag in places
        if re.search(r"\d", unmarked(tag)) and not is_ordinal(tag)
    ]  # fmt: skip
    assert loose == []


def is_ordinal(tag: Tag) -> bool:
    """Whether a cell is the head of its row in a table of numbered rows."""
    table = tag.find_parent("table")
    head = table.select_one("thead th") if table else None
    return tag.name == "th" and head is not None and head.get_text(strip=True) in ORDINALS


def test_marked_numbers_are_those_of_the_list(made: Made) -> None:
    document, dom = made
    shown = sorted((tag.find_parent("section")["id"], tag.get_text()) for tag in dom.select("data.q"))
    listed = [entry for entry in printed(document)["quantities"] if entry["place"] != "alt"]
    assert shown == sorted((entry["section"], entry["text"]) for entry in listed)


def test_descriptions_of_pictures_are_listed_too(made: Made) -> None:
    document, _ = made
    listed: dict[str, list[str]] = {}
    for entry in printed(document)["quantities"]:
        if entry["place"] == "alt":
            listed.setdefault(f"{entry['section']}/{entry['name'].split('.alt')[0]}", []).append(entry["text"])
    for section in document.sections:
        for placed in section.items:
            text = str(getattr(placed.item, "alt", ""))
            for pattern in NAMES:
                text = re.sub(pattern, " ", text)
            for number in listed.get(f"{section.key}/{placed.name}", []):
                assert number in text
                text = text.replace(number, "", 1)
            assert not re.search(r"\d", text), (section.key, placed.name, text)


def test_nearly_every_number_says_where_it_comes_from(made: Made) -> None:
    """Those that do not are constants of the program and of papers."""
    document, _ = made
    records = set(printed(document)["records"])
    entries = printed(document)["quantities"]
    names = {name.partition("/")[2] for name in records}
    assert {run for entry in entries for run in entry["runs"]} <= names
    silent = [entry["id"] for entry in entries if not (entry["runs"] or entry["how"] or entry["n"])]
    assert len(silent) < 0.02 * len(entries), silent


def test_ids_are_names_that_can_be_understood_and_are_each_one_number(made: Made) -> None:
    ids = [entry["id"] for entry in printed(made[0])["quantities"]]
    assert len(set(ids)) == len(ids)
    for known in (
        "activity-08/loss.caption.epoch", "activity-08/loss.note.validation", "activity-09/accuracies.VGG-19.interval",
        "activity-09/per_class.note.n", "activity-09/confusion.alt.right", "activity-07/folds.note.n",
        "activity-01/layers.block1_conv1.output", "comparison/comparison.AlexNet (2012).depth.convolutions",
    ):  # fmt: skip
        assert known in ids, known


def test_a_card_can_lead_to_every_record(made: Made) -> None:
    _, dom = made
    anchors = {tag["id"] for tag in dom.select("[id^=record-]")}
    named = {run for tag in dom.select("data.q[data-runs]") for run in str(tag["data-runs"]).split()}
    assert named and {f"record-{run}" for run in named} <= anchors
