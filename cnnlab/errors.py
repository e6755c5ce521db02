"""What can go wrong, in the user's words.

Every error that a user can cause or repair is a `CnnlabError`. The command line prints it without a traceback and
exits with its `exit_code`; anything else that is raised is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Self

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class CnnlabError(Exception):
    """A problem: `what` it is in one sentence, `where` (a file, folder, key or record), what was `received` there, what
    would have been `expected`, and a `hint` what to do next."""

    exit_code = 2

    def __init__(
        self, what: str, *, where: str | Path | None = None, received: object = None, expected: object = None,
        hint: str | None = None,
    ) -> None:  # fmt: skip
        self.what, self.where, self.received, self.expected, self.hint = what, where, received, expected, hint
        super().__init__(str(self))

    def __str__(self) -> str:
        more = {"where": self.where, "received": self.received, "expected": self.expected, "try": self.hint}
        return "\n".join([self.what, *(f"  {label}: {value}" for label, value in more.items() if value is not None)])

    @classmethod
    def unknown(cls, what: str, name: object, known: Iterable[object], *, where: str | Path | None = None) -> Self:
        """The error that `name` is none of the `known` ones, which are listed; the nearest is proposed."""
        names = list(map(str, known))
        hint = did_you_mean(str(name), names)
        return cls(what, where=where, received=name, expected=", ".join(names) or "none", hint=hint)


class LabError(CnnlabError):
    """The lab file, or an override of it, is wrong."""


class DataError(CnnlabError):
    """A data set is missing, unreadable or unfit for training."""


class StoreError(CnnlabError):
    """A record under `runs/` cannot be read, written or trusted."""


class Unwritable(StoreError):
    """A file or folder cannot be written, or the disk is full: what comes next would fail as well."""


class TemplateProblem(CnnlabError):
    """A template or a commentary file cannot be rendered."""


class CheckFailed(CnnlabError):
    """A check that the user asked for found something."""

    exit_code = 3


class Incomplete(CnnlabError):
    """The command finished, but something that was asked for is missing."""

    exit_code = 4


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint naming the nearest known spelling of `name`, or None when nothing is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean “{near[0]}”?" if near else None


def visible(text: str) -> str:
    """The text with U+FFFD in place of every character but tabs and ends of line that a terminal would obey."""
    return "".join("\N{REPLACEMENT CHARACTER}" if is_obeyed(sign) else sign for sign in text)


def is_obeyed(sign: str) -> bool:
    """Whether it is a control character, an invisible one that turns the direction of a line, or half a character."""
    return sign not in "\n\t" and unicodedata.category(sign) in ("Cc", "Cf", "Cs")


def printable(text: str) -> str:
    """`text` with what no file can hold (control characters, halves of file names that are not UTF-8) made visible."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
