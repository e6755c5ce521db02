"""What the activities answer, in both languages, for runs of many kinds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from cnnlab.lab import load_lab
from report.activities.common import primary_network
from report.document.rubric import load_rubric
from report.evidence.language import Language
from report.evidence.quantity import Figure, Quantity
from tests.reports import Make, document, prose
from tests.whole_report import EVERY_KIND

SECTIONS = load_rubric(load_lab("demo")).sections
KEYS = [section.key for section in SECTIONS]


CASES: dict[str, dict[str, Any]] = {
    "three networks": {},
    "one network": {"networks": {"clothes": ["vgg19"], "digits": ["alexnet"]}},
    "several seeds": {"seeds": (0, 1, 2)},
    "equal networks": {"skill": dict.fromkeys(("alexnet", "vgg19", "resnet50"), 0.75)},
    "perfect networks": {"skill": dict.fromkeys(("alexnet", "vgg19", "resnet50"), 1.0)},
    "two classes": {"classes": {"clothes": ["a", "b"], "digits": ["0", "1"]}},
    "many classes": {"classes": {"clothes": [f"class {i}" for i in range(40)], "digits": ["0", "1"]}},
}


@pytest.mark.parametrize("code", ["es", "en"])
@pytest.mark.parametrize("case", CASES)
def test_every_section_is_answered(lab: Make, case: str, code: str) -> None:
    made = document(lab(**CASES[case]), code)
    assert [section.key for section in made.sections] == KEYS
    for key in KEYS:
        assert len(prose(made, key)) > 150, key
        if key.startswith("activity"):
            assert made.section(key).items, key
    assert made.missing == ()


@pytest.mark.parametrize(
    ("key", "es", "en"),
    [
        ("activity-01", ["260.160", "figura 1", "56×56×128"], ["260,160", "figure 1", "56×56×128"]),
        ("activity-02", ["2.325.568", "cuatro convoluciones de 3×3 con 256"], ["2,325,568", "four 3×3 convolutions of 256"]),
        ("activity-03", ["20.024.384", "8.259.584", "9.439.232"], ["20,024,384", "8,259,584", "9,439,232"]),
        ("activity-04", ["25.088", "7 · 7 · 512", "corresponden a lo esperado"], ["25,088", "is as expected"]),
        ("activity-05", ["122.788.928", "102.764.544"], ["122,788,928", "102,764,544"]),
        ("activity-06", ["143.667.240", "86,1 %", "bloque 4 y bloque 5", "2.048"], ["143,667,240", "86.1%", "2,048"]),
        ("comparison", ["no AlexNet", "60.965.224", "25.636.712", "40,7 %"], ["no AlexNet", "60,965,224", "40.7%"]),
        ("activity-07", ["Estrategia de validación", "Tiempo de entrenamiento", "Ajuste de parámetros",
                         "Algoritmo de optimización", "mini-batch", "en lugar de mini-ImageNet"],
                        ["Validation strategy", "Training time", "Tuning", "Optimisation algorithm", "Mini-batch",
                         "in place of mini-ImageNet"]),
        ("activity-10", ["120 imágenes", "3 clases"], ["120 images", "3 classes"]),
    ],
)  # fmt: skip
def test_what_the_assignment_asks_is_said(lab: Make, key: str, es: list[str], en: list[str]) -> None:
    data = lab()
    for code, expected in (("es", es), ("en", en)):
        text = prose(document(data, code), key)
        for words in expected:
            words = words.replace("no AlexNet", "pero no AlexNet" if code == "es" else "but no AlexNet")
            assert words.lower() in text.lower(), (key, code, words)


def test_the_primary_network_is_chosen_on_validation(lab: Make) -> None:
    data = lab()
    part = data.parts["2_1"]
    on_validation = {run.network: run.predictions["validation"].right.mean() for run in part.runs}
    assert primary_network(part) == max(on_validation, key=lambda name: on_validation[name])


def test_the_labs_choice_of_network_wins(lab: Make) -> None:
    data = lab(lambda lock: lock["parts"]["2_1"].update(primary="alexnet"))
    assert primary_network(data.parts["2_1"]) == "alexnet"
    assert "lo fija el archivo del laboratorio" in prose(document(data, "es"), "activity-09")


def test_accuracies_are_those_of_the_predictions(lab: Make) -> None:
    data = lab()
    section = next(section for section in SECTIONS if section.key == "activity-09")
    names = section.answer(data, Language("en")).names
    run = next(run for run in data.parts["2_1"].runs if run.title == names["network"])
    test = run.predictions["test"]
    assert names["test"].value == pytest.approx(test.right.mean())
    assert names["test"].n == test.labels.size == 40
    per_class = [test.right[test.labels == label].mean() for label in range(4)]
    assert names["mean_of_classes"].value == pytest.approx(np.mean(per_class))
    assert names["best"].accuracy.value == max(per_class)
    assert names["worst"].accuracy.value == min(per_class)
    assert names["gap_to_test"].value == pytest.approx(run.predictions["train"].right.mean() - test.right.mean())


def test_text_and_figure_break_ties_between_classes_alike(lab: Make) -> None:
    data = lab(**CASES["perfect networks"])
    section = next(section for section in SECTIONS if section.key == "activity-09")
    evidence = section.answer(data, Language("en"))
    names = sorted(["shirt", "trouser", "coat", "bag"])
    assert (evidence.names["best"].name, evidence.names["worst"].name) == (names[0], names[-1])
    figure = evidence.items["classes"]
    assert isinstance(figure, Figure)
    assert [pair["name"] for pair in figure.data["pairs"]] == names


def test_equal_networks_are_not_ranked(lab: Make) -> None:
    made = document(lab(**CASES["equal networks"]), "en")
    assert "cannot be told apart" in prose(made, "activity-09")


def test_a_failed_network_is_said_and_the_rest_is_answered(lab: Make) -> None:
    def fail(lock: dict[str, Any]) -> None:
        entry = next(entry for entry in lock["runs"] if entry["network"] == "vgg19")
        entry |= {"evaluation": None, "problem": "training diverged"}

    made = document(lab(fail), "es")
    assert any("training diverged" in problem for problem in made.missing)
    assert any("VGG" in problem or "vgg19" in problem for problem in made.section("activity-09").problems)
    assert "AlexNet" in prose(made, "activity-09")


def test_a_part_without_any_run_is_said(lab: Make) -> None:
    def fail(lock: dict[str, Any]) -> None:
        for entry in lock["runs"]:
            if entry["dataset"] == "digits":
                entry |= {"evaluation": None, "problem": "no memory"}

    made = document(lab(fail), "es")
    assert made.section("activity-13").problems
    assert len(prose(made, "activity-10")) > 150


def bare(name: str, value: Any) -> list[str]:
    """Names of what is a number without a source, which a template must not print."""
    if value is None or isinstance(value, bool | str | Quantity):
        return []
    if isinstance(value, Mapping):
        return [found for key, one in value.items() for found in bare(f"{name}.{key}", one)]
    if isinstance(value, Sequence):
        return [found for one in value for found in bare(name, one)]
    if dataclasses.is_dataclass(value):
        return [
            found for one in dataclasses.fields(value) for found in bare(f"{name}.{one.name}", getattr(value, one.name))
        ]
    return [name]


@pytest.mark.parametrize("case", ["three networks", "several seeds", "many classes"])
def test_every_number_of_the_evidence_has_a_source(lab: Make, case: str) -> None:
    data = lab(**CASES[case], **(EVERY_KIND if case == "three networks" else {}))
    for section in SECTIONS:
        evidence = section.answer(data, Language("en"))
        assert set(bare("", evidence.names)) <= {".best.label", ".worst.label"}, section.key
