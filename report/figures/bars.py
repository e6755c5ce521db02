"""Accuracies with their intervals: of networks by split, and of one network by class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from report.evidence.language import Language
from report.evidence.quantity import Figure, Quantity, Under
from report.evidence.words import joined
from report.figures.distribution import ONE_COLUMN, SPLITS
from report.figures.theme import Drawing, Theme, bands, canvas, chart, clean, network_style, network_title, round_ticks

Row = dict[str, Any]
_MOST = 120  # classes that fit in two columns


def accuracy_comparison(
    accuracies: Mapping[str, Mapping[str, Quantity]], language: Language, *,
    titles: Mapping[str, str] | None = None, **under: Unpack[Under],
) -> Figure:  # fmt: skip
    """Accuracy of each network on each split, with its interval; ValueError where there is none to draw.

    Args:
        accuracies: by network, then by split (`train`, `validation`, `test`): shares in 0-1 with `low` and `high`.
        titles: what stands for each network's name, also of those without accuracies, whose rows say so.
    """
    if not any(accuracies.values()):
        raise ValueError("no accuracy to draw")
    rows, told = [], [language.text("Accuracy with 95% intervals.")]
    for network in dict.fromkeys([*accuracies, *(titles or {})]):
        title, given = (titles or {}).get(network, network_title(network)), accuracies.get(network, {})
        splits, values = [], []
        for split in (split for split in SPLITS if split in given):
            name = language.text(SPLITS[split])
            splits.append({"split": split, **_row(name, f"{clean(title)}, {name}", given[split], language)})
            values.append(f"{name} " + language.quantity(given[split]))
        rows.append({"network": network, "title": clean(title), "splits": splits})
        told.append(title + (": " + joined(values, ", ") if values else "") + ".")
    return chart(_comparison, language, joined(told, " "), under, rows=rows, axis=language.text("Accuracy"))


def per_class_accuracy(
    names: Sequence[str], accuracies: Sequence[Quantity], language: Language, *, network: str, **under: Unpack[Under]
) -> Figure:
    """Accuracy of one network in each class, sorted, with intervals; the best and worst class stand out.

    Args:
        accuracies: share of right answers by class, with `low` and `high`; classes without images (`n` = 0) are left out.
        network: gives the colour.

    Raises:
        ValueError: no class is left, or there are not as many names.
    """
    shown = [(clean(name, 28), one) for name, one in zip(names, accuracies, strict=True) if one.n != 0]
    if not shown:
        raise ValueError("no class with images")
    shown.sort(key=lambda pair: (-round(pair[1].value, 6), pair[0]))
    (best, high), (worst, low) = shown[0], shown[-1]
    alt = language.text(
        "Accuracy in {count} classes, sorted, with 95% intervals: best {best} with {high}, worst {worst} with {low}.",
        count=len(shown), best=best, high=high, worst=worst, low=low,
    )  # fmt: skip
    rows, omitted = [_row(name, name, one, language) for name, one in shown], max(0, len(shown) - _MOST)
    left_out = language.text("{count} classes between are left out", count=omitted) if omitted else ""
    return chart(
        _classes, language, alt, under, wide=len(shown) > ONE_COLUMN, network=network, axis=language.text("Accuracy"),
        pairs=rows[: _MOST // 2] + rows[-_MOST // 2 :] if omitted else rows, omitted=str(left_out),
    )  # fmt: skip


def _row(name: str, title: str, one: Quantity, language: Language) -> Row:
    """An accuracy with the ends of its interval, if it has one, as drawn, `printed`, and as its row says it."""
    said = [title, f"{language.text('Accuracy')}: {language.quantity(one)}"]
    ends = [round(float(bound), 6) for bound in (one.low, one.high) if bound is not None]
    if ends:
        said.append(f"{language.text('95% interval')}: {language.interval(one).strip('()')}")
    if one.n is not None:
        said.append(f"{language.text('Images')}: {language.number(one.n)}")
    value, printed = round(float(one.value), 6), str(language.quantity(one))
    return {"name": name, "value": value, "ends": ends, "printed": printed, "said": "\n".join(said)}


def _comparison(theme: Theme, language: Language, rows: list[Row], axis: str) -> Drawing:
    count = sum(len(row["splits"]) + 1.15 for row in rows)
    figure, axes = canvas(theme, (count * theme.size * 1.55 + 4 * theme.size) / 72)
    shown: dict[float, Row] = {}
    y = 0.0
    for row in rows:
        look = network_style(row["network"])
        axes.annotate(row["title"], (0, y), xycoords=("axes fraction", "data"), va="center", ha="left",
                      fontweight="bold", color=theme[look.colour])  # fmt: skip
        for one in row["splits"]:
            y += 1
            shown[y], test = one, one["split"] == "test"
            _whisker(axes, y, one, theme[look.colour], 1.4, marker=look.marker, markersize=6 if test else 5,
                     markerfacecolor=theme[look.colour] if test else theme["paper"])  # fmt: skip
            axes.annotate(one["printed"], (1, y), xycoords=("axes fraction", "data"), va="center", xytext=(8, 0),
                          textcoords="offset points", color=theme["ink"], fontweight="bold" if test else "normal",
                          annotation_clip=False)  # fmt: skip
        y += 1.15
    axes.set_yticks([*shown], [one["name"] for one in shown.values()])
    axes.set_ylim(y - 0.5, -0.6)
    _share_axis(axes, theme, language, axis, shown, [*shown.values()])
    return figure


def _classes(theme: Theme, language: Language, pairs: list[Row], network: str, axis: str, omitted: str) -> Drawing:
    look, columns = network_style(network), 1 if len(pairs) <= ONE_COLUMN else 2
    rows = math.ceil(len(pairs) / columns)
    size = theme.size * (1 if rows <= 15 else 0.92 if columns == 1 else 0.84)
    height = (rows + 0.6) * size * (1.6 if rows <= 15 else 1.32) + 4 * theme.size
    figure, panels = canvas(theme, height / 72, 1, columns, wide=columns == 2, squeeze=False)
    for column, axes in enumerate(panels[0]):
        part = pairs[column * rows : (column + 1) * rows]
        axes.set_yticks(range(len(part)), [one["name"] for one in part], fontsize=size)
        axes.set_ylim(rows - 0.4, -0.6)
        _share_axis(axes, theme, language, axis, dict(enumerate(part)), pairs)
        for y, one in enumerate(part):
            mark = "good" if one is pairs[0] else "bad" if one is pairs[-1] else ""
            _whisker(axes, y, one, theme[mark or look.colour], 1.6 if mark else 0.8, marker=look.marker,
                     markersize=6 if mark else 4)  # fmt: skip
            if mark:
                axes.get_yticklabels()[y].set(fontweight="bold", color=theme[mark])
                low, high = one["ends"] or [one["value"]] * 2
                left = low - axes.get_xlim()[0] > axes.get_xlim()[1] - high  # where the axis has more room
                axes.annotate(one["printed"], (low if left else high, y), xytext=(-5 if left else 5, 0),
                              textcoords="offset points", ha="right" if left else "left", va="center",
                              color=theme[mark], fontsize=theme.size * 0.92)  # fmt: skip
    if omitted:
        figure.suptitle(omitted, fontsize=theme.size, color=theme["muted"])
    return figure


def _whisker(axes: Any, y: float, one: Row, colour: str, width: float, **look: Any) -> None:
    if one["ends"]:
        axes.plot(one["ends"], [y, y], color=colour, linewidth=width, marker="|", markersize=4, solid_capstyle="butt")
    axes.plot([one["value"]], [y], color=colour, linewidth=0, **look)


def _share_axis(
    axes: Any, theme: Theme, language: Language, title: str, shown: Mapping[float, Row], every: Sequence[Row]
) -> None:
    """From a round share below the lowest interval of all to a round one above the highest; what each row says."""
    ends = [end for one in every for end in one["ends"] or [one["value"]]]
    left = max(0.0, math.floor((min(ends) - 0.02) * 10) / 10)
    right = min(1.0, math.ceil((max(ends) + 0.02) * 10) / 10)
    axes.set_xlim(left - (right - left) * 0.02, right + (right - left) * 0.02)
    round_ticks(axes.xaxis, language.number, most=5, scale=100)
    axes.set_xlabel(f"{title} (%)")
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    bands(axes.axhspan, theme, ((place, one["said"]) for place, one in shown.items()))
