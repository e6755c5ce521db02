"""`cnnlab commentary`, `check` and `verify`: what the text can say, what was accepted of it, and whether it is so."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab import paths
from cnnlab.app.options import (
    AsJson,
    Commands,
    LabName,
    Out,
    Overrides,
    Profile,
    Runs,
    opened,
    print_json,
    say,
    tell,
)
from cnnlab.errors import CheckFailed, LabError, TemplateProblem, did_you_mean

if TYPE_CHECKING:
    from cnnlab.lab import Lab
    from cnnlab.store.store import RunStore
    from report.document.model import Document
    from report.document.vocabulary import Entry

STATES = {
    "generated": "generated, not read",
    "accepted": "accepted",
    "stale": "accepted with earlier results",
    "written": "written by hand, not accepted",
}


MOST_LINES = 60
"""Of more mismatches, the terminal shows the first; `--json` has them all."""


class ListByDefault(Commands):
    """`commentary LAB` is `commentary list LAB`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where it is left out."""
        known = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if known else ["list", *args])


app = typer.Typer(
    cls=ListByDefault,
    help="List what the commentary can say and what was accepted of it (commentary [LAB] is commentary list [LAB]).",
    rich_markup_mode=None,
)


@app.command("list")
def list_commentary(
    lab: LabName = "demo",
    section: Annotated[
        str | None, typer.Option("--section", metavar="SECTION", help="Everything that this section can say, as 9.")
    ] = None,
    profile: Profile = None,
    overrides: Overrides = None,
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """Say where each section's text is and its state; of one section, what it can print."""
    loaded, store = opened(lab, profile, overrides, runs)
    if section is not None:
        _list_section(loaded, store, section_key(section, loaded), as_json)
        return
    rows = [
        {
            "section": one.key,
            "title": one.heading,
            "state": one.review,
            "file": str(one.path) if one.path else None,
            "folder": _folder(loaded, one.path) if one.path else None,
        }
        for one in _document(loaded, store).sections
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        say(f"{row['section']:13} {STATES[str(row['state'])]:30} {row['file'] or 'no results yet'}")


@app.command()
def accept(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="SECTION... [LAB]", help="Sections, as 9 or conclusions; then the lab."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every section that has a text.")] = False,
    profile: Profile = None,
    overrides: Overrides = None,
    runs: Runs = None,
) -> None:
    """Remember that you have read these sections as they are.

    A later change of what they print makes them stale.
    """
    from cnnlab.lab import shipped_labs
    from report.document.reviews import accept as remember
    from report.document.reviews import check_place

    labs = [word for word in words or () if word.endswith(".toml") or "/" in word or word in shipped_labs()]
    if len(labs) > 1:
        raise LabError("one lab at a time", received=", ".join(labs))
    named = [word for word in words or () if word not in labs]
    if bool(named) == everything:
        raise LabError("name the sections to accept, or say --all", expected="cnnlab commentary accept 9 LAB")
    loaded, store = opened(labs[0] if labs else "demo", profile, overrides, runs)
    named = [section_key(one, loaded) for one in named]
    check_place(loaded)
    document = _document(loaded, store)
    keys = named or [one.key for one in document.sections if one.path is not None]
    reviews = remember(document, loaded, keys, time=datetime.now().astimezone())
    for key in keys:
        found = document.section(key).paragraphs
        say(f"accepted {key}: {len(found)} paragraphs, {sum(len(one.printed) for one in found)} numbers")
    say(str(reviews.path))


def section_key(text: str, lab: Lab) -> str:
    """The key of a section of the lab's rubric, named by its number or its key: `9`, `activity-9`, `activity-09`.

    Raises:
        LabError: there is no such section.
        TemplateProblem: the rubric cannot be read.
    """
    from report.document.rubric import load_rubric

    sections = load_rubric(lab).sections
    for section in sections:
        if re.sub(r"\b0+(?=\d)", "", text) in (str(section.number), re.sub(r"\b0+(?=\d)", "", section.key)):
            return section.key
    keys = [section.key for section in sections]
    raise LabError("there is no such section", received=text, expected=", ".join(keys), hint=did_you_mean(text, keys))


def _document(lab: Lab, store: RunStore) -> Document:
    from report.data.records import open_lab
    from report.document.assembly import assemble
    from report.evidence.language import Language

    return assemble(open_lab(store, lab.stem), lab, Language(lab.file.lab.language))


def _folder(lab: Lab, path: Path) -> str:
    """Whose file it is: the lab's own wins over the project's."""
    return "lab" if path.is_relative_to(lab.templates) else "project"


def _list_section(lab: Lab, store: RunStore, key: str, as_json: bool) -> None:
    """Print what a section can say, also where its text cannot be rendered, which is then told at the end."""
    from report.data.literature import REFERENCES
    from report.data.records import open_lab
    from report.document.assembly import answered
    from report.document.commentary import commentary_path
    from report.document.rubric import load_rubric, template_folders
    from report.document.vocabulary import FILTERS, FUNCTIONS, entries, first_of_lists, item_entries
    from report.evidence.language import Language

    language, problem = Language(lab.file.lab.language), None
    evidence, problems = answered(open_lab(store, lab.stem), lab, language, key)
    if evidence is None:
        raise LabError("the section has no results yet", received=key, hint=problems[0])
    state = "wrong"
    try:
        state = _document(lab, store).section(key).review
    except TemplateProblem as caught:
        problem = caught
    path = commentary_path(template_folders(lab), language, key, load_rubric(lab).section(key).module)
    names, items, folder = entries(evidence, language), item_entries(evidence), _folder(lab, path)
    functions = [{"name": name, **use._asdict()} for name, use in FUNCTIONS.items()]
    filters = [{"name": name, **use._asdict()} for name, use in FILTERS.items()]
    if as_json:
        head = {"section": key, "state": state, "file": str(path), "folder": folder}
        listed = {"names": [asdict(one) for one in names], "items": [asdict(one) for one in items]}
        print_json({**head, **listed, "functions": functions, "filters": filters, "references": list(REFERENCES)})
    else:
        owner = {"lab": "the lab's own file", "project": "the project's file; cnnlab init copies it beside the lab"}
        shown = first_of_lists(names)
        width = max((len(entry.name) for entry in shown), default=0)
        say(f"{key}: {STATES.get(state, 'its text cannot be rendered')}\n{path} ({owner[folder]})\n")
        say("Names, with their values now (of a list, its first entry):")
        for entry in shown:
            say(f"  {entry.name:{width}}  {_value(entry)}")
        say("\nItems, each placed once; those that the text does not place follow it:")
        for one in items:
            say(f'  {{{{ {one.kind}("{one.name}") }}}}  {one.caption}')
        say("\nCalls:")
        for call in (*functions, *filters):
            say(f"  {call['example']:26}  {call['purpose']}")
        say(f"\nReferences: {', '.join(REFERENCES)}")
    if problem:
        raise problem


def _value(entry: Entry) -> str:
    """Kind, value, interval and origin of a name on one line."""
    match entry.kind:
        case "number":
            words = " ".join(part for part in (entry.text, entry.interval) if part)
            return f"{words}  [{entry.unit}]" + (f"  {entry.how}" if entry.how else "")
        case "truth":
            return f"{entry.text}  (for {{% if … %}})"
        case "list":
            return f"{entry.text}  {entry.example}"
        case "nothing":
            return "nothing now (for {% if … %})"
        case "group":
            return f"holds {entry.text}"
    return f"“{entry.text}”" if entry.kind == "text" else entry.text


def check(
    lab: LabName = "demo",
    profile: Profile = None,
    overrides: Overrides = None,
    runs: Runs = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail for hints too, unreviewed text among them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what a marker would find.

    Unanswered questions, stale paragraphs, wrong numbers, claims beyond the evidence. Exit code 3 when there is a fault.
    """
    from report.checks.audit import audit

    loaded, store = opened(lab, profile, overrides, runs)
    found = audit(_document(loaded, store), loaded)
    if as_json:
        listed = {
            name: [{**asdict(one), "path": str(one.path) if one.path else None} for one in entries]
            for name, entries in (("findings", found.findings), ("ledger", found.ledger))
        }
        print_json({**listed, "faults": len(found.faults), "hints": len(found.hints)})
    else:
        unread = [one for one in found.hints if one.kind == "rubric"]
        for one in found.findings:
            if one not in unread:
                place = one.section
                if one.path is not None:
                    here = one.path.is_relative_to(Path.cwd())
                    file = one.path.relative_to(Path.cwd()) if here else one.path
                    place = f"{file}:{one.line}" if one.line else str(file)
                say(f"{one.severity} {one.kind}  {place}  {one.what}")
                if one.suggestion:
                    say(f"    {one.suggestion}")
        if unread:
            sections = ", ".join(one.section for one in unread)
            say(f"hint rubric  generated text that nobody has reviewed: {sections}")
            say("    read it, make it yours, and accept it: cnnlab commentary accept SECTION")
        tell(found.summary)
    if found.faults or (strict and found.hints):
        hint = "mend what is listed, then check again"
        raise CheckFailed("the report would be marked down", received=found.summary, hint=hint)


def verify(
    lab: LabName = "demo",
    profile: Profile = None,
    runs: Runs = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Derive every printed number again from the runs.

    Exit code 3 when a record or a number is not as derived.
    """
    from report.checks.verify import verify as verified

    loaded, store = opened(lab, profile, None, runs)
    verdict = verified(store, loaded, paths.out_dir(out) / loaded.stem)
    if as_json:
        print_json(asdict(verdict))
    else:
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
    if verdict.mismatches:
        raise CheckFailed(
            "the report is not as its runs give it",
            received=f"{len(verdict.mismatches)} mismatches",
            hint="if the runs are right, render the report again: cnnlab report; if not, run the lab again: cnnlab run",
        )
