"""Whether networks are as sure as they are right: the bins, the difference with its interval, and the finding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from cnnlab.store.store import RunStore
from report.activities.results import BINS, answer, sureness
from report.data.records import LabData, open_lab
from report.data.trainings import Predictions, RunData
from report.evidence.language import Language
from report.evidence.metrics import calibration_bins
from report.evidence.quantity import Figure
from tests.fabricate import write_store

NETWORKS = {"clothes": ["alexnet", "vgg19", "resnet50"], "digits": ["alexnet"]}


@pytest.fixture
def lab(tmp_path: Path) -> LabData:
    write_store(tmp_path, networks=NETWORKS)
    return open_lab(RunStore(tmp_path), "demo")


def answers(confidence: Sequence[float], right: Sequence[bool]) -> Predictions:
    """Two classes; the answer is always the first, with this probability."""
    first = np.array(confidence)
    probabilities = np.column_stack([first, 1 - first]).astype(np.float32)
    return Predictions(probabilities, (~np.array(right)).astype(np.int32), np.arange(first.size, dtype=np.int32))


def give(lab: LabData, network: str, sure: float, right: int) -> RunData:
    """The network's run, right on so many of a hundred test images, all answered with the same probability."""
    run = lab.parts["2_1"].of(network)[0]
    run.predictions["test"] = answers([sure] * 100, [True] * right + [False] * (100 - right))
    return run


def test_bins_by_hand() -> None:
    test = answers([0.55, 0.95, 0.95, 1.0, 0.75], [True, True, False, True, False])
    images, confidence, right = calibration_bins(test.probabilities, test.labels, 10)
    assert images.tolist() == [0, 0, 0, 0, 0, 1, 0, 1, 0, 3]
    assert confidence[9] == pytest.approx(2.9 / 3) and confidence[0] == 0
    assert right.tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 2]


@pytest.mark.parametrize(
    ("sure", "right", "flags"), [(0.9, 70, (True, False)), (0.6, 90, (False, True)), (0.8, 80, (False, False))]
)
def test_confidence_beside_accuracy(lab: LabData, sure: float, right: int, flags: tuple[bool, bool]) -> None:
    found = sureness(give(lab, "vgg19", sure, right))
    half = 1.959964 * np.std([sure - 1] * right + [sure] * (100 - right)) / 10
    gap = sure - right / 100
    assert found["confidence"].value == pytest.approx(sure)
    assert (found["gap"].value, found["gap"].low, found["gap"].high) == pytest.approx(
        (gap, gap - half, gap + half), abs=1e-6
    )
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
    low, high = proportion_confint(70, 100, method="wilson")
    assert (entry["images"], entry["accuracy"]) == (100, 0.7)
    assert (entry["low"], entry["high"]) == pytest.approx((low, high), abs=1e-6)
    spanish = answer(lab, Language("es"), part="2_1").items["reliability"]
    assert spanish.caption.startswith("Más confianza que aciertos: AlexNet; menos confianza que")  # type: ignore[union-attr]
