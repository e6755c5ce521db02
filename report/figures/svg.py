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
from typing import Any

from cnnlab.store.files import replace_file
from report.evidence.quantity import Figure
from report.figures.theme import COLOURS, WRITTEN, Drawing, Theme

VERSION = 6
"""Bumped by hand when the same figure would be drawn otherwise."""

_SENTINELS = {light: name for name, (light, _) in COLOURS.items()}
_PLACES = re.compile(r' (?:d|x|y)="[^"]*"|translate\([^)]*\)')
_TIP = re.compile(r'<g id="tip:([0-9a-f]*)">')


def drawn(figure: Figure, theme: Theme, folder: Path) -> str:
    """The figure as an `<svg>` element, from `folder` when it was drawn before, which imports no matplotlib.

    A file that is cut or altered is drawn again; Unwritable where the folder is.
    """
    path = folder / f"{drawing_key(figure, theme)}.svg"
    digest, _, body = (path.read_bytes() if path.is_file() else b"").partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        body = svg(figure, theme).encode()
        replace_file(path, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    return body.decode()


def drawing_key(figure: Figure, theme: Theme) -> str:
    """Sha256 (hex) of all that the drawing depends on: function, data, alternative text, theme and `VERSION`.

    `figure.data` that are not JSON (a NaN is not) are a TypeError or a ValueError.
    """
    draw: Any = figure.draw
    while isinstance(draw, partial):
        draw = draw.func
    parts = [f"{draw.__module__}.{draw.__qualname__}", figure.data, figure.alt, asdict(theme), VERSION]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def settings(theme: Theme) -> dict[str, Any]:
    """matplotlib's settings for a theme; `$` and `_` of class names are text, not formulas."""
    ticks = {"color": theme["rule"], "labelcolor": theme["muted"], "labelsize": theme.size * 0.92, "major.width": 0.7,
             "major.size": 3}  # fmt: skip
    return {f"{side}tick.{key}": value for side in "xy" for key, value in ticks.items()} | {
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


def paint(figure: Figure, theme: Theme) -> Drawing:
    """The matplotlib figure, made in the theme's settings."""
    import matplotlib

    from report.figures.fonts import register

    register()
    with matplotlib.rc_context(settings(theme)):  # type: ignore[arg-type]
        return figure.draw(theme)


def saved(figure: Figure, theme: Theme, **form: Any) -> tuple[bytes, tuple[float, float]]:
    """The drawing as a file of this `format`, and how wide and high it is in inches.

    Scripts that no font here has are left to the reader's fonts in an SVG; in a picture they are boxes.
    """
    import matplotlib

    buffer = io.BytesIO()
    with warnings.catch_warnings(), matplotlib.rc_context(settings(theme)):  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font", category=UserWarning)
        drawing = paint(figure, theme)
        drawing.savefig(buffer, **form)
    width, height = drawing.get_size_inches()
    return buffer.getvalue(), (width, height)


def svg(figure: Figure, theme: Theme) -> str:
    """Draw `figure` as an `<svg>` element to be put into a page; the same input gives the same bytes."""
    content, _ = saved(figure, theme, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    head, body = content.decode().partition("<svg")[2].strip().split(">", 1)
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head).groups()  # type: ignore[union-attr]
    body = re.sub(r"\s*<metadata>.*?</metadata>|<!--.*?-->\s*", "", body, flags=re.S)
    own, title = f'width="{width}pt" height="{height}pt"', f"<title>{escape(figure.alt)}</title>"
    if theme.name == "screen":  # browsers would show a title over those of the marks
        own, title = f'style="width:100%;max-width:{float(width) / 0.75:.0f}px;height:auto"', ""

    def mark(tip: re.Match[str]) -> str:
        said = f' pointer-events="all"><title>{escape(bytes.fromhex(tip[1]).decode())}</title>'
        return f"<g{said}" if theme.name == "screen" else "<g>"

    # Only inside tags: a class may be called “#174a93”.
    prefix = f"f{drawing_key(figure, theme)[:10]}"
    body = re.sub(r"\n\s*", "\n", _TIP.sub(mark, body))
    body = re.sub(r"<[^>]*>", lambda found: _tag(found[0], theme, prefix), body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" class="drawing" '
        f'role="img" aria-label="{escape(figure.alt)}" viewBox="0 0 {width} {height}" {own}>{title}{body}'
    )


def _tag(tag: str, theme: Theme, prefix: str) -> str:
    """A tag with its places rounded, an id of the drawing's own, and colours as the page takes them."""
    tag = _PLACES.sub(_shortened, tag)
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


def _shortened(found: re.Match[str]) -> str:
    """Places to a hundredth of a point, which is finer than any printer, without the space that paths do not need."""
    places = re.sub(r"\.0+(?!\d)|(?<=\.\d)0(?!\d)", "", re.sub(r"(\.\d\d)\d+", r"\1", found[0]))
    return re.sub(r"\s*([MLCQz])\s*", r"\1", places) if places.startswith(" d=") else places
