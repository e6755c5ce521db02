"""Claims of the prose that the runs do not bear out."""

from __future__ import annotations

from report.document.claims import Claim
from report.document.finding import Finding, Severity
from report.document.model import Document
from report.evidence.language import Language

ENGLISH = Language("en")


def audit_claims(document: Document) -> list[Finding]:
    """A fault for each claim that is contradicted, a hint for each that the runs cannot decide, in reading order."""
    return [_finding(claim) for claim in document.claims if claim.verdict != "supported"]


def _finding(claim: Claim) -> Finding:
    contradicted = claim.verdict == "contradicted"
    severity: Severity = "fault" if contradicted else "hint"
    said = "contradict" if contradicted else "do not decide"
    gap, p = ENGLISH.with_interval(claim.difference), ENGLISH.quantity(claim.adjusted)
    means = f", means over {claim.seeds} seeds" if claim.seeds > 1 else ""
    return Finding(
        kind="claim",
        severity=severity,
        section=claim.section,
        path=claim.path,
        line=claim.line,
        what=f"the runs {said} the claim “{claim.text}” ({claim.on} on {claim.dataset}): {claim.first} minus "
        f"{claim.second} is {gap}{means}, adjusted p {'' if p.startswith('<') else '= '}{p}",
        suggestion="turn the claim round, or take it out"
        if contradicted
        else "say that the two cannot be told apart here, or train from more seeds",
    )
