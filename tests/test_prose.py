"""The prose says what the assignment asks, in both languages, and only what is true of the runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

from cnnlab.lab import load_lab
from cnnlab.paths import templates_dir
from report.activities.architecture import FIGURE_1, agrees, by_blocks
from report.activities.classes import rank_class
from report.activities.results import compare
from report.data.records import LabData
from report.document.model import Prose
from report.document.rubric import load_rubric
from report.evidence.compare import better
from report.evidence.language import Language
from report.evidence.metrics import confusion
from report.evidence.quantity import Table
from tests.reports import ONE, document, make_lab, prose

FOLDER = templates_dir() / "commentary"
NAMES = sorted(path.name for path in (FOLDER / "es").glob("*.j2"))
SECTIONS = load_rubric(load_lab("demo")).sections


class Lab:
    """A fabricated lab, and what its report says."""

    def __init__(self, data: LabData) -> None:
        self.data = data
        self.document = cache(partial(document, data))

    def says(self, key: str, code: str) -> str:
        return prose(self.document(code), key)

    def check(self, key: str, es: str, en: str, absent: Sequence[str] = ()) -> None:
        """The sentence stands in both languages, and what contradicts it does not."""
        for code, words in (("es", es), ("en", en)):
            assert words in (text := self.says(key, code)), text
            assert [other for other in absent if other in text] == []


def rising(first: float, *rest: float) -> list[dict[str, float]]:
    """A history with these validation losses, and accuracies that follow them."""
    return [{"val_loss": loss, "val_accuracy": 1 - loss / 3, "loss": loss / 2} for loss in (first, *rest)]


def two_epochs(**row: float) -> dict[str, Any]:
    return {"history": [row] * 2, "resolved": {"best_epoch": 2, "epochs_run": 2}}


def course(*rows: tuple[float, float, float, float]) -> list[dict[str, float]]:
    """A history of (loss, validation loss, accuracy, validation accuracy) an epoch."""
    return [dict(zip(("loss", "val_loss", "accuracy", "val_accuracy"), row, strict=True)) for row in rows]


def trained(history: Any, best: int, skill: float, train: float = 0.0, **resolved: Any) -> dict[str, Any]:
    """Networks that are all right for `skill` of many images, and of `train` more of the training images."""
    of = len(history)
    epochs = {"best_epoch": best, "epochs_run": of, "epochs_planned": of, "epochs_requested": of, **resolved}
    bonus = {"train": train, "validation": 0.0}
    return {"history": history, "resolved": epochs, "skill": dict.fromkeys(SKILLED, skill), "bonus": bonus, **MANY}


SKILLED = ("alexnet", "vgg19", "resnet50")
MANY: dict[str, Any] = {"networks": {"clothes": ["alexnet", "vgg19"], "digits": ["vgg19"]}, "per_class": 400}
FALLING = course((1.2, 1.21, 0.5, 0.5), (0.7, 0.72, 0.75, 0.74), (0.4, 0.42, 0.88, 0.87), (0.33, 0.353, 0.9, 0.89))
COURSES: dict[str, dict[str, Any]] = {
    "converged": trained(FALLING + course((0.32, 0.351, 0.905, 0.895), (0.318, 0.35, 0.905, 0.895)), 6, 0.89),
    "overfitted": trained(
        course((1.2, 1.3, 0.5, 0.45), (0.8, 1.0, 0.85, 0.6), (0.4, 1.1, 0.95, 0.6), (0.1, 1.5, 0.99, 0.59)), 2, 0.6, 0.35
    ),
    "underfitted": trained(course((1.35, 1.36, 0.3, 0.29), (1.25, 1.26, 0.4, 0.4), (1.2, 1.21, 0.46, 0.46)), 3, 0.46),
    "stopped in time": trained(
        course((1.2, 1.2, 0.5, 0.5), (0.6, 0.6, 0.8, 0.8), (0.59, 0.604, 0.8, 0.8), (0.585, 0.606, 0.8, 0.8)), 2, 0.8,
        stopped="early", epochs_planned=30, epochs_requested=30,
    ) | {"recipe": {"early_stopping": {"patience": 2}}},
    "noisy": trained(
        course((1.0, 1.0, 0.7, 0.7), (0.99, 0.97, 0.71, 0.71), (0.985, 1.02, 0.7, 0.7), (0.98, 0.98, 0.71, 0.7),
               (0.975, 1.0, 0.71, 0.7)), 2, 0.7,
    ),
    "diverged": trained(FALLING, 4, 0.8) | {"diverged": {"resnet50": "the loss is no longer a number"}},
    "a clear winner": {"skill": {"alexnet": 0.5, "vgg19": 0.9}, **MANY},
}  # fmt: skip
"""Courses of training."""

CASES: dict[str, dict[str, Any]] = {
    "no early stopping": {"recipe": {"early_stopping": None}, "resolved": {"best_epoch": 6}, **ONE},
    "stopped early": {"resolved": {"stopped": "early", "best_epoch": 3, "epochs_requested": 9, "epochs_planned": 9}},
    "shortened": {"resolved": {"shortened": True, "epochs_requested": 40, "budget_seconds": 90.0}},
    "one epoch": {"history": [{}], "resolved": {"best_epoch": 1, "epochs_run": 1, "epochs_planned": 1}},
    "first epoch best": {"history": rising(1.0, 1.2, 1.4), "resolved": {"best_epoch": 1, "epochs_run": 3}, **ONE},
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
    "duplicates": {"findings": [
        {"kind": "duplicate", "severity": "warning", "count": 6, "detail": {"groups": 3, "with_other_label": 2}, "sources": []}
    ]},
    "no original size": {"dataset": {"original": {}, "credit": ""}},
    "guessing": {"skill": dict.fromkeys(SKILLED, 0.0), **ONE},
    "perfect": {"skill": dict.fromkeys(SKILLED, 1.0)},
    "able": {"skill": {"vgg19": 1.0, "alexnet": 1.0}, **ONE},
    "hostile names": {"classes": {"clothes": ["<b>*x*</b>", "{{ 7 }}", "a|b", "[l](j)"], "digits": ["0", "1"]}, **ONE},
    "two classes": {"classes": {"clothes": ["a", "b"], "digits": ["0", "1"]}},
    "many classes": {"classes": {"clothes": [f"class {i}" for i in range(40)], "digits": ["0", "1"]}},
    "equal": {"skill": dict.fromkeys(SKILLED, 0.75)},
    "usual": {},
    "a thousand classes": {"classes": {"clothes": [f"class {i:04}" for i in range(1000)], "digits": ["0", "1"]}, **ONE},
    "one network": ONE,
    "not normalised": {"resolved": {"batch_norm_momentum": None}, **ONE},
    "even": {**two_epochs(accuracy=0.72, val_accuracy=0.7, loss=0.5, val_loss=0.6), **ONE},
    "wide": {**two_epochs(accuracy=1.0, val_accuracy=0.4, loss=0.1, val_loss=0.9),
             "networks": {"clothes": ["vgg19"], "digits": ["vgg19"]}},
    "four seeds": {"seeds": range(4), "skill": {"alexnet": 0.3, "vgg19": 0.6, "resnet50": 0.9}},
    "nothing to conclude": {"networks": {"clothes": ["vgg19"], "digits": []}, "diverged": {"alexnet": "not a number"}},
    **COURSES,
}  # fmt: skip
"""Options of `write_store`."""


def _lost(lock: dict[str, Any], problem: str, **entries: Any) -> None:
    for entry in lock["runs"]:
        if entry["network"] == "resnet50":
            entry |= {"evaluation": None, "problem": problem, **entries}


EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "chosen by the lab": lambda lock: lock["parts"]["2_1"].update(primary="alexnet"),
    "no part 2.2": lambda lock: lock["parts"].pop("2_2"),
    "a network diverged": lambda lock: _lost(lock, "training diverged: the loss is no longer a number"),
    "a network lost": lambda lock: _lost(lock, "out of memory", run=None),
}
"""What is changed in the lab lock."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Lab]:
    return cache(lambda case: Lab(make_lab(tmp_path_factory.mktemp("lab"), EDITS.get(case), **CASES.get(case, {}))))


@pytest.mark.parametrize(
    "case", [case for case in CASES if case not in (*COURSES, "nothing to conclude", "a thousand classes")]
)
def test_every_section_renders_in_both_languages(lab: Callable[[str], Lab], case: str) -> None:
    for code in ("es", "en"):
        assert lab(case).document(code).missing == ()
        for section in SECTIONS:
            assert len(lab(case).says(section.key, code)) > 120, (code, section.key)
            assert lab(case).document(code).section(section.key).items or "activity" not in section.key


VALIDATED, STUDENT = "la red de la que trata", "Student's t test over paired seeds"
SAYS: list[tuple[str, str, str, str, tuple[str, ...]]] = [
    ("one network", "activity-01", "Sí: las dimensiones", "Yes: the output shapes", ("No: ",)),
    ("one network", "activity-01", "pide una capa `Input`", "asks for an `Input` layer", ()),
    ("one network", "activity-03", "El crecimiento viene del ancho", "The growth comes from width", ()),
    ("one network", "activity-04", "224 / 2⁵ = 7", "224 / 2⁵ = 7", ()),
    ("one network", "activity-05", "agrega 102.764.544", "adds 102,764,544", ()),
    ("one network", "activity-06", "empatan con 2.048 cada uno", "tie with 2,048 each", ()),
    ("one network", "activity-06", "el 86,1 % del total", "86.1% of all", ()),
    ("one network", "activity-06", "¿Qué justifica este tipo de arquitectura?", "What justifies such an architecture?", ()),
    ("one network", "comparison", "22,85 %", "22.85%", ()),
    ("one network", "comparison", "protocolos distintos", "different protocols", ()),
    ("one network", "conclusions", "VGG-19 se reconstruyó exactamente: 143.667.240", "VGG-19 was rebuilt exactly: 143,667,240", ()),
    *((case, key, es, en, ()) for case in ("one network",) for key in ("activity-07", "activity-11") for es, en in (
        ("Estrategia de validación.", "Validation strategy."), ("Tiempo de entrenamiento.", "Training time."),
        ("Ajuste de parámetros.", "Tuning."), ("Algoritmo de optimización.", "Optimisation algorithm."),
        ("Tamaño de mini-batch.", "Mini-batch size."), ("se ejecutó una búsqueda", "no search"),
        ("pruebas a mano que pueda haber habido", "trials by hand that there may have been"),
    )),
    *(("one network", key, "lugar de mini-ImageNet", "mini-ImageNet", ()) for key in ("introduction", "activity-07", "conclusions")),
    ("one network", "activity-07", "64 para entrenar, 16 para validar y 20 para el test", "64 to train, 16 to validate and 20", ()),
    ("one network", "activity-11", "Estrategia", "strategy", ("64 para entrenar", "64 to train")),
    ("chosen by the lab", "activity-07", "la fija el archivo del laboratorio", "is set in the lab file",
     (f"y {VALIDATED}", "and the network that this part is about;")),
    ("usual", "activity-07", f"elegir la época y {VALIDATED}", "the epoch and the network that this part", ()),
    ("no early stopping", "activity-07", "No se usó parada temprana", "No early stopping was used", ("elegir la época",)),
    ("no early stopping", "activity-08", "se conserva la última época, aunque no es la de menor pérdida de validación",
     "the last epoch is kept, although it is not the one of lowest validation loss", ("seguía mejorando", "still improving")),
    ("not normalised", "activity-07", "con la inicialización de Glorot", "with Glorot's initialisation", ()),
    ("one network", "activity-07", "inicialización de He", "He's initialisation", ("Glorot",)),
    ("pre-trained", "activity-07", "entrenamiento previo", "an earlier training", ("inicialización de He", "He's")),
    ("stopped early", "activity-08", "devolvió los pesos de la 3", "restored the weights of epoch 3", ("No podía",)),
    ("one network", "activity-08", "No detuvo el entrenamiento", "It did not end training", ("No podía detener",)),
    ("one epoch", "activity-12", "No podía detener el entrenamiento", "It could not end training", ()),
    ("shortened", "activity-07", "Se pidieron 40 épocas y se planificaron 6", "40 epochs were asked for and 6 were planned", ()),
    ("shortened", "activity-07", "presupuesto de tiempo", "time budget", ()),
    ("shortened", "introduction", "acortó algunos entrenamientos", "shortened some of the trainings", ()),
    ("shortened", "conclusions", "se acortaron", "were shortened", ()),
    ("first epoch best", "activity-08", "La validación no mejora con claridad", "Validation does not clearly improve",
     ("La pérdida de validación baja", "The validation loss falls")),
    ("nothing learned", "activity-08", "La red apenas aprendió", "The network has hardly learned", ()),
    ("even", "activity-08", "no se distingue de cero", "cannot be told from zero", ("memoriza", "memorises")),
    ("wide", "activity-12", "la red memoriza parte", "the network memorises part", ()),
    ("five seeds", "activity-09", "Con 5 semillas", "Over 5 seeds", ("una sola semilla", "one seed only")),
    ("five seeds", "activity-08", "Se entrenó con 5 semillas", "It was trained from 5 seeds", ()),
    ("five seeds", "conclusions", "El promedio sobre las semillas", "The mean over the seeds", ("una sola semilla",)),
    ("four seeds", "activity-09", "prueba t de Student sobre semillas pareadas", STUDENT, ()),
    ("perfect", "activity-09", "empatan exactamente 4 clases", "4 classes tie exactly", ("mayor que el azar",)),
    ("perfect", "activity-09", "La red no se equivocó", "The network made no mistake", ("El error más seguro",)),
    ("perfect", "conclusions", "la comparten varias redes", "is shared by several networks", ()),
    ("guessing", "activity-09", "no supera con claridad", "not clearly beat", ()),
    ("able", "activity-09", "Como referencia", "For reference", ("no supera con", "clearly beat")),
    ("one network", "activity-09", "El error más seguro es una imagen de", "The surest mistake is an image of", ()),
    ("one network", "activity-09", "confianza media", "mean confidence", ()),
    ("nothing found", "activity-10", "no se encontraron: archivos dañados, duplicados exactos y casi duplicados",
     "not found: damaged files, exact duplicates, and near duplicates", ("en negrita", "in bold")),
    ("duplicates", "activity-10", "duplicados exactos: 6 (grupos de imágenes iguales: 3; con otra etiqueta que la primera de su",
     "exact duplicates: 6 (sets of equal images: 3; with another label than the first of their set: 2).", ()),
    ("duplicates", "activity-10", "archivos dañados y casi duplicados", "damaged files and near duplicates", ()),
    ("duplicates", "activity-10", "que el primero de su grupo: 2; ninguna red", "the first of their set: 2; no network", ()),
    ("no part 2.2", "introduction", "Clothes", "Clothes", ("Digits",)),
    ("a network diverged", "activity-09", "VGG-19", "VGG-19", ("ResNet-50 (",)),
    ("a network diverged", "activity-13", "exactitud promedio", "mean accuracy", ("Comparación entre redes",)),
    *((case, key, *words, ("memoriza", "memorises") if key == "activity-08" else ())
      for case in ("converged", "underfitted", "stopped in time", "noisy") for key, *words in (
        ("activity-08", "no hay señal de sobreajuste", "there is no sign of overfitting"),
        ("activity-09", "no hay señal de sobreajuste", "there is no sign of overfitting"),
        ("conclusions", "no hay una diferencia que indique sobreajuste", "no difference that points to overfitting"),
    )),
    ("converged", "activity-08", "de 1,210 en la primera época a 0,350 en la 6", "from 1.210 in the first epoch to 0.350 in epoch 6",
     ("seguía mejorando", "still improving", "Subajuste", "Underfitting")),
    ("underfitted", "activity-08", "seguía mejorando", "still improving", ()),
    ("overfitted", "activity-08", "su mínimo, 1,000, en la época 2 de 4", "its minimum, 1.000, in epoch 2 of 4", ()),
    ("overfitted", "activity-08", "supera a la validación por 25,0", "above validation by 25.0", ()),
    ("overfitted", "activity-08", "vuelve a subir hasta 1,500 en la última época", "rises again to 1.500 in the last epoch", ()),
    ("noisy", "activity-08", "no se distingue de cero", "cannot be told from zero",
     ("vuelve a subir", "rises again", "seguía mejorando", "still improving")),
    ("noisy", "activity-09", "no se distinguen", "they cannot be told apart", ("19 es mejor", "19 is better", "Net es mejor", "Net is better")),
    ("noisy", "conclusions", "de ninguna puede decirse que sea la mejor", "none can be called the best",
     ("supera a", " beats ", "fue AlexNet", "fue VGG-19")),
    ("a clear winner", "conclusions", "VGG-19 supera a AlexNet por", "VGG-19 beats AlexNet by",
     ("ninguna puede decirse", "none can be called")),
    ("a clear winner", "activity-09", "VGG-19 es mejor", "VGG-19 is better", ()),
    ("nothing to conclude", "conclusions",
     "Digits: ninguna red tiene resultados aquí, de modo que no hay nada que concluir. El entrenamiento de AlexNet divergió",
     "Digits: no network has results here, so that there is nothing to conclude. The training of AlexNet diverged", ()),
    ("a network lost", "conclusions", "No hay resultados de ResNet-50: su entrenamiento no terminó",
     "There are no results of ResNet-50", ()),
]  # fmt: skip
"""Of a case: what a section says in both languages, and what it then does not say."""


@pytest.mark.parametrize(("case", "key", "es", "en", "absent"), SAYS)
def test_what_is_said_follows_the_runs(
    lab: Callable[[str], Lab], case: str, key: str, es: str, en: str, absent: tuple[str, ...]
) -> None:
    lab(case).check(key, es, en, absent)


ALONE: dict[str, dict[str, tuple[str, str]]] = {
    "activity-08": {
        "converged": ("ya se había estabilizado", "had levelled off"),
        "overfitted": ("que es la marca del sobreajuste", "which is the mark of overfitting"),
        "underfitted": ("Incluso en entrenamiento la red acierta solo el 46,0 %", "Even of the training images the network is right for 46.0%"),
        "stopped in time": ("Se activó tras 2 épocas sin mejora, al final de la 4, y devolvió los pesos de la 2",
                          "It ended training after 2 epochs without improvement, at the end of epoch 4, and restored the weights of epoch 2"),
        "noisy": ("La exactitud de validación no sube con claridad", "The validation accuracy does not clearly rise"),
    },
    "conclusions": {
        "overfitted": ("hay sobreajuste.", "there is overfitting."),
        "underfitted": ("hay subajuste", "it underfits"),
        "diverged": ("El entrenamiento de ResNet-50 divergió", "The training of ResNet-50 diverged"),
    },
    "activity-09": {"overfitted": ("hay sobreajuste, y es considerable", "there is overfitting, and it is considerable")},
}  # fmt: skip
"""By section: for each course, what its text says in Spanish and in English. What one says no other may say."""


@pytest.mark.parametrize(("key", "name"), [(key, name) for key, says in ALONE.items() for name in says])
def test_each_course_is_described_and_no_other_so(lab: Callable[[str], Lab], key: str, name: str) -> None:
    lab(name).check(key, *ALONE[key][name])
    for other in COURSES:
        if other not in (name, "a clear winner"):
            for words, code in zip(ALONE[key][name], ("es", "en"), strict=True):
                assert words.rstrip("0123456789,.% ") not in lab(other).says(key, code), (other, code)


def test_a_thousand_classes_are_answered_by_their_ends(lab: Callable[[str], Lab]) -> None:
    (table,) = (
        one.item
        for one in lab("a thousand classes").document("es").section("activity-09").items
        if one.name == "per_class"
    )
    assert isinstance(table, Table) and len(table.rows) == 20
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


def test_the_layer_table_has_the_published_counts(lab: Callable[[str], Lab]) -> None:
    vgg = lab("one network").data.architectures["vgg19"]
    blocks = by_blocks(vgg.layers)
    published = [(38_720, 128), (221_440, 256), (2_065_408, 1_024), (8_259_584, 2_048), (9_439_232, 2_048)]
    found = [blocks[f"block{i}"] for i in range(1, 6)]
    assert [(block["parameters"], block["filters"]) for block in found] == published
    totals = {step["block"]: step["parameters"] for step in vgg.construction}
    assert totals == {
        "block1": 38_720, "block2": 260_160, "block3": 2_325_568, "block4": 10_585_152, "block5": 20_024_384,
        "flatten": 20_024_384, "fc6": 122_788_928, "fc7": 139_570_240, "fc8": 143_667_240,
    }  # fmt: skip
    assert set(totals) == set(FIGURE_1) and agrees(vgg)


def test_a_shortened_training_is_said_of_the_other_networks(lab: Callable[[str], Lab]) -> None:
    made = lab("shortened")
    section = next(section for section in SECTIONS if section.key == "activity-09")
    primary = str(section.answer(made.data, Language("en")).names["network"])
    other = next(run.title for run in made.data.parts["2_1"].runs if run.title != primary)
    made.check("activity-07", f"{other} (6 épocas de 40)", f"{other} (6 epochs of 40)", absent=(f"{primary} (6",))


def test_several_seeds_are_averaged(lab: Callable[[str], Lab]) -> None:
    made = lab("five seeds")
    mean = float(np.mean([run.predictions["test"].right.mean() for run in made.data.parts["2_1"].runs]))
    assert f"{100 * mean:.1f}%" in made.says("activity-09", "en")


def test_networks_of_several_seeds_are_compared_over_them(lab: Callable[[str], Lab]) -> None:
    part = lab("four seeds").data.parts["2_1"]
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
        assert pair["only_better"] is None and pair["p"].how == STUDENT


def test_ranks_say_what_the_confusion_matrix_says(lab: Callable[[str], Lab]) -> None:
    run = lab("one network").data.parts["2_1"].runs[0]
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


def test_mistakes_are_discussed_where_they_are_shown(lab: Callable[[str], Lab]) -> None:
    made = lab("one network")
    assert [item.name for item in made.document("es").section("activity-09").items] == [
        "accuracies", "accuracy", "reliability", "best", "worst", "classes", "per_class", "confusion", "confusions",
        "mistakes", "attention",
    ]  # fmt: skip
    test = made.data.parts["2_1"].runs[0].predictions["test"]
    sure = float(test.probabilities.max(axis=1)[~test.right].max())
    assert f"{100 * sure:.1f}%" in made.says("activity-09", "en")
    assert confusion(test.predicted, test.labels, 4).sum() == test.labels.size


def test_hostile_names_are_printed_as_data(lab: Callable[[str], Lab]) -> None:
    pieces = lab("hostile names").document("es").section("activity-09").pieces
    page = "".join(piece.screen for piece in pieces if isinstance(piece, Prose))
    assert "<b>" not in page and "<em>x" not in page and 'href="j"' not in page and "7" in page


def test_what_is_missing_is_a_problem_of_its_section_and_the_rest_stands(lab: Callable[[str], Lab]) -> None:
    for code in ("es", "en"):
        assert lab("no part 2.2").document(code).section("activity-13").problems
        assert len(lab("no part 2.2").says("activity-09", code)) > 500
    problems = lab("a network diverged").document("en").section("activity-09").problems
    assert any("diverged" in problem for problem in problems)
    for key in ("activity-08", "activity-09", "activity-12", "activity-13"):
        problems = lab("diverged").document("es").section(key).problems
        assert any("El entrenamiento de ResNet-50 divergió" in problem for problem in problems)
        assert "ResNet-50 (" not in lab("diverged").says(key, "en")
