"""What several activities ask of a part's runs: accuracies as quantities, the primary network, names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from cnnlab.networks import find_network
from cnnlab.store.record import Record
from report.data.records import LabData, Part
from report.data.trainings import RunData
from report.evidence.compare import network_accuracy
from report.evidence.language import Language
from report.evidence.quantity import Figure, Gallery, Quantity
from report.evidence.statistics import SIGNIFICANT as SIGNIFICANT
from report.evidence.statistics import wilson
from report.evidence.words import joined, sourced, worded

Pictured = TypeVar("Pictured", bound=Figure | Gallery)

MANY_CLASSES = 25
"""With more classes, tables show only the best and the worst."""


def count(value: int | np.integer[Any], *, how: str = "", runs: Sequence[str] = ()) -> Quantity:
    """A whole number of things."""
    return Quantity(value=int(value), unit="count", how=how, runs=tuple(runs))


def counts_of(record: Record) -> Callable[..., Quantity]:
    """`count` of what a record holds."""
    return partial(count, runs=[record.id])


def shape_words(shape: Sequence[int], language: Language, counted: Callable[..., Quantity]) -> str:
    """Sides as 56×56×128; a vector's length is a number like any other: 25.088."""
    if len(shape) == 1:
        return language.quantity(counted(shape[0]))
    return joined((worded(str(side), counted(side)) for side in shape), "×")


def of_records(item: Pictured, runs: Sequence[str]) -> Pictured:
    """The same item; numbers of its caption, note and description that name no record come from `runs`."""
    words: dict[str, Any] = {key: sourced(getattr(item, key), runs) for key in ("caption", "note", "alt")}
    return replace(item, **words)


def share(
    right: int, n: int, *, runs: Sequence[str], how: str = "Right answers over images, Wilson interval"
) -> Quantity:
    """`right` of `n` with its 95 % Wilson interval; NaN-free: `n` must be at least 1."""
    low, high = wilson(right, n)
    return Quantity(value=right / n, unit="share", n=n, low=low, high=high, runs=tuple(runs), how=how)


def accuracy_lines(lab: LabData) -> Iterator[str]:
    """The test accuracy of each network with its interval, a line each in English, as the command line tells them."""
    english = Language("en")
    for part in lab.parts.values():
        for network in part.networks:
            runs = part.of(network)
            shown = english.with_interval(network_accuracy(runs))
            images = english.quantity(count(runs[0].predictions["test"].labels.size))
            seeds = f", mean of {len(runs)} seeds" if len(runs) > 1 else ""
            yield f"{network} on {part.dataset.name}: test {shown}, {images} images{seeds}"


def seeds_of(part: Part, network: str, language: Language) -> Quantity | str:
    """How many seeds of a network finished; where some did not, in words of how many: "2 of 3"."""
    runs = part.of(network)
    finished, asked = (count(n, runs=[run.run.id for run in runs]) for n in (len(runs), part.asked_seeds(network)))
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


def required_part(lab: LabData, part: str) -> Part:
    """The part of this key; sections of a part that the lab does not have are never asked."""
    return lab.parts[part]
