"""All checks of a report's text put together: what `cnnlab check` shows, and what each build sums up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from cnnlab.lab import Lab
from report.checks.typed import audit_typed
from report.document.ledger import Entry, Finding, State, audit_rubric, ledger
from report.document.model import Document
from report.document.reviews import audit_reviews, read_reviews
from report.evidence.language import Language

STATES: dict[State, str] = {
    "answered": "answered",
    "generated": "answered by generated text that nobody has reviewed",
    "stale": "reviewed before its evidence changed",
    "placeholder": "with a placeholder",
    "missing": "missing",
}


@dataclass(frozen=True)
class Audit:
    """What the checks found, in the order of the report, and the state of everything that was asked."""

    findings: tuple[Finding, ...]
    ledger: tuple[Entry, ...]

    @property
    def faults(self) -> list[Finding]:
        """Findings that a check fails for."""
        return [one for one in self.findings if one.severity == "fault"]

    @property
    def hints(self) -> list[Finding]:
        """Findings that are worth a look."""
        return [one for one in self.findings if one.severity == "hint"]

    @property
    def summary(self) -> str:
        """One line: how many things are asked and in which state they are, and how many faults and hints there are."""
        counts = Counter(entry.state for entry in self.ledger)
        states = ", ".join(f"{n} {words}" for state, words in STATES.items() if (n := counts[state]))
        things, faults, hints = (
            f"{n} {word}{'' if n == 1 else 's'}"
            for n, word in ((len(self.ledger), "thing"), (len(self.faults), "fault"), (len(self.hints), "hint"))
        )
        return f"{things} asked: {states}; {faults}, {hints}"


def audit(document: Document, lab: Lab) -> Audit:
    """Check a report's prose against its evidence, its author's reviews and the lab's rubric.

    Raises:
        StoreError: the reviews cannot be read.
    """
    found = [
        *audit_rubric(document),
        *audit_reviews(document, read_reviews(lab)),
        *audit_claims(document),
        *audit_typed(document, document.rubric.given),
    ]
    order = {section.key: place for place, section in enumerate(document.sections)}
    found.sort(key=lambda one: (order.get(one.section, len(order)), one.severity, one.line or 0))
    return Audit(tuple(found), ledger(document))


def audit_claims(document: Document) -> list[Finding]:
    """A fault for each claim that is contradicted, a hint for each that the runs cannot decide, in reading order."""
    english, found = Language("en"), []
    for claim in document.claims:
        if claim.verdict == "supported":
            continue
        contradicted = claim.verdict == "contradicted"
        gap, p = english.with_interval(claim.difference), english.quantity(claim.adjusted)
        means = f", means over {claim.seeds} seeds" if claim.seeds > 1 else ""
        finding = Finding(
            kind="claim",
            severity="fault" if contradicted else "hint",
            section=claim.section,
            path=claim.path,
            line=claim.line,
            what=f"the runs {'contradict' if contradicted else 'do not decide'} the claim “{claim.text}” ({claim.on} on "
            f"{claim.dataset}): {claim.first} minus {claim.second} is {gap}{means}, adjusted p "
            f"{'' if p.startswith('<') else '= '}{p}",
            suggestion="turn the claim round, or take it out"
            if contradicted
            else "say that the two cannot be told apart here, or train from more seeds",
        )
        found.append(finding)
    return found
