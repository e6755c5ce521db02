"""Activities 9 and 13: accuracy on test, validation and training images, best and worst class, mistakes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from cnnlab.networks import find_network
from cnnlab.spec import SPLITS
from report.activities import classes as by_class
from report.activities.attention import attention, attention_gallery
from report.activities.common import (
    MANY_CLASSES,
    Answerer,
    absent_networks,
    primary_network,
    primary_run,
    seeds_of,
    titled,
)
from report.activities.hyperparameters import fairness
from report.activities.leaks import gallery_is_elsewhere, leak_counts, leak_gallery, without_leaks
from report.activities.mistakes import confusion_gallery
from report.data.records import LabData, Part
from report.data.trainings import RunData
from report.evidence.compare import accuracy, against_linear, all_pairs, network_accuracy, over_seeds, sign, split_gap
from report.evidence.language import Language
from report.evidence.metrics import calibration_bins, class_counts, confusion, top_confusions, top_k
from report.evidence.quantity import Cell, Evidence, Figure, Gallery, Item, Quantity, Table, numbers_of, table
from report.evidence.statistics import Z95, mean_of_proportions, wilson
from report.figures.bars import accuracy_comparison, per_class_accuracy
from report.figures.confusion import confusion_matrix
from report.figures.reliability import FEWEST, Bin, reliability_diagram

LARGE_GAP = 0.1
"""Training accuracy this far above test accuracy is called considerable overfitting."""

BINS = 10
"""Ranges of confidence in the reliability diagram."""


def answer(lab: LabData, language: Language, *, part: str) -> Evidence:
    """Accuracies with intervals, the networks compared, best and worst class with images, confusions."""
    data = lab.parts[part]
    run, classes = primary_run(data), data.dataset.class_names
    test, q = run.predictions["test"], numbers_of(run.run)
    matrix = confusion(test.predicted, test.labels, len(classes))
    best, worst = (by_class.rank_class(run, classes, matrix, best=which) for which in (True, False))
    found: dict[str, Item | None] = {
        **_charts(data, run, matrix, best, worst, language),
        "confusions": confusion_gallery(run, classes, matrix, language),
        "mistakes": by_class.mistakes_gallery(run, classes, language),
        "attention": attention_gallery(run, classes, best, worst, language),
        "reliability": _reliability(data, language),
    }
    items = {  # older records lack the images of some galleries
        name: one for name, one in found.items() if one and not (isinstance(one, Gallery) and not one.items)
    }
    leaks = {**leak_counts(data.dataset), **without_leaks(data, run)}
    if leaks["any"] and not gallery_is_elsewhere(lab, data):
        items["leaks"] = leak_gallery(data.dataset, language)
    galleries = ("best", "worst", "mistakes", "confusions", "attention")
    return Evidence(
        names={
            **_accuracies(data, run, language),
            **compare(data),
            "best": best,
            "worst": worst,
            "confusions": [
                {"true": classes[i], "predicted": classes[j], "count": q.count(n)}
                for i, j, n in top_confusions(matrix, 3)
            ],
            "surest": by_class.surest_mistake(run, classes),
            "attention": attention(run),
            "many_classes": len(classes) > MANY_CLASSES,
            "linear": against_linear(data, run),
            "flip": run.flip,
            "searched": bool(data.searches),
            "leaks": {**leaks, "shown_here": "leaks" in items},
            **{f"shows_{name}": name in items for name in galleries},
            "fairness": fairness(data, language),
            "sureness": sureness(run),
        },
        items=items,
    )


def _accuracies(data: Part, run: RunData, language: Language) -> dict[str, Any]:
    """The primary run's numbers, and how far apart its splits are."""
    test, train, q = run.predictions["test"], run.predictions["train"], numbers_of(run.run)
    seeds, classes = data.of(run.network), len(data.dataset.class_names)
    gap, drift = split_gap(run, "train", "test"), split_gap(run, "validation", "test")
    top_5 = top_k(test.probabilities, test.labels, 5)
    most = int(np.bincount(train.labels, minlength=classes).argmax())
    share, how = float((test.labels == most).mean()), "Share of the most frequent class"
    majority = Quantity(value=share, unit="share", n=test.labels.size, how=how)
    return {
        "network": run.title,
        "networks": [data.of(name)[0].title for name in data.networks],
        "several_networks": len(data.networks) > 1,
        "several_seeds": len(seeds) > 1,
        "seeds": seeds_of(data, run.network, language),
        "absent": [find_network(name).TITLE for name in absent_networks(data)],
        "seed": q.count(run.seed),
        "over_seeds": network_accuracy(seeds),
        "chosen_by_lab": data.primary == run.network,
        **{split: accuracy(run, split) for split in SPLITS},
        "train_images": q.count(train.labels.size),
        "test_images": q.count(test.labels.size),
        "mean_of_classes": _mean_of_classes(run, classes),
        "top_5": q.share(int(top_5.sum()), top_5.size) if classes > 10 else None,
        "chance": Quantity(value=1 / classes, unit="share", how="One over the number of classes"),
        "majority": majority,
        "beats_majority": (accuracy(run).low or 0.0) > majority.value,
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
    how = "Mean of the accuracies of the classes"
    return numbers_of(run.run)(value, "share", n=int(present.sum()), low=low, high=high, how=how)


def compare(data: Part) -> dict[str, Any]:
    """Networks in order of test accuracy, and what the test says of each pair."""
    accuracies = {name: network_accuracy(data.of(name)) for name in data.networks}
    order = sorted(accuracies, key=lambda name: -accuracies[name].value)
    pairs = all_pairs(data)
    return {
        "ranking": [{"network": data.of(name)[0].title, "accuracy": accuracies[name]} for name in order],
        "pairs": [
            {
                "better": data.of(one)[0].title,
                "worse": data.of(other)[0].title,
                "difference": verdict.difference,
                "p": verdict.p,
                "tiny": verdict.p.value < 0.001,
                "only_better": verdict.only_first,
                "only_worse": verdict.only_second,
                "distinct": verdict.sign != 0,
            }
            for one, other, verdict in pairs
        ],
        "compares_seeds": any(verdict.seeds > 1 for _, _, verdict in pairs),
        "first_is_tied": len(order) > 1 and accuracies[order[1]].value == accuracies[order[0]].value,
        "primary_is_first": order[0] == primary_network(data),
    }


def _charts(
    data: Part, run: RunData, matrix: np.ndarray, best: by_class.ClassRank, worst: by_class.ClassRank, language: Language
) -> dict[str, Item]:  # fmt: skip
    """Tables, charts and galleries of the classes; the caption of the classes names no best one where classes tie."""
    text, q, classes, source = language.text, numbers_of(run.run), data.dataset.class_names, [run.run]
    right, images, n = np.diag(matrix), matrix.sum(axis=1), q.count(matrix.sum())
    nothing = q(float("nan"), "share", n=0)
    shares = [by_class.class_share(run, right, images, i) if images[i] else nothing for i in range(len(classes))]
    by_network = {name: {split: network_accuracy(data.of(name), split) for split in SPLITS} for name in data.networks}
    caption = text("Accuracy of {network} by class", network=run.title)
    if not (best.is_tied or worst.is_tied):
        caption = text(
            "{network} does best on {best} and worst on {worst}", network=run.title, best=best.name, worst=worst.name
        )
    file = f"classes-{data.key.replace('_', '-')}.csv"
    return {
        "accuracies": _accuracy_table(by_network, data, language),
        "accuracy": accuracy_comparison(
            by_network,
            language,
            titles={name: titled(data, name, language) for name in (*data.networks, *absent_networks(data))},
            caption=text("Accuracy of each network on the images it was trained on, chosen by, and tested on"),
            note=text("Bars: 95% intervals."),
            source=source,
        ),
        "classes": per_class_accuracy(
            classes,
            shares,
            language,
            network=run.network,
            caption=caption,
            note=text("{n} test images. Bars: 95% intervals.", n=n),
            source=source,
        ),
        "per_class": by_class.class_table(run, classes, matrix, language, file=file),
        "best": by_class.class_gallery(run, classes, best, language),
        "worst": by_class.class_gallery(run, classes, worst, language),
        "confusion": confusion_matrix(
            matrix.tolist(),
            classes,
            language,
            caption=text("Where {network}'s mistakes go", network=run.title),
            note=text("{n} test images; rows are the true class, columns the answer.", n=n),
            source=source,
        ),
    }


def _accuracy_table(by_network: Mapping[str, Mapping[str, Quantity]], data: Part, language: Language) -> Table:
    text, first = language.text, data.runs[0]
    rows: list[Mapping[str, Cell]] = []
    for name, by_split in by_network.items():
        runs, interval = data.of(name), language.interval(by_split["test"])
        each = [_mean_of_classes(run, len(data.dataset.class_names)) for run in runs]
        mean = over_seeds(each, runs)
        rows.append({"network": titled(data, name, language), **by_split, "interval": interval, "mean": mean})
    rows += [{"network": titled(data, name, language)} for name in absent_networks(data)]
    note = text(
        "Overall accuracy on {train} training, {validation} validation and {test} test images; the interval is the "
        "95% one of the test accuracy, the mean that over classes on test.",
        **{split: numbers_of(first.run).count(first.predictions[split].labels.size) for split in SPLITS},
    )
    if len(data.runs) > len(data.networks):
        note += " " + text("With several seeds: mean over them, and its Student interval.")
    heads = {
        "network": text("Network"), "train": text("Training"), "validation": text("Validation"), "test": text("Test"),
        "interval": text("95% interval"), "mean": text("Mean over classes"),
    }  # fmt: skip
    return table(text("Accuracy by network and split"), heads, rows, note=note, best={"test": "max"})


def sureness(run: RunData) -> dict[str, Any]:
    """Mean confidence of a run on test, and how far it is above accuracy, with the normal interval over images."""
    test, q = run.predictions["test"], numbers_of(run.run)
    confidence = np.asarray(test.probabilities.max(axis=1), dtype=np.float64)
    each = confidence - test.right
    half, gap = Z95 * float(each.std()) / math.sqrt(each.size), float(each.mean())
    how = "Mean confidence minus accuracy, normal interval over images"
    return {
        "confidence": q(float(confidence.mean()), "share", n=each.size, how="Mean probability of the answers"),
        "gap": q(gap, "points", n=each.size, low=gap - half, high=gap + half, how=how),
        "is_sure": gap > half,
        "is_unsure": gap < -half,
        "below": q(-gap, "points", n=each.size, low=-gap - half, high=-gap + half, how=how),
    }


def _reliability(data: Part, language: Language) -> Figure:
    """The diagram of each network's first run; the caption says which are surer than right."""
    text, firsts = language.text, [data.of(network)[0] for network in data.networks]
    bins: dict[str, list[Bin | None]] = {}
    groups: dict[str, list[str]] = {"sure": [], "unsure": [], "even": []}
    for run in firsts:
        test, found = run.predictions["test"], sureness(run)
        counts = zip(*calibration_bins(test.probabilities, test.labels, BINS), strict=True)
        bins[run.network] = [
            Bin(int(n), float(mean), int(k) / int(n), *wilson(int(k), int(n))) if n else None for n, mean, k in counts
        ]
        groups["sure" if found["is_sure"] else "unsure" if found["is_unsure"] else "even"].append(run.title)
    words = {
        "sure": "surer than right: {networks}", "unsure": "less sure than right: {networks}",
        "even": "as sure as right, as far as these images tell: {networks}",
    }  # fmt: skip
    caption = "; ".join(text(words[key], networks=language.join(names)) for key, names in groups.items() if names)
    note = text(
        "{n} test images in {bins} equally wide ranges of confidence. Bars: 95% intervals. Ranges with fewer than "
        "{fewest} images are left out.",
        n=int(firsts[0].predictions["test"].labels.size), bins=BINS, fewest=FEWEST,
    )  # fmt: skip
    if len(data.runs) > len(firsts):
        note += " " + text("Of each network, the first seed.")
    caption, source = caption[0].upper() + caption[1:], [run.run for run in data.runs]
    return reliability_diagram(bins, language, caption=caption, note=note, source=source)


ANSWERS = {"results": Answerer(answer, of_data=True, needs_runs=True)}
