"""The ledger: all that the assignment asks is answered by the shipped prose, and what is taken out of it is missed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from cnnlab.lab import Lab, load_lab
from cnnlab.paths import templates_dir
from cnnlab.store.store import RunStore
from report.build import page
from report.data.records import open_lab
from report.document.assembly import assemble
from report.document.commentary import commentary_path
from report.document.ledger import Entry, asked, audit_rubric, ledger
from report.document.model import Document
from report.document.rubric import Ask, RubricText
from report.evidence.language import Language
from report.notebook.writer import CellWriter
from tests.fabricate import write_store

Make = Callable[..., Document]
MARK = "{# generated: remove this line when you have reviewed the text #}\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return write_store(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """The demo with a folder of its own for templates."""
    return load_lab("demo").model_copy(update={"path": tmp_path / "demo.toml"})


@pytest.fixture
def make(runs: RunStore, lab: Lab) -> Make:
    """A document of the whole assignment, with some commentary files replaced, given by key."""

    def made(code: str = "es", store: RunStore = runs, **prose: str) -> Document:
        for key, text in prose.items():
            path = lab.templates / "commentary" / code / f"{key.replace('_', '-')}.md.j2"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return assemble(open_lab(store, "demo"), lab, Language(code))

    return made


def shipped(key: str, code: str = "es") -> str:
    kind = {"activity-07": "training", "activity-08": "curves", "activity-13": "results"}.get(key, "")
    return commentary_path([templates_dir()], Language(code), key, kind).read_text(encoding="utf-8")


def without(text: str, start: str, end: str) -> str:
    """The prose without what is between two of its texts."""
    before, _, rest = text.partition(start)
    assert rest and end in rest
    return before + end + rest.partition(end)[2]


def states(document: Document, key: str) -> dict[str, str]:
    return {entry.ask: entry.state for entry in ledger(document) if entry.section == key}


def of(document: Document, key: str, ask: str) -> Entry:
    return next(e for e in ledger(document) if (e.section, e.ask) == (key, ask))


def faults(document: Document) -> list[tuple[str, str]]:
    return [(one.section, one.what) for one in audit_rubric(document) if one.severity == "fault"]


@pytest.mark.parametrize("code", ["es", "en"])
def test_everything_asked_is_answered_by_the_shipped_prose(make: Make, code: str) -> None:
    document = make(code)
    entries, findings = ledger(document), audit_rubric(document)
    assert [entry for entry in entries if entry.state != "generated"] == []
    assert len(entries) == sum(len(one.asks) for one in document.rubric.sections) == 69
    assert {(one.severity, one.kind) for one in findings} == {("hint", "rubric")}
    assert [one.section for one in findings] == [section.key for section in document.sections]


OPTIONS: dict[str, dict[str, Any]] = {
    "one network each": {"networks": {"clothes": ["vgg19"], "digits": ["alexnet"]}},
    "several seeds": {"seeds": (0, 1, 2)},
    "guessing": {"skill": dict.fromkeys(("alexnet", "vgg19", "resnet50"), 0.0)},
    "perfect": {"skill": dict.fromkeys(("alexnet", "vgg19", "resnet50"), 1.0)},
    "one epoch": {"history": [{}], "resolved": {"best_epoch": 1, "epochs_run": 1, "epochs_planned": 1}},
    "no early stopping": {"recipe": {"early_stopping": None}, "resolved": {"best_epoch": 6}},
    "a search and folds": {"searches": {"alexnet": {}}, "folds": {"alexnet": (0.7, 0.8)}, "test_uses": 9},
    "many classes": {"classes": {"clothes": [f"class {i}" for i in range(40)], "digits": ["0", "1"]}},
    "names that would keep a place": {
        "classes": {"clothes": ["TODO", "xxx", "por escribir", "…"], "digits": ["lorem ipsum", "TBD", "..."]},
        "dataset": {"title": "TODO"},
    },
}


@pytest.mark.parametrize("case", OPTIONS)
def test_so_it_is_for_other_runs(tmp_path: Path, make: Make, case: str) -> None:
    assert faults(make("es", write_store(tmp_path / "runs", **OPTIONS[case]))) == []


def test_reviewed_text_is_an_answer_unless_it_was_accepted_with_other_results(make: Make) -> None:
    document = make(activity_04=shipped("activity-04").removeprefix(MARK))
    assert states(document, "activity-04") == dict.fromkeys(("effect", "expected", "reasons"), "answered")
    assert not [f for f in audit_rubric(document) if f.section == "activity-04"]
    sections = [replace(one, review="stale") if one.key == "activity-04" else one for one in document.sections]
    document = replace(document, sections=tuple(sections))
    assert set(states(document, "activity-04").values()) == {"stale"} and faults(document) == []


@pytest.mark.parametrize("text", ["", MARK, f"{MARK}\n{{% if false %}}hidden{{% endif %}}\n", "{{ figure('loss') }}\n"])
def test_an_emptied_activity_answers_nothing(make: Make, text: str) -> None:
    document = make(activity_08=text)
    assert set(states(document, "activity-08").values()) == {"missing"}
    assert of(document, "activity-08", "loss").why == "its text is empty"
    assert [key for key, _ in faults(document)] == ["activity-08"] * 3


def test_an_emptied_section_that_nothing_is_asked_in_is_a_fault_too(make: Make) -> None:
    text = "TODO: presentar la tarea y decir qué se hizo en cada parte de ella.\n"
    assert faults(make(conclusions="", introduction=text)) == [
        ("introduction", "“Introducción” is not written: its text says “TODO”"),
        ("conclusions", "“Conclusiones” is not written: its text is empty"),
    ]


@pytest.mark.parametrize(
    "words", ["TODO", "TODO: explicar", "(por escribir)", "Lorem ipsum dolor", "xxx", "…", "...", "[…]", "**…**", "TBD"]
)
def test_a_placeholder_in_place_of_a_paragraph(make: Make, words: str) -> None:
    text = without(shipped("activity-07"), "{{ optimizer }}", "**Tamaño de mini-batch.**")
    document = make(activity_07=text.replace("**Algoritmo de optimización.** Se usó ", f"**Algoritmo.** {words}\n\n"))
    found = states(document, "activity-07")
    assert found.pop("optimiser") == "placeholder" and set(found.values()) == {"generated"}
    entry = of(document, "activity-07", "optimiser")
    assert entry.line == text.split("**Algoritmo")[0].count("\n") + 1
    assert entry.path is not None and entry.path.name == "activity-07.md.j2"


def test_what_a_placeholder_spoils(make: Make) -> None:
    document = make(activity_08="Véase la figura: {{ gap }}, {{ best_val_loss }}.\n")
    assert set(states(document, "activity-08").values()) == {"placeholder"}
    assert of(document, "activity-08", "analysis").why == "its text has only 3 words"
    text = shipped("activity-02")  # beside a number that answer alone, beside none all of them
    assert states(make(activity_02=text + "\nTODO {{ parameters }}\n"), "activity-02") == {
        "code": "generated", "shapes": "generated", "parameters": "placeholder",
    }  # fmt: skip
    assert set(states(make(activity_02=text + "\nTODO\n"), "activity-02").values()) == {"placeholder"}
    words = "Se usaron todos y todo salió bien.\n\nY así con las demás…\n\nDe XX a xx.\n"  # common ones are none
    assert faults(make(activity_08=f"{shipped('activity-08')}\n{words}", activity_02=text)) == []


@pytest.mark.parametrize(
    ("key", "start", "end", "asks"),
    [
        ("activity-07", "**Ajuste de parámetros.**", "**Algoritmo de optimización.**", {"tuning"}),
        ("activity-07", "**Tiempo de entrenamiento.**", "**Ajuste de parámetros.**", {"time", "network"}),
        ("activity-13", "#### La mejor y la peor clase", "#### Qué se confunde con qué",
         {"best", "worst", "images-comment"}),
        ("activity-06", "#### ¿Qué justifica", '{{ listing("summary") }}', {"justification"}),
        ("comparison", "**Profundidad.**", "**Parámetros.**", set()),
        ("activity-10", "{% if selected %}", '{{ figure("distribution") }}', {"description", "images", "classes", "mean"}),
    ],
)  # fmt: skip
def test_a_paragraph_taken_out_is_missed(make: Make, key: str, start: str, end: str, asks: set[str]) -> None:
    document = make(**{key.replace("-", "_"): without(shipped(key), start, end)})
    assert {ask for ask, state in states(document, key).items() if state == "missing"} == asks
    assert len(faults(document)) == len(asks)
    assert all(of(document, key, ask).why.startswith("it does not use ") for ask in asks)


def test_a_table_or_gallery_that_is_not_there_is_missed(make: Make) -> None:
    document = make()
    for key, name, ask in (
        ("comparison", "comparison", "table"), ("activity-09", "worst", "images"), ("activity-12", "loss", "loss"),
        ("activity-10", "examples", "examples"), ("activity-02", "block3", "code"),
    ):  # fmt: skip
        section = document.section(key)
        pieces = tuple(piece for piece in section.pieces if getattr(piece, "name", "") != name)
        assert len(pieces) == len(section.pieces) - 1
        sections = tuple(replace(s, pieces=pieces) if s.key == key else s for s in document.sections)
        missing = {a for a, state in states(replace(document, sections=sections), key).items() if state == "missing"}
        assert missing == {ask}


def test_own_words_with_typed_numbers_are_an_answer_too(make: Make) -> None:
    words = (
        "Aplanar lleva el mapa de 7 por 7 por 512 a un vector de 25.088 valores, como se espera: es su producto. No agrega "
        "ningún peso, porque solo reordena {{ height }}, {{ width }} y {{ channels }}."
    )
    assert set(states(make(activity_04=words), "activity-04").values()) == {"answered"}
    for other in ("24.088", "125.088"):
        assert states(make(activity_04=words.replace("25.088", other)), "activity-04")["expected"] == "missing"


def test_evidence_that_does_not_exist_is_named_with_the_nearest(make: Make) -> None:
    document = make()
    section = document.rubric.section("activity-04")
    ask = Ask(id="typo", text=RubricText(en="?", es="?"), all=("paramters",))
    rubric = document.rubric.model_copy(update={"sections": (section.model_copy(update={"asks": (ask,)}),)})
    (entry,) = ledger(replace(document, rubric=rubric))
    assert (entry.state, entry.why) == ("missing", "its evidence has no paramters (did you mean “parameters”?)")


def test_a_section_without_results_is_missing(tmp_path: Path, make: Make) -> None:
    store = write_store(tmp_path / "runs")
    lock = store.read_lab("demo")
    for entry in (one for one in lock["runs"] if one["dataset"] == "digits"):
        entry |= {"evaluation": None, "problem": "no memory"}
    store.write_lab("demo", lock)
    document = make("en", store)
    assert set(states(document, "activity-13").values()) == {"missing"}
    assert "No network was trained" in of(document, "activity-13", "best").why
    assert set(states(document, "activity-10").values()) == {"generated"}


def test_the_page_counts_lists_and_leads_there(make: Make, lab: Lab, runs: RunStore, tmp_path: Path) -> None:
    document = make(
        activity_04=shipped("activity-04").removeprefix(MARK), activity_08="",
        activity_02=shipped("activity-02") + "\nTODO {{ parameters }}\n",
    )  # fmt: skip
    found = asked(document)
    assert found is not None
    assert found.summary == (
        "65 de 69 cosas pedidas están respondidas, 62 de ellas en texto generado que aún no se revisa; falta: 3; por escribir: 1"
    )
    dom = BeautifulSoup(page(document, lab, tmp_path / "out", "screen"), "html.parser")
    section = dom.select_one("section#asked")
    assert section is not None and found.summary in section.get_text()
    assert [a["href"] for a in section.select("tr.where a")] == [f"#{key}" for key, *_ in found.sections]
    assert {a["href"] for a in dom.select("nav a")} >= {"#asked"}
    rows = [(row.th.get_text(), row.td["class"], row.td.get_text()) for row in section.select("tbody tr:not(.where)")]  # type: ignore[union-attr]
    assert len(rows) == 69 and rows[0][1:] == (["state", "generated"], "○generada, sin revisar")
    assert ("Analizar y comentar los gráficos anteriores", ["state", "missing"], "✗falta") in rows
    assert ("Fundamentar las observaciones", ["state", "answered"], "✓respondida") in rows
    kind, last = CellWriter(runs, lab, document, tmp_path / "out").cells()[-1]
    assert kind == "markdown" and last.startswith("## Apéndice: qué se pidió y dónde se responde\n\n**65 de 69")
    lines = [line for line in last.splitlines() if line.startswith("|")]
    assert len(lines) == 71 and all(len(re.findall(r"(?<!\\)\|", line)) == 4 for line in lines)
    assert "| ✗ falta |" in last
    assert "[Actividad 8: Curvas de entrenamiento](#Actividad-8:-Curvas-de-entrenamiento)" in last
    document = replace(document, rubric=document.rubric.model_copy(update={"sections": ()}))
    assert asked(document) is None and 'id="asked"' not in page(document, lab, tmp_path / "out", "screen")
