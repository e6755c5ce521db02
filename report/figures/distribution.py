"""Images by class, stacked by split: a row a class while names fit, then columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from report.evidence.language import Language
from report.evidence.quantity import Figure, Quantity, Under
from report.figures.theme import Theme, bands, canvas, clean, round_ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure

ONE_COLUMN = 30
"""Classes that fit below each other, each on its own row."""

SPLITS = {"train": "training", "validation": "validation", "test": "test"}
"""Message of each split's name."""

_APART = 150  # columns that can be told apart


def class_distribution(
    names: Sequence[str], counts: Mapping[str, Sequence[int]], language: Language, **under: Unpack[Under]
) -> Figure:
    """Number of images of each class, stacked by split, sorted.

    Args:
        names: class names; counts: images by class for each of `train`, `validation`, `test` that there is.

    Raises:
        ValueError: lengths differ, or there is no class.
    """
    splits, text = [split for split in SPLITS if split in counts], language.text
    if not names or not splits:
        raise ValueError("no classes to draw")
    rows: list[dict[str, Any]] = [
        {"name": clean(name, 28), "counts": [int(value) for value in values]}
        for name, *values in zip(names, *(counts[split] for split in splits), strict=True)
    ]
    rows.sort(key=lambda row: (-sum(row["counts"]), row["name"]))
    totals = [sum(row["counts"]) for row in rows]
    mean = sum(totals) / len(totals)
    alt = text("Each of the {count} classes has {images} images.", count=len(rows), images=totals[0])
    if totals[0] != totals[-1]:
        average = language.quantity(Quantity(value=mean, unit="number"), 1)
        alt = text(
            "Images in {count} classes: most in {most} ({high}), fewest in {fewest} ({low}), {mean} on average.",
            count=len(rows), most=rows[0]["name"], high=totals[0], fewest=rows[-1]["name"], low=totals[-1], mean=average,
        )  # fmt: skip
    words = [text(SPLITS[split]) for split in splits]
    for row, total in zip(rows, totals, strict=True):
        row["total"] = language.number(total)
        told = [f"{name}: {language.number(value)}" for name, value in zip(words, row["counts"], strict=True)]
        row["said"] = "\n".join([row["name"], f"{text('Images')}: {row['total']}", *told])
    data = {
        "rows": rows, "mean": mean, "splits": words, "axis": text("Images"), "code": language.code,
        "told": text("mean: {value}", value=language.number(mean, 0 if mean == int(mean) else 1)),
        "classes": text("Classes, by number of images"),
    }  # fmt: skip
    return Figure(alt=alt, data=data, draw=partial(_draw, data), **under)


def _draw(data: dict[str, Any], theme: Theme) -> MplFigure:
    rows, count = data["rows"], len(data["rows"])
    named = count <= ONE_COLUMN
    figure, axes = canvas(theme, (count * 1.5 + 6) * theme.size / 72 if named else theme.width * 0.42)
    base = [0] * count
    for index, (name, tint) in enumerate(zip(data["splits"], (1, 0.55, 0.28), strict=False)):
        top = [below + row["counts"][index] for below, row in zip(base, rows, strict=True)]
        look: dict[str, Any] = {"color": theme["series-1"], "alpha": tint, "label": name, "linewidth": 0}
        part = [row["counts"][index] for row in rows]
        if count > _APART:
            axes.fill_between(range(count), base, top, step="mid", **look)
        elif named:
            axes.barh(range(count), part, 0.72, base, **look)
        else:
            axes.bar(range(count), part, 0.86, base, **look)
        base = top
    line = axes.axvline if named else axes.axhline
    line(data["mean"], color=theme["ink"], linewidth=0.9, linestyle=(0, (3, 2)), label=data["told"])
    round_ticks(axes.xaxis if named else axes.yaxis, Language(data["code"]).number, whole=True)
    figure.legend(loc="outside upper right", ncols=4, handlelength=1.3, columnspacing=1.2)
    axes.grid(axis="x" if named else "y")
    if named:
        axes.barh(range(count), base, 0.72, fill=False, edgecolor=theme["series-1"], linewidth=0.7)
        axes.set(yticks=range(count), yticklabels=[row["name"] for row in rows], ylim=(count - 0.4, -0.6))
        axes.set_xlabel(data["axis"])
        axes.tick_params(axis="y", length=0)
    else:
        axes.set(xlim=(-0.8, count - 0.2), xticks=[], xlabel=data["classes"], ylim=(0, max(base) * 1.16))
        axes.set_title(data["axis"], fontweight="normal", color=theme["muted"])
        # Names of the largest and the smallest class, where there is no room for all names.
        for index, side in ((0, "left"), (count - 1, "right")) if base[0] != base[-1] else ():
            arrow = {"arrowstyle": "-", "color": theme["rule"], "linewidth": 0.7, "shrinkA": 0, "shrinkB": 1,
                     "relpos": (0 if side == "left" else 1, 0)}  # fmt: skip
            axes.annotate(f"{rows[index]['name']}: {rows[index]['total']}", (index, base[index]), ha=side, va="bottom",
                          xytext=(index, max(base) * 1.06), color=theme["ink"], arrowprops=arrow)  # fmt: skip
    if count <= _APART:
        bands(axes.axhspan if named else axes.axvspan, theme, ((at, row["said"]) for at, row in enumerate(rows)))
    return figure
