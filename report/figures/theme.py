"""How every figure looks: colours, one style per network, and the pieces that charts are made of.

On screen each colour is written as `var(--name, #fallback)`, so that the page's style sheet switches to dark mode
without drawing again. On paper colours are plain. Nothing here imports matplotlib until a figure is drawn.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from cnnlab.errors import printable
from cnnlab.networks import find_network, network_names
from cnnlab.style import LEAST_CONTRAST, readable
from report.evidence.language import Language
from report.evidence.quantity import Figure, Under

if TYPE_CHECKING:
    import matplotlib.figure

Drawing: TypeAlias = "matplotlib.figure.Figure"

COLOURS: dict[str, tuple[str, str]] = {
    "ink": ("#1c1f24", "#e9eaec"), "muted": ("#555d69", "#a7aeb9"), "rule": ("#858c97", "#7d8590"),
    "grid": ("#e2e4e8", "#30353c"), "paper": ("#fffffe", "#16181c"),
    "series-1": ("#13427f", "#6a9bf4"), "series-2": ("#b95b14", "#ffae6b"), "series-3": ("#0a6a55", "#8af0d0"),
    "series-4": ("#5c1706", "#be6e97"), "series-5": ("#1e6aea", "#dbc8fe"), "series-6": ("#7c658d", "#809070"),
    "series-7": ("#9a1235", "#ffeb32"), "series-8": ("#47213a", "#3d9507"),
    "heat": ("#1a4b94", "#8ab6ff"), "on-heat": ("#fefeff", "#101318"),
    "good": ("#0b7b64", "#40d0a9"), "bad": ("#b3402b", "#ff9c85"),
    "conv": ("#93cda1", "#4f9a66"), "conv-edge": ("#245c36", "#b4e3c1"), "pool": ("#4d80c2", "#3f6fb0"),
    "pool-edge": ("#1f4b80", "#b9d5f7"), "dense": ("#d9c58a", "#a8935a"), "dense-edge": ("#66541b", "#efe0b4"),
}  # fmt: skip
"""Custom property -> colour on white and on the dark page. Light values are all different: they are the sentinels."""

WRITTEN = {
    name: (readable(light, COLOURS["paper"][0], LEAST_CONTRAST), readable(dark, COLOURS["paper"][1], LEAST_CONTRAST))
    for name, (light, dark) in COLOURS.items()
    if name.startswith("series-")
}
"""The colours of series as text is set in them, in the custom properties `--<name>-text`: lines may be paler than words."""


@dataclass(frozen=True)
class Theme:
    """What a figure is drawn for; its items are the hex values of `COLOURS` by name."""

    name: Literal["screen", "print"]  # on screen colours become custom properties
    colours: Mapping[str, str]
    size: float  # points of ordinary text
    width: float  # inches of a figure in the text column
    wide: float  # inches of one that has the full width
    family: tuple[str, ...] = ("Source Sans 3", "DejaVu Sans")

    def __getitem__(self, name: str) -> str:
        return self.colours[name]


_LIGHT = {name: light for name, (light, _) in COLOURS.items()}
SCREEN = Theme("screen", _LIGHT, size=9.75, width=6.2, wide=7.08)
PRINT = Theme("print", {**_LIGHT, "paper": "#ffffff"}, size=8.0, width=5.1, wide=6.53)


class NetworkStyle(NamedTuple):
    """One network's looks: name of its colour in `COLOURS`, matplotlib line style and marker."""

    colour: str
    dash: Any
    marker: str


STYLES = (
    NetworkStyle("series-1", "solid", "o"),
    NetworkStyle("series-2", (0, (5, 1.6)), "s"),
    NetworkStyle("series-3", (0, (7, 1.6, 1.4, 1.6)), "^"),
    NetworkStyle("series-4", (0, (1.4, 1.4)), "D"),
    NetworkStyle("series-5", (0, (9, 2)), "v"),
    NetworkStyle("series-6", (0, (3, 1.4, 1.2, 1.4, 1.2, 1.4)), "P"),
    NetworkStyle("series-7", (0, (10, 1.6, 3, 1.6)), "X"),
    NetworkStyle("series-8", (0, (2.6, 2.6)), "p"),
)
"""All eight differ in dash and in marker, so that grey print tells them apart. The first are of `FIRST`."""

FIRST = ("vgg19", "alexnet", "resnet50")


def network_style(network: str) -> NetworkStyle:
    """The style of a network, the same in every figure.

    Networks of the registry beside the first take the others in order; names that it does not know a stable one each.
    """
    if network in FIRST:
        return STYLES[FIRST.index(network)]
    added, others = [name for name in network_names() if name not in FIRST], STYLES[len(FIRST) :]
    if network in added:
        return others[added.index(network) % len(others)]
    return others[int.from_bytes(hashlib.sha256(network.encode()).digest()[:4]) % len(others)]


def network_title(network: str) -> str:
    """A network's name in prose, made fit for a figure; its own name when the registry has none."""
    return clean(find_network(network).TITLE if network in network_names() else network)


def clean(text: str, limit: int = 40) -> str:
    """Text of unknown origin made fit for XML and one line; longer than `limit` characters it ends in an ellipsis."""
    spaced = "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in text)
    shown = printable(" ".join(spaced.split()))
    return shown if len(shown) <= limit else shown[: limit - 1].rstrip() + "…"


def chart(
    draw: Callable[..., Drawing], language: Language, alt: str, under: Under, *, wide: bool = False, **data: Any
) -> Figure:
    """The figure that `draw(theme, language=…, **data)` draws; `data` are JSON, and all that the drawing depends on."""
    drawing = partial(draw, language=language, **data)
    return Figure(alt=alt, data={"code": language.code, **data}, draw=drawing, wide=wide, **under)


def canvas(
    theme: Theme, height: float, rows: int = 1, columns: int = 1, *, wide: bool = False, **grid: Any
) -> tuple[Drawing, Any]:
    """A figure of the column's or of the full width, `height` inches high, and its axes as `subplots` gives them."""
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(theme.wide if wide else theme.width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **grid)


def round_ticks(
    axis: Any, show: Callable[[float, int], str], *, most: int = 6, least: int = 0, scale: int = 1, whole: bool = False
) -> None:
    """At most `most` round ticks, of `whole` numbers alone if need be; `show` puts a value times `scale` into words,
    with as many decimals as all ticks need, and no fewer than `least`."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=most, integer=whole, steps=[1, 2, 2.5, 5, 10]))
    first, second, *_ = axis.get_majorticklocs()
    exponent = Decimal(f"{(second - first) * scale:.4g}").normalize().as_tuple().exponent
    digits = max(least, -int(exponent))
    axis.set_major_formatter(FuncFormatter(lambda value, _: show(value * scale, digits)))


def tip(artist: Any, *lines: str) -> None:
    """Have the page say these lines where the pointer rests on the artist; `report.figures.svg` writes its title."""
    artist.set_gid("tip:" + "\n".join(filter(None, lines)).encode().hex())


def bands(draw: Callable[..., Any], theme: Theme, said: Iterable[tuple[float, str]]) -> None:
    """Invisible bands across the axes that say these words half a unit around each place, on screen; `draw` is `axvspan`
    or `axhspan` of axes whose limits are set."""
    for place, words in said if theme.name == "screen" else ():
        tip(draw(place - 0.5, place + 0.5, alpha=0, linewidth=0, zorder=9), words)


def screen_css() -> str:
    """The colours as custom properties, with those of dark mode, for the page's style sheet."""
    colours = COLOURS | {f"{name}-text": both for name, both in WRITTEN.items()}
    light, dark = ("".join(f"--{name}:{value[mode]};" for name, value in colours.items()) for mode in (0, 1))
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"
