"""What the two experiments say together, no stronger than their tests allow."""

from __future__ import annotations

from typing import Any

from report.activities import architecture, results
from report.activities.common import accuracy, count, network_accuracy, primary_run
from report.activities.fairness import confounders
from report.evidence import Evidence
from report.language import Language
from report.records import LabData, Part


def answer(lab: LabData, language: Language) -> Evidence:
    """For each part with runs: the primary network, its accuracy, and which networks differ by more than noise."""
    parts = [_summary(part, language) for part in lab.parts.values() if part.runs]
    vgg, first = lab.architectures["vgg19"].manifest, lab.parts.get("2_1")
    return Evidence(
        names={
            "parts": parts,
            "vgg_parameters": count(vgg["parameters"]),
            "vgg_agrees": architecture.agrees(lab.architectures["vgg19"]),
            "stand_in": first.dataset.manifest["title"] if first else "",
            "stand_in_for": (first.dataset.manifest["stand_in_for"] or "") if first else "",
            "one_seed": all(len(part.of(name)) == 1 for part in lab.parts.values() for name in part.networks),
            **_tuning(lab),
            "shortened": any(run.resolved["shortened"] for part in lab.parts.values() for run in part.runs),
        }
    )


def _tuning(lab: LabData) -> dict[str, Any]:
    """For how many of the networks hyper-parameters were searched, and whether the test set was looked at besides."""
    searched = [network in part.searches for part in lab.parts.values() for network in part.networks]
    return {
        "any_search": any(searched),
        "all_searched": bool(searched) and all(searched),
        "test_reused": any((part.test_uses or 0) > len(part.runs) for part in lab.parts.values()),
    }


def _summary(part: Part, language: Language) -> dict[str, Any]:
    comparison = results.compare(part)
    run = primary_run(part)
    gap = results.split_gap(run, "train", "test")
    return {
        "dataset": part.dataset.manifest["title"],
        "network": run.title,
        "test": accuracy(run),
        "several": len(part.networks) > 1,
        "first": comparison["ranking"][0],
        "first_is_tied": comparison["first_is_tied"],
        "several_seeds": len(part.of(run.network)) > 1,
        "over_seeds": network_accuracy(part.of(run.network)),
        "gap": gap,
        "overfits": results.sign(gap) > 0,
        "distinct_pairs": [pair for pair in comparison["pairs"] if pair["distinct"]],
        "confounders": confounders(part, language) if len(part.networks) > 1 else [],
        "tied_pairs": [pair for pair in comparison["pairs"] if not pair["distinct"]],
    }
