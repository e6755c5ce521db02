"""`cnnlab commentary`: what each section's text can say, where its file is, and whether its author has accepted it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from cnnlab import paths
from cnnlab.app.cli_data import AsJson, LabName, Overrides, Profile, Runs
from cnnlab.app.terminal import print_json, say
from cnnlab.errors import LabError, TemplateProblem, did_you_mean
from cnnlab.lab import Lab, load_lab, shipped_labs
from cnnlab.store.store import RunStore

if TYPE_CHECKING:
    from report.data.records import LabData
    from report.document.model import Document
    from report.document.vocabulary import Entry

STATES = {
    "generated": "generated, not read",
    "accepted": "accepted",
    "stale": "accepted with earlier results",
    "written": "written by hand, not accepted",
}


class ListByDefault(TyperGroup):
    """A group whose first command is meant where none is named: `commentary LAB` is `commentary list LAB`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where it is left out."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=ListByDefault,
    help="List what the commentary can say and what was accepted of it (commentary [LAB] is commentary list [LAB]).",
    rich_markup_mode=None,
)

Words = Annotated[
    list[str] | None, typer.Argument(metavar="SECTION... [LAB]", help="Sections, as 9 or conclusions; then the lab.")
]


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
    """Say where each section's text is and its state; with --section, every name and item that it can print."""
    loaded = load_lab(lab, profile=profile, overrides=overrides or ())
    key = None if section is None else section_key(section, loaded)
    data = _opened(loaded, runs)
    if key is not None:
        _one_section(loaded, data, key, as_json)
        return
    document = _assembled(loaded, data)
    rows = [_row(loaded, document, one.key) for one in document.sections]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        say(f"{row['section']:13} {STATES[row['state']]:30} {row['file'] or 'no results yet'}")


@app.command()
def accept(
    words: Words = None,
    everything: Annotated[bool, typer.Option("--all", help="Every section that has a text.")] = False,
    profile: Profile = None,
    overrides: Overrides = None,
    runs: Runs = None,
) -> None:
    """Remember that you have read these sections as they are; a later change of what they print makes them stale."""
    from report.document.reviews import accept as remember
    from report.document.reviews import check_place

    named, lab = _sections_and_lab(words or [])
    if bool(named) == everything:
        raise LabError("name the sections to accept, or say --all", expected="cnnlab commentary accept 9 LAB")
    loaded = load_lab(lab, profile=profile, overrides=overrides or ())
    named = [section_key(one, loaded) for one in named]
    check_place(loaded)
    document = _assembled(loaded, _opened(loaded, runs))
    keys = named or [one.key for one in document.sections if one.path is not None]
    reviews = remember(document, loaded, keys, time=datetime.now().astimezone())
    for key in keys:
        found = document.section(key).paragraphs
        numbers = sum(len(paragraph.printed) for paragraph in found)
        say(f"accepted {key}: {len(found)} paragraphs, {numbers} numbers")
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


def _sections_and_lab(words: Sequence[str]) -> tuple[list[str], str]:
    """The sections among the words, and the lab: what names a file or a shipped lab, `demo` without."""
    labs = [word for word in words if word.endswith(".toml") or "/" in word or word in shipped_labs()]
    if len(labs) > 1:
        raise LabError("one lab at a time", received=", ".join(labs))
    return [word for word in words if word not in labs], labs[0] if labs else "demo"


def _opened(lab: Lab, runs: Path | None) -> LabData:
    from report.data.records import open_lab

    return open_lab(RunStore(paths.runs_dir(runs)), lab.stem)


def _assembled(lab: Lab, data: LabData) -> Document:
    from report.document.assembly import assemble
    from report.evidence.language import Language

    return assemble(data, lab, Language(lab.file.lab.language))


def _row(lab: Lab, document: Document, key: str) -> dict[str, Any]:
    section = document.section(key)
    return {
        "section": key,
        "title": section.heading,
        "state": section.review,
        "file": str(section.path) if section.path else None,
        "folder": _folder(lab, section.path) if section.path else None,
    }


def _folder(lab: Lab, path: Path) -> str:
    """Whose file it is: the lab's own wins over the project's."""
    return "lab" if path.is_relative_to(lab.templates) else "project"


def _one_section(lab: Lab, data: LabData, key: str, as_json: bool) -> None:
    """Print what a section can say, also where its text cannot be rendered, which is then told at the end."""
    from report.data.literature import REFERENCES
    from report.document.assembly import answered
    from report.document.commentary import commentary_path, template_folders
    from report.document.rubric import load_rubric
    from report.document.vocabulary import FILTERS, FUNCTIONS, entries, item_entries
    from report.evidence.language import Language

    language = Language(lab.file.lab.language)
    evidence, problems = answered(data, lab, language, key)
    if evidence is None:
        raise LabError("the section has no results yet", received=key, hint=problems[0])
    problem: TemplateProblem | None = None
    state: str
    try:
        state = _assembled(lab, data).section(key).review
    except TemplateProblem as caught:
        problem, state = caught, "wrong"
    spec = load_rubric(lab).section(key)
    path = commentary_path(template_folders(lab), language, key, spec.kind)
    found: dict[str, Any] = {
        "section": key,
        "state": state,
        "file": str(path),
        "folder": _folder(lab, path),
        "names": entries(evidence, language),
        "items": item_entries(evidence),
        "functions": [{"name": name, **use._asdict()} for name, use in FUNCTIONS.items()],
        "filters": [{"name": name, **use._asdict()} for name, use in FILTERS.items()],
        "references": list(REFERENCES),
    }
    if as_json:
        print_json({**found, **{part: [asdict(one) for one in found[part]] for part in ("names", "items")}})
    else:
        for line in _lines(found):
            say(line)
    if problem:
        raise problem


def _lines(found: dict[str, Any]) -> list[str]:
    from report.document.vocabulary import first_of_lists

    owner = {"lab": "the lab's own file", "project": "the project's file; cnnlab init copies it beside the lab"}
    shown = first_of_lists(found["names"])
    width = max((len(entry.name) for entry in shown), default=0)
    calls = [*found["functions"], *found["filters"]]
    return [
        f"{found['section']}: {STATES.get(found['state'], 'its text cannot be rendered')}",
        f"{found['file']} ({owner[found['folder']]})",
        "",
        "Names, with their values now (of a list, its first entry):",
        *(f"  {entry.name:{width}}  {_value(entry)}" for entry in shown),
        "",
        "Items, each placed once; those that the text does not place follow it:",
        *(f'  {{{{ {one.kind}("{one.name}") }}}}  {one.caption}' for one in found["items"]),
        "",
        "Calls:",
        *(f"  {one['example']:26}  {one['purpose']}" for one in calls),
        "",
        f"References: {', '.join(found['references'])}",
    ]


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
