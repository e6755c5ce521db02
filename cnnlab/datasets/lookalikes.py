"""Near duplicates: one photograph saved twice, recompressed, resized or a little brighter.

Perceptual hashes propose pairs, the pixels decide: the hash alone would call alike what is only composed alike.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

LEAST_SIDE = 48
"""Pixels: smaller pictures (digits, icons) are not searched, because different ones are too much alike. Of 5,000 digits
of MNIST 99 pairs would pass for copies."""

MOST_BITS = 6
"""Of the 64 bits of their hashes, that two copies may differ in. Copies of 200 photographs each of mini-ImageNet, Places
and signing hands, at 64 to 84 px, differed in at most 4: JPEG quality 90, 75 and 50, resized by a seventh and back,
shrunk by a quarter and recompressed, 5 % brighter. Of 4.5 million pairs of different photographs one had as few as 8."""

MOST_DIFFERENCE = 0.22
"""Root mean square difference of two copies' thumbnails, without their mean colours, over their contrast. The copies
above had at most 0.21; pairs of different photographs with hashes as near at least 0.23 (hands on a plain wall)."""

MOST_SHIFT = 16.0
"""Levels of 255 that the mean colours of two copies may differ by (at most 10 in the copies above)."""

LEAST_CONTRAST = 4.0
"""Levels of 255: below it an image is flat, and whatever is flat looks alike."""

NOT_HASHED = 0
"""The hash of an image that is not searched for."""

_LEAST_ONES = 16
"""A hash divides at its median, so that half of its 64 bits are ones, but for a flat image."""

_SIDE = 16
_BLOCK = 128
_BAND = 64 // (MOST_BITS + 1)


def perceptual_hash(pixels: np.ndarray) -> int:
    """The 64-bit pHash of an image, uint8 (h, w) or (h, w, 3): the signs of its low frequencies (`imagehash.phash`)."""
    import imagehash

    bits = imagehash.phash(Image.fromarray(pixels)).hash
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def kin(images: np.ndarray, hashes: np.ndarray, twins: np.ndarray) -> np.ndarray:
    """Group exact and near duplicates.

    Args:
        images: uint8 (N, S, S, 3), may be a memory map: only what looks alike is read.
        hashes: uint64 (N,), `perceptual_hash` of each, or `NOT_HASHED`.
        twins: int32 (N,), the first row with exactly the same pixels (`ImageTable.twins`).

    Returns int32 (N,): the first row of the group that each row belongs to, itself when it is alone. A copy of a copy
    is in the group.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    thumbnails: dict[int, np.ndarray] = {}
    pairs = []
    for pair in sorted(_candidates(hashes, twins)):
        for row in pair:
            if row not in thumbnails:
                image = Image.fromarray(images[row]).resize((_SIDE, _SIDE), Image.Resampling.BOX)
                thumbnails[row] = np.asarray(image, dtype=np.float32)
        if same_photograph(thumbnails[pair[0]], thumbnails[pair[1]]):
            pairs.append(pair)
    copies = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    rows, others = np.concatenate([np.arange(len(twins)), copies[:, 0]]), np.concatenate([twins, copies[:, 1]])
    graph = coo_array((np.ones(len(rows), bool), (rows, others)), shape=(len(twins), len(twins)))
    _, component = connected_components(graph, directed=False)
    _, first = np.unique(component, return_index=True)
    return np.asarray(first[component], dtype=np.int32)


def _candidates(hashes: np.ndarray, twins: np.ndarray) -> set[tuple[int, int]]:
    """Pairs of rows with like hashes, of each set of twins the first only.

    Hashes that differ in at most `MOST_BITS` bits agree in one of `MOST_BITS + 1` bands: only those are compared.
    """
    rows = np.flatnonzero((twins == np.arange(len(twins))) & (np.bitwise_count(hashes) >= _LEAST_ONES))
    kept = hashes[rows]
    found: set[tuple[int, int]] = set()
    for band in range(MOST_BITS + 1):
        keys = kept >> np.uint64(band * _BAND) & np.uint64((1 << _BAND) - 1)
        order = np.argsort(keys, kind="stable")
        for bucket in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
            for start in range(0, len(bucket), _BLOCK):
                block = bucket[start : start + _BLOCK, None]
                near, far = np.nonzero(np.bitwise_count(kept[block] ^ kept[bucket[None, start:]]) <= MOST_BITS)
                ones, others = rows[bucket[start + near[far > near]]], rows[bucket[start + far[far > near]]]
                found.update(zip(ones.tolist(), others.tolist(), strict=True))
    return found


def same_photograph(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two thumbnails, float (16, 16, 3) in 0..255, are of one photograph."""
    shift = np.abs(one.mean(axis=(0, 1)) - other.mean(axis=(0, 1))).max()
    a, b = one - one.mean(axis=(0, 1)), other - other.mean(axis=(0, 1))
    contrast = float(np.sqrt((np.square(a).mean() + np.square(b).mean()) / 2))
    difference = float(np.sqrt(np.square(a - b).mean()))
    return bool(contrast >= LEAST_CONTRAST and shift <= MOST_SHIFT and difference <= MOST_DIFFERENCE * contrast)
