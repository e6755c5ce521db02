"""Activities 9 and 13: whether networks are as sure as they are right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from report.data.records import Part, RunData
from report.evidence.language import Language
from report.evidence.metrics import calibration_bins
from report.evidence.quantity import Figure, Quantity
from report.evidence.statistics import Z95, wilson
from report.figures.reliability import FEWEST, Bin, reliability_diagram

BINS = 10
"""Ranges of confidence in the diagram; the calibration error has finer ones."""


def calibration(run: RunData) -> dict[str, Any]:
    """Mean confidence of a run on test, and how far it is above accuracy."""
    gap = overconfidence(run)
    return {
        "confidence": Quantity(
            value=float(_confidence(run).mean()), unit="share", n=gap.n, runs=gap.runs,
            how="Mean probability of the answers",
        ),
        "gap": gap,
        "is_sure": gap.low is not None and gap.low > 0,
        "is_unsure": gap.high is not None and gap.high < 0,
        "below": Quantity(
            value=-gap.value, unit="points", n=gap.n, low=-(gap.high or 0.0), high=-(gap.low or 0.0), runs=gap.runs,
            how=gap.how,
        ),
    }  # fmt: skip


def overconfidence(run: RunData) -> Quantity:
    """Mean confidence minus accuracy on test, in points, with the normal interval of the mean over images."""
    each = _confidence(run) - run.predictions["test"].right
    half = Z95 * float(each.std()) / math.sqrt(each.size)
    mean = float(each.mean())
    return Quantity(
        value=mean, unit="points", n=each.size, low=mean - half, high=mean + half, runs=(run.run.id,),
        how="Mean confidence minus accuracy, normal interval over images",
    )  # fmt: skip


def _confidence(run: RunData) -> np.ndarray:
    return np.asarray(run.predictions["test"].probabilities.max(axis=1), dtype=np.float64)


def reliability(data: Part, language: Language) -> Figure:
    """The diagram of each network's first run; the caption says which are surer than right."""
    firsts = [data.of(network)[0] for network in data.networks]
    text = language.text
    note = text(
        "{n} test images in {bins} equally wide ranges of confidence. Bars: 95% intervals. Ranges with fewer than "
        "{fewest} images are left out.",
        n=int(firsts[0].predictions["test"].labels.size), bins=BINS, fewest=FEWEST,
    )  # fmt: skip
    if len(data.runs) > len(firsts):
        note += " " + text("Of each network, the first seed.")
    return reliability_diagram(
        {run.network: _bins(run) for run in firsts}, language, caption=_finding(firsts, language), note=note
    )


def _bins(run: RunData) -> list[Bin | None]:
    test = run.predictions["test"]
    images, confidence, right = calibration_bins(test.probabilities, test.labels, BINS)
    return [
        Bin(int(n), float(mean), int(k) / int(n), *wilson(int(k), int(n))) if n else None
        for n, mean, k in zip(images, confidence, right, strict=True)
    ]


def _finding(runs: Sequence[RunData], language: Language) -> str:
    """ "Surer than right: AlexNet; as sure as right: VGG-19", by the intervals of the differences."""
    groups: dict[str, list[str]] = {"surer": [], "less": [], "as": []}
    for run in runs:
        gap = overconfidence(run)
        assert gap.low is not None and gap.high is not None
        groups["surer" if gap.low > 0 else "less" if gap.high < 0 else "as"].append(run.title)
    words = {
        "surer": language.text("surer than right: {networks}", networks=language.join(groups["surer"])),
        "less": language.text("less sure than right: {networks}", networks=language.join(groups["less"])),
        "as": language.text("as sure as right, as far as these images tell: {networks}", networks=language.join(groups["as"])),
    }  # fmt: skip
    found = "; ".join(words[group] for group, names in groups.items() if names)
    return found[0].upper() + found[1:]
