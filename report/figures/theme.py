"""How every figure looks: colours, one style per network, fonts, and the SVG that a page can hold.

On screen each colour is written as `var(--name, #fallback)`, so that the page's style sheet switches to dark mode
without drawing again. On paper colours are plain. Text stays text: pages select it, and what Source Sans lacks
(Chinese, Arabic, emoji) is drawn by the reader's fonts. Nothing here imports matplotlib until a figure is drawn.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

from cnnlab.networks import find_network, network_names
from cnnlab.style import LEAST_CONTRAST, readable

if TYPE_CHECKING:
    from report.evidence.quantity import Figure

VERSION = 5
"""Bumped by hand when the same figure would be drawn otherwise."""

COLOURS: dict[str, tuple[str, str]] = {
    "ink": ("#1c1f24", "#e9eaec"),
    "muted": ("#555d69", "#a7aeb9"),
    "rule": ("#858c97", "#7d8590"),
    "grid": ("#e2e4e8", "#30353c"),
    "paper": ("#fffffe", "#16181c"),
    "series-1": ("#13427f", "#6a9bf4"),
    "series-2": ("#b95b14", "#ffae6b"),
    "series-3": ("#0a6a55", "#8af0d0"),
    "series-4": ("#5c1706", "#be6e97"),
    "series-5": ("#1e6aea", "#dbc8fe"),
    "series-6": ("#7c658d", "#809070"),
    "series-7": ("#9a1235", "#ffeb32"),
    "series-8": ("#47213a", "#3d9507"),
    "heat": ("#1a4b94", "#8ab6ff"),
    "on-heat": ("#fefeff", "#101318"),
    "good": ("#0b7b64", "#40d0a9"),
    "bad": ("#b3402b", "#ff9c85"),
    "conv": ("#93cda1", "#4f9a66"),
    "conv-edge": ("#245c36", "#b4e3c1"),
    "pool": ("#4d80c2", "#3f6fb0"),
    "pool-edge": ("#1f4b80", "#b9d5f7"),
    "dense": ("#d9c58a", "#a8935a"),
    "dense-edge": ("#66541b", "#efe0b4"),
}
"""Custom property -> colour on white and on the dark page. Light values are all different: they are the sentinels."""

DARK_PAPER = COLOURS["paper"][1]

WRITTEN = {
    name: (readable(light, COLOURS["paper"][0], LEAST_CONTRAST), readable(dark, DARK_PAPER, LEAST_CONTRAST))
    for name, (light, dark) in COLOURS.items()
    if name.startswith("series-")
}
"""The colours of series as text is set in them, in the custom properties `--<name>-text`: lines may be paler than words."""


@dataclass(frozen=True)
class Theme:
    """What a figure is drawn for.

    Attributes:
        name: `screen` (colours become custom properties) or `print` (plain colours).
        colours: hex value by name of `COLOURS`.
        family: font families, the preferred one first.
        size: points of ordinary text in the figure.
        width: inches of a figure in the text column.
        wide: inches of a figure that has the full width.
    """

    name: Literal["screen", "print"]
    colours: Mapping[str, str]
    family: tuple[str, ...]
    size: float
    width: float
    wide: float

    def __getitem__(self, name: str) -> str:
        return self.colours[name]


_FAMILY = ("Source Sans 3", "DejaVu Sans")
_LIGHT = {name: light for name, (light, _) in COLOURS.items()}
SCREEN = Theme(name="screen", colours=_LIGHT, family=_FAMILY, size=9.75, width=6.2, wide=7.08)
PRINT = Theme(name="print", colours={**_LIGHT, "paper": "#ffffff"}, family=_FAMILY, size=8.0, width=5.1, wide=6.53)


@dataclass(frozen=True)
class NetworkStyle:
    """One network's looks: name of its colour in `COLOURS`, matplotlib dash pattern and marker."""

    colour: str
    dash: tuple[float, ...] | None
    marker: str


NETWORK_STYLES = {
    "vgg19": NetworkStyle("series-1", None, "o"),
    "alexnet": NetworkStyle("series-2", (5, 1.6), "s"),
    "resnet50": NetworkStyle("series-3", (7, 1.6, 1.4, 1.6), "^"),
}
_OTHERS = (
    NetworkStyle("series-4", (1.4, 1.4), "D"),
    NetworkStyle("series-5", (9, 2), "v"),
    NetworkStyle("series-6", (3, 1.4, 1.2, 1.4, 1.2, 1.4), "P"),
    NetworkStyle("series-7", (10, 1.6, 3, 1.6), "X"),
    NetworkStyle("series-8", (2.6, 2.6), "p"),
)
"""Of networks without an entry. All eight differ in dash and in marker, so that grey print tells them apart."""


def network_style(network: str) -> NetworkStyle:
    """The style of a network, the same in every figure.

    Networks of the registry without an entry take the others in order; names that it does not know a stable one each.
    """
    if network in NETWORK_STYLES:
        return NETWORK_STYLES[network]
    added = [name for name in network_names() if name not in NETWORK_STYLES]
    known = network in added
    place = added.index(network) if known else int.from_bytes(hashlib.sha256(network.encode()).digest()[:4])
    return _OTHERS[place % len(_OTHERS)]


def network_title(network: str) -> str:
    """A network's name in prose; its own name when the registry has none."""
    return find_network(network).TITLE if network in network_names() else network


class Words(Protocol):
    """What figures need of `report.evidence.language.Language`: its code and its catalogue."""

    @property
    def code(self) -> str:
        """`es`, `en`, …"""

    def text(self, msgid: str, /, **fields: Any) -> str:
        """The message in the language, its fields filled in."""


def number(value: float, digits: int, code: str) -> str:
    """`value` with a fixed number of decimals, thousands grouped: 1.234,5 in Spanish, 1,234.5 otherwise."""
    # Ties go to the even digit, as in prose and tables: 80.55 is 80.6 in both.
    text = f"{Decimal(repr(round(float(value), 10))):,.{digits}f}".replace("-", "\N{MINUS SIGN}")
    return text.translate(str.maketrans(",.", ".,")) if code.split("_")[0].split("-")[0] == "es" else text


def significant(value: float, code: str) -> str:
    """A positive number with three significant digits, without the zeros at its end: 0,0125."""
    decimals = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    text = number(value, min(decimals, 10), code)
    return text.rstrip("0").rstrip(",.") if decimals else text


def compact(value: float, code: str) -> str:
    """A count, from ten thousand on with one decimal and k, M or G: 4.096, 38,7 k, 143,7 M."""
    for limit, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= max(limit, 1e4) and value >= limit:
            return f"{number(value / limit, 1, code)}\N{NO-BREAK SPACE}{sign}"
    return number(value, 0, code)


def percent(value: float, digits: int, code: str) -> str:
    """A share as a percentage: 63,2 % in Spanish, 63.2% in English."""
    gap = "\N{NO-BREAK SPACE}" if code.startswith("es") else ""
    return f"{number(100 * value, digits, code)}{gap}%"


def clean(text: str, limit: int = 40) -> str:
    """Text of unknown origin made fit for XML and one line; longer than `limit` characters it ends in an ellipsis."""
    visible = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
    visible = "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) == "Cs" or c in "\ufffe\uffff" else c for c in visible
    )
    visible = " ".join(visible.split())
    return visible if len(visible) <= limit else visible[: limit - 1].rstrip() + "…"


def drawing_key(figure: Figure, theme: Theme) -> str:
    """Sha256 (hex) of all that the drawing depends on: function, data, alternative text, theme and `VERSION`.

    Raises:
        TypeError, ValueError: `figure.data` is not JSON (a NaN is not).
    """
    draw: Any = figure.draw
    while isinstance(draw, partial):
        draw = draw.func
    parts = {
        "draw": f"{draw.__module__}.{draw.__qualname__}",
        "data": figure.data,
        "alt": figure.alt,
        "theme": {**asdict(theme), "colours": dict(theme.colours)},
        "version": VERSION,
    }
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def svg(figure: Figure, theme: Theme) -> str:
    """Draw `figure` as an `<svg>` element to be put into a page; the same input gives the same bytes."""
    from report.figures.svg import render

    return render(figure, theme, drawing_key(figure, theme))


def screen_css() -> str:
    """The colours as custom properties, with those of dark mode, for the page's style sheet."""
    colours = COLOURS | {f"{name}-text": both for name, both in WRITTEN.items()}
    light = "".join(f"--{name}:{value[0]};" for name, value in colours.items())
    dark = "".join(f"--{name}:{value[1]};" for name, value in colours.items())
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"
