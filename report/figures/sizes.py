"""How large networks are: VGG-19 block by block, and networks against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any, NamedTuple, Unpack

from report.evidence.language import Language
from report.evidence.quantity import Figure, Quantity, Under
from report.evidence.words import joined
from report.figures.theme import Drawing, Theme, bands, canvas, chart, clean, network_style, network_title


class NetworkSize(NamedTuple):
    """Parameters and multiply-adds of one image, ImageNet accuracy in 0-1 (None: there is none), and its protocol in the
    report's language ("single crop")."""

    network: str
    parameters: int
    multiply_adds: int
    top1: float | None = None
    protocol: str = ""


def block_counts(layers: Sequence[Mapping[str, Any]], language: Language, **under: Unpack[Under]) -> Figure:
    """Filters, parameters, multiply-adds and activations by block, the largest of each emphasised; ValueError without.

    Args:
        layers: the rows of `layers.json`; blocks with convolutions each have a row, all dense layers share one.
    """
    text = language.text
    convolved = list(dict.fromkeys(row["block"] for row in layers if row["kind"] == "Conv2D"))
    parts = {
        str(text("Block {number}", number=index)): [row for row in layers if row["block"] == block]
        for index, block in enumerate(convolved, 1)
    }
    if dense := [row for row in layers if row["block"] not in convolved and row["kind"] == "Dense"]:
        parts[text("Dense layers")] = dense
    if not parts:
        raise ValueError("no block to draw")
    filters = [sum(int(row["filters"] or 0) for row in rows if row["kind"] == "Conv2D") for rows in parts.values()]
    panels: dict[str, list[Any]] = {text("Filters"): [count or None for count in filters]}
    heads = {"Parameters": "parameters", "Multiply-adds": "multiply_adds", "Activations": "activations"}
    for head, key in heads.items():
        panels[text(head)] = [sum(int(row[key]) for row in rows) for rows in parts.values()]
    return _multiples(panels, [*parts], language, under, log=text("Parameters"), scale=text("logarithmic scale"))


def networks_compared(sizes: Sequence[NetworkSize], language: Language, **under: Unpack[Under]) -> Figure:
    """Parameters, multiply-adds and ImageNet accuracy of networks, with the protocol of the latter under each name;
    ValueError without one."""
    if not sizes:
        raise ValueError("no network to draw")
    panels: dict[str, list[Any]] = {
        language.text("Parameters"): [one.parameters for one in sizes],
        language.text("Multiply-adds"): [one.multiply_adds for one in sizes],
        language.text("ImageNet top-1 accuracy"): [one.top1 for one in sizes],
    }
    looks = {"networks": [one.network for one in sizes], "protocols": [clean(one.protocol) for one in sizes]}
    return _multiples(panels, [network_title(one.network) for one in sizes], language, under, **looks)


def _multiples(
    panels: Mapping[str, list[Any]], names: list[str], language: Language, under: Under, **more: Any
) -> Figure:
    """A panel for each title, with a value for each name: shares up to 1, counts above."""
    shown, told = [], []
    for title, values in panels.items():
        printed, said, pairs = [], [], []
        for name, value in zip(names, values, strict=True):
            q = Quantity(value=value or 0, unit="share" if value and value <= 1 else "count")
            printed.append("–" if value is None else language.quantity(q) if q.unit == "share" else language.compact(q))
            said.append(f"{name}\n{title}: {'–' if value is None else language.quantity(q)}")
            pairs.append(f"{name} " + printed[-1])
        shown.append({"title": title, "values": values, "printed": printed, "said": said})
        told.append(f"{title}: " + joined(pairs, ", ") + ".")
    return chart(_draw, language, joined(told, " "), under, wide=True, panels=shown, names=names, **more)


def _draw(
    theme: Theme, language: Language, panels: list[dict[str, Any]], names: list[str], log: str = "", scale: str = "",
    networks: Sequence[str] = (), protocols: Sequence[str] = (),
) -> Drawing:  # fmt: skip
    height = len(names) * (3.0 if any(protocols) else 2.1) + 3.4
    figure, grid = canvas(theme, height * theme.size / 72, 1, len(panels), wide=True)
    for axes, panel in zip(grid, panels, strict=True):
        _panel(axes, theme, panel, networks, log=panel["title"] == log)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_yticks(range(len(names)), [""] * len(names))
        axes.set_title(fill(panel["title"], 18 if len(panels) > 3 else 40))
        if panel["title"] == log:
            axes.annotate(scale, (0, 0), xycoords="axes fraction", xytext=(0, -4), va="top",
                          textcoords="offset points", fontsize=theme.size * 0.85, color=theme["muted"])  # fmt: skip
        bands(axes.axhspan, theme, enumerate(panel["said"]))
    heads = ["\n".join(filter(None, pair)) for pair in zip(names, protocols or [""] * len(names), strict=True)]
    grid[0].set_yticks(range(len(names)), heads)
    return figure


def _panel(axes: Any, theme: Theme, panel: dict[str, Any], networks: Sequence[str], *, log: bool) -> None:
    """Bars from nought; where values need a logarithmic scale dots, since such bars would have no foot.

    Of one network's blocks all but the largest are fainter; networks have their colours and their markers.
    """
    values = [value or 0 for value in panel["values"]]
    largest = max(values)
    for y, (value, text) in enumerate(zip(values, panel["printed"], strict=True)):
        top = value == largest and len(set(values)) > 1
        look = network_style(networks[y]) if networks else None
        colour, faint = theme[look.colour if look else "series-1"], not look and not top
        if log:
            axes.plot([value], [y], "o", color=colour, markersize=6, alpha=0.75 if faint else 1)
        elif value:
            axes.barh(y, value, height=0.5, color=colour, alpha=0.62 if faint else 1)
        if look and value:
            axes.plot([value], [y], look.marker, color=colour, markersize=9, markeredgecolor=theme["paper"])
        axes.annotate(text, (value, y), xytext=(8 if look else 6 if log else 3, 0), textcoords="offset points",
                      va="center", fontweight="bold" if top else "normal", color=theme["ink"],
                      fontsize=theme.size * 0.92)  # fmt: skip
    if log:
        low = min(value for value in values if value > 0)
        axes.set(xscale="log", xlim=(low / 2, largest * (largest / low) ** 0.55))
        axes.minorticks_off()
    else:
        axes.set_xlim(0, (largest or 1) * 1.55)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)
