"""`cnnlab verify`: derives every printed number of a report again from its runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from cnnlab import paths
from cnnlab.app.cli_data import AsJson, LabName, Out, Profile, Runs
from cnnlab.app.terminal import print_json, say, tell
from cnnlab.errors import CheckFailed
from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore

if TYPE_CHECKING:
    from report.checks.verify import Verdict

MOST_LINES = 60
"""Of more mismatches, the terminal shows the first; `--json` has them all."""


def verify(
    lab: LabName = "demo",
    profile: Profile = None,
    runs: Runs = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Derive every printed number again from the runs; exit code 3 when a record or a number is not as derived."""
    from report.checks.verify import verify as verified

    loaded = load_lab(lab, profile=profile)
    verdict = verified(RunStore(paths.runs_dir(runs)), loaded, paths.out_dir(out) / loaded.stem)
    if as_json:
        print_json(asdict(verdict))
    else:
        _say(verdict)
    if verdict.mismatches:
        raise CheckFailed(
            "the report is not as its runs give it",
            received=f"{len(verdict.mismatches)} mismatches",
            hint="if the runs are right, render the report again: cnnlab report; if not, run the lab again: cnnlab run",
        )


def _say(verdict: Verdict) -> None:
    for reason in verdict.reasons:
        say(f"why: {reason}")
    for mismatch in verdict.mismatches[:MOST_LINES]:
        say(str(mismatch))
    if (more := len(verdict.mismatches) - MOST_LINES) > 0:
        say(f"and {more} more: see --json")
    for note in verdict.notes:
        tell(f"note: {note}")
    for name in verdict.unchecked:
        tell(f"not checked, because it is not there: {name}")
    if not verdict.mismatches:
        say(f"{verdict.numbers:,} numbers from {verdict.records} records, all as derived")
