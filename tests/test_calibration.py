"""Whether networks are as sure as they are right: the bins, the difference with its interval, the diagram, the finding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from report.activities.results import BINS, answer, sureness
from report.data.records import LabData, open_lab
from report.data.trainings import Predictions, RunData
from report.evidence.language import Language
from report.evidence.metrics import calibration_bins
from report.evidence.quantity import Figure
from report.figures.reliability import FEWEST, Bin, reliability_diagram
from report.figures.svg import paint, svg
from report.figures.theme import PRINT, SCREEN, network_style
from tests.fabricate import write_store

NETWORKS = {"clothes": ["alexnet", "vgg19", "resnet50"], "digits": ["alexnet"]}


def answers(confidence: Sequence[float], right: Sequence[bool]) -> Predictions:
    """Two classes; the answer is always the first, with this probability."""
    first = np.array(confidence)
    probabilities = np.column_stack([first, 1 - first]).astype(np.float32)
    return Predictions(probabilities, (~np.array(right)).astype(np.int32), np.arange(first.size, dtype=np.int32))


@pytest.fixture
def lab(tmp_path: Path) -> LabData:
    return open_lab(write_store(tmp_path, networks=NETWORKS), "demo")


def give(lab: LabData, network: str, sure: float, right: int) -> RunData:
    """The network's run, right on so many of a hundred test images, all answered with the same probability."""
    run = lab.parts["2_1"].of(network)[0]
    run.predictions["test"] = answers([sure] * 100, [True] * right + [False] * (100 - right))
    return run


def test_bins_by_hand() -> None:
    test = answers([0.55, 0.95, 0.95, 1.0, 0.75], [True, True, False, True, False])
    images, confidence, right = calibration_bins(test.probabilities, test.labels, 10)
    assert images.tolist() == [0, 0, 0, 0, 0, 1, 0, 1, 0, 3] and right.tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 2]
    assert confidence[9] == pytest.approx(2.9 / 3) and confidence[0] == 0


@pytest.mark.parametrize(
    ("sure", "right", "flags"), [(0.9, 70, (True, False)), (0.6, 90, (False, True)), (0.8, 80, (False, False))]
)
def test_confidence_beside_accuracy(lab: LabData, sure: float, right: int, flags: tuple[bool, bool]) -> None:
    found = sureness(give(lab, "vgg19", sure, right))
    gap, half = sure - right / 100, 1.959964 * np.std([sure - 1] * right + [sure] * (100 - right)) / 10
    assert found["confidence"].value == pytest.approx(sure)
    shown = found["gap"]
    assert (shown.value, shown.low, shown.high) == pytest.approx((gap, gap - half, gap + half), abs=1e-6)
    assert (found["is_sure"], found["is_unsure"]) == flags
    assert found["below"].value == -found["gap"].value and found["below"].low == -found["gap"].high


def test_the_diagram_says_the_finding_of_each_network(lab: LabData) -> None:
    for network, sure, right in (("alexnet", 0.9, 70), ("vgg19", 0.8, 80), ("resnet50", 0.6, 90)):
        give(lab, network, sure, right)
    figure = answer(lab, Language("en"), part="2_1").items["reliability"]
    assert isinstance(figure, Figure)
    assert figure.caption == (
        "Surer than right: AlexNet; less sure than right: ResNet-50; as sure as right, as far as these images tell: VGG-19"
    )
    assert f"100 test images in {BINS} equally wide ranges" in figure.note
    (entry,) = figure.data["series"][0]["bins"]
    bounds = proportion_confint(70, 100, method="wilson")
    assert (entry["images"], entry["accuracy"]) == (100, 0.7)
    assert (entry["low"], entry["high"]) == pytest.approx(bounds, abs=1e-6)
    spanish = answer(lab, Language("es"), part="2_1").items["reliability"]
    assert spanish.caption.startswith("Más confianza que aciertos: AlexNet; menos confianza que")


SAMPLE = {
    "alexnet": [
        None, Bin(3, 0.75, 1.0, 0.4, 1.0), Bin(50, 0.85, 0.7, 0.56, 0.81), Bin(900, 0.97, 0.95, 0.93, 0.96)
    ],
    "vgg19": [Bin(80, 0.86, 0.9, 0.81, 0.95), Bin(800, 0.98, 0.97, 0.95, 0.98)],
}  # fmt: skip


def test_the_drawing_has_the_diagonal_and_a_line_a_network() -> None:
    (axes,) = paint(reliability_diagram(SAMPLE, Language("en"), caption="c"), PRINT).axes
    diagonal, alexnet, _, _, vgg, *_ = axes.get_lines()
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0, 1]
    assert list(alexnet.get_xdata()) == [0.85, 0.97], f"a bin of fewer than {FEWEST} images is not drawn"
    assert list(vgg.get_ydata()) == [0.9, 0.97]
    for line, network in ((alexnet, "alexnet"), (vgg, "vgg19")):
        look = network_style(network)
        assert (line.get_color(), line.get_marker()) == (PRINT[look.colour], look.marker)
    intervals: Any = axes.collections[0]
    assert [tuple(segment[:, 1]) for segment in intervals.get_segments()] == [(0.56, 0.81), (0.93, 0.96)]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "en",
            "AlexNet: where mean confidence is 97%, accuracy is 95% (900 images); where it is 85%, 70% (50 images).",
        ),
        (
            "es",
            "AlexNet: donde la confianza media es 97 %, la exactitud es 95 % (900 imágenes); donde es 85 %, 70 % (50 im",
        ),
    ],
)
def test_those_who_cannot_see_it_are_told(code: str, said: str) -> None:
    figure = reliability_diagram(SAMPLE, Language(code), caption="c")
    assert said in figure.alt.replace("\N{NO-BREAK SPACE}", " ")
    few = reliability_diagram({"vgg19": [Bin(2, 0.9, 1.0, 0.3, 1.0)]}, Language(code), caption="c")
    assert "VGG-19:" in few.alt and svg(few, SCREEN).startswith("<svg")
