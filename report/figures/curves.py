"""Learning curves: loss and accuracy against the epoch (activities 8 and 12), and networks against each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from report.evidence.quantity import Figure, Quantity
from report.evidence.words import joined, worded
from report.figures import hover
from report.figures.lines import answers, bar_end, dash, end_labels, epoch_axes, last, line
from report.figures.theme import Theme, Words, clean, network_style, network_title, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

Metric = Literal["loss", "accuracy"]


@dataclass(frozen=True, kw_only=True)
class History:
    """The training of one network with one seed.

    Attributes:
        loss, accuracy, val_loss, val_accuracy: one value an epoch (nats; shares in 0-1); a NaN is a gap.
        learning_rate: one value an epoch, or empty: then no panel shows it.
        best_epoch: 1-based; stopped: "completed", "early" or "diverged".
        run: id of its record, where there is one.
    """

    network: str
    loss: Sequence[float]
    accuracy: Sequence[float]
    val_loss: Sequence[float]
    val_accuracy: Sequence[float]
    best_epoch: int
    learning_rate: Sequence[float] = ()
    stopped: str = "completed"
    seed: int = 0
    run: str = ""


def loss_curves(histories: Sequence[History], language: Words, *, caption: str, note: str = "") -> Figure:
    """Loss on training and validation images against the epoch, of one network.

    Args:
        histories: one a seed; several give the mean with the range between seeds as a band.

    Raises:
        ValueError: no history, or histories of several networks.
    """
    return _single("loss", histories, language, caption, note)


def accuracy_curves(histories: Sequence[History], language: Words, *, caption: str, note: str = "") -> Figure:
    """Accuracy on training and validation images against the epoch, of one network. Arguments as `loss_curves`."""
    return _single("accuracy", histories, language, caption, note)


def comparison_curves(
    histories: Sequence[History], language: Words, *, caption: str, note: str = "", metric: Metric = "accuracy"
) -> Figure:
    """Validation accuracy (or loss) of several networks against the epoch, the best epoch of each marked.

    Args:
        histories: any number a network (one a seed), networks in the order in which they are named.
    """
    code, key = language.code, f"val_{metric}"
    networks = list(dict.fromkeys(history.network for history in histories))
    if not networks:
        raise ValueError("no history to draw")
    series: list[dict[str, Any]] = []
    for network in networks:
        mine = [history for history in histories if history.network == network]
        series.append(
            {
                "network": network,
                "title": clean(network_title(network)),
                **_summary([getattr(history, key) for history in mine]),
                "best": _best(mine),
                "early": all(history.stopped == "early" for history in mine),
            }
        )
    alt = (
        language.text("Validation accuracy against the epoch.")
        if metric == "accuracy"
        else language.text("Validation loss against the epoch.")
    ) + " " + joined((
        language.text(
            "{network}: best epoch {epoch} of {epochs}, with {value}.",
            network=one["title"], epoch=one["best"], epochs=len(one["mean"]),
            value=_number(one["mean"][one["best"] - 1] or math.nan, code, _runs(histories, one["network"])),
        )
        for one in series
    ), " ")  # fmt: skip
    data = {
        "series": series, "metric": metric, "code": code, "seeds": max(max(one["seeds"]) for one in series),
        "words": {
            "epoch": language.text("Epoch"), "ringed": language.text("ringed: best epoch"),
            "barred": language.text("barred: stopped early"), **_hover_words(language),
            "axis": language.text("Validation accuracy") if metric == "accuracy" else language.text("Validation loss"),
        },
    }  # fmt: skip
    return Figure(caption=caption, note=note, alt=alt, data=data, draw=partial(_draw_comparison, data))


def _runs(histories: Sequence[History], network: str) -> tuple[str, ...]:
    return tuple(history.run for history in histories if history.network == network and history.run)


def _number(value: float, code: str, runs: tuple[str, ...]) -> str:
    if math.isnan(value):
        return number(value, 2, code)
    return worded(number(value, 2, code), Quantity(value=value, unit="number", n=len(runs) or None, runs=runs))


def _single(metric: Metric, histories: Sequence[History], language: Words, caption: str, note: str) -> Figure:
    if not histories or len({history.network for history in histories}) > 1:
        raise ValueError("histories of exactly one network are needed")
    first, code = histories[0], language.code
    train = _summary([getattr(history, metric) for history in histories])
    validation = _summary([getattr(history, f"val_{metric}") for history in histories])
    best = _best(histories)
    stopped = first.stopped if len({history.stopped for history in histories}) == 1 else "completed"
    epochs = len(validation["mean"])

    def at(values: list[float | None], epoch: int) -> str:
        value = values[epoch - 1]
        return language.text("no value") if value is None else _number(value, code, _runs(histories, first.network))

    if metric == "loss":
        alt = language.text(
            "Loss of {network} against the epoch: validation loss is {validation} at the best epoch, {epoch} of "
            "{epochs}, where training loss is {train}; at the last epoch they are {last_validation} and {last_train}.",
            network=clean(network_title(first.network)), validation=at(validation["mean"], best), epoch=best,
            epochs=epochs, train=at(train["mean"], best), last_validation=at(validation["mean"], epochs),
            last_train=at(train["mean"], epochs),
        )  # fmt: skip
    else:
        shown = [value for value in validation["mean"] if value is not None]
        peak = validation["mean"].index(max(shown)) + 1 if shown else epochs
        alt = language.text(
            "Accuracy of {network} against the epoch: validation accuracy peaks at epoch {peak} of {epochs} at {value}, "
            "where training accuracy is {train}; the best epoch by the criterion used is {epoch}.",
            network=clean(network_title(first.network)), peak=peak, epochs=epochs,
            value=at(validation["mean"], peak), train=at(train["mean"], peak), epoch=best,
        )  # fmt: skip
    rates = [float(rate) for rate in max((history.learning_rate for history in histories), key=len)]
    data = {
        "network": first.network, "metric": metric, "code": code, "train": train, "validation": validation,
        "best": best, "stopped": stopped, "rates": rates if all(map(math.isfinite, rates)) else [],
        "words": {
            "epoch": language.text("Epoch"),
            "axis": language.text("Loss") if metric == "loss" else language.text("Accuracy"),
            "train": language.text("training"), "validation": language.text("validation"),
            "best": language.text("best epoch: {epoch}", epoch=best),
            "early": language.text("stopped early after {epoch}", epoch=epochs),
            "diverged": language.text("diverged"), "rate": language.text("Learning rate"), **_hover_words(language),
        },
    }  # fmt: skip
    return Figure(caption=caption, note=note, alt=alt, data=data, draw=partial(_draw_single, data))


def _best(histories: Sequence[History]) -> int:
    """The median best epoch over seeds, which is the best epoch when there is one."""
    ordered = sorted(history.best_epoch for history in histories)
    return ordered[(len(ordered) - 1) // 2]


def _summary(runs: Sequence[Sequence[float]]) -> dict[str, list[Any]]:
    """Mean, low and high over seeds by epoch, None where no seed has a finite value, and how many seeds have one."""
    result: dict[str, list[Any]] = {"mean": [], "low": [], "high": [], "seeds": []}
    for epoch in range(max(len(run) for run in runs)):
        values = [float(run[epoch]) for run in runs if epoch < len(run) and math.isfinite(run[epoch])]
        result["mean"].append(round(sum(values) / len(values), 6) if values else None)
        result["low"].append(round(min(values), 6) if values else None)
        result["high"].append(round(max(values), 6) if values else None)
        result["seeds"].append(len(values))
    return result


def _hover_words(language: Words) -> dict[str, str]:
    """What only the answers to the pointer say."""
    return {"kept": language.text("best epoch"), "of_seeds": language.text("seeds")}


def _draw_single(data: dict[str, Any], theme: Theme) -> MplFigure:
    from matplotlib.figure import Figure as Canvas

    rates, words = data["rates"], data["words"]
    figure = Canvas(figsize=(theme.width, theme.width * (0.62 if rates else 0.52)), layout="constrained")
    if rates:
        axes, lower = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
    else:
        axes, lower = figure.subplots(), None
    look = network_style(data["network"])
    line(axes, theme, data["train"], "muted", linewidth=0.9, marker=".", markersize=4)
    line(axes, theme, data["validation"], look.colour, linestyle=dash(look), marker=look.marker, markersize=4)
    epochs = len(data["validation"]["mean"])
    epoch_axes(axes, data, epochs)
    axes.set_title(words["axis"])
    ends = [
        (value, words[name], colour, weight)
        for name, colour, weight in (("train", "muted", "normal"), ("validation", look.colour, "bold"))
        if (value := last(data[name]["mean"])) is not None
    ]
    end_labels(axes, theme, ends, epochs)
    _mark_best(axes, theme, data, look.colour)
    if lower is not None:
        _rate_panel(lower, theme, rates, words["rate"], data["code"])
    (axes if lower is None else lower).set_xlabel(words["epoch"])
    lines = [(words["train"], data["train"], 0), (words["validation"], data["validation"], data["best"])]
    hover.columns(axes, answers(data, lines), below=lower)
    return figure


def _mark_best(axes: Axes, theme: Theme, data: dict[str, Any], colour: str) -> None:
    best, words = data["best"], data["words"]
    axes.axvline(best, color=theme["rule"], linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    value = data["validation"]["mean"][best - 1]
    if value is not None:
        marker = network_style(data["network"]).marker
        axes.plot(
            [best], [value], marker=marker, markersize=9, color=theme[colour], markerfacecolor="none", linewidth=0
        )
    text = words["best"]
    if data["stopped"] in ("early", "diverged"):
        text += f" · {words[data['stopped']]}"
    if data["stopped"] == "early":
        bar_end(axes, data["validation"]["mean"], theme[colour])
    # Over its line, as far as the title to the left and the end of the axes to the right leave room.
    room = theme.width * 72 * 0.75
    half, title = (0.25 * theme.size * len(words) / room for words in (text, words["axis"] + "    "))
    place = (best - axes.get_xlim()[0]) / (axes.get_xlim()[1] - axes.get_xlim()[0])
    place = max(2 * title + half, min(place, 1 - half))
    axes.annotate(text, (place, 1), xycoords="axes fraction", xytext=(0, 2), va="bottom", textcoords="offset points",
                  ha="center", color=theme["muted"])  # fmt: skip


def _rate_panel(axes: Axes, theme: Theme, rates: list[float], title: str, code: str) -> None:
    highest = max(rates)
    decimals = max(1, 1 - math.floor(math.log10(highest))) if highest > 0 else 1
    axes.plot(range(1, len(rates) + 1), rates, color=theme["muted"], linewidth=1.1, drawstyle="steps-mid",
              marker="." if len(rates) == 1 else None)  # fmt: skip
    axes.set_ylim(0, highest * 1.15 or 1)
    axes.set_yticks([0, highest], ["0", number(highest, decimals, code).rstrip("0").rstrip(",.")])
    axes.set_title(title, fontweight="normal", color=theme["muted"])


def _draw_comparison(data: dict[str, Any], theme: Theme) -> MplFigure:
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(theme.width, theme.width * 0.52), layout="constrained")
    axes = figure.subplots()
    epochs = max(len(one["mean"]) for one in data["series"])
    for one in data["series"]:
        look = network_style(one["network"])
        line(axes, theme, one, look.colour, linestyle=dash(look), marker=look.marker, markersize=4)
        if one["early"]:
            bar_end(axes, one["mean"], theme[look.colour])
        value = one["mean"][one["best"] - 1]
        if value is not None:
            axes.plot([one["best"]], [value], marker=look.marker, markersize=9, color=theme[look.colour],
                      markerfacecolor="none", linewidth=0)  # fmt: skip
    epoch_axes(axes, data, epochs)
    ends = [
        (value, one["title"], network_style(one["network"]).colour, "bold")
        for one in data["series"]
        if (value := last(one["mean"])) is not None
    ]
    end_labels(axes, theme, ends, epochs)
    axes.set_title(data["words"]["axis"])
    key = [data["words"]["ringed"], *([data["words"]["barred"]] if any(one["early"] for one in data["series"]) else [])]
    axes.set_title(" · ".join(key), loc="right", fontweight="normal", color=theme["muted"])
    axes.set_xlabel(data["words"]["epoch"])
    hover.columns(axes, answers(data, [(one["title"], one, one["best"]) for one in data["series"]]))
    return figure
