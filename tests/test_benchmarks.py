"""The benchmarks of training run, and their tables say what was measured; nothing here is timed."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.command import ROOT

SIZES = {"size": 32, "train": 80, "validation": 20}


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])

    def imported(name: str) -> ModuleType:
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return imported


def test_whole_epochs_of_cnnlab_and_of_keras_are_measured_on_the_same_files(module: Any, tmp_path: Path) -> None:
    training = module("training")
    training.make_folder(tmp_path, **SIZES)
    assert len(list((tmp_path / "all").glob("*/*.jpg"))) == 100
    arguments = argparse.Namespace(**SIZES)
    for contender in ("cnnlab-float32", "stock"):
        found = training.one(contender, "alexnet", tmp_path, arguments)
        assert found["images_per_second"] > 0 and found["memory_gib"] > 0.1
    assert (tmp_path / "stock.keras").exists(), "a checkpoint is part of the stock recipe's epoch"


def test_the_table_has_speeds_shares_of_the_peak_and_ratios(
    module: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    training = module("training")
    speeds = {"cnnlab": iter([100.0, 120.0, 110.0]), "stock": iter([50.0, 40.0, 55.0])}
    monkeypatch.setattr(training, "_in_its_own_process", lambda who, *_: {"images_per_second": next(speeds[who])})
    arguments = argparse.Namespace(contenders=("cnnlab", "stock"), rounds=3, size=84)
    peak = 3 * 2 * training.multiply_adds("alexnet", 84) / 1e9 * 440.0
    training._compare("alexnet", Path(), arguments, peak)
    assert capsys.readouterr().out.splitlines() == [
        "| alexnet | cnnlab | 110.0 (100.0-120.0) | 25% | 1.00 |",
        "| alexnet | stock | 50.0 (40.0-55.0) | 11% | 2.00 |",
    ]


def test_the_stock_recipe_stops_when_its_time_is_over(module: Any) -> None:
    rivals = module("rivals")
    images, labels = np.zeros((128, 32, 32, 3), np.uint8), np.arange(128) % 2
    _, epochs, model = rivals.keras_timed("alexnet", images, labels, size=32, classes=2, seconds=0.0)
    assert epochs == 0.5 and model.predict_on_batch(images[:2]).shape == (2, 2)


@pytest.fixture
def rebuilding() -> Any:
    """`benchmarks/report.py`, which has the name of a package of the project."""
    spec = importlib.util.spec_from_file_location("benchmark_of_the_report", ROOT / "benchmarks/report.py")
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_contenders_take_turns_and_are_compared_round_by_round(
    rebuilding: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    times = {
        "html": iter([1.0, 2.0]),
        "nbconvert-html": iter([10.0, 30.0]),
        "nbconvert-pdf": iter([20.0, 40.0]),
    }

    def seconds(command: Any, wrapper: Any) -> float:
        order.append(command)
        return next(times[command])

    monkeypatch.setattr(rebuilding, "seconds", seconds)
    found: dict[str, list[float]] = {}
    for _ in range(2):
        rebuilding.measure({name: name for name in times}, found, 1, [])
    assert order == [*times, *reversed(list(times))]
    assert rebuilding.lines(found) == [
        "| cnnlab, something changed, HTML | 1.50 s (1.00-2.00) | 12.5 | 20.0 |",
        "| nbconvert --execute, HTML | 20.00 s (10.00-30.00) |  |  |",
        "| nbconvert --execute, HTML and PDF (WeasyPrint) | 30.00 s (20.00-40.00) |  |  |",
    ]


def test_each_contender_of_the_report_is_a_command(rebuilding: Any, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    note = tmp_path / "demo/.built.json"
    for path in (note, tmp_path / "demo/report.ipynb"):
        path.touch()
    commands = rebuilding.contenders("demo", tmp_path / "runs", tmp_path)
    before, steps = commands["html"]
    before()
    assert not note.exists() and [step[-2:] for step in steps] == [["--formats", "html"]]
    assert [step[2] for step in commands["nbconvert-pdf"][1]] == ["nbconvert", "weasyprint"]
    (_, ((*_, force),)) = commands["anew"]
    assert force == "--force"
