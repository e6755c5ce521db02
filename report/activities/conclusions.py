"""What the two experiments say together, no stronger than their tests allow."""

from __future__ import annotations

from typing import Any

from cnnlab.networks import find_network
from report.activities import architecture, curves, results
from report.activities.common import Answerer, absent_networks, primary_run, seeds_of
from report.activities.hyperparameters import fairness
from report.data.records import LabData, Part
from report.evidence.compare import accuracy, network_accuracy, sign, split_gap
from report.evidence.language import Language
from report.evidence.quantity import Evidence, numbers_of


def answer(lab: LabData, language: Language) -> Evidence:
    """For each part: the primary network, its accuracy, which networks differ by more than noise, which have no results."""
    vgg, first = lab.architectures["vgg19"], lab.parts.get("2_1")
    trained = [(part, network) for part in lab.parts.values() for network in part.networks]
    searched = [network in part.searches for part, network in trained]
    return Evidence(
        names={
            "parts": [_part(part, language) for part in lab.parts.values()],
            "vgg_parameters": numbers_of(vgg.record).count(vgg.manifest["parameters"]),
            "vgg_agrees": architecture.agrees(vgg),
            "stand_in": first.dataset.manifest["title"] if first else "",
            "stand_in_for": (first.dataset.manifest["stand_in_for"] or "") if first else "",
            "one_seed": all(len(part.of(network)) == 1 for part, network in trained),
            "any_search": any(searched),
            "all_searched": bool(searched) and all(searched),
            "test_reused": any((part.test_uses or 0) > len(part.runs) for part in lab.parts.values()),
            "shortened": any(run.resolved["shortened"] for part in lab.parts.values() for run in part.runs),
        }
    )


def _part(part: Part, language: Language) -> dict[str, Any]:
    """What there is to say of a part even without results: its data set, the networks that have none; and the results."""
    absent, diverged = absent_networks(part), {training.network for training in part.diverged}
    names: dict[str, Any] = {
        "dataset": part.dataset.manifest["title"],
        "has_results": bool(part.runs),
        "diverged": [find_network(network).TITLE for network in absent if network in diverged],
        "unfinished": [find_network(network).TITLE for network in absent if network not in diverged],
    }
    if not part.runs:
        return names
    comparison, run = results.compare(part), primary_run(part)
    gap, train, seeds = split_gap(run, "train", "test"), accuracy(run, "train"), part.of(run.network)
    return names | {
        "network": run.title,
        "test": accuracy(run),
        "several": len(part.networks) > 1,
        "first": comparison["ranking"][0],
        "first_is_tied": comparison["first_is_tied"],
        "several_seeds": len(seeds) > 1,
        "over_seeds": network_accuracy(seeds),
        "lost_seeds": part.asked_seeds(run.network) > len(seeds),
        "seeds": seeds_of(part, run.network, language),
        "gap": gap,
        "overfits": sign(gap) > 0,
        "train": train,
        "underfits": curves.underfits(train, gap) and sign(gap) <= 0,
        "distinct_pairs": [pair for pair in comparison["pairs"] if pair["distinct"]],
        "confounders": [one["inside"] for one in fairness(part, language)["confounders"]],
        "tied_pairs": [pair for pair in comparison["pairs"] if not pair["distinct"]],
    }


ANSWERS = {"conclusions": Answerer(answer)}
