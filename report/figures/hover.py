"""What a chart on screen answers to the pointer: texts by mark, for `templates/style/report.js`.

Drawing functions say what each mark stands for (`columns`, `rows`, `points`, `cells`); once the layout is known, `answers`
gives the places in the drawing's own points. Paper takes none of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure
    from matplotlib.transforms import Bbox

By = Literal["x", "y", "xy", "cell"]
Marks = Sequence[tuple[float, float | None]]
"""Places (x, y) in data coordinates; those without a y are not ringed."""

Entry = tuple[str, Marks]
"""What is said, and the marks that it is said of."""

_MARGIN = 6.0  # points around the axes in which the pointer still counts as inside


def lines(title: str, rows: Mapping[str, str]) -> str:
    """A text of a title and a line `name: value` for each row that has a value."""
    return "\n".join([title, *(f"{name}: {value}" if name else value for name, value in rows.items() if value)])


def columns(axes: Axes, entries: Sequence[Entry], *, below: Axes | None = None) -> None:
    """One answer for each place along x, all the way up and down the axes and those `below`."""
    _attach(axes, "x", {"entries": entries, "below": below})


def rows(axes: Axes, entries: Sequence[Entry]) -> None:
    """One answer for each place along y, from the name at the left to the value at the right."""
    _attach(axes, "y", {"entries": entries, "below": None})


def points(axes: Axes, entries: Sequence[Entry]) -> None:
    """The answer of the mark that is nearest to the pointer."""
    _attach(axes, "xy", {"entries": entries, "below": None})


def cells(axes: Axes, heads: tuple[str, str], names: Sequence[str], texts: Sequence[Sequence[str]]) -> None:
    """Answers of a square grid whose axes show cell (0, 0) at the top left, from −0.5 to K − 0.5 both ways.

    Args:
        heads: what rows and what columns are.
        names: of the rows and the columns, K.
        texts: what each cell says, (K, K); most of a row are alike.
    """
    known: dict[str, int] = {}
    table = []
    for row in texts:
        usual = max(dict.fromkeys(row), key=row.count)  # the first of equals, whatever the hash seed
        line = [known.setdefault(usual, len(known))]
        for column, text in enumerate(row):
            if text != usual:
                line += [column, known.setdefault(text, len(known))]
        table.append(line)
    _attach(axes, "cell", {"heads": list(heads), "names": list(names), "texts": list(known), "rows": table})


def answers(drawing: MplFigure) -> str:
    """All that a drawing answers, as JSON; empty when it answers nothing. To be called after it was drawn.

    A list of panels: `by` (x, y, xy, cell), `box` (left, top, right, bottom), and for cells `heads`, `names`, `texts`
    and `rows` (the usual text of the row, then column and text of each other cell), else `at`: a text with its marks'
    x and y, one after the other. All places are points from the top left corner.
    """
    found: list[Any] = drawing.findobj(_spots())
    panels = [_panel(drawing, one.host, one.by, one.content) for one in found]
    return json.dumps(panels, ensure_ascii=False, separators=(",", ":")) if panels else ""


@cache
def _spots() -> Any:
    """The kind of artist that carries what is said through the layout; made here, since matplotlib comes late."""
    from matplotlib.artist import Artist

    class Spots(Artist):
        """Draws nothing and takes no room."""

        def __init__(self, host: Axes, by: By, content: dict[str, Any]) -> None:
            super().__init__()
            self.host, self.by, self.content = host, by, content
            self.set_in_layout(False)

    return Spots


def _attach(axes: Axes, by: By, content: dict[str, Any]) -> None:
    axes.add_artist(_spots()(axes, by, content))


def _panel(drawing: MplFigure, axes: Axes, by: By, content: dict[str, Any]) -> dict[str, Any]:
    if by == "cell":
        return {"by": by, "box": _box(drawing, axes.get_window_extent(), 0), **content}
    inner = axes.get_window_extent()
    if content["below"] is not None:
        inner = inner.union([inner, content["below"].get_window_extent()])
    elif by == "y":
        outer = axes.get_tightbbox()
        inner = inner.union([inner, outer]) if outer is not None else inner
    at = [[text, *_flat(drawing, axes, marks)] for text, marks in content["entries"]]
    return {"by": by, "box": _box(drawing, inner, _MARGIN), "at": at}


def _flat(drawing: MplFigure, axes: Axes, marks: Marks) -> list[float | None]:
    """x and y of each mark in points; None where it has no height."""
    flat: list[float | None] = []
    for x, y in marks:
        there = y is not None and math.isfinite(y)
        across, up = axes.transData.transform((x, y if y is not None and there else axes.get_ylim()[0]))
        flat += [_points(drawing, across), _points(drawing, drawing.bbox.height - up) if there else None]
    return flat


def _box(drawing: MplFigure, box: Bbox, margin: float) -> list[float]:
    high = drawing.bbox.height
    sides = (box.x0, high - box.y1, box.x1, high - box.y0)
    return [round(_points(drawing, side) + out * margin, 1) for side, out in zip(sides, (-1, -1, 1, 1), strict=True)]


def _points(drawing: MplFigure, pixels: float) -> float:
    return round(float(pixels) * 72 / drawing.dpi, 1)
