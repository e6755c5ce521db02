"""The confusion matrix, legible from 2 to a thousand classes, those that are taken for each other side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from report.evidence.language import Language
from report.evidence.quantity import Figure, Quantity, Under
from report.evidence.words import joined
from report.figures.theme import Drawing, Theme, canvas, chart, clean, tip

_LARGE = 12  # classes up to which cells and digits have the size of the text
_NAMED = 30  # up to which each has its row of text, and each cell its digits
_STAGGERED = 120  # up to which names fit in two columns
_OPTIMAL = 300  # up to which the order is the best one, which takes time with the square of their number and more
_MARKED = 8
_SMALL, _CUT = 5.0, 20  # points of the smallest text; characters of a name in it


def confusion_matrix(
    counts: Sequence[Sequence[int]], names: Sequence[str], language: Language, **under: Unpack[Under]
) -> Figure:
    """Share of each true class's images (rows) that were taken for each class (columns), similar classes side by side.

    Up to 30 classes each cell holds its percentage; up to 120 each row and column its name; above 30 the most frequent
    confusions are numbered and listed.

    Args:
        counts: images, (K, K) nested sequences or an integer array: true class by predicted class.

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
    shares = [language.quantity(Quantity(value=table[i][j] / totals[i], unit="share", n=totals[i]), 0) for i, j in top]
    alt = text("Confusion matrix of {count} classes: {right} of {total} images on the diagonal.", count=count,
               right=sum(table[index][index] for index in range(count)), total=sum(totals))  # fmt: skip
    if top:
        listed = [
            text("{true} taken for {predicted}, {share}", true=labels[i], predicted=labels[j], share=share)
            for (i, j), share in zip(top[:3], shares, strict=False)
        ]
        alt += " " + text("Most frequent confusions: {list}.", list=joined(listed, "; "))
    words = {
        "true": text("True class"), "predicted": text("Predicted class"), "share": text("% of the true class"),
        "listed": text("Most frequent confusions"), "images": text("Images"),
        "of": text("{part} of {all}", part="{part}", all="{all}"),
    }  # fmt: skip
    if count > 2:
        ordered = text("Classes that are taken for each other stand side by side.")
        under["note"] = joined(filter(None, [under.get("note"), ordered]), " ")
    return chart(
        _named if count <= _NAMED else _large, language, alt, under, wide=count > _LARGE,
        counts=table, names=labels, top=[list(pair) for pair in top], shares=shares, words=words,
    )  # fmt: skip


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


def _matrix(
    axes: Any, theme: Theme, data: dict[str, Any], side: float, margin: float
) -> tuple[Any, list[str], list[list[int]]]:
    """Cells and marks in the order of similarity: counts as an array, names, and (row, column) of the marks.

    One colour by opacity suits any background. All cells of one tint are one path.

    Args:
        side: points of the whole matrix, or 0 where unknown; where known cells are strokes, half as long to write down.
        margin: cells by which marks are larger than theirs.
    """
    import numpy as np
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.path import Path

    order = similar_order(data["counts"])
    table, count = np.array(data["counts"])[np.ix_(order, order)], len(order)
    marks = [[order.index(i), order.index(j)] for i, j in data["top"]]
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5))
    axes.spines[:].set(visible=True, color=theme["rule"])
    axes.tick_params(length=0)
    by_tint: dict[float, list[tuple[int, int]]] = {}
    for i, j in zip(*table.nonzero(), strict=True):
        share = float(table[i, j] / table[i].sum())
        strength = 0.16 + 0.84 * share**0.6 if side else tint(share)
        by_tint.setdefault(round(strength, 2), []).append((i, j))
    look: dict[str, Any] = {"facecolor": theme["heat"], "linewidth": 0}
    form, codes = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (0.0, 0.0)], [1, 2, 2, 2, 79]  # of a closed path
    if side:
        thick = max(side / count, 0.9)  # points of a stroke; the smallest that can be seen
        form, codes = [(sign * thick / side * count / 2, 0.0) for sign in (-1, 1)], [1, 2]
        look = {"fill": False, "edgecolor": theme["heat"], "linewidth": thick, "capstyle": "butt"}
    for strength, cells in sorted(by_tint.items()):
        corners = [(j + x, i + y) for i, j in cells for x, y in form]
        axes.add_patch(PathPatch(Path(corners, codes * len(cells)), alpha=strength, zorder=0.5, **look))
    for i, j in marks:
        axes.add_patch(Rectangle((j - 0.5 - margin, i - 0.5 - margin), 1 + 2 * margin, 1 + 2 * margin, fill=False,
                                 edgecolor=theme["bad"], linewidth=1.2, clip_on=False))  # fmt: skip
    return table, [data["names"][index] for index in order], marks


def _named(theme: Theme, language: Language, words: dict[str, str], **data: Any) -> Drawing:
    """Names at the edges, and in the cells digits, between many classes only from half a per cent on; what each cell says."""
    from matplotlib.patches import Rectangle

    count, many = len(data["names"]), len(data["names"]) > _LARGE
    width = theme.wide if many else theme.width
    height = width * 0.98 if many else min(width * 0.86, count * theme.size * 4.4 / 72 + 1.5)
    figure, axes = canvas(theme, height, wide=many)
    axes.set(aspect="equal", xlabel=words["predicted"], ylabel=words["true"])
    table, names, _ = _matrix(axes, theme, data, 0, 0)
    small, shown = theme.size * (0.8 if many else 0.92), [clean(name, 28) for name in names]
    turned: dict[str, Any] = {"rotation": 90} if many else {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(count), shown, fontsize=small, va="top", **turned)
    axes.set_yticks(range(count), shown, fontsize=small)
    size = max(_SMALL, theme.size * 0.98 * (1 - 0.018 * (count - _LARGE))) if many else theme.size
    for i, row in enumerate(table.tolist()):
        images = sum(row)
        for j, part in enumerate(row):
            share = part / (images or 1)
            if share >= (0.005 if many else 1e-9):
                axes.text(j, i, language.number(100 * share), ha="center", va="center", fontsize=size,
                          color=theme["on-heat" if share > 0.5 else "ink"])  # fmt: skip
            if part and theme.name == "screen":
                of = words["of"].format(part=language.number(part), all=language.number(images))
                value = language.quantity(Quantity(value=share, unit="share"))
                cell = axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, alpha=0, linewidth=0, zorder=9))
                tip(cell, f"{words['images']}: {of} ({value})", f"{words['true']}: {names[i]}",
                    f"{words['predicted']}: {names[j]}")  # fmt: skip
    axes.set_title(words["share"], fontweight="normal", color=theme["muted"])
    return figure


def _large(theme: Theme, language: Language, words: dict[str, str], **data: Any) -> Drawing:
    """Marks that are numbered and listed; names in two columns as long as each fits in the height of two rows."""
    from matplotlib.figure import Figure as Canvas

    count, size, total = len(data["names"]), theme.size, theme.wide * 72  # points, as what follows
    staggered, column = count <= _STAGGERED, 3 + 0.5 * _SMALL * max(len(clean(name, _CUT)) for name in data["names"])
    left, foot, listed = (4 + 2 * column, 4 + 2 * column, 11 * size) if staggered else (14, 16, 0)
    side = total - left - 2 if staggered else total * 0.62
    high = side + foot + listed + 6
    figure = Canvas(figsize=(theme.wide, high / 72))
    axes = figure.add_axes((left / total, (foot + listed) / high, side / total, side / high))
    axes.set(xticks=[], yticks=[])
    _, names, marks = _matrix(axes, theme, data, side, count / 160)  # small cells keep their colour
    for rank, (x, y) in enumerate(_free_places(marks, count), 1):
        axes.text(x, y, str(rank), ha="center", va="center_baseline", fontweight="bold", color=theme["bad"],
                  fontsize=size * 0.92)  # fmt: skip
    if staggered:
        _edges(axes, theme, names, words, column)
        beside, columns, indent = figure.add_axes((0, 0, 1, (listed - 2 * size) / high)), 4, 0.09
    else:
        axes.set_xlabel(words["predicted"], labelpad=3)
        axes.set_ylabel(words["true"], labelpad=3)
        aside, columns, indent = (left + side + 26) / total, 1, 0.1
        beside = figure.add_axes((aside, foot / high, 1 - aside, (side - 2 * size) / high))
    beside.set_title(words["listed"])
    beside.set_axis_off()
    beside.set(xlim=(0, columns), ylim=(0, 1))
    rows = -(-_MARKED // columns)
    for rank, ((i, j), share) in enumerate(zip(marks, data["shares"], strict=True)):
        x, y = rank // rows, 1 - (rank % rows + 0.15) / (rows + 0.1)
        beside.text(x, y, str(rank + 1), va="top", fontweight="bold", color=theme["bad"])
        pair = f"{clean(names[i], 24)}\n→ {clean(names[j], 20)}, {share}"
        beside.text(x + indent, y, pair, va="top", linespacing=1.0)
    return figure


def _edges(axes: Any, theme: Theme, names: Sequence[str], words: dict[str, str], column: float) -> None:
    """Every other name one column further out, at the end of a thin line; heads in the corner that names leave free."""
    look: dict[str, Any] = {"textcoords": "offset points", "annotation_clip": False}
    line = {"arrowstyle": "-", "color": theme["rule"], "linewidth": 0.3, "shrinkA": 0, "shrinkB": 0}
    for index, name in enumerate(clean(name, _CUT) for name in names):
        out, odd = 3 + (index % 2) * column, index % 2
        own = {**look, "fontsize": _SMALL, "color": theme["ink"], "arrowprops": line if odd else None}
        axes.annotate(name, (0, index), xycoords=("axes fraction", "data"), xytext=(-out, 0), ha="right", va="center",
                      **own)  # fmt: skip
        axes.annotate(name, (index, 0), xycoords=("data", "axes fraction"), xytext=(0, -out), ha="center", va="top",
                      rotation=90, **own)  # fmt: skip
    for head, down in ((f"{words['true']} ↑", 10), (f"{words['predicted']} →", 10 + 1.5 * theme.size)):
        axes.annotate(head, (0, 0), xycoords="axes fraction", xytext=(-4, -down), ha="right", va="top",
                      color=theme["muted"], **look)  # fmt: skip


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
