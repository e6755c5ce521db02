"""Records as a report reads them: folds, searches, baselines and sanity checks, and locks from before there were any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cnnlab.errors import StoreError
from report.data.records import LabData
from report.document.provenance import used_records
from tests.reports import document

ONE: dict[str, Any] = {"networks": {"clothes": ["vgg19"], "digits": ["alexnet"]}}
SANITY = {
    "classes": 4, "ln_classes": 1.3863, "initial_loss": 1.4,
    "overfit": {"images": 16, "steps": 40, "loss_before": 1.4, "loss": 0.01, "accuracy": 1.0},
}  # fmt: skip
Make = Callable[..., LabData]


def problems(data: LabData) -> list[str]:
    return [" ".join(document(data, code).section("activity-07").problems) for code in ("es", "en")]


def test_folds_are_no_runs_and_a_failed_one_is_a_problem_of_its_own(lab: Make) -> None:
    part = lab(folds={"vgg19": [0.6, 0.7, 0.65]}, **ONE).parts["2_1"]
    assert [run.network for run in part.runs] == ["vgg19"] and part.problems == {} and part.fold_problems == ()
    folds = part.folds["vgg19"]
    assert [(fold.index, fold.of, fold.accuracy) for fold in folds] == [(0, 3, 0.6), (1, 3, 0.7), (2, 3, 0.65)]
    assert folds[0].resolved["images"] == {"train": 96, "validation": 24}
    assert folds[0].run.id.startswith("clothes-vgg19-s0-f0-")
    data = lab(folds={"vgg19": [0.6, None, 0.65]}, **ONE)
    part = data.parts["2_1"]
    assert [fold.index for fold in part.folds["vgg19"]] == [0, 2] and part.problems == {}
    assert [(one.index, one.of, one.reason) for one in part.fold_problems] == [(1, 3, "the disk is full")]
    spanish, english = problems(data)
    assert "El pliegue 2 de 3 de VGG-19 no se entrenó hasta el final: the disk is full" in spanish
    assert "Fold 2 of 3 of VGG-19 was not trained to its end: the disk is full" in english


def test_a_search_is_its_trials(lab: Make) -> None:
    search = lab(searches={"vgg19": {}}, seeds=(0, 1), **ONE).parts["2_1"].searches["vgg19"]
    assert search.manifest["counts"] == {"complete": 3, "pruned": 2, "failed": 1}
    assert [trial.number for trial in search.trials] == [1, 2, 3, 4, 5, 6]
    assert (search.best.number, search.best.value, search.best.best_epoch) == (2, 0.75, 6)
    assert search.varied == ["learning_rate", "batch_size"]
    assert search.manifest["selected"] == {"learning_rate": 0.0123456, "batch_size": 32}
    assert search.manifest["space"]["learning_rate"] == {"low": 0.001, "high": 0.1, "log": True}


def test_what_is_recorded_beside_a_run(lab: Make) -> None:
    part = lab(baselines={"clothes": {"right": 0.25}}, sanity=SANITY, test_uses=3, flip=True, **ONE).parts["2_1"]
    assert part.runs[0].sanity == SANITY and part.test_uses == 3 and part.runs[0].flip and part.baseline is not None
    labels, loss = part.runs[0].predictions["test"].labels, part.baseline.manifest["constant"]["loss"]
    assert part.baseline.right(labels).sum() == 10 and loss == pytest.approx(np.log(4))
    with pytest.raises(StoreError, match="not measured on the images"):
        part.baseline.right(labels[1:])


def test_a_diverged_training_is_named_with_its_reason(lab: Make) -> None:
    data = lab(diverged={"resnet50": "the loss was NaN in step 12"}, **ONE)
    assert [one.network for one in data.parts["2_1"].diverged] == ["resnet50"]
    spanish, english = problems(data)
    assert "El entrenamiento de ResNet-50 divergió: the loss was NaN in step 12" in spanish
    assert "ResNet-50's training diverged: the loss was NaN in step 12" in english


def test_locks_and_records_from_before_are_read(lab: Make) -> None:
    data = lab(**ONE)
    assert not {"baselines", "time"} & set(data.lock) and not {"fold", "search", "flip"} & set(data.lock["runs"][0])
    part = data.parts["2_1"]
    assert (part.folds, part.searches, part.baseline, part.test_uses) == ({}, {}, None, None)
    assert part.runs[0].sanity is None and not part.runs[0].flip
    newer = {"ema": 0.0, "frozen_epochs": 0, "rate_decay": 1.0}
    for key in newer:
        del part.runs[0].spec["recipe"][key]
    assert {key: part.runs[0].recipe[key] for key in newer} == newer


def test_the_notebook_depends_on_every_record(lab: Make) -> None:
    made = lab(
        folds={"vgg19": [0.6, 0.7]}, searches={"vgg19": {}}, baselines={"clothes": {}}, diverged={"resnet50": "NaN"},
        **ONE,
    )  # fmt: skip
    kinds = Counter((one.manifest["kind"], one.manifest["status"]) for one in used_records(made))
    # Two evaluated runs, two folds and one diverged training a data set that has them.
    assert (kinds["run", "done"], kinds["run", "diverged"]) == (4, 2)
    assert (kinds["search", "done"], kinds["baseline", "done"]) == (1, 1)
