"""The cells of a confusion matrix: one colour by opacity, so that it suits any background, as vectors while they are few enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from report.figures.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VECTORS = 20_000
"""Cells that are not empty, up to which each is drawn; pixels beyond, since a page could not hold them."""

_PIXELS = "#3f7dd1"  # of the picture that replaces cells on screen: seen on white and on the dark page
_LEAST = 0.9  # points of the smallest cell that can be seen


def tint(share: float) -> float:
    """Opacity of a cell, with a leap at one half: no digit can be read on the tints between, in light and dark."""
    if share <= 0:
        return 0.0
    return 0.06 + 0.46 * (2 * share) ** 0.8 if share <= 0.5 else 0.76 + 0.48 * (share - 0.5)


def paint_cells(axes: Axes, theme: Theme, shares: Sequence[Sequence[float]], *, side: float | None = None) -> None:
    """Draw the matrix into axes that show cell (0, 0) at the top left.

    Args:
        shares: of the row, 0-1, (K, K).
        side: points of the whole matrix where they are known; cells are then strokes, half as long to write down.
    """
    import numpy as np

    table = np.array(shares)
    if np.count_nonzero(table) > VECTORS:
        _pixels(axes, theme, table)
        return
    by_tint: dict[float, list[tuple[int, int]]] = {}
    for i, j in zip(*np.nonzero(table), strict=True):
        strength = tint(float(table[i, j])) if side is None else 0.16 + 0.84 * float(table[i, j]) ** 0.6
        by_tint.setdefault(round(strength, 2), []).append((int(i), int(j)))
    for strength in sorted(by_tint):
        axes.add_patch(_patch(theme, by_tint[strength], strength, side, len(table)))


def _patch(theme: Theme, cells: list[tuple[int, int]], strength: float, side: float | None, count: int) -> Any:
    """All cells of one tint as one path."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    look: dict[str, Any] = {"alpha": strength, "zorder": 0.5}
    if side is None:
        corners = [
            [(j - 0.5, i - 0.5), (j + 0.5, i - 0.5), (j + 0.5, i + 0.5), (j - 0.5, i + 0.5), (j, i)] for i, j in cells
        ]
        codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
        outline = Path([corner for cell in corners for corner in cell], codes * len(cells))
        return PathPatch(outline, facecolor=theme["heat"], linewidth=0, **look)
    high = max(side / count, _LEAST)
    half = high / side * count / 2
    ends = [end for i, j in cells for end in ((j - half, i), (j + half, i))]
    return PathPatch(Path(ends, [Path.MOVETO, Path.LINETO] * len(cells)), fill=False, edgecolor=theme["heat"],
                     linewidth=high, capstyle="butt", **look)  # fmt: skip


def _pixels(axes: Axes, theme: Theme, table: Any) -> None:
    import numpy as np
    from matplotlib.colors import to_rgb

    pixels = np.zeros((*table.shape, 4))
    pixels[..., :3] = to_rgb(theme["heat"] if theme.name == "print" else _PIXELS)
    pixels[..., 3] = np.where(table > 0, 0.16 + 0.84 * table**0.6, 0)
    axes.imshow(pixels, interpolation="none", zorder=0, aspect="auto")
