"""A figure in one file: how often a network gives each answer, beside how often it would be right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from report.evidence.language import Language
from report.evidence.quantity import Figure, Quantity, Under
from report.figures.theme import Drawing, Theme, canvas, chart, clean, round_ticks, tip


def answers_chart(
    names: Sequence[str], answers: Sequence[Quantity], images: Sequence[int], language: Language, **under: Unpack[Under]
) -> Figure:
    """A bar a class: `answers` as shares of all, and a line at the share of its `images`."""
    rows = [
        {"name": clean(name), "share": one.value, "own": own / sum(images), "printed": str(language.quantity(one))}
        for name, one, own in zip(names, answers, images, strict=True)
    ]
    most = max(rows, key=lambda row: row["share"])
    alt = f"{most['name']}: {most['printed']}"
    return chart(_draw, language, alt, under, rows=rows, axis=language.text("Share"))


def _draw(theme: Theme, language: Language, rows: list[dict[str, Any]], axis: str) -> Drawing:
    figure, axes = canvas(theme, (len(rows) + 3) * theme.size * 1.6 / 72)
    for bar, row in zip(axes.barh(range(len(rows)), [row["share"] for row in rows], 0.7), rows, strict=True):
        bar.set(color=theme["series-1"])
        tip(bar, row["name"], row["printed"])
    axes.plot([row["own"] for row in rows], range(len(rows)), "|", color=theme["ink"], markersize=14)
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
    round_ticks(axes.xaxis, language.number, scale=100)
    axes.set_xlabel(f"{axis} (%)")
    return figure
