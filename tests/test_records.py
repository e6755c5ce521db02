"""Records as a report reads them: folds, searches, baselines and sanity checks, and locks from before there were any."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnlab.errors import StoreError
from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore
from report.data.records import LabData, open_lab
from report.document.assembly import assemble
from report.document.provenance import used_records
from report.evidence.language import Language
from tests.fabricate import write_store

ONE: dict[str, Any] = {"networks": {"clothes": ["vgg19"], "digits": ["alexnet"]}}
SANITY = {
    "classes": 4,
    "ln_classes": 1.3863,
    "initial_loss": 1.4,
    "overfit": {"images": 16, "steps": 40, "loss_before": 1.4, "loss": 0.01, "accuracy": 1.0},
}


@pytest.fixture
def lab(tmp_path: Path) -> Callable[..., LabData]:
    def make(**options: Any) -> LabData:
        root = tmp_path / f"runs-{len(list(tmp_path.iterdir()))}"
        write_store(root, **options)
        return open_lab(RunStore(root), "demo")

    return make


def problems(data: LabData, code: str) -> str:
    document = assemble(data, load_lab("demo", overrides=[f"lab.language={code}"]), Language(code))
    return " ".join(document.section("activity-07").problems)


def test_folds_are_neither_runs_nor_problems(lab: Callable[..., LabData]) -> None:
    part = lab(folds={"vgg19": [0.6, 0.7, 0.65]}, **ONE).parts["2_1"]
    assert [run.network for run in part.runs] == ["vgg19"] and part.problems == {} and part.fold_problems == ()
    assert [(fold.index, fold.of, fold.accuracy) for fold in part.folds["vgg19"]] == [
        (0, 3, 0.6),
        (1, 3, 0.7),
        (2, 3, 0.65),
    ]
    assert part.folds["vgg19"][0].resolved["images"] == {"train": 96, "validation": 24}
    assert part.folds["vgg19"][0].run.id.startswith("clothes-vgg19-s0-f0-")


def test_a_failed_fold_is_a_problem_of_its_own(lab: Callable[..., LabData]) -> None:
    data = lab(folds={"vgg19": [0.6, None, 0.65]}, **ONE)
    part = data.parts["2_1"]
    assert [fold.index for fold in part.folds["vgg19"]] == [0, 2] and part.problems == {}
    assert [(one.index, one.of, one.reason) for one in part.fold_problems] == [(1, 3, "the disk is full")]
    assert "El pliegue 2 de 3 de VGG-19 no se entrenó hasta el final: the disk is full" in problems(data, "es")
    assert "Fold 2 of 3 of VGG-19 was not trained to its end: the disk is full" in problems(data, "en")


def test_a_search_is_its_trials(lab: Callable[..., LabData]) -> None:
    part = lab(searches={"vgg19": {}}, seeds=(0, 1), **ONE).parts["2_1"]
    assert list(part.searches) == ["vgg19"]
    search = part.searches["vgg19"]
    assert search.counts == {"complete": 3, "pruned": 2, "failed": 1}
    assert [trial.number for trial in search.trials] == [1, 2, 3, 4, 5, 6]
    assert (search.best.number, search.best.value, search.best.best_epoch) == (2, 0.75, 6)
    assert search.varied == ["learning_rate", "batch_size"]
    assert search.selected == {"learning_rate": 0.0123456, "batch_size": 32}
    assert search.space["learning_rate"] == {"low": 0.001, "high": 0.1, "log": True}


def test_a_baseline_is_paired_with_the_networks_images_only(lab: Callable[..., LabData]) -> None:
    part = lab(baselines={"clothes": {"right": 0.25}}, **ONE).parts["2_1"]
    assert part.baseline is not None
    labels = part.runs[0].predictions["test"].labels
    assert part.baseline.right(labels).sum() == 10 and part.baseline.constant["loss"] == pytest.approx(np.log(4))
    with pytest.raises(StoreError, match="not measured on the images"):
        part.baseline.right(labels[1:])


def test_what_was_checked_and_how_often_the_test_was_looked_at(lab: Callable[..., LabData]) -> None:
    part = lab(sanity=SANITY, test_uses=3, flip=True, **ONE).parts["2_1"]
    assert part.runs[0].sanity == SANITY and part.test_uses == 3 and part.runs[0].flip


def test_a_diverged_training_is_named_with_its_reason(lab: Callable[..., LabData]) -> None:
    data = lab(diverged={"resnet50": "the loss was NaN in step 12"}, **ONE)
    assert [one.network for one in data.parts["2_1"].diverged] == ["resnet50"]
    assert "El entrenamiento de ResNet-50 divergió: the loss was NaN in step 12" in problems(data, "es")
    assert "ResNet-50's training diverged: the loss was NaN in step 12" in problems(data, "en")


def test_locks_and_records_from_before_are_read(lab: Callable[..., LabData]) -> None:
    data = lab(**ONE)
    assert not {"baselines", "time"} & set(data.lock)
    assert not {"fold", "search", "flip"} & set(data.lock["runs"][0])
    part = data.parts["2_1"]
    assert (part.folds, part.searches, part.baseline, part.test_uses) == ({}, {}, None, None)
    assert part.runs[0].sanity is None and not part.runs[0].flip
    recipe = part.runs[0].spec["recipe"]
    for key in ("ema", "frozen_epochs", "rate_decay"):
        del recipe[key]
    assert [part.runs[0].recipe[key] for key in ("ema", "frozen_epochs", "rate_decay")] == [0.0, 0, 1.0]


def test_the_notebook_depends_on_every_record(lab: Callable[..., LabData]) -> None:
    made = lab(
        folds={"vgg19": [0.6, 0.7]}, searches={"vgg19": {}}, baselines={"clothes": {}}, diverged={"resnet50": "NaN"},
        **ONE,
    )  # fmt: skip
    kinds = [json.dumps([one.manifest["kind"], one.manifest["status"]]) for one in used_records(made)]
    # Two evaluated runs, two folds and one diverged training a data set that has them.
    assert kinds.count('["run", "done"]') == 4 and kinds.count('["run", "diverged"]') == 2
    assert kinds.count('["search", "done"]') == 1 and kinds.count('["baseline", "done"]') == 1
