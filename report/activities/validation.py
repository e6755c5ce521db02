"""How hyper-parameters and networks were validated: hold-out, folds, repeated seeds, and how often test was looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from report.activities.common import count, primary_network
from report.data.records import Part
from report.data.trainings import FoldData, RunData
from report.evidence.compare import network_accuracy
from report.evidence.language import Language
from report.evidence.quantity import Cell, Column, Quantity, Table
from report.evidence.statistics import mean_interval


def strategy(data: Part, run: RunData, language: Language) -> dict[str, Any]:
    """Sizes of the split, the folds, the seeds and the uses of the test set, of the run that the part is about."""
    images, folds, ids = run.resolved["images"], _folds(data), [run.run.id]
    return {
        "train_images": count(images["train"], runs=ids),
        "validation_images": count(images["validation"], runs=ids),
        "test_images": count(run.predictions["test"].labels.size, runs=ids),
        "classes": count(len(data.dataset.class_names), runs=ids),
        "validation_chooses": _chosen(data, run, language),
        **_flip(data),
        "folds": folds,
        "folds_keep_best": any(one["keeps_best"] for one in folds),
        "repeats": _repeats(data.of(run.network)),
        "test_uses": _test_uses(data),
    }


def _chosen(data: Part, run: RunData, language: Language) -> list[str]:
    """What the validation images decide, in words."""
    text = language.text
    chosen = {
        text("the epoch"): run.recipe["early_stopping"] is not None,
        text("the hyper-parameters that were searched"): bool(data.searches),
        text("the network that this part is about"): len(data.networks) > 1 and data.primary != primary_network(data),
    }
    return [words for words, does in chosen.items() if does]


def _flip(data: Part) -> dict[str, Any]:
    """Which networks answer by the mean of an image and its mirror image."""
    flipped = [run.title for run in data.runs if run.flip]
    return {
        "flip": bool(flipped),
        "flips_all": len(flipped) == len(data.runs),
        "flip_networks": list(dict.fromkeys(flipped)),
    }


def _folds(data: Part) -> list[dict[str, Any]]:
    """What the cross-validation of each network gave, in the lab's order; networks with two finished folds or more."""
    networks = list(dict.fromkeys([*data.networks, *data.folds]))
    return [_cross_validation(data.folds[name]) for name in networks if len(_accuracies(data.folds.get(name, ()))) > 1]


def _accuracies(folds: Sequence[FoldData]) -> dict[int, float]:
    """Accuracy of each fold by its index, the mean where it was trained from several seeds."""
    indices = dict.fromkeys(fold.index for fold in folds)
    return {index: fmean(fold.accuracy for fold in folds if fold.index == index) for index in indices}


def _cross_validation(folds: Sequence[FoldData]) -> dict[str, Any]:
    values, first, ids = list(_accuracies(folds).values()), folds[0], [fold.run.id for fold in folds]
    images = first.resolved["images"]
    return {
        "network": first.title,
        "of": count(first.of, runs=ids),
        "finished": count(len(values), runs=ids),
        "complete": len(values) == first.of,
        "images": count(images["train"] + images["validation"], runs=ids),
        "mean": fold_mean(folds),
        "deviation": fold_deviation(folds),
        "keeps_best": first.recipe["early_stopping"] is not None,
    }


def fold_mean(folds: Sequence[FoldData]) -> Quantity:
    """Mean accuracy over at least two folds with its Student interval."""
    mean, low, high = mean_interval(list(_accuracies(folds).values()))
    return Quantity(
        value=mean, unit="share", n=len(_accuracies(folds)), low=max(0.0, low), high=min(1.0, high),
        runs=tuple(fold.run.id for fold in folds), how="Mean over folds, Student interval",
    )  # fmt: skip


def fold_deviation(folds: Sequence[FoldData]) -> Quantity:
    """Standard deviation of at least two folds' accuracies."""
    values = list(_accuracies(folds).values())
    return Quantity(
        value=stdev(values), unit="points", n=len(values), runs=tuple(fold.run.id for fold in folds),
        how="Standard deviation over folds",
    )  # fmt: skip


def _repeats(runs: Sequence[RunData]) -> dict[str, Any]:
    """Validation accuracy over seeds: mean, deviation and range; {} for one seed."""
    if len(runs) == 1:
        return {}
    values = [float(run.predictions["validation"].right.mean()) for run in runs]
    ids = tuple(run.run.id for run in runs)
    return {
        "mean": network_accuracy(runs, "validation"),
        "deviation": Quantity(
            value=stdev(values), unit="points", n=len(values), runs=ids, how="Standard deviation over seeds"
        ),
        "lowest": Quantity(value=min(values), unit="share", runs=ids),
        "highest": Quantity(value=max(values), unit="share", runs=ids),
    }


def _test_uses(data: Part) -> dict[str, Any]:
    """How many evaluations looked at the test images, and how many of them this lab accounts for; unknown in older
    locks."""
    if data.test_uses is None:
        return {"known": False, "exceeds": False}
    mine, ids = len(data.runs), [run.evaluation.id for run in data.runs]
    return {
        "known": True,
        "times": count(data.test_uses, runs=ids),
        "is_once": data.test_uses == 1,
        "mine": count(mine, runs=ids),
        "matches": data.test_uses == mine,
        "exceeds": data.test_uses > mine,
    }


def fold_table(data: Part, language: Language) -> Table:
    """Accuracy of each fold by network, with mean and deviation below."""
    text = language.text
    networks = [name for name in dict.fromkeys([*data.networks, *data.folds]) if data.folds.get(name)]
    folds = {name: data.folds[name] for name in networks}
    most = max(fold.of for several in folds.values() for fold in several)
    by_index = {name: _accuracies(several) for name, several in folds.items()}
    rows: list[Mapping[str, Cell]] = [
        {"fold": str(index + 1), **{name: _share(by_index[name].get(index), folds[name], index) for name in networks}}
        for index in range(most)
    ]
    several = {name: one for name, one in folds.items() if len(by_index[name]) > 1}
    if several:
        rows.append({"fold": text("Mean"), **{name: fold_mean(one) for name, one in several.items()}})
        rows.append(
            {"fold": text("Standard deviation"), **{name: fold_deviation(one) for name, one in several.items()}}
        )
    return Table(
        caption=text("Validation accuracy in each fold of {dataset}", dataset=data.dataset.manifest["title"]),
        note=_fold_note(folds, language),
        columns=(
            Column(key="fold", head=text("Fold")),
            *(Column(key=name, head=folds[name][0].title) for name in networks),
        ),
        rows=tuple(rows),
    )


def _fold_note(folds: Mapping[str, Sequence[FoldData]], language: Language) -> str:
    sizes = {fold.run.id: int(fold.resolved["images"]["validation"]) for several in folds.values() for fold in several}
    low, high = (count(bound, runs=list(sizes)) for bound in (min(sizes.values()), max(sizes.values())))
    each = (
        language.text("Each fold is validated on {n} images.", n=low)
        if low.value == high.value
        else language.text("Each fold is validated on {low} to {high} images.", low=low, high=high)
    )
    return each + " " + language.text("A dash stands for a fold that was not trained to its end.")


def _share(value: float | None, folds: Sequence[FoldData], index: int) -> Quantity | None:
    if value is None:
        return None
    mine = [fold for fold in folds if fold.index == index]
    return Quantity(
        value=value, unit="share", n=int(mine[0].resolved["images"]["validation"]),
        runs=tuple(fold.run.id for fold in mine), how="Accuracy measured at the end of the epoch",
    )  # fmt: skip
