"""What the two experiments say together, no stronger than their tests allow."""

from __future__ import annotations

from typing import Any

from cnnlab.networks import find_network
from report.activities import architecture, curves, results
from report.activities.common import absent_networks, count, primary_run, seeds_of
from report.activities.hyperparameters import fairness
from report.data.records import LabData, Part
from report.evidence.compare import accuracy, network_accuracy, sign, split_gap
from report.evidence.language import Language
from report.evidence.quantity import Evidence


def answer(lab: LabData, language: Language) -> Evidence:
    """For each part: the primary network, its accuracy, which networks differ by more than noise, which have no results."""
    parts = [{**_absent(part), **(_summary(part, language) if part.runs else {})} for part in lab.parts.values()]
    vgg, first = lab.architectures["vgg19"].manifest, lab.parts.get("2_1")
    return Evidence(
        names={
            "parts": parts,
            "vgg_parameters": count(vgg["parameters"], runs=[lab.architectures["vgg19"].record.id]),
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


def _absent(part: Part) -> dict[str, Any]:
    """What there is to say of a part even without results: its data set, and the networks that have none."""
    absent = absent_networks(part)
    diverged = {training.network for training in part.diverged}
    return {
        "dataset": part.dataset.manifest["title"],
        "has_results": bool(part.runs),
        "diverged": [find_network(network).TITLE for network in absent if network in diverged],
        "unfinished": [find_network(network).TITLE for network in absent if network not in diverged],
    }


def _summary(part: Part, language: Language) -> dict[str, Any]:
    comparison = results.compare(part)
    run = primary_run(part)
    gap = split_gap(run, "train", "test")
    train = accuracy(run, "train")
    return {
        "network": run.title,
        "test": accuracy(run),
        "several": len(part.networks) > 1,
        "first": comparison["ranking"][0],
        "first_is_tied": comparison["first_is_tied"],
        "several_seeds": len(part.of(run.network)) > 1,
        "over_seeds": network_accuracy(part.of(run.network)),
        "lost_seeds": bool(part.asked_seeds(run.network) - len(part.of(run.network))),
        "seeds": seeds_of(part, run.network, language),
        "gap": gap,
        "overfits": sign(gap) > 0,
        "train": train,
        "underfits": curves.underfits(train, gap) and sign(gap) <= 0,
        "distinct_pairs": [pair for pair in comparison["pairs"] if pair["distinct"]],
        "confounders": [one["inside"] for one in fairness(part, language)["confounders"]],
        "tied_pairs": [pair for pair in comparison["pairs"] if not pair["distinct"]],
    }
