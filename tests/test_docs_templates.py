"""docs/templates.md says what each section's text can use: compared with fabricated evidence in both directions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2.defaults
import pytest
from jinja2.meta import find_undeclared_variables

from cnnlab.lab import load_lab
from cnnlab.paths import templates_dir
from report.document.assembly import answered
from report.document.model import Document
from report.document.rubric import load_rubric
from report.document.vocabulary import FILTERS, FUNCTIONS, entries, item_entries
from report.evidence.language import Language
from report.render.html import _environment, render_html
from tests.command import ROOT
from tests.handwritten import LABS, records
from tests.reports import ONE
from tests.reports import document as document_of

DOCUMENT = (ROOT / "docs/templates.md").read_text(encoding="utf-8")
SANITY = {
    "classes": 4, "ln_classes": 1.386, "initial_loss": 1.4,
    "overfit": {"images": 8, "steps": 30, "loss_before": 1.4, "loss": 0.02},
}  # fmt: skip


def _finding(kind: str, count: int, **detail: int) -> dict[str, Any]:
    return {"kind": kind, "severity": "info", "count": count, "detail": detail, "sources": []}


MORE: Mapping[str, dict[str, Any]] = {
    "tuned": {
        **ONE, "searches": {"vgg19": {}, "alexnet": {}}, "sanity": SANITY, "baselines": {"clothes": {}, "digits": {}},
        "leaks": {"clothes": [(35, 2, False)], "digits": [(35, 2, False)]}, "time": {"seconds": 9, "predicted_seconds": 8},
    },
    "selected": {
        "findings": [
            _finding("selected", 120, of_images=9000, classes=3, of_classes=365),
            _finding("few-shot", 100, train=64, validation=16, test=20),
        ],
        "seeds": range(2),
    },
    "varied": {
        **LABS["many classes"],
        "baselines": {"clothes": {}, "digits": {}},
    },
    "diverged": {**ONE, "diverged": {"resnet50": "the loss was NaN"}, "sanity": SANITY},
}  # fmt: skip
"""Labs with what those of `LABS` lack."""

KINDS = "nothing, number|number|text|truth|list|group"
ITEMS = "figure|table|gallery|listing"
LINE = re.compile(rf"(?:({KINDS}|{ITEMS}) +| {{8}})(\w+(?:, \w+)*)(?:  .*)?")
MEMBER = re.compile(r"(?<!\w)\.([a-z]\w*)")


Facts = set[tuple[str, str]]
"""Of one section: each name with its kind and with what it holds (`.accuracy`), each item with its kind."""


@cache
def documented() -> list[tuple[list[str], Facts]]:
    """What the document says under each heading of sections, with their keys."""
    found = []
    for text in DOCUMENT.partition("## Names by section")[2].partition("\n## ")[0].split("\n### ")[1:]:
        head, _, lines = text.partition("\n")
        said, kind, names = Facts(), "", list[str]()
        for line in lines.partition("```text\n")[2].partition("```")[0].splitlines():
            if not line.startswith(" " * 10):
                match = LINE.fullmatch(line)
                assert match, line
                kind, names = match[1] or kind, _names(match[2])
            held = {f".{one}" for one in MEMBER.findall(line)}
            for other in re.findall(r"each as (\w+)", line):
                held |= {what for name, what in said if name == other and what.startswith(".")}
            said |= {(name, what) for name in names for what in (*kind.split(", "), *held)}
        found.append((re.findall(r"`([\w-]+)`", head), said))
    return found


def _names(text: str) -> list[str]:
    """Names separated by commas; `NETWORK_top1` is that of each network."""
    published = ("alexnet", "vgg19", "resnet50")
    return [
        name.replace("NETWORK_", f"{one}_")
        for name in text.split(", ")
        for one in (published if name.startswith("NETWORK_") else published[:1])
    ]


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Facts]:
    """What the evidence of all fabricated labs holds, by section."""
    found: dict[str, Facts] = {key: set() for key in KEYS}
    lab, language = load_lab("demo"), Language("en")
    for options in [*LABS.values(), *MORE.values()]:
        data = records(tmp_path_factory.mktemp("lab"), **options)
        for key, facts in found.items():
            evidence, _ = answered(data, lab, language, key)
            assert evidence is not None, key
            for entry in entries(evidence, language):
                first, *rest = [part for part in entry.name.split(".") if not part.isdigit()]
                if first == entry.name:
                    facts.add((first, "group" if entry.kind == "value" else entry.kind))
                if len(rest) == 1:
                    facts.add((first, f".{rest[0]}"))
            for item in item_entries(evidence):  # those of one network or part by what the document calls them all
                name = re.sub(r"_(?:vgg19|alexnet|resnet50)", "_NETWORK", item["name"])
                facts.add((re.sub(r"_2_[12]$", "_PART", name), item["kind"]))
    return found


KEYS = [section.key for section in load_rubric(load_lab("demo")).sections]


def test_every_section_is_there_and_no_other() -> None:
    assert {key for keys, _ in documented() for key in keys} == set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_every_name_and_item_of_the_evidence_is_documented(coded: dict[str, Facts], key: str) -> None:
    assert coded[key] - set[tuple[str, str]]().union(*(said for keys, said in documented() if key in keys)) == set()


@pytest.mark.parametrize(("keys", "said"), documented(), ids=lambda one: "-".join(one) if isinstance(one, list) else "")
def test_every_documented_name_and_item_exists(coded: dict[str, Facts], keys: list[str], said: Facts) -> None:
    assert said - set[tuple[str, str]]().union(*(coded[key] for key in keys)) == set()


def test_functions_and_filters_are_documented_and_no_others() -> None:
    for use in (*FUNCTIONS.values(), *FILTERS.values()):
        assert re.search(rf"^{re.escape(use.example)} {{2,}}{re.escape(use.purpose)}$", DOCUMENT, re.MULTILINE), use
    assert len(re.findall(r"^\{\{ .*? \}\}  ", DOCUMENT, re.MULTILINE)) == len({*FUNCTIONS, *FILTERS})


def test_every_template_is_named() -> None:
    for path in (ROOT / "templates").rglob("*.*"):
        name = path.relative_to(ROOT / "templates").as_posix()
        name = re.sub(r"commentary/\w+/[\w-]+\.", "commentary/LANGUAGE/SECTION.", name)
        name = re.sub(r"activities/\w+\.", "activities/MODULE.", name)
        assert f"`{re.sub(r'rubrics/[^.]+', 'rubrics/NAME', name)}`" in DOCUMENT, name


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return document_of(records(tmp_path_factory.mktemp("lab"), **ONE), "en")


LAYOUT = DOCUMENT.partition("## Change the layout")[2]


def test_names_and_filters_of_layout_templates_are_those_that_there_are(document: Document) -> None:
    environment = _environment(document, "screen", [templates_dir()], Path())
    used = set(environment.globals) - set(jinja2.defaults.DEFAULT_NAMESPACE)
    for name in ("report.html.j2", "section.html.j2", "items.html.j2"):
        used |= find_undeclared_variables(environment.parse((templates_dir() / name).read_text(encoding="utf-8")))
    rows = re.findall(r"^(\w+(?:, \w+)*)  ", LAYOUT, re.MULTILINE)
    assert {name for row in rows for name in row.split(", ")} == used
    filters = set(environment.filters) - set(jinja2.defaults.DEFAULT_FILTERS)
    assert set(re.findall(r"^\|(\w+) ", LAYOUT, re.MULTILINE)) == filters


def test_the_example_of_a_layout_template_works(document: Document, tmp_path: Path) -> None:
    (tmp_path / "activities").mkdir()
    example = LAYOUT.partition("```jinja\n")[2].partition("```")[0]
    (tmp_path / "activities/curves.html.j2").write_text(example, encoding="utf-8")
    page = render_html(document, "screen", templates=[tmp_path, templates_dir()], cache=tmp_path / "cache")
    assert len(re.findall(r'<p><strong>Value</strong>: <data class="q"', page)) == 2
