"""Attention maps of a fabricated evaluation, for `tests.fabricate`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

LAYER, SIDE = "conv5", 4


def write_insight(folder: Path, ids: np.ndarray, changed: Mapping[str, Any] | None) -> dict[str, Any]:
    """The file of an evaluation that says where the network looks, and what its manifest says of it.

    Args:
        ids: (N,), of the test images, of which every one gets a map.
        changed: `maps` 0-255, (4, 4) of all images or (N, 4, 4), of which the first are used. None: an older record,
            without the file.
    """
    if changed is None:
        return {}
    drawn = np.random.default_rng(ids.size).integers(0, 256, (ids.size, SIDE, SIDE))
    maps = np.asarray(changed.get("maps", drawn))
    maps = np.broadcast_to(maps, (ids.size, SIDE, SIDE)) if maps.ndim == 2 else maps[: ids.size]
    np.savez(folder / "attention.npz", ids=ids, maps=np.asarray(maps, np.uint8))
    return {"attention": {"layer": LAYER, "side": SIDE}}
