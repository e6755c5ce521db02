"""Every quantity that an item, a notice or the appendix prints, by a name that says where it stands."""

from __future__ import annotations

from collections.abc import Iterator

from report.document.appendix import Appendix
from report.document.tokens import Place, Printed
from report.evidence.language import Language
from report.evidence.quantity import Cell, Figure, Gallery, Item, Listing, Quantity, Table
from report.evidence.words import numbers_in


def of_item(section: str, name: str, item: Item, language: Language) -> Iterator[Printed]:
    """The quantities that an item prints: `results.VGG-19.accuracy`, `mistakes.0`, `loss.caption.epoch`."""
    yield from of_words(section, f"{name}.caption", item.caption, "caption")
    if not isinstance(item, Listing):
        yield from of_words(section, f"{name}.note", item.note, "note")
    if isinstance(item, Figure | Gallery):
        yield from of_words(section, f"{name}.alt", item.alt, "alt")
    if isinstance(item, Table):
        head = item.columns[0].key
        for column in item.columns:
            yield from of_words(section, f"{name}.{column.key}", column.head, "head")
        for row in item.rows:
            for column in item.columns:
                path = f"{name}.{_head(row.get(head), language)}.{column.key}"
                if isinstance(cell := row.get(column.key), Quantity):
                    yield Printed(section, path, cell, str(language.quantity(cell)), "table")
                elif cell is not None:
                    yield from of_words(section, path, cell, "table")
    elif isinstance(item, Gallery):
        for index, exhibit in enumerate(item.items):
            if exhibit.confidence is not None:
                text = str(language.quantity(exhibit.confidence))
                yield Printed(section, f"{name}.{index}", exhibit.confidence, text, "gallery")


def of_words(section: str, name: str, text: str, place: Place) -> Iterator[Printed]:
    """The quantities of a text: `loss.caption.epoch`."""
    for path, printed, quantity in numbers_in(text, name):
        yield Printed(section, path, quantity, printed, place)


def of_appendix(records: Appendix) -> Iterator[Printed]:
    """The quantities of the appendix's entries."""
    for _, entry in records.all():
        for term, text in entry.facts:
            yield from of_words("appendix", f"{entry.key}.{term}", text, "appendix")


def _head(cell: Cell, language: Language) -> str:
    return language.quantity(cell) if isinstance(cell, Quantity) else (cell or "")
