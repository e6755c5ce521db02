"""What all commands share: their options, the lab and the store that these name, and how they print.

A terminal obeys control characters wherever they come from (a file's name, a record, a lab), so none is printed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from cnnlab import paths
from cnnlab.errors import is_obeyed, visible

if TYPE_CHECKING:
    from cnnlab.lab import Lab
    from cnnlab.store.store import RunStore

LabName = Annotated[str, typer.Argument(metavar="LAB", help="The name of a shipped lab, or the path of a lab file.")]
Profile = Annotated[str | None, typer.Option("--profile", help="Apply the overrides of this [profiles] table.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one key, as recipes.NAME.epochs=5.")
]
Runs = Annotated[Path | None, typer.Option("--runs", help="Folder of cached runs (CNNLAB_RUNS; default: runs).")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of rendered reports (CNNLAB_OUT; default: out).")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Also say what WeasyPrint said that changes nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


class Commands(TyperGroup):
    """A group whose help shows each command's whole sentence, in sections where there are any."""

    sections: Mapping[str, Sequence[str]] = {}

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Every command with the first sentence of what it does."""
        for title, names in (self.sections or {"Commands": list(self.commands)}).items():
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(limit=200)) for name in names])


def opened(
    lab: str, profile: str | None, overrides: list[str] | None, runs: Path | None = None
) -> tuple[Lab, RunStore]:
    """The lab that a command is about, and its run store."""
    from cnnlab.lab import load_lab
    from cnnlab.store.store import RunStore

    return load_lab(lab, profile=profile, overrides=overrides or ()), RunStore(paths.runs_dir(runs))


def say(text: str) -> None:
    """A line of data, on standard output."""
    typer.echo(visible(text))


def tell(message: str) -> None:
    """A message for the user, on standard error."""
    typer.echo(visible(message), err=True)


def print_json(value: Any) -> None:
    """Data for a program, on standard output; what a terminal would obey is written as JSON's own escapes."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    escaped = (json.dumps(sign)[1:-1] if sign != "\x7f" else "\\u007f" for sign in text)
    typer.echo("".join(new if is_obeyed(old) else old for old, new in zip(text, escaped, strict=True)))
