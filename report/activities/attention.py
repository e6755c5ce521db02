"""Where a network looks: the parts of an image that speak for its answer, laid over the image (Grad-CAM)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from report.activities.classes import ClassRank, exhibit
from report.data.trainings import RunData
from report.evidence.language import Language
from report.evidence.metrics import surest_mistakes
from report.evidence.quantity import Exhibit, Gallery

SHOWN = 3
"""Right answers whose maps are shown, and wrong ones."""

SIDE = 128
"""Pixels a side that a picture has at least: a small photograph is enlarged, so that the map over it is smooth."""

STRENGTH = 0.62
"""Of the map's colours over the photograph."""

# Viridis (van der Walt & Smith 2015): lightness rises evenly from dark violet to yellow, so that it reads in grey too.
_COLOURS = np.array([
    (68, 1, 84), (71, 45, 123), (59, 82, 139), (44, 114, 142), (33, 145, 140), (40, 174, 128), (94, 201, 98),
    (173, 220, 48), (253, 231, 37),
])  # fmt: skip

_PLACES = (
    ("the top left", "the top", "the top right"),
    ("the left", "the middle", "the right"),
    ("the bottom left", "the bottom", "the bottom right"),
)
"""Message ids of the nine parts of an image."""


def attention(run: RunData) -> dict[str, Any]:
    """The layer whose maps are shown, and how many cells they have; `known` is False in records without maps."""
    if not run.attention:
        return {"known": False}
    cells = next(iter(run.attention.values()))
    return {
        "known": True,
        "layer": run.evaluation.manifest["attention"]["layer"],
        "cells": "×".join(map(str, cells.shape)),
    }


def attention_gallery(
    run: RunData, classes: Sequence[str], best: ClassRank, worst: ClassRank, language: Language
) -> Gallery | None:
    """Photographs beside the same with the map of what speaks for the answer; None in records without maps."""
    maps, test, text = run.attention, run.predictions["test"], language.text
    if not maps:
        return None
    shown = _chosen(run, maps, best, worst)
    right = sum(bool(test.right[i]) for i in shown)
    items = []
    for i in shown:
        photograph, cells, answer = exhibit(run, classes, i), maps[int(test.ids[i])], classes[int(test.predicted[i])]
        row, column = (
            min(2, int(3 * (k + 0.5) / n))
            for k, n in zip(divmod(int(cells.argmax()), cells.shape[1]), cells.shape, strict=True)
        )
        place = text(_PLACES[row][column])
        items += [
            photograph,
            Exhibit(
                pixels=overlaid(photograph.pixels, cells), label="", origin=text("map for {answer}", answer=answer),
                alt=text("Map for {answer}: strongest at {place}", answer=answer, place=place)
                if cells.any()
                else text("Map for {answer}: nothing is marked", answer=answer),
            ),
        ]  # fmt: skip
    return Gallery(
        caption=text("Where what speaks for the answer lies in the image"),
        note=text(
            "Grad-CAM of {network}'s answer, in pairs: a test image, and the same in grey under the map. Yellow (bright) is "
            "where most speaks for the answer, violet (dark) where nothing does; each map has its own scale. The map of "
            "layer {layer} has only {side}×{side} cells and is smoothed: it shows a region, not an outline.",
            network=run.title, layer=run.evaluation.manifest["attention"]["layer"], side=len(next(iter(maps.values()))),
        ),
        alt=text(
            "{n} test images, each beside its map: {right} answered right, {wrong} wrong.",
            n=len(shown), right=right, wrong=len(shown) - right,
        ),
        items=tuple(items),
        group=2,
        source=[run.run],
    )  # fmt: skip


def _chosen(run: RunData, maps: dict[int, np.ndarray], best: ClassRank, worst: ClassRank) -> list[int]:
    """Positions of right answers of the best and the worst class, then of wrong ones of the worst and of the surest."""
    test = run.predictions["test"]
    order = np.argsort(-test.probabilities.max(axis=1), kind="stable").tolist()
    kept = [i for i in order if int(test.ids[i]) in maps and int(test.ids[i]) in run.exhibits]
    groups = [
        [i for i in kept if test.right[i] and test.labels[i] == best.label],
        [i for i in kept if test.right[i] and test.labels[i] == worst.label],
        [i for i in kept if not test.right[i] and test.labels[i] == worst.label],
        [i for i in surest_mistakes(test.probabilities, test.labels, test.labels.size) if i in kept],
    ]
    chosen: list[int] = []
    for most, group in zip((SHOWN // 2, SHOWN, SHOWN + SHOWN // 2, 2 * SHOWN), groups, strict=True):
        chosen += [i for i in group if i not in chosen][: max(0, most - len(chosen))]
    return chosen


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
    grey = (large @ np.array([0.299, 0.587, 0.114]))[..., None]
    smooth = Image.fromarray(np.ascontiguousarray(cells)).resize(large.shape[1::-1], Image.Resampling.BILINEAR)
    stops = np.linspace(0, 255, len(_COLOURS))
    colours = np.stack([np.interp(np.asarray(smooth), stops, channel) for channel in _COLOURS.T], axis=-1)
    return np.asarray(np.rint((1 - STRENGTH) * grey + STRENGTH * colours), np.uint8)
