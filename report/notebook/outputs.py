"""Items of the evidence as outputs of a notebook: the same data, words and drawings as in the HTML.

Each function gives a MIME bundle and its metadata. Pictures are PNG, which every front end shows,
also in a notebook that its user has not declared trusted; their alternative text stands beside them.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from cnnlab.errors import printable
from report.document.tokens import Tokens
from report.evidence.language import Language
from report.evidence.quantity import Exhibit, Figure, Gallery, Item, Listing, Table
from report.render.tables import TableView, table_view

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure

Bundle = tuple[dict[str, Any], dict[str, Any]]

DPI, SCREEN_DPI = 144, 96
_LARGE, _LARGE_DPI = 200, 100  # photographs of this side have detail that would make a notebook of 10 MB
# Class names may hold `$`: neither MathJax 2 nor 3 and later may take what is between two of them for a formula.
_NO_MATH = "tex2jax_ignore mathjax_ignore"


def bundle(item: Item, language: Language) -> Bundle:
    """The output that shows `item`."""
    match item:
        case Figure():
            return figure_bundle(item)
        case Table():
            return table_bundle(item, language)
        case Gallery():
            return gallery_bundle(item, language)
        case Listing():
            return {"text/plain": f"{item.code}\n\n{item.output}".rstrip()}, {}


def figure_bundle(figure: Figure) -> Bundle:
    """The chart as a PNG of 144 dpi in the colours of a light page."""
    from report.figures.svg import paint, settings
    from report.figures.theme import SCREEN

    with warnings.catch_warnings():
        # A script that neither font has shows as boxes in the picture; its names are in the tables too.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font", category=UserWarning)
        return _picture(paint(figure, SCREEN), figure.alt, settings(SCREEN))


def gallery_bundle(gallery: Gallery, language: Language) -> Bundle:
    """The grid of images as one PNG, each with its label and what it was taken for; the same as text."""
    from report.figures.svg import paint, settings
    from report.figures.theme import SCREEN

    captions = [_words(exhibit, language) for exhibit in gallery.items]
    dpi = _LARGE_DPI if any(exhibit.pixels.shape[0] >= _LARGE for exhibit in gallery.items) else DPI
    shown = Figure(caption="", alt=gallery.alt, data=None, draw=lambda theme: _grid(gallery, captions, theme))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font", category=UserWarning)
        data, metadata = _picture(paint(shown, SCREEN), gallery.alt, settings(SCREEN), dpi)
    data["text/plain"] = printable("\n".join([gallery.alt, *(" ".join(lines) for lines in captions)]))
    return data, metadata


@dataclass(frozen=True)
class _Wording:
    language: Language
    tokens: Tokens


def table_bundle(table: Table, language: Language) -> Bundle:
    """The table as HTML and as aligned text; the best value of a column is bold and starred."""
    view = table_view(table, _Wording(language, Tokens(language)), "print")
    note = language.text("★ best value of its column.") if view.marked else ""
    return {"text/html": _html(view, note), "text/plain": _text(view, note)}, {}


def _html(view: TableView, note: str) -> str:
    align = ["right" if numeric else "left" for _, numeric in view.heads]
    heads = "".join(
        f'<th scope="col" style="text-align:{side}">{escape(column.head)}</th>'
        for side, (column, _) in zip(align, view.heads, strict=True)
    )
    rows = []
    for first, *others in view.rows:
        cells = [f'<th scope="row" style="text-align:{align[0]}">{first.content}</th>']
        for side, cell in zip(align[1:], others, strict=True):
            words = f"<strong>★ {cell.content}</strong>" if cell.best else str(cell.content)
            cells.append(f'<td style="text-align:{side}">{words}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    foot = f"<p>{escape(note)}</p>" if note else ""
    body = "\n".join(rows)
    grid = f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    return printable(f'<div class="{_NO_MATH}">{grid}{foot}</div>')


def _text(view: TableView, note: str) -> str:
    lines = [[column.head for column, _ in view.heads]]
    lines += [[("★ " if cell.best else "") + cell.content.unescape() for cell in row] for row in view.rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(view.heads))]
    padded = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return printable("\n".join([*padded, *([note] if note else [])]))


def _words(exhibit: Exhibit, language: Language) -> list[str]:
    """What stands under an image: a sign and its class, where it is from, what it was taken for and how surely."""
    right = exhibit.predicted == exhibit.label
    sign = "" if exhibit.predicted is None else "✓ " if right else "✗ "
    taken = f"→ {exhibit.predicted}" if exhibit.predicted is not None and not right else ""
    confidence = language.quantity(exhibit.confidence) if exhibit.confidence is not None else ""
    return [line for line in (f"{sign}{exhibit.label}", exhibit.origin, taken, confidence) if line]


def _grid(gallery: Gallery, captions: Sequence[Sequence[str]], theme: Any) -> MplFigure:
    from matplotlib.figure import Figure as MplFigure

    from report.figures.theme import clean

    items, columns = gallery.items, gallery.across
    rows = max(1, -(-len(items) // columns))
    figure = MplFigure(figsize=(theme.wide, rows * (theme.wide / columns + 0.56)), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for place in axes.flat:
        place.set_axis_off()
    for place, exhibit, lines in zip(axes.flat, items, captions, strict=False):
        place.imshow(exhibit.pixels, interpolation="nearest")
        place.set_title(
            "\n".join(clean(line, 22 if columns <= 5 else 15) for line in lines),
            y=-0.07,
            va="top",
            loc="left",
            weight="normal",
        )
    return figure


def _picture(drawing: MplFigure, alt: str, settings: Any, dpi: int = DPI) -> Bundle:
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context(settings):
        drawing.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    width, height = (round(inches * SCREEN_DPI) for inches in drawing.get_size_inches())
    size = {"width": width, "height": height, "alt": printable(alt)}
    return {"image/png": buffer.getvalue(), "text/plain": printable(alt)}, {"image/png": size}
