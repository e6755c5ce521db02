"""A number, a record or a file that is not as derived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """One thing that does not answer for itself.

    Attributes:
        kind: a damaged "record", a "number" of `report.json`, a number in the "page", the "notebook" or the "pdf", the
            "hash" over all of them, or a whole "document" that cannot be read or derived.
        where: the section, record or file concerned.
        name: of the number in its section, or of the file in its record.
        what: the problem in one sentence.
        found, expected: what stands there and what should; either may be empty.
    """

    kind: Literal["record", "number", "page", "notebook", "pdf", "hash", "document"]
    where: str
    what: str
    name: str = ""
    found: str = ""
    expected: str = ""

    def __str__(self) -> str:
        """One line for the terminal."""
        place = f"{self.where}, {self.name}" if self.name else self.where
        sides = [f"{word} {text}" for word, text in (("found", self.found), ("expected", self.expected)) if text]
        return f"{place}: {self.what}" + (f" ({', '.join(sides)})" if sides else "")
