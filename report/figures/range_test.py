"""The learning-rate range test: loss against a rate that rises from step to step, and the rate that it suggests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from report.evidence.quantity import Figure
from report.figures import hover
from report.figures.theme import PRINT, Theme, Words, clean, network_style, network_title, number, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_ROOM_ABOVE, _ROOM_BELOW = 0.35, 0.2
_NAME_LENGTH = 28


def range_test_figure(
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    suggested: float | None,
    language: Words,
    *,
    network: str,
    dataset: str,
    caption: str = "",
    note: str = "",
) -> Figure:
    """Loss of each step's batch and its running average against the learning rate, on a logarithmic axis.

    Args:
        rates: one a step, rising; losses, smoothed: finite, in nats, one a rate.
        suggested: the rate to mark, or None.

    Raises:
        ValueError: no steps, or lists of different lengths.
    """
    if not rates or not len(rates) == len(losses) == len(smoothed):
        raise ValueError("a rate, a loss and a smoothed loss for every step are needed")
    code, names = language.code, {"network": clean(network_title(network)), "dataset": clean(dataset, _NAME_LENGTH)}
    alt = language.text(
        "Loss of {network} on {dataset} while the learning rate rises from {low} to {high}: the smoothed loss is "
        "lowest, {loss}, at {rate}.",
        **names, low=rate_text(rates[0], code), high=rate_text(rates[-1], code), loss=number(min(smoothed), 2, code),
        rate=rate_text(rates[_lowest(smoothed)], code),
    )  # fmt: skip
    if suggested is not None:
        alt += " " + language.text("It falls most steeply at {rate}.", rate=rate_text(suggested, code))
    data = {
        "network": network, "code": code, "rates": list(rates), "losses": list(losses), "smoothed": list(smoothed),
        "suggested": suggested,
        "words": {
            "title": language.text("Loss of {network} on {dataset}", **names),
            "rate": language.text("Learning rate"),
            "raw": language.text("of each batch"), "smoothed": language.text("smoothed"),
            "suggested": language.text("suggested: {rate}", rate=rate_text(suggested, code)) if suggested else "",
        },
    }  # fmt: skip
    return Figure(caption=caption, note=note, alt=alt, data=data, draw=partial(_draw, data))


def range_test_svg(figure: Figure) -> str:
    """The figure as an SVG file of its own: on white, with its fonts, in plain colours that every viewer knows."""
    from report.figures.page_fonts import font_faces

    head, title, rest = svg(figure, PRINT).partition("</title>")
    faces = "".join(rule for rule in font_faces().splitlines() if PRINT.family[0] in rule)
    paper = f'<rect width="100%" height="100%" fill="{PRINT["paper"]}"/>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{title}<style>{faces}</style>{paper}{rest}\n'


def rate_text(rate: float, code: str) -> str:
    """A rate with two significant digits: 0,012 or, from a ten-thousandth down, 1,2 · 10⁻⁵."""
    mantissa, exponent = f"{rate:.1e}".split("e")
    power = int(exponent)
    if power >= -4:
        return number(float(f"{rate:.1e}"), max(0, 1 - power), code)
    ten = f"10{str(power).translate(_SUPERSCRIPT)}"
    gap = "\N{NO-BREAK SPACE}"
    return ten if mantissa == "1.0" else f"{number(float(mantissa), 1, code)}{gap}·{gap}{ten}"


def _lowest(values: Sequence[float]) -> int:
    return min(range(len(values)), key=values.__getitem__)


def _draw(data: dict[str, Any], theme: Theme) -> MplFigure:
    from matplotlib.figure import Figure as Canvas
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    figure = Canvas(figsize=(theme.width, theme.width * 0.52), layout="constrained")
    axes, words, rates, code = figure.subplots(), data["words"], data["rates"], data["code"]
    colour = theme[network_style(data["network"]).colour]
    axes.plot(rates, data["losses"], color=theme["rule"], linewidth=0.8, label=words["raw"])
    axes.plot(rates, data["smoothed"], color=colour, label=words["smoothed"])
    axes.set_xscale("log")
    axes.set_ylim(_limits(data["losses"], data["smoothed"]))
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, code)))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    digits = _digits([float(tick) for tick in axes.get_yticks()])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, digits, code) if value > -1e-9 else ""))
    axes.grid(axis="y")
    axes.set_title(words["title"])
    axes.set_xlabel(words["rate"])
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderaxespad=0,
                handlelength=1.4, columnspacing=1.6, labelcolor=theme["muted"])  # fmt: skip
    _mark(axes, theme, data, colour)
    hover.columns(axes, _answers(data))
    return figure


def _answers(data: dict[str, Any]) -> list[hover.Entry]:
    """What each rate says: the loss of its batch and the smoothed one."""
    words, code = data["words"], data["code"]
    return [
        (
            hover.lines(f"{words['rate']} {rate_text(rate, code)}",
                        {words["raw"]: number(loss, 3, code), words["smoothed"]: number(smoothed, 3, code)}),
            [(rate, smoothed)],
        )
        for rate, loss, smoothed in zip(data["rates"], data["losses"], data["smoothed"], strict=True)
    ]  # fmt: skip


def _limits(losses: Sequence[float], smoothed: Sequence[float]) -> tuple[float, float]:
    """All of the way down, with room below for a line of text; what rises far beyond the start leaves the axes."""
    top, bottom = max(smoothed[: _lowest(smoothed) + 1]), min(losses)
    height = max(top - bottom, 1e-3 * top, 1e-6)
    return bottom - _ROOM_BELOW * height, top + _ROOM_ABOVE * height


def _tick(value: float, code: str) -> str:
    """Powers of ten in digits as long as these are short."""
    power = round(math.log10(value))
    return number(value, max(0, -power), code) if -3 <= power <= 3 else f"10{str(power).translate(_SUPERSCRIPT)}"


def _digits(ticks: Sequence[float]) -> int:
    return max(0, math.ceil(-math.log10(abs(ticks[1] - ticks[0])) - 1e-9))


def _mark(axes: Any, theme: Theme, data: dict[str, Any], colour: str) -> None:
    rate, rates = data["suggested"], data["rates"]
    if rate is None:
        return
    nearest = min(range(len(rates)), key=lambda step: abs(math.log(rates[step] / rate)))
    axes.axvline(rate, color=theme["rule"], linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    axes.plot([rate], [data["smoothed"][nearest]], marker="o", markersize=8, color=colour, markerfacecolor="none",
              linewidth=0)  # fmt: skip
    right = math.log(rate / rates[0]) > 0.65 * math.log(rates[-1] / rates[0])
    axes.annotate(data["words"]["suggested"], (rate, 0), xycoords=("data", "axes fraction"), color=theme["ink"],
                  xytext=(-6 if right else 6, 5), textcoords="offset points", ha="right" if right else "left",
                  va="bottom", fontweight="bold")  # fmt: skip
