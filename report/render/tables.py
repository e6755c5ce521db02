"""Tables laid out, for the page and for the notebook."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from markupsafe import Markup

from report.document.tokens import Tokens
from report.evidence.quantity import Column, Quantity, Table

Medium = Literal["screen", "print"]


class CellView(NamedTuple):
    """A table cell as laid out: `pad` decimals are missing to align it, `point` says that the sign is too."""

    content: Markup
    best: bool
    pad: int
    point: bool


class TableView(NamedTuple):
    """A table as laid out: heads, each with whether its column lines up as numbers, rows of cells, whether any is best."""

    heads: list[tuple[Column, bool]]
    rows: list[list[CellView]]
    marked: bool


def table_view(table: Table, tokens: Tokens, medium: Medium) -> TableView:
    """Cells worded, padded to align their decimals, and those found that print the best value of their column."""
    language, heads, columns = tokens.language, [], []
    for column in table.columns:
        cells = [row.get(column.key) for row in table.rows]
        texts = [language.quantity(one) if isinstance(one, Quantity) else (one or "–") for one in cells]
        numbers = {index: cell.value for index, cell in enumerate(cells) if isinstance(cell, Quantity)}
        heads.append((column, bool(numbers) and all(isinstance(one, Quantity | None) for one in cells)))
        best = ""
        if column.best and len({texts[index] for index in numbers}) > 1:  # else there is nothing to be better than
            best = texts[(max if column.best == "max" else min)(numbers, key=lambda index: numbers[index])]
        found = [re.search(rf".*{re.escape(language.decimal_sign)}(\d*)", text) for text in texts]
        decimals = [len(one[1]) if one and index in numbers else 0 for index, one in enumerate(found)]
        views = []
        for index, (text, digits) in enumerate(zip(texts, decimals, strict=True)):
            pad = max(decimals) - digits if index in numbers else 0
            content = Markup(tokens.marked_words(text, medium, focus=False))
            views.append(CellView(content, index in numbers and text == best, pad, pad > 0 and not digits))
        columns.append(views)
    rows = [list(cells) for cells in zip(*columns, strict=True)]
    return TableView(heads, rows, any(cell.best for row in rows for cell in row))
