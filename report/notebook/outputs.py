"""Items of the evidence as outputs of a notebook: the same data, words and drawings as in the HTML.

Pictures are PNG, which every front end shows, also in a notebook that its user has not declared trusted; their alternative
text stands beside them.
"""

from __future__ import annotations

from html import escape
from typing import Any

from cnnlab.errors import printable
from report.document.tokens import Tokens
from report.evidence.language import Language
from report.evidence.quantity import Figure, Gallery, Item, Listing, Table
from report.figures.theme import SCREEN, Drawing, Theme, clean
from report.render.tables import table_view

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
            return _table(item, language), {}
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


def _table(table: Table, language: Language) -> dict[str, str]:
    """The table as HTML and as aligned text; the best value of a column is bold and starred."""
    view = table_view(table, Tokens(language), "print")
    note = language.text("★ best value of its column.") if view.marked else ""
    sides = [f'style="text-align:{"right" if numeric else "left"}"' for _, numeric in view.heads]
    texts = [[column.head for column, _ in view.heads]]
    heads = "".join(f'<th scope="col" {side}>{escape(head)}</th>' for side, head in zip(sides, texts[0], strict=True))
    rows = []
    for cells in view.rows:
        texts.append([("★ " if cell.best else "") + cell.content.unescape() for cell in cells])
        shown = [f"<strong>★ {cell.content}</strong>" if cell.best else str(cell.content) for cell in cells]
        rest = "".join(f"<td {side}>{words}</td>" for side, words in zip(sides[1:], shown[1:], strict=True))
        rows.append(f'<tr><th scope="row" {sides[0]}>{shown[0]}</th>{rest}</tr>')
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in texts] + [note] * bool(note)
    body = "\n".join(rows)
    grid = f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    foot = f"<p>{escape(note)}</p>" if note else ""
    # Class names may hold `$`: neither MathJax 2 nor 3 and later may take what is between two of them for a formula.
    html = f'<div class="tex2jax_ignore mathjax_ignore">{grid}{foot}</div>'
    return {"text/html": printable(html), "text/plain": printable("\n".join(lines))}


def _grid(gallery: Gallery, words: list[list[str]], theme: Theme) -> Drawing:
    from matplotlib.figure import Figure as Canvas

    columns = gallery.across
    rows = max(1, -(-len(gallery.items) // columns))
    figure = Canvas(figsize=(theme.wide, rows * (theme.wide / columns + 0.56)), layout="constrained")
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
    from report.figures.svg import saved

    form = {"dpi": dpi, "facecolor": "white", "metadata": {"Software": None}}
    content, inches = saved(figure, SCREEN, format="png", **form)
    size = dict(zip(("width", "height"), (round(side * SCREEN_DPI) for side in inches), strict=True))
    alt = printable(figure.alt)
    return {"image/png": content, "text/plain": alt}, {"image/png": {**size, "alt": alt}}
