"""What all commands share: their options, the lab and the store that these name, and how they print.

A terminal obeys control characters wherever they come from (a file's name, a record, a lab), so none is printed.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, wraps
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
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

SECTIONS = {
    "Make a report": ("run", "report", "bundle"),
    "Look before and after": ("plan", "find-rate", "status", "data", "doctor"),
    "Write its text": ("init", "commentary", "preview"),
    "Check it": ("check", "verify"),
}
"""All commands, by what one wants to do."""


@dataclass(frozen=True)
class Asked:
    """What a command is about, by the options that say it; lab and store are read once."""

    lab_name: LabName = "demo"
    profile: Profile = None
    overrides: Overrides = None
    runs: Runs = None
    out: Out = None

    @cached_property
    def lab(self) -> Lab:
        from cnnlab.lab import load_lab

        return load_lab(self.lab_name, profile=self.profile, overrides=self.overrides or ())

    @cached_property
    def store(self) -> RunStore:
        from cnnlab.store.store import RunStore

        return RunStore(paths.runs_dir(self.runs))

    @property
    def folder(self) -> Path:
        """Where reports go."""
        return paths.out_dir(self.out)


def asked(*more: str, lab: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a command, whose first argument is `Asked`, have its fields as options, `runs` and `out` where `more` says so.

    Args:
        lab: whether the command has the argument LAB; without, the field keeps its default.
    """
    names = [*(["lab_name"] if lab else []), "profile", "overrides", *more]
    fields = [one for one in inspect.signature(Asked, eval_str=True).parameters.values() if one.name in names]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def call(**values: Any) -> None:
            command(Asked(**{one.name: values.pop(one.name) for one in fields}), **values)

        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        call.__signature__ = inspect.Signature([*fields, *own])  # type: ignore[attr-defined]
        return call

    return decorate


class Commands(TyperGroup):
    """A group whose help shows each command's whole sentence; those of `cnnlab` itself in sections."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Every command with the first sentence of what it does."""
        for title, names in (SECTIONS if "run" in self.commands else {"Commands": list(self.commands)}).items():
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(limit=200)) for name in names])


def say(text: str) -> None:
    """A line of data, on standard output."""
    typer.echo(visible(text))


def tell(message: str) -> None:
    """A message for the user, on standard error."""
    typer.echo(visible(message), err=True)


def show(value: Any, lines: Iterable[str], as_json: bool) -> None:
    """Data on standard output, in lines or as JSON, in whose own escapes stands what a terminal would obey."""
    if as_json:
        text = json.dumps(value, indent=1, ensure_ascii=False)
        lines = [
            "".join(json.dumps(sign)[1:-1].replace("\x7f", r"\u007f") if is_obeyed(sign) else sign for sign in text)
        ]
    for line in lines:
        say(line)
