"""Trials of a search: validation accuracy against the trial's number, and against its learning rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from report.data.trainings import Trial
from report.evidence.quantity import Figure, Quantity
from report.evidence.words import worded
from report.figures import hover
from report.figures.theme import Theme, Words, clean, network_style, network_title, number, percent, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

_LOOKS = {"complete": ("o", True), "pruned": ("v", False), "failed": ("x", True)}
"""Marker by how a trial ended, and whether it is filled: shapes tell them apart without colour."""


def trials_figure(
    trials: Sequence[Trial],
    language: Words,
    *,
    network: str,
    selected: int,
    with_rate: bool,
    caption: str,
    note: str = "",
) -> Figure:
    """Accuracy of each trial in order, with the best so far as a step line.

    Args:
        trials: by number; failed ones stand at the foot of the axes.
        network: gives the colour.
        selected: number of the trial that is ringed.
        with_rate: whether a second panel shows accuracy against the learning rate, on a logarithmic axis.

    Raises:
        ValueError: no trial.
    """
    if not trials:
        raise ValueError("no trial to draw")
    code, text = language.code, language.text
    points = [
        {
            "number": trial.number, "state": trial.state, "value": trial.value,
            "rate": float(trial.params["learning_rate"]) if with_rate else None,
        }
        for trial in trials
    ]  # fmt: skip
    counts = {state: sum(trial.state == state for trial in trials) for state in _LOOKS}
    best = next(trial for trial in trials if trial.number == selected)
    alt = text(
        "Validation accuracy of {total} trials for {network}: {complete} complete, {pruned} pruned, {failed} failed. "
        "Trial {selected} was selected, with {value}.",
        total=len(trials), network=clean(network_title(network)), selected=selected,
        value=worded(percent(best.value or 0.0, 1, code), Quantity(value=best.value or 0.0, unit="share")), **counts,
    )  # fmt: skip
    data = {
        "points": points, "network": network, "selected": selected, "code": code, "with_rate": with_rate,
        "best": _best_so_far(trials),
        "words": {
            "trial": text("Trial"), "axis": text("Validation accuracy"), "rate": text("Peak learning rate"),
            "selected": text("selected"), "best": text("best so far"),
            "complete": text("complete"), "pruned": text("pruned"), "failed": text("failed"),
        },
    }  # fmt: skip
    return Figure(caption=caption, note=note, alt=alt, data=data, draw=partial(_draw, data), wide=with_rate)


def _best_so_far(trials: Sequence[Trial]) -> list[float | None]:
    """The highest accuracy of a complete trial up to each one, None before the first."""
    highest: float | None = None
    result = []
    for trial in trials:
        if trial.state == "complete" and trial.value is not None:
            highest = trial.value if highest is None else max(highest, trial.value)
        result.append(highest)
    return result


def _draw(data: dict[str, Any], theme: Theme) -> MplFigure:
    from matplotlib.figure import Figure as Canvas

    width = theme.wide if data["with_rate"] else theme.width
    figure = Canvas(figsize=(width, theme.width * 0.5), layout="constrained")
    if data["with_rate"]:
        left, right = figure.subplots(1, 2, sharey=True)
    else:
        left, right = figure.subplots(), None
    _values_axis(left, data)
    _by_number(left, data, theme)
    if right is not None:
        _by_rate(right, data, theme)
    left.set_title(data["words"]["axis"])
    _legend(figure, data, theme)
    return figure


def _values_axis(axes: Axes, data: dict[str, Any]) -> None:
    """Percentages over the range of the trials; failed ones need room below."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    values = [point["value"] for point in data["points"] if point["value"] is not None]
    low, high = min(values), max(values)
    room = max(0.02, 0.12 * (high - low))
    axes.set_ylim(max(0.0, low - 2 * room) if low > 2 * room else -room, min(1.0 + room / 2, high + room))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    step = abs(axes.get_yticks()[1] - axes.get_yticks()[0])
    digits = max(0, math.ceil(-math.log10(100 * step) - 1e-9))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value, digits, data["code"])))
    axes.grid(axis="y")


def _by_number(axes: Axes, data: dict[str, Any], theme: Theme) -> None:
    from matplotlib.ticker import MaxNLocator

    numbers = [point["number"] for point in data["points"]]
    best = [math.nan if value is None else value for value in data["best"]]
    axes.plot(numbers, best, color=theme["rule"], linewidth=1.2, drawstyle="steps-post", zorder=1)
    _points(axes, data, theme, numbers)
    axes.set_xlim(min(numbers) - 0.6, max(numbers) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.set_xlabel(data["words"]["trial"])


def _by_rate(axes: Axes, data: dict[str, Any], theme: Theme) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    rates = [point["rate"] for point in data["points"]]
    _points(axes, data, theme, rates)
    axes.set_xscale("log")
    axes.set_xlim(min(rates) / 1.3, max(rates) * 1.3)
    ticks = _rate_ticks(min(rates) / 1.3, max(rates) * 1.3)
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _rate(value, data["code"])))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(data["words"]["rate"])
    axes.grid(axis="y")


def _rate_ticks(low: float, high: float) -> list[float]:
    """Powers of ten, with their doubles and quintuples where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for units in ((1,), (1, 3), (1, 2, 5), tuple(range(1, 10))):
        ticks = [unit * 10.0**power for power in powers for unit in units if low <= unit * 10.0**power <= high]
        if len(ticks) >= 3:
            break
    return ticks


def _rate(value: float, code: str) -> str:
    return number(value, max(0, math.ceil(-math.log10(value) - 1e-9)), code)


def _points(axes: Axes, data: dict[str, Any], theme: Theme, places: Sequence[float]) -> None:
    foot, _ = axes.get_ylim()
    said: list[hover.Entry] = []
    for place, point in zip(places, data["points"], strict=True):
        value = foot if point["value"] is None or point["state"] == "failed" else point["value"]
        axes.plot([place], [value], clip_on=False, zorder=3, **_look(point["state"], data["network"], theme))
        if point["number"] == data["selected"]:
            axes.plot([place], [value], zorder=3, **_ring(theme))
        said.append((_answer(point, data), [(place, value)]))
    hover.points(axes, said)


def _answer(point: dict[str, Any], data: dict[str, Any]) -> str:
    """What a trial's mark says: how it ended, its accuracy and, where it was searched, its learning rate."""
    words, code, state = data["words"], data["code"], point["state"]
    title = f"{words['trial']} {point['number']}"
    rate = "" if point["rate"] is None else significant(point["rate"], code)
    value = "" if point["value"] is None or state == "failed" else percent(point["value"], 1, code)
    chosen = f", {words['selected']}" if point["number"] == data["selected"] else ""
    return hover.lines(f"{title}, {words[state]}{chosen}", {words["axis"]: value, words["rate"]: rate})


def _look(state: str, network: str, theme: Theme) -> dict[str, Any]:
    marker, filled = _LOOKS[state]
    colour = theme[{"complete": network_style(network).colour, "pruned": "muted", "failed": "bad"}[state]]
    return {
        "marker": marker, "markersize": 5, "linestyle": "none", "markeredgewidth": 1.2, "color": colour,
        "markerfacecolor": colour if filled else theme["paper"],
    }  # fmt: skip


def _ring(theme: Theme) -> dict[str, Any]:
    return {
        "marker": "o", "markersize": 11, "linestyle": "none", "markeredgewidth": 1.2, "markerfacecolor": "none",
        "markeredgecolor": theme["ink"],
    }  # fmt: skip


def _legend(figure: MplFigure, data: dict[str, Any], theme: Theme) -> None:
    """Only what is in the figure."""
    from matplotlib.lines import Line2D

    words, there = data["words"], {point["state"] for point in data["points"]}
    keys = [
        Line2D([], [], label=words[state], **_look(state, data["network"], theme)) for state in _LOOKS if state in there
    ]
    keys.append(Line2D([], [], label=words["selected"], **_ring(theme)))
    keys.append(Line2D([], [], label=words["best"], color=theme["rule"], linewidth=1.2))
    figure.legend(
        handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, labelcolor=theme["muted"],
        fontsize=theme.size * 0.92, handletextpad=0.4, columnspacing=1.4,
    )  # fmt: skip
