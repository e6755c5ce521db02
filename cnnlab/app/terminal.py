"""What is written to a terminal, which obeys control characters wherever they come from: a file's name, a record, a lab."""

from __future__ import annotations

import json
from typing import Any

import typer

from cnnlab.errors import is_obeyed, visible


def say(text: str) -> None:
    """A line of data, on standard output."""
    typer.echo(visible(text))


def tell(message: str) -> None:
    """A message for the user, on standard error."""
    typer.echo(visible(message), err=True)


def print_json(value: Any) -> None:
    """Data for a program, on standard output; what a terminal would obey is written as JSON's own escapes."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    typer.echo("".join(_escape(sign) if is_obeyed(sign) else sign for sign in text))


def _escape(sign: str) -> str:
    return "\\u007f" if sign == "\x7f" else json.dumps(sign)[1:-1]
