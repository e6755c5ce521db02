"""What the commentary of a section can say and call: every name of its evidence, and the engine's functions and filters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, NamedTuple

from cnnlab.errors import visible
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Quantity

DEEPEST = 5
"""Levels of names that are followed: `pairs.0.difference` has three."""

LONGEST = 90
"""Letters of a text that are shown."""


class Use(NamedTuple):
    """How something is called, and what for."""

    example: str
    purpose: str


FUNCTIONS: Mapping[str, Use] = {
    "figure": Use('{{ figure("name") }}', "places a figure; alone on its line"),
    "table": Use('{{ table("name") }}', "places a table; alone on its line"),
    "gallery": Use('{{ gallery("name") }}', "places images; alone on its line"),
    "listing": Use('{{ listing("name") }}', "places code with its output; alone on its line"),
    "ref": Use('{{ ref("name") }}', 'refers to an item: “figure 3”; ref("activity-09/name"), ref("name", capital=true)'),
    "cite": Use('{{ cite("key") }}', 'cites: “[2]”; cite("key", "key") for several'),
    "claim": Use(
        '{{ claim("resnet50 > vgg19") }}',
        'tests a comparison on the runs and prints what came of it; claim("…", on="validation accuracy", dataset="…")',
    ),
    "given": Use(
        '{{ given("7×7×512") }}',
        "a number that you answer for, as one of the assignment: it is printed and not checked",
    ),
    "lab": Use("{{ lab.title }}", "the lab file's title, authors and course"),
}  # fmt: skip
"""Names that the engine adds to those of the evidence."""

FILTERS: Mapping[str, Use] = {
    "interval": Use("{{ name|interval }}", "a number with its 95 % interval; interval(2) with two decimals"),
    "plain": Use("{{ name|plain }}", "a number without its unit; plain(2) with two decimals"),
    "signed": Use("{{ name|signed }}", "a number with its sign also where it is positive"),
    "join_words": Use("{{ names|join_words }}", "a list in words: “A, B and C”"),
}
"""Filters that the engine adds to Jinja's own."""


@dataclass(frozen=True)
class Entry:
    """A name of the evidence.

    Attributes:
        name: dotted, as a template writes it; inside a loop, the part after the index belongs to the loop's own name.
        kind: "number" and "text" can be printed; "count" is a plain whole number; "truth" can be asked for with
            `{% if %}`; "list" can be gone through; "group" holds the names below it; "nothing" has no value now.
        text: as it would be printed, or what there is to say of it: "yes", "3 entries".
        interval, unit, how: of a number: its interval as printed, its unit, how it was computed; each may be empty.
        example: of a list, how it is gone through.
    """

    name: str
    kind: str
    text: str = ""
    interval: str = ""
    unit: str = ""
    how: str = ""
    example: str = ""


def parts(value: Any) -> list[tuple[str, Any]]:
    """What a value holds, by the name that a template reaches it with; nothing of a quantity or a text."""
    if isinstance(value, Mapping):
        return [(str(key), inner) for key, inner in value.items()]
    if isinstance(value, list | tuple):
        return [(str(index), inner) for index, inner in enumerate(value)]
    if isinstance(value, Quantity) or not is_dataclass(value):
        return []
    kind = type(value)
    properties = [key for key in dir(kind) if not key.startswith("_") and isinstance(getattr(kind, key), property)]
    return [(key, getattr(value, key)) for key in [*(one.name for one in fields(value)), *properties]]


def named_values(names: Mapping[str, Any], depth: int = DEEPEST) -> Iterator[tuple[str, Any]]:
    """Dotted name and value of everything reachable from the evidence's names, what holds others before them."""
    for name, value in names.items():
        yield str(name), value
        if depth > 1:
            yield from ((f"{name}.{key}", inner) for key, inner in named_values(dict(parts(value)), depth - 1))


def item_entries(evidence: Evidence) -> list[dict[str, str]]:
    """Name, kind ("figure", "table", "gallery", "listing") and caption of every item that a template can place."""
    return [
        {"name": name, "kind": type(item).__name__.lower(), "caption": _shown(item.caption)}
        for name, item in evidence.items.items()
    ]


def first_of_lists(found: Sequence[Entry]) -> list[Entry]:
    """The entries without what lists hold beyond their first element, which has the same names below it."""
    lists = tuple(f"{one.name}." for one in found if one.kind == "list")
    return [
        one
        for one in found
        if all(one.name.removeprefix(held).split(".")[0] == "0" for held in lists if one.name.startswith(held))
    ]


def entries(evidence: Evidence, language: Language) -> list[Entry]:
    """Every name of the evidence, with those below it."""
    return [_entry(name, value, language) for name, value in named_values(evidence.names)]


def _entry(name: str, value: Any, language: Language) -> Entry:
    match value:
        case None:
            return Entry(name, "nothing")
        case Quantity():
            how = language.text(value.how) if value.how else ""
            return Entry(name, "number", language.quantity(value), language.interval(value), value.unit, how)
        case str():
            return Entry(name, "text", _shown(value))
        case bool():
            return Entry(name, "truth", "yes" if value else "no")
        case int():
            return Entry(name, "count", language.number(value))
        case list() | tuple() if all(isinstance(one, str) for one in value):
            return Entry(name, "list", _shown(language.join(value)), example=f"{{{{ {name}|join_words }}}}")
        case list() | tuple():
            inner = next((f"one.{key}" for key, held in parts(value[0]) if isinstance(held, str | Quantity)), "one")
            example = f"{{% for one in {name} %}}{{{{ {inner} }}}}{{% endfor %}}"
            return Entry(name, "list", f"{len(value)} entries" if len(value) > 1 else "1 entry", example=example)
    below = ", ".join(key for key, _ in parts(value))
    return Entry(name, "group" if below else "value", _shown(below or repr(value)))


def _shown(text: str) -> str:
    """A text of one line that a terminal can show, whatever it holds."""
    line = visible(" ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
