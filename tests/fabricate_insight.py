"""Attention maps and first filters of a fabricated evaluation, for `tests.fabricate`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

LAYER, SIDE = "conv5", 4


def write_insight(
    folder: Path, ids: np.ndarray, confidence: np.ndarray, changed: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The files of an evaluation that say where the network looks, and what its manifest says of them.

    Args:
        ids, confidence: (N,), of the test images, of which every one gets a map and is sampled.
        changed: `marked` and `other`, the shares of the confidence that are left when the marked quarter or another
            one is covered; `maps` 0-255, (4, 4) of all images or (N, 4, 4), of which the first are used;
            `filters` (h, w, 3, F). None: an older record, without the files.
    """
    if changed is None:
        return {}
    generator = np.random.default_rng(ids.size)
    maps = np.asarray(changed.get("maps", generator.integers(0, 256, (ids.size, SIDE, SIDE))))
    maps = np.broadcast_to(maps, (ids.size, SIDE, SIDE)) if maps.ndim == 2 else maps[: ids.size]
    smooth = generator.normal(0, 1, (1, 1, 3, 16)) + generator.normal(0, 0.3, (5, 5, 3, 16))
    jitter = generator.uniform(0.95, 1, ids.size)
    probabilities = {
        name: (confidence * changed.get(name, share) * jitter).astype(np.float16)
        for name, share in (("whole", 1.0), ("marked", 0.5), ("other", 0.8))
    }
    np.savez(
        folder / "attention.npz", ids=ids, maps=np.asarray(maps, np.uint8), sampled=np.ones(ids.size, bool),
        **probabilities,
    )  # fmt: skip
    np.savez(folder / "filters.npz", filters=np.asarray(changed.get("filters", smooth), np.float16))
    return {"attention": {"layer": LAYER, "side": SIDE}}
