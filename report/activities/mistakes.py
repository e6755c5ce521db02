"""Why a network confuses what it confuses: the images of its confusions, and how varied the images of each class are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from report.activities.classes import ClassRank, exhibit
from report.activities.common import SIGNIFICANT, count
from report.data.records import Part, RunData
from report.evidence.language import Language
from report.evidence.metrics import top_confusions
from report.evidence.quantity import Exhibit, Gallery, Quantity
from report.evidence.statistics import rank_correlation
from report.evidence.words import joined

CONFUSIONS, EXAMPLES = 3, 2
"""Confusions that are shown, and rows of each; an evaluation keeps three of each kind of image."""

HOW_DIVERSE = "Root mean square distance between thumbnails of two training images of the class, over that of any two"


def confusion_gallery(run: RunData, classes: Sequence[str], matrix: np.ndarray, language: Language) -> Gallery:
    """Images taken for another class beside right ones of their class and of the other; without items in records of
    before these were kept."""
    pairs = top_confusions(matrix, CONFUSIONS)
    rows = _rows(run, classes, pairs)
    return Gallery(
        caption=_caption(classes, pairs, matrix, language) if rows else "",
        note=language.text(
            "Each row: a test image taken for another class, then one of its own class and one of that other class, both "
            "answered right; {network}'s most confident answers of each kind.",
            network=run.title,
        ),
        alt=language.plural(
            "{n} row of a mistake and two right answers: {list}.",
            "{n} rows of a mistake and two right answers: {list}.",
            len(rows),
            list=joined((_told(classes, pair, language) for pair in pairs), "; "),
        ),
        items=tuple(one for row in rows for one in row),
        group=3,
    )


def _rows(
    run: RunData, classes: Sequence[str], pairs: Sequence[tuple[int, int, int]]
) -> list[tuple[Exhibit, Exhibit, Exhibit]]:
    """Of each confusion, as many rows as there are images of its three kinds, the surest answers first.

    A right answer that stands in one row is in another only where no further one is kept.
    """
    shown: list[int] = []
    rows = []
    for true, taken, _ in pairs:
        columns = [_kept(run, label, answer, shown) for label, answer in ((true, taken), (true, true), (taken, taken))]
        for wrong, right, other in zip(*columns, strict=False):
            rows.append((exhibit(run, classes, wrong), exhibit(run, classes, right), exhibit(run, classes, other)))
            shown += [wrong, right, other]
    return rows


def _kept(run: RunData, label: int, answer: int, shown: Sequence[int]) -> list[int]:
    """Positions of kept test images of a class with one answer: those not shown yet, then the surest."""
    test = run.predictions["test"]
    found = np.flatnonzero((test.labels == label) & (test.predicted == answer))
    order = found[np.argsort(-test.probabilities[found].max(axis=1), kind="stable")]
    kept = [int(i) for i in order if int(test.ids[i]) in run.exhibits]
    return sorted(kept, key=lambda i: i in shown)[:EXAMPLES]


def _caption(
    classes: Sequence[str], pairs: Sequence[tuple[int, int, int]], matrix: np.ndarray, language: Language
) -> str:
    """The finding: the share of all mistakes that the confusions shown make up."""
    wrong = int(matrix.sum() - np.trace(matrix))
    share = Quantity(value=sum(n for *_, n in pairs) / wrong, unit="share")
    return language.plural(
        "One confusion makes up {share} of all mistakes: {list}",
        "{n} confusions make up {share} of all mistakes: {list}",
        len(pairs),
        share=share,
        list=joined((_told(classes, pair, language) for pair in pairs), "; "),
    )


def _told(classes: Sequence[str], pair: tuple[int, int, int], language: Language) -> str:
    true, taken, n = pair
    return language.text("{true} taken for {predicted} ({n})", true=classes[true], predicted=classes[taken], n=n)


def diversity(data: Part, run: RunData, matrix: np.ndarray, best: ClassRank, worst: ClassRank) -> dict[str, Any]:
    """How varied the best and the worst class are, and whether variety goes with accuracy over the classes.

    `known` is False in records of before this was measured. `measured` is None where there are too few classes to say
    anything; `explains` needs a p-value of at most 0.05.
    """
    found = data.baseline.diversity if data.baseline is not None else None
    if data.baseline is None or found is None:
        return {"known": False}
    runs = (data.baseline.record.id,)
    images, right = matrix.sum(axis=1), np.diag(matrix)
    present = np.flatnonzero((images > 0) & np.isfinite(found))
    values, accuracies = found[present].astype(np.float64), right[present] / images[present]
    known = bool(np.isfinite(found[[best.label, worst.label]]).all())
    if not known:
        return {"known": False}
    return {
        "known": True,
        "best": _diversity(found, best.label, runs),
        "worst": _diversity(found, worst.label, runs),
        "median": Quantity(value=float(np.median(values)), unit="number", n=len(values), runs=runs, how=HOW_DIVERSE),
        "best_is_varied": bool(found[best.label] > np.median(values)),
        "worst_is_varied": bool(found[worst.label] > np.median(values)),
        "same_class": best.label == worst.label,
        "classes": count(len(values), runs=runs),
        **_association(values, accuracies, (*runs, run.run.id)),
    }


def _diversity(found: np.ndarray, label: int, runs: tuple[str, ...]) -> Quantity:
    return Quantity(value=float(found[label]), unit="number", runs=runs, how=HOW_DIVERSE)


def _association(values: np.ndarray, accuracies: np.ndarray, runs: tuple[str, ...]) -> dict[str, Any]:
    found = rank_correlation(values, accuracies)
    if found is None:
        return {"measured": None, "explains": False}
    how = "Spearman's rank correlation over the classes, Bonett and Wright's interval"
    return {
        "measured": Quantity(
            value=found.value, unit="number", n=len(values), low=found.low, high=found.high, runs=runs, how=how
        ),
        "p": Quantity(value=found.p, unit="probability", n=len(values), runs=runs, how="Permutation test"),
        "tiny": found.p < 0.001,
        "explains": found.p <= SIGNIFICANT,
        "falls": found.value < 0,
    }
