"""The confusion matrix, legible from 2 to some hundred classes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from report.evidence import Figure, Quantity
from report.figures.style import Theme, Words, clean, number, percent
from report.words import joined, worded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

_ANNOTATED = 12
_NAMED = 30
_MARKED = 8
_PIXELS = "#3f7dd1"  # of the picture that replaces cells on screen: seen on white and on the dark page


def confusion_matrix(
    counts: Sequence[Sequence[int]], names: Sequence[str], language: Words, *, caption: str, note: str = ""
) -> Figure:
    """Share of each true class's images (rows) that were taken for each class (columns).

    Up to 12 classes each cell holds its percentage; up to 30 each row and column its name; beyond that the most
    frequent confusions are numbered and listed.

    Args:
        counts: images, (K, K) nested sequences or an integer array: true class by predicted class.
        names: class names.

    Raises:
        ValueError: not square, or not as many names.
    """
    table = [[int(value) for value in row] for row in counts]
    if any(len(row) != len(names) for row in table) or len(table) != len(names) or not table:
        raise ValueError("counts must be square, with one name a class")
    code = language.code
    labels = [clean(name, 28) for name in names]
    top = _top(table, min(_MARKED, max(1, len(names) // 2)))
    right = sum(table[index][index] for index in range(len(table)))
    total = sum(map(sum, table))
    alt = language.text("Confusion matrix of {count} classes: {right} of {total} images on the diagonal.",
                        count=len(names), right=_count(right, code), total=_count(total, code))  # fmt: skip
    if top:
        listed = joined((_told(labels, table, pair, language) for pair in top[:3]), "; ")
        alt += " " + language.text("Most frequent confusions: {list}.", list=listed)
    data = {
        "counts": table, "names": labels, "top": top, "code": code,
        "words": {
            "true": language.text("True class"), "predicted": language.text("Predicted class"),
            "share": language.text("% of the true class"), "listed": language.text("Most frequent confusions"),
        },
    }  # fmt: skip
    wide = len(names) > _ANNOTATED
    return Figure(caption=caption, note=note, alt=alt, data=data, draw=partial(_draw, data), wide=wide)


def _told(labels: list[str], table: list[list[int]], pair: list[int], language: Words) -> str:
    true, predicted = pair
    images = sum(table[true])
    value = table[true][predicted] / images
    share = worded(percent(value, 0, language.code), Quantity(value=value, unit="share", n=images))
    return language.text(
        "{true} taken for {predicted}, {share}", true=labels[true], predicted=labels[predicted], share=share
    )


def _count(value: int, code: str) -> str:
    return worded(number(value, 0, code), Quantity(value=value, unit="count"))


def _top(table: list[list[int]], most: int) -> list[list[int]]:
    """The most frequent confusions as [true, predicted], by share of the true class, then by number."""
    cells = [
        (table[i][j] / sum(table[i]), table[i][j], -i, -j)
        for i in range(len(table))
        for j in range(len(table))
        if i != j and table[i][j]
    ]
    return [[-i, -j] for _, _, i, j in sorted(cells, reverse=True)[:most]]


def _draw(data: dict[str, Any], theme: Theme) -> MplFigure:
    from matplotlib.figure import Figure as Canvas

    count, words = len(data["names"]), data["words"]
    width = theme.wide if count > _ANNOTATED else theme.width
    height = min(width * 0.86, count * theme.size * 4.4 / 72 + 1.5) if count <= _ANNOTATED else width * 0.9
    figure = Canvas(figsize=(width, width * 0.62 if count > _NAMED else height), layout="constrained")
    if count > _NAMED:
        axes, side = figure.subplots(1, 2, width_ratios=(1.9, 1))
    else:
        axes, side = figure.subplots(), None
    shares = [[value / (sum(row) or 1) for value in row] for row in data["counts"]]
    _cells(axes, theme, shares)
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), aspect="equal")
    axes.set(xlabel=words["predicted"], ylabel=words["true"])
    axes.spines[:].set(visible=True, color=theme["rule"])
    axes.tick_params(length=0)
    if count <= _NAMED:
        _names(axes, theme, data["names"])
    else:
        axes.set(xticks=[], yticks=[])
    if count <= _ANNOTATED:
        _values(axes, theme, shares, data["code"])
        axes.set_title(words["share"], fontweight="normal", color=theme["muted"])
    _mark(axes, theme, data, numbered=side is not None)
    if side is not None:
        _list(side, theme, data, shares)
    return figure


def _cells(axes: Axes, theme: Theme, shares: list[list[float]]) -> None:
    """One tint by opacity, so that it suits any background: as paths, or as pixels where paths would be too many."""
    import numpy as np
    from matplotlib.colors import to_rgb

    table = np.array(shares)
    if len(table) <= _NAMED:
        from matplotlib.patches import Rectangle

        for i, j in zip(*np.nonzero(table), strict=True):
            axes.add_patch(
                Rectangle(
                    (j - 0.5, i - 0.5),
                    1,
                    1,
                    color=theme["heat"],
                    alpha=round(_tint(float(table[i, j])), 3),
                    linewidth=0,
                )
            )
        return
    pixels = np.zeros((*table.shape, 4))
    pixels[..., :3] = to_rgb(theme["heat"] if theme.name == "print" else _PIXELS)
    pixels[..., 3] = np.where(table > 0, 0.16 + 0.84 * table**0.6, 0)
    axes.imshow(pixels, interpolation="none", zorder=0)


def _tint(share: float) -> float:
    """Opacity of a cell, with a leap at one half: no digit can be read on the tints between, in light and dark."""
    if share <= 0:
        return 0.0
    return 0.06 + 0.46 * (2 * share) ** 0.8 if share <= 0.5 else 0.76 + 0.48 * (share - 0.5)


def _names(axes: Axes, theme: Theme, names: list[str]) -> None:
    many = len(names) > _ANNOTATED
    size = theme.size * (0.8 if many else 0.92)
    axes.set_xticks(range(len(names)), names, fontsize=size)
    for label in axes.get_xticklabels():
        if many:
            label.set(rotation=90, ha="center", va="top")
        else:
            label.set(rotation=45, ha="right", va="top", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names, fontsize=size)


def _values(axes: Axes, theme: Theme, shares: list[list[float]], code: str) -> None:
    for i, row in enumerate(shares):
        for j, share in enumerate(row):
            if share > 0:
                axes.text(j, i, number(100 * share, 0, code), ha="center", va="center",
                          color=theme["on-heat" if share > 0.5 else "ink"])  # fmt: skip


def _mark(axes: Axes, theme: Theme, data: dict[str, Any], *, numbered: bool) -> None:
    from matplotlib.patches import Rectangle

    count = len(data["names"])
    margin = count / 160 if numbered else 0  # small cells keep their colour inside the mark
    for rank, (i, j) in enumerate(data["top"], 1):
        corner, side = (j - 0.5 - margin, i - 0.5 - margin), 1 + 2 * margin
        axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=theme["bad"], linewidth=1.2, clip_on=False))
        if numbered:
            left = j > 0.9 * count
            axes.annotate(str(rank), (j, i), xytext=(-5 if left else 5, 0), textcoords="offset points", va="center",
                          ha="right" if left else "left", fontweight="bold", color=theme["bad"],
                          fontsize=theme.size * 0.92)  # fmt: skip


def _list(axes: Axes, theme: Theme, data: dict[str, Any], shares: list[list[float]]) -> None:
    """What the numbered marks stand for: number, true class, predicted class and its share."""
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_title(data["words"]["listed"])
    step = 1 / (_MARKED + 0.3)
    for rank, (i, j) in enumerate(data["top"]):
        y = 1 - step * (rank + 0.25)
        share = percent(shares[i][j], 0, data["code"])
        axes.text(0, y, str(rank + 1), va="top", fontweight="bold", color=theme["bad"])
        axes.text(0.1, y, f"{clean(data['names'][i], 24)}\n→ {clean(data['names'][j], 20)}, {share}", va="top",
                  linespacing=1.0)  # fmt: skip
