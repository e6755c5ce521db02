"""A map laid over a photograph: pixels for an exhibit, made without a plotting library."""

from __future__ import annotations

import numpy as np

SIDE = 128
"""Pixels a side that the picture has at least: a small photograph is enlarged, its pixels kept, so that the map over it
is smooth."""

STRENGTH = 0.62
"""Of the map's colours over the photograph."""

# Viridis (van der Walt & Smith 2015): lightness rises evenly from dark violet to yellow, so that it reads in grey too.
_COLOURS = np.array([
    (68, 1, 84), (71, 45, 123), (59, 82, 139), (44, 114, 142), (33, 145, 140), (40, 174, 128), (94, 201, 98),
    (173, 220, 48), (253, 231, 37),
], np.float32)  # fmt: skip
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def coloured(values: np.ndarray) -> np.ndarray:
    """uint8 values, any shape, in the map's colours: float32 (…, 3), 0 to 255."""
    place = values.astype(np.float32) / 255 * (len(_COLOURS) - 1)
    below = np.minimum(place.astype(int), len(_COLOURS) - 2)
    share = (place - below)[..., None]
    return np.asarray((1 - share) * _COLOURS[below] + share * _COLOURS[below + 1])


def overlaid(photograph: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The photograph in grey under the map's colours, smoothed between the centres of its cells.

    Args:
        photograph: uint8 (S, S, 3); cells: uint8 (h, w).

    Returns:
        uint8 (T, T, 3), T the first multiple of S that is at least `SIDE`.
    """
    from PIL import Image

    factor = max(1, -(-SIDE // photograph.shape[0]))
    large = photograph.repeat(factor, axis=0).repeat(factor, axis=1)
    grey = (large.astype(np.float32) @ _LUMA)[..., None]
    smooth = Image.fromarray(np.ascontiguousarray(cells)).resize(large.shape[1::-1], Image.Resampling.BILINEAR)
    mixed = (1 - STRENGTH) * grey + STRENGTH * coloured(np.asarray(smooth))
    return np.asarray(np.rint(mixed), np.uint8)
