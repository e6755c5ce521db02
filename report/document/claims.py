"""Claims of the prose, "resnet50 > vgg19": each is tested on the runs, and all of a document are corrected together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cnnlab.networks import find_network, network_names
from report.data.records import LabData, Part
from report.evidence.compare import Incomparable, better
from report.evidence.language import Language
from report.evidence.quantity import Quantity
from report.evidence.statistics import SIGNIFICANT, holm

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
    measure = MEASURES[request.on]
    try:
        found_out = better(part.of(first), part.of(second), measure.split, measure.k)
    except Incomparable as problem:
        raise WrongClaim(str(problem), problem.received) from None
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
        difference=found_out.difference,
        p=found_out.p,
        adjusted=found_out.p,
        tests=1,
        seeds=found_out.seeds,
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
