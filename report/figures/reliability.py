"""Reliability diagrams: how often networks are right, against how sure they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Unpack

from report.evidence.language import Language
from report.evidence.quantity import Figure, Quantity, Under
from report.evidence.words import joined
from report.figures.theme import Drawing, Theme, canvas, chart, network_style, network_title, round_ticks, tip

FEWEST = 5
"""Bins with fewer images are not drawn: their interval would say nothing."""


class Bin(NamedTuple):
    """Images whose highest probability is in one range: how many, their mean confidence, and accuracy with interval."""

    images: int
    confidence: float
    accuracy: float
    low: float
    high: float


def reliability_diagram(
    networks: Mapping[str, Sequence[Bin | None]], language: Language, **under: Unpack[Under]
) -> Figure:
    """Accuracy against confidence with 95 % intervals, and the diagonal; `networks` holds the bins of each in rising
    order of confidence, None for an empty one."""
    text, series = language.text, []
    told = [text("Accuracy against confidence, with the diagonal on which the two are equal.")]
    for network, bins in networks.items():
        title, seen = network_title(network), [one for one in bins if one and one.images >= FEWEST]
        shown = [{key: round(value, 6) for key, value in one._asdict().items()} for one in seen]
        sure, right = (
            [Quantity(value=one[key], unit="share", digits=0) for one in shown] for key in ("confidence", "accuracy")
        )
        said = [f"{text('Accuracy')}: {language.quantity(b)}, {text('Confidence')}: {language.quantity(a)}, "
                f"{text('Images')}: {one['images']}" for a, b, one in zip(sure, right, shown, strict=True)]  # fmt: skip
        series.append({"network": network, "title": title, "bins": shown, "said": said})
        told.append(
            text(
                "{network}: where mean confidence is {confidence_high}, accuracy is {accuracy_high} ({images_high} images); where it "
                "is {confidence_low}, {accuracy_low} ({images_low} images).",
                network=title, confidence_high=sure[-1], accuracy_high=right[-1], images_high=shown[-1]["images"],
                confidence_low=sure[0], accuracy_low=right[0], images_low=shown[0]["images"],
            )
            if shown else text("{network}: too few images in every bin.", network=title)
        )  # fmt: skip
    words = {"unsure": text("less sure than right"), "sure": text("surer than right"), "y": text("Accuracy"),
             "x": text("Confidence: the probability of the answer")}  # fmt: skip
    return chart(_draw, language, joined(told, " "), under, series=series, words=words)


def _draw(theme: Theme, language: Language, series: list[dict[str, Any]], words: dict[str, str]) -> Drawing:
    figure, axes = canvas(theme, theme.width * 0.6)
    axes.plot([0, 1], [0, 1], color=theme["rule"], linewidth=1, linestyle=(0, (3, 2)), zorder=1)
    for place, text, ha, va in (((0.02, 0.97), "unsure", "left", "top"), ((0.98, 0.03), "sure", "right", "bottom")):
        axes.annotate(words[text], place, xycoords="axes fraction", ha=ha, va=va, color=theme["muted"])
    for one in series:
        look = network_style(one["network"])
        x, y, low, high = ([entry[key] for entry in one["bins"]] for key in ("confidence", "accuracy", "low", "high"))
        colour = theme[look.colour]
        axes.plot(x, y, color=colour, linestyle=look.dash, marker=look.marker, markersize=5, label=one["title"])
        axes.vlines(x, low, high, color=colour, linewidth=0.8, zorder=2)
        for *spot, said in zip(x, y, one["said"], strict=True):
            tip(axes.plot(*spot, "o", markersize=12, markeredgewidth=0, alpha=0, zorder=9)[0], one["title"], said)
    least = min((entry["confidence"] for one in series for entry in one["bins"]), default=0.0)
    axes.set(xlim=(max(0.0, int(10 * least - 1) / 10) - 0.01, 1.01), ylim=(-0.03, 1.03))
    for axis in (axes.xaxis, axes.yaxis):
        round_ticks(axis, language.number, scale=100)
    axes.grid(axis="both")
    axes.set_title(f"{words['y']} (%)")
    axes.set_xlabel(f"{words['x']} (%)")
    figure.legend(loc="outside upper right", ncols=3)
    return figure
