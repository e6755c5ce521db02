"""Points on two axes: the trials of a search, and the learning-rate range test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Unpack

from report.data.trainings import STATES, Trial
from report.evidence.language import Language
from report.evidence.quantity import Figure, Quantity, Under
from report.figures.theme import Drawing, Theme, canvas, chart, clean, network_style, network_title, round_ticks, tip

_MARKERS = dict(zip(STATES, "ovx", strict=True))
"""By how a trial ended: shapes tell them apart without colour. Only complete ones are filled."""


def trials_figure(
    trials: Sequence[Trial], language: Language, *, network: str, selected: int, with_rate: bool, **under: Unpack[Under]
) -> Figure:
    """Accuracy of each trial in order, with the best so far as a step line; ValueError where there is none.

    Args:
        trials: by number; failed ones stand at the foot of the axes.
        network: gives the colour.
        selected: number of the trial that is ringed.
        with_rate: whether a second panel shows accuracy against the learning rate, on a logarithmic axis.
    """
    if not trials:
        raise ValueError("no trial to draw")
    text, points, best = language.text, [], 0.0
    words = {state: text(state) for state in _MARKERS} | {"selected": text("selected"), "best": text("best so far")}
    words |= {"axis": text("Validation accuracy"), "rate": text("Peak learning rate"), "trial": text("Trial")}
    for trial in trials:
        value, chosen, rate = trial.value, trial.number == selected, 0.0
        said = [f"{words['trial']} {trial.number}, {words[trial.state]}" + (f", {words['selected']}" if chosen else "")]
        if value is not None and trial.state != "failed":
            said.append(f"{words['axis']}: {language.quantity(Quantity(value=value, unit='share'))}")
        if with_rate:
            rate = float(trial.params["learning_rate"])
            said.append(f"{words['rate']}: {language.quantity(Quantity(value=rate, unit='rate'))}")
        best = value or 0.0 if chosen else best
        points.append(
            {"number": trial.number, "state": trial.state, "value": value, "rate": rate, "said": "\n".join(said)}
        )
    found = [trial.value if trial.state == "complete" and trial.value is not None else -1.0 for trial in trials]
    alt = text(
        "Validation accuracy of {total} trials for {network}: {complete} complete, {pruned} pruned, {failed} failed. "
        "Trial {selected} was selected, with {value}.",
        total=len(trials), network=network_title(network), selected=selected, value=Quantity(value=best, unit="share"),
        **{state: sum(trial.state == state for trial in trials) for state in _MARKERS},
    )  # fmt: skip
    return chart(
        _draw_trials, language, alt, under, wide=with_rate, points=points, network=network, selected=selected,
        best=[None if value < 0 else value for value in accumulate(found, max)], with_rate=with_rate, words=words,
    )  # fmt: skip


def range_test_figure(
    rates: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], suggested: float | None,
    language: Language, *, network: str, dataset: str,
) -> Figure:  # fmt: skip
    """Loss of each step's batch and its running average against the learning rate, on a logarithmic axis.

    Args:
        rates: one a step, rising; losses, smoothed: finite, in nats, one a rate (else ValueError).
        suggested: the rate to mark, or None.
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
    words = {"title": text("Loss of {network} on {dataset}", **names), "rate": text("Learning rate"),
             "raw": text("of each batch"), "mean": text("smoothed")}  # fmt: skip
    if suggested is not None:
        alt += " " + text("It falls most steeply at {rate}.", rate=rate_text(suggested, language))
        words["suggested"] = text("suggested: {rate}", rate=rate_text(suggested, language))
    return chart(
        _draw_range, language, alt, {"caption": ""}, network=network, rates=list(rates), losses=list(losses),
        smoothed=list(smoothed), suggested=suggested, words=words,
    )  # fmt: skip


def range_test_svg(figure: Figure) -> str:
    """The figure as an SVG file of its own: on white, with its fonts, in plain colours that every viewer knows."""
    from report.figures.fonts import font_faces
    from report.figures.svg import svg
    from report.figures.theme import PRINT

    head, title, rest = svg(figure, PRINT).partition("</title>")
    faces = "".join(rule for rule in font_faces().splitlines() if PRINT.family[0] in rule)
    paper = f'<rect width="100%" height="100%" fill="{PRINT["paper"]}"/>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{title}<style>{faces}</style>{paper}{rest}\n'


def rate_text(rate: float, language: Language) -> str:
    """A rate with two significant digits: 0,012 or, below a ten-thousandth, 1,2 · 10⁻⁵."""
    return language.quantity(Quantity(value=float(f"{rate:.1e}"), unit="rate"))


def _draw_trials(
    theme: Theme, language: Language, points: list[dict[str, Any]], network: str, selected: int, words: dict[str, str],
    best: list[float | None], with_rate: bool,
) -> Drawing:  # fmt: skip
    figure, panels = canvas(theme, theme.width * 0.5, 1, 1 + with_rate, wide=with_rate, squeeze=False, sharey=True)
    left, values = panels[0, 0], [point["value"] for point in points if point["value"] is not None]
    low, high = min(values), max(values)
    room = max(0.02, 0.12 * (high - low))  # failed ones stand below
    left.set_ylim(max(0.0, low - 2 * room) if low > 2 * room else -room, min(1.0 + room / 2, high + room))
    colours = {"complete": theme[network_style(network).colour], "pruned": theme["muted"], "failed": theme["bad"]}
    looks: dict[str, dict[str, Any]] = {
        state: {"marker": _MARKERS[state], "markersize": 5, "linestyle": "none", "markeredgewidth": 1.2, "color": colour,
                "markerfacecolor": theme["paper"] if state == "pruned" else colour}
        for state, colour in colours.items() if any(point["state"] == state for point in points)
    }  # fmt: skip
    looks["selected"] = {"marker": "o", "markersize": 11, "linestyle": "none", "markeredgewidth": 1.2,
                         "markerfacecolor": "none", "markeredgecolor": theme["ink"]}  # fmt: skip
    looks["best"] = {"color": theme["rule"], "linewidth": 1.2}
    numbers = [point["number"] for point in points]
    left.plot(
        numbers, [math.nan if one is None else one for one in best], drawstyle="steps-post", zorder=1, **looks["best"]
    )
    for axes, key in zip(panels[0], ("number", "rate"), strict=False):
        for point in points:
            lost = point["value"] is None or point["state"] == "failed"
            spot = [point[key]], [left.get_ylim()[0] if lost else point["value"]]
            tip(axes.plot(*spot, clip_on=False, zorder=3, **looks[point["state"]])[0], point["said"])
            if point["number"] == selected:
                axes.plot(*spot, zorder=3, **looks["selected"])
        axes.grid(axis="y")
    left.set_xlim(min(numbers) - 0.6, max(numbers) + 0.6)
    round_ticks(left.xaxis, language.number, most=8, whole=True)
    round_ticks(
        left.yaxis, lambda part, digits: language.quantity(Quantity(value=part / 100, unit="share"), digits), scale=100
    )
    left.set_xlabel(words["trial"])
    left.set_title(words["axis"])
    for axes in panels[0, 1:]:
        rates = [point["rate"] for point in points]
        _rate_axis(axes, min(rates) / 1.3, max(rates) * 1.3, words["rate"], language)
    keys = [left.plot([], [], label=words[key], **look)[0] for key, look in looks.items()]
    figure.legend(handles=keys, ncols=len(keys), loc="outside lower center", handletextpad=0.4, columnspacing=1.4)
    return figure


def _draw_range(
    theme: Theme, language: Language, network: str, rates: list[float], losses: list[float], smoothed: list[float],
    suggested: float | None, words: dict[str, str],
) -> Drawing:  # fmt: skip
    figure, axes = canvas(theme, theme.width * 0.52)
    colour, span = theme[network_style(network).colour], rates[-1] / rates[0]
    axes.plot(rates, losses, color=theme["rule"], linewidth=0.8, label=words["raw"])
    axes.plot(rates, smoothed, color=colour, label=words["mean"])
    # All of the way down; what rises far beyond the start leaves the axes.
    top, bottom = max(smoothed[: smoothed.index(min(smoothed)) + 1]), min(losses)
    height = max(top - bottom, 1e-3 * top, 1e-6)
    axes.set_ylim(bottom - 0.1 * height, top + 0.35 * height)
    _rate_axis(axes, rates[0] / span**0.05, rates[-1] * span**0.05, words["rate"], language)
    round_ticks(axes.yaxis, lambda value, digits: language.number(value, digits) if value > -1e-9 else "")
    axes.grid(axis="y")
    axes.set_title(words["title"])
    if suggested is not None:
        axes.axvline(suggested, color=theme["ink"], linewidth=0.9, linestyle=(0, (2, 2)), label=words["suggested"])
    figure.legend(loc="outside lower center", ncols=3, handlelength=1.4, columnspacing=1.6)
    return figure


def _rate_axis(axes: Any, low: float, high: float, title: str, language: Language) -> None:
    """A logarithmic axis of learning rates with powers of ten, and their multiples where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for units in ((1,), (1, 3), (1, 2, 5), range(1, 10)):
        ticks = [unit * 10.0**power for power in powers for unit in units if low <= unit * 10.0**power <= high]
        if len(ticks) >= 3:
            break
    axes.set(xscale="log", xlim=(low, high), xlabel=title)
    axes.set_xticks(ticks, [rate_text(tick, language) for tick in ticks])
    axes.minorticks_off()
