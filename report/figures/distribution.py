"""Images by class, stacked by split: a row a class while names fit, then columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from report.evidence.language import Language
from report.evidence.quantity import Figure, Quantity, Under
from report.figures.theme import Drawing, Theme, bands, canvas, chart, clean, round_ticks

ONE_COLUMN = 30
"""Classes that fit below each other, each on its own row."""

SPLITS = {"train": "training", "validation": "validation", "test": "test"}
"""Message of each split's name."""

_APART = 150  # columns that can be told apart


def class_distribution(
    names: Sequence[str], counts: Mapping[str, Sequence[int]], language: Language, **under: Unpack[Under]
) -> Figure:
    """Number of images of each class, stacked by split, sorted; ValueError where there is no class, or lengths differ.

    Args:
        counts: images by class for each of `train`, `validation`, `test` that there is.
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
    told_mean = text("mean: {value}", value=language.number(mean, 0 if mean == int(mean) else 1))
    return chart(_draw, language, alt, under, rows=rows, mean=mean, told_mean=told_mean, splits=words,
                 axis=text("Images"), classes=text("Classes, by number of images"))  # fmt: skip


def _draw(
    theme: Theme, language: Language, rows: list[dict[str, Any]], mean: float, told_mean: str, splits: list[str],
    axis: str, classes: str,
) -> Drawing:  # fmt: skip
    count = len(rows)
    named = count <= ONE_COLUMN
    figure, axes = canvas(theme, (count * 1.5 + 6) * theme.size / 72 if named else theme.width * 0.42)
    base = [0] * count
    for index, (name, tint) in enumerate(zip(splits, (1, 0.55, 0.28), strict=False)):
        part = [row["counts"][index] for row in rows]
        top = [below + more for below, more in zip(base, part, strict=True)]
        look: dict[str, Any] = {"color": theme["series-1"], "alpha": tint, "label": name, "linewidth": 0}
        if count > _APART:
            axes.fill_between(range(count), base, top, step="mid", **look)
        elif named:
            axes.barh(range(count), part, 0.72, base, **look)
        else:
            axes.bar(range(count), part, 0.86, base, **look)
        base = top
    line = axes.axvline if named else axes.axhline
    line(mean, color=theme["ink"], linewidth=0.9, linestyle=(0, (3, 2)), label=told_mean)
    round_ticks(axes.xaxis if named else axes.yaxis, language.number, whole=True)
    figure.legend(loc="outside upper right", ncols=4, handlelength=1.3, columnspacing=1.2)
    axes.grid(axis="x" if named else "y")
    if named:
        axes.barh(range(count), base, 0.72, fill=False, edgecolor=theme["series-1"], linewidth=0.7)
        axes.set(yticks=range(count), yticklabels=[row["name"] for row in rows], ylim=(count - 0.4, -0.6), xlabel=axis)
        axes.tick_params(axis="y", length=0)
    else:
        axes.set(xlim=(-0.8, count - 0.2), xticks=[], xlabel=classes, ylim=(0, max(base) * 1.16))
        axes.set_title(axis, fontweight="normal", color=theme["muted"])
        # Names of the largest and the smallest class, where there is no room for all names.
        for index, side in ((0, "left"), (count - 1, "right")) if base[0] != base[-1] else ():
            arrow = {"arrowstyle": "-", "color": theme["rule"], "linewidth": 0.7, "shrinkA": 0, "shrinkB": 1,
                     "relpos": (0 if side == "left" else 1, 0)}  # fmt: skip
            axes.annotate(f"{rows[index]['name']}: {rows[index]['total']}", (index, base[index]), ha=side, va="bottom",
                          xytext=(index, max(base) * 1.06), color=theme["ink"], arrowprops=arrow)  # fmt: skip
    if count <= _APART:
        bands(axes.axhspan if named else axes.axvspan, theme, ((at, row["said"]) for at, row in enumerate(rows)))
    return figure
