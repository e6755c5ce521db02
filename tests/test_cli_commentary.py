"""`cnnlab commentary`: states and files, what a section can say, accepting, and its failures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnlab.app.cli_text import section_key
from cnnlab.errors import LabError
from cnnlab.lab import load_lab
from report.data.literature import REFERENCES
from report.document.rubric import load_rubric
from report.document.vocabulary import FILTERS, FUNCTIONS, Entry, entries, first_of_lists, item_entries
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Quantity, table
from tests.command import Ran, called
from tests.fabricate import write_store


@pytest.fixture
def folder(tmp_path: Path, write_lab: Callable[..., Path]) -> Path:
    write_store(tmp_path / "runs", stem="mine")
    write_lab({'title = "A test"': 'title = "A test"\nlanguage = "en"'})
    return tmp_path


def commentary(folder: Path, *arguments: str) -> Ran:
    return called("commentary", *arguments, cwd=folder)


def states(folder: Path, state: str) -> set[str]:
    """The sections in this state."""
    rows = json.loads(commentary(folder, "mine.toml", "--json").stdout)
    return {row["section"] for row in rows if row["state"] == state}


def own_text(folder: Path, text: str) -> Path:
    called("init", "mine.toml", "activity-09", cwd=folder)
    own = folder / "mine/templates/commentary/en/activity-09.md.j2"
    own.write_text(text)
    return own


def test_sections_are_listed_with_file_and_state(folder: Path) -> None:
    own = own_text(folder, "Mine: {{ test }}.\n")
    rows = {row["section"]: row for row in json.loads(commentary(folder, "mine.toml", "--json").stdout)}
    assert list(rows) == [section.key for section in load_rubric(load_lab("demo")).sections]
    nine, thirteen = rows["activity-09"], rows["activity-13"]
    assert (nine["state"], nine["folder"], nine["file"]) == ("written", "lab", str(own))
    assert (thirteen["state"], thirteen["folder"]) == ("generated", "project")
    lines = commentary(folder, "list", "mine.toml").stdout.splitlines()
    assert f"{'activity-09':13} {'written by hand, not accepted':30} {own}" in lines


def test_accepting_one_several_and_all_until_other_results_make_it_stale(folder: Path) -> None:
    first = commentary(folder, "accept", "9", "mine.toml")
    kept = folder / "mine" / "reviews" / "mine.json"
    assert first.stdout.startswith("accepted activity-09: ") and first.stdout.rstrip().endswith(str(kept))
    assert states(folder, "accepted") == {"activity-09"}
    commentary(folder, "accept", "conclusions", "activity-8", "mine.toml")
    assert states(folder, "accepted") == {"activity-08", "activity-09", "conclusions"}
    commentary(folder, "accept", "--all", "mine.toml")
    assert len(states(folder, "accepted")) == len(load_rubric(load_lab("demo")).sections)
    shutil.rmtree(folder / "runs")
    write_store(folder / "runs", stem="mine", skill={"alexnet": 0.3, "vgg19": 0.9, "resnet50": 0.5})
    assert {"activity-09", "activity-13"} <= states(folder, "stale")
    commentary(folder, "accept", "9", "mine.toml")
    assert "activity-09" in states(folder, "accepted") and "activity-13" in states(folder, "stale")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["accept", "mine.toml"], "name the sections"),
        (["accept", "9", "--all", "mine.toml"], "name the sections"),
        (["accept", "99", "mine.toml"], "no such section"),
        (["accept", "conclusion", "mine.toml"], "did you mean “conclusions”"),
        (["accept", "9", "mine.toml", "demo"], "one lab at a time"),
        (["mine.toml", "--section", "activty-09"], "did you mean “activity-09”"),
        (["demo"], "cnnlab run demo"),
        (["accept", "9", "demo"], "cnnlab run demo"),
        (["demo", "--section", "9"], "cnnlab run demo"),
        (["nowhere.toml"], "no such lab"),
    ],
)
def test_wrong_calls_are_refused(folder: Path, arguments: list[str], said: str) -> None:
    result = commentary(folder, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
    assert not (folder / "mine").exists() and "Traceback" not in result.stderr


def test_a_section_lists_every_name_with_its_value_and_every_item(folder: Path) -> None:
    found = json.loads(commentary(folder, "mine.toml", "--section", "9", "--json").stdout)
    names = {one["name"]: one for one in found["names"]}
    assert (found["section"], found["state"], found["folder"]) == ("activity-09", "generated", "project")
    assert names["test"]["kind"] == "number" and names["test"]["unit"] == "share"
    assert names["test"]["text"].endswith("%") and names["test"]["interval"].startswith("(")
    assert names["test"]["how"] == "Right answers over images, Wilson interval"
    assert names["best.accuracy"]["kind"] == "number" and names["pairs.0.difference"]["unit"] == "points"
    assert (names["best.name"]["kind"], names["several_networks"]["text"]) == ("text", "yes")
    assert names["top_5"]["kind"] == "nothing"
    assert names["pairs"]["example"] == "{% for one in pairs %}{{ one.better }}{% endfor %}"
    assert ("confusion", "figure") in [(one["name"], one["kind"]) for one in found["items"]]
    assert {one["name"] for one in found["functions"]} == set(FUNCTIONS)
    assert {one["name"] for one in found["filters"]} == set(FILTERS)
    assert found["references"] == list(REFERENCES)
    text = commentary(folder, "mine.toml", "--section", "9").stdout
    assert "pairs.0.difference" in text and "pairs.1.difference" not in text
    assert '{{ figure("confusion") }}  Where ' in text and "{{ name|interval }}" in text


def test_names_are_listed_also_where_the_text_misspells_one(folder: Path) -> None:
    own = own_text(folder, "Mine: {{ tset }}.\n")
    result = commentary(folder, "mine.toml", "--section", "9")
    assert result.returncode == 2 and "did you mean “test”" in result.stderr
    assert f"{own}" in result.stdout and "best.accuracy" in result.stdout
    assert json.loads(commentary(folder, "mine.toml", "--section", "9", "--json").stdout)["state"] == "wrong"


def test_a_damaged_file_of_reviews_and_a_place_that_cannot_be_written_are_told(folder: Path) -> None:
    kept = folder / "mine" / "reviews" / "mine.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{")
    for arguments in (["mine.toml"], ["accept", "9", "mine.toml"]):
        result = commentary(folder, *arguments)
        assert result.returncode == 2 and "damaged" in result.stderr and str(kept) in result.stderr
    assert kept.read_text() == "{"
    shutil.rmtree(folder / "mine")
    (folder / "mine").write_text("in the way")
    result = commentary(folder, "accept", "9", "mine.toml")
    assert result.returncode == 2 and "cannot be kept beside the lab" in result.stderr


def test_sections_by_number_and_key() -> None:
    assert {section_key(text, load_lab("demo")) for text in ("9", "09", "activity-9", "activity-09")} == {"activity-09"}
    for text in ("0", "14", "", "activity", "9 "):
        with pytest.raises(LabError, match="no such section"):
            section_key(text, load_lab("demo"))


def test_names_and_items_of_every_kind() -> None:
    share = Quantity(value=0.5, unit="share", low=0.4, high=0.6, how="Counted")
    names = {
        "q": share, "s": "a\x1b[31m\n b", "t": True, "n": 1200, "none": None, "words": ["a", "b"], "empty": [],
        "deep": [{"pairs": [{"p": share}, {"p": share}]}], "by_class": {"3": share},
    }  # fmt: skip
    found = entries(Evidence(names=names), Language("es"))
    by_name = {entry.name: entry for entry in found}
    assert by_name["q"] == Entry("q", "number", "50,0\u00a0%", "(40,0–60,0\u00a0%)", "share", "Counted")
    assert by_name["s"] == Entry("s", "text", "a\ufffd[31m b")
    assert (by_name["t"].text, by_name["n"].text, by_name["none"].kind) == ("yes", "1.200", "nothing")
    assert by_name["words"] == Entry("words", "list", "a y b", example="{{ words|join_words }}")
    assert by_name["deep.0.pairs"].example == "{% for one in deep.0.pairs %}{{ one.p }}{% endfor %}"
    assert "deep.0.pairs.1.p" in by_name and by_name["deep"].text == "1 entry"
    shown = [entry.name for entry in first_of_lists(found)]
    assert "deep.0.pairs.0.p" in shown and "deep.0.pairs.1.p" not in shown and "by_class.3" in shown
    items = {"t": table("A\ncaption", {"a": "A"}, [])}
    assert item_entries(Evidence(items=items)) == [{"name": "t", "kind": "table", "caption": "A caption"}]
