"""How a network does on each class: the best and the worst one, the images that show it, and the mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from report.activities.common import MANY_CLASSES
from report.data.trainings import RunData
from report.evidence.language import Language
from report.evidence.metrics import surest_mistakes
from report.evidence.quantity import Cell, Exhibit, Gallery, Quantity, Table, csv_attachment, numbers_of, table
from report.evidence.statistics import SIGNIFICANT, binomial_tail, difference, probability_extreme

SHOWN = 8
"""Images in a gallery."""

EXTREMES = 10
"""Best and worst classes in the table where there are more than `MANY_CLASSES`."""

SURE = 0.9
"""A wrong answer of a higher probability shows that probability is no guarantee."""


@dataclass(frozen=True)
class ClassRank:
    """One class of the primary run on the test set, with the runner-up's accuracy and what the difference is worth.

    Attributes:
        ties: how many classes have exactly this accuracy, itself among them; 1 where there is no tie.
        tied: their names, at most `EXTREMES`, this one first.
        rivals: other classes whose accuracy the test set cannot tell from this one's.
        concentrated: whether mistakes go to `confused_with` more often than if they fell evenly on the other classes.
        taken_for_it: images of other classes that are answered with this one.
        sure_right, sure_wrong: mean confidence of right and of wrong answers, None where there are none.
    """

    label: int
    name: str
    accuracy: Quantity
    runner_up: str
    runner_up_accuracy: Quantity
    distinct: bool
    ties: Quantity
    is_tied: bool
    tied: list[str]
    tied_are_all: bool
    rivals: Quantity
    probability: Quantity
    mistakes: Quantity
    confused_with: str
    confused_count: Quantity
    concentrated: bool
    taken_for_it: Quantity
    sure_right: Quantity | None
    sure_wrong: Quantity | None


def rank_class(run: RunData, classes: Sequence[str], matrix: np.ndarray, *, best: bool) -> ClassRank:
    """The best (or worst) class, its runner-up, and whether the test set can tell them apart.

    Args:
        matrix: test images by true class (rows) and predicted class (columns), with at least one class that has images.
    """
    images, right, q = matrix.sum(axis=1), np.diag(matrix), numbers_of(run.run)
    order = class_order(classes, matrix)[:: 1 if best else -1]
    first, second = order[0], order[1] if len(order) > 1 else order[0]
    counts = {other: (int(right[other]), int(images[other])) for other in order}
    gaps = {other: difference(*counts[first], *counts[other]) for other in order[1:]}
    indistinct = {other: low <= 0 <= high for other, (_, low, high) in gaps.items()}
    tied = [classes[i] for i in order if right[i] * images[first] == right[first] * images[i]]
    mistakes = matrix[first].copy()
    mistakes[first] = 0
    wrong, goes_to, others = int(mistakes.sum()), int(mistakes.argmax()), len(classes) - 1
    present = np.flatnonzero(images)
    shares, place = (right[present].tolist(), images[present].tolist()), int(np.searchsorted(present, first))
    how = "Simulation from Beta posteriors of all classes"
    return ClassRank(
        label=first,
        name=classes[first],
        accuracy=class_share(run, right, images, first),
        runner_up=classes[second],
        runner_up_accuracy=class_share(run, right, images, second),
        distinct=not indistinct.get(second, True),
        ties=q.count(len(tied)),
        is_tied=len(tied) > 1,
        tied=tied[:EXTREMES],
        tied_are_all=len(tied) <= EXTREMES,
        rivals=q.count(sum(indistinct.values())),
        probability=q(probability_extreme(*shares, place, best=best), "probability", n=int(images.sum()), how=how),
        mistakes=q.count(wrong),
        confused_with=classes[goes_to] if wrong else "",
        confused_count=q.count(mistakes[goes_to]),
        # any of the others could have been the most frequent one: the tail counts once for each (Bonferroni)
        concentrated=others > 1 and others * binomial_tail(int(mistakes[goes_to]), wrong, 1 / others) < SIGNIFICANT,
        taken_for_it=q.count(matrix[:, first].sum() - right[first]),
        sure_right=_confidence(run, first, right=True),
        sure_wrong=_confidence(run, first, right=False),
    )


def class_order(classes: Sequence[str], matrix: np.ndarray) -> list[int]:
    """Labels of the classes with test images, the best first; ties in the order of their names."""
    images, right = matrix.sum(axis=1), np.diag(matrix)
    return sorted(np.flatnonzero(images).tolist(), key=lambda i: (-right[i] / images[i], classes[i]))


def class_share(run: RunData, right: np.ndarray, images: np.ndarray, label: int) -> Quantity:
    """Accuracy of one class, with its interval."""
    return numbers_of(run.run).share(int(right[label]), int(images[label]))


def class_table(
    run: RunData, classes: Sequence[str], matrix: np.ndarray, language: Language, *, file: str = "classes.csv"
) -> Table:
    """Accuracy of each class with its interval, the best first; of many classes only the ends, and all as a file.

    Args:
        file: name of that file, which also says what each class is most often taken for.
    """
    text, q = language.text, numbers_of(run.run)
    images, right = matrix.sum(axis=1), np.diag(matrix)
    order = class_order(classes, matrix)
    many = len(order) > MANY_CLASSES
    heads = {
        "name": text("Class"), "images": text("Test images"), "right": text("Right"), "accuracy": text("Accuracy"),
        "interval": text("95% interval"),
    }  # fmt: skip
    rows: list[Mapping[str, Cell]] = []
    whole = []
    for place, label in enumerate(order):
        accuracy, mistakes = class_share(run, right, images, label), matrix[label].copy()
        mistakes[label] = 0
        taken = int(mistakes.argmax())
        bounds = [None if one is None else round(one, 6) for one in (accuracy.value, accuracy.low, accuracy.high)]
        known = classes[taken] if mistakes[taken] else None, int(mistakes[taken])
        whole.append([classes[label], int(images[label]), int(right[label]), *bounds, *known])
        if not many or not EXTREMES <= place < len(order) - EXTREMES:
            counts = {"images": q.count(images[label]), "right": q.count(right[label])}
            interval = language.interval(accuracy)
            rows.append({"name": classes[label], **counts, "accuracy": accuracy, "interval": interval})
    ends = [
        text("95% interval, from"),
        text("95% interval, to"),
        text("Most often taken for"),
        text("Images taken for it"),
    ]
    return table(
        text("The {n} best and the {n} worst of {classes} classes", n=EXTREMES, classes=len(order))
        if many
        else text("Accuracy by class, the best first"),
        heads,
        rows,
        note=text("{network} on {n} test images; 95% Wilson intervals.", network=run.title, n=q.count(matrix.sum())),
        whole=csv_attachment(file, [*list(heads.values())[:4], *ends], whole) if many else None,
    )


def class_gallery(run: RunData, classes: Sequence[str], rank: ClassRank, language: Language) -> Gallery:
    """Test images of one class, half of them right ones and half wrong ones as far as there are any."""
    test, q, text = run.predictions["test"], numbers_of(run.run), language.text
    mine = [i for i in np.flatnonzero(test.labels == rank.label).tolist() if int(test.ids[i]) in run.exhibits]
    mine.sort(key=lambda i: -float(test.probabilities[i].max()))
    wrong = [i for i in mine if not test.right[i]][: SHOWN // 2]
    right = [i for i in mine if test.right[i]][: SHOWN - len(wrong)]
    counts, shown = {"right": q.count(len(right)), "wrong": q.count(len(wrong))}, [*right, *wrong]
    return Gallery(
        caption=text("Test images of {name}: {right} answered right, {wrong} wrong", name=rank.name, **counts),
        note=text("{network}; most confident answers of each kind first.", network=run.title),
        alt=text("{count} images of class {name} with the network's answers", count=len(shown), name=rank.name),
        items=tuple(exhibit(run, classes, i) for i in shown),
        source=[run.run],
    )


def surest_mistake(run: RunData, classes: Sequence[str]) -> dict[str, Any] | None:
    """The wrong answer of highest probability: its class, the answer, and how sure the network was."""
    test = run.predictions["test"]
    for i in surest_mistakes(test.probabilities, test.labels, 1):
        shown = _answer(run, classes, i)
        return {"true": shown.pop("label"), **shown, "sure": shown["confidence"].value > SURE}
    return None


def mistakes_gallery(run: RunData, classes: Sequence[str], language: Language) -> Gallery:
    """The wrong answers of which the network was surest, those that are kept as images."""
    test = run.predictions["test"]
    wrong = surest_mistakes(test.probabilities, test.labels, test.labels.size)
    shown = [i for i in wrong if int(test.ids[i]) in run.exhibits][:SHOWN]
    return Gallery(
        caption=language.text("The mistakes of which {network} was surest", network=run.title),
        note=language.text("Test images; under each, its class and the answer with its probability."),
        alt=language.text("{count} misclassified test images", count=len(shown)),
        items=tuple(exhibit(run, classes, i) for i in shown),
        source=[run.run],
    )


def _confidence(run: RunData, label: int, *, right: bool) -> Quantity | None:
    test = run.predictions["test"]
    chosen = (test.labels == label) & (test.right == right)
    if not chosen.any():
        return None
    value = float(test.probabilities[chosen].max(axis=1).mean())
    return numbers_of(run.run)(value, "share", n=int(chosen.sum()), how="Mean softmax probability of the answer")


def _answer(run: RunData, classes: Sequence[str], position: int) -> dict[str, Any]:
    test, q = run.predictions["test"], numbers_of(run.run)
    sure = q(float(test.probabilities[position].max()), "share", how="Softmax probability")
    label, predicted = classes[int(test.labels[position])], classes[int(test.predicted[position])]
    return {"label": label, "predicted": predicted, "confidence": sure}


def exhibit(run: RunData, classes: Sequence[str], position: int) -> Exhibit:
    """A kept test image with its class, the answer and its probability."""
    pixels = run.exhibits[int(run.predictions["test"].ids[position])]
    return Exhibit(pixels=pixels, **_answer(run, classes, position))
