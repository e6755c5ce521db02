"""Text that remembers which numbers stand in it, so that a caption can answer for them as a table's cells do.

`Words` is a string like any other to whoever only prints it. `report.evidence.language` makes it, the layouts and
`report.json` take its numbers out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from string import Formatter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from report.evidence.quantity import Quantity


class Number(NamedTuple):
    """A quantity printed at `text[start:end]`; `name` is the field that it filled, empty where it is the whole text."""

    start: int
    end: int
    name: str
    quantity: Quantity


class Words(str):
    """A text with its `numbers`, in order.

    They survive `+` and replacements of equal length; every other method of `str` gives a plain string.
    """

    numbers: tuple[Number, ...]

    def __new__(cls, text: str, numbers: Iterable[Number] = ()) -> Words:
        """The text with these numbers in it."""
        self = super().__new__(cls, text)
        self.numbers = tuple(numbers)
        return self

    def __add__(self, other: str) -> Words:
        return joined([self, other])

    def __radd__(self, other: str) -> Words:
        return joined([other, self])

    def replace(self, old: str, new: str, count: Any = -1) -> str:
        """As of any string; where `new` is as long as `old`, the numbers stay where they are."""
        text = super().replace(old, new, count)
        return Words(text, self.numbers) if len(old) == len(new) else text


def worded(text: str, quantity: Quantity) -> Words:
    """A text that is one number, unit and all."""
    return Words(text, [Number(0, len(text), "", quantity)])


def joined(parts: Iterable[str], between: str = "") -> Words:
    """The parts one after the other, with `between` them."""
    text, numbers = "", list[Number]()
    for index, part in enumerate(parts):
        text += between if index else ""
        own, by = getattr(part, "numbers", ()), len(text)
        numbers += [one._replace(start=one.start + by, end=one.end + by) for one in own]
        text += str(part)
    return Words(text, numbers)


def filled(pattern: str, fields: Mapping[str, Any]) -> str:
    """`pattern` with its `{fields}` filled in, as `str.format` does.

    Numbers carry the fields' names, but for those that begin with an underscore.
    """
    parts: list[str] = []
    for literal, field, spec, conversion in Formatter().parse(pattern):
        if spec or conversion:
            raise ValueError(f"a message takes plain fields only: {pattern}")
        parts.append(literal)
        if field is not None:
            value, outer = fields[field], "" if field.startswith("_") else field
            own = (one._replace(name=f"{outer}.{one.name}".strip(".")) for one in getattr(value, "numbers", ()))
            parts.append(Words(str(value), own))
    text = joined(parts)
    return text if text.numbers else str(text)


def sourced(text: str, runs: tuple[str, ...]) -> str:
    """The same text; those of its numbers that name no record come from `runs`."""
    if not isinstance(text, Words):
        return text
    return Words(
        text, (one._replace(quantity=replace(one.quantity, runs=one.quantity.runs or runs)) for one in text.numbers)
    )


def pieces(text: str) -> Iterator[tuple[str, Number | None]]:
    """The text in order, cut at its numbers: (what is printed, the number that it is)."""
    at = 0
    for one in getattr(text, "numbers", ()):
        if text[at : one.start]:
            yield text[at : one.start], None
        yield text[one.start : one.end], one
        at = one.end
    if text[at:]:
        yield text[at:], None
