"""What the commentary of a section can say: every name with its value as it would be printed, and every item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.errors import printable
from report.document.names import named_values, parts
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Quantity

LONGEST = 90
"""Letters of a text that are shown."""


@dataclass(frozen=True)
class Entry:
    """A name of the evidence.

    Attributes:
        name: dotted, as a template writes it; inside a loop, the part after the index belongs to the loop's own name.
        kind: "number" and "text" can be printed; "count" is a plain whole number; "truth" can be asked for with
            `{% if %}`; "list" can be gone through; "group" holds the names below it; "nothing" has no value now.
        text: as it would be printed, or what there is to say of it: "yes", "3 entries".
        interval: of a number, as it would be printed; may be empty.
        unit, how: of a number: its unit, and how it was computed in the report's language.
        example: of a list, how it is gone through.
    """

    name: str
    kind: str
    text: str = ""
    interval: str = ""
    unit: str = ""
    how: str = ""
    example: str = ""


@dataclass(frozen=True)
class ItemEntry:
    """An item that a template can place: its name, its kind ("figure", "table", "gallery", "listing"), its caption."""

    name: str
    kind: str
    caption: str


def entries(evidence: Evidence, language: Language) -> list[Entry]:
    """Every name of the evidence, with those below it."""
    return [_entry(name, value, language) for name, value in named_values(evidence.names)]


def item_entries(evidence: Evidence) -> list[ItemEntry]:
    """Every item of the evidence."""
    return [ItemEntry(name, type(item).__name__.lower(), _shown(item.caption)) for name, item in evidence.items.items()]


def first_of_lists(found: Sequence[Entry]) -> list[Entry]:
    """The entries without what lists hold beyond their first element, which has the same names below it."""
    lists = {entry.name for entry in found if entry.kind == "list"}
    return [entry for entry in found if not _is_further(entry.name, lists)]


def _is_further(name: str, lists: set[str]) -> bool:
    """Whether a name leads through a list by another index than 0."""
    names = name.split(".")
    return any(".".join(names[:i]) in lists and names[i] != "0" for i in range(1, len(names)))


def _entry(name: str, value: Any, language: Language) -> Entry:
    if value is None:
        return Entry(name, "nothing")
    if isinstance(value, Quantity):
        how = language.text(value.how) if value.how else ""
        return Entry(name, "number", language.quantity(value), language.interval(value), value.unit, how)
    if isinstance(value, str):
        return Entry(name, "text", _shown(value))
    if isinstance(value, bool):
        return Entry(name, "truth", "yes" if value else "no")
    if isinstance(value, int):
        return Entry(name, "count", language.number(value))
    if isinstance(value, list | tuple):
        return _list(name, value, language)
    if below := [key for key, _ in parts(value)]:
        return Entry(name, "group", _shown(", ".join(below)))
    return Entry(name, "value", _shown(repr(value)))


def _list(name: str, value: Sequence[Any], language: Language) -> Entry:
    if all(isinstance(one, str) for one in value):
        return Entry(name, "list", _shown(language.join(list(value))), example=f"{{{{ {name}|join_words }}}}")
    held = [key for key, inner in parts(value[0]) if isinstance(inner, str | Quantity)]
    inner = f"one.{held[0]}" if held else "one"
    example = f"{{% for one in {name} %}}{{{{ {inner} }}}}{{% endfor %}}"
    return Entry(name, "list", f"{len(value)} entries" if len(value) > 1 else "1 entry", example=example)


def _shown(text: str) -> str:
    """A text of one line that a terminal can show, whatever it holds."""
    line = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in " ".join(text.split()))
    return printable(line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…")
