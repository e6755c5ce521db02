"""The confusion matrix, legible from 2 to a thousand classes, in the order of `report.figures.similarity`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from report.evidence.quantity import Figure, Quantity
from report.evidence.words import joined, worded
from report.figures import hover
from report.figures.confusion_cells import paint_cells
from report.figures.similarity import similar_order
from report.figures.theme import Theme, Words, clean, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

_LARGE = 12  # classes up to which cells and digits have the size of the text
_NAMED = 30  # up to which each has its row of text, and each cell its digits
_STAGGERED = 120  # up to which names fit in two columns
_MARKED = 8
_SMALL = 5.0  # points of the smallest text
_CUT = 20  # characters of a name in it


def confusion_matrix(
    counts: Sequence[Sequence[int]], names: Sequence[str], language: Words, *, caption: str, note: str = ""
) -> Figure:
    """Share of each true class's images (rows) that were taken for each class (columns), similar classes side by side.

    Up to 30 classes each cell holds its percentage; up to 120 each row and column its name; above 30 the most frequent
    confusions are numbered and listed.

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
    labels = [clean(name) for name in names]
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
            "images": language.text("Images"), "of": language.text("{part} of {all}", part="{part}", all="{all}"),
        },
    }  # fmt: skip
    wide = len(names) > _LARGE
    if len(names) > 2:
        ordered = language.text("Classes that are taken for each other stand side by side.")
        note = joined([note, ordered], " ") if note else ordered
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
    order = similar_order(data["counts"])
    place = {label: position for position, label in enumerate(order)}
    counts = [[data["counts"][i][j] for j in order] for i in order]
    shown = {
        **data, "counts": counts, "names": [data["names"][i] for i in order],
        "shares": [[value / images for value in row] for row in counts for images in [sum(row) or 1]],
        "top": [[place[i], place[j]] for i, j in data["top"]],
    }  # fmt: skip
    count = len(order)
    figure = _named(shown, theme) if count <= _NAMED else _listed(shown, theme, staggered=count <= _STAGGERED)
    if theme.name == "screen":  # a million texts, where there are a thousand classes
        hover.cells(
            figure.axes[0], (data["words"]["true"], data["words"]["predicted"]), shown["names"], _answers(shown)
        )
    return figure


def _answers(data: dict[str, Any]) -> list[list[str]]:
    """What each cell says besides its classes: images, and their share of the row."""
    words, code = data["words"], data["code"]
    told: dict[tuple[int, int], str] = {}
    for row in data["counts"]:
        images = sum(row)
        for value in row:
            if (value, images) not in told:
                of = words["of"].format(part=number(value, 0, code), all=number(images, 0, code))
                share = f" ({percent(value / images, 1, code)})" if images else ""
                told[value, images] = f"{words['images']}: {of}{share}"
    return [[told[value, images] for value in row] for row in data["counts"] for images in [sum(row)]]


def _grid(axes: Axes, theme: Theme, data: dict[str, Any]) -> None:
    """What every matrix has: a frame, and what its rows and its columns are."""
    count, words = len(data["names"]), data["words"]
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), xlabel=words["predicted"], ylabel=words["true"])
    axes.spines[:].set(visible=True, color=theme["rule"])
    axes.tick_params(length=0)


def _named(data: dict[str, Any], theme: Theme) -> MplFigure:
    """A row of text for each class, and digits in the cells."""
    from matplotlib.figure import Figure as Canvas

    count = len(data["names"])
    width = theme.wide if count > _LARGE else theme.width
    height = min(width * 0.86, count * theme.size * 4.4 / 72 + 1.5) if count <= _LARGE else width * 0.98
    figure = Canvas(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    _grid(axes, theme, data)
    axes.set_aspect("equal")
    paint_cells(axes, theme, data["shares"])
    _names(axes, theme, data["names"])
    _values(axes, theme, data["shares"], data["code"])
    axes.set_title(data["words"]["share"], fontweight="normal", color=theme["muted"])
    _mark(axes, theme, data, numbered=False)
    return figure


def _names(axes: Axes, theme: Theme, names: list[str]) -> None:
    many = len(names) > _LARGE
    size, shown = theme.size * (0.8 if many else 0.92), [clean(name, 28) for name in names]
    axes.set_xticks(range(len(names)), shown, fontsize=size)
    for label in axes.get_xticklabels():
        if many:
            label.set(rotation=90, ha="center", va="top")
        else:
            label.set(rotation=45, ha="right", va="top", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), shown, fontsize=size)


def _values(axes: Axes, theme: Theme, shares: list[list[float]], code: str) -> None:
    """Percentages; between many classes only from one per cent on, since the others would be a 0."""
    count = len(shares)
    size = theme.size if count <= _LARGE else max(_SMALL, theme.size * 0.98 * (1 - 0.018 * (count - _LARGE)))
    for i, row in enumerate(shares):
        for j, share in enumerate(row):
            if share >= (0.005 if count > _LARGE else 1e-9):
                axes.text(j, i, number(100 * share, 0, code), ha="center", va="center", fontsize=size,
                          color=theme["on-heat" if share > 0.5 else "ink"])  # fmt: skip


def _listed(data: dict[str, Any], theme: Theme, *, staggered: bool) -> MplFigure:
    """Above 30 classes: numbered marks with a list; names in two columns as long as each fits in the height of two rows."""
    from matplotlib.figure import Figure as Canvas

    total = theme.wide * 72
    left, foot, listed = (4 + 2 * _column(data), 4 + 2 * _column(data), 11 * theme.size) if staggered else (14, 16, 0)
    side = total - left - 2 if staggered else total * 0.62
    height = side + foot + listed + 6
    figure = Canvas(figsize=(theme.wide, height / 72))
    axes = figure.add_axes((left / total, (foot + listed) / height, side / total, side / height))
    _grid(axes, theme, data)
    axes.set(xticks=[], yticks=[])
    paint_cells(axes, theme, data["shares"], side=side)
    _mark(axes, theme, data, numbered=True)
    if staggered:
        _stagger(axes, theme, data)
        axes.set(xlabel="", ylabel="")
        _list(figure.add_axes((0, 0, 1, (listed - 2 * theme.size) / height)), theme, data, columns=4)
        _heads(figure, theme, data, (left / total, (foot + listed) / height))
    else:
        axes.xaxis.labelpad = axes.yaxis.labelpad = 3
        aside = (left + side + 26) / total
        high = side - 2 * theme.size
        _list(figure.add_axes((aside, foot / height, 1 - aside, high / height)), theme, data, columns=1)
    return figure


def _column(data: dict[str, Any]) -> float:
    """Points that a column of staggered names takes."""
    return 3 + 0.5 * _SMALL * max(len(clean(name, _CUT)) for name in data["names"])


def _stagger(axes: Axes, theme: Theme, data: dict[str, Any]) -> None:
    """Every other name one column further out, at the end of a thin line."""
    for index, name in enumerate(data["names"]):
        out = 3 + (index % 2) * _column(data)
        line = {"arrowstyle": "-", "color": theme["rule"], "linewidth": 0.3, "shrinkA": 0, "shrinkB": 0}
        look: dict[str, Any] = {
            "textcoords": "offset points", "fontsize": _SMALL, "color": theme["ink"], "annotation_clip": False,
            "arrowprops": line if index % 2 else None,
        }  # fmt: skip
        text = clean(name, _CUT)
        axes.annotate(
            text, (0, index), xycoords=("axes fraction", "data"), xytext=(-out, 0), ha="right", va="center", **look
        )
        axes.annotate(text, (index, 0), xycoords=("data", "axes fraction"), xytext=(0, -out), ha="center", va="top",
                      rotation=90, **look)  # fmt: skip


def _heads(figure: MplFigure, theme: Theme, data: dict[str, Any], corner: tuple[float, float]) -> None:
    """What rows and columns are, in the corner that the names leave free."""
    look: dict[str, Any] = {"xycoords": "figure fraction", "textcoords": "offset points", "color": theme["muted"]}
    figure.axes[0].annotate(f"{data['words']['true']} ↑", corner, xytext=(-4, -10), ha="right", va="top", **look)
    figure.axes[0].annotate(f"{data['words']['predicted']} →", corner, xytext=(-4, -10 - 1.5 * theme.size), ha="right",
                            va="top", **look)  # fmt: skip


def _mark(axes: Axes, theme: Theme, data: dict[str, Any], *, numbered: bool) -> None:
    from matplotlib.patches import Rectangle

    count = len(data["names"])
    margin = count / 160 if numbered else 0  # small cells keep their colour inside the mark
    for i, j in data["top"]:
        corner, side = (j - 0.5 - margin, i - 0.5 - margin), 1 + 2 * margin
        axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=theme["bad"], linewidth=1.2, clip_on=False))
    if numbered:
        for rank, (x, y) in enumerate(_free_places(data["top"], count), 1):
            axes.text(x, y, str(rank), ha="center", va="center_baseline", fontweight="bold", color=theme["bad"],
                      fontsize=theme.size * 0.92)  # fmt: skip


def _free_places(marks: Sequence[Sequence[int]], count: int) -> list[tuple[float, float]]:
    """For the number of each mark a place beside it, in cells, that no other mark or number takes, if there is one."""
    away = count / 160 + 0.5 + count / 55
    # Away from the diagonal first, whose cells are dark.
    around = [(1, -1), (1, 0), (0, -1), (0, 1), (-1, 0), (1, 1), (-1, -1), (-1, 1)]
    centres = [(float(j), float(i)) for i, j in marks]
    taken: list[tuple[float, float]] = []
    for x, y in centres:
        step = away if x > y else -away
        free = [
            (x + step * right, y + step * down) for right, down in around
            if 0 <= x + step * right < count and 0 <= y + step * down < count
            and all(max(abs(x + step * right - a), abs(y + step * down - b)) > 0.9 * away for a, b in [*centres, *taken])
        ]  # fmt: skip
        taken.append(free[0] if free else (x + away, y))
    return taken


def _list(axes: Axes, theme: Theme, data: dict[str, Any], *, columns: int) -> None:
    """What the numbered marks stand for, in columns: number, true class, predicted class and its share."""
    axes.set_axis_off()
    axes.set(xlim=(0, columns), ylim=(0, 1))
    axes.set_title(data["words"]["listed"])
    rows = -(-_MARKED // columns)
    step, indent = 1 / (rows + 0.1), 0.1 if columns == 1 else 0.09
    for rank, (i, j) in enumerate(data["top"]):
        x, y = rank // rows, 1 - step * (rank % rows + 0.15)
        share = percent(data["shares"][i][j], 0, data["code"])
        axes.text(x, y, str(rank + 1), va="top", fontweight="bold", color=theme["bad"])
        axes.text(x + indent, y, f"{clean(data['names'][i], 24)}\n→ {clean(data['names'][j], 20)}, {share}", va="top",
                  linespacing=1.0)  # fmt: skip
