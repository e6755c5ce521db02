"""Decode every image of a data set on all cores, into a file of bare square pixels."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import signal
import struct
import threading
import warnings
import zlib
from collections import deque
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageFile, ImageOps

from cnnlab.datasets.lookalikes import LEAST_SIDE, NOT_HASHED, perceptual_hash
from cnnlab.datasets.table import Content, Pictures, Report, Undecodable
from cnnlab.errors import DataError
from cnnlab.spec import DatasetSpec

PROCESSES_FROM = 4000
"""Images from which on processes pay: small images are mostly Python's work, which threads do not share, and a process
takes about a second to start."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
"""The decoders that files of unknown origin are allowed to reach, whatever the file's suffix says."""

MOST_PIXELS = 64_000_000
"""Images that announce more pixels than this in their header are refused before any is decoded."""

Fit = Literal["crop", "pad", "stretch"]

_CHUNK = 128
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_DAMAGE = (ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError, struct.error, zlib.error)
"""What Pillow's parsers raise on hostile bytes."""


@dataclass(frozen=True)
class Look:
    """What was learnt of one image: sha256 of its RGB pixels at the original size, that size, the perceptual hash of the
    square that the networks see, and the kinds of findings it adds to. Or why it is bad."""

    digest: bytes = b""
    height: int = 0
    width: int = 0
    channels: int = 3
    perceptual: int = NOT_HASHED
    notes: tuple[str, ...] = ()
    problem: str | None = None


def decode_all(pictures: Pictures, spec: DatasetSpec, into: Path, report: Report) -> list[Look]:
    """Decode every image.

    Args:
        into: an existing file that is filled with uint8 (N, S, S, 3), bare, in the reader's order; what is undecodable is
            black. It is written, not mapped: memory stays as it is, and a full disk is an error and no signal.

    Returns what was learnt of each image, in the reader's order. Raises DataError: more than `spec.max_bad` of the
    images are undecodable, or a decoding process died; OSError: the file cannot be written.
    """
    total, cores, where = len(pictures.labels), os.cpu_count() or 1, pictures.where
    looks, bad = list[Look](), list[int]()
    waiting: deque[Future[list[Look]]] = deque()
    pool: Executor = ThreadPoolExecutor(cores)
    if total >= PROCESSES_FROM and cores > 1:
        # Spawned, not forked: the caller may have started a framework's threads.
        pool = ProcessPoolExecutor(cores, multiprocessing.get_context("spawn"), _live_with_parent)

    def content(row: int) -> Content | Undecodable:
        try:
            return pictures.content(row)
        except Undecodable as problem:
            return problem

    with pool:
        try:
            for first in range(0, total, _CHUNK):
                contents = [content(row) for row in range(first, min(first + _CHUNK, total))]
                waiting.append(pool.submit(_decode_some, contents, first, spec.image_size, spec.fit, into))
                while len(waiting) > (2 * cores if first + _CHUNK < total else 0):  # their contents are in memory
                    found = waiting.popleft().result()
                    bad += [index for index, look in enumerate(found, len(looks)) if look.problem]
                    looks += found
                    if len(bad) > spec.max_bad * total:
                        such = "; ".join(f"{pictures.sources[index]}: {looks[index].problem}" for index in bad[:3])
                        received = f"{len(bad)} bad among the first {len(looks)} of {total}, such as {such}"
                        expected = f"at most {spec.max_bad:.0%} of all (`max_bad` in the lab file)"
                        hint = "remove or replace the damaged files; an interrupted copy is the usual cause"
                        what = "too many images of the data set cannot be decoded"
                        raise DataError(what, where=where, received=received, expected=expected, hint=hint)
                    report(f"decoding {total:,} images", len(looks) / total)
        except BrokenProcessPool:
            hint = "the memory may be full: close other programs and run again. In a script of your own, call cnnlab "
            hint += 'below `if __name__ == "__main__":`'
            received = f"after {len(looks):,} of {total:,} images"
            raise DataError("a process that decodes images died", where=where, received=received, hint=hint) from None
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return looks


def _live_with_parent() -> None:
    """A worker leaves interruption to its parent, and does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent: Any = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _decode_some(contents: list[Content | Undecodable], first: int, side: int, fit: Fit, into: Path) -> list[Look]:
    """A run of images for one worker, whose squares are written to where they belong in the file."""
    squares, looks = np.zeros((len(contents), side, side, 3), np.uint8), list[Look]()
    # Pillow warns on odd but decodable files; they are findings or nothing, not noise on the user's screen.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for content, square in zip(contents, squares, strict=True):
            try:
                if isinstance(content, Undecodable):
                    raise content
                pixels, notes = (content, ()) if isinstance(content, np.ndarray) else decode_file(content)
            except Undecodable as problem:
                looks.append(Look(problem=str(problem)))
                continue
            digest, (height, width) = hashlib.sha256(_as_rgb(pixels).tobytes()).digest(), pixels.shape[:2]
            fitted = fit_square(pixels, side, fit)
            square[:] = _as_rgb(fitted)
            hashed = perceptual_hash(fitted) if min(height, width) >= LEAST_SIDE else NOT_HASHED
            looks.append(Look(digest, height, width, 1 if pixels.ndim == 2 else 3, hashed, notes))
    with into.open("r+b") as handle:
        handle.seek(first * side**2 * 3)
        handle.write(squares.tobytes())
    return looks


def decode_file(source: Path | bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    """A photograph (a file, or its bytes), decoded completely, upright, transparency on white.

    Returns uint8 (h, w) when grey, else (h, w, 3) RGB; and the kinds of findings that the image adds to.
    Raises Undecodable: not an image, truncated, of a refused format or size, or unreadable.
    """
    # WeasyPrint switches this on for the whole process when it is imported, and a file cut short would pass as whole.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise Undecodable(f"{width}x{height} pixels, more than the {MOST_PIXELS:,} accepted")
            image.load()
            frames = getattr(image, "n_frames", 1) > 1 and image.format != "MPO"
            turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
            flat, note = _flat(image)
            if turn is not None:  # not by ImageOps.exif_transpose, which stumbles over what else cameras write
                flat = flat.transpose(turn)
            notes = ("several-frames" * frames, note, "rotated" * (turn is not None))
            return np.asarray(flat, dtype=np.uint8), tuple(filter(None, notes))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Undecodable(f"more than the {MOST_PIXELS:,} pixels accepted") from None
    except Image.UnidentifiedImageError:
        raise Undecodable("not a JPEG, PNG, WebP or BMP image") from None
    except MemoryError:
        raise Undecodable("too large for the memory") from None
    except OSError as problem:
        raise Undecodable(problem.strerror or str(problem)) from None
    except _DAMAGE as problem:
        raise Undecodable(f"damaged: {problem}") from None


def _flat(image: Image.Image) -> tuple[Image.Image, str]:
    """The image in mode L or RGB, and the kind of finding that the conversion is worth, if any."""
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image, ""
    if image.mode == "1":
        return image.convert("L"), ""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        # To the nearest of 256 levels in whole numbers: floats of a large image would take gigabytes.
        deep = np.clip(np.asarray(image), 0, 0xFFFF).astype(np.uint32)
        return Image.fromarray(((deep + 128) // 257).astype(np.uint8)), "deep"
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        if clear.getchannel("A").getextrema() == (255, 255):
            return clear.convert("RGB"), ""
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB"), "transparent"
    return image.convert("RGB"), "cmyk" if image.mode == "CMYK" else ""


def fit_square(pixels: np.ndarray, side: int, fit: Fit) -> np.ndarray:
    """Resize uint8 (h, w) or (h, w, 3) to (side, side) or (side, side, 3): Lanczos to shrink, bicubic to enlarge.

    The fit "crop" keeps the central square, "pad" keeps everything between black bars, "stretch" distorts.
    """
    height, width = pixels.shape[:2]
    if height == width == side:
        return pixels
    image, long = Image.fromarray(pixels), max(height, width)
    inner = (side, side) if fit != "pad" else (max(1, round(width * side / long)), max(1, round(height * side / long)))
    seen = min(height, width) ** 2 if fit == "crop" else height * width
    how = Image.Resampling.LANCZOS if inner[0] * inner[1] < seen else Image.Resampling.BICUBIC
    if fit == "crop":
        return np.asarray(ImageOps.fit(image, inner, how))
    resized = image.resize(inner, how)
    if fit == "stretch":
        return np.asarray(resized)
    canvas = Image.new(image.mode, (side, side))  # ImageOps.pad rounds otherwise
    canvas.paste(resized, ((side - inner[0]) // 2, (side - inner[1]) // 2))
    return np.asarray(canvas)


def _as_rgb(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3): grey images are repeated over the three channels."""
    return np.repeat(pixels[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels
