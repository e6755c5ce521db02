"""Augmentation of training images, each kind as array operations on a whole batch at once.

Flipping and shifting only choose which pixel goes where, so that one gather from the memory-mapped table does both.
Everything else works on the gathered batch, which stays uint8. All randomness comes from the generator that is passed
in, and how much of it is drawn depends on the number of images alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

MOVING = frozenset({"crop", "flip"})
MIXING = frozenset({"cutmix", "mixup"})

ERASE_PROBABILITY, ERASE_AREA, ERASE_ASPECT = 0.5, (0.02, 0.2), (0.3, 1 / 0.3)
MIXUP_ALPHA, CUTMIX_ALPHA = 0.2, 1.0

OPERATIONS_PER_IMAGE = 2
MAGNITUDE = 0.5
"""Share of each operation's greatest strength, M = 5 on the scale from 0 to 10 of RandAugment."""

Operation = Callable[[np.ndarray, np.ndarray], np.ndarray]


def augmented(images: np.ndarray, rows: np.ndarray, chosen: frozenset[str], rng: np.random.Generator) -> np.ndarray:
    """The images of `rows`, flipped and shifted at random.

    Args:
        images: uint8 (N, S, S, 3).
        chosen: "flip" mirrors half of the images left to right; "crop" shifts each by up to S // 8 pixels both ways,
            the border filled by reflection (as padding by S // 8 and cropping back to S). Others are not looked at.

    Returns:
        uint8 (len(rows), S, S, 3).
    """
    size, count = images.shape[1], len(rows)
    y = np.broadcast_to(np.arange(size), (count, size))
    x = y
    if "crop" in chosen:
        shifts = rng.integers(-(size // 8), size // 8, size=(2, count, 1), endpoint=True)
        y, x = _reflected(y + shifts[0], size), _reflected(x + shifts[1], size)
    if "flip" in chosen:
        x = np.where(rng.random((count, 1)) < 0.5, x[:, ::-1], x)
    return np.asarray(images[rows[:, None, None], y[:, :, None], x[:, None, :]])


def erased(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random erasing (Zhong et al. 2020): half of the images lose a rectangle to their own mean colour.

    The rectangle covers 2 to 20 % of the image, drawn evenly, its height is 0.3 to 3.3 times its width, drawn evenly in
    the logarithm (in the paper evenly, which makes most of them tall), and it is anywhere inside the image. The mean
    colour takes the place of the paper's noise, so that the statistics of the batch stay what they are.

    Args:
        images: uint8 (B, S, S, 3), not changed.
    """
    count, size = images.shape[:2]
    lots, area, aspect, top, left = rng.random((5, count))
    pixels = _between(area, *ERASE_AREA) * size**2
    ratio = np.exp(_between(aspect, *np.log(ERASE_ASPECT)))
    height, width = (np.clip(np.rint(np.sqrt(side)), 1, size) for side in (pixels * ratio, pixels / ratio))
    hit = np.flatnonzero(lots < ERASE_PROBABILITY)
    mask = _rectangles(np.floor(top * (size - height + 1)), np.floor(left * (size - width + 1)), height, width, size)
    colour = np.rint(images[hit].mean(axis=(1, 2), dtype=np.float32)).astype(np.uint8)
    result = images.copy()
    result[hit] = np.where(mask[hit][..., None], colour[:, None, None, :], images[hit])
    return result


def mixed(
    images: np.ndarray, chosen: frozenset[str], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each image mixed with another of the batch, by "mixup" or "cutmix"; with both chosen, by one of them at random.

    mixup (Zhang et al. 2018): the weighted mean of both, the weight drawn from Beta(0.2, 0.2). cutmix (Yun et al.
    2019): a rectangle of the other image pasted into it, that would cover a share drawn from Beta(1, 1), of the
    image's own proportions, its centre anywhere, cut off at the border. Both draw for each image by itself, where the
    published programs draw once a batch.

    Args:
        images: uint8 (B, S, S, 3), not changed.

    Returns:
        The mixed images, uint8 (B, S, S, 3), rounded; the position of each one's partner, int (B,); and the weight of
        the image itself, float32 (B,) in [0, 1], for cutmix the share of pixels that are its own.
    """
    partners = rng.permutation(len(images))
    heads = rng.random() < 0.5
    mix = _mixup if "mixup" in chosen and ("cutmix" not in chosen or heads) else _cutmix
    return mix(images, partners, rng)


def _mixup(
    images: np.ndarray, partners: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    share = rng.beta(MIXUP_ALPHA, MIXUP_ALPHA, len(images)).astype(np.float32)
    other = images[partners].astype(np.float32)
    other += share[:, None, None, None] * (images - other)
    return np.rint(other, out=other).astype(np.uint8), partners, share


def _cutmix(
    images: np.ndarray, partners: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    count, size = images.shape[:2]
    side = np.rint(size * np.sqrt(1 - rng.beta(CUTMIX_ALPHA, CUTMIX_ALPHA, count)))
    y, x = np.floor(rng.integers(0, size, (2, count)) - side / 2)
    mask = _rectangles(y, x, side, side, size)
    share = (~mask).mean(axis=(1, 2)).astype(np.float32)
    return np.where(mask[..., None], images[partners], images), partners, share


def _rectangles(top: np.ndarray, left: np.ndarray, height: np.ndarray, width: np.ndarray, size: int) -> np.ndarray:
    """bool (B, S, S): True inside each rectangle, of which what is outside the image does not count."""
    at = np.arange(size)
    rows = (at >= top[:, None]) & (at < (top + height)[:, None])
    columns = (at >= left[:, None]) & (at < (left + width)[:, None])
    return rows[:, :, None] & columns[:, None, :]


def _between(even: np.ndarray, low: float, high: float) -> np.ndarray:
    return low + (high - low) * even


def _reflected(index: np.ndarray, size: int) -> np.ndarray:
    """Indices outside [0, size) mirrored at the edge pixel's centre, as `np.pad(mode="reflect")`."""
    index = np.abs(index)
    return np.where(index >= size, 2 * (size - 1) - index, index)


def randaugmented(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """RandAugment (Cubuk et al. 2020): two operations an image, drawn evenly with replacement, one after the other.

    The operations are the paper's 14, at magnitude 5 of 10, those with a direction or sign in either by equal chance:
    identity; autocontrast and equalize, each channel by itself; solarize (values from 128 inverted); posterize (to 6
    bits); colour, contrast, brightness and sharpness (0.55 or 1.45 times); rotate (15 degrees); shear-x and shear-y
    (by 0.15); translate-x and translate-y (by 0.23 S).

    What differs from the paper: the magnitude is fixed instead of searched for; every operation grows with it (the
    original's enhancements do nothing at 5, and its posterize weakens); rotations and shears are about the centre; the
    border is filled by reflection instead of grey. As there, moved pixels are the nearest ones, not interpolated.

    Args:
        images: uint8 (B, S, S, 3), not changed.
    """
    result = images.copy()
    shape = OPERATIONS_PER_IMAGE, len(images)
    drawn, signs = rng.integers(len(OPERATIONS), size=shape), 1 - 2 * rng.integers(2, size=shape)
    for turn in range(OPERATIONS_PER_IMAGE):
        for number, operation in enumerate(OPERATIONS.values()):
            subset = np.flatnonzero(drawn[turn] == number)
            if len(subset):
                result[subset] = operation(result[subset], signs[turn, subset])
    return result


def _identity(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
    return images


def _autocontrast(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
    low, high = (edge(axis=(1, 2), keepdims=True).astype(np.float32) for edge in (images.min, images.max))
    flat = high <= low
    scale = np.where(flat, 1, 255 / np.maximum(high - low, 1))
    return np.rint((images - np.where(flat, 0, low)) * scale).astype(np.uint8)


def _equalize(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Values spread so that each is as frequent as another, by Pillow's arithmetic; one value alone stays."""
    count = len(images)
    index = images + 256 * np.arange(count * 3).reshape(count, 1, 1, 3)
    histogram = np.bincount(index.ravel(), minlength=count * 3 * 256).reshape(count * 3, 256)
    highest = 255 - np.argmax(histogram[:, ::-1] > 0, axis=1)
    step = (histogram.sum(axis=1) - histogram[np.arange(count * 3), highest])[:, None] // 255
    before = np.cumsum(histogram, axis=1) - histogram
    tables = np.where(step > 0, (step // 2 + before) // np.maximum(step, 1), np.arange(256))
    return np.minimum(tables, 255).astype(np.uint8).ravel()[index]


def _solarize(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
    return np.where(images < round(256 * (1 - MAGNITUDE)), images, 255 - images)


def _posterize(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
    lost = round(4 * MAGNITUDE)
    return images & np.uint8(256 - 2**lost)


def _colour(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
    return _blended(images, _grey(images)[..., None], signs)


def _contrast(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
    return _blended(images, _grey(images).mean(axis=(1, 2))[:, None, None, None], signs)


def _brightness(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
    return _blended(images, np.float32(0), signs)


def _sharpness(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Towards, or away from, the mean over 3x3 pixels in which the middle one counts five times; borders stay."""
    wide = images.astype(np.int16)
    columns = wide[:, :, :-2] + wide[:, :, 1:-1] + wide[:, :, 2:]
    sums = columns[:, :-2] + columns[:, 1:-1] + columns[:, 2:] + 4 * wide[:, 1:-1, 1:-1]
    result = images.copy()
    result[:, 1:-1, 1:-1] = _blended(images[:, 1:-1, 1:-1], sums * np.float32(1 / 13), signs)
    return result


def _grey(images: np.ndarray) -> np.ndarray:
    """Luma of ITU-R 601, float32 (n, S, S)."""
    return images @ np.array([0.299, 0.587, 0.114], np.float32)


def _blended(images: np.ndarray, base: np.ndarray | np.float32, signs: np.ndarray) -> np.ndarray:
    """`base` plus 1.45 or 0.55 times what the images differ from it."""
    factor = (1 + 0.9 * MAGNITUDE * signs).astype(np.float32)[:, None, None, None]
    found = images * factor
    found += (1 - factor) * base
    return np.rint(np.clip(found, 0, 255, out=found)).astype(np.uint8)


def _rotate(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
    angle = signs * math.radians(30 * MAGNITUDE)
    return _moved(images, yy=np.cos(angle), yx=np.sin(angle), xy=-np.sin(angle), xx=np.cos(angle))


def _shear_x(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
    return _moved(images, xy=0.3 * MAGNITUDE * signs)


def _shear_y(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
    return _moved(images, yx=0.3 * MAGNITUDE * signs)


def _translate_x(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
    return _moved(images, right=signs * round(150 / 331 * MAGNITUDE * images.shape[2]))


def _translate_y(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
    return _moved(images, down=signs * round(150 / 331 * MAGNITUDE * images.shape[1]))


def _moved(
    images: np.ndarray,
    *,
    yy: np.ndarray | float = 1.0,
    yx: np.ndarray | float = 0.0,
    xy: np.ndarray | float = 0.0,
    xx: np.ndarray | float = 1.0,
    down: np.ndarray | float = 0.0,
    right: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Each pixel (y, x), counted from the centre, from the nearest to (yy y + yx x - down, xy y + xx x - right)."""
    count, size = images.shape[:2]
    at = (np.arange(size) - (size - 1) / 2).astype(np.float32)
    y, x = at[:, None], at[None, :]
    ones = np.ones((count, 1, 1), np.float32)
    sources = [
        _reflected(np.rint(a * ones * y + b * ones * x - c * ones + (size - 1) / 2).astype(np.int32), size)
        for a, b, c in ((_column(yy), _column(yx), _column(down)), (_column(xy), _column(xx), _column(right)))
    ]
    return images[np.arange(count)[:, None, None], sources[0], sources[1]]


def _column(values: np.ndarray | float) -> np.ndarray:
    return np.asarray(values, np.float32).reshape(-1, 1, 1)


OPERATIONS: dict[str, Operation] = {
    "identity": _identity,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
    "rotate": _rotate,
    "solarize": _solarize,
    "colour": _colour,
    "posterize": _posterize,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
    "shear-x": _shear_x,
    "shear-y": _shear_y,
    "translate-x": _translate_x,
    "translate-y": _translate_y,
}
"""The operations of `randaugmented` by name: of uint8 images (n, S, S, 3) and signs int (n,), each 1 or -1."""
