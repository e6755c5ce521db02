"""Whether networks are as sure as they are right: the bins, the finding and the drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from cnnlab.store.store import RunStore
from report.activities.calibration import BINS, calibration, overconfidence, reliability
from report.data.records import Part, open_lab
from report.data.trainings import Predictions, RunData
from report.evidence.language import Language
from report.evidence.metrics import calibration_bins, calibration_error
from report.figures.reliability import FEWEST, Bin, reliability_diagram
from report.figures.svg import paint, svg
from report.figures.theme import PRINT, SCREEN, network_style
from tests.fabricate import write_store

ENGLISH, SPANISH = Language("en"), Language("es")
NETWORKS = {"clothes": ["alexnet", "vgg19", "resnet50"], "digits": ["alexnet"]}


@pytest.fixture
def part(tmp_path: Path) -> Part:
    write_store(tmp_path, networks=NETWORKS)
    return open_lab(RunStore(tmp_path), "demo").parts["2_1"]


def answers(confidence: Sequence[float], right: Sequence[bool]) -> Predictions:
    """Two classes; the answer is always the first, with this probability."""
    first = np.array(confidence)
    probabilities = np.column_stack([first, 1 - first]).astype(np.float32)
    return Predictions(probabilities, (~np.array(right)).astype(np.int32), np.arange(first.size, dtype=np.int32))


def give(part: Part, network: str, test: Predictions) -> RunData:
    run = part.of(network)[0]
    run.predictions["test"] = test
    return run


def test_bins_by_hand() -> None:
    test = answers([0.55, 0.95, 0.95, 1.0, 0.7], [True, True, False, True, False])
    images, confidence, right = calibration_bins(test.probabilities, test.labels, 10)
    assert images.tolist() == [0, 0, 0, 0, 0, 1, 0, 1, 0, 3] or images.tolist() == [0, 0, 0, 0, 0, 1, 1, 0, 0, 3]
    assert confidence[9] == pytest.approx(2.9 / 3) and confidence[0] == 0
    assert right[9] == 2 and right.sum() == 3
    gaps = np.abs(right - confidence * images).sum() / 5
    assert calibration_error(test.probabilities, test.labels, 10) == pytest.approx(gaps)


def test_a_network_that_is_surer_than_right(part: Part) -> None:
    run = give(part, "vgg19", answers([0.9] * 100, [True] * 70 + [False] * 30))
    found = calibration(run)
    deviation = np.std([0.9 - 1] * 70 + [0.9] * 30)
    assert found["confidence"].value == pytest.approx(0.9)
    assert found["gap"].value == pytest.approx(0.2)
    assert found["gap"].low == pytest.approx(0.2 - 1.959964 * deviation / 10, abs=1e-6)
    assert (found["is_sure"], found["is_unsure"]) == (True, False)


def test_a_network_that_is_less_sure_than_right(part: Part) -> None:
    run = give(part, "vgg19", answers([0.6] * 100, [True] * 90 + [False] * 10))
    found = calibration(run)
    assert (found["is_sure"], found["is_unsure"]) == (False, True)
    assert found["below"].value == pytest.approx(0.3) and found["below"].low == -found["gap"].high
    even = give(part, "alexnet", answers([0.8] * 100, [True] * 80 + [False] * 20))
    assert not calibration(even)["is_sure"] and not calibration(even)["is_unsure"]


def test_the_interval_of_the_gap_covers() -> None:
    generator = np.random.default_rng(8)
    covered = []
    for _ in range(400):
        confidence = generator.uniform(0.4, 1, 300)
        each = confidence - (generator.random(300) < confidence - 0.1)
        half = 1.96 * each.std() / np.sqrt(300)
        covered.append(abs(each.mean() - 0.1) <= half)
    assert 0.92 < np.mean(covered) < 0.98


def test_the_caption_says_the_finding_of_each_network(part: Part) -> None:
    give(part, "alexnet", answers([0.9] * 100, [True] * 70 + [False] * 30))
    give(part, "vgg19", answers([0.8] * 100, [True] * 80 + [False] * 20))
    give(part, "resnet50", answers([0.6] * 100, [True] * 90 + [False] * 10))
    figure = reliability(part, ENGLISH)
    assert figure.caption == (
        "Surer than right: AlexNet; less sure than right: ResNet-50; as sure as right, as far as these images tell: VGG-19"
    )
    assert reliability(part, SPANISH).caption.startswith("Más confianza que aciertos: AlexNet; menos confianza que")
    assert f"100 test images in {BINS} equally wide ranges" in figure.note
    (entry,) = figure.data["series"][0]["bins"]
    low, high = proportion_confint(70, 100, method="wilson")
    assert (entry["images"], entry["accuracy"]) == (100, 0.7)
    assert (entry["low"], entry["high"]) == pytest.approx((low, high), abs=1e-6)
    assert overconfidence(part.of("alexnet")[0]).runs == (part.of("alexnet")[0].run.id,)


def bins(*filled: Bin) -> list[Bin | None]:
    return [None] * (10 - len(filled)) + list(filled)


SAMPLE: Mapping[str, list[Bin | None]] = {
    "alexnet": bins(Bin(3, 0.75, 1.0, 0.4, 1.0), Bin(50, 0.85, 0.7, 0.56, 0.81), Bin(900, 0.97, 0.95, 0.93, 0.96)),
    "vgg19": bins(Bin(80, 0.86, 0.9, 0.81, 0.95), Bin(800, 0.98, 0.97, 0.95, 0.98)),
}


def test_the_drawing_has_the_diagonal_and_a_line_a_network() -> None:
    figure = reliability_diagram(SAMPLE, ENGLISH, caption="c", note="n")
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


@pytest.mark.parametrize("language", [ENGLISH, SPANISH], ids=["en", "es"])
def test_those_who_cannot_see_it_are_told(language: Language) -> None:
    figure = reliability_diagram(SAMPLE, language, caption="c")
    english = "AlexNet: where mean confidence is 97%, accuracy is 95% (900 images); where it is 85%, 70% (50 images)."
    spanish = "AlexNet: donde la confianza media es 97 %, la exactitud es 95 % (900 imágenes); donde es 85 %, 70 % (50 imágenes)."
    assert (english if language is ENGLISH else spanish) in figure.alt.replace("\N{NO-BREAK SPACE}", " ")
    few = reliability_diagram({"vgg19": bins(Bin(2, 0.9, 1.0, 0.3, 1.0))}, language, caption="c")
    assert "VGG-19:" in few.alt and svg(few, SCREEN).startswith("<svg")
