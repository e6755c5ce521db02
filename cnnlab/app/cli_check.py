"""`cnnlab check`: whether everything asked is answered, and whether the text says what the runs say."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab import paths
from cnnlab.app.cli_data import AsJson, LabName, Overrides, Profile, Runs
from cnnlab.app.terminal import print_json, say, tell
from cnnlab.errors import CheckFailed
from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore

if TYPE_CHECKING:
    from report.checks.audit import Audit
    from report.document.ledger import Finding


def check(
    lab: LabName = "demo",
    profile: Profile = None,
    overrides: Overrides = None,
    runs: Runs = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail for hints too, unreviewed text among them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what a marker would find: unanswered questions, stale paragraphs, wrong numbers, claims beyond the evidence.

    Exit code 3 when there is a fault.
    """
    from report.checks.audit import audit
    from report.data.records import open_lab
    from report.document.assembly import assemble
    from report.evidence.language import Language

    loaded = load_lab(lab, profile=profile, overrides=overrides or ())
    data = open_lab(RunStore(paths.runs_dir(runs)), loaded.stem)
    found = audit(assemble(data, loaded, Language(loaded.file.lab.language)), loaded)
    if as_json:
        print_json(_as_json(found))
    else:
        _say(found)
    if found.faults or (strict and found.hints):
        raise CheckFailed(
            "the report would be marked down", received=found.summary, hint="mend what is listed, then check again"
        )


def _as_json(found: Audit) -> dict[str, Any]:
    return {
        "findings": [{**asdict(one), "path": str(one.path) if one.path else None} for one in found.findings],
        "ledger": [{**asdict(one), "path": str(one.path) if one.path else None} for one in found.ledger],
        "faults": len(found.faults),
        "hints": len(found.hints),
    }


def _say(found: Audit) -> None:
    unread = [one for one in found.hints if one.kind == "rubric"]
    for one in found.findings:
        if one not in unread:
            say(_line(one))
            if one.suggestion:
                say(f"    {one.suggestion}")
    if unread:
        say(f"hint rubric  generated text that nobody has reviewed: {', '.join(one.section for one in unread)}")
        say("    read it, make it yours, and accept it: cnnlab commentary accept SECTION")
    tell(found.summary)


def _line(one: Finding) -> str:
    place = one.section if one.path is None else f"{_short(one.path)}{f':{one.line}' if one.line else ''}"
    return f"{one.severity} {one.kind}  {place}  {one.what}"


def _short(path: Path) -> Path:
    """From the current folder on, where the file is below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
