"""Tables laid out, for the page and for the notebook."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from markupsafe import Markup

from report.document.tokens import Tokens
from report.evidence.language import Language
from report.evidence.quantity import Column, Quantity, Table

Medium = Literal["screen", "print"]


class Wording(Protocol):
    """What tables need of a `Document`: how numbers are worded and marked."""

    @property
    def language(self) -> Language: ...
    @property
    def tokens(self) -> Tokens: ...


@dataclass(frozen=True)
class CellView:
    """A table cell as laid out: `pad` decimals are missing to align it, `point` says that the sign is too."""

    content: Markup
    best: bool
    pad: int
    point: bool


@dataclass(frozen=True)
class TableView:
    """A table as laid out: heads, each with whether its column lines up as numbers, rows of cells, whether any is best."""

    heads: list[tuple[Column, bool]]
    rows: list[list[CellView]]
    marked: bool


def table_view(table: Table, document: Wording, medium: Medium) -> TableView:
    """Cells worded, padded to align their decimals, and the best of a column found."""
    heads, columns = [], []
    for column in table.columns:
        cells = [row.get(column.key) for row in table.rows]
        texts = [document.language.quantity(one) if isinstance(one, Quantity) else (one or "–") for one in cells]
        filled = [cell for cell in cells if cell is not None]
        heads.append((column, bool(filled) and all(isinstance(cell, Quantity) for cell in filled)))
        best, sign = _best(column, cells, texts), re.escape(document.language.decimal_sign)
        decimals = [
            len(found[1]) if isinstance(cell, Quantity) and (found := re.search(rf".*{sign}(\d*)", text)) else 0
            for cell, text in zip(cells, texts, strict=True)
        ]
        views = []
        for index, (cell, text, digits) in enumerate(zip(cells, texts, decimals, strict=True)):
            if isinstance(cell, Quantity):
                shown, pad = document.tokens.marked(cell, text, medium, focus=False), max(decimals) - digits
            else:
                shown, pad = document.tokens.marked_words(text, medium, focus=False), 0
            views.append(CellView(Markup(shown), index in best, pad, pad > 0 and not digits))
        columns.append(views)
    rows = [list(cells) for cells in zip(*columns, strict=True)]
    return TableView(heads, rows, any(cell.best for row in rows for cell in row))


def _best(column: Column, cells: Sequence[Any], texts: Sequence[str]) -> set[int]:
    """Rows whose printed value equals the best one; none where there is nothing to be better than."""
    values = {index: cell.value for index, cell in enumerate(cells) if isinstance(cell, Quantity)}
    if column.best is None or len({texts[index] for index in values}) < 2:
        return set()
    winner = (max if column.best == "max" else min)(values, key=lambda index: values[index])
    return {index for index in values if texts[index] == texts[winner]}
