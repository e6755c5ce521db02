"""The artist that carries a chart's answers through the layout; apart, since it needs matplotlib to be defined."""

from __future__ import annotations

from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes


class Spots(Artist):
    """Draws nothing and takes no room; `content` is what `report.figures.hover` put there."""

    def __init__(self, host: Axes, by: Any, content: dict[str, Any]) -> None:
        super().__init__()
        self.host = host
        self.by = by
        self.content = content
        self.set_in_layout(False)
