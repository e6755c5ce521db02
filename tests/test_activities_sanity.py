"""The checks of every network: what passes and fails by constructed evidence, and how it is worded."""

from __future__ import annotations

import math
from typing import Any

import pytest
from scipy.stats import binomtest

from report.activities import sanity
from report.activities.sanity import against_constant
from report.data.records import LabData
from report.evidence.compare import against_linear
from report.evidence.language import Language
from report.evidence.quantity import Table
from report.evidence.statistics import wilson
from tests.reports import ENGLISH, ONE, Make, told

OVERFIT = {"images": 16, "steps": 40, "loss_before": 1.4, "loss": 0.01}
LN4 = math.log(4)


def checked(initial: float | None = 1.4, **overfit: Any) -> dict[str, Any]:
    return {"classes": 4, "ln_classes": LN4, "initial_loss": initial, "overfit": {**OVERFIT, **overfit}}


def cells(data: LabData, network: str = "VGG-19", code: str = "en") -> dict[str, str]:
    table = sanity.answer(data, Language(code)).items["checks_2_1"]
    assert isinstance(table, Table)
    found = next(one for one in table.rows if one["network"] == network)
    return {key: str(cell).replace("\N{NO-BREAK SPACE}", " ") for key, cell in found.items()}


@pytest.mark.parametrize(
    ("initial", "passed"), [(LN4, True), (1.09 * LN4, True), (0.91 * LN4, True), (1.11 * LN4, False), (0.5, False)]
)
def test_the_loss_at_the_start_is_within_a_tenth_of_ln_k(lab: Make, initial: float, passed: bool) -> None:
    cell = cells(lab(sanity=checked(initial), **ONE))["start"]
    assert cell == f"{'✓ passed' if passed else '✗ not passed'}: {initial:.3f}; ln K = 1.386"


@pytest.mark.parametrize(("loss", "passed"), [(0.01, True), (0.139, True), (0.141, False)])
def test_a_batch_is_learned_when_its_loss_is_below_a_tenth(lab: Make, loss: float, passed: bool) -> None:
    cell = cells(lab(sanity=checked(loss=loss), **ONE))["overfit"]
    assert cell.startswith("✓ passed: 16 images, 40 steps: 1.400 →" if passed else "✗ not passed: 16 images")


def test_failures_are_worded_as_such(lab: Make) -> None:
    made = lab(sanity=checked(2.0, loss=1.2), baselines={"clothes": {"accuracy_test": 0.99, "loss": 0.1}}, **ONE)
    told(
        made,
        ("sanity", "VGG-19: su pérdida al comienzo es 2,000, a más del 10 % de ln K = 1,386",
         "VGG-19: its loss at the start is 2.000, more than 10% from ln K = 1.386"),
        ("sanity", "no ha aprendido 16 imágenes de memoria: en 40 pasos su pérdida pasó de 1,400 a 1,200",
         "it has not learned 16 images by heart: after 40 steps their loss went from 1.400 to 1.200"),
        ("sanity", "no es menor que la de una respuesta constante, 0,100", "is not below the 0.100 of a constant answer"),
        ("sanity", "no es mayor que la de una respuesta constante, 99,0 %", "is not above the 99.0% of a constant"),
    )  # fmt: skip
    assert cells(made)["constant"].startswith("✗ not passed: loss 0.741, constant 0.100; test")
    assert cells(made, code="es")["constant"].startswith("✗ no pasada: pérdida 0,741, constante 0,100")


def test_a_constant_answer_is_compared_in_the_kept_epoch(lab: Make) -> None:
    part = lab(baselines={"clothes": {}}, **ONE).parts["2_1"]
    assert part.baseline is not None
    found = against_constant(part, part.runs[0])
    # Epoch 5 of 6 is kept: 2 − 1.3 · (1 − 2⁻⁵).
    assert found["loss"].value == pytest.approx(2 - 1.3 * (1 - 0.5**5))
    assert found["constant_loss"].value == pytest.approx(LN4) and found["constant_accuracy"].value == 0.25
    assert found["beats_loss"] and found["beats_accuracy"]


def test_the_linear_classifier_is_compared_image_by_image(lab: Make) -> None:
    part = lab(baselines={"clothes": {"right": 0.45}}, **ONE).parts["2_1"]
    found, network = against_linear(part, part.runs[0]), part.runs[0].predictions["test"].right
    linear = [index < 18 for index in range(40)]
    only_network = sum(a and not b for a, b in zip(network, linear, strict=True))
    only_linear = sum(b and not a for a, b in zip(network, linear, strict=True))
    p = binomtest(min(only_network, only_linear), only_network + only_linear, 0.5).pvalue
    assert found["p"].value == pytest.approx(p) and found["p"].n == only_network + only_linear
    assert found["accuracy"].value == 0.45 and (found["accuracy"].low, found["accuracy"].high) == wilson(18, 40)
    assert found["difference"].value == pytest.approx((only_network - only_linear) / 40)
    assert found["beaten"] and not found["is_worse"] and p < 0.05


@pytest.mark.parametrize(
    ("right", "es", "en", "sign"),
    [
        (0.3, "VGG-19 lo supera, por", "VGG-19 beats it, by", "✓ passed"),
        (0.75, "no ha superado al clasificador lineal", "has not beaten the linear classifier", "✗ not passed"),
        (1.0, "es peor que el clasificador lineal", "is worse than the linear classifier", "✗ not passed"),
    ],
)
def test_the_linear_classifier_is_named_in_results_and_appendix(
    lab: Make, right: float, es: str, en: str, sign: str
) -> None:
    data = lab(baselines={"clothes": {"right": right}}, **ONE)
    found = [("activity-09", es, en), ("activity-09", "sobre los colores medios de 8×8 zonas", "on 8×8 mean colours")]
    found += [("sanity", f"VGG-19: {es}", f"VGG-19: it {en}")] if sign.startswith("✗") else []
    told(data, *found, ("activity-13", "", "", "linear"))
    assert cells(data)["linear"].startswith(f"{sign}: ")


def test_what_was_not_checked_does_not_apply(lab: Make) -> None:
    absent = cells(lab(sanity={**checked(None), "overfit": None}, **ONE))
    assert [absent[key] for key in ("start", "overfit", "constant", "linear")] == ["does not apply"] * 4
    trained = lab(sanity=checked(5.0), recipe={"weights": "imagenet"}, **ONE)
    assert cells(trained)["start"] == "does not apply" and cells(trained, code="es")["start"] == "no se aplica"
    assert cells(trained)["overfit"].startswith("✓")
    older = lab(**ONE)
    assert sanity.answer(older, ENGLISH).items == {}
    told(older, ("sanity", "son anteriores a las comprobaciones", "are older than the checks", "Clothes"))


def test_a_diverged_network_is_named_with_its_reason_and_a_part_that_passes_everything_says_so(lab: Make) -> None:
    options: dict[str, Any] = {"sanity": checked(), "skill": {"vgg19": 1.0, "alexnet": 1.0}, **ONE}
    baselines = {"clothes": {"right": 0.3}}
    data = lab(baselines=baselines, diverged={"resnet50": "the loss was NaN in step 12"}, **options)
    told(data, ("sanity", "ResNet-50: el entrenamiento divergió (the loss was NaN in step 12) y no tiene resultados",
                "ResNet-50: the training diverged (the loss was NaN in step 12) and has no results"))  # fmt: skip
    found = cells(data, "ResNet-50")
    assert found["start"].startswith("✓ passed: 1.400") and found["linear"] == "✗ diverged"
    told(lab(baselines=baselines, **options), ("sanity", "Clothes. Se pasaron todas las comprobaciones que se aplican.",
                                               "Clothes. Every check that applies was passed."))  # fmt: skip
