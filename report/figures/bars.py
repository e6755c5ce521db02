"""Quantities side by side: accuracy by network and split, accuracy by class, images by class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from report.evidence.quantity import Figure, Quantity
from report.evidence.words import joined, worded
from report.figures import hover
from report.figures.distribution import ONE_COLUMN, SPLITS, class_distribution
from report.figures.sizes import NetworkSize, block_counts, networks_compared
from report.figures.theme import Theme, Words, clean, network_style, network_title, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

__all__ = [
    "NetworkSize",
    "accuracy_comparison",
    "block_counts",
    "class_distribution",
    "networks_compared",
    "per_class_accuracy",
]

_MOST = 120  # classes that fit in two columns


def accuracy_comparison(
    accuracies: Mapping[str, Mapping[str, Quantity]],
    language: Words,
    *,
    caption: str,
    note: str = "",
    titles: Mapping[str, str] | None = None,
) -> Figure:
    """Accuracy of each network on each split, with its interval.

    Args:
        accuracies: by network, then by split (`train`, `validation`, `test`): shares in 0-1 with `low` and `high`.
        titles: what stands for each network's name, also of those without accuracies, whose rows say so.

    Raises:
        ValueError: nothing to draw.
    """
    if not any(accuracies.values()):
        raise ValueError("no accuracy to draw")
    code = language.code
    named = {network: {"title": title} for network, title in (titles or {}).items()}  # these remember their numbers
    shown = {**accuracies, **{network: {} for network in titles or () if network not in accuracies}}
    rows: list[dict[str, Any]] = [
        {"network": network, "title": clean((titles or {}).get(network, network_title(network))), "splits": [
            {"split": split, "name": language.text(SPLITS[split]), **_interval(by_split[split])}
            for split in SPLITS if split in by_split
        ]}
        for network, by_split in shown.items()
    ]  # fmt: skip
    told = joined((_told({**row, **named.get(row["network"], {})}, shown[row["network"]], code) for row in rows), " ")
    words = {"axis": language.text("Accuracy"), "interval": language.text("95% interval")}
    data = {"rows": rows, "code": code, "words": words}
    alt = language.text("Accuracy with 95% intervals.") + " " + told
    return Figure(caption=caption, note=note, alt=alt, data=data, draw=partial(_draw_comparison, data))


def _told(row: dict[str, Any], by_split: Mapping[str, Quantity], code: str) -> str:
    """ "VGG-19: training 90.1%, test 78.1%."."""
    splits = [
        joined([f"{one['name']} ", worded(percent(one["value"], 1, code), by_split[one["split"]])])
        for one in row["splits"]
    ]
    return joined([row["title"], ": ", joined(splits, ", "), "."]) if splits else joined([row["title"], "."])


def per_class_accuracy(
    names: Sequence[str],
    accuracies: Sequence[Quantity],
    language: Words,
    *,
    caption: str,
    note: str = "",
    network: str = "",
) -> Figure:
    """Accuracy of one network in each class, sorted, with intervals; the best and worst class stand out.

    Args:
        names: class names; accuracies: share of right answers by class, with `low` and `high`; a class without images
            (`n` = 0) is left out.
        network: gives the colour.

    Raises:
        ValueError: lengths differ, or no class has images.
    """
    pairs: list[dict[str, Any]] = [
        {"name": clean(name, 28), "images": accuracy.n, **_interval(accuracy)}
        for name, accuracy in zip(names, accuracies, strict=True)
        if accuracy.n != 0
    ]
    if not pairs:
        raise ValueError("no class with images")
    pairs.sort(key=lambda pair: (-pair["value"], pair["name"]))
    code, best, worst = language.code, pairs[0], pairs[-1]
    known = {(clean(name, 28), round(float(one.value), 6)): one for name, one in zip(names, accuracies, strict=True)}
    high, low = (worded(percent(pair["value"], 1, code), known[pair["name"], pair["value"]]) for pair in (best, worst))
    alt = language.text(
        "Accuracy in {count} classes, sorted, with 95% intervals: best {best} with {high}, worst {worst} with {low}.",
        count=len(pairs), best=best["name"], high=high, worst=worst["name"], low=low,
    )  # fmt: skip
    omitted = max(0, len(pairs) - _MOST)
    if omitted:
        pairs = pairs[: _MOST // 2] + pairs[-_MOST // 2 :]
    data = {
        "pairs": pairs, "network": network, "code": code,
        "words": {
            "axis": language.text("Accuracy"), "interval": language.text("95% interval"), "images": language.text("Images"),
            "omitted": language.text("{count} classes between are left out", count=omitted) if omitted else "",
        },
    }  # fmt: skip
    wide = len(pairs) > ONE_COLUMN
    return Figure(caption=caption, note=note, alt=alt, data=data, draw=partial(_draw_classes, data), wide=wide)


def _interval(quantity: Quantity) -> dict[str, float | None]:
    return {
        "value": round(float(quantity.value), 6),
        "low": None if quantity.low is None else round(float(quantity.low), 6),
        "high": None if quantity.high is None else round(float(quantity.high), 6),
    }


def _said(title: str, one: dict[str, Any], words: Mapping[str, str], code: str) -> str:
    """What the mark of an accuracy answers: its value, its interval, and its images where they are known."""
    known = one["low"] is not None and one["high"] is not None
    span = f"{number(100 * one['low'], 1, code)}–{percent(one['high'], 1, code)}" if known else ""
    images = number(one["images"], 0, code) if one.get("images") is not None else ""
    rows = {words["axis"]: percent(one["value"], 1, code), words["interval"]: span, words.get("images", ""): images}
    return hover.lines(title, rows)


def _whisker(axes: Axes, theme: Theme, y: float, one: dict[str, Any], colour: str, **look: Any) -> None:
    if one["low"] is not None and one["high"] is not None:
        axes.plot([one["low"], one["high"]], [y, y], color=theme[colour], linewidth=look.pop("whisker", 1.4),
                  marker="|", markersize=4, solid_capstyle="butt")  # fmt: skip
    look.pop("whisker", None)
    axes.plot([one["value"]], [y], color=theme[colour], linewidth=0, **look)


def _share_axis(axes: Axes, code: str, values: Sequence[dict[str, Any]]) -> None:
    """From a round share below the lowest interval to a round one above the highest."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    low = min(one["value"] if one["low"] is None else one["low"] for one in values)
    high = max(one["value"] if one["high"] is None else one["high"] for one in values)
    left = max(0.0, math.floor((low - 0.02) * 10) / 10)
    right = min(1.0, math.ceil((high + 0.02) * 10) / 10)
    pad = (right - left) * 0.02
    axes.set_xlim(left - pad, right + pad)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(100 * value, 0, code)))
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _draw_comparison(data: dict[str, Any], theme: Theme) -> MplFigure:
    from matplotlib.figure import Figure as Canvas

    rows, code = data["rows"], data["code"]
    lines = sum(len(row["splits"]) + 1.15 for row in rows)
    figure = Canvas(figsize=(theme.width, (lines * theme.size * 1.55 + 4 * theme.size) / 72), layout="constrained")
    axes = figure.subplots()
    ticks, labels, said, y = [], [], [], 0.0
    for row in rows:
        look = network_style(row["network"])
        axes.annotate(row["title"], (0, y), xycoords=("axes fraction", "data"), va="center", ha="left",
                      fontweight="bold", color=theme[look.colour])  # fmt: skip
        for one in row["splits"]:
            y += 1
            test = one["split"] == "test"
            _whisker(axes, theme, y, one, look.colour, marker=look.marker, markersize=6 if test else 5,
                     markerfacecolor=theme[look.colour] if test else theme["paper"])  # fmt: skip
            axes.annotate(percent(one["value"], 1, code), (1, y), xycoords=("axes fraction", "data"), va="center",
                          xytext=(8, 0), textcoords="offset points", color=theme["ink"],
                          fontweight="bold" if test else "normal", annotation_clip=False)  # fmt: skip
            ticks.append(y)
            labels.append(one["name"])
            said.append((_said(f"{row['title']}, {one['name']}", one, data["words"], code), [(one["value"], y)]))
        y += 1.15
    axes.set_yticks(ticks, labels)
    axes.set_ylim(y - 0.5, -0.6)
    _share_axis(axes, code, [one for row in rows for one in row["splits"]])
    axes.set_xlabel(data["words"]["axis"] + " (%)")
    hover.rows(axes, said)
    return figure


def _beside(axes: Axes, theme: Theme, y: float, one: dict[str, Any], text: str, colour: str) -> None:
    """The value of a class at that end of its whisker where the axis has more room."""
    low, high = one["low"] or one["value"], one["high"] or one["value"]
    left = low - axes.get_xlim()[0] > axes.get_xlim()[1] - high
    axes.annotate(text, (low if left else high, y), xytext=(-5 if left else 5, 0), textcoords="offset points",
                  ha="right" if left else "left", va="center", color=theme[colour], fontsize=theme.size * 0.92)  # fmt: skip


def _columns(count: int) -> int:
    return 1 if count <= ONE_COLUMN else 2


def _draw_classes(data: dict[str, Any], theme: Theme) -> MplFigure:
    from matplotlib.figure import Figure as Canvas

    pairs, code = data["pairs"], data["code"]
    columns = _columns(len(pairs))
    rows = math.ceil(len(pairs) / columns)
    size = theme.size * (1 if rows <= 15 else 0.92 if columns == 1 else 0.84)
    height = (rows + 0.6) * size * (1.6 if rows <= 15 else 1.32) + 4 * theme.size
    figure = Canvas(figsize=(theme.wide if columns == 2 else theme.width, height / 72), layout="constrained")
    look = network_style(data["network"])
    colour, marker = (look.colour, look.marker) if data["network"] else ("series-1", "o")
    for column, axes in enumerate(figure.subplots(1, columns, squeeze=False)[0]):
        part = pairs[column * rows : (column + 1) * rows]
        for y, one in enumerate(part):
            rank = column * rows + y
            mark = "good" if rank == 0 else "bad" if rank == len(pairs) - 1 else ""
            _whisker(axes, theme, y, one, mark or colour, marker=marker, markersize=6 if mark else 4,
                     whisker=1.6 if mark else 0.8)  # fmt: skip
        axes.set_yticks(range(len(part)), [one["name"] for one in part], fontsize=size)
        axes.set_ylim(rows - 0.4, -0.6)
        _share_axis(axes, code, pairs)
        for y, label in enumerate(axes.get_yticklabels()):
            rank, one = column * rows + y, part[y]
            if rank in (0, len(pairs) - 1):
                colour_name = "good" if rank == 0 else "bad"
                label.set(fontweight="bold", color=theme[colour_name])
                _beside(axes, theme, y, one, percent(one["value"], 1, code), colour_name)
        axes.set_xlabel(data["words"]["axis"] + " (%)")
        hover.rows(
            axes, [(_said(one["name"], one, data["words"], code), [(one["value"], y)]) for y, one in enumerate(part)]
        )
    if data["words"]["omitted"]:
        figure.suptitle(data["words"]["omitted"], fontsize=theme.size, color=theme["muted"])
    return figure
