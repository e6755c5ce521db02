"""The `[style]` table of a lab file: logo, accent colour and student number. Nothing of it reaches a run's identity."""

from __future__ import annotations

import colorsys
import re
from pathlib import Path

from pydantic import Field, field_validator

from cnnlab.spec import Frozen

PAGE = "#fffffe"
"""The light page, whose colour accents are read on."""

LEAST_CONTRAST = 4.5
"""Of text against its background, by WCAG 2 at level AA."""

LONGEST_ID = 64


class HouseStyle(Frozen):
    """How a report shows whose it is. `logo` is checked where it is read (`report.render.assets`)."""

    logo: Path | None = Field(None, description="PNG, JPEG or SVG in the title block, at most 512 KiB and 4096 pixels")
    accent: str | None = Field(None, description="`#rrggbb` of links and rules, readable on white (contrast 4.5)")
    student_id: str | None = Field(None, description="under the authors; `{id}` of `--submission-name`")

    @field_validator("accent")
    @classmethod
    def _is_legible(cls, accent: str | None) -> str | None:
        if accent is None:
            return None
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", accent):
            raise ValueError("a colour written #rrggbb, as #174a93")
        if (found := contrast(accent, PAGE)) < LEAST_CONTRAST:
            better = f"this one has {int(found * 100) / 100:.2f}, and {readable(accent, PAGE, LEAST_CONTRAST)} would do"
            raise ValueError(f"a colour with a contrast of at least {LEAST_CONTRAST} against the white page; {better}")
        return accent.lower()

    @field_validator("student_id")
    @classmethod
    def _is_one_line(cls, text: str | None) -> str | None:
        if text is not None and not (text.isprintable() and text.strip() == text and 0 < len(text) <= LONGEST_ID):
            raise ValueError(f"1 to {LONGEST_ID} printable characters on one line, no space around them")
        return text


def contrast(one: str, other: str) -> float:
    """The contrast of two colours `#rrggbb`, 1 to 21, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _channels(colour))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def readable(colour: str, page: str, least: float) -> str:
    """The nearest colour of the same hue, darker on a light `page` and lighter on a dark one, with `least` contrast."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*_channels(colour))
    end = 1.0 if contrast("#ffffff", page) > contrast("#000000", page) else 0.0
    for step in range(101):
        channels = colorsys.hls_to_rgb(hue, lightness + (end - lightness) * step / 100, saturation)
        found = "#" + "".join(f"{round(255 * channel):02x}" for channel in channels)
        if contrast(found, page) >= least:
            break
    return found


def _channels(colour: str) -> tuple[float, float, float]:
    """Red, green and blue, 0-1."""
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue
