"""Prose: what it can print, that nothing printed is read as Markdown or HTML, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from cnnlab.errors import TemplateProblem
from report.document.commentary import commentary_path
from report.document.markdown import markdown_html, under_heading
from report.document.model import Prose
from report.evidence.language import Language
from report.evidence.quantity import Evidence
from tests.pages import HOSTILE, Desk, PlainSection, build_evidence


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("commentary"))


def page_of(desk: Desk, text: str) -> BeautifulSoup:
    return BeautifulSoup(desk.prose(text).screen, "html.parser")


def test_quantities_are_worded_carry_their_source_and_are_recorded_by_name(desk: Desk) -> None:
    text = "Accuracy **{{ accuracy|interval }}**, {{ parameters }}, {{ best.accuracy|plain(2) }}."
    first = desk.prose(text)
    assert first.markdown == "Accuracy **63,2\u00a0% (59,1–67,0)**, 143.667.240, 63,20."
    page = BeautifulSoup(first.screen, "html.parser")
    assert page.get_text().strip() == first.markdown.replace("**", "")
    (number,) = page.select("strong data.q")
    assert (number["value"], number["data-n"], number["data-ci"]) == ("0.632", "1.000", "59,1–67,0\u00a0%")
    assert str(number["data-runs"]).split()[0].startswith("clothes-alexnet-s0-")
    assert "<data" not in first.print
    printed = [one for one in desk.document(text).printed if one.section == "activity-07"]
    assert [(one.name, one.text) for one in printed[:2]] == [
        ("accuracy", "63,2\u00a0% (59,1–67,0)"), ("parameters", "143.667.240"),
    ]  # fmt: skip


def test_data_prints_literally_in_page_and_notebook(desk: Desk) -> None:
    text = "{% for name in hostile %}\n- {{ name }}\n{% endfor %}\n\n**{{ best.name }}** `{{ best.name }}`"
    text += "\n\n{{ '# x' }}\n\n{{ '1. x' }}\n\n{{ '- $a$' }}\n\n{{ classes|join_words }}\n\n{{ 'two\n\nlines' }}"
    prose = desk.prose(text)
    shown = BeautifulSoup(prose.screen, "html.parser")
    again = BeautifulSoup(markdown_html(prose.markdown), "html.parser")
    for page in (shown, again):
        assert [item.get_text() for item in page.select("li")] == list(HOSTILE)
        assert [p.get_text() for p in page.select("p")][1:5] == [
            "# x", "1. x", "- $a$", "<script>alert(1)</script>, *bold* y [x](javascript:alert(1))",
        ]  # fmt: skip
        assert page.select("script, em, a, b, h1") == []
    assert shown.select("strong")[0].get_text() == shown.select("code")[0].get_text() == "<script>alert(1)</script>"
    assert shown.select("p")[-1].get_text() == "two\n\nlines"


@pytest.mark.parametrize(
    ("text", "page", "notebook"),
    [
        ("{{ 'a\\x00b\\udc80c' }}", "<p>a\ufffdb\ufffdc</p>\n", "a\ufffdb\ufffdc"),
        ("{{ ref('block', capital=true) }} x", None, "Código\u00a02 x"),
        ('Size {{ given("7×7×512") }}, {{ given("*3*") }}.', "<p>Size 7×7×512, *3*.</p>\n", "Size 7×7×512, \\*3\\*."),
        ("<b onclick='x()'>x</b>", "<p>&lt;b onclick='x()'&gt;x&lt;/b&gt;</p>\n", None),
        ("[a](javascript:alert(1))", "<p>[a](javascript:alert(1))</p>\n", None),
        ("![i](https://example.org/i.png)", '<p>!<a href="https://example.org/i.png">i</a></p>\n', None),
        ("#### Detail", "<h4>Detail</h4>\n", "#### Detail"),
    ],
)
def test_what_is_printed(desk: Desk, text: str, page: str | None, notebook: str | None) -> None:
    prose = desk.prose(text)
    assert page in (None, prose.print) and notebook in (None, prose.markdown)


def test_items_stand_where_they_are_called_and_the_rest_follows(desk: Desk) -> None:
    section = desk.document("Before.\n\n{{ listing('block') }}\n\nAfter {{ ref('block') }}.").section("activity-07")
    order = [piece.markdown if isinstance(piece, Prose) else piece.name for piece in section.pieces]
    assert order == ["Before.", "block", "After código\u00a02.", "results", "mistakes", "accuracy-8"]
    assert [(item.label, item.anchor) for item in section.items] == [
        ("Código\u00a02", "activity-07-block"),
        ("Tabla\u00a02", "activity-07-results"),
        ("Figura\u00a03", "activity-07-mistakes"),
        ("Figura\u00a04", "activity-07-accuracy-8"),
    ]


def test_references_across_sections(desk: Desk) -> None:
    text = "{{ ref('activity-01/results') }} {{ cite('he2016', 'vgg') }}"
    assert [(a["href"], a.get_text()) for a in page_of(desk, text).select("a")] == [
        ("#activity-01-results", "tabla\u00a01"), ("#ref-he2016", "[2]"), ("#ref-vgg", "[1]"),
    ]  # fmt: skip
    assert [(one.number, one.key) for one in desk.document(text).bibliography] == [(1, "vgg"), (2, "he2016")]


def test_evidence_cannot_take_the_engines_names(desk: Desk) -> None:
    section = PlainSection("activity-07", 7, "2_1", "training", lambda d, t: Evidence(names={"figure": 1}))
    with pytest.raises(ValueError, match="activity-07 uses names of the engine: figure"):
        desk.document(sections=[section])


def test_headings_continue_the_sections_own(desk: Desk) -> None:
    assert "<h3>Detail</h3>" in desk.prose("#### Detail", key="introduction").screen


def test_generated_text_is_marked_until_its_first_line_goes(desk: Desk) -> None:
    assert [section.review for section in desk.document().sections] == ["generated", "written", "written"]


MISTAKES = [
    ("One\n\n{{ acuracy }}", "does not exist", 3, "acuracy", "“accuracy”"),
    ("{% if best.acuracy %}x{% endif %}", "does not exist", 1, "acuracy", "“accuracy”"),
    ("\n{{ acuracy|interval }}", "does not exist", 2, "acuracy", "“accuracy”"),
    ("\n{{ table('result') }}", "no table of this name", 2, "result", "“results”"),
    ("{{ figure('results') }}", "no figure of this name", 1, "results", ""),
    ("{{ cite('he2015') }}", "no such reference", 1, "he2015", "“he2016”"),
    ("{{ accuracy|intervall }}", "No filter named", 1, "", "“interval”"),
    ("{{ best.name|interval }}", "takes a quantity", 1, "<script>", ""),
    ("a\n{% if %}", "cannot be read", 2, "", ""),
    ("{{ clear }}", "cannot be printed", 1, "True", ""),
    ("{{ ''.__class__ }}", "does not exist", 1, "__class__", ""),
    ("{{ 1 // 0 }}", "cannot be rendered", 1, "ZeroDivisionError", ""),
    ("{% include 'nowhere' %}", "does not exist", 1, "nowhere", ""),
    ("{% macro m(q) %}\n{{ q|intreval }}\n{% endmacro %}\n{{ m(accuracy) }}", "No filter named", 2, "", "interval"),
    ("{% macro m() %}\n\n{{ best.acuracy }}\n{% endmacro %}\n{{ m() }}", "not exist", 3, "acuracy", "accuracy"),
    ("{% macro m(q) %}{{ q }}{% endmacro %}\n\n{{ m(1, 2) }}", "cannot be rendered", 3, "macro 'm' takes", ""),
    ("{% macro m(q) %}\nx {{ q }}{% endmacro %}\n{{ m() }}", "does not exist", 2, "q", ""),
    ("{% for c in clases %}\n{{ c }}\n{% endfor %}", "does not exist", 1, "clases", "classes"),
    ("{% for c in classes %}\na\n\n{{ c.nam }}{% endfor %}", "does not exist", 4, "nam", "single value"),
    ("a\n{{ classes.name }}", "does not exist", 2, "name", "go through it"),
    ("{{ best.accuracy.valeu }}", "does not exist", 1, "valeu", "value"),
    ("a\n\n{{ accuracy|interval('x') }}", "number of decimals", 3, "'x'", ""),
    ("{{ accuracy|interval(1, 2, 3) }}", "wrong arguments", 1, "too many", "interval"),
    ("a {{ accuracy }}\nb {{ classes|join_words(3) }}", "wrong arguments", 2, "too many", ""),
    ("a\n{{ accuracy|join_words }}", "takes a list", 2, "Quantity", ""),
    ("a {{ accuracy }} b\nc {{ ref('result') }}.", "leads nowhere", 2, "result", "results"),
    ("a\n{% macro m(n) %}\n{{ ref(n) }}{% endmacro %}\n{{ m('result') }}", "leads nowhere", 3, "result", "results"),
    ("a\n{{ ref() }}", "wrong arguments", 2, "name", ""),
    ("a\n{{ ref(results) }}", "does not exist", 2, "results", 'quotes: "results"'),
    ("a\n\n{{ table(results) }}", "does not exist", 3, "results", 'quotes: "results"'),
    ("a\n{{ ref(accuracy) }}", "name in quotes", 2, "Quantity", ""),
    ("a\n{{ cite(3) }}", "name in quotes", 2, "3", ""),
    ("a\n\n{{ cite('he2016', 'vg') }}", "no such reference", 3, "vg", "vgg"),
    ("a\n{{ figure('results', 3) }}", "wrong arguments", 2, "too many", ""),
    ("a\n{% if clear %}\nb\n\nc", "cannot be read", 3, "", ""),
    ("{% if clear %}\n{% for c in classes %}\n{{ c }}\n{% endif %}", "cannot be read", 4, "", ""),
    ("a\n{{ accuracy \nb\n\nc {{ parameters }}", "cannot be read", 3, "", ""),
    ("a\n\nb {{ table('results') }}", "inside a paragraph", 3, "results", ""),
    ("{{ table('results') }} b", "inside a paragraph", 1, "results", ""),
    ("{{ table('results') }}\n\n{{ table('results') }}", "placed twice", 3, "results", ""),
    ("a\n\n[b]({{ best.name }})", "link's address", 3, "", ""),
    ("a\n\n### {{ best.name }}", "too high", 3, "", "####"),
    ("a\n\n{% include 'commentary/es/activty-01.md.j2' %}", "not exist", 3, "activty-01", "activity-01"),
    ("{{ accuracy ~ ' x' }}", "joined to text", 1, "Quantity", ""),
]


@pytest.mark.parametrize(("text", "what", "line", "received", "hint"), MISTAKES)
def test_mistakes_name_file_line_and_the_nearest_name(
    desk: Desk, text: str, what: str, line: int, received: str, hint: str
) -> None:
    problem = desk.problem(text)
    assert what in problem.what
    assert str(problem.where).endswith(f"activity-07.md.j2, line {line}")
    assert received in str(problem.received)
    assert hint in str(problem.hint) + str(problem.expected)


@pytest.mark.parametrize(
    ("shared", "what", "line"),
    [
        ("a\n\n{{ acuracy }}", "does not exist", 3),
        ("a\n{{ ref('result') }}", "leads nowhere", 2),
        ("a\n\nb {{ table('results') }}", "inside a paragraph", 3),
        ("{% if clear %}\na", "cannot be read", 2),
        ("a\n{{ accuracy|plain(0.5) }}", "number of decimals", 2),
        ("{% macro shown() %}\n\n{{ acuracy }}\n{% endmacro %}{{ shown() }}", "does not exist", 3),
    ],
)
@pytest.mark.parametrize(
    "text", ["\n\n{% include 'commentary/es/shared.md.j2' %}", "{% extends 'commentary/es/shared.md.j2' %}"]
)
def test_mistakes_in_included_files_name_those(desk: Desk, text: str, shared: str, what: str, line: int) -> None:
    problem = desk.problem(text, shared=shared)
    assert what in problem.what and str(problem.where).endswith(f"shared.md.j2, line {line}")


def test_mistakes_in_imported_macros_name_their_file(desk: Desk) -> None:
    text = "{% from 'commentary/es/macros.md.j2' import shown with context %}\n\n{{ shown() }}"
    problem = desk.problem(text, macros="{% macro shown() %}\n\n{{ acuracy }}\n{% endmacro %}")
    assert str(problem.where).endswith("macros.md.j2, line 3")


def test_ambiguous_reference(desk: Desk) -> None:
    assert "ambiguous" in desk.problem("{{ ref('results') }}", key="introduction").what


def test_a_missing_file_is_named(desk: Desk) -> None:
    section = PlainSection("activity-x", 7, "2_1", "no-kind", build_evidence)
    with pytest.raises(TemplateProblem, match=r"commentary.es.activity-x"):
        desk.document(sections=[section])


def test_a_section_knows_its_file_its_names_and_the_numbers_of_its_paragraphs(desk: Desk) -> None:
    text = "Accuracy {{ accuracy|interval }} of {{ best.name }}.\n\n- {{ parameters }}\n\nNo number."
    section = desk.document(text, language="en").section("activity-07")
    assert section.path is not None and section.path.name == "activity-07.md.j2"
    assert section.evidence is not None and "accuracy" in section.evidence.names
    assert section.uses == {"best", "best.name", "accuracy", "parameters"}
    assert section.paragraphs[0].text.startswith("Accuracy 63.2% (59.1–67.0) of ")
    names = [[entry.name for entry in one.printed] for one in section.paragraphs]
    assert names == [["accuracy"], ["parameters"], []]
    assert [one.text for one in section.paragraphs[1:]] == ["- 143,667,240", "No number."]


def test_a_number_and_its_percent_sign_are_not_parted() -> None:
    assert markdown_html("un 95 % y `95 %`") == "<p>un 95\u00a0% y <code>95 %</code></p>\n"


def test_headings_of_a_notebook_leave_no_level_out() -> None:
    prose = "#### Limits\n\ntext\n\n```\n#### a comment\n```\n\n##### Deeper\n"
    assert under_heading(prose, 3) == prose
    moved = prose.replace("#### Limits", "### Limits").replace("##### Deeper", "#### Deeper")
    assert under_heading(prose, 2) == moved


def test_sections_of_a_kind_share_a_text_and_a_labs_own_wins(tmp_path: Path) -> None:
    for name in ("shipped/activity-13", "shipped/results", "own/results"):
        path = tmp_path / name.replace("/", "/commentary/en/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".md.j2").write_text(name)
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    cases = [([shipped], "activity-09"), ([shipped], "activity-13"), ([own, shipped], "activity-13")]
    found = [commentary_path(folders, Language("en"), key, "results").read_text() for folders, key in cases]
    assert found == ["shipped/results", "shipped/activity-13", "own/results"]
