"""Claims of the prose, "resnet50 > vgg19": each is tested on the runs, and all of a document are corrected together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from cnnlab.networks import find_network, network_names
from report.data.records import LabData, Part, RunData
from report.evidence.language import Language
from report.evidence.metrics import top_k
from report.evidence.quantity import Quantity
from report.evidence.statistics import SIGNIFICANT, bootstrap_mean, holm, mcnemar, paired_difference, student, welch

Verdict = Literal["supported", "not distinguishable", "contradicted"]

_CLAIM = re.compile(r"\s*([^<>]+?)\s*([<>])\s*([^<>]+?)\s*")
_TINY = 0.001


class WrongClaim(Exception):
    """A claim that cannot be tested: what is wrong, what was received, and what is known instead."""

    def __init__(self, what: str, received: str, known: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.received, self.known = received, known


@dataclass(frozen=True)
class Measure:
    """What networks are compared in: whether the answer is among the `k` first, on a split; `words` as a message id."""

    split: str
    k: int = 1
    words: str = ""


MEASURES: Mapping[str, Measure] = {
    "test accuracy": Measure("test"),
    "validation accuracy": Measure("validation", words="in validation accuracy"),
    "train accuracy": Measure("train", words="in training accuracy"),
    "test top-5 accuracy": Measure("test", 5, words="in top-5 accuracy"),
}
"""By what a claim says it is about."""

CORRECTED = {
    "Exact McNemar test": "Exact McNemar test, corrected by Holm",
    "Student's t test over paired seeds": "Student's t test over paired seeds, corrected by Holm",
    "Welch's t test over seeds": "Welch's t test over seeds, corrected by Holm",
}
"""Message ids of the tests, and of the same corrected for several claims."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A claim as the prose makes it.

    Attributes:
        section: key of the section.
        part: the part whose data set is meant where `dataset` is empty; None outside the parts.
        text: such as "resnet50 > vgg19".
        on: a key of `MEASURES`.
        dataset: name or title of a data set, or empty.
        path, line: of the call in the commentary.
    """

    section: str
    part: str | None
    text: str
    on: str = "test accuracy"
    dataset: str = ""
    path: Path | None = None
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim, and what the runs say of it.

    Attributes:
        section, text, on, path, line: as in its request; `dataset` is the data set's name.
        first, second: titles of the networks, in the order of the text.
        claims_first: whether the first is said to be ahead.
        difference: first minus second, with its 95 % interval.
        p: of the test by itself; `adjusted` for all claims of the document, `tests` in number.
        seeds: how many of each network were averaged; 1 where one run of each is compared.
        elsewhere: title of the data set where it is not the section's own, else empty.
        verdict: until the document is complete, that of a claim that stands alone.
    """

    section: str
    text: str
    on: str
    dataset: str
    path: Path | None
    line: int | None
    first: str
    second: str
    claims_first: bool
    difference: Quantity
    p: Quantity
    adjusted: Quantity
    tests: int
    seeds: int
    elsewhere: str

    @property
    def verdict(self) -> Verdict:
        """Either way only where the adjusted p is significant and the interval leaves out zero."""
        low, high = self.difference.low, self.difference.high
        assert low is not None and high is not None
        if self.adjusted.value > SIGNIFICANT or low <= 0 <= high:
            return "not distinguishable"
        return "supported" if (self.difference.value > 0) == self.claims_first else "contradicted"

    @property
    def comparison(self) -> tuple[object, ...]:
        """What identifies its test: the same two networks, in any order, the same measure and data set."""
        return frozenset((self.first, self.second)), self.on, self.dataset


def examine(data: LabData, request: Request) -> Claim:
    """The claim with its own test; `judge` corrects those of a document together.

    Raises:
        WrongClaim: it cannot be read, or names a measure, data set or network that is not there.
    """
    found = _CLAIM.fullmatch(request.text)
    if found is None:
        raise WrongClaim("a claim compares two networks with > or <", request.text, ["resnet50 > vgg19"])
    if request.on not in MEASURES:
        raise WrongClaim("a claim is on a measure that does not exist", request.on, list(MEASURES))
    part = _part(data, request)
    first, second = (_network(part, found[group]) for group in (1, 3))
    if first == second:
        raise WrongClaim("a claim compares a network with itself", request.text)
    backing = compare_networks(part.of(first), part.of(second), request.on)
    own = request.part in data.parts and data.parts[str(request.part)].dataset.name == part.dataset.name
    return Claim(
        section=request.section,
        text=request.text,
        on=request.on,
        dataset=part.dataset.name,
        path=request.path,
        line=request.line,
        first=find_network(first).TITLE,
        second=find_network(second).TITLE,
        claims_first=found[2] == ">",
        difference=backing.difference,
        p=backing.p,
        adjusted=backing.p,
        tests=1,
        seeds=backing.seeds,
        elsewhere="" if own else str(part.dataset.manifest["title"]),
    )


def judge(claims: Sequence[Claim]) -> list[Claim]:
    """The claims of one document with their p-values adjusted together; one made twice counts once."""
    tests = {claim.comparison: claim.p.value for claim in claims}
    adjusted = dict(zip(tests, holm(list(tests.values())), strict=True))
    return [_adjusted(claim, adjusted[claim.comparison], len(tests)) for claim in claims]


def _adjusted(claim: Claim, p: float, tests: int) -> Claim:
    how = CORRECTED[claim.p.how] if tests > 1 else claim.p.how
    return replace(claim, adjusted=replace(claim.p, value=p, how=how), tests=tests)


def _part(data: LabData, request: Request) -> Part:
    available = {part.dataset.name: part for part in data.parts.values() if part.runs}
    if not request.dataset:
        if request.part in data.parts and data.parts[str(request.part)].runs:
            return data.parts[str(request.part)]
        raise WrongClaim("this section is about no data set of its own: say dataset=…", request.text, list(available))
    titles = {str(part.dataset.manifest["title"]).casefold(): part for part in available.values()}
    found = available.get(request.dataset) or titles.get(request.dataset.casefold())
    if found is None:
        raise WrongClaim("a claim is on a data set without runs in this lab", request.dataset, list(available))
    return found


def _network(part: Part, name: str) -> str:
    titles = {find_network(known).TITLE.casefold(): known for known in network_names()}
    network = name if name in network_names() else titles.get(name.casefold(), "")
    if network in part.networks:
        return network
    if network:
        raise WrongClaim(f"the network has no run on {part.dataset.name}", name, part.networks)
    raise WrongClaim("a claim names a network that does not exist", name, part.networks)


@dataclass(frozen=True)
class Backing:
    """The difference of two networks, its test, and how many seeds of each went into it."""

    difference: Quantity
    p: Quantity
    seeds: int


def compare_networks(first: Sequence[RunData], second: Sequence[RunData], on: str = "test accuracy") -> Backing:
    """Two networks on the same images: over seeds where both have several, else one run of each.

    Args:
        first, second: the runs of each, one a seed.

    Raises:
        WrongClaim: the runs answered different images, or nothing can be outside the first five classes.
    """
    measure = MEASURES[on]
    right_a, right_b = ({run.seed: _right(run, measure) for run in runs} for runs in (first, second))
    _same_images([*first, *second], measure.split)
    shared = [seed for seed in right_a if seed in right_b]
    if min(len(right_a), len(right_b)) > 1:
        ids = tuple(run.run.id for run in (*first, *second))
        return _over_seeds(right_a, right_b, ids)
    run_a, run_b = (next((run for run in runs if run.seed in shared), runs[0]) for runs in (list(first), list(second)))
    return _of_one_seed(right_a[run_a.seed], right_b[run_b.seed], (run_a.run.id, run_b.run.id))


def _right(run: RunData, measure: Measure) -> np.ndarray:
    predictions = run.predictions[measure.split]
    if measure.k == 1:
        return predictions.right
    if predictions.probabilities.shape[1] <= measure.k:
        raise WrongClaim("top-5 accuracy says nothing of so few classes", str(predictions.probabilities.shape[1]))
    return top_k(predictions.probabilities, predictions.labels, measure.k)


def _same_images(runs: Sequence[RunData], split: str) -> None:
    ids = [run.predictions[split].ids for run in runs]
    for run, own in zip(runs, ids, strict=True):
        if not np.array_equal(own, ids[0]):
            raise WrongClaim("the networks were not evaluated on the same images", run.run.id)


def _of_one_seed(right_a: np.ndarray, right_b: np.ndarray, runs: tuple[str, ...]) -> Backing:
    paired = mcnemar(right_a, right_b)
    value, low, high = paired_difference(paired.only_a, paired.only_b, right_a.size)
    return Backing(
        Quantity(
            value=value, unit="points", n=right_a.size, low=low, high=high, runs=runs,
            how="Difference of accuracies on the same images, Bonett and Price interval",
        ),
        Quantity(
            value=paired.p, unit="probability", n=paired.only_a + paired.only_b, runs=runs, how="Exact McNemar test"
        ),
        seeds=1,
    )  # fmt: skip


def _over_seeds(right_a: Mapping[int, np.ndarray], right_b: Mapping[int, np.ndarray], runs: tuple[str, ...]) -> Backing:
    """The mean difference; its test generalises over seeds, its interval over seeds and images."""
    paired = set(right_a) == set(right_b)
    means_a = [float(right_a[seed].mean()) for seed in right_a]
    means_b = [float(right_b[seed].mean()) for seed in (right_a if paired else right_b)]
    test = student(means_a, means_b) if paired else welch(means_a, means_b)
    by_image = np.mean(list(right_a.values()), axis=0) - np.mean(list(right_b.values()), axis=0)
    value, low, high = bootstrap_mean(by_image.round(9), error=test.error, freedom=test.freedom)
    how = "Student's t test over paired seeds" if paired else "Welch's t test over seeds"
    return Backing(
        Quantity(
            value=value, unit="points", n=by_image.size, low=max(-1.0, low), high=min(1.0, high), runs=runs,
            how="Mean difference over seeds, bootstrap over images and seeds",
        ),
        Quantity(value=test.p, unit="probability", n=len(means_a) + len(means_b), runs=runs, how=how),
        seeds=min(len(means_a), len(means_b)),
    )  # fmt: skip


Worded = Callable[[Quantity, str, str], str]
"""Prints a quantity as the given text, under a name."""


def wording(claim: Claim, language: Language, text: Callable[[str], str], quantity: Worded) -> tuple[str, str, str]:
    """What the runs say, the verdict, and what was claimed where that is the contrary, in the report's language.

    Args:
        text: makes a text of unknown origin printable.
        quantity: prints a quantity as the given text, under a name.
    """
    ahead = claim.difference.value >= 0
    shown = claim.difference if ahead else negative(claim.difference)
    names = (claim.first, claim.second) if ahead else (claim.second, claim.first)
    leader, other = map(text, names)
    gap = quantity(shown, language.with_interval(shown), "difference")
    if claim.difference.value == 0:
        words = [
            language.text("{leader} and {other} are even, {difference}", leader=leader, other=other, difference=gap)
        ]
    else:
        words = [
            language.text("{leader} is ahead of {other} by {difference}", leader=leader, other=other, difference=gap)
        ]
    if claim.seeds > 1:
        words.append(language.text("on average over {n} seeds", n=claim.seeds))
    if measure := MEASURES[claim.on].words:
        words.append(language.text(measure))
    if claim.elsewhere:
        words.append(language.text("on {dataset}", dataset=text(claim.elsewhere)))
    contrary = ""
    if claim.verdict == "contradicted":
        contrary = " " + language.text("(the claim was that {other} is ahead)", other=other)
    return f"{' '.join(words)}, {_probability(claim, language, quantity)}", language.text(claim.verdict), contrary


def negative(difference: Quantity) -> Quantity:
    """The same difference the other way round."""
    assert difference.low is not None and difference.high is not None
    return replace(difference, value=-difference.value, low=-difference.high, high=-difference.low)


def _probability(claim: Claim, language: Language, quantity: Worded) -> str:
    shown = quantity(claim.adjusted, language.quantity(claim.adjusted), "p")
    words = f"p {shown}" if claim.adjusted.value < _TINY else f"p = {shown}"
    if claim.tests == 1:
        return words
    return f"{words} " + language.text("(corrected for {n} comparisons)", n=claim.tests)
