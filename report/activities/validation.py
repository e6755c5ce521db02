"""How hyper-parameters and networks were validated: hold-out, folds, repeated seeds, and how often test was looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from report.activities.common import primary_network
from report.data.records import Part
from report.data.trainings import FoldData, RunData
from report.evidence.compare import network_accuracy
from report.evidence.language import Language
from report.evidence.quantity import Cell, Quantity, Table, numbers_of, table
from report.evidence.statistics import mean_interval


def strategy(data: Part, run: RunData, language: Language) -> dict[str, Any]:
    """Sizes of the split, the folds, the seeds and the uses of the test set, of the run that the part is about."""
    images, q, text = run.resolved["images"], numbers_of(run.run), language.text
    networks = list(dict.fromkeys([*data.networks, *data.folds]))
    folds = [_cross_validation(data.folds[name]) for name in networks if len(_accuracies(data.folds.get(name, ()))) > 1]
    chosen = {
        text("the epoch"): run.recipe["early_stopping"] is not None,
        text("the hyper-parameters that were searched"): bool(data.searches),
        text("the network that this part is about"): len(data.networks) > 1 and data.primary != primary_network(data),
    }
    flipped = [one.title for one in data.runs if one.flip]
    return {
        "train_images": q.count(images["train"]),
        "validation_images": q.count(images["validation"]),
        "test_images": q.count(run.predictions["test"].labels.size),
        "classes": q.count(len(data.dataset.class_names)),
        "validation_chooses": [words for words, does in chosen.items() if does],
        "flip": bool(flipped),
        "flips_all": len(flipped) == len(data.runs),
        "flip_networks": list(dict.fromkeys(flipped)),
        "folds": folds,
        "folds_keep_best": any(one["keeps_best"] for one in folds),
        "repeats": _repeats(data.of(run.network)),
        "test_uses": _test_uses(data),
    }


def _accuracies(folds: Sequence[FoldData]) -> dict[int, float]:
    """Accuracy of each fold by its index, the mean where it was trained from several seeds."""
    indices = dict.fromkeys(fold.index for fold in folds)
    return {index: fmean(fold.accuracy for fold in folds if fold.index == index) for index in indices}


def _cross_validation(folds: Sequence[FoldData]) -> dict[str, Any]:
    """What the at least two finished folds of a network gave."""
    values, first, q = list(_accuracies(folds).values()), folds[0], numbers_of(*(fold.run for fold in folds))
    mean, low, high = mean_interval(values)
    interval, how = {"low": max(0.0, low), "high": min(1.0, high)}, "Mean over folds, Student interval"
    return {
        "network": first.title,
        "of": q.count(first.of),
        "finished": q.count(len(values)),
        "complete": len(values) == first.of,
        "images": q.count(first.resolved["images"]["train"] + first.resolved["images"]["validation"]),
        "mean": q(mean, "share", n=len(values), how=how, **interval),
        "deviation": q(stdev(values), "points", n=len(values), how="Standard deviation over folds"),
        "keeps_best": first.recipe["early_stopping"] is not None,
    }


def _repeats(runs: Sequence[RunData]) -> dict[str, Any]:
    """Validation accuracy over seeds: mean, deviation and range; {} for one seed."""
    if len(runs) == 1:
        return {}
    values = [float(run.predictions["validation"].right.mean()) for run in runs]
    q = numbers_of(*(run.run for run in runs))
    return {
        "mean": network_accuracy(runs, "validation"),
        "deviation": q(stdev(values), "points", n=len(values), how="Standard deviation over seeds"),
        "lowest": q(min(values), "share"),
        "highest": q(max(values), "share"),
    }


def _test_uses(data: Part) -> dict[str, Any]:
    """How many evaluations looked at the test images, and how many of them are this lab's; unknown in older locks."""
    if data.test_uses is None:
        return {"known": False, "exceeds": False}
    mine, q = len(data.runs), numbers_of(*(run.evaluation for run in data.runs))
    return {
        "known": True,
        "times": q.count(data.test_uses),
        "is_once": data.test_uses == 1,
        "mine": q.count(mine),
        "matches": data.test_uses == mine,
        "exceeds": data.test_uses > mine,
    }


def fold_table(data: Part, language: Language) -> Table:
    """Accuracy of each fold by network, with mean and deviation below."""
    text = language.text
    folds = {name: data.folds[name] for name in dict.fromkeys([*data.networks, *data.folds]) if data.folds.get(name)}
    sizes = {fold.run.id: int(fold.resolved["images"]["validation"]) for several in folds.values() for fold in several}

    def cell(name: str, index: int) -> Quantity | None:
        mine = [fold for fold in folds[name] if fold.index == index]
        how = "Accuracy measured at the end of the epoch"
        value, q = _accuracies(mine).get(index), numbers_of(*(fold.run for fold in mine))
        return None if value is None else q(value, "share", n=sizes[mine[0].run.id], how=how)

    rows: list[Mapping[str, Cell]] = [
        {"fold": str(index + 1), **{name: cell(name, index) for name in folds}}
        for index in range(max(fold.of for several in folds.values() for fold in several))
    ]
    if several := {name: _cross_validation(one) for name, one in folds.items() if len(_accuracies(one)) > 1}:
        rows.append({"fold": text("Mean"), **{name: one["mean"] for name, one in several.items()}})
        rows.append({"fold": text("Standard deviation"), **{name: one["deviation"] for name, one in several.items()}})
    low, high = (numbers_of(*sizes).count(bound) for bound in (min(sizes.values()), max(sizes.values())))
    each = text("Each fold is validated on {n} images.", n=low)
    if low.value != high.value:
        each = text("Each fold is validated on {low} to {high} images.", low=low, high=high)
    return table(
        text("Validation accuracy in each fold of {dataset}", dataset=data.dataset.manifest["title"]),
        {"fold": text("Fold"), **{name: several[0].title for name, several in folds.items()}},
        rows,
        note=each + " " + text("A dash stands for a fold that was not trained to its end."),
    )
