"""What several activities ask of a part's runs: accuracies as quantities, the primary network, names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.networks import find_network
from report.data.records import LabData, Part
from report.data.trainings import RunData
from report.evidence.compare import network_accuracy
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Quantity, numbers_of

MANY_CLASSES = 25
"""With more classes, tables show only the best and the worst."""


@dataclass(frozen=True)
class Answerer:
    """Gathers a section's evidence.

    Attributes:
        answer: called with (lab, language), and with `part=` where it is about a data set.
        of_data: whether it is asked of one data set, so that its section belongs to a part that names one.
        needs_runs: whether there is nothing to say before a network was trained on that data set.
    """

    answer: Callable[..., Evidence]
    of_data: bool = False
    needs_runs: bool = False


def count(value: Any, *, how: str = "", runs: Sequence[str] = ()) -> Quantity:
    """A whole number of things."""
    return numbers_of(*runs).count(value, how)


def accuracy_lines(lab: LabData) -> Iterator[str]:
    """The test accuracy of each network with its interval, a line each in English, as the command line tells them."""
    english = Language("en")
    for part in lab.parts.values():
        for network in part.networks:
            runs = part.of(network)
            shown = english.with_interval(network_accuracy(runs))
            images = english.number(runs[0].predictions["test"].labels.size)
            seeds = f", mean of {len(runs)} seeds" if len(runs) > 1 else ""
            yield f"{network} on {part.dataset.name}: test {shown}, {images} images{seeds}"


def seeds_of(part: Part, network: str, language: Language) -> Quantity | str:
    """How many seeds of a network finished; where some did not, in words of how many: "2 of 3"."""
    runs, q = part.of(network), numbers_of(*(run.run for run in part.of(network)))
    finished, asked = q.count(len(runs)), q.count(part.asked_seeds(network))
    return finished if asked == finished else language.text("{part} of {all}", part=finished, all=asked)


def titled(part: Part, network: str, language: Language) -> str:
    """A network's name for a row of its own: with what is missing where not all its runs finished."""
    title = find_network(network).TITLE
    if not part.of(network):
        return language.text("{network} (no finished run)", network=title)
    if part.asked_seeds(network) == len(part.of(network)):
        return title
    return language.text("{network} (seeds: {seeds})", network=title, seeds=seeds_of(part, network, language))


def absent_networks(part: Part) -> list[str]:
    """Networks that the lab asks for here and that have no finished run, in its order."""
    return [network for network in part.problems if network not in part.networks]


def primary_network(part: Part) -> str:
    """The network that a part is about: the lab's choice, else the best on validation (never on test)."""
    if part.primary in part.networks:
        return str(part.primary)
    return max(part.networks, key=lambda network: network_accuracy(part.of(network), "validation").value)


def primary_run(part: Part) -> RunData:
    """The run that curves and images show: the primary network's first seed."""
    return part.of(primary_network(part))[0]
