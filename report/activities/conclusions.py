"""What the two experiments say together, no stronger than their tests allow."""

from __future__ import annotations

from typing import Any

from report.activities import results
from report.activities.common import accuracy, primary_run
from report.evidence import Evidence
from report.language import Language
from report.records import LabData, Part


def answer(lab: LabData, language: Language) -> Evidence:
    """For each part with runs: the primary network, its accuracy, and which networks differ by more than noise."""
    parts = [_summary(part, language) for part in lab.parts.values() if part.runs]
    vgg = lab.architectures["vgg19"].manifest
    return Evidence(
        names={
            "parts": parts,
            "vgg_parameters": results.count(vgg["parameters"]),
            "stand_in_for": next(
                (
                    part.dataset.manifest["stand_in_for"]
                    for part in lab.parts.values()
                    if part.dataset.manifest["stand_in_for"]
                ),
                "",
            ),
            "one_seed": all(len(part.of(name)) == 1 for part in lab.parts.values() for name in part.networks),
            "shortened": any(run.resolved["shortened"] for part in lab.parts.values() for run in part.runs),
        }
    )


def _summary(part: Part, language: Language) -> dict[str, Any]:
    comparison = results.compare(part)
    run = primary_run(part)
    return {
        "dataset": part.dataset.manifest["title"],
        "network": run.title,
        "test": accuracy(run),
        "several": len(part.networks) > 1,
        "first": comparison["ranking"][0],
        "distinct_pairs": [pair for pair in comparison["pairs"] if pair["distinct"]],
        "tied_pairs": [pair for pair in comparison["pairs"] if not pair["distinct"]],
    }
