"""`cnnlab commentary`, `check` and `verify`: what the text can say, what was accepted of it, and whether it is so."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab.app.options import AsJson, Asked, Commands, asked, say, show, tell
from cnnlab.errors import CheckFailed, LabError, TemplateProblem

if TYPE_CHECKING:
    from cnnlab.lab import Lab
    from report.document.model import Document

STATES = {
    "generated": "generated, not read",
    "accepted": "accepted",
    "stale": "accepted with earlier results",
    "written": "written by hand, not accepted",
    "wrong": "its text cannot be rendered",
}
VALUES = {
    "number": "{printed}  [{unit}]  {how}",
    "text": "“{text}”",
    "truth": "{text}  (for {{% if … %}})",
    "list": "{text}  {example}",
    "group": "holds {text}",
    "nothing": "nothing now (for {{% if … %}})",
}
"""A name's value by its kind, where more is said than the text."""

OWNERS = {"lab": "the lab's own file", "project": "the project's file; cnnlab init copies it beside the lab"}

MOST_LINES = 60
"""Of more mismatches, the terminal shows the first; `--json` has them all."""


class ListByDefault(Commands):
    """`commentary LAB` is `commentary list LAB`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where it is left out."""
        known = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if known else ["list", *args])


HELP = "List what the commentary can say and what was accepted of it (commentary [LAB] is commentary list [LAB])."
app = typer.Typer(cls=ListByDefault, help=HELP, rich_markup_mode=None)


@app.command("list")
@asked("runs")
def list_commentary(
    about: Asked,
    section: Annotated[
        str | None, typer.Option(metavar="SECTION", help="Everything that this section can say, as 9.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say where each section's text is and its state; of one section, what it can print."""
    if section is not None:
        _list_section(about, section_key(section, about.lab), as_json)
        return
    rows: list[dict[str, Any]] = [
        {"section": one.key, "title": one.heading, "state": one.review, **_file(about.lab, one.path)}
        for one in _document(about).sections
    ]
    lines = (f"{row['section']:13} {STATES[row['state']]:30} {row['file'] or 'no results yet'}" for row in rows)
    show(rows, lines, as_json)


def _list_section(about: Asked, key: str, as_json: bool) -> None:
    """Print what a section can say, also where its text cannot be rendered, which is then told at the end."""
    from report.data.literature import REFERENCES
    from report.data.records import open_lab
    from report.document.assembly import answered
    from report.document.commentary import commentary_path
    from report.document.rubric import load_rubric, template_folders
    from report.document.vocabulary import FILTERS, FUNCTIONS, entries, first_of_lists, item_entries
    from report.evidence.language import Language

    lab, language = about.lab, Language(about.lab.file.lab.language)
    evidence, problems = answered(open_lab(about.store, lab.stem), lab, language, key)
    if evidence is None:
        raise LabError("the section has no results yet", received=key, hint=problems[0])
    state, problem = "wrong", None
    try:
        state = _document(about).section(key).review
    except TemplateProblem as caught:
        problem = caught
    path = commentary_path(template_folders(lab), language, key, load_rubric(lab).section(key).module)
    names, items, file = entries(evidence, language), item_entries(evidence), _file(lab, path)
    calls = [[{"name": name, **use._asdict()} for name, use in uses.items()] for uses in (FUNCTIONS, FILTERS)]
    facts = {
        **{"section": key, "state": state, **file},
        **{"names": [asdict(one) for one in names], "items": items},
        **{"functions": calls[0], "filters": calls[1], "references": list(REFERENCES)},
    }
    lines = [f"{key}: {STATES[state]}", f"{path} ({OWNERS[file['folder']]})", ""]
    lines.append("Names, with their values now (of a list, its first entry):")
    shown = first_of_lists(names)
    width = max((len(one.name) for one in shown), default=0)
    for one in shown:
        value = VALUES.get(one.kind, "{text}").format(**asdict(one), printed=f"{one.text} {one.interval}".rstrip())
        lines.append(f"  {one.name:{width}}  {value}".rstrip())
    lines += ["", "Items, each placed once; those that the text does not place follow it:"]
    lines += [f'  {{{{ {one["kind"]}("{one["name"]}") }}}}  {one["caption"]}' for one in items]
    lines += ["", "Calls:", *(f"  {call['example']:26}  {call['purpose']}" for call in (*calls[0], *calls[1]))]
    show(facts, [*lines, "", f"References: {', '.join(REFERENCES)}"], as_json)
    if problem:
        raise problem


@app.command()
@asked("runs", lab=False)
def accept(
    about: Asked,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="SECTION... [LAB]", help="Sections, as 9 or conclusions; then the lab."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every section that has a text.")] = False,
) -> None:
    """Remember that you have read these sections as they are.

    A later change of what they print makes them stale.
    """
    from cnnlab.lab import shipped_labs
    from report.document.reviews import accept as remember
    from report.document.reviews import check_place

    labs = [word for word in words or () if word.endswith(".toml") or "/" in word or word in shipped_labs()]
    named = [word for word in words or () if word not in labs]
    if len(labs) > 1:
        raise LabError("one lab at a time", received=", ".join(labs))
    if bool(named) == everything:
        raise LabError("name the sections to accept, or say --all", expected="cnnlab commentary accept 9 LAB")
    about = replace(about, lab_name=labs[0]) if labs else about
    keys = [section_key(one, about.lab) for one in named]
    check_place(about.lab)
    document = _document(about)
    keys = keys or [one.key for one in document.sections if one.path is not None]
    remember(document, about.lab, keys, time=datetime.now().astimezone())
    for key in keys:
        found = document.section(key).paragraphs
        say(f"accepted {key}: {len(found)} paragraphs, {sum(len(one.printed) for one in found)} numbers")
    say(str(about.lab.reviews))


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
    raise LabError.unknown("there is no such section", text, [section.key for section in sections])


def _document(about: Asked) -> Document:
    from report.data.records import open_lab
    from report.document.assembly import assemble
    from report.evidence.language import Language

    return assemble(open_lab(about.store, about.lab.stem), about.lab, Language(about.lab.file.lab.language))


def _file(lab: Lab, path: Path | None) -> dict[str, Any]:
    """The file of a section's text, and whose it is: the lab's own wins over the project's."""
    owner = path and ("lab" if path.is_relative_to(lab.templates) else "project")
    return {"file": path and str(path), "folder": owner}


@asked("runs")
def check(
    about: Asked,
    strict: Annotated[bool, typer.Option("--strict", help="Fail for hints too, unreviewed text among them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what a marker would find.

    Unanswered questions, stale paragraphs, wrong numbers, claims beyond the evidence. Exit code 3 when there is a fault.
    """
    from report.checks.audit import audit

    found, lines, unread, here = audit(_document(about), about.lab), list[str](), list[str](), Path.cwd()
    facts = {
        name: [{**asdict(one), "path": one.path and str(one.path)} for one in entries]
        for name, entries in (("findings", found.findings), ("ledger", found.ledger))
    }
    for one in found.findings:
        if (one.severity, one.kind) == ("hint", "rubric"):
            unread.append(one.section)
            continue
        place = one.section
        if one.path is not None:
            file = one.path.relative_to(here) if one.path.is_relative_to(here) else one.path
            place = f"{file}:{one.line}" if one.line else str(file)
        lines.append(f"{one.severity} {one.kind}  {place}  {one.what}")
        lines += [f"    {one.suggestion}"] if one.suggestion else []
    if unread:
        lines.append(f"hint rubric  generated text that nobody has reviewed: {', '.join(unread)}")
        lines.append("    read it, make it yours, and accept it: cnnlab commentary accept SECTION")
    show({**facts, "faults": len(found.faults), "hints": len(found.hints)}, lines, as_json)
    if not as_json:
        tell(found.summary)
    if found.faults or (strict and found.hints):
        hint = "mend what is listed, then check again"
        raise CheckFailed("the report would be marked down", received=found.summary, hint=hint)


@asked("runs", "out")
def verify(about: Asked, as_json: AsJson = False) -> None:
    """Derive every printed number again from the runs.

    Exit code 3 when a record or a number is not as derived.
    """
    from report.checks.verify import verify as verified

    verdict = verified(about.store, about.lab, about.folder / about.lab.stem)
    wrong = verdict.mismatches
    lines = [*(f"why: {reason}" for reason in verdict.reasons), *map(str, wrong[:MOST_LINES])]
    if len(wrong) > MOST_LINES:
        lines.append(f"and {len(wrong) - MOST_LINES} more: see --json")
    if not wrong:
        lines.append(f"{verdict.numbers:,} numbers from {verdict.records} records, all as derived")
    show(asdict(verdict), lines, as_json)
    if not as_json:
        for name in verdict.unchecked:
            tell(f"not checked, because it is not there: {name}")
    if wrong:
        hint = "if the runs are right, render the report again: cnnlab report; if not, run the lab again: cnnlab run"
        raise CheckFailed("the report is not as its runs give it", received=f"{len(wrong)} mismatches", hint=hint)
