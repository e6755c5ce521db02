"""What is written to a terminal, which obeys control characters wherever they come from: a file's name, a record, a lab."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import typer

_OBEYED = ("Cc", "Cf", "Cs")
"""Control characters, invisible ones that turn the direction of a line among others, and halves of characters."""


def visible(text: str) -> str:
    """The text with U+FFFD in place of every character but tabs and ends of line that a terminal would obey."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_obeyed(sign) else sign for sign in text)


def say(text: str) -> None:
    """A line of data, on standard output."""
    typer.echo(visible(text))


def tell(message: str) -> None:
    """A message for the user, on standard error."""
    typer.echo(visible(message), err=True)


def duration(seconds: float) -> str:
    """Seconds as `42 s`, `3 min 05 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def print_json(value: Any) -> None:
    """Data for a program, on standard output; what a terminal would obey is written as JSON's own escapes."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    typer.echo("".join(_escape(sign) if _is_obeyed(sign) else sign for sign in text))


def _escape(sign: str) -> str:
    return "\\u007f" if sign == "\x7f" else json.dumps(sign)[1:-1]


def _is_obeyed(sign: str) -> bool:
    return sign not in "\n\t" and unicodedata.category(sign) in _OBEYED
