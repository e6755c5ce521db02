"""What is taken for what: images of a network's confusions beside right answers of both classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from report.activities.classes import exhibit
from report.data.trainings import RunData
from report.evidence.language import Language
from report.evidence.metrics import top_confusions
from report.evidence.quantity import Gallery, Quantity
from report.evidence.words import joined

CONFUSIONS, EXAMPLES = 3, 2
"""Confusions that are shown, and rows of each; an evaluation keeps three of each kind of image."""


def confusion_gallery(run: RunData, classes: Sequence[str], matrix: np.ndarray, language: Language) -> Gallery:
    """Images taken for another class beside right ones of their class and of the other; without items in records of
    before these were kept. A right answer that stands in one row is in another only where no further one is kept.

    Args:
        matrix: test images by true class (rows) and predicted class (columns).
    """
    test, pairs, text = run.predictions["test"], top_confusions(matrix, CONFUSIONS), language.text
    shown: list[int] = []
    for true, taken, _ in pairs:
        columns = []
        for label, answer in ((true, taken), (true, true), (taken, taken)):
            found = np.flatnonzero((test.labels == label) & (test.predicted == answer))
            order = found[np.argsort(-test.probabilities[found].max(axis=1), kind="stable")]
            kept = [int(i) for i in order if int(test.ids[i]) in run.exhibits]
            columns.append(sorted(kept, key=lambda i: i in shown)[:EXAMPLES])
        shown += [i for row in zip(*columns, strict=False) for i in row]
    told = joined(
        (
            text("{true} taken for {predicted} ({n})", true=classes[true], predicted=classes[taken], n=n)
            for true, taken, n in pairs
        ),
        "; ",
    )
    caption = ""
    if shown:
        caption = language.plural(
            "One confusion makes up {share} of all mistakes: {list}",
            "{n} confusions make up {share} of all mistakes: {list}",
            len(pairs),
            share=Quantity(value=sum(n for *_, n in pairs) / int(matrix.sum() - np.trace(matrix)), unit="share"),
            list=told,
        )
    return Gallery(
        caption=caption,
        note=text(
            "Each row: a test image taken for another class, then one of its own class and one of that other class, both "
            "answered right; {network}'s most confident answers of each kind.",
            network=run.title,
        ),
        alt=language.plural(
            "{n} row of a mistake and two right answers: {list}.",
            "{n} rows of a mistake and two right answers: {list}.",
            len(shown) // 3,
            list=told,
        ),
        items=tuple(exhibit(run, classes, i) for i in shown),
        group=3,
        source=[run.run],
    )
