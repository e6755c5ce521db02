"""From a matplotlib figure to an `<svg>` element that pages can hold, in light and dark."""

from __future__ import annotations

import io
import re
import warnings
from html import escape
from typing import TYPE_CHECKING, Any

from report.figures.hover import answers
from report.figures.theme import COLOURS, WRITTEN, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure

    from report.evidence.quantity import Figure

_PLACES = re.compile(r' (?:d|x|y)="[^"]*"|translate\([^)]*\)')
_SENTINELS = {light: name for name, (light, _) in COLOURS.items()}


def settings(theme: Theme) -> dict[str, Any]:
    """matplotlib's settings for a theme; `$` and `_` of class names are text, not formulas."""
    return {
        "font.family": list(theme.family),
        "font.size": theme.size,
        "text.parse_math": False,
        "text.usetex": False,
        "text.color": theme["ink"],
        "axes.labelcolor": theme["muted"],
        "axes.labelsize": theme.size,
        "axes.titlesize": theme.size,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.edgecolor": theme["rule"],
        "axes.linewidth": 0.7,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "axes.axisbelow": True,
        "axes.formatter.use_mathtext": False,
        "grid.color": theme["grid"],
        "grid.linewidth": 0.7,
        "xtick.color": theme["rule"],
        "ytick.color": theme["rule"],
        "xtick.labelcolor": theme["muted"],
        "ytick.labelcolor": theme["muted"],
        "xtick.labelsize": theme.size * 0.92,
        "ytick.labelsize": theme.size * 0.92,
        "xtick.major.width": 0.7,
        "ytick.major.width": 0.7,
        "xtick.major.size": 3,
        "ytick.major.size": 3,
        "figure.facecolor": "none",
        "savefig.facecolor": "none",
        "ytick.alignment": "center",
        "lines.linewidth": 1.6,
        "lines.solid_capstyle": "round",
        "lines.scale_dashes": True,
        "path.simplify": False,
        "svg.fonttype": "none",
        "svg.image_inline": True,
    }


def paint(figure: Figure, theme: Theme) -> MplFigure:
    """The matplotlib figure, made in the theme's settings."""
    import matplotlib

    from report.figures.fonts import register

    register()
    drawn_with: Any = settings(theme)
    with matplotlib.rc_context(drawn_with):
        return figure.draw(theme)


def render(figure: Figure, theme: Theme, key: str) -> str:
    """The figure as `<svg>`; `key` makes its ids its own."""
    import matplotlib

    with warnings.catch_warnings():
        # Glyphs that Source Sans lacks are drawn by the reader's fonts: here they only lack a measured width.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font", category=UserWarning)
        drawing = paint(figure, theme)
        buffer = io.StringIO()
        drawn_with: Any = {**settings(theme), "svg.hashsalt": "cnnlab"}
        with matplotlib.rc_context(drawn_with):
            nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            drawing.savefig(buffer, format="svg", metadata=nothing)
            said = answers(drawing) if theme.name == "screen" else ""
    return _page_ready(buffer.getvalue(), figure, theme, f"f{key[:10]}", said)


def _page_ready(text: str, figure: Figure, theme: Theme, prefix: str, said: str) -> str:
    text = text[text.index("<svg") :].strip()
    head, body = text.split(">", 1)
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head).groups()  # type: ignore[union-attr]
    body = re.sub(r"\s*<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.S)
    body = re.sub(r"\n\s*", "\n", body)
    # Only inside tags: a class may be called “#174a93”.
    body = re.sub(r"<[^>]*>", lambda found: _tag(found.group(), theme, prefix), body)
    if theme.name == "print":
        own, title = f' width="{width}pt" height="{height}pt"', f"<title>{escape(figure.alt)}</title>"
    else:  # browsers would show a title over what the chart itself answers
        title = ""
        own = f' style="width:100%;max-width:{float(width) / 0.75:.0f}px;height:auto"' + _hover(said)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" class="drawing" '
        f'role="img" aria-label="{escape(figure.alt)}" viewBox="0 0 {width} {height}"{own}'
        f">{title}{body}"
    )


def _hover(said: str) -> str:
    """The answers as an attribute in single quotes, since JSON is full of the other ones."""
    if not said:
        return ""
    quoted = escape(said, quote=False).replace("'", "&#39;")
    return f" data-hover='{quoted}'"


def _tag(tag: str, theme: Theme, prefix: str) -> str:
    tag = _PLACES.sub(lambda found: _shortened(found.group()), tag)
    tag = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{prefix}-", tag)
    families = ", ".join(f"'{name}'" for name in theme.family)
    tag = tag.replace(families, f"{families}, sans-serif")
    written = tag.startswith("<text")
    return re.sub(r"#[0-9a-f]{6}\b", lambda found: _colour(found.group(), theme, written), tag)


def _colour(colour: str, theme: Theme, written: bool) -> str:
    """A colour as the page takes it: on screen by its property; `written`: legible as text."""
    name = _SENTINELS.get(colour)
    if name is None:
        return colour
    if written and name in WRITTEN:
        name, colour = f"{name}-text", WRITTEN[name][0]
    return f"var(--{name},{colour})" if theme.name == "screen" else colour


def _shortened(places: str) -> str:
    """Places to a hundredth of a point, which is finer than any printer, without the space that paths do not need."""
    places = re.sub(r"(\.\d\d)\d+", r"\1", places)
    places = re.sub(r"\.0+(?!\d)|(?<=\.\d)0(?!\d)", "", places)
    return re.sub(r"\s*([MLCQz])\s*", r"\1", places) if places.startswith(" d=") else places
