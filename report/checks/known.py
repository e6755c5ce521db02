"""What the evidence knows: every number of a section by its name, found by value."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import Any

from report.evidence.language import Language
from report.evidence.quantity import Evidence, Quantity, Table, Unit

LABELS = ("network", "name", "true", "predicted", "better", "worse")
"""Names whose texts say what the numbers beside them are about."""

_DEPTH = 5


@dataclass(frozen=True)
class Known:
    """One number of the evidence.

    Attributes:
        section: key of its section.
        name: as a commentary writes it, `best.accuracy`, `ranking[0].accuracy`; of a table's cell, the table's name.
        quantity: the number itself.
        labels: texts that stand beside it, such as its network.
        printable: whether a commentary can print it by its name; a cell of a table it cannot.
        whole: whether it is a plain whole number, without filters.
        bound: whether it is an end of the interval of the quantity of this name.
    """

    section: str
    name: str
    quantity: Quantity
    labels: tuple[str, ...] = ()
    printable: bool = True
    whole: bool = False
    bound: bool = False

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of its name."""
        return frozenset(re.findall(r"[a-z]+|\d+", self.name.lower()))

    @property
    def depth(self) -> int:
        """How far inside the evidence it stands."""
        return self.name.count(".") + self.name.count("[")

    @property
    def unit(self) -> Unit:
        """Its unit."""
        return self.quantity.unit

    def shown(self, language: Language) -> str:
        """What `{{ name }}` prints."""
        return language.quantity(self.quantity).replace("\u00a0", " ")

    def interval(self, language: Language) -> str:
        """Its interval in parentheses, or that it has none."""
        return language.interval(self.quantity).replace("\u00a0", " ") or "none"


@dataclass(frozen=True)
class SectionKnown:
    """All numbers and texts of one section's evidence."""

    section: str
    numbers: tuple[Known, ...]
    texts: Mapping[str, str] = field(repr=False)
    """By text, the name that prints it."""

    @cached_property
    def by_name(self) -> dict[str, Known]:
        """The numbers that can be printed, by name."""
        return {one.name: one for one in self.numbers if one.printable and not one.bound}

    @cached_property
    def _ordered(self) -> tuple[Known, ...]:
        return tuple(sorted(self.numbers, key=lambda one: abs(one.quantity.value)))

    @cached_property
    def _values(self) -> list[float]:
        return [abs(one.quantity.value) for one in self._ordered]

    def near(self, value: float, reach: float) -> Sequence[Known]:
        """The numbers whose size is within `reach` of that of `value`."""
        first = bisect_left(self._values, abs(value) - reach)
        return self._ordered[first : bisect_right(self._values, abs(value) + reach)]


def known_numbers(section: str, evidence: Evidence) -> SectionKnown:
    """The numbers and the texts that can be printed in a section, and the numbers in its tables."""
    numbers: dict[int, Known] = {}
    texts: dict[str, str] = {}

    def walk(value: Any, name: str, labels: tuple[str, ...], depth: int) -> None:
        if isinstance(value, Quantity):
            if math.isfinite(value.value):
                numbers.setdefault(id(value), Known(section, name, value, labels))
        elif isinstance(value, str):
            texts.setdefault(value, name)
            if value.isdecimal() and len(value) < 12 and "[" not in name:
                walk(int(value), name, labels, depth)
        elif isinstance(value, int) and not isinstance(value, bool):
            whole = Quantity(value=value, unit="count")
            numbers[id(whole)] = Known(section, name, whole, labels, whole=True)
            kept.append(whole)
        elif depth:
            inner = dict(_inner(value, name))
            beside = tuple(v for k, v in inner.items() if isinstance(v, str) and k.rpartition(".")[2] in LABELS)
            for key, part in inner.items():
                walk(part, key, beside or labels, depth - 1)

    kept: list[Quantity] = []  # so that no identity is used twice
    network = evidence.names.get("network")
    for name, value in evidence.names.items():
        walk(value, name, (network,) if isinstance(network, str) else (), _DEPTH)
    cells = [replace(cell, section=section) for cell in _cells(evidence)]
    seen = {(one.quantity.value, one.unit) for one in numbers.values()}
    extra = [cell for cell in cells if (cell.quantity.value, cell.unit) not in seen]
    bounds = [end for one in numbers.values() for end in _bounds(one)]
    return SectionKnown(section, (*numbers.values(), *bounds, *extra), texts)


def _bounds(known: Known) -> Iterator[Known]:
    """The ends of its interval, as numbers of the same name."""
    for end in (known.quantity.low, known.quantity.high):
        if end is not None and math.isfinite(end):
            yield replace(known, quantity=replace(known.quantity, value=end, low=None, high=None), bound=True)


def _inner(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            word = str(key)
            yield (f"{name}.{word}" if word.isidentifier() else f'{name}["{word}"]'), part
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield f"{name}[{index}]", part
    elif is_dataclass(value) and not isinstance(value, type):
        for part in fields(value):
            yield f"{name}.{part.name}", getattr(value, part.name)


def _cells(evidence: Evidence) -> Iterator[Known]:
    for name, item in evidence.items.items():
        if isinstance(item, Table):
            head = item.columns[0].key
            for row in item.rows:
                first = row.get(head)
                labels = (first,) if isinstance(first, str) else ()
                for column in item.columns:
                    cell = row.get(column.key)
                    if isinstance(cell, Quantity) and math.isfinite(cell.value):
                        yield Known("", name, cell, labels, printable=False)
