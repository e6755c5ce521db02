"""All checks of a report's text put together: what `cnnlab check` shows, and what each build sums up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from cnnlab.lab import Lab
from report.checks.claims import audit_claims
from report.checks.comparatives import audit_comparatives
from report.checks.numbers import audit_numbers
from report.document.finding import Finding
from report.document.ledger import Entry, audit_rubric, ledger
from report.document.model import Document
from report.document.reviews import read_reviews
from report.document.staleness import audit_staleness, former


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
    def states(self) -> Counter[str]:
        """How many of the things asked are in each state."""
        return Counter(entry.state for entry in self.ledger)

    @property
    def summary(self) -> str:
        """One line: how many things are asked and in which state they are, and how many faults and hints there are."""
        states = ", ".join(f"{self.states[state]} {WORDS[state]}" for state in WORDS if self.states[state])
        found = f"{_counted(len(self.faults), 'fault')}, {_counted(len(self.hints), 'hint')}"
        return f"{_counted(len(self.ledger), 'thing')} asked: {states}; {found}"


WORDS = {
    "answered": "answered",
    "generated": "answered by generated text that nobody has reviewed",
    "stale": "reviewed before its evidence changed",
    "placeholder": "with a placeholder",
    "missing": "missing",
}


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" + ("" if count == 1 else "s")


def audit(document: Document, lab: Lab) -> Audit:
    """Check a report's prose against its evidence, its author's reviews and the lab's rubric.

    Raises:
        StoreError: the reviews cannot be read.
    """
    rubric, reviews = document.rubric, read_reviews(lab)
    found = [
        *audit_rubric(document, rubric, document.stale),
        *audit_staleness(document, reviews),
        *audit_claims(document),
        *audit_numbers(document, given=rubric.given, former=former(document, reviews)),
        *audit_comparatives(document),
    ]
    order = {section.key: place for place, section in enumerate(document.sections)}
    found.sort(key=lambda one: (order.get(one.section, len(order)), one.severity, one.line or 0))
    return Audit(tuple(found), ledger(document, rubric, document.stale))
