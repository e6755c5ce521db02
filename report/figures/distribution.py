"""Images by class, stacked by split: a row a class while names fit, then columns or, of very many, one outline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from report.evidence.quantity import Figure, Quantity
from report.evidence.words import worded
from report.figures import hover
from report.figures.theme import Theme, Words, clean, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

ONE_COLUMN = 30
"""Classes that fit below each other, each on its own row."""

SPLITS = {"train": "training", "validation": "validation", "test": "test"}
"""Message of each split's name."""

_APART = 150  # columns that can be told apart


def class_distribution(
    names: Sequence[str], counts: Mapping[str, Sequence[int]], language: Words, *, caption: str, note: str = ""
) -> Figure:
    """Number of images of each class, stacked by split, sorted.

    Args:
        names: class names; counts: images by class for each of `train`, `validation`, `test` that there is.

    Raises:
        ValueError: lengths differ, or there is no class.
    """
    splits = [split for split in SPLITS if split in counts]
    if not names or not splits:
        raise ValueError("no classes to draw")
    rows: list[dict[str, Any]] = [
        {"name": clean(name, 28), "counts": [int(value) for value in values]}
        for name, *values in zip(names, *(counts[split] for split in splits), strict=True)
    ]
    rows.sort(key=lambda row: (-sum(row["counts"]), row["name"]))
    totals, code = [sum(row["counts"]) for row in rows], language.code
    mean = sum(totals) / len(totals)
    if totals[0] == totals[-1]:
        alt = language.text("Each of the {count} classes has {images} images.", count=len(rows),
                            images=_count(mean, 0, code))  # fmt: skip
    else:
        alt = language.text(
            "Images in {count} classes: most in {most} ({high}), fewest in {fewest} ({low}), {mean} on average.",
            count=len(rows), most=rows[0]["name"], high=_count(totals[0], 0, code), fewest=rows[-1]["name"],
            low=_count(totals[-1], 0, code), mean=_count(mean, 1, code),
        )  # fmt: skip
    data = {
        "rows": rows, "mean": mean, "code": code,
        "words": {
            "splits": [language.text(SPLITS[split]) for split in splits], "axis": language.text("Images"),
            "mean": language.text("mean: {value}", value=number(mean, 0 if mean == int(mean) else 1, code)),
            "classes": language.text("Classes, by number of images"),
        },
    }  # fmt: skip
    return Figure(caption=caption, note=note, alt=alt, data=data, draw=partial(_draw_distribution, data))


def _count(value: float, digits: int, code: str) -> str:
    return worded(number(value, digits, code), Quantity(value=value, unit="number" if digits else "count"))


def _draw_distribution(data: dict[str, Any], theme: Theme) -> MplFigure:
    from matplotlib.figure import Figure as Canvas

    rows, count = data["rows"], len(data["rows"])
    named = count <= ONE_COLUMN
    height = (count * theme.size * 1.5 + 6 * theme.size) / 72 if named else theme.width * 0.42
    figure = Canvas(figsize=(theme.width, height), layout="constrained")
    axes = figure.subplots()
    _stack(axes, theme, data, named)
    (hover.rows if named else hover.columns)(axes, _answers(data, named))
    if named:
        axes.set_yticks(range(count), [row["name"] for row in rows])
        axes.set_ylim(count - 0.4, -0.6)
        axes.set_xlabel(data["words"]["axis"])
        axes.tick_params(axis="y", length=0)
    else:
        axes.set_xlim(-0.8, count - 0.2)
        axes.set_xticks([])
        axes.set_xlabel(data["words"]["classes"])
        axes.set_title(data["words"]["axis"], fontweight="normal", color=theme["muted"])
        _ends(axes, theme, data)
    return figure


def _answers(data: dict[str, Any], named: bool) -> list[hover.Entry]:
    """What each class says: its images, in all and by split."""
    words, code = data["words"], data["code"]
    entries: list[hover.Entry] = []
    for place, row in enumerate(data["rows"]):
        total = sum(row["counts"])
        told = {name: number(value, 0, code) for name, value in zip(words["splits"], row["counts"], strict=True)}
        text = hover.lines(row["name"], {words["axis"]: number(total, 0, code), **told})
        entries.append((text, [(total, place) if named else (place, total)]))
    return entries


def _stack(axes: Axes, theme: Theme, data: dict[str, Any], named: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    rows, code = data["rows"], data["code"]
    base = [0] * len(rows)
    draw = axes.barh if named else axes.bar
    for index, name in enumerate(data["words"]["splits"]):
        part = [row["counts"][index] for row in rows]
        look: dict[str, Any] = {"left": base, "height": 0.72} if named else {"bottom": base, "width": 0.86}
        tint: dict[str, Any] = {
            "color": theme["series-1"],
            "alpha": (1, 0.55, 0.28)[index],
            "label": name,
            "linewidth": 0,
        }
        top = [a + b for a, b in zip(base, part, strict=True)]
        if len(rows) > _APART:
            axes.fill_between(range(len(rows)), base, top, step="mid", **tint)
        else:
            draw(range(len(rows)), part, **tint, **look)
        base = top
    if named:
        axes.barh(range(len(rows)), base, height=0.72, fill=False, edgecolor=theme["series-1"], linewidth=0.7)
    line = axes.axvline if named else axes.axhline
    line(data["mean"], color=theme["ink"], linewidth=0.9, linestyle=(0, (3, 2)), label=data["words"]["mean"])
    amount = axes.xaxis if named else axes.yaxis
    amount.set_major_locator(MaxNLocator(nbins=6, integer=True))
    amount.set_major_formatter(FuncFormatter(lambda value, _: number(value, 0, code)))
    axes.figure.legend(loc="outside upper right", ncols=4, frameon=False, fontsize=theme.size * 0.92, handlelength=1.3,
                       labelcolor=theme["muted"], columnspacing=1.2)  # fmt: skip
    axes.grid(axis="x" if named else "y")


def _ends(axes: Axes, theme: Theme, data: dict[str, Any]) -> None:
    """Names of the largest and the smallest class, where there is no room for all names."""
    rows = data["rows"]
    top = max(sum(row["counts"]) for row in rows)
    axes.set_ylim(0, top * 1.16)
    if all(sum(row["counts"]) == top for row in rows):
        return
    for index, ha in ((0, "left"), (len(rows) - 1, "right")):
        total = sum(rows[index]["counts"])
        axes.annotate(f"{rows[index]['name']}: {number(total, 0, data['code'])}", (index, total), xytext=(index, top * 1.06),
                      textcoords="data", ha=ha, va="bottom", color=theme["ink"],
                      arrowprops={"arrowstyle": "-", "color": theme["rule"], "linewidth": 0.7, "shrinkA": 0, "shrinkB": 1,
                                  "relpos": (0 if ha == "left" else 1, 0)})  # fmt: skip
