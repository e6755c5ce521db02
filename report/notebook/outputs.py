"""Items of the evidence as outputs of a notebook: the same data, words and drawings as in the HTML.

Pictures are PNG, which every front end shows, also in a notebook that its user has not declared trusted; their alternative
text stands beside them.
"""

from __future__ import annotations

import io
import warnings
from html import escape
from typing import TYPE_CHECKING, Any

from cnnlab.errors import printable
from report.document.tokens import Tokens
from report.evidence.language import Language
from report.evidence.quantity import Figure, Gallery, Item, Listing, Table
from report.render.tables import table_view

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure

Bundle = tuple[dict[str, Any], dict[str, Any]]
"""A MIME bundle and its metadata."""

DPI, SCREEN_DPI = 144, 96
_LARGE, _LARGE_DPI = 200, 100  # photographs of this side have detail that would make a notebook of 10 MB


def bundle(item: Item, language: Language) -> Bundle:
    """The output that shows `item`."""
    match item:
        case Figure():
            return _picture(item)
        case Table():
            return _table(item, language)
        case Gallery():
            words = captions(item, language)
            drawn = Figure(caption="", alt=item.alt, data=None, draw=lambda theme: _grid(item, words, theme))
            large = any(exhibit.pixels.shape[0] >= _LARGE for exhibit in item.items)
            data, metadata = _picture(drawn, _LARGE_DPI if large else DPI)
            data["text/plain"] = printable("\n".join([item.alt, *map(" ".join, words)]))
            return data, metadata
        case Listing():
            return {"text/plain": f"{item.code}\n\n{item.output}".rstrip()}, {}


def captions(gallery: Gallery, language: Language) -> list[list[str]]:
    """What stands under each image: a sign and its class, where it is from, what it was taken for and how surely."""
    found = []
    for exhibit in gallery.items:
        right = exhibit.predicted == exhibit.label
        sign = "" if exhibit.predicted is None else "✓ " if right else "✗ "
        taken = f"→ {exhibit.predicted}" if exhibit.predicted is not None and not right else ""
        confidence = language.quantity(exhibit.confidence) if exhibit.confidence is not None else ""
        found.append([line for line in (f"{sign}{exhibit.label}", exhibit.origin, taken, confidence) if line])
    return found


def _table(table: Table, language: Language) -> Bundle:
    """The table as HTML and as aligned text; the best value of a column is bold and starred."""
    view = table_view(table, Tokens(language), "print")
    note = language.text("★ best value of its column.") if view.marked else ""
    align = ["right" if numeric else "left" for _, numeric in view.heads]
    heads, texts = "", [[column.head for column, _ in view.heads]]
    for side, head in zip(align, texts[0], strict=True):
        heads += f'<th scope="col" style="text-align:{side}">{escape(head)}</th>'
    rows = []
    for cells in view.rows:
        shown = [f"<strong>★ {cell.content}</strong>" if cell.best else str(cell.content) for cell in cells]
        first, *others = [(f'style="text-align:{side}">', words) for side, words in zip(align, shown, strict=True)]
        rest = "".join(f"<td {style}{words}</td>" for style, words in others)
        rows.append(f'<tr><th scope="row" {first[0]}{first[1]}</th>{rest}</tr>')
        texts.append([("★ " if cell.best else "") + cell.content.unescape() for cell in cells])
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in texts]
    body = "\n".join(rows)
    grid = f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    foot = f"<p>{escape(note)}</p>" if note else ""
    # Class names may hold `$`: neither MathJax 2 nor 3 and later may take what is between two of them for a formula.
    html = f'<div class="tex2jax_ignore mathjax_ignore">{grid}{foot}</div>'
    return {"text/html": printable(html), "text/plain": printable("\n".join([*lines, *([note] if note else [])]))}, {}


def _grid(gallery: Gallery, words: list[list[str]], theme: Any) -> MplFigure:
    from matplotlib.figure import Figure as MplFigure

    from report.figures.theme import clean

    columns = gallery.across
    rows = max(1, -(-len(gallery.items) // columns))
    figure = MplFigure(figsize=(theme.wide, rows * (theme.wide / columns + 0.56)), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for place in axes.flat:
        place.set_axis_off()
    for place, exhibit, lines in zip(axes.flat, gallery.items, words, strict=False):
        place.imshow(exhibit.pixels, interpolation="nearest")
        title = "\n".join(clean(line, 22 if columns <= 5 else 15) for line in lines)
        place.set_title(title, y=-0.07, va="top", loc="left", weight="normal")
    return figure


def _picture(figure: Figure, dpi: int = DPI) -> Bundle:
    """The drawing as a PNG in the colours of a light page."""
    import matplotlib

    from report.figures.svg import paint, settings
    from report.figures.theme import SCREEN

    buffer, drawn_with = io.BytesIO(), settings(SCREEN)
    with warnings.catch_warnings(), matplotlib.rc_context(drawn_with):  # type: ignore[arg-type]
        # A script that neither font has shows as boxes in the picture; its names are in the tables too.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font", category=UserWarning)
        drawing = paint(figure, SCREEN)
        drawing.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    width, height = (round(inches * SCREEN_DPI) for inches in drawing.get_size_inches())
    alt = printable(figure.alt)
    data = {"image/png": buffer.getvalue(), "text/plain": alt}
    return data, {"image/png": {"width": width, "height": height, "alt": alt}}
