"""What a report may say: quantities, tables, figures, galleries and listings, each tied to what it came from.

Plain frozen data without a language or a layout. `report.evidence.language` words it, `report.render` lays it out.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, Required, TypeAlias, TypedDict

from cnnlab.errors import printable
from cnnlab.store.record import Record
from report.evidence.statistics import wilson
from report.evidence.words import sourced

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from matplotlib.figure import Figure as MplFigure

    from report.evidence.language import Unit

Source = Sequence[Record | str]
"""Records, or ids of records."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number that prose, tables and captions can print."""

    value: float  # in the unit's base: shares in 0-1, seconds, nats, bytes
    unit: Unit
    n: int | None = None  # how many images (or runs, layers, …) it was computed from, where that means something
    low: float | None = None  # its 95 % interval, where it has one
    high: float | None = None
    runs: tuple[str, ...] = ()  # ids of the records that it came from
    how: str = ""  # how it was computed, as a message id of the catalogue ("Wilson interval over test images")
    digits: int | None = None  # decimals to print where the unit's usual ones would not be the source's own


@dataclass(frozen=True)
class Numbers:
    """Makes the quantities of one source; `how` is a message id of the catalogue."""

    runs: tuple[str, ...]

    def __call__(self, value: float, unit: Unit, **more: Any) -> Quantity:
        return Quantity(value=value, unit=unit, runs=self.runs, **more)

    def count(self, value: Any, how: str = "") -> Quantity:
        """A whole number of things."""
        return self(int(value), "count", how=how)

    def share(self, right: int, n: int, how: str = "Right answers over images, Wilson interval") -> Quantity:
        """`right` of `n`, of which there is at least one, with its 95 % Wilson interval."""
        low, high = wilson(right, n)
        return self(right / n, "share", n=n, low=low, high=high, how=how)

    def mean(self, values: Sequence[float], how: str) -> Quantity:
        """Mean of at least one value, without decimals where it has none."""
        mean = fmean(values)
        return self(mean, "count" if mean.is_integer() else "number", n=len(values), how=how)


def numbers_of(*sources: Record | str) -> Numbers:
    """The maker of quantities that come from these records, or from records of these ids."""
    return Numbers(tuple(one if isinstance(one, str) else one.id for one in sources))


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """What stands under a caption of one sentence, perhaps above a note; numbers of its words that name no record come
    from its `source`."""

    caption: str
    source: Source = ()
    note: str = ""

    def __post_init__(self) -> None:
        runs = numbers_of(*self.source).runs
        for key in {"caption", "note", "alt"} & {one.name for one in fields(self)}:
            object.__setattr__(self, key, sourced(getattr(self, key), runs))


class Under(TypedDict, total=False):
    """What every maker of a figure takes for it: what stands under it, and the records that it shows."""

    caption: Required[str]
    note: str
    source: Source


Cell = Quantity | str | None


@dataclass(frozen=True, kw_only=True)
class Column:
    """A table column. `best` marks the largest or smallest value of the column, bold and with a sign."""

    key: str
    head: str
    best: Literal["max", "min"] | None = None


@dataclass(frozen=True)
class Attachment:
    """A file that a report brings along: its name, and its content as text."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Table(Captioned):
    """Rows of cells by column key; the first column heads its row. `note` gives n, split and interval."""

    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Cell], ...]
    whole: Attachment | None = None  # the table with all its rows where it shows only some


def table(
    caption: str, heads: Mapping[str, str], rows: Sequence[Mapping[str, Cell]], *,
    best: Mapping[str, Literal["max", "min"]] | None = None, **more: Any
) -> Table:  # fmt: skip
    """A table by the heads of its columns; `best` says of which the largest or the smallest value is marked."""
    columns = tuple(Column(key=key, head=head, best=(best or {}).get(key)) for key, head in heads.items())
    return Table(caption=caption, columns=columns, rows=tuple(rows), **more)


@dataclass(frozen=True, kw_only=True)
class Figure(Captioned):
    """A chart, drawn only when it is needed."""

    alt: str  # what a reader who cannot see it is told, made from the data
    draw: Callable[[Any], MplFigure]  # makes it in the colours and fonts of a `report.figures.theme.Theme`
    data: Any  # everything that `draw` depends on, in JSON terms; the cache key of the drawing
    wide: bool = False  # whether it deserves the full width of the page


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """One image of a gallery: what it is, and what a network took it for."""

    pixels: Any  # uint8 (h, w, 3)
    label: str
    origin: str = ""  # where it stands, such as the split that it belongs to
    predicted: str | None = None
    confidence: Quantity | None = None
    alt: str = ""  # what a reader who cannot see it is told, by default that it is an image of its class


@dataclass(frozen=True, kw_only=True)
class Gallery(Captioned):
    """A grid of data set images. `group` says how many that follow each other are kept side by side."""

    alt: str
    items: tuple[Exhibit, ...]
    group: int = 1

    @property
    def across(self) -> int:
        """Pictures in a row, so that rows are of one length where that can be had: eight are four and four."""
        count = len(self.items)
        if self.group > 1:
            return self.group * max(1, round(5 / self.group))
        return 4 if count in (7, 8) else 5 if count % 5 == 0 else 6


@dataclass(frozen=True, kw_only=True)
class Listing(Captioned):
    """Code that was executed, with what it printed. `language` is a Pygments lexer name."""

    code: str
    output: str = ""
    language: str = "python"


Item = Table | Figure | Gallery | Listing
Value: TypeAlias = "Quantity | str | bool | Sequence[Value] | Mapping[str, Value] | DataclassInstance | None"
"""What a name may stand for: what templates can print, test or walk through; a number without a source is none of it."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that one activity can say: what its commentary can print or test by name, and what it can show by name, in the
    order in which that appears when it shows none."""

    names: Mapping[str, Value] = field(default_factory=dict)
    items: Mapping[str, Item] = field(default_factory=dict)


def csv_attachment(name: str, head: Sequence[str], rows: Sequence[Sequence[str | int | float | None]]) -> Attachment:
    """Rows as a CSV file (RFC 4180, comma, decimal point, UTF-8): numbers as they are, None empty.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    formula, stream = tuple("=+-@\t\r\n＝＋－＠"), io.StringIO()

    def cell(value: str | int | float | None) -> str | int | float | None:
        text = printable(value) if isinstance(value, str) else ""
        return f"'{text}" if text.startswith(formula) or text.lstrip().startswith(formula) else text or value

    csv.writer(stream).writerows([[cell(value) for value in row] for row in (head, *rows)])
    return Attachment(name, stream.getvalue())


def csv_uri(attachment: Attachment) -> str:
    """The file as a `data:` address."""
    return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(attachment.text.encode()).decode()}"
