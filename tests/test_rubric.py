"""The assignment as data: what a rubric file has to be, and the report that is made of it."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from cnnlab.errors import LabError, TemplateProblem
from cnnlab.lab import Lab, load_lab
from cnnlab.notebook import open_lab as open_in_notebook
from cnnlab.paths import templates_dir
from cnnlab.store.store import RunStore
from report.activities import ANSWERERS
from report.build import build_report, page
from report.data.records import open_lab
from report.document.assembly import assemble
from report.document.commentary import commentary_path
from report.document.rubric import Rubric, load_rubric, read_rubric
from report.evidence.language import Language
from report.notebook.writer import CellWriter
from tests.fabricate import write_store
from tests.pages import pretended

SHIPPED = sorted(path.stem for path in (templates_dir() / "rubrics").glob("*.toml"))
SMALL = """
title = { en = "A sheet", es = "Una hoja" }
label = { en = "Task {number}", es = "Tarea {number}" }
given = ["224"]
[parts.2_1]
title = { en = "On {dataset}", es = "Sobre {dataset}" }
[[sections]]
key = "task-1"
number = 1
part = "2_1"
title = { en = "The data", es = "Los datos" }
answered_by = "dataset"
[[sections.asks]]
id = "images"
text = { en = "How many?", es = "¿Cuántas?" }
all = ["images"]
"""


def written(folder: Path, text: str = SMALL) -> Rubric:
    """A rubric of this text, read from below `folder`."""
    (folder / "rubrics").mkdir(exist_ok=True)
    (folder / "rubrics" / "sheet.toml").write_text(text, encoding="utf-8")
    return read_rubric("sheet", [folder, templates_dir()])


def test_the_assignment_has_its_thirteen_activities_and_all_that_they_ask() -> None:
    rubric = read_rubric("tarea1", [templates_dir()])
    assert [section.number for section in rubric.sections if section.number] == list(range(1, 14))
    assert {section.key: len(section.asks) for section in rubric.sections} == {
        "introduction": 0, "activity-01": 5, "activity-02": 3, "activity-03": 4, "activity-04": 3, "activity-05": 4,
        "activity-06": 6, "comparison": 5, "activity-07": 7, "activity-08": 3, "activity-09": 7, "activity-10": 6,
        "activity-11": 6, "activity-12": 3, "activity-13": 7, "conclusions": 0, "sanity": 0,
    }  # fmt: skip
    said = " ".join(ask.text.es for section in rubric.sections for ask in section.asks)
    words = ("output", "summary()", "Fundamentar", "softmax", "cross entropy", "ImageNet", "respectivas etiquetas")
    assert [one for one in words if one not in said] == []
    assert {"224", "3", "64", "7x7x512", "60000", "84x84", "5000"} <= set(rubric.given)
    # equal questions are asked alike of both data sets
    for one, other in ((8, 12), (9, 13)):
        assert rubric.section(f"activity-{one:02d}").asks == rubric.section(f"activity-{other}").asks
    first, second = ({ask.id for ask in rubric.section(f"activity-{n}").asks} for n in ("07", "11"))
    assert first - second == {"loss"} and not second - first


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_rubric_has_prose_in_both_languages_for_each_section(name: str) -> None:
    for section in read_rubric(name, [templates_dir()]).sections:
        for code in ("en", "es"):
            found = commentary_path([templates_dir()], Language(code), section.key, section.module)
            assert found.stem.removesuffix(".md") in (section.key, section.module)


def test_a_rubric_makes_sections(tmp_path: Path) -> None:
    rubric, spanish, english = written(tmp_path), Language("es"), Language("en")
    (section,) = rubric.sections
    assert [rubric.label.of(one, number=1) for one in (spanish, english)] == ["Tarea 1", "Task 1"]
    assert [section.title.of(one) for one in (spanish, english)] == ["Los datos", "The data"]
    assert (section.key, section.module, section.part, section.needs_runs) == ("task-1", "dataset", "2_1", False)
    data = open_lab(write_store(tmp_path / "runs"), "demo")
    assert rubric.part_titles(data, spanish) == {"2_1": "Sobre Clothes"}
    assert section.answer(data, english).names["images"].value == 160


def test_several_answerers_of_one_section_say_what_each_says(tmp_path: Path) -> None:
    rubric = read_rubric("exercises", [templates_dir()])
    section = rubric.sections[1]
    data, language = open_lab(write_store(tmp_path), "demo"), Language("en")
    evidence = section.answer(data, language)
    assert (section.module, section.needs_runs) == ("training", True)
    for name in ("training", "curves"):
        one = ANSWERERS[name].answer(data, language, part="2_1")
        assert set(one.names) <= set(evidence.names) and set(one.items) <= set(evidence.items)
    assert evidence.names["seeds"] == ANSWERERS["training"].answer(data, language, part="2_1").names["seeds"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("key = ", "kye = ", ["unknown key", "sections.0.kye", "did you mean “key”"]),
        ('id = "images"', 'idd = "images"', ["unknown key", "sections.0.asks.0.idd", "did you mean “id”"]),
        ('key = "task-1"', "", ["lacks a key", "sections.0.key"]),
        ('es = "Los datos"', 'es = ""', ["wrong value", "sections.0.title.es", "''"]),
        (', es = "Los datos"', "", ["lacks a key", "sections.0.title.es"]),
        ("number = 1", 'number = "one"', ["wrong value", "sections.0.number", "'one'", "integer"]),
        ('"dataset"', '"datset"', ["unknown answerer", "sections.0 (task-1)", "datset", "did you mean “dataset”"]),
        ('"dataset"', '["dataset", "result"]', ["unknown answerer", "did you mean “results”"]),
        ('"dataset"', "[]", ["wrong value", "sections.0.answered_by"]),
        ('part = "2_1"', 'part = "2_2"', ["unknown part", "sections.0 (task-1).part", "2_1"]),
        ('part = "2_1"', "", ["about a data set outside", "2_1 or 2_2", "“dataset”"]),
        ('all = ["images"]', "", ["wrong value", "sections.0.asks.0", "`any` or `all`"]),
        ('"Task {number}"', '"Task"', ["wrong value", "{number}"]),
        ("[[sections]]", "[[sections]", ["not valid TOML", "line"]),
    ],
)
def test_a_wrong_rubric_is_one_clear_message(tmp_path: Path, old: str, new: str, said: list[str]) -> None:
    assert old in SMALL
    with pytest.raises(TemplateProblem) as caught:
        written(tmp_path, SMALL.replace(old, new, 1))
    for part in [str(tmp_path / "rubrics" / "sheet.toml"), *said]:
        assert part in str(caught.value), part
    assert caught.value.exit_code == 2


def test_sections_and_asks_are_told_apart(tmp_path: Path) -> None:
    section, ask = (SMALL[SMALL.index(begin) :] for begin in ("[[sections]]", "[[sections.asks]]"))
    for more, said in ((section, "`key`"), (section.replace("task-1", "task-2"), "`number`"), (ask, "`id`")):
        with pytest.raises(TemplateProblem, match=f"{said} of its own.*twice"):
            written(tmp_path, SMALL + more)


def test_a_lab_names_its_rubric_and_its_own_wins(tmp_path: Path) -> None:
    lab = own_lab(tmp_path, "exercises")
    assert load_rubric(lab).title.en == "Exercises: a classifier of images"
    folder = lab.templates / "rubrics"
    folder.mkdir(parents=True)
    (folder / "exercises.toml").write_text(SMALL, encoding="utf-8")
    assert load_rubric(lab).title.en == "A sheet"
    with pytest.raises(TemplateProblem, match="no such rubric") as caught:
        load_rubric(own_lab(tmp_path, "exercise"))
    assert "did you mean “exercises”" in str(caught.value) and "tarea1" in str(caught.value)
    with pytest.raises(LabError, match="rubric"):
        own_lab(tmp_path, "../../secret")
    assert load_lab("demo").file.report.rubric == "tarea1"


def own_lab(folder: Path, rubric: str, *, language: str = "es") -> Lab:
    """The lab of the exercises, in a folder of its own and by another rubric."""
    path = folder / "mine.toml"
    shutil.copy(load_lab("exercises").path, path)
    overrides = [f"report.rubric={rubric}", f"lab.language={language}"]
    return load_lab(str(path), overrides=overrides)


@pytest.fixture
def one_data_set(tmp_path: Path) -> Callable[..., RunStore]:
    """A store whose lab `mine` names one data set only."""

    def make(**options: Any) -> RunStore:
        store = write_store(tmp_path / "runs", stem="mine", **options)
        lock = store.read_lab("mine")
        del lock["parts"]["2_2"]
        store.write_lab("mine", lock)
        return store

    return make


@pytest.mark.parametrize(
    ("code", "label", "absent"), [("es", "Ejercicio", ("Actividad", "actividad")), ("en", "Exercise", ("Activity",))]
)
def test_the_exercises_are_a_report_of_their_own(
    one_data_set: Callable[..., RunStore], tmp_path: Path, code: str, label: str, absent: tuple[str, ...]
) -> None:
    store, lab = one_data_set(dataset={"stand_in_for": None}), own_lab(tmp_path, "exercises", language=code)
    document = assemble(open_lab(store, "mine"), lab, Language(code))
    assert document.missing == ()
    assert [section.label for section in document.sections] == [f"{label} {number}" for number in (1, 2, 3)]
    assert [section.level for section in document.sections] == [2, 2, 2]
    for medium in ("screen", "print"):
        dom = BeautifulSoup(page(document, lab, tmp_path / "out", medium), "html.parser")
        assert [section["id"] for section in dom.select("section.activity")] == [f"exercise-{n}" for n in (1, 2, 3)]
        assert dom.select("h2.part, .problem") == []
        levels = [int(heading.name[1]) for heading in dom.select("h1, h2, h3, h4")]
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
        text = one_text(dom)
        assert [w for w in (*absent, "Part 2", "Parte 2", "mini-ImageNet", "vgg19-224") if w in text] == []
    cells = "\n".join(source for _, source in CellWriter(store, lab, document, tmp_path / "out").cells())
    assert 'rubric="exercises"' in cells and 'lab.figure(2, "loss")' in cells and "modelVGG19" not in cells
    assert "train_model(" in cells and f"## {label} 1: " in cells


def test_all_formats_of_the_exercises_and_what_its_cells_call(
    one_data_set: Callable[..., RunStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("report.notebook.build.execute", pretended)
    store, shown = one_data_set(), []
    result = build_report(store, own_lab(tmp_path, "exercises"), tmp_path / "out", {"html", "pdf", "ipynb"})
    assert result.missing == []
    assert [path.name for path in result.paths] == ["report.html", "report.pdf", "report.ipynb", "report.json"]
    opened = open_in_notebook(str(tmp_path / "mine.toml"), runs=store.root, language="en", rubric="exercises")
    monkeypatch.setattr(opened, "_show", shown.append)
    opened.figure(2, "loss")
    opened.gallery(3, "worst")
    assert len(shown) == 2
    with pytest.raises(TemplateProblem, match="no such rubric"):
        open_in_notebook(str(tmp_path / "mine.toml"), runs=store.root, rubric="none")


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
@pytest.mark.parametrize("skill", [0.0, 0.75, 1.0])
def test_the_prose_of_the_exercises_holds_for_other_runs(
    one_data_set: Callable[..., RunStore], tmp_path: Path, seeds: tuple[int, ...], skill: float
) -> None:
    store = one_data_set(seeds=seeds, skill=dict.fromkeys(("alexnet", "vgg19", "resnet50"), skill), findings=[])
    for code in ("es", "en"):
        document = assemble(open_lab(store, "mine"), own_lab(tmp_path, "exercises", language=code), Language(code))
        for section in document.sections:
            words = " ".join(paragraph.text for paragraph in section.paragraphs).split()
            assert len(words) > 60, section.key


def one_text(dom: BeautifulSoup) -> str:
    """What a reader of the page sees, without styles and scripts."""
    return " ".join(element.get_text(" ") for element in dom.select("header, nav, main"))
