"""Accepted text whose results moved: what is printed differently, what reads differently, and nothing besides."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from report.document.finding import Finding

from report.document.reviews import accept, read_reviews
from report.document.staleness import Moved, Reread, audit_staleness, former, stale_sections, staleness
from report.evidence.quantity import Column, Quantity, Table
from tests.test_reviews import MARK, Results, results, share

TEXT = (
    MARK
    + "The network is right for {{ test|interval }} of the images.\n\n"
    + "**Overfitting.** Between training and test the distance is {{ gap }}: {% if gap_is_real %}there is overfitting"
    + "{% else %}this cannot be told from zero{% endif %}.\n\n"
    + "- {{ test }} on test\n\n"
    + "Nothing of the last paragraph changes.\n"
)


def points(value: float, spread: float = 0.01) -> Quantity:
    return Quantity(value=value, unit="points", low=value - spread, high=value + spread)


@pytest.fixture
def made(tmp_path: Path) -> Results:
    names = {"test": share(0.8), "gap": points(0.005), "gap_is_real": False}
    found = results(tmp_path, TEXT, names)
    found.accept()
    return found


def stale(made: Results, code: str = "en") -> list[Reread]:
    found = staleness(made.document(code), read_reviews(made.lab))
    return [paragraph for one in found for paragraph in one.paragraphs]


def audited(made: Results, code: str = "en") -> list[Finding]:
    return audit_staleness(made.document(code), read_reviews(made.lab))


def test_nothing_is_stale_while_nothing_is_printed_differently(made: Results) -> None:
    made.names["test"] = share(0.80004)
    assert audited(made) == []
    assert stale_sections(made.document(), read_reviews(made.lab)) == set()


def test_a_quantity_that_moved_is_told_as_it_was_and_is_printed(made: Results) -> None:
    made.names["test"] = share(0.712)
    first, second = stale(made)
    assert (first.kind, first.moved) == ("moved", (Moved("test", "80.0% (78.0–82.0)", "71.2% (69.2–73.2)"),))
    assert (second.kind, second.moved) == ("moved", (Moved("test", "80.0%", "71.2%"),))
    assert (first.path, first.line, second.line) == (made.file, 3, 7)
    assert first.now.startswith("The network is right for 71.2%")
    assert stale_sections(made.document(), read_reviews(made.lab)) == {"activity-09"}


def test_an_interval_that_moved_counts_also_where_only_the_value_is_printed(made: Results) -> None:
    made.names["test"] = share(0.8, spread=0.05)
    first, second = stale(made)
    assert first.moved == (Moved("test", "80.0% (78.0–82.0)", "80.0% (75.0–85.0)"),)
    assert second.moved == (Moved("test", "80.0% (78.0–82.0%)", "80.0% (75.0–85.0%)"),)


def test_another_branch_is_shown_with_its_words_then_and_now(made: Results) -> None:
    made.names |= {"gap": points(0.1), "gap_is_real": True}
    [found] = stale(made)
    assert (found.kind, found.line) == ("rewritten", 5)
    assert found.then == "… 0.5 pp: this cannot be told from zero."
    assert found.now == "… 10.0 pp: there is overfitting."
    assert found.moved == (Moved("gap", "0.5\u00a0pp", "10.0\u00a0pp"),)


def test_numbers_are_printed_in_the_reports_language(made: Results) -> None:
    for path in made.lab.templates.rglob("activity-09.md.j2"):
        assert path.read_text() == TEXT
    made.accept("es")
    made.names["test"] = share(0.712)
    assert stale(made, "es")[1].moved == (Moved("test", "80,0\u00a0%", "71,2\u00a0%"),)


def test_each_paragraph_is_a_fault_with_its_line_and_the_command_that_renews_it(made: Results) -> None:
    made.names |= {"test": share(0.7), "gap": points(0.1), "gap_is_real": True}
    found = audited(made)
    assert [(one.kind, one.severity, one.section, one.line) for one in found] == [
        ("stale", "fault", "activity-09", 3), ("stale", "fault", "activity-09", 5), ("stale", "fault", "activity-09", 7),
    ]  # fmt: skip
    assert all(one.path == made.file for one in found)
    assert "accepted on 2026-03-02" in found[0].what and "from 80.0% (78.0–82.0) to 70.0%" in found[0].what
    assert "reads differently now" in found[1].what and "gap from 0.5\u00a0pp to 10.0\u00a0pp" in found[1].what
    assert found[0].suggestion.endswith(f"cnnlab commentary accept 9 {made.lab.path}")
    made.accept()
    assert audited(made) == []


def test_paragraphs_that_came_or_went_are_told_and_the_others_are_still_compared(tmp_path: Path) -> None:
    text = (
        "First {{ test }}.\n\n{% if seen %}Some test images were seen before.\n\n{% endif %}Last of all: {{ gap }}.\n"
    )
    made = results(tmp_path, text, {"test": share(0.8), "gap": points(0.01), "seen": False})
    made.accept()
    made.names |= {"seen": True, "gap": points(0.02)}
    assert [(one.kind, one.now.split()[0], one.line) for one in stale(made)] == [
        ("new", "Some", 3),
        ("moved", "Last", 5),
    ]
    made.accept()
    made.names["seen"] = False
    [found] = stale(made)
    assert (found.kind, found.then, found.now) == ("gone", "Some test images were seen before.", "")
    assert "a paragraph is gone" in audited(made)[0].what


def test_words_are_shown_from_where_they_differ_and_the_line_is_found_by_names_too(tmp_path: Path) -> None:
    same = "{{ ONE.test }} of the class is right{% if ONE.far %}, far from the others{% endif %}.\n\n"
    text = same.replace("ONE", "best") + same.replace("ONE", "worst") + "{% if seen %}Seen before by it.{% endif %}\n"
    names = {one: {"test": share(value), "far": False} for one, value in (("best", 0.9), ("worst", 0.3))}
    made = results(tmp_path, text, {**names, "seen": True})
    made.accept()
    made.names |= {"worst": {"test": share(0.2), "far": True}, "seen": False}
    first, second = stale(made)
    assert (first.kind, first.line, second.kind, second.line) == ("rewritten", 3, "gone", 5)
    assert (first.then, first.now) == ("… class is right.", "… class is right, far from the others.")
    made.accept()
    made.names["worst"] = {"test": share(0.1), "far": True}
    assert [(one.kind, one.line) for one in stale(made)] == [("moved", 3)]


def test_a_paragraph_with_another_end_is_one_that_reads_differently(tmp_path: Path) -> None:
    text = "This part is about {% if chosen %}what the lab file asks for{% else %}the best one of all on validation{% endif %}.\n"
    made = results(tmp_path, text, {"chosen": True})
    made.accept()
    made.names["chosen"] = False
    assert [(one.kind, one.line) for one in stale(made)] == [("rewritten", 1)]


def test_texts_of_the_data_count_as_words(tmp_path: Path) -> None:
    made = results(tmp_path, "The best class is “{{ best.name }}”.\n", {"best": {"name": "coat"}})
    made.accept()
    made.names["best"] = {"name": "*bag*"}
    [found] = stale(made)
    assert (found.kind, found.then, found.now) == (
        "rewritten", "The best class is “coat”.", "The best class is “*bag*”.",
    )  # fmt: skip


def test_an_edited_file_is_not_stale_but_no_longer_accepted(made: Results) -> None:
    made.file.write_text(TEXT + "\nAdded.\n")
    made.names["test"] = share(0.5)
    assert audited(made) == [] and made.state() == "generated"


def table(value: float) -> Table:
    columns = (Column(key="network", head="Network"), Column(key="test", head="Test"))
    return Table(caption="Accuracies", columns=columns, rows=({"network": "VGG-19", "test": share(value)},))


def test_a_text_typed_by_hand_is_stale_when_its_tables_print_other_numbers(tmp_path: Path) -> None:
    made = results(tmp_path, 'VGG-19 is right for 80.0%.\n\n{{ table("results") }}\n', {"test": share(0.8)})
    made.items["results"] = table(0.8)
    made.accept()
    assert audited(made) == [] and made.state() == "accepted"
    made.items["results"] = table(0.7)
    [found] = audited(made)
    assert "results.VGG-19.test from 80.0% to 70.0%" in found.what and found.severity == "fault"
    assert made.state() == "stale"


def test_a_row_that_came_counts_and_a_table_that_came_does_not(tmp_path: Path) -> None:
    made = results(tmp_path, 'Typed.\n\n{{ table("results") }}\n', {"test": share(0.8)})
    made.items["results"] = table(0.8)
    made.accept()
    made.items["besides"] = table(0.3)
    assert audited(made) == []
    before, row = table(0.8), {"network": "AlexNet", "test": share(0.6)}
    made.items["results"] = Table(caption="Accuracies", columns=before.columns, rows=(*before.rows, row))
    assert "results.AlexNet.test from – to 60.0%" in audited(made)[0].what


def test_numbers_of_figures_and_citations_do_not_count(tmp_path: Path) -> None:
    text = "See {{ ref('results') }} {{ cite('vgg') }}.\n\n{{ table('results') }}\n"
    made = results(tmp_path, text, {"test": share(0.8)})
    made.items["results"] = table(0.8)
    made.accept()
    made.items = {"before": table(0.1), **made.items}
    made.file.write_text(made.file.read_text())
    first = made.lab.templates / "commentary" / "en" / "activity-09.md.j2"
    shared = "{{ cite('he2016') }}\n\n{{ table('before') }}\n\n"
    assert made.state() == "accepted"
    first.write_text(shared + text)
    made.accept()
    kept = read_reviews(made.lab).languages["en"]["activity-09"].paragraphs
    assert [one.text for one in kept] == ["[1]", "See table\u00a02 [2]."]
    assert [one.skeleton for one in kept] == ["[he2016]", "See [activity-09-results] [vgg]."]


def test_what_was_printed_and_what_could_have_been_is_remembered_for_other_checks(made: Results) -> None:
    made.names["unprinted"] = Quantity(value=12, unit="count")
    made.items["results"] = table(0.8)
    made.accept()
    made.names["test"] = share(0.5)
    made.file.write_text("Edited since.\n")
    found = {one.name: (one.value, one.unit) for one in former(made.document(), read_reviews(made.lab))["activity-09"]}
    assert found == {
        "test": (0.8, "share"), "gap": (0.005, "points"), "unprinted": (12, "count"), "results.VGG-19.test": (0.8, "share"),
    }  # fmt: skip


def test_what_is_no_number_is_remembered_as_none(tmp_path: Path) -> None:
    made = results(tmp_path, "Loss {{ loss }}.\n", {"loss": Quantity(value=float("inf"), unit="loss")})
    made.accept()
    assert made.state() == "accepted"
    assert former(made.document(), read_reviews(made.lab)) == {"activity-09": ()}
    made.names["loss"] = Quantity(value=1.0, unit="loss")
    assert stale(made)[0].moved == (Moved("loss", "∞", "1.000"),)


def test_a_thousand_paragraphs_are_compared_in_no_time(tmp_path: Path) -> None:
    text = "{% for n in numbers %}\nLine {{ loop.index }} has {{ n }}.\n\n{% endfor %}\n"
    made = results(tmp_path, text, {"numbers": [share(i / 1000) for i in range(1000)]})
    made.accept()
    made.names["numbers"] = [share(i / 1001) for i in range(1000)]
    document, reviews = made.document(), read_reviews(made.lab)
    start = datetime.now(tz=UTC)
    assert len(staleness(document, reviews)[0].paragraphs) > 400
    assert (datetime.now(tz=UTC) - start).total_seconds() < 5


def test_accepting_needs_a_known_section(made: Results) -> None:
    with pytest.raises(StopIteration):
        accept(made.document(), made.lab, ["activity-99"], time=datetime.now(tz=UTC))
