"""Activities 9 and 13: accuracy on test, validation and training images, best and worst class, mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from cnnlab.networks import find_network
from report.activities.attention import attention, attention_gallery, filter_figure, filters
from report.activities.baseline import against_linear
from report.activities.calibration import calibration, reliability
from report.activities.classes import (
    ClassRank,
    class_gallery,
    class_share,
    class_table,
    mistakes_gallery,
    rank_class,
    surest_mistake,
)
from report.activities.common import (
    MANY_CLASSES,
    SIGNIFICANT,
    absent_networks,
    accuracy,
    count,
    network_accuracy,
    of_records,
    primary_network,
    primary_run,
    required_part,
    seeds_of,
    share,
    titled,
)
from report.activities.fairness import fairness, fairness_table
from report.activities.leaks import clean_table, gallery_is_elsewhere, leak_counts, leak_gallery, without_leaks
from report.activities.mistakes import confusion_gallery, diversity
from report.data.records import LabData, Part, RunData
from report.evidence.language import Language
from report.evidence.metrics import calibration_error, class_counts, confusion, top_confusions, top_k
from report.evidence.quantity import Cell, Column, Evidence, Gallery, Quantity, Table
from report.evidence.statistics import difference, holm, mcnemar, mean_interval, mean_of_proportions, paired_difference
from report.figures.bars import accuracy_comparison, per_class_accuracy
from report.figures.confusion import confusion_matrix

LARGE_GAP = 0.1
"""Training accuracy this far above test accuracy is called considerable overfitting."""


def answer(lab: LabData, language: Language, *, part: str) -> Evidence:
    """Accuracies with intervals, the paired comparison, best and worst class with images, confusions."""
    data = required_part(lab, part)
    run = primary_run(data)
    classes = data.dataset.class_names
    matrix = confusion(run.predictions["test"].predicted, run.predictions["test"].labels, len(classes))
    best, worst = (rank_class(run, classes, matrix, best=which) for which in (True, False))
    items = _items(data, run, classes, matrix, best, worst, language)
    leaks = {**leak_counts(data.dataset), **without_leaks(data, run)}
    items["reliability"] = of_records(reliability(data, language), [run.run.id for run in data.runs])
    items |= _leak_items(lab, data, leaks, language)
    if (table := fairness_table(data, language)).rows:
        items["fairness"] = table
    return Evidence(
        names={
            **_accuracies(data, run, classes, language),
            **compare(data),
            "best": best,
            "worst": worst,
            "confusions": [
                {"true": classes[i], "predicted": classes[j], "count": count(n, runs=[run.run.id])}
                for i, j, n in top_confusions(matrix, 3)
            ],
            "surest": surest_mistake(run, classes),
            "diversity": diversity(data, run, matrix, best, worst),
            "attention": attention(run),
            "filters": filters(run, grey=_is_grey(data)),
            "many_classes": len(classes) > MANY_CLASSES,
            "linear": against_linear(data, run),
            "flip": run.flip,
            "searched": bool(data.searches),
            "leaks": {**leaks, "shown_here": "leaks" in items},
            **{
                f"shows_{name}": name in items
                for name in ("best", "worst", "mistakes", "confusions", "attention", "filters")
            },
            "fairness": fairness(data, language),
            "sureness": calibration(run),
        },
        items=items,
    )


def _accuracies(data: Part, run: RunData, classes: Sequence[str], language: Language) -> dict[str, Any]:
    """The primary run's numbers, and how far apart its splits are."""
    test, train = run.predictions["test"], run.predictions["train"]
    seeds = data.of(run.network)
    runs = (run.run.id,)
    gap, drift = split_gap(run, "train", "test"), split_gap(run, "validation", "test")
    return {
        "network": run.title,
        "networks": [data.of(name)[0].title for name in data.networks],
        "several_networks": len(data.networks) > 1,
        "several_seeds": len(seeds) > 1,
        "seeds": seeds_of(data, run.network, language),
        "absent": [find_network(name).TITLE for name in absent_networks(data)],
        "seed": count(run.seed, runs=runs),
        "over_seeds": network_accuracy(seeds),
        "chosen_by_lab": data.primary == run.network,
        "test": accuracy(run, "test"),
        "validation": accuracy(run, "validation"),
        "train": accuracy(run, "train"),
        "train_images": count(train.labels.size, runs=runs),
        "test_images": count(test.labels.size, runs=runs),
        "mean_of_classes": _mean_of_classes(run, len(classes)),
        "top_5": share(int(top_k(test.probabilities, test.labels, 5).sum()), test.labels.size, runs=runs)
        if len(classes) > 10
        else None,
        "chance": Quantity(value=1 / len(classes), unit="share", how="One over the number of classes"),
        "majority": _majority(run, len(classes)),
        "beats_majority": (accuracy(run, "test").low or 0.0) > _majority(run, len(classes)).value,
        "calibration": Quantity(
            value=calibration_error(test.probabilities, test.labels),
            unit="points",
            n=test.labels.size,
            runs=runs,
            how="Expected calibration error over 15 bins",
        ),
        "gap_to_test": gap,
        "gap_to_validation": split_gap(run, "train", "validation"),
        "gap_is_real": sign(gap) > 0,
        "gap_is_reversed": sign(gap) < 0,
        "gap_is_large": gap.value > LARGE_GAP,
        "validation_above_test": drift,
        "test_matches_validation": sign(drift) == 0,
    }


def _mean_of_classes(run: RunData, classes: int) -> Quantity:
    """Mean over the classes that have test images."""
    test = run.predictions["test"]
    right, images = class_counts(test.predicted, test.labels, classes)
    present = images > 0
    value, low, high = mean_of_proportions(right[present].tolist(), images[present].tolist())
    return Quantity(
        value=value, unit="share", n=int(present.sum()), low=low, high=high, runs=(run.run.id,),
        how="Mean of the accuracies of the classes",
    )  # fmt: skip


def _network_mean_of_classes(runs: Sequence[RunData], classes: int) -> Quantity:
    """The same of a network: of its run, or over its seeds."""
    each = [_mean_of_classes(run, classes) for run in runs]
    if len(each) == 1:
        return each[0]
    value, low, high = mean_interval([one.value for one in each])
    return Quantity(
        value=value, unit="share", n=len(runs), low=max(0.0, low), high=min(1.0, high),
        runs=tuple(run.run.id for run in runs), how="Mean over seeds, Student interval",
    )  # fmt: skip


def _majority(run: RunData, classes: int) -> Quantity:
    """Accuracy on test of always answering the class that is most frequent in training."""
    most = int(np.bincount(run.predictions["train"].labels, minlength=classes).argmax())
    labels = run.predictions["test"].labels
    return Quantity(
        value=float((labels == most).mean()), unit="share", n=labels.size, how="Share of the most frequent class"
    )


def split_gap(run: RunData, one: str, other: str) -> Quantity:
    """Accuracy on `one` minus accuracy on `other`, in points, with Newcombe's interval."""
    a, b = run.predictions[one].right, run.predictions[other].right
    value, low, high = difference(int(a.sum()), a.size, int(b.sum()), b.size)
    how = "Difference of two proportions, Newcombe interval"
    return Quantity(value=value, unit="points", n=a.size + b.size, low=low, high=high, runs=(run.run.id,), how=how)


def sign(difference: Quantity) -> int:
    """1 or −1 where the interval of a difference leaves out zero, else 0."""
    assert difference.low is not None and difference.high is not None
    return int(difference.low > 0) - int(difference.high < 0)


def compare(data: Part) -> dict[str, Any]:
    """Networks in order of test accuracy, and what the paired test says of each pair."""
    order = sorted(data.networks, key=lambda name: -network_accuracy(data.of(name)).value)
    pairs = [_pair(data.of(a)[0], data.of(b)[0]) for a, b in combinations(order, 2)]
    first = network_accuracy(data.of(order[0]))
    for pair, adjusted in zip(pairs, holm([pair["p"].value for pair in pairs]), strict=True):
        pair["distinct"] = adjusted <= SIGNIFICANT
    return {
        "ranking": [{"network": data.of(name)[0].title, "accuracy": network_accuracy(data.of(name))} for name in order],
        "pairs": pairs,
        "first_is_tied": len(order) > 1 and network_accuracy(data.of(order[1])).value == first.value,
        "primary_is_first": order[0] == primary_network(data),
    }


def _pair(a: RunData, b: RunData) -> dict[str, Any]:
    """McNemar's test of two runs on the same test images; the one that is right more often comes first."""
    if a.predictions["test"].right.sum() < b.predictions["test"].right.sum():
        a, b = b, a
    right_a, right_b = a.predictions["test"].right, b.predictions["test"].right
    paired = mcnemar(right_a, right_b)
    value, low, high = paired_difference(paired.only_a, paired.only_b, right_a.size)
    runs = (a.run.id, b.run.id)
    return {
        "better": a.title,
        "worse": b.title,
        "difference": Quantity(
            value=value, unit="points", n=right_a.size, low=low, high=high, runs=runs,
            how="Difference of accuracies on the same test images",
        ),
        "p": Quantity(
            value=paired.p, unit="probability", n=paired.only_a + paired.only_b, runs=runs, how="Exact McNemar test"
        ),
        "tiny": paired.p < 0.001,
        "only_better": count(paired.only_a, runs=runs),
        "only_worse": count(paired.only_b, runs=runs),
    }  # fmt: skip


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
    n = count(matrix.sum(), runs=[run.run.id])
    right, images = np.diag(matrix), matrix.sum(axis=1)
    shares = [class_share(run, right, images, i) if images[i] else _nothing(run) for i in range(len(classes))]
    by_network = {
        name: {split: network_accuracy(data.of(name), split) for split in ("train", "validation", "test")}
        for name in data.networks
    }
    interval = text("Bars: 95% intervals.")
    items: dict[str, Any] = {
        "accuracies": _accuracy_table(by_network, data, language),
        "accuracy": accuracy_comparison(
            by_network,
            language,
            caption=text("Accuracy of each network on the images it was trained on, chosen by, and tested on"),
            note=interval,
            titles={name: titled(data, name, language) for name in (*data.networks, *absent_networks(data))},
        ),
        "classes": per_class_accuracy(
            classes,
            shares,
            language,
            network=run.network,
            caption=_classes_caption(run, best, worst, language),
            note=text("{n} test images. Bars: 95% intervals.", n=n),
        ),
        "per_class": class_table(
            run,
            classes,
            matrix,
            language,
            data.baseline.diversity if data.baseline else None,
            file=f"classes-{data.key.replace('_', '-')}.csv",
        ),
        "best": class_gallery(run, classes, best, language),
        "worst": class_gallery(run, classes, worst, language),
        "confusion": confusion_matrix(
            matrix.tolist(),
            classes,
            language,
            caption=text("Where {network}'s mistakes go", network=run.title),
            note=text("{n} test images; rows are the true class, columns the answer.", n=n),
        ),
        "confusions": confusion_gallery(run, classes, matrix, language),
        "mistakes": mistakes_gallery(run, classes, language),
        "attention": attention_gallery(run, classes, best, worst, language),
        "filters": filter_figure(run, language, grey=_is_grey(data)),
    }
    return {
        name: item if isinstance(item, Table) else of_records(item, [run.run.id])
        for name, item in items.items()
        if _is_shown(item)
    }


def _is_grey(data: Part) -> bool:
    """Whether the images have one channel, repeated in the three that networks take."""
    return bool(data.dataset.manifest["original"].get("channels") == 1)


def _is_shown(item: Any) -> bool:
    """Whether there is something to see; older records lack the images of some galleries."""
    return item is not None and not (isinstance(item, Gallery) and not item.items)


def _leak_items(lab: LabData, data: Part, leaks: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """The table where test images leak, and the pairs where no other activity shows them."""
    table = {"clean": clean_table(data, language)} if leaks.get("clean") else {}
    if not leaks["any"] or gallery_is_elsewhere(lab, data):
        return table
    return {**table, "leaks": leak_gallery(data.dataset, language)}


def _classes_caption(run: RunData, best: ClassRank, worst: ClassRank, language: Language) -> str:
    """Names the best and the worst class unless an exact tie makes the choice arbitrary."""
    if best.is_tied or worst.is_tied:
        return language.text("Accuracy of {network} by class", network=run.title)
    return language.text(
        "{network} does best on {best} and worst on {worst}", network=run.title, best=best.name, worst=worst.name
    )


def _nothing(run: RunData) -> Quantity:
    return Quantity(value=float("nan"), unit="share", n=0, runs=(run.run.id,))


def _accuracy_table(by_network: Mapping[str, Mapping[str, Quantity]], data: Part, language: Language) -> Table:
    classes = len(data.dataset.class_names)
    rows: list[Mapping[str, Cell]] = []
    for name, by_split in by_network.items():
        rows.append(
            {
                "network": titled(data, name, language),
                **by_split,
                "interval": language.interval(by_split["test"]),
                "mean": _network_mean_of_classes(data.of(name), classes),
            }
        )
    rows += [{"network": titled(data, name, language)} for name in absent_networks(data)]
    text = language.text
    several_seeds = any(len(data.of(name)) > 1 for name in data.networks)
    first = data.runs[0]
    sizes = {
        split: count(first.predictions[split].labels.size, runs=[first.run.id])
        for split in ("train", "validation", "test")
    }
    return Table(
        caption=text("Accuracy by network and split"),
        note=text(
            "Overall accuracy on {train} training, {validation} validation and {test} test images; the interval is the "
            "95% one of the test accuracy, the mean that over classes on test.",
            **sizes,
        )
        + (" " + text("With several seeds: mean over them, and its Student interval.") if several_seeds else ""),
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
