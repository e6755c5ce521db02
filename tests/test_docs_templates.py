"""docs/templates.md says what each section's text can use: compared with fabricated evidence in both directions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
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
from report.document.vocabulary import FILTERS, FUNCTIONS, Use, entries, item_entries
from report.evidence.language import Language
from report.render.html import _environment, render_html
from tests.command import ROOT
from tests.handwritten import LABS, ONE, document_of, records

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

HEAD = re.compile(r"^### .*?\((.+)\)$", re.MULTILINE)
ROW = re.compile(r"^\| `(\w+)` \| ([a-z, ]+) \| (.+) \|$", re.MULTILINE)
MEMBER = re.compile(r"`\.(\w+)`")


@dataclass
class Said:
    """Of one section: kinds of each name, what it holds, and the items, by the document or by the code."""

    kinds: dict[str, set[str]] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    items: dict[str, set[str]] = field(default_factory=dict)


@cache
def documented() -> dict[str, Said]:
    """What the document says, by section."""
    found: dict[str, Said] = {}
    parts = HEAD.split(DOCUMENT.partition("## What each section's text can use")[2])
    for head, text in zip(parts[1::2], parts[2::2], strict=True):
        names, _, items = text.partition("| item |")
        for key in re.findall(r"`([\w-]+)`", head):
            said = found.setdefault(key, Said())
            for name, kind, meaning in ROW.findall(names):
                said.kinds[name] = set(kind.split(", "))
                said.members[name] = set(MEMBER.findall(meaning))
            said.items |= {name: {kind} for name, kind, _ in ROW.findall(items)}
    return found


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Said]:
    """What the evidence of all fabricated labs holds, by section."""
    found: dict[str, Said] = {}
    lab, language = load_lab("demo"), Language("en")
    for options in [*LABS.values(), *MORE.values()]:
        data = records(tmp_path_factory.mktemp("lab"), **options)
        for section in load_rubric(lab).sections:
            evidence, _ = answered(data, lab, language, section.key)
            assert evidence is not None, section.key
            said = found.setdefault(section.key, Said())
            for entry in entries(evidence, language):
                _note(said, entry.name, entry.kind)
            for item in item_entries(evidence):
                said.items.setdefault(_general(item.name), set()).add(item.kind)
    return found


def _note(said: Said, name: str, kind: str) -> None:
    """Keep the kind of a top-level name, and the names that it or its entries hold directly."""
    first, *rest = [part for part in name.split(".") if not part.isdigit()]
    if not rest and first == name:
        said.kinds.setdefault(first, set()).add("group" if kind == "value" else kind)
    if len(rest) == 1:
        said.members.setdefault(first, set()).add(rest[0])


def _general(name: str) -> str:
    """Items of one network or part, by what the document calls them all."""
    for end in ("vgg19", "alexnet", "resnet50"):
        name = name.replace(f"_{end}", "_NETWORK")
    return re.sub(r"_2_[12]$", "_PART", name)


def sections() -> list[str]:
    return [section.key for section in load_rubric(load_lab("demo")).sections]


def group(key: str) -> list[str]:
    """The sections that the document has under one heading with this one."""
    heads = [re.findall(r"`([\w-]+)`", head) for head in HEAD.findall(DOCUMENT)]
    return sorted({one for head in heads if key in head for one in head} or {key})


def test_every_section_is_there_and_no_other() -> None:
    assert set(documented()) == set(sections())


@pytest.mark.parametrize("key", sections())
def test_every_name_and_item_of_the_evidence_is_documented(coded: dict[str, Said], key: str) -> None:
    said, real = documented()[key], coded[key]
    assert set(real.kinds) - set(said.kinds) == set()
    assert set(real.items) - set(said.items) == set()
    for name, kinds in real.kinds.items():
        assert kinds <= said.kinds[name], name
        assert real.members.get(name, set()) <= said.members[name], name


@pytest.mark.parametrize("key", sections())
def test_every_documented_name_and_item_exists(coded: dict[str, Said], key: str) -> None:
    said, together = documented()[key], [coded[one] for one in group(key)]
    for name, kinds in said.kinds.items():
        assert kinds == set().union(*(one.kinds.get(name, set()) for one in together)), name
        assert said.members[name] == set().union(*(one.members.get(name, set()) for one in together)), name
    for name, kinds in said.items.items():
        assert kinds == set().union(*(one.items.get(name, set()) for one in together)), name


@pytest.mark.parametrize(("name", "use"), [*FUNCTIONS.items(), *FILTERS.items()])
def test_every_function_and_filter_is_documented(name: str, use: Use) -> None:
    example, purpose = (text.replace("|", r"\|") for text in (use.example, use.purpose))
    assert f"| `{name}` | `{example}` | {purpose} |" in DOCUMENT


def test_no_other_function_or_filter_is_documented() -> None:
    assert set(re.findall(r"^\| `(\w+)` \| `\{\{", DOCUMENT, re.MULTILINE)) == {*FUNCTIONS, *FILTERS}


def test_every_template_is_named() -> None:
    for path in (ROOT / "templates").rglob("*.*"):
        name = path.relative_to(ROOT / "templates").as_posix()
        name = re.sub(r"commentary/\w+/[\w-]+\.", "commentary/LANGUAGE/SECTION.", name)
        name = re.sub(r"activities/\w+\.", "activities/MODULE.", name)
        assert f"`{re.sub(r'rubrics/[^.]+', 'rubrics/NAME', name)}`" in DOCUMENT, name


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return document_of(records(tmp_path_factory.mktemp("lab"), **ONE), "en")


LAYOUT = DOCUMENT.partition("## What layout templates get")[2].partition("\n## ")[0]


def test_names_of_layout_templates_are_those_that_they_use(document: Document) -> None:
    environment = _environment(document, "screen", [templates_dir()], Path())
    used = set(environment.globals) - set(jinja2.defaults.DEFAULT_NAMESPACE)
    for name in ("report.html.j2", "section.html.j2", "items.html.j2"):
        used |= find_undeclared_variables(environment.parse((templates_dir() / name).read_text(encoding="utf-8")))
    rows = re.findall(r"^\| (`.*?) \| (?!what it)", LAYOUT.partition("| filter |")[0], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == used


def test_filters_of_layout_templates_are_those_that_there_are(document: Document) -> None:
    environment = _environment(document, "screen", [templates_dir()], Path())
    rows = re.findall(r"^\| `(\w+)` \|", LAYOUT.partition("| filter |")[2], re.MULTILINE)
    assert set(rows) == set(environment.filters) - set(jinja2.defaults.DEFAULT_FILTERS)


def test_the_example_of_a_layout_template_works(document: Document, tmp_path: Path) -> None:
    (tmp_path / "activities").mkdir()
    example = LAYOUT.partition("```jinja\n")[2].partition("```")[0]
    (tmp_path / "activities/curves.html.j2").write_text(example, encoding="utf-8")
    page = render_html(document, "screen", templates=[tmp_path, templates_dir()], cache=tmp_path / "cache")
    assert len(re.findall(r'<p><strong>Value</strong>: <data class="q"', page)) == 2
