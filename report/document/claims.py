"""Claims of the prose, "resnet50 > vgg19": each is tested on the runs, and all of a document are corrected together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cnnlab.networks import find_network, network_names
from report.data.records import LabData
from report.document.problems import CallError
from report.document.tokens import Tokens
from report.evidence import compare
from report.evidence.quantity import Quantity
from report.evidence.statistics import holm

Outcome = Literal["supported", "not distinguishable", "contradicted"]

_CLAIM = re.compile(r"\s*([^<>]+?)\s*([<>])\s*([^<>]+?)\s*")

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
class Claim(compare.Verdict):
    """A claim as it is made (`text`, `on` a key of `MEASURES`), where, and what the runs say of it.

    Attributes:
        section, path, line: of the call in the commentary.
        dataset: the data set's name; `elsewhere` its title where it is not the section's own, else empty.
        first, second: titles of the networks, in the order of the text; `claims_first`: the first is said to be ahead.
        tests: how many claims of the document `adjusted` is corrected for.
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
    tests: int = 1

    @property
    def corrected(self) -> Quantity:
        """The test's p, corrected for all claims of the document."""
        return replace(self.p, value=self.adjusted, how=CORRECTED[self.p.how] if self.tests > 1 else self.p.how)

    @property
    def verdict(self) -> Outcome:
        """Either way only where the two can be told apart."""
        if not self.sign:
            return "not distinguishable"
        return "supported" if (self.sign > 0) == self.claims_first else "contradicted"


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
    known = {find_network(one).TITLE.casefold(): one for one in network_names()} | {one: one for one in network_names()}
    networks = []
    for name in found.group(1, 3):
        network = known.get(name) or known.get(name.casefold())
        if network is None:
            raise CallError("a claim names a network that does not exist", name, meant.networks)
        if network not in meant.networks:
            raise CallError(f"the network has no run on {meant.dataset.name}", name, meant.networks)
        networks.append(network)
    first, second = networks
    if first == second:
        raise CallError("a claim compares a network with itself", text)
    split, k, _ = MEASURES[on]
    try:
        verdict = compare.better(meant.of(first), meant.of(second), split, k)
    except compare.Incomparable as problem:
        raise CallError(*problem.args) from None
    is_own = own is not None and own.dataset.name == meant.dataset.name
    return Claim(
        text=text, on=on, dataset=meant.dataset.name, elsewhere="" if is_own else str(meant.dataset.manifest["title"]),
        first=find_network(first).TITLE, second=find_network(second).TITLE, claims_first=found[2] == ">",
        **vars(verdict), **place,
    )  # fmt: skip


def judge(claims: Sequence[Claim]) -> list[Claim]:
    """The claims of one document with their p-values adjusted together; one made twice counts once."""
    pairs = [(frozenset((one.first, one.second)), one.on, one.dataset) for one in claims]
    tests = {key: claim.p for key, claim in zip(pairs, claims, strict=True)}
    adjusted = dict(zip(tests, holm([p.value for p in tests.values()]), strict=True))
    return [replace(claim, adjusted=adjusted[key], tests=len(tests)) for key, claim in zip(pairs, claims, strict=True)]


def wording(claim: Claim, number: int, tokens: Tokens) -> str:
    """What the runs say, the verdict, and what was claimed where that is the contrary, as tokens.

    HTML says the verdict as a class too. Numbers are called `claim.<number>.difference` and `.p`.
    """
    language, t, gap, names = tokens.language, tokens.language.text, claim.difference, [claim.first, claim.second]
    if gap.value < 0:
        assert gap.low is not None and gap.high is not None
        gap, names = replace(gap, value=-gap.value, low=-gap.high, high=-gap.low), names[::-1]
    leader, other = map(tokens.text, names)
    ahead = (
        "{leader} is ahead of {other} by {difference}" if gap.value else "{leader} and {other} are even, {difference}"
    )
    called: dict[str, Any] = {"section": claim.section, "name": f"claim.{number}.difference"}
    words = [
        t(ahead, leader=leader, other=other, difference=tokens.quantity(gap, language.with_interval(gap), **called))
    ]
    if claim.seeds > 1:
        words.append(t("on average over {n} seeds", n=claim.seeds))
    if measure := MEASURES[claim.on][2]:
        words.append(t(measure))
    if claim.elsewhere:
        words.append(t("on {dataset}", dataset=tokens.text(claim.elsewhere)))
    shown = language.quantity(claim.corrected)
    printed = tokens.quantity(claim.corrected, shown, section=claim.section, name=f"claim.{number}.p")
    said = f"{' '.join(words)}, p {'' if shown.startswith('<') else '= '}{printed}"
    said += " " + t("(corrected for {n} comparisons)", n=claim.tests) if claim.tests > 1 else ""
    end = tokens.add(lambda medium: "" if medium == "markdown" else "</span>")

    def marked(kind: str, text: str) -> str:
        return tokens.add(lambda medium: "" if medium == "markdown" else f'<span class="{kind}">') + text + end

    said += f": {marked('verdict', t(claim.verdict))}"
    said += " " + t("(the claim was that {other} is ahead)", other=other) if claim.verdict == "contradicted" else ""
    return marked(f"claim {claim.verdict.replace(' ', '-')}", said)
