"""Learning curves: loss and accuracy against the epoch (activities 8 and 12), and networks against each other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Unpack

from report.evidence.language import Language
from report.evidence.quantity import Figure, Quantity, Under
from report.evidence.words import joined
from report.figures.theme import Drawing, Theme, bands, canvas, chart, network_style, network_title, round_ticks

Metric = Literal["loss", "accuracy"]
Line = dict[str, Any]
_FEW = 15  # epochs up to which each has its marker


@dataclass(frozen=True, kw_only=True)
class History:
    """The training of one network with one seed: a value an epoch each, of which a NaN is a gap."""

    network: str
    loss: Sequence[float]  # nats, as `val_loss`
    accuracy: Sequence[float]  # shares in 0-1, as `val_accuracy`
    val_loss: Sequence[float]
    val_accuracy: Sequence[float]
    best_epoch: int  # from 1 on
    learning_rate: Sequence[float] = ()  # empty: then no panel shows it
    stopped: str = "completed"  # or "early", "diverged"
    seed: int = 0
    run: str = ""  # id of its record, where there is one


def network_curves(metric: Metric, histories: Sequence[History], language: Language, **under: Unpack[Under]) -> Figure:
    """Loss or accuracy on training and validation images against the epoch, of one network (else ValueError).

    Args:
        histories: one a seed; several give the mean with the range between seeds as a band.
    """
    if len({history.network for history in histories}) != 1:
        raise ValueError("histories of exactly one network are needed")
    text, title = language.text, network_title(histories[0].network)
    train = _line_of(metric, histories, text("training"), marks_best=False)
    validation = _line_of(f"val_{metric}", histories, text("validation"))
    epochs, best = len(validation["mean"]), validation["best"]

    def at(one: Line, epoch: int) -> Quantity | str:
        return _value(one, epoch, histories, missing=text("no value"))

    if metric == "loss":
        alt = text(
            "Loss of {network} against the epoch: validation loss is {validation} at the best epoch, {epoch} of "
            "{epochs}, where training loss is {train}; at the last epoch they are {last_validation} and {last_train}.",
            network=title, validation=at(validation, best), epoch=best, epochs=epochs, train=at(train, best),
            last_validation=at(validation, epochs), last_train=at(train, epochs),
        )  # fmt: skip
    else:
        shown = [-math.inf if value is None else value for value in validation["mean"]]
        peak = shown.index(max(shown)) + 1 if math.isfinite(max(shown)) else epochs
        alt = text(
            "Accuracy of {network} against the epoch: validation accuracy peaks at epoch {peak} of {epochs} at {value}, "
            "where training accuracy is {train}; the best epoch by the criterion used is {epoch}.",
            network=title, peak=peak, epochs=epochs, value=at(validation, peak), train=at(train, peak), epoch=best,
        )  # fmt: skip
    stops = {history.stopped for history in histories}
    ends = {"early": text("stopped early after {epoch}", epoch=epochs), "diverged": text("diverged")}
    end = ends.get(stops.pop()) if len(stops) == 1 else None
    marked = " · ".join(filter(None, [text("best epoch: {epoch}", epoch=best), end]))
    rates = [float(rate) for rate in max((history.learning_rate for history in histories), key=len)]
    return chart(
        _draw, language, alt, under, metric=metric, lines=[train, validation], marked=marked, best=best,
        rates=rates if all(map(math.isfinite, rates)) else [],
        words=_words(language, text("Loss") if metric == "loss" else text("Accuracy")),
    )  # fmt: skip


def comparison_curves(
    histories: Sequence[History], language: Language, *, metric: Metric = "accuracy", **under: Unpack[Under]
) -> Figure:
    """Validation accuracy (or loss) of several networks against the epoch, the best epoch of each marked.

    Args:
        histories: any number a network (one a seed), networks in the order in which they are named; ValueError without.
    """
    if not histories:
        raise ValueError("no history to draw")
    text, accuracy, lines = language.text, metric == "accuracy", []
    told = [text("Validation accuracy against the epoch.") if accuracy else text("Validation loss against the epoch.")]
    for network in dict.fromkeys(history.network for history in histories):
        mine = [history for history in histories if history.network == network]
        lines.append(one := _line_of(f"val_{metric}", mine, network_title(network)))
        told.append(
            text("{network}: best epoch {epoch} of {epochs}, with {value}.", network=one["name"], epoch=one["best"],
                 epochs=len(one["mean"]), value=_value(one, one["best"], mine, missing="–"))
        )  # fmt: skip
    key = [text("ringed: best epoch"), *([text("barred: stopped early")] if any(one["early"] for one in lines) else [])]
    words = _words(language, text("Validation accuracy") if accuracy else text("Validation loss"))
    return chart(
        _draw, language, joined(told, " "), under, metric=metric, lines=lines, key=" · ".join(key), words=words
    )


def _words(language: Language, axis: str) -> dict[str, str]:
    text = language.text
    return {"axis": axis, "epoch": text("Epoch"), "rate": text("Learning rate"), "kept": text("best epoch"),
            "seeds": text("seeds")}  # fmt: skip


def _value(one: Line, epoch: int, histories: Sequence[History], *, missing: str) -> Quantity | str:
    """The mean of an epoch, from the records of these trainings."""
    runs, value = tuple(history.run for history in histories if history.run), one["mean"][epoch - 1]
    return missing if value is None else Quantity(value=value, unit="number", n=len(runs) or None, runs=runs)


def _line_of(key: str, histories: Sequence[History], name: str, *, marks_best: bool = True) -> Line:
    """Mean, low and high over seeds by epoch, None where no seed has a finite value, and how many seeds have one.

    A line with a `best` epoch, the median over seeds, is drawn as its network's, another one thin and grey.
    """
    best = sorted(history.best_epoch for history in histories)[(len(histories) - 1) // 2] if marks_best else 0
    by_epoch = itertools.zip_longest(*(getattr(history, key) for history in histories), fillvalue=math.nan)
    values = [[float(value) for value in epoch if math.isfinite(value)] for epoch in by_epoch]
    return {
        "name": name, "network": histories[0].network, "best": best, "seeds": [len(some) for some in values],
        "mean": [round(sum(some) / len(some), 6) if some else None for some in values],
        "low": [round(min(some), 6) if some else None for some in values],
        "high": [round(max(some), 6) if some else None for some in values],
        "early": best > 0 and all(history.stopped == "early" for history in histories),
    }  # fmt: skip


def _draw(
    theme: Theme, language: Language, metric: Metric, lines: list[Line], words: dict[str, str],
    rates: Sequence[float] = (), key: str = "", marked: str = "", best: int = 0,
) -> Drawing:  # fmt: skip
    panels = 1 + bool(rates)
    figure, grid = canvas(theme, theme.width * (0.62 if rates else 0.52), panels, squeeze=False, sharex=True,
                          height_ratios=(5, 1)[:panels])  # fmt: skip
    axes = grid[0, 0]
    for one in lines:
        _line(axes, theme, one)
    # At most about ten round epochs from 1 on, and values with as many decimals as their ticks need.
    epochs = max(len(one["mean"]) for one in lines)
    step = next(unit * 10**power for power in range(9) for unit in (1, 2, 5) if epochs <= unit * 10 ** (power + 1))
    axes.set_xlim(0.5 if epochs < 3 else 1 - 0.02 * epochs, epochs + (0.5 if epochs < 3 else 0.02 * epochs))
    axes.set_xticks([1] * (step > 2) + list(range(step, epochs + 1, step)))
    axes.margins(y=0.08)
    low, high = axes.get_ylim()
    axes.set_ylim(max(0.0, low), min(1.0, high) if metric == "accuracy" else high)
    round_ticks(axes.yaxis, language.number, least=1)
    axes.grid(axis="y")
    _name_ends(axes, theme, lines, epochs)
    axes.set_title(words["axis"])
    if marked:
        axes.axvline(best, color=theme["rule"], linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        # Over its line, as far as the title to the left and the end of the axes to the right leave room.
        half, title = (0.25 * theme.size * len(said) / (theme.width * 54) for said in (marked, words["axis"] + "    "))
        left, right = axes.get_xlim()
        place = max(2 * title + half, min((best - left) / (right - left), 1 - half))
        axes.annotate(marked, (place, 1), xycoords="axes fraction", xytext=(0, 2), va="bottom", ha="center",
                      textcoords="offset points", color=theme["muted"])  # fmt: skip
    else:
        axes.set_title(key, loc="right", fontweight="normal", color=theme["muted"])
    for below in grid[1:, 0]:
        below.plot(range(1, len(rates) + 1), rates, color=theme["muted"], linewidth=1.1, drawstyle="steps-mid",
                   marker="." if len(rates) == 1 else None)  # fmt: skip
        below.set_ylim(0, max(rates) * 1.15 or 1)
        highest = Quantity(value=float(f"{max(rates):.1e}"), unit="rate")
        below.set_yticks([0, max(rates)], ["0", language.quantity(highest)])
        below.set_title(words["rate"], fontweight="normal", color=theme["muted"])
    grid[-1, 0].set_xlabel(words["epoch"])
    bands(axes.axvspan, theme, ((at + 1, _said(at, lines, rates, words, language)) for at in range(epochs)))
    return figure


def _line(axes: Any, theme: Theme, one: Line) -> None:
    """A mean with its band over seeds, faint where seeds have ended; a ring at the best epoch, a bar at an early end.

    Of long ones only some epochs have markers.
    """
    count, best, style = len(one["mean"]), one["best"], network_style(one["network"])
    mean, low, high = ([math.nan if value is None else value for value in one[key]] for key in ("mean", "low", "high"))
    whole = max((at + 1 for at, seeds in enumerate(one["seeds"]) if seeds == max(one["seeds"])), default=0)
    colour = theme[style.colour if best else "muted"]
    look: dict[str, Any] = {
        "color": colour,
        "markersize": 4,
        "markevery": None if count <= _FEW else max(1, count // 8),
    }
    look |= {"linestyle": style.dash, "marker": style.marker} if best else {"linewidth": 0.9, "marker": "."}
    axes.plot(range(1, whole + 1), mean[:whole], **look)
    if whole < count:
        rest = max(1, whole)
        axes.plot(range(rest, count + 1), mean[rest - 1 :], **{**look, "alpha": 0.5, "linewidth": 1.0})
    if one["low"] != one["high"]:
        axes.fill_between(range(1, count + 1), low, high, color=colour, alpha=0.22, linewidth=0)
    if one["early"] and one["mean"][-1] is not None:
        axes.plot([count], [mean[-1]], marker="|", markersize=13, markeredgewidth=1.8, color=colour)
    if best and one["mean"][best - 1] is not None:
        axes.plot([best], [mean[best - 1]], marker=style.marker, markersize=9, color=colour, markerfacecolor="none")


def _name_ends(axes: Any, theme: Theme, lines: Sequence[Line], last: int) -> None:
    """Names beside the last values of their lines, pushed apart."""
    ends = []
    for one in lines:
        if values := [value for value in one["mean"] if value is not None]:
            ends.append((values[-1], one["name"], one["network"] if one["best"] else ""))
    ends.sort()
    low, high = axes.get_ylim()
    height = axes.get_position().height * axes.get_figure(root=True).get_figheight() * 72 * 0.9
    gap = (high - low) * theme.size * 1.4 / height
    places = [value for value, *_ in ends]
    for lower in [*range(len(places) - 1)] * 8 * len(places):
        push = max(0.0, places[lower] + gap - places[lower + 1]) / 2
        places[lower], places[lower + 1] = places[lower] - push, places[lower + 1] + push
    for y, (_, name, network) in zip(places, ends, strict=True):
        colour = theme[network_style(network).colour if network else "muted"]
        axes.annotate(name, (last, y), xytext=(7, 0), textcoords="offset points", va="center", color=colour,
                      fontweight="bold" if network else "normal", annotation_clip=False)  # fmt: skip


def _said(at: int, lines: Sequence[Line], rates: Sequence[float], words: dict[str, str], language: Language) -> str:
    """What an epoch says: the values of all lines, with their range over seeds, and the learning rate."""
    rows = [f"{words['epoch']} {at + 1}"]
    for one in lines:
        if at < len(one["mean"]) and one["mean"][at] is not None:
            mean, low, high = (language.number(one[key][at], 3) for key in ("mean", "low", "high"))
            seeds = f" ({low}–{high}; {words['seeds']}: {one['seeds'][at]})" if max(one["seeds"]) > 1 else ""
            rows.append(f"{one['name']}: {mean}{seeds}" + (f", {words['kept']}" if at + 1 == one["best"] else ""))
    if at < len(rates):
        rows.append(f"{words['rate']}: {language.quantity(Quantity(value=rates[at], unit='rate'))}")
    return "\n".join(rows)
