"""How large networks are: VGG-19 block by block, and networks against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from textwrap import fill
from typing import TYPE_CHECKING, Any

from report.evidence.quantity import Figure, Quantity, Unit
from report.evidence.words import joined, worded
from report.figures import hover
from report.figures.theme import Theme, Words, clean, compact, network_style, network_title, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure


@dataclass(frozen=True, kw_only=True)
class NetworkSize:
    """A network's size and its published accuracy.

    Attributes:
        parameters, multiply_adds: counts (the latter for one image).
        top1: ImageNet accuracy, a share in 0-1, or None when there is none.
        protocol: how that was measured, in the report's language ("single crop").
    """

    network: str
    parameters: int
    multiply_adds: int
    top1: float | None = None
    protocol: str = ""


def block_counts(layers: Sequence[Mapping[str, Any]], language: Words, *, caption: str, note: str = "") -> Figure:
    """Filters, parameters, multiply-adds and activations by block, the largest of each emphasised.

    Args:
        layers: the rows of `layers.json`; blocks with convolutions each have a row, all dense layers share one.

    Raises:
        ValueError: no block to draw.
    """
    convolved = list(dict.fromkeys(row["block"] for row in layers if row["kind"] == "Conv2D"))
    parts = [
        (language.text("Block {number}", number=index), [row for row in layers if row["block"] == block])
        for index, block in enumerate(convolved, 1)
    ]
    rest = [row for row in layers if row["block"] not in convolved and row["kind"] == "Dense"]
    parts += [(language.text("Dense layers"), rest)] if rest else []
    if not parts:
        raise ValueError("no block to draw")
    names = [name for name, _ in parts]
    filters = [sum(int(row["filters"] or 0) for row in rows if row["kind"] == "Conv2D") or None for _, rows in parts]
    code = language.code
    log = language.text("logarithmic scale")
    panels = [
        {"title": language.text("Filters"), "values": filters, "log": False, "scale": ""},
        *(
            {"title": language.text(title), "values": [sum(int(row[key]) for row in rows) for _, rows in parts],
             "log": key == "parameters", "scale": log if key == "parameters" else ""}
            for title, key in (("Parameters", "parameters"), ("Multiply-adds", "multiply_adds"),
                               ("Activations", "activations"))
        ),
    ]  # fmt: skip
    return _multiples(panels, names, ["series-1"] * len(names), [""] * len(names), code, caption, note)


def networks_compared(sizes: Sequence[NetworkSize], language: Words, *, caption: str, note: str = "") -> Figure:
    """Parameters, multiply-adds and ImageNet accuracy of networks, with the protocol of the latter under each name.

    Raises:
        ValueError: no network to draw.
    """
    if not sizes:
        raise ValueError("no network to draw")
    panels = [
        {"title": language.text("Parameters"), "values": [one.parameters for one in sizes], "log": False, "scale": ""},
        {"title": language.text("Multiply-adds"), "values": [one.multiply_adds for one in sizes], "log": False,
         "scale": ""},
        {"title": language.text("ImageNet top-1 accuracy"), "values": [one.top1 for one in sizes], "log": False,
         "scale": "", "share": True},
    ]  # fmt: skip
    return _multiples(
        panels, [clean(network_title(one.network)) for one in sizes],
        [network_style(one.network).colour for one in sizes], [clean(one.protocol) for one in sizes], language.code,
        caption, note, markers=[network_style(one.network).marker for one in sizes],
    )  # fmt: skip


def _printed(panel: dict[str, Any], value: float | None, code: str) -> str:
    if value is None:
        return "–"
    return percent(value, 1, code) if panel.get("share") else compact(value, code)


def _told(panel: dict[str, Any], names: list[str]) -> str:
    """ "Parameters: AlexNet 61,0 M, VGG-19 143,7 M."."""
    unit: Unit = "share" if panel.get("share") else "count"
    values = [
        joined([f"{name} ", text if value is None else worded(text, Quantity(value=value, unit=unit))])
        for name, text, value in zip(names, panel["printed"], panel["values"], strict=True)
    ]
    return joined([f"{panel['title']}: ", joined(values, ", "), "."])


def _multiples(
    panels: list[dict[str, Any]], names: list[str], colours: list[str], under: list[str], code: str, caption: str,
    note: str, markers: Sequence[str] = (),
) -> Figure:  # fmt: skip
    for panel in panels:
        panel["printed"] = [_printed(panel, value, code) for value in panel["values"]]
    alt = joined((_told(panel, names) for panel in panels), " ")
    data = {
        "panels": panels, "names": names, "colours": colours, "under": under, "markers": list(markers), "code": code,
    }  # fmt: skip
    return Figure(caption=caption, note=note, alt=alt, data=data, draw=partial(_draw, data), wide=True)


def _draw(data: dict[str, Any], theme: Theme) -> MplFigure:
    from matplotlib.figure import Figure as Canvas

    names, panels = data["names"], data["panels"]
    step = theme.size * (3.0 if any(data["under"]) else 2.1)
    figure = Canvas(figsize=(theme.wide, (len(names) * step + 3.4 * theme.size) / 72), layout="constrained")
    for index, (axes, panel) in enumerate(zip(figure.subplots(1, len(panels)), panels, strict=True)):
        _panel(axes, theme, panel, data["colours"], data["markers"], fade=len(set(data["colours"])) == 1)
        axes.set_ylim(len(names) - 0.4, -0.6)
        heads = ["\n".join(filter(None, pair)) for pair in zip(names, data["under"], strict=True)]
        axes.set_yticks(range(len(names)), heads if index == 0 else [""] * len(names))
        axes.set_title(fill(panel["title"], 18 if len(panels) > 3 else 40))
        if panel["scale"]:
            axes.annotate(panel["scale"], (0, 0), xycoords="axes fraction", xytext=(0, -4), va="top",
                          textcoords="offset points", fontsize=theme.size * 0.85, color=theme["muted"])  # fmt: skip
        hover.rows(axes, _answers(panel, data))
    return figure


def _answers(panel: dict[str, Any], data: dict[str, Any]) -> list[hover.Entry]:
    """What each bar says: its value to the last digit, and how it was measured where that is known."""
    entries: list[hover.Entry] = []
    for y, (value, printed) in enumerate(zip(panel["values"], panel["printed"], strict=True)):
        exact = printed if value is None or panel.get("share") else number(value, 0, data["code"])
        protocol = data["under"][y] if panel.get("share") else ""
        rows = {panel["title"]: exact, "": protocol}
        entries.append((hover.lines(data["names"][y], rows), [] if value is None else [(float(value), float(y))]))
    return entries


def _panel(
    axes: Axes, theme: Theme, panel: dict[str, Any], colours: list[str], markers: list[str], *, fade: bool
) -> None:
    """Bars from nought, all but the largest fainter if `fade`; where values need a logarithmic scale, dots, since such bars would have no foot."""
    values = [value or 0 for value in panel["values"]]
    largest = max(values)
    for y, (value, text) in enumerate(zip(values, panel["printed"], strict=True)):
        top = value == largest and len(set(values)) > 1
        if panel["log"]:
            axes.plot([value], [y], "o", color=theme[colours[y]], markersize=6, alpha=1 if top or not fade else 0.75)
        elif value:
            axes.barh(y, value, height=0.5, color=theme[colours[y]], alpha=1 if top or not fade else 0.62)
        if markers and value:
            axes.plot([value], [y], markers[y], color=theme[colours[y]], markersize=9, markeredgecolor=theme["paper"])
        axes.annotate(text, (value, y), xytext=(8 if markers else 6 if panel["log"] else 3, 0), textcoords="offset points", va="center",
                      fontweight="bold" if top else "normal", color=theme["ink"], fontsize=theme.size * 0.92)  # fmt: skip
    if panel["log"]:
        axes.set_xscale("log")
        low = min(value for value in values if value > 0)
        axes.set_xlim(low / 2, largest * (largest / low) ** 0.55)
        axes.minorticks_off()
    else:
        axes.set_xlim(0, (largest or 1) * 1.55)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)
