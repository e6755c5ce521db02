"""Activities 9 and 13: accuracy on test, validation and training images, best and worst class, mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from report.activities.common import (
    MANY_CLASSES,
    accuracy,
    count,
    network_accuracy,
    primary_network,
    primary_run,
    required_part,
    share,
)
from report.evidence import Cell, Column, Evidence, Exhibit, Gallery, Quantity, Table
from report.figures.bars import accuracy_comparison, per_class_accuracy
from report.figures.confusion import confusion_matrix
from report.language import Language
from report.metrics import calibration_error, class_counts, confusion, top_confusions, top_k
from report.records import LabData, Part, RunData
from report.statistics import difference, mcnemar, probability_extreme

SHOWN = 8
"""Images in a gallery."""

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class ClassRank:
    """One class of the primary run on the test set, with the runner-up's accuracy and what the difference is worth."""

    label: int
    name: str
    accuracy: Quantity
    runner_up: str
    runner_up_accuracy: Quantity
    distinct: bool
    probability: Quantity
    confused_with: str
    confused_count: Quantity


def answer(lab: LabData, language: Language, *, part: str) -> Evidence:
    """Accuracies with intervals, the paired comparison, best and worst class with images, confusions."""
    data = required_part(lab, part)
    run = primary_run(data)
    classes = data.dataset.class_names
    matrix = confusion(run.predictions["test"].predicted, run.predictions["test"].labels, len(classes))
    best, worst = _ranks(run, classes, matrix, best=True), _ranks(run, classes, matrix, best=False)
    return Evidence(
        names={
            **_accuracies(data, run, classes),
            **compare(data),
            "best": best,
            "worst": worst,
            "confusions": [
                {"true": classes[i], "predicted": classes[j], "count": count(n)}
                for i, j, n in top_confusions(matrix, 3)
            ],
            "many_classes": len(classes) > MANY_CLASSES,
        },
        items=_items(data, run, classes, matrix, best, worst, language),
    )


def _accuracies(data: Part, run: RunData, classes: Sequence[str]) -> dict[str, Any]:
    """The primary run's numbers, and how far apart its splits are."""
    test, train = run.predictions["test"], run.predictions["train"]
    right, images = class_counts(test.predicted, test.labels, len(classes))
    present = images > 0
    majority = int(np.bincount(test.labels, minlength=len(classes)).max())
    runs = (run.run.id,)
    gaps = {name: _gap(run, "train", name) for name in ("validation", "test")}
    return {
        "network": run.title,
        "networks": [data.of(name)[0].title for name in data.networks],
        "several_networks": len(data.networks) > 1,
        "several_seeds": len(data.of(run.network)) > 1,
        "chosen_by_lab": data.primary == run.network,
        "test": accuracy(run, "test"),
        "validation": accuracy(run, "validation"),
        "train": accuracy(run, "train"),
        "train_images": count(train.labels.size),
        "mean_of_classes": Quantity(
            value=float((right[present] / images[present]).mean()),
            unit="share",
            n=int(present.sum()),
            runs=runs,
            how="Mean of the accuracies of the classes",
        ),
        "top_5": share(int(top_k(test.probabilities, test.labels, 5).sum()), test.labels.size, runs=runs)
        if len(classes) > 10
        else None,
        "chance": Quantity(value=1 / len(classes), unit="share", how="One over the number of classes"),
        "majority": Quantity(value=majority / test.labels.size, unit="share", how="Share of the most frequent class"),
        "calibration": Quantity(
            value=calibration_error(test.probabilities, test.labels),
            unit="share",
            n=test.labels.size,
            runs=runs,
            how="Expected calibration error over 15 bins",
        ),
        "gap_to_test": gaps["test"],
        "gap_to_validation": gaps["validation"],
        "gap_is_real": bool(gaps["test"].low is not None and gaps["test"].low > 0),
        "gap_is_large": gaps["test"].value > 0.1,
        "test_matches_validation": _overlap(accuracy(run, "test"), accuracy(run, "validation")),
    }


def _gap(run: RunData, one: str, other: str) -> Quantity:
    """Accuracy on `one` minus accuracy on `other`, in points, with Newcombe's interval."""
    a, b = run.predictions[one].right, run.predictions[other].right
    value, low, high = difference(int(a.sum()), a.size, int(b.sum()), b.size)
    how = "Difference of two proportions, Newcombe interval"
    return Quantity(value=value, unit="points", n=a.size + b.size, low=low, high=high, runs=(run.run.id,), how=how)


def _overlap(one: Quantity, other: Quantity) -> bool:
    assert one.low is not None and one.high is not None and other.low is not None and other.high is not None
    return one.low <= other.high and other.low <= one.high


def compare(data: Part) -> dict[str, Any]:
    """Networks in order of test accuracy, and what the paired test says of each pair."""
    order = sorted(data.networks, key=lambda name: -network_accuracy(data.of(name)).value)
    pairs = [_pair(data.of(a)[0], data.of(b)[0]) for a, b in combinations(order, 2)]
    # Holm: the smallest p is compared with 0.05 over the number of pairs, the next with one fewer.
    holding = True
    for rank, pair in enumerate(sorted(pairs, key=lambda pair: pair["p"].value)):
        holding = holding and pair["p"].value <= SIGNIFICANT / (len(pairs) - rank)
        pair["distinct"] = holding
    return {
        "ranking": [{"network": data.of(name)[0].title, "accuracy": network_accuracy(data.of(name))} for name in order],
        "pairs": pairs,
        "primary_is_first": order[0] == primary_network(data),
        "same_budget": len({(run.resolved["epochs_planned"], str(run.spec["recipe"])) for run in data.runs}) == 1,
    }


def _pair(a: RunData, b: RunData) -> dict[str, Any]:
    """McNemar's test of two runs on the same test images."""
    right_a, right_b = a.predictions["test"].right, b.predictions["test"].right
    paired = mcnemar(right_a, right_b)
    runs = (a.run.id, b.run.id)
    return {
        "better": a.title,
        "worse": b.title,
        "difference": Quantity(
            value=float(right_a.mean() - right_b.mean()), unit="points", n=right_a.size, runs=runs,
            how="Difference of accuracies on the same test images",
        ),
        "p": Quantity(
            value=paired.p, unit="probability", n=paired.only_a + paired.only_b, runs=runs, how="Exact McNemar test"
        ),
        "tiny": paired.p < 0.001,
        "only_better": count(paired.only_a, runs=runs),
        "only_worse": count(paired.only_b, runs=runs),
    }  # fmt: skip


def _ranks(run: RunData, classes: Sequence[str], matrix: np.ndarray, *, best: bool) -> ClassRank:
    """The best (or worst) class, its runner-up, and whether the test set can tell them apart."""
    images, right = matrix.sum(axis=1), np.diag(matrix)
    present = np.flatnonzero(images)
    order = sorted(present.tolist(), key=lambda i: (-right[i] / images[i], classes[i]))
    order = order if best else order[::-1]
    first, second = order[0], order[1] if len(order) > 1 else order[0]
    gap = difference(int(right[first]), int(images[first]), int(right[second]), int(images[second]))
    mistakes = matrix[first].copy()
    mistakes[first] = 0
    probability = probability_extreme(
        right[present].tolist(), images[present].tolist(), _index_of(present, first), best=best
    )
    return ClassRank(
        label=first,
        name=classes[first],
        accuracy=_class_share(run, right, images, first),
        runner_up=classes[second],
        runner_up_accuracy=_class_share(run, right, images, second),
        distinct=gap[1] > 0 or gap[2] < 0,
        probability=Quantity(
            value=probability, unit="probability", n=int(images[present].sum()), runs=(run.run.id,),
            how="Simulation from Beta posteriors of all classes",
        ),
        confused_with=classes[int(mistakes.argmax())] if mistakes.any() else "",
        confused_count=count(mistakes.max(), runs=(run.run.id,)),
    )  # fmt: skip


def _index_of(present: np.ndarray, label: int) -> int:
    """Where `label` stands among the classes that have images."""
    return int(np.flatnonzero(present == label)[0])


def _class_share(run: RunData, right: np.ndarray, images: np.ndarray, label: int) -> Quantity:
    return share(int(right[label]), int(images[label]), runs=[run.run.id])


def _items(
    data: Part,
    run: RunData,
    classes: Sequence[str],
    matrix: np.ndarray,
    best: ClassRank,
    worst: ClassRank,
    language: Language,
) -> dict[str, Any]:
    text = language.text
    n = int(matrix.sum())
    right, images = np.diag(matrix), matrix.sum(axis=1)
    shares = [_class_share(run, right, images, i) if images[i] else _nothing(run) for i in range(len(classes))]
    by_network = {
        name: {split: network_accuracy(data.of(name), split) for split in ("train", "validation", "test")}
        for name in data.networks
    }
    interval = text("Bars: 95 % intervals.")
    items: dict[str, Any] = {
        "accuracies": _accuracy_table(by_network, data, language),
        "accuracy": accuracy_comparison(
            by_network,
            language,
            caption=text("Accuracy of each network on the images it was trained on, chosen by, and tested on"),
            note=interval,
        ),
        "classes": per_class_accuracy(
            classes,
            shares,
            language,
            network=run.network,
            caption=text(
                "{network} does best on {best} and worst on {worst}",
                network=run.title,
                best=best.name,
                worst=worst.name,
            ),
            note=text("{n} test images. Bars: 95 % intervals.", n=n),
        ),
        "best": _gallery(run, classes, best, language),
        "worst": _gallery(run, classes, worst, language),
        "confusion": confusion_matrix(
            matrix.tolist(),
            classes,
            language,
            caption=text("Where {network}'s mistakes go", network=run.title),
            note=text("{n} test images; rows are the true class, columns the answer.", n=n),
        ),
        "mistakes": _mistakes(run, classes, language),
    }
    return {name: item for name, item in items.items() if not (isinstance(item, Gallery) and not item.items)}


def _nothing(run: RunData) -> Quantity:
    return Quantity(value=float("nan"), unit="share", n=0, runs=(run.run.id,))


def _accuracy_table(by_network: Mapping[str, Mapping[str, Quantity]], data: Part, language: Language) -> Table:
    classes = len(data.dataset.class_names)
    rows: list[Mapping[str, Cell]] = []
    for name, by_split in by_network.items():
        run = data.of(name)[0]
        test = run.predictions["test"]
        right, images = class_counts(test.predicted, test.labels, classes)
        present = images > 0
        rows.append(
            {
                "network": run.title,
                **by_split,
                "interval": language.interval(by_split["test"]),
                "mean": Quantity(
                    value=float((right[present] / images[present]).mean()), unit="share", n=int(present.sum()),
                    runs=(run.run.id,), how="Mean of the accuracies of the classes",
                ),
            }
        )  # fmt: skip
    text = language.text
    sizes = {split: data.runs[0].predictions[split].labels.size for split in ("train", "validation", "test")}
    return Table(
        caption=text("Accuracy by network and split"),
        note=text(
            "Overall accuracy on {train} training, {validation} validation and {test} test images; the interval is the "
            "95 % one of the test accuracy, the mean that over classes on test.",
            **sizes,
        ),
        columns=(
            Column(key="network", head=text("Network")),
            Column(key="train", head=text("Training")),
            Column(key="validation", head=text("Validation")),
            Column(key="test", head=text("Test"), best="max"),
            Column(key="interval", head=text("95% interval")),
            Column(key="mean", head=text("Mean over classes")),
        ),
        rows=tuple(rows),
    )


def _gallery(run: RunData, classes: Sequence[str], rank: ClassRank, language: Language) -> Gallery:
    """Test images of one class, half of them right ones and half wrong ones as far as there are any."""
    test = run.predictions["test"]
    mine = [i for i in np.flatnonzero(test.labels == rank.label).tolist() if int(test.ids[i]) in run.exhibits]
    mine.sort(key=lambda i: -float(test.probabilities[i].max()))
    wrong = [i for i in mine if not test.right[i]][: SHOWN // 2]
    right = [i for i in mine if test.right[i]][: SHOWN - len(wrong)]
    shown = [*right[: SHOWN - len(wrong)], *wrong]
    return Gallery(
        caption=language.text(
            "Test images of {name}: {right} answered right, {wrong} wrong",
            name=rank.name,
            right=len(right),
            wrong=len(wrong),
        ),
        note=language.text("{network}; most confident answers of each kind first.", network=run.title),
        alt=language.text(
            "{count} images of class {name} with the network's answers", count=len(shown), name=rank.name
        ),
        items=tuple(_exhibit(run, classes, i) for i in shown),
    )


def _mistakes(run: RunData, classes: Sequence[str], language: Language) -> Gallery:
    test = run.predictions["test"]
    wrong = [i for i in np.flatnonzero(~test.right).tolist() if int(test.ids[i]) in run.exhibits]
    wrong.sort(key=lambda i: -float(test.probabilities[i].max()))
    shown = wrong[:SHOWN]
    return Gallery(
        caption=language.text("The mistakes of which {network} was surest", network=run.title),
        note=language.text("Test images; under each, its class and the answer with its probability."),
        alt=language.text("{count} misclassified test images", count=len(shown)),
        items=tuple(_exhibit(run, classes, i) for i in shown),
    )


def _exhibit(run: RunData, classes: Sequence[str], position: int) -> Exhibit:
    test = run.predictions["test"]
    return Exhibit(
        pixels=run.exhibits[int(test.ids[position])],
        label=classes[int(test.labels[position])],
        predicted=classes[int(test.predicted[position])],
        confidence=Quantity(
            value=float(test.probabilities[position].max()), unit="share", runs=(run.run.id,), how="Softmax probability"
        ),
    )
