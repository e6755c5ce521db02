"""What the marks of a chart on screen say where the pointer rests on them: the report's numbers, in its format."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from report.activities.curves import answer
from report.data.records import open_lab
from report.data.trainings import Trial
from report.evidence.quantity import Figure
from report.figures import bars, confusion, curves, sizes
from report.figures.distribution import class_distribution
from report.figures.reliability import Bin, reliability_diagram
from report.figures.svg import svg
from report.figures.theme import PRINT, SCREEN
from report.figures.trials import trials_figure
from tests.fabricate import write_store
from tests.figure_samples import ENGLISH, SPANISH, samples, share

NB = "\N{NO-BREAK SPACE}"
HISTORY: dict[str, Any] = {
    "network": "vgg19", "loss": [2.0, 1.0, 0.5], "accuracy": [0.3, 0.6, 0.9], "val_loss": [2.1, 1.2, 1.3],
    "val_accuracy": [0.25, 0.5512, 0.63], "learning_rate": [0.05, 0.0125, 0.005], "best_epoch": 2,
}  # fmt: skip
ONE = curves.History(**HISTORY)
OTHER = curves.History(**{**HISTORY, "network": "alexnet", "val_accuracy": [0.4], "best_epoch": 1})
SHORT = curves.History(**{**HISTORY, "seed": 1, "val_accuracy": [0.35]})
SIZE = sizes.NetworkSize(network="vgg19", parameters=143_667_240, multiply_adds=10, top1=0.713, protocol="single crop")
TRIALS = [
    Trial(1, "complete", {"learning_rate": 0.0125}, 0.5, None, 6, None),
    Trial(2, "failed", {"learning_rate": 0.3}, None, None, 6, None),
]


def said(figure: Figure) -> list[str]:
    """The titles of a chart's marks."""
    root = ElementTree.fromstring(svg(figure, SCREEN))
    return [title.text or "" for group in root.iter("{http://www.w3.org/2000/svg}g")
            for title in group.findall("{http://www.w3.org/2000/svg}title")]  # fmt: skip


@pytest.mark.parametrize(
    ("figure", "first"),
    [
        (
            curves.accuracy_curves([ONE], SPANISH, caption=""),
            ["Época 1\nentrenamiento: 0,300\nvalidación: 0,250\nTasa de aprendizaje: 0,05",
             "Época 2\nentrenamiento: 0,600\nvalidación: 0,551, mejor época\nTasa de aprendizaje: 0,0125"],
        ),
        (
            curves.comparison_curves([ONE, OTHER], ENGLISH, caption=""),
            ["Epoch 1\nVGG-19: 0.250\nAlexNet: 0.400, best epoch", "Epoch 2\nVGG-19: 0.551, best epoch"],
        ),
        (
            curves.comparison_curves([ONE, SHORT], ENGLISH, caption=""),
            ["Epoch 1\nVGG-19: 0.300 (0.250–0.350; seeds: 2)", "Epoch 2\nVGG-19: 0.551 (0.551–0.551; seeds: 1), best epoch"],
        ),
        (
            bars.accuracy_comparison({"vgg19": {"test": share(80, 100)}}, SPANISH, caption=""),
            [f"VGG-19, test\nExactitud: 80,0{NB}%\nIntervalo del 95{NB}%: 71,1–86,7{NB}%\nImágenes: 100"],
        ),
        (
            bars.per_class_accuracy(["dog", "cat"], [share(5, 10), share(9, 10)], ENGLISH, caption=""),
            ["cat\nAccuracy: 90.0%\n95% interval: 59.6–98.2%\nImages: 10"],
        ),
        (
            class_distribution(["'><script>\"&amp;", "b"], {"train": [1200, 3], "test": [7, 4]}, SPANISH, caption=""),
            ["'><script>\"&amp;\nImágenes: 1.207\nentrenamiento: 1.200\ntest: 7"],
        ),
        (sizes.networks_compared([SIZE], ENGLISH, caption=""), ["VGG-19\nParameters: 143,667,240"]),
        (
            trials_figure(TRIALS, SPANISH, network="vgg19", selected=1, with_rate=True, caption=""),
            [f"Ensayo 1, completo, seleccionado\nExactitud de validación: 50,0{NB}%\nTasa de aprendizaje máxima: 0,0125",
             "Ensayo 2, fallido\nTasa de aprendizaje máxima: 0,3"],
        ),
        (
            confusion.confusion_matrix([[0, 0], [1, 3]], ["a", "b"], ENGLISH, caption=""),
            ["Images: 1 of 4 (25.0%)\nTrue class: b\nPredicted class: a"],
        ),
        (
            reliability_diagram({"vgg19": [None, Bin(50, 0.75, 0.7, 0.56, 0.81)]}, ENGLISH, caption=""),
            ["VGG-19\nAccuracy: 70%, Confidence: 75%, Images: 50"],
        ),
    ],
)  # fmt: skip
def test_marks_say_their_numbers_in_the_language(figure: Figure, first: list[str]) -> None:
    assert said(figure)[: len(first)] == first


def test_the_best_epoch_says_the_numbers_of_its_record(tmp_path: Path) -> None:
    lab = open_lab(write_store(tmp_path / "runs"), "demo")
    run = lab.parts["2_1"].of("vgg19")[0]
    best = int(run.resolved["best_epoch"])
    titles = said(answer(lab, SPANISH, part="2_1").items["loss"])  # type: ignore[arg-type]
    assert len(titles) == len(run.history["epoch"])
    at = {key: SPANISH.number(float(run.history[key][best - 1]), 3) for key in ("loss", "val_loss")}
    assert titles[best - 1].split("\n")[:3] == [
        f"Época {best}", f"entrenamiento: {at['loss']}", f"validación: {at['val_loss']}, mejor época",
    ]  # fmt: skip


def test_paper_says_nothing() -> None:
    figures = samples(SPANISH)
    for name in ("loss-8", "accuracy", "compared", "distribution-10", "confusion-10", "trials-8"):
        assert svg(figures[name], PRINT).count("<title>") == 1, name
        assert "<script" not in svg(figures[name], SCREEN)
