"""Leaks, the division, the selection and the findings: values by hand, and what the report makes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from cnnlab.errors import StoreError
from report.activities import data_findings as findings
from report.activities import dataset, results
from report.activities.leaks import without_leaks
from report.data.records import LabData
from report.data.trainings import Predictions, RunData
from report.document.appendix import SOURCES
from report.document.model import Prose
from report.evidence.quantity import Gallery
from report.evidence.statistics import wilson
from tests.command import translated
from tests.reports import ENGLISH, ONE, SPANISH, Make, document, says, told

# Rows 0-19 of a class of 40 are training, 20-29 validation, 30-39 test.
KEPT = [(25, 3, True), (30, 0, True), (31, 1, False), (70, 26, True), (71, 41, False)]
"""One leaked image of validation, and four of test: three of class 0 or its copies, one of them of validation."""


def placed(data: LabData, key: str) -> list[str]:
    return [item.name for item in document(data, "en").section(key).items]


def answers(run: RunData, wrong: Sequence[int]) -> None:
    """Make a run right on all test images but those of these rows."""
    test = run.predictions["test"]
    taken = np.where(np.isin(test.ids, wrong), (test.labels + 1) % test.probabilities.shape[1], test.labels)
    run.predictions["test"] = Predictions(np.eye(test.probabilities.shape[1])[taken], test.labels, test.ids)


# Leaks that were kept


def test_accuracy_without_leaked_images_is_that_of_the_others(lab: Make) -> None:
    data = lab(leaks={"clothes": KEPT}, **ONE)
    part = data.parts["2_1"]
    answers(part.runs[0], wrong=[32, 33, 34, 72, 110, 111, 112, 150, 151, 152])
    names = results.answer(data, ENGLISH, part="2_1").names
    leaks = names["leaks"]
    # 40 test images, 30 right; all 4 leaked ones are, so that 26 of 36 remain.
    assert (names["test"].value, names["test"].n) == (0.75, 40)
    assert leaks["test"].value == 4 and leaks["validation"].value == 1 and leaks["total"].value == 5
    clean = leaks["clean"]
    assert (clean.value, clean.n, clean.unit) == (pytest.approx(26 / 36), 36, "share")
    assert (clean.low, clean.high) == pytest.approx(wilson(26, 36))
    assert (leaks["clean_images"].value, leaks["on_leaked"].value, leaks["on_leaked"].n) == (36, 1.0, 4)
    assert (leaks["exact"].value, leaks["near"].value) == (3, 2)
    raised = leaks["raised"]
    assert (raised.value, raised.n) == (pytest.approx(0.75 - 26 / 36), 40)
    # Newcombe for 4 of 4 against 26 of 36, times 4 of 40: Wilson gives (0.5101, 1) and (0.5602, 0.8409).
    low, high = wilson(26, 36)
    gap = 1 - 26 / 36
    assert raised.low == pytest.approx(0.1 * (gap - math.hypot(1 - wilson(4, 4)[0], high - 26 / 36)))
    assert raised.high == pytest.approx(0.1 * (gap + math.hypot(0.0, 26 / 36 - low)))
    assert not leaks["flatters"] and not leaks["is_harder"]
    text = says(data, "activity-09", "en")
    assert "72.2% (56.0–84.2) over 36 images, against 75.0% over all (on the copied images alone: 100.0%)" in text
    assert "changes by 2.8 pp" in text and "cannot be told from zero: the test set does not show" in text


def test_leaks_that_flatter_or_do_not_are_told_apart(lab: Make) -> None:
    rows = [*range(30, 40), *range(70, 80)]  # half of the test images, those of classes 0 and 1
    data = lab(leaks={"clothes": [(row, row - 30, True) for row in rows]}, **ONE)
    run = data.parts["2_1"].runs[0]
    answers(run, wrong=[*range(110, 120), *range(150, 155)])
    told(data, ("activity-09", "la hacen parecer mejor de lo que es", "they make it look better than it is",
                "el conjunto de test no muestra", "the test set does not show"))  # fmt: skip
    leaks = without_leaks(data.parts["2_1"], run)
    assert (leaks["clean"].value, leaks["raised"].value) == (pytest.approx(5 / 20), pytest.approx(25 / 40 - 5 / 20))
    answers(run, wrong=rows)
    told(data, ("activity-09", "son más difíciles que las demás", "they are harder than the other images"))


# What sections say


def finding(
    kind: str, count: int, severity: str = "info", sources: Sequence[str] = (), **detail: Any
) -> dict[str, Any]:
    return {"kind": kind, "severity": severity, "count": count, "detail": detail, "sources": list(sources)}


FEW_SHOT = finding("few-shot", 100, train=64, validation=16, test=20)
NEW = [
    finding("near-duplicate", 2, "warning", ["a/1.jpg", "b/2.jpg"], groups=1, with_other_label=0),
    finding("missing", 1, "warning", ["lost.jpg"]),
    finding("empty-class", 1, "warning", ["airfield"]),
    finding("unlabelled", 7, "warning"),
    finding("incomplete", 600, "warning", images=59400, of_images=60000, classes=99, of_classes=100),
    FEW_SHOT,
    {**finding("small-class", 1, "warning"), "detail": {"<b>x</b>": 4}},
    finding("resized", 90, smallest="20x30", largest="500x375", enlarged=12),
    {**finding("ignored", 3), "detail": {"no suffix": 2, ".txt": 1}},
]
OFFICIAL = {"policy": "official", "seed": 7}
SELECTED = {"of_images": 9000, "classes": 3, "of_classes": 365}
SAID: dict[str, tuple[dict[str, Any], list[tuple[str, ...]]]] = {
    "every test image has a copy": (
        {"leaks": {"clothes": [(row + step, 0, True) for row in (0, 40, 80, 120) for step in range(30, 40)]}}, [
        ("activity-09", "Ninguna imagen de test carece de copia", "No test image is without a copy"),
    ]),
    "one leak": ({"leaks": {"clothes": [(30, 0, True)]}}, [
        ("activity-09", "en esta una red puede acertar por recordar", "on this one a network can be right",
         "las imágenes copiadas", "copied images"),
        ("activity-09", "Sin ella, VGG-19", "Without it, VGG-19"),
    ]),
    "several leaks": ({"leaks": {"clothes": KEPT}}, [
        ("activity-09", "en estas una red puede", "on these a network can"),
        ("activity-09", "imágenes de validación, 1 tiene una copia", "validation images, 1 has a copy"),
    ]),
    "leaks in validation only": ({"leaks": {"clothes": [(25, 3, True), (26, 4, False)]}}, [
        ("activity-09", "Ninguna imagen de test tiene una copia", "No test image has a copy",
         "Imágenes de test ya vistas", "Test images that were seen before"),
        ("activity-09", "imágenes de validación, 2 tienen una copia", "validation images, 2 have a copy"),
    ]),
    "leaks left out": ({"leaks": {"digits": KEPT}, "split": {"leaks": "exclude"}}, [
        ("activity-13", "se dejaron fuera de la división (5, figura", "left out of the division (5, figure",
         "Imágenes de test ya vistas", "Test images that were seen before", "No test image has a copy"),
        ("activity-10", "Se dejaron fuera de la división", "They were left out of the division", "Se conservaron",
         "They were kept"),
        ("activity-11", "copia entre las ya vistas: 5", "copy among those seen before: 5"),
        ("activity-10", "ya vistas, omitidas: 5 (copias exactas: 3", "seen before, left out: 5 (exact copies: 3"),
    ]),
    "no leaks": ({"split": {"leaks": "exclude"}}, [
        *((key, "Ninguna imagen de test tiene una copia, exacta o casi, en entrenamiento o validación.",
           "No test image has a copy, exact or near, in training or validation.") for key in ("activity-09", "activity-13")),
        ("activity-10", "Ninguna imagen de validación o de test tiene una copia", "No image of validation or test has",
         "Copias entre los conjuntos", "Copies across the sets"),
        ("activity-11", "Estrategia", "strategy", "omitidas por", "left out for"),
    ]),
    "leaks kept": ({"leaks": {"digits": KEPT}}, [
        ("activity-10", "Se conservaron (en validación: 1; en test: 4)", "They were kept (in validation: 1; in test: 4)"),
        ("activity-10", "la actividad 13 la da también sin ellas", "Activity 13 gives it without them"),
        ("activity-10", "píxel por píxel: 3; casi iguales", "pixel by pixel: 3; near ones"),
    ]),
    "an official division": ({"split": OFFICIAL, "dataset": {"stand_in_for": "mini-ImageNet"}}, [
        ("activity-07", "tal como los dividen sus autores", "as their authors divide them", "guardan la misma",
         "have the same", "del mismo modo", "in the same way", "ellos llaman", "they call"),
        ("activity-11", "tal como los dividen sus autores", "as their authors divide them", "por clase,", "by class,"),
        ("activity-10", "La división es la de los autores", "The division is that of the authors",
         "es de este laboratorio", "this lab's", "no tienen etiquetas", "no published labels"),
        ("activity-10", "con la semilla 7", "by seed 7"),
        ("activity-10", "se pueden poner junto a las publicadas", "be set beside published ones"),
    ]),
    "their validation images are the test set": (
        {"split": OFFICIAL, "dataset": {"validation_drawn": False, "test_is_validation": True}}, [
        ("activity-10", "no tienen etiquetas", "no published labels", "semilla 7", "by seed 7"),
        ("activity-10", "También las de validación son las de ellos", "Validation is theirs too"),
        ("activity-07", "las que ellos llaman de validación", "what they call validation"),
    ]),
    "an official division without leaks": (
        {"split": {"policy": "official", "leaks": "exclude"}, "leaks": {"digits": KEPT}}, [
        ("activity-10", "se usa solo una parte", "only a part of the data", "be set beside"),
    ]),
    "near copies were not searched": ({"findings": [], "dataset": {"near_searched": False}}, [
        ("activity-13", "Ninguna imagen de test tiene una copia exacta en", "No test image has an exact copy in",
         "exacta o casi", "exact or near"),
        ("activity-10", "no se buscan copias aproximadas", "Near copies are not searched", "exacta o casi",
         "exact or near", "near duplicates"),
    ]),
    "a random division": ({"split": {"seed": 12345}}, [
        ("activity-10", "al azar con la semilla 12345", "at random by seed 12345"),
        ("activity-07", "al azar con la semilla 12345", "at random by seed 12345", "sus autores", "authors"),
        ("activity-11", "Estrategia", "strategy", "esta copia", "this copy"),
    ]),
    "some classes are selected": ({"findings": [finding("selected", 120, **SELECTED)]}, [
        ("activity-10", "9.000 imágenes de 365 clases; este laboratorio usa 120 imágenes de 3 de ellas, en",
         "9,000 images of 365 classes; this lab uses 120 images of 3 of them, 40 a class"),
        ("activity-11", "usa 120 de las 9.000 imágenes de esta copia, de 3 de sus 365 clases (40 de cada clase)",
         "uses 120 of the 9,000 images of this copy, of 3 of its 365 classes (40 of each class)"),
    ]),
    "every class is selected": ({"findings": [finding("selected", 120, of_images=600, classes=3, of_classes=3)]}, [
        ("activity-10", "usa 120 imágenes de las 3, en", "uses 120 images of all 3, 40"),
        ("activity-11", "de esta copia (40 de cada", "of this copy (40 of each", "of its 3 classes"),
    ]),
    "a few-shot division": ({"findings": [FEW_SHOT], "dataset": {"title": "mini-ImageNet", "stand_in_for": None}}, [
        (key, "sin clases en común (clases de entrenamiento: 64, validación: 16, test: 20)",
         "no class in common (classes of training: 64, validation: 16, test: 20)", "suele dividirse", "is usually divided")
        for key in ("activity-07", "activity-11")
    ]),
    "a few-shot division of another data set": (
        {"findings": [finding("few-shot", 30, train=20, test=10)], "dataset": {"stand_in_for": None}}, [
        ("activity-07", "Los archivos de Clothes lo dividen", "(classes of training: 20, test: 10)"),
    ]),
    "mini-ImageNet without its division": ({"dataset": {"title": "mini-ImageNet", "stand_in_for": None}}, [
        ("activity-07", "suele dividirse por clases (64", "usually divided by class (64"),
    ]),
    "findings with numbers and examples": ({"findings": NEW}, [
        ("activity-10", es, en)
        for es, en in (
            ("diferencias: 2 (grupos de imágenes parecidas: 1; con otra", "differences: 2 (sets of like images: 1; with another"),
            ("como «a/1.jpg», «b/2.jpg».", "such as “a/1.jpg”, “b/2.jpg”."),
            ("nombran y que no están: 1, como «lost.jpg»", "that are not there: 1, such as “lost.jpg”"),
            ("ninguna imagen, omitidas: 1, como «airfield»", "without any image, left out: 1, such as “airfield”"),
            ("imágenes sin etiqueta, omitidas: 7.", "images without a label, left out: 7."),
            ("600 (imágenes aquí: 59.400; publicadas: 60.000; clases aquí: 99", "600 (images here: 59,400; published: 60,000"),
            ("100 (clases para entrenar: 64; para validar: 16", "100 (classes to train on: 64; to validate on: 16"),
            ("(la menor: 20×30; la mayor: 500×375; ampliadas: 12)", "(smallest: 20×30; largest: 500×375; enlarged: 12)"),
            ("3 (sin extensión: 2; .txt: 1)", "3 (no suffix: 2; .txt: 1)"),
        )
    ]),
}  # fmt: skip


@pytest.mark.parametrize("case", SAID)
def test_what_sections_say(lab: Make, case: str) -> None:
    options, checks = SAID[case]
    told(lab(**options, **ONE), *checks)


def test_few_shot_divisions_are_cited(lab: Make) -> None:
    cited = [
        {one.key for one in document(lab(**SAID[case][0], **ONE), "en").bibliography}
        for case in ("a few-shot division", "a few-shot division of another data set")
    ]
    assert {"vinyals2016", "ravi2017"} <= cited[0] and "ravi2017" not in cited[1]


def test_a_data_set_without_results_promises_none(lab: Make) -> None:
    def untrained(lock: dict[str, Any]) -> None:
        for entry in lock["runs"]:
            entry |= {"evaluation": None, "problem": "no memory"} if entry["dataset"] == "digits" else {}

    data = lab(untrained, leaks={"digits": KEPT}, **ONE)
    told(
        data,
        (
            "activity-10",
            "parece mejor de lo que es.",
            "better than it is.",
            "la actividad 13 la da",
            "Activity 13 gives",
        ),
    )


def test_an_official_division_is_named_under_tables_and_figures(lab: Make) -> None:
    items = dataset.answer(lab(split=OFFICIAL, **ONE), ENGLISH, part="2_2").items
    assert items["splits"].note == "Training and test images as the authors of the data divide them."
    assert "that of the authors" in items["distribution"].note


# The pairs


def test_each_leaked_image_stands_beside_its_copy(lab: Make) -> None:
    data = lab(leaks={"digits": KEPT}, **ONE)
    gallery = dataset.answer(data, ENGLISH, part="2_2").items["leaks"]
    assert isinstance(gallery, Gallery)
    assert gallery.group == 2 and gallery.alt == "5 pairs of an image and its copy"
    assert [(one.label, one.origin) for one in gallery.items] == [
        ("0", "validation"), ("0", "training, same pixels"), ("0", "test"), ("0", "training, same pixels"),
        ("0", "test"), ("0", "training, nearly the same"), ("1", "test"), ("0", "validation, same pixels"),
        ("1", "test"), ("1", "training, nearly the same"),
    ]  # fmt: skip
    pictures = data.parts["2_2"].dataset.leaks["images"]
    assert np.array_equal(gallery.items[3].pixels, pictures[1, 1])
    spanish = dataset.answer(data, SPANISH, part="2_2").items["leaks"]
    assert isinstance(spanish, Gallery) and spanish.items[-1].origin == "entrenamiento, casi igual"


def test_of_many_pairs_the_first_are_shown_and_that_is_said(lab: Make) -> None:
    pairs = [(row + step, step, True) for row in (0, 40) for step in range(30, 40)]
    gallery = dataset.answer(lab(leaks={"digits": pairs}, **ONE), ENGLISH, part="2_2").items["leaks"]
    assert isinstance(gallery, Gallery) and len(gallery.items) == 24
    assert gallery.note.endswith("Of the 20 pairs, the first 12.")
    one = dataset.answer(lab(leaks={"digits": pairs[:1]}, **ONE), SPANISH, part="2_2").items["leaks"]
    assert isinstance(one, Gallery) and one.alt == "1 par de una imagen y su copia" and "primeros" not in one.note


def test_pairs_are_shown_once(lab: Make) -> None:
    both = {"clothes": KEPT, "digits": KEPT}
    two = lab(leaks=both, **ONE)
    same = lab(lambda lock: lock["parts"]["2_2"].update(dataset="clothes"), leaks=both, **ONE)
    for data, expected in ((two, ["activity-09", "activity-10"]), (same, ["activity-10"])):
        assert [
            key for key in ("activity-09", "activity-10", "activity-13") if "leaks" in placed(data, key)
        ] == expected
    alone = lab(lambda lock: lock["parts"].pop("2_2"), leaks=both, **ONE)
    assert "leaks" in placed(alone, "activity-09")


def test_pairs_that_were_left_out_or_not_there(lab: Make) -> None:
    data = lab(leaks={"digits": KEPT}, split={"leaks": "exclude"}, **ONE)
    assert data.parts["2_2"].runs[0].predictions["test"].labels.size == 26
    gallery = dataset.answer(data, ENGLISH, part="2_2").items["leaks"]
    assert isinstance(gallery, Gallery)
    assert [one.origin for one in gallery.items[:4]] == ["left out", "training, same pixels"] * 2
    nothing = lab(split={"leaks": "exclude"}, **ONE)
    assert all("leaks" not in placed(nothing, key) for key in ("activity-09", "activity-10", "activity-13"))


# Findings


def test_findings_that_may_change_conclusions_come_first_in_bold(lab: Make) -> None:
    data = lab(findings=[FEW_SHOT, NEW[1]], **ONE)
    words = findings.findings_in_words(data.parts["2_2"].dataset, ENGLISH)
    assert [(one.warning, one.count.value) for one in words] == [(True, 1), (False, 100)]
    page = "".join(p.screen for p in document(data, "en").section("activity-10").pieces if isinstance(p, Prose))
    assert "<strong>files that the data set&#x27;s lists name" in page
    assert "<li><strong>files" in page.replace("\n", "") and "<li>classes that" in page.replace("\n", "")


def test_hostile_and_long_file_names_are_data(lab: Make) -> None:
    data = lab(findings=[finding("missing", 2, "warning", ["<img src=x>*a*", "x" * 200 + "/end.jpg"])], **ONE)
    page = "".join(p.screen for p in document(data, "en").section("activity-10").pieces if isinstance(p, Prose))
    assert "<img src=x>" not in page and "&lt;img src=x&gt;*a*" in page
    shown = findings.findings_in_words(data.parts["2_2"].dataset, ENGLISH)[0].examples[1]
    assert len(shown) == 60 and shown.startswith("…xxx") and shown.endswith("/end.jpg")


# The appendix, and records


def facts(data: LabData, code: str, position: int) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for term, text in document(data, code).appendix["Data sets and credits"][position].facts:
        found.setdefault(term, []).append(text)
    return found


def test_the_appendix_audits_both_data_sets(lab: Make) -> None:
    data = lab(leaks={"clothes": KEPT}, split={"seed": 3}, findings=[NEW[1], FEW_SHOT], **ONE)
    english, spanish = facts(data, "en", 0), facts(data, "es", 0)
    assert english["Division"] == [
        "80 training, 40 validation and 40 test images (by this lab, at random inside each class, seed 3)"
    ]
    assert english["This copy"] == ["folder test"] and spanish["Esta copia"] == ["carpeta test"]
    assert english["Finding"] == [
        "files that the data set's lists name and that are not there: 1",
        "images of validation or test with a copy among those seen before: 5 (exact copies: 3; with another label than "
        "their copy: 1)",
        "classes that the data set's own files divide for few-shot learning, put together and divided again: 100 "
        "(classes to train on: 64; to validate on: 16; to test on: 20)",
    ]
    assert spanish["Hallazgo"][0] == "archivos que las listas del conjunto nombran y que no están: 1"
    assert "semilla 3" in spanish["División"][0]
    nothing = lab(findings=[], split={"policy": "official"}, dataset={"source": "<b>the moon</b>"}, **ONE)
    found = facts(nothing, "en", 1)
    assert found["Finding"] == ["nothing to point out"] and "as the authors of the data divide" in found["Division"][0]
    assert found["This copy"] == ["<b>the moon</b>"]
    assert all(translated(words) for words in SOURCES)


def test_leaks_know_their_rows(lab: Make) -> None:
    data = lab(leaks={"clothes": KEPT}, **ONE).parts["2_1"].dataset
    assert data.leaks["pairs"].tolist() == [[25, 3], [30, 0], [31, 1], [70, 26], [71, 41]]
    assert data.leaks["exact"].tolist() == [True, True, False, True, False] and data.split["leaks"] == "keep"
    assert data.leaks["images"].shape == (5, 2, 32, 32, 3) and data.leaks["labels"][3].tolist() == [1, 0]
    assert data.leaked(np.array([29, 30, 31, 0, 71])).tolist() == [False, True, True, False, True]


def test_a_record_that_does_not_tell_its_division_is_refused(lab: Make) -> None:
    data = lab(**ONE)
    record = data.parts["2_2"].dataset.record
    del record.manifest["split"]  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="an older cnnlab wrote it") as problem:
        dataset.answer(data, ENGLISH, part="2_2")
    assert "run the lab again" in str(problem.value)
