"""How sure the networks are: values by hand, the diagram that shows it, and what it says of each network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from report.activities.results import BINS, answer, sureness
from report.data.records import LabData
from report.data.trainings import Predictions, RunData
from report.evidence.quantity import Figure
from report.figures.reliability import FEWEST, Bin, reliability_diagram
from report.figures.svg import paint, svg
from report.figures.theme import PRINT, SCREEN, network_style
from tests.reports import ENGLISH, SPANISH, make_lab

NETWORKS = {"clothes": ["alexnet", "vgg19", "resnet50"], "digits": ["alexnet"]}
SAMPLE = {
    "alexnet": [
        None, Bin(3, 0.75, 1.0, 0.4, 1.0), Bin(50, 0.85, 0.7, 0.56, 0.81), Bin(900, 0.97, 0.95, 0.93, 0.96)
    ],
    "vgg19": [Bin(80, 0.86, 0.9, 0.81, 0.95), Bin(800, 0.98, 0.97, 0.95, 0.98)],
}  # fmt: skip


def give(lab: LabData, network: str, sure: float, right: int) -> RunData:
    """The network's run, right on so many of a hundred test images of two classes, all answered as surely."""
    run = lab.parts["2_1"].of(network)[0]
    probabilities = np.tile(np.array([sure, 1 - sure], np.float32), (100, 1))
    labels = (np.arange(100) >= right).astype(np.int32)
    run.predictions["test"] = Predictions(probabilities, labels, np.arange(100, dtype=np.int32))
    return run


def test_confidence_beside_accuracy_and_the_diagram_that_says_it(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, networks=NETWORKS)
    for network, sure, right, flags in (
        ("alexnet", 0.9, 70, (True, False)), ("vgg19", 0.8, 80, (False, False)), ("resnet50", 0.6, 90, (False, True)),
    ):  # fmt: skip
        found = sureness(give(lab, network, sure, right))
        gap, half = sure - right / 100, 1.959964 * np.std([sure - 1] * right + [sure] * (100 - right)) / 10
        shown, below = found["gap"], found["below"]
        assert found["confidence"].value == pytest.approx(sure)
        assert (shown.value, shown.low, shown.high) == pytest.approx((gap, gap - half, gap + half), abs=1e-6)
        assert (found["is_sure"], found["is_unsure"]) == flags
        assert (below.value, below.low) == (-shown.value, -shown.high)
    figure = answer(lab, ENGLISH, part="2_1").items["reliability"]
    assert isinstance(figure, Figure)
    assert figure.caption == (
        "Surer than right: AlexNet; less sure than right: ResNet-50; as sure as right, as far as these images tell: VGG-19"
    )
    assert f"100 test images in {BINS} equally wide ranges" in figure.note
    (entry,) = figure.data["series"][0]["bins"]
    assert (entry["images"], entry["accuracy"]) == (100, 0.7)
    assert (entry["low"], entry["high"]) == pytest.approx(proportion_confint(70, 100, method="wilson"), abs=1e-6)
    spanish = answer(lab, SPANISH, part="2_1").items["reliability"]
    assert spanish.caption.startswith("Más confianza que aciertos: AlexNet; menos confianza que")


def test_the_drawing_has_the_diagonal_and_a_line_a_network_and_is_told_to_those_who_cannot_see_it() -> None:
    figure = reliability_diagram(SAMPLE, ENGLISH, caption="c")
    (axes,) = paint(figure, PRINT).axes
    diagonal, alexnet, _, _, vgg, *_ = axes.get_lines()
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0, 1]
    assert list(alexnet.get_xdata()) == [0.85, 0.97], f"a bin of fewer than {FEWEST} images is not drawn"
    assert list(vgg.get_ydata()) == [0.9, 0.97]
    for line, network in ((alexnet, "alexnet"), (vgg, "vgg19")):
        look = network_style(network)
        assert (line.get_color(), line.get_marker()) == (PRINT[look.colour], look.marker)
    intervals: Any = axes.collections[0]
    assert [tuple(segment[:, 1]) for segment in intervals.get_segments()] == [(0.56, 0.81), (0.93, 0.96)]
    said = "AlexNet: where mean confidence is 97%, accuracy is 95% (900 images); where it is 85%, 70% (50 images)."
    dicho = "AlexNet: donde la confianza media es 97 %, la exactitud es 95 % (900 imágenes); donde es 85 %, 70 % (50 im"
    for language, words in ((ENGLISH, said), (SPANISH, dicho)):
        assert words in reliability_diagram(SAMPLE, language, caption="c").alt.replace("\N{NO-BREAK SPACE}", " ")
    few = reliability_diagram({"vgg19": [Bin(2, 0.9, 1.0, 0.3, 1.0)]}, ENGLISH, caption="c")
    assert "VGG-19:" in few.alt and svg(few, SCREEN).startswith("<svg")
