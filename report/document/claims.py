"""Claims of the prose, "resnet50 > vgg19": each is tested on the runs, and all of a document are corrected together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cnnlab.networks import find_network, network_names
from report.data.records import LabData, Part
from report.document.problems import CallError
from report.document.tokens import Tokens
from report.evidence.compare import Incomparable, better
from report.evidence.quantity import Quantity
from report.evidence.statistics import SIGNIFICANT, holm

Verdict = Literal["supported", "not distinguishable", "contradicted"]

_CLAIM = re.compile(r"\s*([^<>]+?)\s*([<>])\s*([^<>]+?)\s*")
_TINY = 0.001

MEASURES: Mapping[str, tuple[str, int, str]] = {
    "test accuracy": ("test", 1, ""),
    "validation accuracy": ("validation", 1, "in validation accuracy"),
    "train accuracy": ("train", 1, "in training accuracy"),
    "test top-5 accuracy": ("test", 5, "in top-5 accuracy"),
}
"""By what a claim says it is about: a split, among how many first answers the right one counts, the message id."""

CORRECTED = {
    "Exact McNemar test": "Exact McNemar test, corrected by Holm",
    "Student's t test over paired seeds": "Student's t test over paired seeds, corrected by Holm",
    "Welch's t test over seeds": "Welch's t test over seeds, corrected by Holm",
}
"""Message ids of the tests, and of the same corrected for several claims."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim, and what the runs say of it.

    Attributes:
        section: key of the section that makes it.
        text, on: as it is made: "resnet50 > vgg19", a key of `MEASURES`.
        dataset: the data set's name; `elsewhere` its title where it is not the section's own, else empty.
        path, line: of the call in the commentary.
        first, second: titles of the networks, in the order of the text.
        claims_first: whether the first is said to be ahead.
        difference: first minus second, with its 95 % interval.
        p: of the test by itself; `adjusted` for all claims of the document, `tests` in number.
        seeds: how many of each network were averaged; 1 where one run of each is compared.
    """

    section: str
    text: str
    on: str
    dataset: str
    elsewhere: str
    path: Path
    line: int
    first: str
    second: str
    claims_first: bool
    difference: Quantity
    p: Quantity
    adjusted: Quantity
    tests: int = 1
    seeds: int

    @property
    def verdict(self) -> Verdict:
        """Either way only where the adjusted p is significant and the interval leaves out zero.

        Until the document is complete, that of a claim that stands alone.
        """
        low, high = self.difference.low, self.difference.high
        assert low is not None and high is not None
        if self.adjusted.value > SIGNIFICANT or low <= 0 <= high:
            return "not distinguishable"
        return "supported" if (self.difference.value > 0) == self.claims_first else "contradicted"


def examine(data: LabData, part: str | None, text: str, on: str, dataset: str, **place: Any) -> Claim:
    """The claim with its own test; `judge` corrects those of a document together.

    Args:
        part: the part whose data set is meant where `dataset`, a name or a title, is empty; None outside the parts.
        place: the claim's `section`, `path` and `line`.

    Raises:
        CallError: it cannot be read, or names a measure, data set or network that is not there.
    """
    found = _CLAIM.fullmatch(text)
    if found is None:
        raise CallError("a claim compares two networks with > or <", text, ["resnet50 > vgg19"])
    if on not in MEASURES:
        raise CallError("a claim is on a measure that does not exist", on, list(MEASURES))
    own, available = data.parts.get(part or ""), [one for one in data.parts.values() if one.runs]
    names = [one.dataset.name for one in available]
    if not dataset and (own is None or not own.runs):
        raise CallError("this section is about no data set of its own: say dataset=…", text, names)
    called = {str(one.dataset.manifest["title"]).casefold(): one for one in available}
    called |= {one.dataset.name: one for one in available}
    meant = (called.get(dataset) or called.get(dataset.casefold())) if dataset else own
    if meant is None:
        raise CallError("a claim is on a data set without runs in this lab", dataset, names)
    first, second = (_network(meant, found[group]) for group in (1, 3))
    if first == second:
        raise CallError("a claim compares a network with itself", text)
    split, k, _ = MEASURES[on]
    try:
        verdict = better(meant.of(first), meant.of(second), split, k)
    except Incomparable as problem:
        raise CallError(*problem.args) from None
    is_own = own is not None and own.dataset.name == meant.dataset.name
    return Claim(
        text=text,
        on=on,
        dataset=meant.dataset.name,
        elsewhere="" if is_own else str(meant.dataset.manifest["title"]),
        first=find_network(first).TITLE,
        second=find_network(second).TITLE,
        claims_first=found[2] == ">",
        difference=verdict.difference,
        p=verdict.p,
        adjusted=verdict.p,
        seeds=verdict.seeds,
        **place,
    )


def _network(part: Part, name: str) -> str:
    titles = {find_network(known).TITLE.casefold(): known for known in network_names()}
    network = name if name in network_names() else titles.get(name.casefold())
    if network is None:
        raise CallError("a claim names a network that does not exist", name, part.networks)
    if network not in part.networks:
        raise CallError(f"the network has no run on {part.dataset.name}", name, part.networks)
    return network


def judge(claims: Sequence[Claim]) -> list[Claim]:
    """The claims of one document with their p-values adjusted together; one made twice counts once."""
    compared = [(frozenset((one.first, one.second)), one.on, one.dataset) for one in claims]
    tests = {key: claim.p for key, claim in zip(compared, claims, strict=True)}
    adjusted, judged = dict(zip(tests, holm([p.value for p in tests.values()]), strict=True)), []
    for key, claim in zip(compared, claims, strict=True):
        how = CORRECTED[claim.p.how] if len(tests) > 1 else claim.p.how
        p = replace(claim.p, value=adjusted[key], how=how)
        judged.append(replace(claim, adjusted=p, tests=len(tests)))
    return judged


def wording(claim: Claim, number: int, tokens: Tokens) -> str:
    """What the runs say, the verdict, and what was claimed where that is the contrary, as tokens.

    HTML says the verdict as a class too. Numbers are called `claim.<number>.difference` and `.p`.
    """
    language, t, gap = tokens.language, tokens.language.text, claim.difference
    shown, names = gap, (claim.first, claim.second)
    if gap.value < 0:
        assert gap.low is not None and gap.high is not None
        shown = replace(gap, value=-gap.value, low=-gap.high, high=-gap.low)
        names = (claim.second, claim.first)
    leader, other = map(tokens.text, names)

    def quantity(value: Quantity, text: str, name: str) -> str:
        return tokens.quantity(value, text, section=claim.section, name=f"claim.{number}.{name}")

    def markup(html: str) -> str:
        return tokens.add(lambda medium: "" if medium == "markdown" else html)

    ahead = (
        "{leader} is ahead of {other} by {difference}" if gap.value else "{leader} and {other} are even, {difference}"
    )
    printed = quantity(shown, language.with_interval(shown), "difference")
    words = [t(ahead, leader=leader, other=other, difference=printed)]
    if claim.seeds > 1:
        words.append(t("on average over {n} seeds", n=claim.seeds))
    if measure := MEASURES[claim.on][2]:
        words.append(t(measure))
    if claim.elsewhere:
        words.append(t("on {dataset}", dataset=tokens.text(claim.elsewhere)))
    sign = "" if claim.adjusted.value < _TINY else "= "
    p = f"p {sign}{quantity(claim.adjusted, language.quantity(claim.adjusted), 'p')}"
    corrected = " " + t("(corrected for {n} comparisons)", n=claim.tests) if claim.tests > 1 else ""
    contrary = " " + t("(the claim was that {other} is ahead)", other=other) if claim.verdict == "contradicted" else ""
    opened, marked = (
        markup(f'<span class="{kind}">') for kind in (f"claim {claim.verdict.replace(' ', '-')}", "verdict")
    )
    end = markup("</span>")
    return f"{opened}{' '.join(words)}, {p}{corrected}: {marked}{t(claim.verdict)}{end}{contrary}{end}"
