"""The confusion matrix, legible from 2 to a thousand classes, those that are taken for each other side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from report.evidence.language import Language
from report.evidence.quantity import Figure, Quantity, Under
from report.evidence.words import joined
from report.figures.theme import Theme, canvas, clean, tip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

VECTORS = 20_000
"""Cells that are not empty, up to which each is drawn; pixels beyond, since a page could not hold them."""

_LARGE = 12  # classes up to which cells and digits have the size of the text
_NAMED = 30  # up to which each has its row of text, and each cell its digits
_STAGGERED = 120  # up to which names fit in two columns
_OPTIMAL = 300  # up to which the order is the best one, which takes time with the square of their number and more
_MARKED = 8
_SMALL, _CUT = 5.0, 20  # points of the smallest text; characters of a name in it
_PIXELS = "#3f7dd1"  # of the picture that replaces cells on screen: seen on white and on the dark page


def confusion_matrix(
    counts: Sequence[Sequence[int]], names: Sequence[str], language: Language, **under: Unpack[Under]
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
    table, text, count = [[int(value) for value in row] for row in counts], language.text, len(names)
    if any(len(row) != count for row in table) or len(table) != count or not table:
        raise ValueError("counts must be square, with one name a class")
    labels, totals = [clean(name) for name in names], [sum(row) for row in table]
    # By share of the true class, then by number, then in the order given.
    wrong = [(i, j) for i in range(count) for j in range(count) if i != j and table[i][j]]
    wrong.sort(key=lambda pair: (-table[pair[0]][pair[1]] / totals[pair[0]], -table[pair[0]][pair[1]]))
    top = wrong[: min(_MARKED, max(1, count // 2))]
    shares = [Quantity(value=table[i][j] / totals[i], unit="share", n=totals[i]) for i, j in top]
    alt = text("Confusion matrix of {count} classes: {right} of {total} images on the diagonal.", count=count,
               right=sum(table[index][index] for index in range(count)), total=sum(totals))  # fmt: skip
    if top:
        listed = [
            text("{true} taken for {predicted}, {share}", true=labels[i], predicted=labels[j], share=language.quantity(one, 0))
            for (i, j), one in zip(top[:3], shares, strict=False)
        ]  # fmt: skip
        alt += " " + text("Most frequent confusions: {list}.", list=joined(listed, "; "))
    data = {
        "counts": table, "names": labels, "top": [list(pair) for pair in top], "code": language.code,
        "shares": [language.quantity(one, 0) for one in shares],
        "words": {
            "true": text("True class"), "predicted": text("Predicted class"), "share": text("% of the true class"),
            "listed": text("Most frequent confusions"), "images": text("Images"),
            "of": text("{part} of {all}", part="{part}", all="{all}"),
        },
    }  # fmt: skip
    if count > 2:
        ordered = text("Classes that are taken for each other stand side by side.")
        under["note"] = joined(filter(None, [under.get("note"), ordered]), " ")
    return Figure(alt=alt, data=data, draw=partial(_draw, data), wide=count > _LARGE, **under)


def similar_order(counts: Sequence[Sequence[int]]) -> list[int]:
    """A permutation of the classes by how often they are confused, from a confusion matrix of images (K, K).

    Average-linkage clustering of the row-normalised matrix made symmetric, its leaves in the order that has the
    smallest distances between neighbours (Bar-Joseph, Gifford & Jaakkola 2001). Classes that are never confused keep
    their order, and the first class stands in the first half.
    """
    import numpy as np
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    table = np.asarray(counts, dtype=np.float64)
    classes = len(table)
    if classes < 3:
        return list(range(classes))
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    alike = (shares + shares.T) / 2
    np.fill_diagonal(alike, 0)
    apart = np.abs(np.subtract.outer(np.arange(classes), np.arange(classes))) / classes  # ties keep their order
    distances = squareform(1 - alike / max(alike.max(), 1e-12) + 1e-3 * apart, checks=False)
    tree = linkage(distances, "average")
    if classes <= _OPTIMAL:
        tree = optimal_leaf_ordering(tree, distances)
    order = [int(index) for index in leaves_list(tree)]
    return order if order.index(0) < classes / 2 else order[::-1]


def tint(share: float) -> float:
    """Opacity of a cell, with a leap at one half: no digit can be read on the tints between, in light and dark."""
    if share <= 0:
        return 0.0
    return 0.06 + 0.46 * (2 * share) ** 0.8 if share <= 0.5 else 0.76 + 0.48 * (share - 0.5)


def _draw(data: dict[str, Any], theme: Theme) -> MplFigure:
    from matplotlib.figure import Figure as Canvas
    from matplotlib.patches import Rectangle

    order, words, size = similar_order(data["counts"]), data["words"], theme.size
    count, top = len(order), [[order.index(i), order.index(j)] for i, j in data["top"]]
    counts, names = [[data["counts"][i][j] for j in order] for i in order], [data["names"][i] for i in order]
    shares = [[value / (sum(row) or 1) for value in row] for row in counts]
    named, staggered, many = count <= _NAMED, _NAMED < count <= _STAGGERED, count > _LARGE
    if named:
        width, side, margin = theme.wide if many else theme.width, 0.0, 0.0
        height = width * 0.98 if many else min(width * 0.86, count * size * 4.4 / 72 + 1.5)
        figure, axes = canvas(theme, height, wide=many)
        axes.set_aspect("equal")
    else:  # with a list; names in two columns as long as each fits in the height of two rows
        total, column = theme.wide * 72, 3 + 0.5 * _SMALL * max(len(clean(name, _CUT)) for name in names)  # points
        left, foot, listed = (4 + 2 * column, 4 + 2 * column, 11 * size) if staggered else (14, 16, 0)
        side, margin = total - left - 2 if staggered else total * 0.62, count / 160  # small cells keep their colour
        high = side + foot + listed + 6
        figure = Canvas(figsize=(theme.wide, high / 72))
        axes = figure.add_axes((left / total, (foot + listed) / high, side / total, side / high))
        axes.set(xticks=[], yticks=[])
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), xlabel=words["predicted"], ylabel=words["true"])
    axes.spines[:].set(visible=True, color=theme["rule"])
    axes.tick_params(length=0)
    _cells(axes, theme, shares, side)
    if named:
        small, shown = size * (0.8 if many else 0.92), [clean(name, 28) for name in names]
        turned: dict[str, Any] = (
            {"rotation": 90} if many else {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        )
        axes.set_xticks(range(count), shown, fontsize=small, va="top", **turned)
        axes.set_yticks(range(count), shown, fontsize=small)
        _digits(axes, theme, data | {"counts": counts, "names": names}, shares)
        axes.set_title(words["share"], fontweight="normal", color=theme["muted"])
    for i, j in top:
        axes.add_patch(Rectangle((j - 0.5 - margin, i - 0.5 - margin), 1 + 2 * margin, 1 + 2 * margin, fill=False,
                                 edgecolor=theme["bad"], linewidth=1.2, clip_on=False))  # fmt: skip
    if named:
        return figure
    for rank, (x, y) in enumerate(_free_places(top, count), 1):
        axes.text(x, y, str(rank), ha="center", va="center_baseline", fontweight="bold", color=theme["bad"],
                  fontsize=size * 0.92)  # fmt: skip
    pairs = [(names[i], names[j], share) for (i, j), share in zip(top, data["shares"], strict=True)]
    if staggered:
        _edges(axes, theme, names, words, column)
        beside = figure.add_axes((0, 0, 1, (listed - 2 * size) / high))
    else:
        axes.xaxis.labelpad = axes.yaxis.labelpad = 3
        aside = (left + side + 26) / total
        beside = figure.add_axes((aside, foot / high, 1 - aside, (side - 2 * size) / high))
    beside.set_title(words["listed"])
    _list(beside, theme, pairs, 4 if staggered else 1)
    return figure


def _digits(axes: Axes, theme: Theme, data: dict[str, Any], shares: Sequence[Sequence[float]]) -> None:
    """Digits in the cells, between many classes only from half a per cent on, and what each cell says."""
    from matplotlib.patches import Rectangle

    names, words, language, many = data["names"], data["words"], Language(data["code"]), len(shares) > _LARGE
    size = max(_SMALL, theme.size * 0.98 * (1 - 0.018 * (len(shares) - _LARGE))) if many else theme.size
    for i, row in enumerate(shares):
        for j, share in enumerate(row):
            if share >= (0.005 if many else 1e-9):
                axes.text(j, i, language.number(100 * share), ha="center", va="center", fontsize=size,
                          color=theme["on-heat" if share > 0.5 else "ink"])  # fmt: skip
            if share > 0 and theme.name == "screen":
                part, images = data["counts"][i][j], sum(data["counts"][i])
                of = words["of"].format(part=language.number(part), all=language.number(images))
                value = language.quantity(Quantity(value=share, unit="share"))
                cell = axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, alpha=0, linewidth=0, zorder=9))
                tip(cell, f"{words['images']}: {of} ({value})", f"{words['true']}: {names[i]}",
                    f"{words['predicted']}: {names[j]}")  # fmt: skip


def _edges(axes: Axes, theme: Theme, names: Sequence[str], words: dict[str, str], column: float) -> None:
    """Every other name one column further out, at the end of a thin line; heads in the corner that the names leave free."""
    axes.set(xlabel="", ylabel="")
    look: dict[str, Any] = {"textcoords": "offset points", "annotation_clip": False}
    line = {"arrowstyle": "-", "color": theme["rule"], "linewidth": 0.3, "shrinkA": 0, "shrinkB": 0}
    for index, name in enumerate(names):
        out, odd = 3 + (index % 2) * column, index % 2
        own = {**look, "fontsize": _SMALL, "color": theme["ink"], "arrowprops": line if odd else None}
        axes.annotate(clean(name, _CUT), (0, index), xycoords=("axes fraction", "data"), xytext=(-out, 0), ha="right",
                      va="center", **own)  # fmt: skip
        axes.annotate(clean(name, _CUT), (index, 0), xycoords=("data", "axes fraction"), xytext=(0, -out), ha="center",
                      va="top", rotation=90, **own)  # fmt: skip
    for head, down in ((f"{words['true']} ↑", 10), (f"{words['predicted']} →", 10 + 1.5 * theme.size)):
        axes.annotate(head, (0, 0), xycoords="axes fraction", xytext=(-4, -down), ha="right", va="top",
                      color=theme["muted"], **look)  # fmt: skip


def _cells(axes: Axes, theme: Theme, shares: Sequence[Sequence[float]], side: float) -> None:
    """One colour by opacity, so that it suits any background; all cells of one tint are one path.

    Args:
        side: points of the whole matrix, or 0 where unknown; where known cells are strokes, half as long to write down.
    """
    import numpy as np
    from matplotlib.colors import to_rgb
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    table = np.array(shares)
    if np.count_nonzero(table) > VECTORS:
        pixels = np.zeros((*table.shape, 4))
        pixels[..., :3] = to_rgb(theme["heat"] if theme.name == "print" else _PIXELS)
        pixels[..., 3] = np.where(table > 0, 0.16 + 0.84 * table**0.6, 0)
        axes.imshow(pixels, interpolation="none", zorder=0, aspect="auto")
        return
    by_tint: dict[float, list[tuple[int, int]]] = {}
    for i, j in np.argwhere(table).tolist():
        strength = 0.16 + 0.84 * table[i, j] ** 0.6 if side else tint(table[i, j])
        by_tint.setdefault(round(float(strength), 2), []).append((i, j))
    thick = max(side / len(table), 0.9)  # points of a stroke; the smallest that can be seen
    half = thick / side * len(table) / 2 if side else 0.5
    form = [(-half, 0.0), (half, 0.0)] if side else [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (0.0, 0.0)]
    codes = [Path.MOVETO, Path.LINETO] if side else [Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY]
    look: dict[str, Any] = {"facecolor": theme["heat"], "linewidth": 0}
    if side:
        look = {"fill": False, "edgecolor": theme["heat"], "linewidth": thick, "capstyle": "butt"}
    for strength, cells in sorted(by_tint.items()):
        corners = [(j + x, i + y) for i, j in cells for x, y in form]
        axes.add_patch(PathPatch(Path(corners, codes * len(cells)), alpha=strength, zorder=0.5, **look))


def _free_places(marks: Sequence[Sequence[int]], count: int) -> list[tuple[float, float]]:
    """For the number of each mark a place beside it, in cells, that no other mark or number takes, if there is one."""
    away = count / 160 + 0.5 + count / 55
    # Away from the diagonal first, whose cells are dark.
    around = [(1, -1), (1, 0), (0, -1), (0, 1), (-1, 0), (1, 1), (-1, -1), (-1, 1)]
    centres, taken = [(float(j), float(i)) for i, j in marks], list[tuple[float, float]]()
    for x, y in centres:
        step = away if x > y else -away
        places = [(x + step * right, y + step * down) for right, down in around]
        free = [
            (a, b) for a, b in places if 0 <= a < count and 0 <= b < count
            and all(max(abs(a - c), abs(b - d)) > 0.9 * away for c, d in [*centres, *taken])
        ]  # fmt: skip
        taken.append(free[0] if free else (x + away, y))
    return taken


def _list(axes: Axes, theme: Theme, pairs: Sequence[tuple[str, str, str]], columns: int) -> None:
    """What the numbered marks stand for, in columns: number, true class, predicted class and its share."""
    axes.set_axis_off()
    axes.set(xlim=(0, columns), ylim=(0, 1))
    rows = -(-_MARKED // columns)
    step, indent = 1 / (rows + 0.1), 0.1 if columns == 1 else 0.09
    for rank, (true, taken, share) in enumerate(pairs):
        x, y = rank // rows, 1 - step * (rank % rows + 0.15)
        axes.text(x, y, str(rank + 1), va="top", fontweight="bold", color=theme["bad"])
        axes.text(x + indent, y, f"{clean(true, 24)}\n→ {clean(taken, 20)}, {share}", va="top", linespacing=1.0)
