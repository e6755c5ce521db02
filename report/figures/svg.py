"""From a matplotlib figure to an `<svg>` element that pages can hold, in light and dark, kept where nothing changed.

Text stays text: pages select it, and what Source Sans lacks (Chinese, Arabic, emoji) is drawn by the reader's fonts.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
from dataclasses import asdict
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.store.files import replace_file
from report.figures.theme import COLOURS, WRITTEN, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure

    from report.evidence.quantity import Figure

VERSION = 6
"""Bumped by hand when the same figure would be drawn otherwise."""

_SENTINELS = {light: name for name, (light, _) in COLOURS.items()}
_PLACES = re.compile(r' (?:d|x|y)="[^"]*"|translate\([^)]*\)')
_TIP = re.compile(r'<g id="tip:([0-9a-f]*)">')


def drawn(figure: Figure, theme: Theme, folder: Path) -> str:
    """The figure as an `<svg>` element, from `folder` when it was drawn before, which imports no matplotlib.

    A file that is cut or altered is drawn again.

    Raises:
        Unwritable: the folder cannot be written.
    """
    path = folder / f"{drawing_key(figure, theme)}.svg"
    digest, _, body = (path.read_bytes() if path.is_file() else b"").partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        body = svg(figure, theme).encode()
        replace_file(path, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    return body.decode()


def drawing_key(figure: Figure, theme: Theme) -> str:
    """Sha256 (hex) of all that the drawing depends on: function, data, alternative text, theme and `VERSION`.

    Raises:
        TypeError, ValueError: `figure.data` is not JSON (a NaN is not).
    """
    draw: Any = figure.draw
    while isinstance(draw, partial):
        draw = draw.func
    parts = [f"{draw.__module__}.{draw.__qualname__}", figure.data, figure.alt, asdict(theme), VERSION]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def settings(theme: Theme) -> dict[str, Any]:
    """matplotlib's settings for a theme; `$` and `_` of class names are text, not formulas."""
    sides = {
        f"{side}tick.{key}": value
        for side in "xy"
        for key, value in {
            "color": theme["rule"], "labelcolor": theme["muted"], "labelsize": theme.size * 0.92, "major.width": 0.7,
            "major.size": 3,
        }.items()
    }  # fmt: skip
    return sides | {
        "font.family": list(theme.family), "font.size": theme.size,
        "text.parse_math": False, "text.usetex": False, "text.color": theme["ink"], "axes.formatter.use_mathtext": False,
        "axes.titlesize": theme.size, "axes.titleweight": "bold", "axes.titlelocation": "left",
        "axes.labelsize": theme.size, "axes.labelcolor": theme["muted"], "axes.edgecolor": theme["rule"],
        "axes.linewidth": 0.7, "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
        "axes.facecolor": "none", "figure.facecolor": "none", "savefig.facecolor": "none",
        "grid.color": theme["grid"], "grid.linewidth": 0.7, "ytick.alignment": "center",
        "legend.frameon": False, "legend.labelcolor": theme["muted"], "legend.fontsize": theme.size * 0.92,
        "lines.linewidth": 1.6, "lines.solid_capstyle": "round", "path.simplify": False,
        "svg.fonttype": "none", "svg.hashsalt": "cnnlab",
    }  # fmt: skip


def paint(figure: Figure, theme: Theme) -> MplFigure:
    """The matplotlib figure, made in the theme's settings."""
    import matplotlib

    from report.figures.fonts import register

    register()
    with matplotlib.rc_context(settings(theme)):  # type: ignore[arg-type]
        return figure.draw(theme)


def svg(figure: Figure, theme: Theme) -> str:
    """Draw `figure` as an `<svg>` element to be put into a page; the same input gives the same bytes."""
    import matplotlib

    buffer = io.StringIO()
    with warnings.catch_warnings(), matplotlib.rc_context(settings(theme)):  # type: ignore[arg-type]
        # Glyphs that Source Sans lacks are drawn by the reader's fonts: here they only lack a measured width.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font", category=UserWarning)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        paint(figure, theme).savefig(buffer, format="svg", metadata=nothing)
    head, body = buffer.getvalue().partition("<svg")[2].strip().split(">", 1)
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head).groups()  # type: ignore[union-attr]
    body = re.sub(r"\s*<metadata>.*?</metadata>|<!--.*?-->\s*", "", body, flags=re.S)
    said = theme.name == "screen"
    body = _TIP.sub(
        lambda found: f"<g><title>{escape(bytes.fromhex(found[1]).decode())}</title>" if said else "<g>", body
    )
    # Only inside tags: a class may be called “#174a93”.
    prefix = f"f{drawing_key(figure, theme)[:10]}"
    body = re.sub(r"<[^>]*>", lambda found: _tag(found[0], theme, prefix), re.sub(r"\n\s*", "\n", body))
    if theme.name == "print":
        own, title = f'width="{width}pt" height="{height}pt"', f"<title>{escape(figure.alt)}</title>"
    else:  # browsers would show a title over those of the marks
        own, title = f'style="width:100%;max-width:{float(width) / 0.75:.0f}px;height:auto"', ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" class="drawing" '
        f'role="img" aria-label="{escape(figure.alt)}" viewBox="0 0 {width} {height}" {own}>{title}{body}'
    )


def _tag(tag: str, theme: Theme, prefix: str) -> str:
    """A tag with its places rounded, an id of the drawing's own, and colours as the page takes them."""
    tag = _PLACES.sub(lambda found: _shortened(found[0]), tag)
    tag = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{prefix}-", tag)
    families = ", ".join(f"'{name}'" for name in theme.family)
    tag = tag.replace(families, f"{families}, sans-serif")

    def colour(found: re.Match[str]) -> str:
        value = found[0]
        name = _SENTINELS.get(value)
        if name in WRITTEN and tag.startswith("<text"):
            name, value = f"{name}-text", WRITTEN[name][0]
        return f"var(--{name},{value})" if name and theme.name == "screen" else value

    return re.sub(r"#[0-9a-f]{6}\b", colour, tag)


def _shortened(places: str) -> str:
    """Places to a hundredth of a point, which is finer than any printer, without the space that paths do not need."""
    places = re.sub(r"(\.\d\d)\d+", r"\1", places)
    places = re.sub(r"\.0+(?!\d)|(?<=\.\d)0(?!\d)", "", places)
    return re.sub(r"\s*([MLCQz])\s*", r"\1", places) if places.startswith(" d=") else places
