"""A lab with a search, a cross-validation, mirrored evaluation and a run that fails, from its file to its report."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup

from tests.command import cnnlab, write_images

LAB = """
    [lab]
    title = "Strategies"
    language = "en"
    [datasets.shapes]
    reader = "folder"
    path = "shapes"
    image_size = 32
    split = { train = 0.6, validation = 0.2, test = 0.2 }
    [networks.alexnet]
    dense_units = 32
    [networks.resnet50]
    stem = "small"
    [recipes.short]
    optimizer = "adam"
    learning_rate = 0.001
    epochs = 6
    batch_size = 6
    augmentation = ["flip"]
    [recipes.wild]
    learning_rate = 10
    momentum = 0.99
    warmup = 0.0
    epochs = 2
    batch_size = 6
    [searches.rates]
    trials = 3
    learning_rate = { low = 1e-4, high = 3e-3 }
    batch_size = [6, 12]
    [[runs]]
    dataset = "shapes"
    networks = ["alexnet"]
    recipe = "short"
    search = "rates"
    folds = 3
    test_flip = true
    [[runs]]
    dataset = "shapes"
    networks = ["vgg19"]
    recipe = "wild"
    [report]
    part_2_1 = "shapes"
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strategies")
    write_images(folder / "shapes")
    (folder / "mine.toml").write_text(textwrap.dedent(LAB))
    result = cnnlab("run", "mine.toml", "--formats", "html", "--budget", "1h", cwd=folder)
    (folder / "stderr").write_text(result.stderr)
    assert result.returncode == 4, result.stderr
    return folder


@pytest.fixture(scope="module")
def lock(lab: Path) -> dict[str, Any]:
    return dict(json.loads((lab / "runs/labs/mine.json").read_text()))


def manifest(lab: Path, kind: str, record: str) -> dict[str, Any]:
    return dict(json.loads((lab / "runs" / kind / record / "manifest.json").read_text()))


def recipe(lab: Path, entry: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads((lab / "runs" / entry["run"] / "spec.json").read_text())["recipe"])


def test_the_search_came_first_and_its_choice_was_trained(lab: Path, lock: dict[str, Any]) -> None:
    entry = next(one for one in lock["runs"] if one["network"] == "alexnet" and one["fold"] is None)
    search = manifest(lab, "searches", entry["search"])
    assert search["counts"]["complete"] + search["counts"]["pruned"] == 3
    trained = recipe(lab, entry)
    assert {key: trained[key] for key in search["selected"]} == search["selected"]
    assert set(search["selected"]) == {"learning_rate", "batch_size"} and trained["epochs"] == 6


def test_folds_divide_training_and_validation_and_never_see_the_test(lab: Path, lock: dict[str, Any]) -> None:
    folds = [one for one in lock["runs"] if one["fold"]]
    assert [one["fold"] for one in folds] == [{"index": i, "of": 3} for i in range(3)]
    assert all(one["evaluation"] is None and f"-f{one['fold']['index']}-" in one["run"] for one in folds)
    images = [manifest(lab, "", one["run"])["resolved"]["images"] for one in folds]
    assert images == [{"train": 32, "validation": 16}] * 3
    whole = next(one for one in lock["runs"] if one["network"] == "alexnet" and one["fold"] is None)
    assert [recipe(lab, one) for one in folds] == [recipe(lab, whole)] * 3, (
        "the folds are trained by the recipe that the search selected"
    )


def test_a_run_that_explodes_takes_no_other_down(lab: Path, lock: dict[str, Any]) -> None:
    entry = next(one for one in lock["runs"] if one["network"] == "vgg19")
    assert entry["evaluation"] is None and "diverged" in entry["problem"]
    found = manifest(lab, "", entry["run"])
    assert found["status"] == "diverged" and found["resolved"]["diverged_because"]
    assert "vgg19 on shapes (seed 0): training diverged" in (lab / "stderr").read_text()


def test_the_evaluation_is_mirrored_and_counted(lab: Path, lock: dict[str, Any]) -> None:
    entry = next(one for one in lock["runs"] if one["evaluation"])
    assert entry["flip"] and manifest(lab, "evaluations", entry["evaluation"])["flip"]
    assert lock["datasets"]["shapes"]["test_uses"] == 1


def test_sanity_baseline_and_predictions_are_recorded(lab: Path, lock: dict[str, Any]) -> None:
    entry = next(one for one in lock["runs"] if one["evaluation"])
    sanity = json.loads((lab / "runs" / entry["run"] / "sanity.json").read_text())
    assert sanity["ln_classes"] == pytest.approx(np.log(3)) == pytest.approx(sanity["initial_loss"], rel=0.02)
    assert sanity["overfit"]["loss"] < 0.5 * sanity["overfit"]["loss_before"]
    resolved = manifest(lab, "", entry["run"])["resolved"]
    assert resolved["predicted_seconds"] > 0 and resolved["deterministic"] and 0.1 < resolved["memory_gib"] < 20
    assert manifest(lab, "baselines", lock["baselines"]["shapes"])["classes"] == 3
    log = (lab / "stderr").read_text()
    assert "predicted: alexnet on shapes (seed 0): 6 epochs" in log and "predicted: 5 trainings in all: " in log
    assert "alexnet on shapes (seed 0): 6 epochs in " in log and "(predicted " in log


def test_the_report_tells_all_of_it(lab: Path) -> None:
    page = BeautifulSoup((lab / "out/mine/report.html").read_text(encoding="utf-8"), "html.parser")
    text = " ".join(page.get_text(" ").split())
    for words in ("cross-validation", "Optuna", "mirror image", "learned by heart", "diverged"):
        assert words in text, words


def test_a_second_run_searches_and_trains_nothing(lab: Path) -> None:
    result = cnnlab("plan", "mine.toml", "--json", cwd=lab)
    assert [one["cached"] for one in json.loads(result.stdout)] == [True] * 5
    result = cnnlab("run", "mine.toml", "--formats", "html", cwd=lab)
    assert "nothing was trained" in result.stderr and "predicted" not in result.stderr and "trial" not in result.stderr


def test_what_would_be_trained_is_predicted(lab: Path) -> None:
    options = ("--set", "searches.rates.trials=4", "--set", "recipes.wild.epochs=3", "--probe", "--json")
    result = cnnlab("plan", "mine.toml", *options, cwd=lab)
    planned = json.loads(result.stdout)
    assert [one["why"] for one in planned[:4]] == ["its search was never finished here"] * 4
    assert planned[4]["why"] == "recipe.epochs: 2 -> 3" and planned[4]["seconds"] > 0 and planned[4]["memory_gib"] > 0.1
    result = cnnlab("plan", "mine.toml", "--set", "searches.rates.trials=4", cwd=lab)
    assert result.stdout.startswith("search  shapes-alexnet-")
