"""All checks of a report's text put together: what `cnnlab check` shows, and what each build sums up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from cnnlab.lab import Lab
from report.checks.typed import audit_typed
from report.document.ledger import Entry, Finding, State, audit_rubric, ledger
from report.document.model import Document
from report.document.reviews import audit_reviews
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
        states = ", ".join(f"{counts[state]} {words}" for state, words in STATES.items() if counts[state])
        numbers = {"thing": len(self.ledger), "fault": len(self.faults), "hint": len(self.hints)}
        things, faults, hints = (f"{n} {word}{'s' * (n != 1)}" for word, n in numbers.items())
        return f"{things} asked: {states}; {faults}, {hints}"


def audit(document: Document, lab: Lab) -> Audit:
    """Check a report's prose against its evidence, its author's reviews and the lab's rubric.

    Raises:
        StoreError: the reviews cannot be read.
    """
    found = [*audit_rubric(document), *audit_reviews(document, lab), *audit_claims(document)]
    found += audit_typed(document, document.rubric.given)
    order = {section.key: place for place, section in enumerate(document.sections)}
    found.sort(key=lambda one: (order.get(one.section, len(order)), one.severity, one.line or 0))
    return Audit(tuple(found), ledger(document))


def audit_claims(document: Document) -> list[Finding]:
    """A fault for each claim that is contradicted, a hint for each that the runs cannot decide, in reading order."""
    english, found = Language("en"), []
    for claim in (claim for claim in document.claims if claim.verdict != "supported"):
        gap, p = english.with_interval(claim.difference), english.quantity(claim.corrected)
        means = f", means over {claim.seeds} seeds" if claim.seeds > 1 else ""
        wrong = claim.verdict == "contradicted"
        what = (
            f"the runs {'contradict' if wrong else 'do not decide'} the claim “{claim.text}” ({claim.on} on {claim.dataset}): "
            f"{claim.first} minus {claim.second} is {gap}{means}, adjusted p {p if p.startswith('<') else f'= {p}'}"
        )
        mend = "say that the two cannot be told apart here, or train from more seeds"
        found.append(
            Finding(
                kind="claim", severity="fault" if wrong else "hint", section=claim.section, path=claim.path, line=claim.line,
                what=what, suggestion="turn the claim round, or take it out" if wrong else mend,
            )
        )  # fmt: skip
    return found
