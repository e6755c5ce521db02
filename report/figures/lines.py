"""Lines over epochs, as every learning curve has them: mean and band over seeds, axes, names at the ends, answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from report.figures import hover
from report.figures.theme import NetworkStyle, Theme, number, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FEW = 15  # epochs up to which each has its marker


def gaps(values: Sequence[float | None]) -> list[float]:
    """A gap where there is no value."""
    return [math.nan if value is None else value for value in values]


def line(axes: Axes, theme: Theme, one: dict[str, Any], colour: str, **look: Any) -> None:
    """A mean with its band over seeds, faint where seeds have ended; of long ones only some epochs have markers."""
    epochs, count = range(1, len(one["mean"]) + 1), len(one["mean"])
    whole = max(
        (epoch for epoch, seeds in zip(epochs, one["seeds"], strict=True) if seeds == max(one["seeds"])), default=0
    )
    every = None if count <= _FEW else max(1, count // 8)
    look = {"color": theme[colour], "markevery": every, **look}
    mean = gaps(one["mean"])
    axes.plot(epochs[:whole], mean[:whole], **look)
    if whole < count:
        axes.plot(epochs[max(0, whole - 1) :], mean[max(0, whole - 1) :], **{**look, "alpha": 0.5, "linewidth": 1.0})
    if one["low"] != one["high"]:
        axes.fill_between(epochs, gaps(one["low"]), gaps(one["high"]), color=theme[colour], alpha=0.22, linewidth=0)


def dash(look: NetworkStyle) -> Any:
    """A network's dash as matplotlib takes it."""
    return "solid" if look.dash is None else (0, look.dash)


def _told(one: dict[str, Any], epoch: int, data: dict[str, Any]) -> str:
    """The value of an epoch, with the range over seeds and how many they are where there are several."""
    code, at = data["code"], epoch - 1
    if at >= len(one["mean"]) or one["mean"][at] is None:
        return ""
    value, seeds = number(one["mean"][at], 3, code), one["seeds"]
    if max(seeds) < 2:
        return value
    low, high = (number(one[end][at], 3, code) for end in ("low", "high"))
    return f"{value} ({low}–{high}; {data['words']['of_seeds']}: {seeds[at]})"


def answers(data: dict[str, Any], lines: Sequence[tuple[str, dict[str, Any], int]]) -> list[hover.Entry]:
    """What each epoch says: the values of all `lines`, (name, values, best epoch or 0)."""
    words = data["words"]
    entries: list[hover.Entry] = []
    for epoch in range(1, max(len(one["mean"]) for _, one, _ in lines) + 1):
        rows = {
            name: told + (f", {words['kept']}" if epoch == best else "")
            for name, one, best in lines if (told := _told(one, epoch, data))
        }  # fmt: skip
        if epoch <= len(rates := data.get("rates", [])):
            rows[words["rate"]] = significant(rates[epoch - 1], data["code"])
        marks = [(epoch, one["mean"][epoch - 1]) for _, one, _ in lines if epoch <= len(one["mean"])]
        entries.append((hover.lines(f"{words['epoch']} {epoch}", rows), marks))
    return entries


def _epoch_ticks(epochs: int) -> list[int]:
    """At most about ten round epochs; there is none before the first."""
    step = next(unit * 10**power for power in range(9) for unit in (1, 2, 5) if epochs <= unit * 10 ** (power + 1))
    return [1] * (step > 2) + list(range(step, epochs + 1, step))


def epoch_axes(axes: Axes, data: dict[str, Any], epochs: int) -> None:
    """Round epochs from 1 on, and values with as many decimals as their ticks need."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    code, accuracy = data["code"], data["metric"] == "accuracy"
    axes.set_xlim(0.5 if epochs < 3 else 1 - 0.02 * epochs, epochs + (0.5 if epochs < 3 else 0.02 * epochs))
    axes.set_xticks(_epoch_ticks(epochs))
    axes.margins(y=0.08)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    low, high = axes.get_ylim()
    axes.set_ylim((max(0.0, low), min(1.0, high) if accuracy else high))
    step = abs(axes.get_yticks()[1] - axes.get_yticks()[0])
    digits = max(1, math.ceil(-math.log10(step) - 1e-9) + (0 if f"{step:.1e}"[0:3] in ("1.0", "2.0", "5.0") else 1))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, digits, code)))
    axes.grid(axis="y")


def end_labels(axes: Axes, theme: Theme, ends: list[tuple[float, str, str, str]], x: float) -> None:
    """Names beside the ends of their lines, pushed apart: (value, text, colour, weight)."""
    figure = axes.figure
    low, high = axes.get_ylim()
    height = axes.get_position().height * figure.get_figure(root=True).get_figheight() * 72 * 0.9
    gap = (high - low) * theme.size * 1.4 / height
    ordered = sorted(ends)
    places = [value for value, *_ in ordered]
    for _ in range(8 * len(places)):
        for lower in range(len(places) - 1):
            overlap = places[lower] + gap - places[lower + 1]
            if overlap > 0:
                places[lower], places[lower + 1] = places[lower] - overlap / 2, places[lower + 1] + overlap / 2
    for y, (_, text, colour, weight) in zip(places, ordered, strict=True):
        axes.annotate(text, (x, y), xytext=(7, 0), textcoords="offset points", va="center", color=theme[colour],
                      fontweight=weight, annotation_clip=False)  # fmt: skip


def last(values: Sequence[float | None]) -> float | None:
    """The last value that there is."""
    return next((value for value in reversed(values) if value is not None), None)


def bar_end(axes: Axes, mean: Sequence[float | None], colour: str) -> None:
    """A bar across the end of a line, where early stopping cut it off."""
    if mean[-1] is not None:
        axes.plot([len(mean)], [mean[-1]], marker="|", markersize=13, markeredgewidth=1.8, color=colour, linewidth=0)
