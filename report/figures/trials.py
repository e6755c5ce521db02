"""Points on two axes: the trials of a search, and the learning-rate range test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Unpack

from report.data.trainings import STATES, Trial
from report.evidence.language import Language
from report.evidence.quantity import Figure, Quantity, Under
from report.figures.theme import PRINT, Theme, canvas, clean, network_style, network_title, round_ticks, tip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

_MARKERS = dict(zip(STATES, "ovx", strict=True))
"""By how a trial ended: shapes tell them apart without colour. Only complete ones are filled."""


def trials_figure(
    trials: Sequence[Trial], language: Language, *, network: str, selected: int, with_rate: bool, **under: Unpack[Under]
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
    text, points = language.text, []
    words = {state: text(state) for state in _MARKERS} | {"selected": text("selected"), "best": text("best so far")}
    axis, rate_head = text("Validation accuracy"), text("Peak learning rate")
    for trial in trials:
        value, rate = trial.value, float(trial.params["learning_rate"]) if with_rate else None
        chosen = f", {words['selected']}" if trial.number == selected else ""
        said = [f"{text('Trial')} {trial.number}, {words[trial.state]}{chosen}"]
        if value is not None and trial.state != "failed":
            said.append(f"{axis}: {language.quantity(Quantity(value=value, unit='share'))}")
        if rate is not None:
            said.append(f"{rate_head}: {language.quantity(Quantity(value=rate, unit='rate'))}")
        points.append(
            {"number": trial.number, "state": trial.state, "value": value, "rate": rate, "said": "\n".join(said)}
        )
    found = [trial.value if trial.state == "complete" and trial.value is not None else -1.0 for trial in trials]
    best = next(trial.value or 0.0 for trial in trials if trial.number == selected)
    alt = text(
        "Validation accuracy of {total} trials for {network}: {complete} complete, {pruned} pruned, {failed} failed. "
        "Trial {selected} was selected, with {value}.",
        total=len(trials), network=network_title(network), selected=selected, value=Quantity(value=best, unit="share"),
        **{state: sum(trial.state == state for trial in trials) for state in _MARKERS},
    )  # fmt: skip
    data = {
        "points": points, "network": network, "selected": selected, "code": language.code, "words": words, "axis": axis,
        "best": [None if value < 0 else value for value in accumulate(found, max)], "trial": text("Trial"),
        "rate": rate_head if with_rate else "",
    }  # fmt: skip
    return Figure(alt=alt, data=data, draw=partial(_draw_trials, data), wide=with_rate, **under)


def range_test_figure(
    rates: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], suggested: float | None,
    language: Language, *, network: str, dataset: str,
) -> Figure:  # fmt: skip
    """Loss of each step's batch and its running average against the learning rate, on a logarithmic axis.

    Args:
        rates: one a step, rising; losses, smoothed: finite, in nats, one a rate.
        suggested: the rate to mark, or None.

    Raises:
        ValueError: no steps, or lists of different lengths.
    """
    if not rates or not len(rates) == len(losses) == len(smoothed):
        raise ValueError("a rate, a loss and a smoothed loss for every step are needed")
    text, lowest = language.text, min(range(len(smoothed)), key=smoothed.__getitem__)
    names = {"network": network_title(network), "dataset": clean(dataset, 28)}
    alt = text(
        "Loss of {network} on {dataset} while the learning rate rises from {low} to {high}: the smoothed loss is "
        "lowest, {loss}, at {rate}.",
        **names, low=rate_text(rates[0], language), high=rate_text(rates[-1], language), loss=float(smoothed[lowest]),
        rate=rate_text(rates[lowest], language),
    )  # fmt: skip
    if suggested is not None:
        alt += " " + text("It falls most steeply at {rate}.", rate=rate_text(suggested, language))
    data = {
        "network": network, "code": language.code, "rates": list(rates), "losses": list(losses),
        "smoothed": list(smoothed), "suggested": suggested, "lowest": lowest,
        "title": text("Loss of {network} on {dataset}", **names), "rate": text("Learning rate"),
        "raw": text("of each batch"), "mean": text("smoothed"),
        "told": text("suggested: {rate}", rate=rate_text(suggested, language)) if suggested else "",
    }  # fmt: skip
    return Figure(caption="", alt=alt, data=data, draw=partial(_draw_range, data))


def range_test_svg(figure: Figure) -> str:
    """The figure as an SVG file of its own: on white, with its fonts, in plain colours that every viewer knows."""
    from report.figures.fonts import font_faces
    from report.figures.svg import svg

    head, title, rest = svg(figure, PRINT).partition("</title>")
    faces = "".join(rule for rule in font_faces().splitlines() if PRINT.family[0] in rule)
    paper = f'<rect width="100%" height="100%" fill="{PRINT["paper"]}"/>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{title}<style>{faces}</style>{paper}{rest}\n'


def rate_text(rate: float, language: Language) -> str:
    """A rate with two significant digits: 0,012 or, below a ten-thousandth, 1,2 · 10⁻⁵."""
    return language.quantity(Quantity(value=float(f"{rate:.1e}"), unit="rate"))


def _draw_trials(data: dict[str, Any], theme: Theme) -> MplFigure:
    points, words, language = data["points"], data["words"], Language(data["code"])
    columns = 1 + bool(data["rate"])
    figure, panels = canvas(theme, theme.width * 0.5, 1, columns, wide=columns > 1, squeeze=False, sharey=True)
    left, values = panels[0, 0], [point["value"] for point in points if point["value"] is not None]
    low, high = min(values), max(values)
    room = max(0.02, 0.12 * (high - low))  # failed ones stand below
    left.set_ylim(max(0.0, low - 2 * room) if low > 2 * room else -room, min(1.0 + room / 2, high + room))
    looks = {
        state: {"marker": _MARKERS[state], "markersize": 5, "linestyle": "none", "markeredgewidth": 1.2, "color": theme[colour],
                "markerfacecolor": theme["paper"] if state == "pruned" else theme[colour]}
        for state, colour in (("complete", network_style(data["network"]).colour), ("pruned", "muted"), ("failed", "bad"))
    }  # fmt: skip
    ring: dict[str, Any] = {"marker": "o", "markersize": 11, "linestyle": "none", "markeredgewidth": 1.2,
                            "markerfacecolor": "none", "markeredgecolor": theme["ink"]}  # fmt: skip
    numbers = [point["number"] for point in points]
    best = [math.nan if value is None else value for value in data["best"]]
    left.plot(numbers, best, color=theme["rule"], linewidth=1.2, drawstyle="steps-post", zorder=1)
    for axes, key in zip(panels[0], ("number", "rate"), strict=False):
        for point in points:
            lost = point["value"] is None or point["state"] == "failed"
            spot = [point[key]], [left.get_ylim()[0] if lost else point["value"]]
            tip(axes.plot(*spot, clip_on=False, zorder=3, **looks[point["state"]])[0], point["said"])
            if point["number"] == data["selected"]:
                axes.plot(*spot, zorder=3, **ring)
        axes.grid(axis="y")
    left.set_xlim(min(numbers) - 0.6, max(numbers) + 0.6)
    round_ticks(left.xaxis, language.number, most=8, whole=True)
    round_ticks(
        left.yaxis,
        lambda value, digits: language.quantity(Quantity(value=value / 100, unit="share"), digits),
        scale=100,
    )
    left.set_xlabel(data["trial"])
    left.set_title(data["axis"])
    for axes in panels[0, 1:]:
        rates = [point["rate"] for point in points]
        _rate_axis(axes, min(rates) / 1.3, max(rates) * 1.3, data)
    keys = [(words[state], looks[state]) for state in _MARKERS if any(point["state"] == state for point in points)]
    keys += [(words["selected"], ring), (words["best"], {"color": theme["rule"], "linewidth": 1.2})]
    figure.legend(handles=[left.plot([], [], label=label, **look)[0] for label, look in keys], ncols=len(keys),
                  loc="outside lower center", handletextpad=0.4, columnspacing=1.4)  # fmt: skip
    return figure


def _draw_range(data: dict[str, Any], theme: Theme) -> MplFigure:
    figure, axes = canvas(theme, theme.width * 0.52)
    rates, losses, smoothed, suggested = (data[key] for key in ("rates", "losses", "smoothed", "suggested"))
    language, colour = Language(data["code"]), theme[network_style(data["network"]).colour]
    axes.plot(rates, losses, color=theme["rule"], linewidth=0.8, label=data["raw"])
    axes.plot(rates, smoothed, color=colour, label=data["mean"])
    # All of the way down, with room below for a line of text; what rises far beyond the start leaves the axes.
    top, bottom = max(smoothed[: data["lowest"] + 1]), min(losses)
    height = max(top - bottom, 1e-3 * top, 1e-6)
    axes.set_ylim(bottom - 0.2 * height, top + 0.35 * height)
    low, high = rates[0] * (rates[0] / rates[-1]) ** 0.05, rates[-1] * (rates[-1] / rates[0]) ** 0.05
    _rate_axis(axes, low, high, data)
    round_ticks(axes.yaxis, lambda value, digits: language.number(value, digits) if value > -1e-9 else "")
    axes.grid(axis="y")
    axes.set_title(data["title"])
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0, handlelength=1.4, columnspacing=1.6)
    if suggested is not None:
        nearest = min(range(len(rates)), key=lambda step: abs(math.log(rates[step] / suggested)))
        axes.axvline(suggested, color=theme["rule"], linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        axes.plot([suggested], [smoothed[nearest]], marker="o", markersize=8, color=colour, markerfacecolor="none")
        right = math.log(suggested / rates[0]) > 0.65 * math.log(rates[-1] / rates[0])
        axes.annotate(data["told"], (suggested, 0), xycoords=("data", "axes fraction"), color=theme["ink"],
                      xytext=(-6 if right else 6, 5), textcoords="offset points", ha="right" if right else "left",
                      va="bottom", fontweight="bold")  # fmt: skip
    return figure


def _rate_axis(axes: Axes, low: float, high: float, data: dict[str, Any]) -> None:
    """A logarithmic axis of learning rates with powers of ten, and their multiples where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for units in ((1,), (1, 3), (1, 2, 5), range(1, 10)):
        ticks = [unit * 10.0**power for power in powers for unit in units if low <= unit * 10.0**power <= high]
        if len(ticks) >= 3:
            break
    axes.set(xscale="log", xlim=(low, high), xlabel=data["rate"])
    axes.set_xticks(ticks, [rate_text(tick, Language(data["code"])) for tick in ticks])
    axes.minorticks_off()
