"""Prose: what it can print, that nothing printed is read as Markdown or HTML, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from cnnlab.errors import TemplateProblem
from report.data.records import open_lab
from report.document.assembly import assemble
from report.document.markdown import markdown_html, under_heading
from report.document.model import Document, Prose
from report.evidence.language import Language
from report.evidence.quantity import Evidence
from tests.pages import HOSTILE, PROSE, REFERENCES, SECTIONS, build_evidence, write_lab


def assembled(folder: Path, text: str | None = None, *, language: str = "es", key: str = "activity-07") -> Document:
    prose = PROSE if text is None else {**PROSE, key: text}
    store, lab = write_lab(folder, language=language, prose=prose)
    data = open_lab(store, "demo")
    return assemble(data, lab, Language(language), sections=SECTIONS, references=REFERENCES)


def prose_of(document: Document, key: str = "activity-07") -> list[Prose]:
    return [piece for piece in document.section(key).pieces if isinstance(piece, Prose)]


def problem_of(folder: Path, text: str) -> TemplateProblem:
    with pytest.raises(TemplateProblem) as caught:
        assembled(folder, text)
    return caught.value


def test_quantities_are_worded_and_carry_their_source(tmp_path: Path) -> None:
    document = assembled(tmp_path, "Accuracy **{{ accuracy|interval }}**, {{ parameters }}, {{ accuracy|plain(2) }}.")
    first = prose_of(document)[0]
    page = BeautifulSoup(first.screen, "html.parser")
    assert page.p is not None
    assert page.p.get_text() == "Accuracy 63,2\u00a0% (59,1–67,0), 143.667.240, 63,20."
    number = page.select_one("strong data.q")
    assert number is not None
    assert number["value"] == "0.632"
    assert (number["data-n"], number["data-ci"]) == ("1.000", "59,1–67,0\u00a0%")
    assert str(number["data-runs"]).split()[0].startswith("clothes-alexnet-s0-")
    assert BeautifulSoup(first.print, "html.parser").select("data") == []
    assert first.markdown == "Accuracy **63,2\u00a0% (59,1–67,0)**, 143.667.240, 63,20."


def test_what_was_printed_is_recorded_by_name(tmp_path: Path) -> None:
    printed = assembled(tmp_path, "{{ best.accuracy }} {{ parameters }}").printed
    assert [(entry.section, entry.name, entry.text) for entry in printed if entry.section == "activity-07"][:2] == [
        ("activity-07", "accuracy", "63,2\u00a0%"),
        ("activity-07", "parameters", "143.667.240"),
    ]


def test_data_prints_literally(tmp_path: Path) -> None:
    document = assembled(
        tmp_path, "{% for name in hostile %}\n- {{ name }}\n{% endfor %}\n\n**{{ best.name }}** `{{ best.name }}`"
    )
    page = BeautifulSoup(prose_of(document)[0].screen, "html.parser")
    assert [item.get_text() for item in page.select("li")] == list(HOSTILE)
    assert page.select("script, em, a, b") == []
    assert page.select("strong")[0].get_text() == page.select("code")[0].get_text() == "<script>alert(1)</script>"


def test_data_is_literal_in_the_notebooks_markdown_too(tmp_path: Path) -> None:
    text = "{% for name in hostile %}\n- {{ name }}\n{% endfor %}\n\n{{ '# x' }}\n\n{{ '1. x' }}\n\n{{ '- $a$' }}"
    again = BeautifulSoup(markdown_html(prose_of(assembled(tmp_path, text))[0].markdown), "html.parser")
    assert [item.get_text() for item in again.select("li")] == list(HOSTILE)
    assert [p.get_text() for p in again.select("p")] == ["# x", "1. x", "- $a$"]
    assert again.select("a, em, code, b, script, h1") == []


def test_data_at_the_start_of_a_line_makes_no_heading_or_list(tmp_path: Path) -> None:
    text = "{% set x = '# no heading' %}{{ x }}\n\n{{ '- no list' }}\n\n{{ 'two\n\nparagraphs' }}"
    page = BeautifulSoup(prose_of(assembled(tmp_path, text))[0].screen, "html.parser")
    assert [p.get_text() for p in page.select("p")] == ["# no heading", "- no list", "two\n\nparagraphs"]
    assert page.select("h1, ul") == []


def test_what_no_file_can_hold_is_made_visible(tmp_path: Path) -> None:
    prose = prose_of(assembled(tmp_path, "{{ 'a\\x00b\\udc80c' }}"))[0]
    assert prose.screen == "<p>a\ufffdb\ufffdc</p>\n"
    assert prose.markdown == "a\ufffdb\ufffdc"


def test_raw_html_images_and_dangerous_links_of_the_prose_are_text(tmp_path: Path) -> None:
    text = "<b onclick='x()'>x</b> [a](javascript:alert(1)) ![i](https://example.org/i.png) [good](https://example.org)"
    page = BeautifulSoup(prose_of(assembled(tmp_path, text))[0].screen, "html.parser")
    assert [(a.get_text(), a["href"]) for a in page.select("a")] == [
        ("i", "https://example.org/i.png"), ("good", "https://example.org"),
    ]  # fmt: skip
    assert page.select("b, img") == []


def test_data_cannot_become_the_address_of_a_link(tmp_path: Path) -> None:
    assert "address" in problem_of(tmp_path, "[x]({{ best.name }})").what


def test_lists_in_words(tmp_path: Path) -> None:
    page = BeautifulSoup(prose_of(assembled(tmp_path, "{{ classes|join_words }}"))[0].screen, "html.parser")
    assert page.get_text().strip() == "<script>alert(1)</script>, *bold* y [x](javascript:alert(1))"


def test_items_stand_where_they_are_called_and_the_rest_follows(tmp_path: Path) -> None:
    document = assembled(tmp_path, "Before.\n\n{{ listing('block') }}\n\nAfter {{ ref('block') }}.")
    section = document.section("activity-07")
    order = [piece.markdown if isinstance(piece, Prose) else piece.name for piece in section.pieces]
    assert order == ["Before.", "block", "After código\u00a02.", "results", "mistakes", "accuracy-8"]
    assert [(item.label, item.anchor) for item in section.items] == [
        ("Código\u00a02", "activity-07-block"),
        ("Tabla\u00a02", "activity-07-results"),
        ("Figura\u00a03", "activity-07-mistakes"),
        ("Figura\u00a04", "activity-07-accuracy-8"),
    ]


def test_references_across_sections(tmp_path: Path) -> None:
    document = assembled(tmp_path, "{{ ref('activity-01/results') }} {{ cite('he2016', 'vgg') }}")
    page = BeautifulSoup(prose_of(document)[0].screen, "html.parser")
    assert [(a["href"], a.get_text()) for a in page.select("a")] == [
        ("#activity-01-results", "tabla\u00a01"), ("#ref-he2016", "[2]"), ("#ref-vgg", "[1]"),
    ]  # fmt: skip
    assert [(cited.number, cited.key) for cited in document.bibliography] == [(1, "vgg"), (2, "he2016")]


def test_a_reference_can_begin_a_sentence(tmp_path: Path) -> None:
    assert prose_of(assembled(tmp_path, "{{ ref('block', capital=true) }} x"))[0].markdown == "Código\u00a02 x"


def test_evidence_cannot_take_the_engines_names(tmp_path: Path) -> None:
    store, lab = write_lab(tmp_path)
    kind = SECTIONS[2].__class__
    section = kind("activity-07", 7, "2_1", "Contents", "training", lambda d, t: Evidence(names={"figure": 1}))
    with pytest.raises(ValueError, match="activity-07 uses names of the engine: figure"):
        assemble(open_lab(store, "demo"), lab, Language("es"), sections=[section], references={})


def test_a_mistake_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    store, lab = write_lab(tmp_path, prose={**PROSE, "activity-07": "{% include 'commentary/es/shared.md.j2' %}"})
    (lab.templates / "commentary/es/shared.md.j2").write_text("a\n\n{{ acuracy }}")
    with pytest.raises(TemplateProblem) as caught:
        assemble(open_lab(store, "demo"), lab, Language("es"), sections=SECTIONS, references=REFERENCES)
    assert str(caught.value.where).endswith("shared.md.j2, line 3")


def test_headings_continue_the_sections_own(tmp_path: Path) -> None:
    document = assembled(tmp_path, "#### Detail")
    assert "<h4>Detail</h4>" in prose_of(document)[0].screen
    document = assembled(tmp_path / "b", "#### Detail", key="introduction")
    assert "<h3>Detail</h3>" in prose_of(document, "introduction")[0].screen


def test_generated_text_is_marked_until_its_first_line_goes(tmp_path: Path) -> None:
    document = assembled(tmp_path)
    assert [section.review for section in document.sections] == ["generated", "written", "written"]


@pytest.mark.parametrize(
    ("text", "what", "line", "received", "hint"),
    [
        ("One\n\n{{ acuracy }}", "does not exist", 3, "acuracy", "accuracy"),
        ("{% if best.acuracy %}x{% endif %}", "does not exist", 1, "acuracy", "accuracy"),
        ("\n{{ acuracy|interval }}", "does not exist", 2, "acuracy", "accuracy"),
        ("\n{{ table('result') }}", "no table of this name", 2, "result", "results"),
        ("{{ figure('results') }}", "no figure of this name", 1, "results", None),
        ("{{ cite('he2015') }}", "no such reference", 1, "he2015", "he2016"),
        ("{{ accuracy|intervall }}", "No filter named", 1, None, "interval"),
        ("{{ best.name|interval }}", "takes a quantity", 1, "<script>", None),
        ("a\n{% if %}", "cannot be read", 2, None, None),
        ("{{ clear }}", "cannot be printed", 1, "True", None),
        ("{{ ''.__class__ }}", "does not exist", 1, "__class__", None),
        ("{{ 1 // 0 }}", "cannot be rendered", 1, "ZeroDivisionError", None),
        ("{% include 'nowhere' %}", "does not exist", 1, "nowhere", None),
    ],
)
def test_mistakes_name_file_line_and_the_nearest_name(
    tmp_path: Path, text: str, what: str, line: int, received: str | None, hint: str | None
) -> None:
    problem = problem_of(tmp_path, text)
    assert what in problem.what
    assert str(problem.where).endswith(f"activity-07.md.j2, line {line}")
    assert received is None or received in str(problem.received)
    assert hint is None or f"“{hint}”" in str(problem.hint)


@pytest.mark.parametrize(
    ("text", "what", "line", "received", "hint"),
    [
        ("{% macro m(q) %}\n{{ q|intreval }}\n{% endmacro %}\n{{ m(accuracy) }}", "No filter named", 2, None, "interval"),
        ("{% macro m() %}\n\n{{ best.acuracy }}\n{% endmacro %}\n{{ m() }}", "not exist", 3, "acuracy", "accuracy"),
        ("{% macro m(q) %}{{ q }}{% endmacro %}\n\n{{ m(1, 2) }}", "cannot be rendered", 3, "macro 'm' takes", None),
        ("{% macro m(q) %}\nx {{ q }}{% endmacro %}\n{{ m() }}", "does not exist", 2, "q", None),
        ("{% for c in clases %}\n{{ c }}\n{% endfor %}", "does not exist", 1, "clases", "classes"),
        ("{% for c in classes %}\na\n\n{{ c.nam }}{% endfor %}", "does not exist", 4, "nam", "single value"),
        ("a\n{{ classes.name }}", "does not exist", 2, "name", "go through it"),
        ("{{ best.accuracy.valeu }}", "does not exist", 1, "valeu", "value"),
        ("a\n\n{{ accuracy|interval('x') }}", "number of decimals", 3, "'x'", None),
        ("{{ accuracy|interval(1, 2, 3) }}", "wrong arguments", 1, "too many", "interval"),
        ("a {{ accuracy }}\nb {{ classes|join_words(3) }}", "wrong arguments", 2, "too many", None),
        ("a\n{{ accuracy|join_words }}", "takes a list", 2, "Quantity", None),
        ("a {{ accuracy }} b\nc {{ ref('result') }}.", "leads nowhere", 2, "result", "results"),
        ("a\n{% macro m(n) %}\n{{ ref(n) }}{% endmacro %}\n{{ m('result') }}", "leads nowhere", 3, "result", "results"),
        ("a\n{{ ref() }}", "wrong arguments", 2, "name", None),
        ("a\n{{ ref(results) }}", "does not exist", 2, "results", 'quotes: "results"'),
        ("a\n\n{{ table(results) }}", "does not exist", 3, "results", 'quotes: "results"'),
        ("a\n{{ ref(accuracy) }}", "name in quotes", 2, "Quantity", None),
        ("a\n{{ cite(3) }}", "name in quotes", 2, "3", None),
        ("a\n\n{{ cite('he2016', 'vg') }}", "no such reference", 3, "vg", "vgg"),
        ("a\n{{ figure('results', 3) }}", "wrong arguments", 2, "too many", None),
        ("a\n{% if clear %}\nb\n\nc", "cannot be read", 3, None, ""),
        ("{% if clear %}\n{% for c in classes %}\n{{ c }}\n{% endif %}", "cannot be read", 4, None, ""),
        ("a\n{{ accuracy \nb\n\nc {{ parameters }}", "cannot be read", 3, None, ""),
        ("a\n{% if clear \nb {% endif %}", "cannot be read", 3, None, ""),
        ("a\n\nb {{ table('results') }}", "inside a paragraph", 3, "results", None),
        ("{{ table('results') }} b", "inside a paragraph", 1, "results", None),
        ("a\n\n[b]({{ best.name }})", "link's address", 3, None, None),
        ("a\n\n### {{ best.name }}", "too high", 3, None, "####"),
        ("a\n\n{% include 'commentary/es/activty-01.md.j2' %}", "not exist", 3, "activty-01", "activity-01"),
    ],
)  # fmt: skip
def test_mistakes_inside_macros_loops_filters_and_calls_name_file_and_line(
    tmp_path: Path, text: str, what: str, line: int, received: str | None, hint: str | None
) -> None:
    problem = problem_of(tmp_path, text)
    assert what in problem.what
    assert str(problem.where).endswith(f"activity-07.md.j2, line {line}")
    assert received is None or received in str(problem.received)
    assert hint is None or hint in str(problem.hint) + str(problem.expected)


@pytest.mark.parametrize(
    ("shared", "what", "line"),
    [
        ("a\n{{ ref('result') }}", "leads nowhere", 2),
        ("a\n\nb {{ table('results') }}", "inside a paragraph", 3),
        ("{% if clear %}\na", "cannot be read", 2),
        ("a\n{{ accuracy|plain(0.5) }}", "number of decimals", 2),
        ("a\n{% if best.nam %}b{% endif %}", "does not exist", 2),
    ],
)
def test_mistakes_in_included_files_name_those(tmp_path: Path, shared: str, what: str, line: int) -> None:
    store, lab = write_lab(tmp_path, prose={**PROSE, "activity-07": "\n\n{% include 'commentary/es/shared.md.j2' %}"})
    (lab.templates / "commentary/es/shared.md.j2").write_text(shared)
    with pytest.raises(TemplateProblem, match=what) as caught:
        assemble(open_lab(store, "demo"), lab, Language("es"), sections=SECTIONS, references=REFERENCES)
    assert str(caught.value.where).endswith(f"shared.md.j2, line {line}")


def test_mistakes_in_imported_macros_name_their_file(tmp_path: Path) -> None:
    text = "{% from 'commentary/es/macros.md.j2' import shown with context %}\n\n{{ shown() }}"
    store, lab = write_lab(tmp_path, prose={**PROSE, "activity-07": text})
    (lab.templates / "commentary/es/macros.md.j2").write_text("{% macro shown() %}\n\n{{ acuracy }}\n{% endmacro %}")
    with pytest.raises(TemplateProblem, match="does not exist") as caught:
        assemble(open_lab(store, "demo"), lab, Language("es"), sections=SECTIONS, references=REFERENCES)
    assert str(caught.value.where).endswith("macros.md.j2, line 3")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("See {{ table('results') }} here.", "inside a paragraph"),
        ("{{ table('results') }} here.", "inside a paragraph"),
        ("{{ table('results') }}\n\n{{ table('results') }}", "placed twice"),
        ("## Too high", "too high"),
        ("{{ ref('nothing') }}", "leads nowhere"),
        ("{{ accuracy ~ ' x' }}", "joined to text"),
    ],
)
def test_other_mistakes(tmp_path: Path, text: str, what: str) -> None:
    assert what in problem_of(tmp_path, text).what


def test_ambiguous_reference(tmp_path: Path) -> None:
    with pytest.raises(TemplateProblem, match="ambiguous"):
        assembled(tmp_path, "{{ ref('results') }}", key="introduction")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    store, lab = write_lab(tmp_path)
    (lab.templates / "commentary/es/activity-07.md.j2").unlink()
    data = open_lab(store, "demo")
    with pytest.raises(TemplateProblem, match=r"commentary.es.activity-x"):
        key = SECTIONS[2].__class__("activity-x", 7, "2_1", "Contents", "training", build_evidence)
        assemble(data, lab, Language("es"), sections=[key], references={})


def test_failed_and_absent_runs_are_said_in_their_section(tmp_path: Path) -> None:
    store, lab = write_lab(tmp_path)
    lock = store.read_lab("demo")
    for entry in lock["runs"]:
        if entry["network"] == "vgg19" or entry["dataset"] == "digits":
            entry |= {"run": None, "evaluation": None, "problem": "diverged at epoch 2\nmore"}
    store.write_lab("demo", lock)
    sections = (
        *SECTIONS,
        SECTIONS[2].__class__("activity-11", 11, "2_2", "Contents", "training", lambda d, t: Evidence()),
    )
    document = assemble(open_lab(store, "demo"), lab, Language("es"), sections=sections, references=REFERENCES)
    assert document.section("activity-07").problems == (
        "VGG-19 no tiene aquí ninguna ejecución terminada: diverged at epoch 2",
    )
    last = document.section("activity-11")
    assert last.problems[0].startswith("Ninguna red se ha entrenado")
    assert last.pieces == ()
    assert sum("clothes, vgg19: diverged" in text for text in document.missing) == 1
    assert any(text.startswith("activity-11:") for text in document.missing)


def test_paragraphs_know_their_numbers(tmp_path: Path) -> None:
    text = "Accuracy {{ accuracy|interval }} of {{ best.name }}.\n\n- {{ parameters }}\n\nNo number."
    paragraphs = assembled(tmp_path, text, language="en").section("activity-07").paragraphs
    assert paragraphs[0].text.startswith("Accuracy 63.2% (59.1–67.0) of ")
    assert [[entry.name for entry in one.printed] for one in paragraphs] == [["accuracy"], ["parameters"], []]
    assert [one.text for one in paragraphs[1:]] == ["- 143,667,240", "No number."]


def test_a_section_knows_its_file_its_evidence_and_the_names_that_its_prose_mentions(tmp_path: Path) -> None:
    text = "{% if best.name %}{{ accuracy|interval }}{% endif %} {{ parameters }}"
    section = assembled(tmp_path, text).section("activity-07")
    assert section.path is not None and section.path.name == "activity-07.md.j2"
    assert section.evidence is not None and "accuracy" in section.evidence.names
    assert section.uses == {"best", "best.name", "accuracy", "parameters"}


def test_a_number_and_its_percent_sign_are_not_parted() -> None:
    assert markdown_html("un 95 % y `95 %`") == "<p>un 95\u00a0% y <code>95 %</code></p>\n"


def test_headings_of_a_notebook_leave_no_level_out() -> None:
    prose = "#### Limits\n\ntext\n\n```\n#### a comment\n```\n\n##### Deeper\n"
    assert under_heading(prose, 3) == prose
    moved = prose.replace("#### Limits", "### Limits").replace("##### Deeper", "#### Deeper")
    assert under_heading(prose, 2) == moved
