"""The filters of a first layer, as a grid of small pictures."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from report.evidence.language import Language
from report.evidence.quantity import Figure
from report.evidence.words import joined
from report.figures.theme import Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure

_COLUMNS = 16
_PIXELS = 36  # a side of each filter, about
_GAP = 5


def first_layer(filters: np.ndarray, language: Language, *, caption: str, note: str = "") -> Figure:
    """Each filter in its own scale, mid-grey for a weight of 0, the strongest filter first.

    Args:
        filters: (h, w, 3, F), red first.

    Raises:
        ValueError: no filter, or not of three channels.
    """
    if filters.ndim != 4 or filters.shape[2] != 3 or filters.shape[3] < 1:
        raise ValueError("filters must be (h, w, 3, F) with at least one of them")
    height, width, _, count = filters.shape
    each = np.moveaxis(filters.astype(np.float64), 3, 0)
    highest = np.abs(each).max(axis=(1, 2, 3), keepdims=True)
    scaled = np.rint(128 + 127 * each / np.where(highest > 0, highest, 1)).astype(int)
    order = np.argsort(-(each**2).sum(axis=(1, 2, 3)), kind="stable")
    alt = language.text(
        "{count} pictures of {height}×{width} pixels, one for each filter of the first layer.",
        count=count, height=height, width=width,
    )  # fmt: skip
    data = {"filters": scaled[order].tolist()}
    return Figure(
        caption=caption, note=note, alt=joined([alt, " ", caption, "."]), data=data, draw=partial(_draw, data)
    )


def grid(filters: np.ndarray) -> np.ndarray:
    """All filters beside and below each other, transparent between them: uint8 (H, W, 4).

    Args:
        filters: integers 0 to 255, (F, h, w, 3).
    """
    count, height, width, _ = filters.shape
    factor = max(1, _PIXELS // max(height, width))
    high, wide = height * factor, width * factor
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    canvas = np.zeros((rows * (high + _GAP) - _GAP, columns * (wide + _GAP) - _GAP, 4), np.uint8)
    for index, one in enumerate(filters.astype(np.uint8)):
        top, left = (index // columns) * (high + _GAP), (index % columns) * (wide + _GAP)
        canvas[top : top + high, left : left + wide, :3] = one.repeat(factor, axis=0).repeat(factor, axis=1)
        canvas[top : top + high, left : left + wide, 3] = 255
    return canvas


def _draw(data: dict[str, Any], theme: Theme) -> MplFigure:
    from matplotlib.figure import Figure as Canvas

    pixels = grid(np.array(data["filters"]))
    width = theme.width * pixels.shape[1] / (_COLUMNS * (_PIXELS + _GAP))
    figure = Canvas(figsize=(width, width * pixels.shape[0] / pixels.shape[1]))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.imshow(pixels, interpolation="none")
    axes.set_axis_off()
    return figure
