"""Networks drawn from their layer tables: VGG-19 as in figure 1 of the assignment, and networks above each other."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from report.evidence.quantity import Figure, Quantity
from report.evidence.words import joined, worded
from report.figures.theme import Theme, Words, clean, network_style, network_title, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

Row = Mapping[str, Any]
_WEIGHTED = ("Conv2D", "Dense")
_TALLEST, _LEAN, _RISE = 96.0, 0.34, 0.22  # height of the largest map; how far its depth goes right and up
_COLUMN, _GAP = 45.0, 6.0  # least width of a column (a size has to fit), space between columns


def vgg19_drawing(
    layers: Sequence[Row], language: Words, *, caption: str, note: str = "", network: str = "vgg19"
) -> Figure:
    """The network as green stacks of convolutions with blue pooling slabs, its layers listed beneath each block.

    Args:
        layers: the rows of `layers.json`: name, kind, block, output_shape, activation.

    Raises:
        ValueError: the table has no convolution or dense layer.
    """
    groups = _groups(layers)
    code, title = language.code, clean(network_title(network))
    stacks = [group for group in groups if group["kind"] == "conv"]
    dense = [group for group in groups if group["kind"] == "dense"]
    alt = language.text(
        "Drawing of {network}: {blocks} blocks with {convolutions} convolutions each, feature maps {sizes}, then dense "
        "layers of {units} units.",
        network=title, blocks=len(stacks), convolutions=joined((_count(len(group["names"]), code) for group in stacks), ", "),
        sizes=joined((_told_size(group["shape"], code) for group in stacks), ", "),
        units=joined((_count(group["shape"][-1], code) for group in dense), ", "),
    )  # fmt: skip
    for index, group in enumerate(stacks, 1):
        group["title"] = language.text("Block {number}", number=index)
        group["lines"] = [[_paper_name(name), "muted"] for name in group["names"]]
        if group["pool"]:
            group["lines"] += [
                [language.text("max pooling"), "pool-edge"],
                [f"→ {_size(group['pool'], code)}", "pool-edge"],
            ]
    for group in dense:
        group["title"] = group["names"][0]
        group["lines"] = [[language.text("dense layer"), "muted"], [_activation(group["activation"]), "muted"]]
    flat = next((row for row in layers if row["kind"] == "Flatten"), None)
    if flat and stacks:
        size = number(flat["output_shape"][0], 0, code)
        stacks[-1]["lines"].append([language.text("flatten: {size}", size=size), "dense-edge"])
    data = {
        "groups": groups, "code": code,
        "words": {
            "conv": language.text("convolution + activation"), "pool": language.text("max pooling"),
            "dense": language.text("dense layer"),
        },
    }  # fmt: skip
    return Figure(caption=caption, note=note, alt=alt, data=data, draw=partial(_draw_vgg19, data), wide=True)


def networks_drawing(tables: Mapping[str, Sequence[Row]], language: Words, *, caption: str, note: str = "") -> Figure:
    """Networks above each other on one scale, from their layer tables; repeated blocks of a stage are counted (×3).

    Args:
        tables: the rows of `layers.json` by network.

    Raises:
        ValueError: no network, or a table without convolution or dense layer.
    """
    if not tables:
        raise ValueError("no network to draw")
    code, rows, told = language.code, [], []
    for network, layers in tables.items():
        groups = _groups(layers)
        for group in groups:
            group["lines"] = _short_lines(group, code)
        weighted = {kind: sum(row["kind"] == kind for row in layers) for kind in _WEIGHTED}
        parameters = sum(int(row["parameters"]) for row in layers)
        count = language.text("convolutions: {convolutions} · dense layers: {dense} · parameters: {parameters}",
                              convolutions=weighted["Conv2D"], dense=weighted["Dense"],
                              parameters=_count(parameters, code))  # fmt: skip
        title = clean(network_title(network))
        rows.append({"network": network, "title": title, "count": str(count), "groups": groups})
        told.append(joined([f"{title}: ", count, "."]))
    data = {"rows": rows, "code": code}
    alt = language.text("Networks drawn on one scale.") + " " + joined(told, " ")
    return Figure(caption=caption, note=note, alt=alt, data=data, draw=partial(_draw_networks, data), wide=True)


def _groups(layers: Sequence[Row]) -> list[dict[str, Any]]:
    """Convolutions by block with the pooling that follows, and each dense layer on its own."""
    groups: list[dict[str, Any]] = []
    for block in dict.fromkeys(row["block"] for row in layers):
        rows = [row for row in layers if row["block"] == block]
        convolutions = [row for row in rows if row["kind"] == "Conv2D"]
        if convolutions:
            groups.append(_stack_group(rows, convolutions))
        groups += [
            {"kind": "dense", "names": [clean(row["name"], 14)], "shape": list(row["output_shape"]), "repeat": 0,
             "activation": row["activation"], "pool": None, "kernels": []}
            for row in rows if row["kind"] == "Dense"
        ]  # fmt: skip
    if not groups:
        raise ValueError("the layer table has no convolution or dense layer")
    return groups


def _stack_group(rows: Sequence[Row], convolutions: Sequence[Row]) -> dict[str, Any]:
    pools = [row for row in rows if row["kind"] == "MaxPooling2D"]
    repeats = list(dict.fromkeys(
        found.group() for row in convolutions if (found := re.search(r"(?<=_)block\d+(?=_)", row["name"]))
    ))  # fmt: skip
    last = [row for row in convolutions if not repeats or f"_{repeats[-1]}_" in row["name"]]
    kernels = [row["kernel"][0] for row in last if row["kernel"]]
    return {
        "kind": "conv", "names": [clean(row["name"], 14) for row in convolutions],
        "shape": list(convolutions[-1]["output_shape"]), "pool": list(pools[-1]["output_shape"]) if pools else None,
        "repeat": len(repeats), "kernels": kernels, "activation": None,
    }  # fmt: skip


def _size(shape: Sequence[int], code: str) -> str:
    return "×".join(number(side, 0, code) if len(shape) == 1 else str(side) for side in shape)


def _count(value: int, code: str) -> str:
    return worded(number(value, 0, code), Quantity(value=value, unit="count"))


def _told_size(shape: Sequence[int], code: str) -> str:
    if len(shape) == 1:
        return _count(shape[0], code)
    return joined((worded(str(side), Quantity(value=side, unit="count")) for side in shape), "×")


def _paper_name(name: str) -> str:
    """`block1_conv2` as the paper writes it: conv1_2."""
    found = re.fullmatch(r"block(\d+)_conv(\d+)", name)
    return f"conv{found[1]}_{found[2]}" if found else name


def _activation(name: str | None) -> str:
    return {None: "", "linear": "", "relu": "ReLU"}.get(name, str(name))


def _short_lines(group: dict[str, Any], code: str) -> list[str]:
    if group["kind"] == "dense":
        return [group["names"][0], number(group["shape"][-1], 0, code)]
    kernels = [f"{kernel}×{kernel}" for kernel in group["kernels"]]
    if group["repeat"]:
        what = f"{group['repeat']} × (" + "·".join(str(kernel) for kernel in group["kernels"]) + ")"
    else:
        what = f"{len(kernels)} × {kernels[0]}" if kernels else str(len(group["names"]))
    return [what, _size(group["shape"], code)]


def _slabs(group: dict[str, Any]) -> int:
    return group["repeat"] or len(group["names"])


def _depth(channels: int) -> float:
    """Thickness of a map by its channels."""
    return 3.0 * math.sqrt(min(channels, 512) / 64) if channels < 1024 else 3.0 * math.sqrt(channels / 128)


def _measure(group: dict[str, Any], largest: int) -> dict[str, float]:
    """Sizes of a group's boxes: height, thickness of a slab, of the pooling slab, and the whole width."""
    shape = group["shape"]
    if group["kind"] == "dense":
        high = max(9.0, 58 * math.sqrt(min(shape[-1], 4096) / 4096))
        return {"high": high, "slab": 5.0, "pool": 0.0, "width": 5.0, "lean": 5.0, "rise": 3.2}
    high = max(8.0, _TALLEST * (shape[0] / largest) ** 0.6)
    slab = _depth(shape[-1])
    pool = slab + 2 if group["pool"] else 0.0
    width = slab * _slabs(group) + pool
    return {"high": high, "slab": slab, "pool": pool, "width": width, "lean": high * _LEAN, "rise": high * _RISE}


def _box(axes: Axes, theme: Theme, x: float, y: float, size: tuple[float, float, float, float], colour: str) -> None:
    """A box with its front, top and right face; `size` is width, height, lean, rise."""
    from matplotlib.patches import Polygon

    wide, high, lean, rise = size
    front = [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)]
    top = [(x, y + high), (x + wide, y + high), (x + wide + lean, y + high + rise), (x + lean, y + high + rise)]
    right = [(x + wide, y), (x + wide + lean, y + rise), (x + wide + lean, y + high + rise), (x + wide, y + high)]
    look: dict[str, Any] = {"edgecolor": theme[f"{colour}-edge"], "linewidth": 0.6, "joinstyle": "round"}
    for face, shade, strength in ((right, "#000000", 0.14), (top, "#ffffff", 0.42), (front, "", 0.0)):
        axes.add_patch(Polygon(face, facecolor=theme[colour], **look))
        if shade:
            axes.add_patch(Polygon(face, facecolor=shade, alpha=strength, linewidth=0))


def _place(axes: Axes, theme: Theme, group: dict[str, Any], x: float, y: float, largest: int) -> None:
    size = _measure(group, largest)
    if group["kind"] == "dense":
        _box(axes, theme, x, y, (size["slab"], size["high"], size["lean"], size["rise"]), "dense")
        return
    for index in range(_slabs(group)):
        _box(axes, theme, x + index * size["slab"], y, (size["slab"], size["high"], size["lean"], size["rise"]), "conv")
    if group["pool"]:
        after = {**group, "shape": group["pool"], "pool": None}
        small = _measure(after, largest)
        _box(axes, theme, x + size["slab"] * _slabs(group) + 2, y, (size["slab"], small["high"], small["lean"],
             small["rise"]), "pool")  # fmt: skip


def _canvas(theme: Theme, width: float, low: float, high: float) -> tuple[MplFigure, Axes]:
    """A figure whose axes fill it, in drawing units; the height follows from the width."""
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(theme.wide, theme.wide * (high - low) / width))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(low, high))
    axes.set_axis_off()
    return figure, axes


def _columns(groups: Sequence[dict[str, Any]], largest: int, least: float) -> list[tuple[float, float]]:
    """Left edge and width of each group's column."""
    columns, x = [], 0.0
    for group in groups:
        size = _measure(group, largest)
        text = max(0.8 * least, 3.5 * len(group["names"][0])) if group["kind"] == "dense" else least
        need = max(size["width"] + size["lean"], text)
        columns.append((x, need))
        x += need + _GAP
    return columns


def _draw_vgg19(data: dict[str, Any], theme: Theme) -> MplFigure:
    groups, code = data["groups"], data["code"]
    largest = max(group["shape"][0] for group in groups if group["kind"] == "conv")
    columns = _columns(groups, largest, _COLUMN)
    width = columns[-1][0] + columns[-1][1]
    line = theme.size * 1.16 * width / (theme.wide * 72)
    lines = max(len(group["lines"]) for group in groups) + 1
    figure, axes = _canvas(theme, width, -line * (lines + 0.6), _TALLEST * (1 + _RISE) + line * 1.4)
    for group, (x, wide) in zip(groups, columns, strict=True):
        size = _measure(group, largest)
        left = x + max(0.0, (wide - size["width"] - size["lean"]) / 2)
        _place(axes, theme, group, left, 0, largest)
        middle, small = x + wide / 2, theme.size * 0.9
        axes.text(middle, size["high"] + size["rise"] + line * 0.3, _size(group["shape"], code), ha="center",
                  fontsize=small, color=theme["ink"])  # fmt: skip
        axes.text(middle, -line * 1.2, group["title"], ha="center", fontsize=small, fontweight="bold")
        for index, (text, colour) in enumerate(group["lines"]):
            axes.text(middle, -line * (2.2 + index), text, ha="center", fontsize=small * 0.96, color=theme[colour])
    _legend(axes, theme, data["words"], width, line)
    return figure


def _legend(axes: Axes, theme: Theme, words: dict[str, str], width: float, line: float) -> None:
    from matplotlib.patches import Rectangle

    x, y = width * 0.7, _TALLEST * (1 + _RISE)
    for index, kind in enumerate(("conv", "pool", "dense")):
        down = y - line * 1.25 * index
        axes.add_patch(
            Rectangle((x, down - 4), 7, 6, facecolor=theme[kind], edgecolor=theme[f"{kind}-edge"], linewidth=0.6)
        )
        axes.text(x + 11, down - 1, words[kind], va="center", fontsize=theme.size * 0.92, color=theme["muted"])


def _draw_networks(data: dict[str, Any], theme: Theme) -> MplFigure:
    rows = data["rows"]
    largest = max(group["shape"][0] for row in rows for group in row["groups"] if group["kind"] == "conv")
    all_columns = [_columns(row["groups"], largest, _COLUMN) for row in rows]
    width = max(columns[-1][0] + columns[-1][1] for columns in all_columns)
    line = theme.size * 1.16 * width / (theme.wide * 72)
    heights = [
        max(size["high"] + size["rise"] for group in row["groups"] for size in [_measure(group, largest)])
        for row in rows
    ]
    total = sum(heights) + len(rows) * line * 4.6
    figure, axes = _canvas(theme, width, 0, total)
    top = total
    for row, columns, high in zip(rows, all_columns, heights, strict=True):
        look = network_style(row["network"])
        axes.text(0, top - line, row["title"], fontweight="bold", color=theme[look.colour])
        axes.text(width, top - line, row["count"], ha="right", fontsize=theme.size * 0.92, color=theme["muted"])
        floor = top - line * 1.5 - high
        for group, (x, wide) in zip(row["groups"], columns, strict=True):
            size = _measure(group, largest)
            _place(axes, theme, group, x + max(0.0, (wide - size["width"] - size["lean"]) / 2), floor, largest)
            for index, text in enumerate(group["lines"]):
                axes.text(x + wide / 2, floor - line * (1.1 + index), text, ha="center", fontsize=theme.size * 0.88,
                          color=theme["ink" if index == 0 else "muted"])  # fmt: skip
        top = floor - line * 3.1
    return figure
