"""The prose says what the assignment asks, in both languages, and only what is true of the runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnlab.lab import load_lab
from cnnlab.paths import templates_dir
from cnnlab.store.store import RunStore
from report.activities.architecture import FIGURE_1, agrees, by_blocks
from report.activities.classes import rank_class
from report.activities.results import compare
from report.data.records import LabData, open_lab
from report.document.assembly import assemble
from report.document.model import Document, Prose
from report.document.rubric import load_rubric
from report.evidence.compare import better
from report.evidence.language import Language
from report.evidence.metrics import confusion
from report.evidence.quantity import Table
from tests.fabricate import write_store

FOLDER = templates_dir() / "commentary"
NAMES = sorted(path.name for path in (FOLDER / "es").glob("*.j2"))
SECTIONS = load_rubric(load_lab("demo")).report_sections()
SECTIONS_BY_KEY = {section.key: section for section in SECTIONS}
ONE: dict[str, Any] = {"networks": {"clothes": ["vgg19"], "digits": ["alexnet"]}}
Edit = Callable[[dict[str, Any]], None]


class Lab:
    """A fabricated lab, and what its report says."""

    def __init__(self, data: LabData) -> None:
        self.data = data
        self._documents: dict[str, Document] = {}

    def document(self, code: str) -> Document:
        if code not in self._documents:
            lab = load_lab("demo", overrides=[f"lab.language={code}"])
            self._documents[code] = assemble(self.data, lab, Language(code))
        return self._documents[code]

    def says(self, key: str, code: str) -> str:
        pieces = self.document(code).section(key).pieces
        text = " ".join(piece.markdown for piece in pieces if isinstance(piece, Prose))
        return " ".join(text.replace("\\", "").replace("*", "").replace("\N{NO-BREAK SPACE}", " ").split())

    def check(self, key: str, es: str, en: str, *, absent: tuple[str, ...] = ()) -> None:
        """The sentence stands in both languages, and what contradicts it does not."""
        texts = {code: self.says(key, code) for code in ("es", "en")}
        assert es in texts["es"], texts["es"]
        assert en in texts["en"], texts["en"]
        for words in absent:
            assert all(words not in text for text in texts.values()), words


@pytest.fixture
def lab(tmp_path: Path) -> Callable[..., Lab]:
    def make(edit: Edit | None = None, **options: Any) -> Lab:
        root = tmp_path / f"runs-{len(list(tmp_path.iterdir()))}"
        write_store(root, **options)
        lock = root / "labs" / "demo.json"
        if edit:
            content = json.loads(lock.read_text())
            edit(content)
            lock.write_text(json.dumps(content))
        return Lab(open_lab(RunStore(root), "demo"))

    return make


def rising(first: float, *rest: float) -> list[dict[str, float]]:
    """A history with these validation losses, and accuracies that follow them."""
    return [{"val_loss": loss, "val_accuracy": 1 - loss / 3, "loss": loss / 2} for loss in (first, *rest)]


CASES: dict[str, dict[str, Any]] = {
    "no early stopping": {"recipe": {"early_stopping": None}, "resolved": {"best_epoch": 6}},
    "stopped early": {"resolved": {"stopped": "early", "best_epoch": 3, "epochs_requested": 9, "epochs_planned": 9}},
    "shortened": {"resolved": {"shortened": True, "epochs_requested": 40, "budget_seconds": 90.0}},
    "one epoch": {"history": [{}], "resolved": {"best_epoch": 1, "epochs_run": 1, "epochs_planned": 1}},
    "first epoch best": {"history": rising(1.0, 1.2, 1.4), "resolved": {"best_epoch": 1, "epochs_run": 3}},
    "nothing learned": {
        "history": [{**row, "val_accuracy": 0.3} for row in rising(1.6, 1.5, 1.45)],
        "resolved": {"best_epoch": 3, "epochs_run": 3},
    },
    "pre-trained": {"recipe": {"weights": "imagenet", "frozen": True}},
    "plain rate": {"recipe": {"warmup": 0.0, "schedule": "constant"}},
    "cosine only": {"recipe": {"warmup": 0.0}},
    "label smoothing": {"recipe": {"label_smoothing": 0.1, "weight_decay": 1e-4, "augmentation": ()}},
    "five seeds": {"seeds": range(5), **ONE},
    "nothing found": {"findings": []},
    "unknown finding": {
        "findings": [{"kind": "new-kind", "severity": "info", "count": 1, "detail": {}, "sources": []}]
    },
    "no original size": {"dataset": {"original": {}, "credit": ""}},
    "guessing": {"skill": dict.fromkeys(("alexnet", "vgg19", "resnet50"), 0.0), **ONE},
    "hostile names": {"classes": {"clothes": ["<b>*x*</b>", "{{ 7 }}", "a|b", "[l](j)"], "digits": ["0", "1"]}},
}


@pytest.mark.parametrize("case", CASES)
def test_every_section_renders_in_both_languages(lab: Callable[..., Lab], case: str) -> None:
    made = lab(**CASES[case])
    for code in ("es", "en"):
        assert made.document(code).missing == ()
        for section in SECTIONS:
            assert len(made.says(section.key, code)) > 120, (code, section.key)


def test_a_thousand_classes_are_answered_by_their_ends(lab: Callable[..., Lab]) -> None:
    made = lab(classes={"clothes": [f"class {i:04}" for i in range(1000)], "digits": ["0", "1"]}, **ONE)
    table = next(
        placed.item for placed in made.document("es").section("activity-09").items if placed.name == "per_class"
    )
    assert isinstance(table, Table)
    assert len(table.rows) == 20
    assert "10" in table.caption and "1.000" in table.caption


@pytest.mark.parametrize("name", NAMES)
def test_languages_place_and_ask_the_same(name: str) -> None:
    sources = [(FOLDER / code / name).read_text("utf-8") for code in ("es", "en")]
    for pattern in (r'(?:figure|table|gallery|listing)\("(\w+)"\)', r'cite\(("?\w+"?)\)', r"{% (?:el)?if ([^%]+) %}"):
        spanish, english = (sorted(set(re.findall(pattern, source))) for source in sources)
        assert spanish == english


@pytest.mark.parametrize("code", ["es", "en"])
def test_each_text_is_marked_as_generated_and_none_has_idle_blanks(code: str) -> None:
    assert len(NAMES) == 17
    for path in sorted((FOLDER / code).glob("*.j2")):
        lines = path.read_text("utf-8").split("\n")
        assert lines[0] == "{# generated: remove this line when you have reviewed the text #}", path
        assert all(line == line.rstrip() for line in lines), path


def test_spanish_has_spanish_terms() -> None:
    foreign = (
        "learning rate|early stopping|overfitting|weight decay|cross entropy|accuracy|dataset|batch normali|epoch[ s.]"
    )
    for path in (FOLDER / "es").glob("*.j2"):
        prose = re.sub(r"{[{%#].*?[}%#]}", "", path.read_text("utf-8"), flags=re.DOTALL)
        assert not re.findall(foreign, prose), path


def test_the_layer_table_has_the_published_counts(lab: Callable[..., Lab]) -> None:
    vgg = lab(**ONE).data.architectures["vgg19"]
    blocks = by_blocks(vgg.layers)
    assert [blocks[f"block{i}"]["parameters"] for i in range(1, 6)] == [
        38_720,
        221_440,
        2_065_408,
        8_259_584,
        9_439_232,
    ]
    assert [blocks[f"block{i}"]["filters"] for i in range(1, 6)] == [128, 256, 1_024, 2_048, 2_048]
    totals = {step["block"]: step["parameters"] for step in vgg.construction}
    assert totals == {
        "block1": 38_720, "block2": 260_160, "block3": 2_325_568, "block4": 10_585_152, "block5": 20_024_384,
        "flatten": 20_024_384, "fc6": 122_788_928, "fc7": 139_570_240, "fc8": 143_667_240,
    }  # fmt: skip
    assert set(totals) == set(FIGURE_1) and agrees(vgg)


def test_the_checklist_of_part_1(lab: Callable[..., Lab]) -> None:
    made = lab(**ONE)
    made.check("activity-01", "Sí: las dimensiones", "Yes: the output shapes", absent=("No: ",))
    made.check("activity-01", "pide una capa `Input`", "asks for an `Input` layer")
    made.check("activity-03", "El crecimiento viene del ancho", "The growth comes from width")
    made.check("activity-04", "224 / 2⁵ = 7", "224 / 2⁵ = 7")
    made.check("activity-05", "agrega 102.764.544", "adds 102,764,544")
    made.check("activity-06", "empatan con 2.048 cada uno", "tie with 2,048 each")
    made.check("activity-06", "el 86,1 % del total", "86.1% of all")
    made.check("activity-06", "¿Qué justifica este tipo de arquitectura?", "What justifies such an architecture?")
    made.check("comparison", "22,85 %", "22.85%")
    made.check("comparison", "protocolos distintos", "different protocols")
    made.check(
        "conclusions", "VGG-19 se reconstruyó exactamente: 143.667.240", "VGG-19 was rebuilt exactly: 143,667,240"
    )


@pytest.mark.parametrize("key", ["activity-07", "activity-11"])
def test_each_of_the_five_items_has_its_paragraph(lab: Callable[..., Lab], key: str) -> None:
    made = lab(**ONE)
    spanish = ["Estrategia de validación.", "Tiempo de entrenamiento.", "Ajuste de parámetros.",
               "Algoritmo de optimización.", "Tamaño de mini-batch."]  # fmt: skip
    english = ["Validation strategy.", "Training time.", "Tuning.", "Optimisation algorithm.", "Mini-batch size."]
    for es, en in zip(spanish, english, strict=True):
        made.check(key, es, en)
    made.check(key, "se ejecutó una búsqueda", "no search")
    made.check(key, "pruebas a mano que pueda haber habido", "trials by hand that there may have been")


def test_the_stand_in_and_the_split_by_class_are_said(lab: Callable[..., Lab]) -> None:
    made = lab(**ONE)
    for key in ("introduction", "activity-07", "conclusions"):
        made.check(key, "lugar de mini-ImageNet", "mini-ImageNet")
    made.check(
        "activity-07", "64 para entrenar, 16 para validar y 20 para el test", "64 to train, 16 to validate and 20"
    )
    made.check("activity-11", "Estrategia", "strategy", absent=("64 para entrenar", "64 to train"))


def test_the_networks_are_not_said_to_be_chosen_by_validation_when_the_lab_chose(lab: Callable[..., Lab]) -> None:
    made = lab(lambda lock: lock["parts"]["2_1"].update(primary="alexnet"))
    unsaid = ("y la red de la que trata", "and the network that this part is about;")
    made.check("activity-07", "la fija el archivo del laboratorio", "is set in the lab file", absent=unsaid)
    lab().check("activity-07", "elegir la época y la red de la que trata", "the epoch and the network that this part")


def test_without_early_stopping_nothing_is_said_to_be_chosen(lab: Callable[..., Lab]) -> None:
    made = lab(**CASES["no early stopping"], networks=ONE["networks"])
    made.check("activity-07", "No se usó parada temprana", "No early stopping was used", absent=("elegir la época",))
    made.check(
        "activity-08",
        "se conserva la última época, aunque no es la de menor pérdida de validación",
        "the last epoch is kept, although it is not the one of lowest validation loss",
        absent=("seguía mejorando", "still improving"),
    )


def test_what_made_vgg_19_learn_is_said_of_a_plain_one_only(lab: Callable[..., Lab]) -> None:
    plain = lab(resolved={"batch_norm_momentum": None}, **ONE)
    plain.check("activity-07", "con la inicialización de Glorot", "with Glorot's initialisation")
    lab(**ONE).check("activity-07", "inicialización de He", "He's initialisation", absent=("Glorot",))
    learned = lab(**CASES["pre-trained"])
    learned.check("activity-07", "entrenamiento previo", "an earlier training", absent=("inicialización de He", "He's"))


def test_early_stopping_says_what_it_did(lab: Callable[..., Lab]) -> None:
    lab(**CASES["stopped early"]).check(
        "activity-08", "devolvió los pesos de la 3", "restored the weights of epoch 3", absent=("No podía",)
    )
    lab(**ONE).check(
        "activity-08", "No detuvo el entrenamiento", "It did not end training", absent=("No podía detener",)
    )
    lab(**CASES["one epoch"]).check("activity-12", "No podía detener el entrenamiento", "It could not end training")


def test_a_shortened_training_says_from_what_to_what_and_why(lab: Callable[..., Lab]) -> None:
    made = lab(**CASES["shortened"])
    made.check(
        "activity-07", "Se pidieron 40 épocas y se planificaron 6", "40 epochs were asked for and 6 were planned"
    )
    made.check("activity-07", "presupuesto de tiempo", "time budget")
    primary = str(SECTIONS_BY_KEY["activity-09"].answer(made.data, Language("en")).names["network"])
    other = next(run.title for run in made.data.parts["2_1"].runs if run.title != primary)
    made.check("activity-07", f"{other} (6 épocas de 40)", f"{other} (6 epochs of 40)", absent=(f"{primary} (6",))
    made.check("introduction", "acortó algunos entrenamientos", "shortened some of the trainings")
    made.check("conclusions", "se acortaron", "were shortened")


def test_curves_that_do_not_improve_are_not_said_to(lab: Callable[..., Lab]) -> None:
    made = lab(**CASES["first epoch best"], networks=ONE["networks"])
    made.check(
        "activity-08", "La validación no mejora con claridad", "Validation does not clearly improve",
        absent=("La pérdida de validación baja", "The validation loss falls"),
    )  # fmt: skip
    lab(**CASES["nothing learned"]).check("activity-08", "La red apenas aprendió", "The network has hardly learned")


def test_the_gap_of_the_curves_has_an_interval_and_small_ones_are_no_overfitting(lab: Callable[..., Lab]) -> None:
    even = [{"accuracy": 0.72, "val_accuracy": 0.7, "loss": 0.5, "val_loss": 0.6}] * 2
    made = lab(history=even, resolved={"best_epoch": 2, "epochs_run": 2}, networks=ONE["networks"])
    made.check("activity-08", "no se distingue de cero", "cannot be told from zero", absent=("memoriza", "memorises"))
    wide = [{"accuracy": 1.0, "val_accuracy": 0.4, "loss": 0.1, "val_loss": 0.9}] * 2
    made = lab(
        history=wide, resolved={"best_epoch": 2, "epochs_run": 2}, networks={**ONE["networks"], "digits": ["vgg19"]}
    )
    made.check("activity-12", "la red memoriza parte", "the network memorises part")


def test_several_seeds_are_averaged_and_the_text_says_whose_numbers_it_has(lab: Callable[..., Lab]) -> None:
    made = lab(seeds=range(5), **ONE)
    part = made.data.parts["2_1"]
    mean = float(np.mean([run.predictions["test"].right.mean() for run in part.runs]))
    made.check("activity-09", "Con 5 semillas", "Over 5 seeds", absent=("una sola semilla", "one seed only"))
    assert f"{100 * mean:.1f}%" in made.says("activity-09", "en")
    made.check("activity-08", "Se entrenó con 5 semillas", "It was trained from 5 seeds")
    made.check("conclusions", "El promedio sobre las semillas", "The mean over the seeds", absent=("una sola semilla",))


def test_networks_of_several_seeds_are_compared_over_them(lab: Callable[..., Lab]) -> None:
    made = lab(seeds=range(4), skill={"alexnet": 0.3, "vgg19": 0.6, "resnet50": 0.9})
    part = made.data.parts["2_1"]
    mean = {
        run.title: np.mean([one.predictions["test"].right.mean() for one in part.of(run.network)]) for run in part.runs
    }
    found = compare(part)
    assert [entry["network"] for entry in found["ranking"]] == sorted(mean, key=lambda title: -mean[title])
    for pair in found["pairs"]:
        claim = better(
            *(part.of(next(run.network for run in part.runs if run.title == pair[key])) for key in ("better", "worse"))
        )
        assert (pair["difference"], pair["p"]) == (claim.difference, claim.p), "what a claim of the same pair would say"
        assert pair["difference"].value == pytest.approx(mean[pair["better"]] - mean[pair["worse"]])
        assert pair["only_better"] is None and pair["p"].how == "Student's t test over paired seeds"
    made.check("activity-09", "prueba t de Student sobre semillas pareadas", "Student's t test over paired seeds")


def test_exact_ties_are_named_as_ties(lab: Callable[..., Lab]) -> None:
    made = lab(skill=dict.fromkeys(("alexnet", "vgg19", "resnet50"), 1.0))
    made.check("activity-09", "empatan exactamente 4 clases", "4 classes tie exactly", absent=("mayor que el azar",))
    made.check("activity-09", "La red no se equivocó", "The network made no mistake", absent=("El error más seguro",))
    made.check("conclusions", "la comparten varias redes", "is shared by several networks")


def test_ranks_say_what_the_confusion_matrix_says(lab: Callable[..., Lab]) -> None:
    run = lab(**ONE).data.parts["2_1"].runs[0]
    classes = ["a", "b", "c", "d"]
    matrix = np.array([[90, 10, 0, 0], [0, 99, 1, 0], [1, 40, 50, 9], [4, 3, 3, 90]])
    worst, best = (rank_class(run, classes, matrix, best=which) for which in (False, True))
    assert (best.name, best.runner_up, best.distinct) == ("b", "a", True)
    assert (worst.name, worst.confused_with, worst.confused_count.value) == ("c", "b", 40)
    assert (worst.mistakes.value, worst.taken_for_it.value, worst.concentrated) == (50, 4, True)
    assert worst.distinct and worst.rivals.value == 0 and not worst.is_tied
    assert not best.concentrated, "one mistake has no direction"
    ties = np.array([[5, 1, 0, 0], [1, 5, 0, 0], [0, 2, 4, 0], [0, 0, 1, 5]])
    tied = rank_class(run, classes, ties, best=True)
    assert (tied.tied, tied.ties.value, tied.distinct) == (["a", "b", "d"], 3, False)
    even = rank_class(run, classes, np.array([[40, 7, 7, 6], [0, 60, 0, 0], [0, 0, 60, 0], [0, 0, 0, 60]]), best=False)
    assert not even.concentrated


def test_a_network_that_guesses_is_not_said_to_beat_a_constant(lab: Callable[..., Lab]) -> None:
    made = lab(**CASES["guessing"])
    made.check("activity-09", "no supera con claridad", "not clearly beat")
    able = lab(skill={"vgg19": 1.0, "alexnet": 1.0}, **ONE)
    able.check("activity-09", "Como referencia", "For reference", absent=("no supera con", "clearly beat"))


def test_mistakes_are_discussed_where_they_are_shown(lab: Callable[..., Lab]) -> None:
    made = lab(**ONE)
    made.check("activity-09", "El error más seguro es una imagen de", "The surest mistake is an image of")
    made.check("activity-09", "confianza media", "mean confidence")
    placed = [item.name for item in made.document("es").section("activity-09").items]
    assert placed == [
        "accuracies",
        "accuracy",
        "reliability",
        "best",
        "worst",
        "classes",
        "per_class",
        "confusion",
        "confusions",
        "mistakes",
        "attention",
    ]
    run = made.data.parts["2_1"].runs[0]
    test = run.predictions["test"]
    sure = float(test.probabilities.max(axis=1)[~test.right].max())
    assert f"{100 * sure:.1f}%" in made.says("activity-09", "en")
    assert confusion(test.predicted, test.labels, 4).sum() == test.labels.size


def test_integrity_says_what_was_found_and_what_was_not(lab: Callable[..., Lab]) -> None:
    lab(**CASES["nothing found"]).check(
        "activity-10",
        "no se encontraron: archivos dañados, duplicados exactos y casi duplicados",
        "not found: damaged files, exact duplicates, and near duplicates",
        absent=("en negrita", "in bold"),
    )
    detail = {"groups": 3, "with_other_label": 2}
    made = lab(findings=[{"kind": "duplicate", "severity": "warning", "count": 6, "detail": detail, "sources": []}])
    made.check(
        "activity-10", "duplicados exactos: 6 (grupos de imágenes iguales: 3; con otra etiqueta que la primera de su",
        "exact duplicates: 6 (sets of equal images: 3; with another label than the first of their set: 2).",
    )  # fmt: skip
    made.check("activity-10", "archivos dañados y casi duplicados", "damaged files and near duplicates")
    made.check("activity-10", "que el primero de su grupo: 2; ninguna red", "the first of their set: 2; no network")


def test_hostile_names_are_printed_as_data(lab: Callable[..., Lab]) -> None:
    made = lab(**CASES["hostile names"], networks=ONE["networks"])
    pieces = made.document("es").section("activity-09").pieces
    page = "".join(piece.screen for piece in pieces if isinstance(piece, Prose))
    assert "<b>" not in page and "<em>x" not in page and 'href="j"' not in page
    assert "7" in page


def test_without_part_2_2_the_rest_stands(lab: Callable[..., Lab]) -> None:
    made = lab(lambda lock: lock["parts"].pop("2_2"))
    for code in ("es", "en"):
        assert made.document(code).section("activity-13").problems
        assert len(made.says("activity-09", code)) > 500
    made.check("introduction", "Clothes", "Clothes", absent=("Digits",))


def test_a_diverged_network_is_named_and_the_others_are_compared(lab: Callable[..., Lab]) -> None:
    def diverge(lock: dict[str, Any]) -> None:
        for entry in lock["runs"]:
            if entry["network"] == "resnet50":
                entry |= {"evaluation": None, "problem": "training diverged: the loss is no longer a number"}

    made = lab(diverge)
    assert any("diverged" in problem for problem in made.document("en").section("activity-09").problems)
    made.check("activity-09", "VGG-19", "VGG-19", absent=("ResNet-50 (",))
    made.check("activity-13", "exactitud promedio", "mean accuracy", absent=("Comparación entre redes",))
