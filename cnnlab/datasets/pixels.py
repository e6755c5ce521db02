"""From an image file to RGB pixels, and from pixels of any size to the square that the networks see."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from PIL import Image, ImageFile

from cnnlab.datasets.pictures import Picture, Undecodable

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
"""The decoders that files of unknown origin are allowed to reach, whatever the file's suffix says."""

MOST_PIXELS = 64_000_000
"""Images that announce more pixels than this in their header are refused before any is decoded."""

_DAMAGE = (
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
)

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_file(source: Path | BinaryIO) -> Picture:
    """Decode a photograph (a file, or an open one) completely, upright, as 8-bit grey or RGB, transparency on white.

    Raises:
        Undecodable: not an image, truncated, of a refused format or size, or unreadable.
    """
    # WeasyPrint switches this on for the whole process when it is imported, and a file cut short would pass as whole.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with Image.open(source, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise Undecodable(f"{width}x{height} pixels, more than the {MOST_PIXELS:,} accepted")
            image.load()
            return _picture(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Undecodable(f"more than the {MOST_PIXELS:,} pixels accepted") from None
    except Image.UnidentifiedImageError:
        raise Undecodable("not a JPEG, PNG, WebP or BMP image") from None
    except MemoryError:
        raise Undecodable("too large for the memory") from None
    except OSError as problem:
        raise Undecodable(problem.strerror or str(problem)) from None
    except _DAMAGE as problem:
        # What Pillow's parsers raise on hostile bytes; none of them can come from our own arithmetic above.
        raise Undecodable(f"damaged: {problem}") from None


def _picture(image: Image.Image) -> Picture:
    notes = []
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        notes.append("several-frames")
    turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    flat, note = _flat(image)
    if note:
        notes.append(note)
    if turn is not None:
        flat = flat.transpose(turn)
        notes.append("rotated")
    return Picture(np.asarray(flat, dtype=np.uint8), tuple(notes))


def _flat(image: Image.Image) -> tuple[Image.Image, str | None]:
    """The image in mode L or RGB, and the kind of finding that the conversion is worth."""
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image, None
    if image.mode == "1":
        return image.convert("L"), None
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        # To the nearest of 256 levels in whole numbers: floats of a large image would take gigabytes.
        deep = np.clip(np.asarray(image), 0, 0xFFFF).astype(np.uint32)
        return Image.fromarray(((deep + 128) // 257).astype(np.uint8)), "deep"
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        if clear.getchannel("A").getextrema() == (255, 255):
            return clear.convert("RGB"), None
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB"), "transparent"
    return image.convert("RGB"), "cmyk" if image.mode == "CMYK" else None


def fit_square(pixels: np.ndarray, side: int, fit: Literal["crop", "pad", "stretch"]) -> np.ndarray:
    """Resize to a square, antialiased: Lanczos when shrinking, bicubic when enlarging.

    Args:
        pixels: uint8 (h, w) or (h, w, 3).
        side: of the square, in pixels.
        fit: "crop" keeps the central square, "pad" keeps everything between black bars, "stretch" distorts.

    Returns:
        uint8 (side, side) or (side, side, 3), as given.
    """
    height, width = pixels.shape[:2]
    if height == width == side:
        return pixels
    image = Image.fromarray(pixels)
    if fit == "stretch":
        return np.asarray(_resized(image, (side, side), (0, 0, width, height)))
    if fit == "crop":
        short = min(height, width)
        left, top = (width - short) / 2, (height - short) / 2
        return np.asarray(_resized(image, (side, side), (left, top, left + short, top + short)))
    long = max(height, width)
    inner = (max(1, round(width * side / long)), max(1, round(height * side / long)))
    canvas = Image.new(image.mode, (side, side))
    canvas.paste(_resized(image, inner, (0, 0, width, height)), ((side - inner[0]) // 2, (side - inner[1]) // 2))
    return np.asarray(canvas)


def _resized(image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float]) -> Image.Image:
    shrinking = size[0] * size[1] < (box[2] - box[0]) * (box[3] - box[1])
    return image.resize(size, Image.Resampling.LANCZOS if shrinking else Image.Resampling.BICUBIC, box=box)


def as_rgb(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3): grey images are repeated over the three channels."""
    return np.repeat(pixels[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels
