"""Networks drawn from their layer tables: VGG-19 as in figure 1 of the assignment, and networks above each other."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from report.evidence.language import Language
from report.evidence.quantity import Figure, Source, Under, numbers_of
from report.evidence.words import joined, worded
from report.figures.theme import Drawing, Theme, chart, clean, network_style, network_title

Row = Mapping[str, Any]
Group = dict[str, Any]
_TALLEST, _LEAN, _RISE = 96.0, 0.34, 0.22  # height of the largest map; how far its depth goes right and up
_COLUMN, _GAP = 45.0, 6.0  # least width of a column (a size has to fit), space between columns


def vgg19_drawing(layers: Sequence[Row], language: Language, **under: Unpack[Under]) -> Figure:
    """The network as green stacks of convolutions with blue pooling slabs, its layers listed beneath each block.

    Args:
        layers: the rows of `layers.json`: name, kind, block, output_shape, activation; ValueError where none is a
            convolution or dense.
    """
    groups, text = _groups(layers), language.text
    for group in groups:
        group["size"] = shape_words(group["shape"], language)
    stacks, dense = ([group for group in groups if group["kind"] == kind] for kind in ("conv", "dense"))
    alt = text(
        "Drawing of {network}: {blocks} blocks with {convolutions} convolutions each, feature maps {sizes}, then dense "
        "layers of {units} units.",
        network=network_title("vgg19"), blocks=len(stacks),
        convolutions=joined((shape_words([len(group["names"])], language) for group in stacks), ", "),
        sizes=joined((group["size"] for group in stacks), ", "), units=joined((group["size"] for group in dense), ", "),
    )  # fmt: skip
    for index, group in enumerate(stacks, 1):
        group["title"] = text("Block {number}", number=index)
        named = (re.sub(r"^block(\d+)_conv(\d+)$", r"conv\1_\2", name) for name in group["names"])  # as in the paper
        group["lines"] = [[name, "muted"] for name in named]
        if group["pool"]:
            pooled = f"→ {shape_words(group['pool'], language)}"
            group["lines"] += [[text("max pooling"), "pool-edge"], [pooled, "pool-edge"]]
    for group in dense:
        activation = {None: "", "linear": "", "relu": "ReLU"}.get(group["activation"], group["activation"])
        group["title"], group["lines"] = group["names"][0], [[text("dense layer"), "muted"], [activation, "muted"]]
    for row in layers:
        if row["kind"] == "Flatten" and stacks:
            stacks[-1]["lines"].append([text("flatten: {size}", size=int(row["output_shape"][0])), "dense-edge"])
    kinds = {"conv": text("convolution + activation"), "pool": text("max pooling"), "dense": text("dense layer")}
    return chart(_draw_vgg19, language, alt, under, wide=True, groups=groups, kinds=kinds)


def networks_drawing(tables: Mapping[str, Sequence[Row]], language: Language, **under: Unpack[Under]) -> Figure:
    """Networks above each other on one scale; repeated blocks of a stage are counted (×3).

    Args:
        tables: the rows of `layers.json` by network; ValueError where none, or none of one is a convolution or dense.
    """
    if not tables:
        raise ValueError("no network to draw")
    rows, told = [], [language.text("Networks drawn on one scale.")]
    for network, layers in tables.items():
        groups = _groups(layers)
        for group in groups:
            kernels, repeat, what = group["kernels"], group["repeat"], group["names"][0]
            if group["kind"] == "conv" and repeat:
                what = f"{repeat} × ({'·'.join(map(str, kernels))})"
            elif group["kind"] == "conv":
                what = f"{len(kernels)} × {kernels[0]}×{kernels[0]}" if kernels else str(len(group["names"]))
            group["lines"] = [[what, "ink"], [shape_words(group["shape"], language), "muted"]]
        count = language.text(
            "convolutions: {convolutions} · dense layers: {dense} · parameters: {parameters}",
            convolutions=sum(row["kind"] == "Conv2D" for row in layers), dense=sum(row["kind"] == "Dense" for row in layers),
            parameters=sum(int(row["parameters"]) for row in layers),
        )  # fmt: skip
        title = network_title(network)
        rows.append({"network": network, "title": title, "count": str(count), "groups": groups})
        told.append(f"{title}: " + count + ".")
    return chart(_draw_networks, language, joined(told, " "), under, wide=True, rows=rows)


def _groups(layers: Sequence[Row]) -> list[Group]:
    """Convolutions by block with the pooling that follows, and each dense layer on its own."""
    groups: list[Group] = []
    for block in dict.fromkeys(row["block"] for row in layers):
        rows = [row for row in layers if row["block"] == block]
        if convolutions := [row for row in rows if row["kind"] == "Conv2D"]:
            pools = [list(row["output_shape"]) for row in rows if row["kind"] == "MaxPooling2D"]
            found = (re.search(r"(?<=_)block\d+(?=_)", row["name"]) for row in convolutions)
            repeats = list(dict.fromkeys(one[0] for one in found if one))
            last = [row for row in convolutions if not repeats or f"_{repeats[-1]}_" in row["name"]]
            groups.append({
                "kind": "conv", "names": [clean(row["name"], 14) for row in convolutions], "repeat": len(repeats),
                "shape": list(convolutions[-1]["output_shape"]), "pool": pools[-1] if pools else None,
                "kernels": [row["kernel"][0] for row in last if row["kernel"]],
            })  # fmt: skip
        groups += [
            {"kind": "dense", "names": [clean(row["name"], 14)], "shape": list(row["output_shape"]), "repeat": 0, "pool": None,
             "activation": row["activation"], "kernels": []}
            for row in rows if row["kind"] == "Dense"
        ]  # fmt: skip
    if not groups:
        raise ValueError("the layer table has no convolution or dense layer")
    return groups


def shape_words(shape: Sequence[int], language: Language, source: Source = ()) -> str:
    """Sides as 56×56×128; a vector's length is a number like any other: 25.088. The numbers come from `source`."""
    q = numbers_of(*source)
    if len(shape) == 1:
        return language.quantity(q.count(shape[0]))
    return joined((worded(str(side), q.count(side)) for side in shape), "×")


def _draw_vgg19(theme: Theme, language: Language, groups: list[Group], kinds: dict[str, str]) -> Drawing:
    from matplotlib.patches import Rectangle

    (placed,), width, line = _measured(theme, [groups])
    below, above = line * (max(len(group["lines"]) for group in groups) + 1.6), _TALLEST * (1 + _RISE)
    figure, axes = _canvas(theme, width, -below, above + line * 1.4)
    for group in placed:
        _place(axes, theme, group, 0)
        middle, small = group["middle"], theme.size * 0.9
        axes.text(middle, group["top"] + line * 0.3, group["size"], ha="center", fontsize=small, color=theme["ink"])
        axes.text(middle, -line * 1.2, group["title"], ha="center", fontsize=small, fontweight="bold")
        for index, (text, colour) in enumerate(group["lines"]):
            axes.text(middle, -line * (2.2 + index), text, ha="center", fontsize=small * 0.96, color=theme[colour])
    for index, (kind, text) in enumerate(kinds.items()):
        x, y, edge = width * 0.7, above - line * 1.25 * index, theme[f"{kind}-edge"]
        axes.add_patch(Rectangle((x, y - 4), 7, 6, linewidth=0.6, facecolor=theme[kind], edgecolor=edge))
        axes.text(x + 11, y - 1, text, va="center", fontsize=theme.size * 0.92, color=theme["muted"])
    return figure


def _draw_networks(theme: Theme, language: Language, rows: list[dict[str, Any]]) -> Drawing:
    placed, width, line = _measured(theme, [row["groups"] for row in rows])
    heights = [max(group["top"] for group in groups) for groups in placed]
    top = sum(heights) + len(rows) * line * 4.6
    figure, axes = _canvas(theme, width, 0, top)
    for row, groups, high in zip(rows, placed, heights, strict=True):
        colour = theme[network_style(row["network"]).colour]
        axes.text(0, top - line, row["title"], fontweight="bold", color=colour)
        axes.text(width, top - line, row["count"], ha="right", fontsize=theme.size * 0.92, color=theme["muted"])
        floor = top - line * 1.5 - high
        for group in groups:
            _place(axes, theme, group, floor)
            for index, (text, colour) in enumerate(group["lines"]):
                axes.text(group["middle"], floor - line * (1.1 + index), text, ha="center", fontsize=theme.size * 0.88,
                          color=theme[colour])  # fmt: skip
        top = floor - line * 3.1
    return figure


def _canvas(theme: Theme, width: float, low: float, high: float) -> tuple[Drawing, Any]:
    """A figure whose axes fill it, in drawing units; the height follows from the width."""
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(theme.wide, theme.wide * (high - low) / width))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(low, high))
    axes.set_axis_off()
    return figure, axes


def _measured(theme: Theme, networks: Sequence[Sequence[Group]]) -> tuple[list[list[Group]], float, float]:
    """Groups on one scale, with their `boxes` (kind, left edge, width, height, lean, rise), `top` and `middle`; the width
    of all, and the height of a line of text."""
    largest = max(group["shape"][0] for groups in networks for group in groups if group["kind"] == "conv")
    placed, width = [], 0.0
    for groups in networks:
        row, x = list[Group](), 0.0
        for group in groups:
            if group["kind"] == "dense":
                high = max(9.0, 58 * math.sqrt(min(group["shape"][-1], 4096) / 4096))
                boxes, right, top = [("dense", 0.0, 5.0, high, 5.0, 3.2)], 10.0, high + 3.2
                need = max(right, 0.8 * _COLUMN, 3.5 * len(group["names"][0]))
            else:
                high, channels = max(8.0, _TALLEST * (group["shape"][0] / largest) ** 0.6), group["shape"][-1]
                slab = 3.0 * math.sqrt(min(channels, 512) / 64 if channels < 1024 else channels / 128)
                count = group["repeat"] or len(group["names"])
                boxes = [("conv", slab * index, slab, high, high * _LEAN, high * _RISE) for index in range(count)]
                right, top = slab * count + high * _LEAN, high * (1 + _RISE)
                if group["pool"]:
                    small = max(8.0, _TALLEST * (group["pool"][0] / largest) ** 0.6)
                    boxes.append(("pool", slab * count + 2, slab, small, small * _LEAN, small * _RISE))
                    right += slab + 2
                need = max(right, _COLUMN)
            row.append(group | {"boxes": boxes, "top": top, "middle": x + need / 2, "left": x + (need - right) / 2})
            x += need + _GAP
        placed.append(row)
        width = max(width, x - _GAP)
    return placed, width, theme.size * 1.16 * width / (theme.wide * 72)


def _place(axes: Any, theme: Theme, group: Group, floor: float) -> None:
    """The group's boxes on a floor, each with its front, top and right face."""
    from matplotlib.patches import Polygon

    for kind, at, wide, high, lean, rise in group["boxes"]:
        x, y = group["left"] + at, floor
        front = [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)]
        top = [(x, y + high), (x + wide, y + high), (x + wide + lean, y + high + rise), (x + lean, y + high + rise)]
        right = [(x + wide, y), (x + wide + lean, y + rise), (x + wide + lean, y + high + rise), (x + wide, y + high)]
        look: dict[str, Any] = {"edgecolor": theme[f"{kind}-edge"], "linewidth": 0.6, "joinstyle": "round"}
        for face, shade, strength in ((right, "#000000", 0.14), (top, "#ffffff", 0.42), (front, "", 0.0)):
            axes.add_patch(Polygon(face, facecolor=theme[kind], **look))
            if shade:
                axes.add_patch(Polygon(face, facecolor=shade, alpha=strength, linewidth=0))
