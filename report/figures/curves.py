"""Learning curves: loss and accuracy against the epoch (activities 8 and 12), and networks against each other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from report.evidence.language import Language
from report.evidence.quantity import Figure, Quantity
from report.evidence.words import joined
from report.figures.theme import Theme, bands, canvas, clean, network_style, network_title, round_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

Metric = Literal["loss", "accuracy"]
_FEW = 15  # epochs up to which each has its marker


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


def loss_curves(histories: Sequence[History], language: Language, *, caption: str, note: str = "") -> Figure:
    """Loss on training and validation images against the epoch, of one network.

    Args:
        histories: one a seed; several give the mean with the range between seeds as a band.

    Raises:
        ValueError: no history, or histories of several networks.
    """
    return _single("loss", histories, language, caption, note)


def accuracy_curves(histories: Sequence[History], language: Language, *, caption: str, note: str = "") -> Figure:
    """Accuracy on training and validation images against the epoch, of one network. Arguments as `loss_curves`."""
    return _single("accuracy", histories, language, caption, note)


def comparison_curves(
    histories: Sequence[History], language: Language, *, caption: str, note: str = "", metric: Metric = "accuracy"
) -> Figure:
    """Validation accuracy (or loss) of several networks against the epoch, the best epoch of each marked.

    Args:
        histories: any number a network (one a seed), networks in the order in which they are named.

    Raises:
        ValueError: no history.
    """
    if not histories:
        raise ValueError("no history to draw")
    text, series, told = language.text, [], []
    for network in dict.fromkeys(history.network for history in histories):
        mine = [history for history in histories if history.network == network]
        one: dict[str, Any] = {
            "network": network, "title": clean(network_title(network)), "best": _best(mine), **_summary(mine, f"val_{metric}"),
            "early": all(history.stopped == "early" for history in mine),
        }  # fmt: skip
        series.append(one)
        told.append(
            text(
                "{network}: best epoch {epoch} of {epochs}, with {value}.", network=one["title"], epoch=one["best"],
                epochs=len(one["mean"]), value=_value(one, one["best"], mine, language, missing="–"),
            )
        )  # fmt: skip
    accuracy = metric == "accuracy"
    against = text("Validation accuracy against the epoch.") if accuracy else text("Validation loss against the epoch.")
    data = {
        "series": series, "metric": metric, "code": language.code,
        "words": {
            "epoch": text("Epoch"), "ringed": text("ringed: best epoch"), "barred": text("barred: stopped early"),
            "best": text("best epoch"), "seeds": text("seeds"),
            "axis": text("Validation accuracy") if accuracy else text("Validation loss"),
        },
    }  # fmt: skip
    draw = partial(_draw_comparison, data)
    return Figure(caption=caption, note=note, alt=joined([against, *told], " "), data=data, draw=draw)


def _value(
    one: dict[str, Any], epoch: int, histories: Sequence[History], language: Language, *, missing: str
) -> Quantity | str:
    """The mean of an epoch, from the records of these trainings."""
    runs = tuple(history.run for history in histories if history.run)
    value = one["mean"][epoch - 1]
    return missing if value is None else Quantity(value=value, unit="number", n=len(runs) or None, runs=runs)


def _single(metric: Metric, histories: Sequence[History], language: Language, caption: str, note: str) -> Figure:
    if not histories or len({history.network for history in histories}) > 1:
        raise ValueError("histories of exactly one network are needed")
    first, text = histories[0], language.text
    lines = {"train": _summary(histories, metric), "validation": _summary(histories, f"val_{metric}")}
    best, epochs = _best(histories), len(lines["validation"]["mean"])

    def at(name: str, epoch: int) -> Quantity | str:
        return _value(lines[name], epoch, histories, language, missing=text("no value"))

    if metric == "loss":
        alt = text(
            "Loss of {network} against the epoch: validation loss is {validation} at the best epoch, {epoch} of "
            "{epochs}, where training loss is {train}; at the last epoch they are {last_validation} and {last_train}.",
            network=clean(network_title(first.network)), validation=at("validation", best), epoch=best, epochs=epochs,
            train=at("train", best), last_validation=at("validation", epochs), last_train=at("train", epochs),
        )  # fmt: skip
    else:
        shown = [-math.inf if value is None else value for value in lines["validation"]["mean"]]
        peak = shown.index(max(shown)) + 1 if math.isfinite(max(shown)) else epochs
        alt = text(
            "Accuracy of {network} against the epoch: validation accuracy peaks at epoch {peak} of {epochs} at {value}, "
            "where training accuracy is {train}; the best epoch by the criterion used is {epoch}.",
            network=clean(network_title(first.network)), peak=peak, epochs=epochs, value=at("validation", peak),
            train=at("train", peak), epoch=best,
        )  # fmt: skip
    rates = [float(rate) for rate in max((history.learning_rate for history in histories), key=len)]
    data = {
        "network": first.network, "metric": metric, "code": language.code, **lines, "best": best,
        "stopped": first.stopped if len({history.stopped for history in histories}) == 1 else "completed",
        "rates": rates if all(map(math.isfinite, rates)) else [],
        "words": {
            "epoch": text("Epoch"), "axis": text("Loss") if metric == "loss" else text("Accuracy"),
            "train": text("training"), "validation": text("validation"), "rate": text("Learning rate"),
            "marked": text("best epoch: {epoch}", epoch=best), "best": text("best epoch"), "seeds": text("seeds"),
            "early": text("stopped early after {epoch}", epoch=epochs), "diverged": text("diverged"),
        },
    }  # fmt: skip
    return Figure(caption=caption, note=note, alt=alt, data=data, draw=partial(_draw_single, data))


def _best(histories: Sequence[History]) -> int:
    """The median best epoch over seeds, which is the best epoch when there is one."""
    ordered = sorted(history.best_epoch for history in histories)
    return ordered[(len(ordered) - 1) // 2]


def _summary(histories: Sequence[History], key: str) -> dict[str, list[Any]]:
    """Mean, low and high over seeds by epoch, None where no seed has a finite value, and how many seeds have one."""
    result: dict[str, list[Any]] = {"mean": [], "low": [], "high": [], "seeds": []}
    for epoch in itertools.zip_longest(*(getattr(history, key) for history in histories), fillvalue=math.nan):
        values = [float(value) for value in epoch if math.isfinite(value)]
        result["mean"].append(round(sum(values) / len(values), 6) if values else None)
        result["low"].append(round(min(values), 6) if values else None)
        result["high"].append(round(max(values), 6) if values else None)
        result["seeds"].append(len(values))
    return result


def _draw_single(data: dict[str, Any], theme: Theme) -> MplFigure:
    rates, words, language, look = data["rates"], data["words"], Language(data["code"]), network_style(data["network"])
    figure, panels = canvas(theme, theme.width * (0.62 if rates else 0.52), 1 + bool(rates), squeeze=False, sharex=True,
                            height_ratios=(5, 1)[: 1 + bool(rates)])  # fmt: skip
    (axes, *below), validation = panels[:, 0], data["validation"]
    _line(axes, theme, data["train"], "muted", linewidth=0.9, marker=".")
    _line(axes, theme, validation, look.colour, linestyle=look.dash, marker=look.marker)
    _epoch_axes(axes, data, validation)
    axes.set_title(words["axis"])
    _name_ends(axes, theme, [
        (data["train"], words["train"], "muted", "normal"), (validation, words["validation"], look.colour, "bold"),
    ])  # fmt: skip
    axes.axvline(data["best"], color=theme["rule"], linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    _mark(axes, theme, validation, data["network"], data["best"], early=data["stopped"] == "early")
    text = words["marked"] + (f" · {words[data['stopped']]}" if data["stopped"] in ("early", "diverged") else "")
    # Over its line, as far as the title to the left and the end of the axes to the right leave room.
    half, title = (0.25 * theme.size * len(said) / (theme.width * 54) for said in (text, words["axis"] + "    "))
    left, right = axes.get_xlim()
    place = max(2 * title + half, min((data["best"] - left) / (right - left), 1 - half))
    axes.annotate(text, (place, 1), xycoords="axes fraction", xytext=(0, 2), va="bottom", textcoords="offset points",
                  ha="center", color=theme["muted"])  # fmt: skip
    for panel in below:
        panel.plot(range(1, len(rates) + 1), rates, color=theme["muted"], linewidth=1.1, drawstyle="steps-mid",
                   marker="." if len(rates) == 1 else None)  # fmt: skip
        panel.set_ylim(0, max(rates) * 1.15 or 1)
        highest = Quantity(value=float(f"{max(rates):.1e}"), unit="rate")
        panel.set_yticks([0, max(rates)], ["0", language.quantity(highest)])
        panel.set_title(words["rate"], fontweight="normal", color=theme["muted"])
    panels[-1, 0].set_xlabel(words["epoch"])
    said = [(words["train"], data["train"], 0), (words["validation"], validation, data["best"])]
    bands(axes.axvspan, theme, _said(data, said, language))
    return figure


def _draw_comparison(data: dict[str, Any], theme: Theme) -> MplFigure:
    figure, axes = canvas(theme, theme.width * 0.52)
    words, series = data["words"], data["series"]
    for one in series:
        look = network_style(one["network"])
        _line(axes, theme, one, look.colour, linestyle=look.dash, marker=look.marker)
        _mark(axes, theme, one, one["network"], one["best"], early=one["early"])
    _epoch_axes(axes, data, *series)
    _name_ends(axes, theme, [(one, one["title"], network_style(one["network"]).colour, "bold") for one in series])
    axes.set_title(words["axis"])
    key = [words["ringed"], *([words["barred"]] if any(one["early"] for one in series) else [])]
    axes.set_title(" · ".join(key), loc="right", fontweight="normal", color=theme["muted"])
    axes.set_xlabel(words["epoch"])
    said = [(one["title"], one, one["best"]) for one in series]
    bands(axes.axvspan, theme, _said(data, said, Language(data["code"])))
    return figure


def _line(axes: Axes, theme: Theme, one: dict[str, Any], colour: str, **look: Any) -> None:
    """A mean with its band over seeds, faint where seeds have ended; of long ones only some epochs have markers."""
    count = len(one["mean"])
    mean, low, high = ([math.nan if value is None else value for value in one[key]] for key in ("mean", "low", "high"))
    whole = max((at + 1 for at, seeds in enumerate(one["seeds"]) if seeds == max(one["seeds"])), default=0)
    look = {"color": theme[colour], "markersize": 4, "markevery": None if count <= _FEW else max(1, count // 8), **look}
    axes.plot(range(1, whole + 1), mean[:whole], **look)
    if whole < count:
        rest = max(1, whole)
        axes.plot(range(rest, count + 1), mean[rest - 1 :], **{**look, "alpha": 0.5, "linewidth": 1.0})
    if one["low"] != one["high"]:
        axes.fill_between(range(1, count + 1), low, high, color=theme[colour], alpha=0.22, linewidth=0)


def _mark(axes: Axes, theme: Theme, one: dict[str, Any], network: str, best: int, *, early: bool) -> None:
    """A ring at the best epoch, and a bar across the end of a line that early stopping cut off."""
    mean, look = one["mean"], network_style(network)
    if early and mean[-1] is not None:
        axes.plot([len(mean)], [mean[-1]], marker="|", markersize=13, markeredgewidth=1.8, color=theme[look.colour])
    if mean[best - 1] is not None:
        axes.plot([best], [mean[best - 1]], marker=look.marker, markersize=9, color=theme[look.colour],
                  markerfacecolor="none")  # fmt: skip


def _epoch_axes(axes: Axes, data: dict[str, Any], *lines: dict[str, Any]) -> None:
    """At most about ten round epochs from 1 on, and values with as many decimals as their ticks need."""
    epochs = max(len(one["mean"]) for one in lines)
    step = next(unit * 10**power for power in range(9) for unit in (1, 2, 5) if epochs <= unit * 10 ** (power + 1))
    axes.set_xlim(0.5 if epochs < 3 else 1 - 0.02 * epochs, epochs + (0.5 if epochs < 3 else 0.02 * epochs))
    axes.set_xticks([1] * (step > 2) + list(range(step, epochs + 1, step)))
    axes.margins(y=0.08)
    low, high = axes.get_ylim()
    axes.set_ylim(max(0.0, low), min(1.0, high) if data["metric"] == "accuracy" else high)
    round_ticks(axes.yaxis, Language(data["code"]).number, least=1)
    axes.grid(axis="y")


def _name_ends(axes: Axes, theme: Theme, lines: Sequence[tuple[dict[str, Any], str, str, str]]) -> None:
    """Names beside the last values of their lines, pushed apart: (line, name, colour, weight)."""
    ends = sorted(
        (next(value for value in reversed(one["mean"]) if value is not None), *look)
        for one, *look in lines if any(value is not None for value in one["mean"])
    )  # fmt: skip
    low, high = axes.get_ylim()
    height = axes.get_position().height * axes.get_figure(root=True).get_figheight() * 72 * 0.9  # type: ignore[union-attr]
    gap = (high - low) * theme.size * 1.4 / height
    places = [value for value, *_ in ends]
    for lower in [*range(len(places) - 1)] * 8 * len(places):
        push = max(0.0, places[lower] + gap - places[lower + 1]) / 2
        places[lower], places[lower + 1] = places[lower] - push, places[lower + 1] + push
    last = max(len(one["mean"]) for one, *_ in lines)
    for y, (_, text, colour, weight) in zip(places, ends, strict=True):
        axes.annotate(text, (last, y), xytext=(7, 0), textcoords="offset points", va="center", color=theme[colour],
                      fontweight=weight, annotation_clip=False)  # fmt: skip


def _said(
    data: dict[str, Any], lines: Sequence[tuple[str, dict[str, Any], int]], language: Language
) -> list[tuple[float, str]]:
    """What each epoch says: the values of all `lines` (name, values, best epoch or 0), with their range over seeds."""
    words, rates = data["words"], data.get("rates", [])
    said: list[tuple[float, str]] = []
    for at in range(max(len(one["mean"]) for _, one, _ in lines)):
        rows = [f"{words['epoch']} {at + 1}"]
        for name, one, best in lines:
            if at >= len(one["mean"]) or one["mean"][at] is None:
                continue
            mean, low, high = (language.number(one[key][at], 3) for key in ("mean", "low", "high"))
            seeds = f" ({low}–{high}; {words['seeds']}: {one['seeds'][at]})" if max(one["seeds"]) > 1 else ""
            rows.append(f"{name}: {mean}{seeds}" + (f", {words['best']}" if at + 1 == best else ""))
        if at < len(rates):
            rows.append(f"{words['rate']}: {language.quantity(Quantity(value=rates[at], unit='rate'))}")
        said.append((at + 1, "\n".join(rows)))
    return said
