"""Reliability diagrams: how often networks are right, against how sure they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from report.evidence.language import Language
from report.evidence.quantity import Figure, Quantity
from report.evidence.words import joined
from report.figures.theme import Theme, canvas, clean, network_style, network_title, round_ticks, tip

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure

FEWEST = 5
"""Bins with fewer images are not drawn: their interval would say nothing."""


@dataclass(frozen=True)
class Bin:
    """Images whose highest probability is in one range: how many, their mean confidence, and accuracy with interval."""

    images: int
    confidence: float
    accuracy: float
    low: float
    high: float


def reliability_diagram(
    networks: Mapping[str, Sequence[Bin | None]], language: Language, *, caption: str, note: str = ""
) -> Figure:
    """Accuracy against confidence with 95 % intervals, and the diagonal.

    Args:
        networks: by network, its bins of confidence in rising order; None for an empty one.
    """
    text, series = language.text, []
    told = [text("Accuracy against confidence, with the diagonal on which the two are equal.")]
    for network, bins in networks.items():
        shown, title = [one for one in bins if one and one.images >= FEWEST], clean(network_title(network))
        shares = [[Quantity(value=one.confidence, unit="share", digits=0), Quantity(value=one.accuracy, unit="share", digits=0)]
                  for one in shown]  # fmt: skip
        said = [f"{text('Accuracy')}: {accuracy}, {text('Confidence')}: {sure}, {text('Images')}: {one.images}"
                for one, (sure, accuracy) in zip(shown, [map(language.quantity, pair) for pair in shares], strict=True)]  # fmt: skip
        series.append({"network": network, "title": title, "bins": [asdict(one) for one in shown], "said": said})
        told.append(
            text(
                "{network}: where mean confidence is {confidence_high}, accuracy is {accuracy_high} ({images_high} images); where it "
                "is {confidence_low}, {accuracy_low} ({images_low} images).",
                network=title, confidence_high=shares[-1][0], accuracy_high=shares[-1][1], images_high=shown[-1].images,
                confidence_low=shares[0][0], accuracy_low=shares[0][1], images_low=shown[0].images,
            )
            if shown else text("{network}: too few images in every bin.", network=title)
        )  # fmt: skip
    data = {
        "series": series, "code": language.code, "sure": text("surer than right"), "unsure": text("less sure than right"),
        "x": text("Confidence: the probability of the answer"), "y": text("Accuracy"),
    }  # fmt: skip
    return Figure(caption=caption, note=note, alt=joined(told, " "), data=data, draw=partial(_draw, data))


def _draw(data: dict[str, Any], theme: Theme) -> MplFigure:
    figure, axes = canvas(theme, theme.width * 0.6)
    axes.plot([0, 1], [0, 1], color=theme["rule"], linewidth=1, linestyle=(0, (3, 2)), zorder=1)
    for place, text, ha, va in (((0.02, 0.97), "unsure", "left", "top"), ((0.98, 0.03), "sure", "right", "bottom")):
        axes.annotate(data[text], place, xycoords="axes fraction", ha=ha, va=va, color=theme["muted"])
    for one in data["series"]:
        look, bins = network_style(one["network"]), one["bins"]
        x, y = ([entry[key] for entry in bins] for key in ("confidence", "accuracy"))
        axes.plot(
            x, y, color=theme[look.colour], linestyle=look.dash, marker=look.marker, markersize=5, label=one["title"]
        )
        axes.vlines(x, [entry["low"] for entry in bins], [entry["high"] for entry in bins], color=theme[look.colour],
                    linewidth=0.8, zorder=2)  # fmt: skip
        for entry, said in zip(bins, one["said"], strict=True):
            tip(
                axes.plot([entry["confidence"]], [entry["accuracy"]], "o", markersize=12, alpha=0)[0],
                one["title"],
                said,
            )
    least = min((entry["confidence"] for one in data["series"] for entry in one["bins"]), default=0.0)
    axes.set(xlim=(max(0.0, int(10 * least - 1) / 10) - 0.01, 1.01), ylim=(-0.03, 1.03))
    number = Language(data["code"]).number
    for axis in (axes.xaxis, axes.yaxis):
        round_ticks(axis, lambda value, digits: number(100 * value, digits), scale=100)
    axes.grid(axis="both")
    axes.set_title(f"{data['y']} (%)")
    axes.set_xlabel(f"{data['x']} (%)")
    figure.legend(loc="outside upper right", ncols=3)
    return figure
