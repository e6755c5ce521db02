"""Reliability diagrams: how often networks are right, against how sure they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from report.evidence.quantity import Figure, Quantity
from report.evidence.words import joined
from report.figures import hover
from report.figures.theme import Theme, Words, clean, network_style, network_title, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

FEWEST = 5
"""Bins with fewer images are counted but not drawn: their interval would say nothing."""


@dataclass(frozen=True)
class Bin:
    """Images whose highest probability is in one range: how many, their mean confidence, and accuracy with interval."""

    images: int
    confidence: float
    accuracy: float
    low: float
    high: float


def reliability_diagram(
    networks: Mapping[str, Sequence[Bin | None]], language: Words, *, caption: str, note: str = ""
) -> Figure:
    """Accuracy against confidence with 95 % intervals and the diagonal, and below it the images in each bin.

    Args:
        networks: by network, one entry for each of equally wide bins of confidence from 0 to 1; None for an empty one.

    Raises:
        ValueError: no network, or not the same number of bins for all.
    """
    if not networks or len({len(bins) for bins in networks.values()}) != 1:
        raise ValueError("networks with the same bins are needed")
    code = language.code
    series = [
        {"network": network, "title": clean(network_title(network)), "bins": [_entry(one) for one in bins]}
        for network, bins in networks.items()
    ]
    diagonal = language.text("Accuracy against confidence, with the diagonal on which the two are equal.")
    alt = joined([diagonal, *(_told(one, language) for one in series)], " ")
    data = {
        "series": series, "code": code,
        "words": {
            "x": language.text("Confidence: the probability of the answer"), "y": language.text("Accuracy"),
            "images": language.text("Images"), "sure": language.text("surer than right"),
            "unsure": language.text("less sure than right"), "interval": language.text("95% interval"),
            "confidence": language.text("Confidence"),
        },
    }  # fmt: skip
    return Figure(caption=caption, note=note, alt=alt, data=data, draw=partial(_draw, data))


def _entry(one: Bin | None) -> dict[str, float] | None:
    if one is None:
        return None
    return {
        "images": int(one.images), "confidence": round(one.confidence, 6), "accuracy": round(one.accuracy, 6),
        "low": round(one.low, 6), "high": round(one.high, 6),
    }  # fmt: skip


def _shown(one: Mapping[str, Any]) -> list[dict[str, float]]:
    return [entry for entry in one["bins"] if entry and entry["images"] >= FEWEST]


def _told(one: Mapping[str, Any], language: Words) -> str:
    """One network in words: its surest and its least sure bin that are drawn."""
    shown = _shown(one)
    if not shown:
        return language.text("{network}: too few images in every bin.", network=one["title"])
    lowest, highest = shown[0], shown[-1]
    return language.text(
        "{network}: where mean confidence is {confidence_high}, accuracy is {accuracy_high} ({images_high} images); where it "
        "is {confidence_low}, {accuracy_low} ({images_low} images).",
        network=one["title"], confidence_high=_share(highest["confidence"]), accuracy_high=_share(highest["accuracy"]),
        images_high=highest["images"], confidence_low=_share(lowest["confidence"]),
        accuracy_low=_share(lowest["accuracy"]), images_low=lowest["images"],
    )  # fmt: skip


def _share(value: float) -> Quantity:
    return Quantity(value=value, unit="share", digits=0)


def _draw(data: dict[str, Any], theme: Theme) -> MplFigure:
    from matplotlib.figure import Figure as Canvas
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

    words, code = data["words"], data["code"]
    figure = Canvas(figsize=(theme.width, theme.width * 0.82), layout="constrained")
    axes, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    _diagonal(axes, theme, words)
    for one in data["series"]:
        _line(axes, theme, one)
    axes.set_ylim(-0.03, 1.03)  # whole markers at both ends
    axes.set_xlim(_left(data), 1.01)
    _counts(lower, theme, data)
    for axis in (axes.yaxis, lower.xaxis):
        axis.set_major_locator(MultipleLocator(0.2))
        axis.set_major_formatter(FuncFormatter(lambda value, _: number(100 * value, 0, code)))
    lower.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    lower.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 0, code)))
    axes.grid(axis="both")
    axes.set_title(f"{words['y']} (%)")
    lower.set_title(words["images"], fontweight="normal", color=theme["muted"])
    lower.set_xlabel(f"{words['x']} (%)")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3, frameon=False, labelcolor=theme["ink"])
    hover.points(axes, [_answer(one, entry, words, code) for one in data["series"] for entry in _shown(one)])
    hover.columns(lower, _counted(data))
    return figure


def _answer(one: Mapping[str, Any], entry: Mapping[str, float], words: Mapping[str, str], code: str) -> hover.Entry:
    """What a point says: its network, accuracy with its interval, mean confidence, and images."""
    rows = {
        words["y"]: percent(entry["accuracy"], 1, code),
        words["interval"]: f"{number(100 * entry['low'], 1, code)}–{percent(entry['high'], 1, code)}",
        words["confidence"]: percent(entry["confidence"], 1, code), words["images"]: number(entry["images"], 0, code),
    }  # fmt: skip
    return hover.lines(one["title"], rows), [(entry["confidence"], entry["accuracy"])]


def _counted(data: dict[str, Any]) -> list[hover.Entry]:
    """What each bin says: the images of each network."""
    series, code, words = data["series"], data["code"], data["words"]
    bins = len(series[0]["bins"])
    entries: list[hover.Entry] = []
    for index in range(bins):
        counts = {one["title"]: number((one["bins"][index] or {"images": 0})["images"], 0, code) for one in series}
        span = f"{number(100 * index / bins, 0, code)}–{percent((index + 1) / bins, 0, code)}"
        entries.append((hover.lines(f"{words['images']}, {words['confidence'].lower()} {span}", counts),
                        [((index + 0.5) / bins, None)]))  # fmt: skip
    return entries


def _left(data: dict[str, Any]) -> float:
    """Where the first bin that any network fills begins: no answer is less sure than one over the number of classes."""
    bins = len(data["series"][0]["bins"])
    filled = [index for one in data["series"] for index, entry in enumerate(one["bins"]) if entry]
    return min(filled, default=0) / bins - 0.01


def _diagonal(axes: Axes, theme: Theme, words: Mapping[str, str]) -> None:
    axes.plot([0, 1], [0, 1], color=theme["rule"], linewidth=1, linestyle=(0, (3, 2)), zorder=1)
    for place, text, ha, va in (((0.02, 0.97), "unsure", "left", "top"), ((0.98, 0.03), "sure", "right", "bottom")):
        axes.annotate(words[text], place, xycoords="axes fraction", ha=ha, va=va, color=theme["muted"])


def _line(axes: Axes, theme: Theme, one: Mapping[str, Any]) -> None:
    shown, look = _shown(one), network_style(one["network"])
    x = [entry["confidence"] for entry in shown]
    axes.plot(x, [entry["accuracy"] for entry in shown], color=theme[look.colour], marker=look.marker, markersize=5,
              linestyle="solid" if look.dash is None else (0, look.dash), label=one["title"], zorder=3)  # fmt: skip
    axes.vlines(x, [entry["low"] for entry in shown], [entry["high"] for entry in shown], color=theme[look.colour],
                linewidth=0.8, zorder=2)  # fmt: skip


def _counts(axes: Axes, theme: Theme, data: dict[str, Any]) -> None:
    """Images by bin, the networks' bars side by side."""
    series = data["series"]
    bins = len(series[0]["bins"])
    width = 0.84 / bins / len(series)
    for place, one in enumerate(series):
        left = [(index + 0.08) / bins + place * width for index in range(bins)]
        look, images = network_style(one["network"]), [entry["images"] if entry else 0 for entry in one["bins"]]
        axes.bar(left, images, width=width * 0.94, align="edge", color=theme[look.colour])
        tops = [(x + width * 0.47, count) for x, count in zip(left, images, strict=True) if count]
        axes.plot(*zip(*tops, strict=True), look.marker, color=theme[look.colour], markersize=4,
                  markeredgecolor=theme["paper"], markeredgewidth=0.5)  # fmt: skip
