"""What a network looks at: maps of what speaks for its answers, whether they mark what counts, and its first filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from report.activities.classes import ClassRank, exhibit
from report.activities.common import count
from report.activities.overlay import overlaid
from report.data.records import RunData
from report.data.trainings import Attention
from report.evidence.language import Language
from report.evidence.metrics import surest_mistakes
from report.evidence.quantity import Exhibit, Figure, Gallery, Quantity
from report.evidence.statistics import mean_difference, mean_interval
from report.figures.filters import first_layer

SHOWN = 3
"""Right answers whose maps are shown, and wrong ones."""

MIDDLE = 0.25
"""Share of an image's area in the middle half of its width and height."""

LEAST_ALIKE = 0.1
"""Neighbouring weights of first filters have to be more alike than this, for certain, to speak of a structure."""

_PLACES = (
    ("the top left", "the top", "the top right"),
    ("the left", "the middle", "the right"),
    ("the bottom left", "the bottom", "the bottom right"),
)
"""Message ids of the nine parts of an image."""

_WORTH = {
    1: "Covering what the maps mark takes more from the answer than covering as much elsewhere: {marked} against {other}",
    0: "Covering what the maps mark takes {marked} from the answer, as much elsewhere {other}: no clear difference",
    -1: "Covering what the maps mark takes less from the answer than covering as much elsewhere: {marked} against {other}",
}
"""Message ids of what the maps are worth: marking what counts, neither, or the reverse."""


def attention(run: RunData) -> dict[str, Any]:
    """What the maps of the sampled test images have in common; `known` is False in records without maps.

    `central` and `covering` are None where there are too few of them.
    """
    found = run.attention
    if found is None:
        return {"known": False}
    marked = np.asarray(found.maps.any(axis=(1, 2)))
    right = _right(run, found)
    return {
        "known": True,
        "layer": found.layer,
        "cells": "×".join(map(str, found.maps.shape[1:])),
        "empty": count(int((found.sampled & ~marked).sum()), runs=[run.run.id]),
        "some_empty": not marked[found.sampled].all(),
        "central": _central(run, found, right, found.sampled & marked),
        "covering": _covering(run, found, right, found.sampled & marked),
    }


def attention_gallery(
    run: RunData, classes: Sequence[str], best: ClassRank, worst: ClassRank, language: Language
) -> Gallery | None:
    """Photographs beside the same with the map of what speaks for the answer; None in records without maps."""
    found = run.attention
    if found is None:
        return None
    shown = _chosen(run, found, best, worst)
    test, text = run.predictions["test"], language.text
    right = sum(bool(test.right[i]) for i in shown)
    side = found.maps.shape[1]
    return Gallery(
        caption=_finding(attention(run), language),
        note=text(
            "Grad-CAM of {network}'s answer, in pairs: a test image, and the same in grey under the map. Yellow (bright) is "
            "where most speaks for the answer, violet (dark) where nothing does; each map has its own scale. The map of "
            "layer {layer} has only {side}×{side} cells and is smoothed: it shows a region, not an outline.",
            network=run.title, layer=found.layer, side=side,
        ),
        alt=text(
            "{n} test images, each beside its map: {right} answered right, {wrong} wrong.",
            n=len(shown), right=right, wrong=len(shown) - right,
        ),
        items=tuple(one for i in shown for one in _pair(run, found, classes, i, language)),
        group=2,
    )  # fmt: skip


def _finding(names: dict[str, Any], language: Language) -> str:
    """What covering came to, which is what the maps are worth."""
    covering = names["covering"]
    if covering is None:
        return language.text("Where what speaks for the answer lies in the image")
    return language.text(
        _WORTH[covering["matters"] - covering["is_reversed"]],
        marked=covering["marked_drop"],
        other=covering["other_drop"],
    )


def _pair(
    run: RunData, found: Attention, classes: Sequence[str], position: int, language: Language
) -> tuple[Exhibit, Exhibit]:
    photograph = exhibit(run, classes, position)
    cells = found.maps[found.places[int(run.predictions["test"].ids[position])]]
    answer = classes[int(run.predictions["test"].predicted[position])]
    over = Exhibit(
        pixels=overlaid(photograph.pixels, cells),
        label="",
        origin=language.text("map for {answer}", answer=answer),
        alt=_told(cells, answer, language),
    )
    return photograph, over


def _told(cells: np.ndarray, answer: str, language: Language) -> str:
    """Where in the image the map is strongest."""
    if not cells.any():
        return language.text("Map for {answer}: nothing is marked", answer=answer)
    row, column = np.unravel_index(int(cells.argmax()), cells.shape)
    third = [min(2, int(3 * (place + 0.5) / side)) for place, side in zip((row, column), cells.shape, strict=True)]
    place = language.text(_PLACES[third[0]][third[1]])
    return language.text("Map for {answer}: strongest at {place}", answer=answer, place=place)


def _chosen(run: RunData, found: Attention, best: ClassRank, worst: ClassRank) -> list[int]:
    """Positions of right answers of the best and the worst class, then of wrong ones of the worst and of the surest."""
    test = run.predictions["test"]
    order = np.argsort(-test.probabilities.max(axis=1), kind="stable").tolist()
    kept = [i for i in order if int(test.ids[i]) in found.places and int(test.ids[i]) in run.exhibits]
    known = set(kept)
    groups = [
        [i for i in kept if test.right[i] and test.labels[i] == best.label],
        [i for i in kept if test.right[i] and test.labels[i] == worst.label],
        [i for i in kept if not test.right[i] and test.labels[i] == worst.label],
        [i for i in surest_mistakes(test.probabilities, test.labels, test.labels.size) if i in known],
    ]
    chosen: list[int] = []
    for most, group in zip((SHOWN // 2, SHOWN, SHOWN + SHOWN // 2, 2 * SHOWN), groups, strict=True):
        chosen += [i for i in group if i not in chosen][: max(0, most - len(chosen))]
    return chosen


def _right(run: RunData, found: Attention) -> np.ndarray:
    """Whether each answer that has a map is right, bool (n,)."""
    test = run.predictions["test"]
    right = {int(row): bool(value) for row, value in zip(test.ids, test.right, strict=True)}
    return np.array([right[int(row)] for row in found.ids], bool)


def _central(run: RunData, found: Attention, right: np.ndarray, used: np.ndarray) -> dict[str, Any] | None:
    """The share of what is marked that lies in the middle, where the answer is right and where it is wrong."""
    shares = central_shares(found.maps[used])
    groups = shares[right[used]].tolist(), shares[~right[used]].tolist()
    if min(map(len, groups)) < 2:
        return None
    gap, low, high = mean_difference(*groups)
    one, other = (_mean(run, values, "Mean over images, Student interval") for values in groups)
    return {
        "right": one,
        "wrong": other,
        "right_images": count(len(groups[0]), runs=[run.run.id]),
        "wrong_images": count(len(groups[1]), runs=[run.run.id]),
        "even": Quantity(value=MIDDLE, unit="share", how="Share of the image's area"),
        "difference": Quantity(
            value=gap, unit="points", n=len(shares), low=low, high=high, runs=(run.run.id,),
            how="Difference of means, Welch interval",
        ),
        "differs": low > 0 or high < 0,
        "both_central": min(one.low or 0.0, other.low or 0.0) > MIDDLE,
        "right_is_more_central": gap > 0,
    }  # fmt: skip


def central_shares(maps: np.ndarray) -> np.ndarray:
    """Share of each map in the middle half of its width and height, cells by area: float64 (n,).

    Args:
        maps: (n, h, w), none of them 0 everywhere.
    """
    values = maps.astype(np.float64)
    rows, columns = (_middle(side) for side in values.shape[1:])
    return np.asarray(np.einsum("nhw,h,w->n", values, rows, columns) / values.sum(axis=(1, 2)))


def _middle(side: int) -> np.ndarray:
    """How much of each of `side` cells lies in the middle half of a line, 0 to 1."""
    edges = np.arange(side + 1)
    return np.asarray(np.clip(np.minimum(edges[1:], 0.75 * side) - np.maximum(edges[:-1], 0.25 * side), 0, 1))


def _covering(run: RunData, found: Attention, right: np.ndarray, used: np.ndarray) -> dict[str, Any] | None:
    """What the answer loses when the marked quarter is covered, and another one; the difference image by image."""
    if used.sum() < 2:
        return None
    whole, marked, other = (values[used].astype(np.float64) for values in (found.whole, found.marked, found.other))
    gap, low, high = mean_interval((other - marked).tolist())
    return {
        "images": count(int(used.sum()), runs=[run.run.id]),
        "right_images": count(int(right[used].sum()), runs=[run.run.id]),
        "whole": _mean(run, whole.tolist(), "Mean probability of the answer"),
        "marked_drop": _points(run, whole - marked),
        "other_drop": _points(run, whole - other),
        "difference": Quantity(
            value=gap, unit="points", n=int(used.sum()), low=low, high=high, runs=(run.run.id,),
            how="Mean difference on the same images, Student interval",
        ),
        "matters": low > 0,
        "is_reversed": high < 0,
    }  # fmt: skip


def _points(run: RunData, drops: np.ndarray) -> Quantity:
    return Quantity(
        value=float(drops.mean()), unit="points", n=drops.size, runs=(run.run.id,),
        how="Mean loss of probability of the answer",
    )  # fmt: skip


def _mean(run: RunData, values: Sequence[float], how: str) -> Quantity:
    value, low, high = mean_interval(values)
    return Quantity(
        value=value, unit="share", n=len(values), low=max(0.0, low), high=min(1.0, high), runs=(run.run.id,), how=how
    )


def filters(run: RunData, *, grey: bool = False) -> dict[str, Any]:
    """How alike neighbouring weights of the first filters are; `known` is False in records without them.

    Args:
        grey: whether the images are grey, so that of a filter only the sum over its channels does anything.
    """
    found = _effective(run, grey)
    if found is None or found.shape[0] < 2 or not found.any():
        return {"known": False}
    value, low, high = mean_interval(neighbours(found).tolist())
    return {
        "known": True,
        "grey": grey,
        "count": count(found.shape[3], runs=[run.run.id]),
        "size": "×".join(map(str, found.shape[:2])),
        "alike": Quantity(
            value=value, unit="number", n=found.shape[3], low=low, high=high, runs=(run.run.id,),
            how="Mean over filters, Student interval",
        ),
        "structured": low > LEAST_ALIKE,
    }  # fmt: skip


def _effective(run: RunData, grey: bool) -> np.ndarray | None:
    """The filters, those for grey images with the sum of their channels in each."""
    if run.filters is None or not grey:
        return run.filters
    return np.asarray(run.filters.sum(axis=2, keepdims=True).repeat(3, axis=2))


def neighbours(weights: np.ndarray) -> np.ndarray:
    """Of each filter, the mean product of weights beside or below each other over the mean square: float64 (F,).

    About 1 for an even patch, 0 on average for weights drawn independently about 0, as at the start of a training.

    Args:
        weights: (h, w, 3, F), h and w at least 2; a filter of zeros gives 0.
    """
    values = weights.astype(np.float64)
    beside = np.concatenate([
        (values[:, 1:] * values[:, :-1]).reshape(-1, values.shape[3]),
        (values[1:] * values[:-1]).reshape(-1, values.shape[3]),
    ]).mean(axis=0)  # fmt: skip
    squares = (values**2).mean(axis=(0, 1, 2))
    return np.asarray(beside / np.where(squares > 0, squares, 1))


def filter_figure(run: RunData, language: Language, *, grey: bool = False) -> Figure | None:
    """The first layer's filters; None in records without them."""
    names, found = filters(run, grey=grey), _effective(run, grey)
    if found is None or not names["known"]:
        return None
    words = (
        "The {count} filters of {network}'s first layer have a structure: neighbouring weights are alike"
        if names["structured"]
        else "The {count} filters of {network}'s first layer are hardly more than noise"
    )
    return first_layer(
        found,
        language,
        caption=language.text(words, count=names["count"], network=run.title),
        note=language.text(
            "Each filter in its own scale, the weights of its three channels added up, as the images are grey; mid-grey is a "
            "weight of 0; the strongest first."
            if grey
            else "Each filter in its own scale, in its weights for red, green and blue; grey is a weight of 0; the strongest first."
        ),
    )
