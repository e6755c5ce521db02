"""The learning-rate range test: its rates, when it stops, what it suggests, its figure and its command."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from training_toys import Splits, build, spec, toy

from cnnlab.errors import DataError, LabError
from cnnlab.spec import RunSpec
from cnnlab.training.engine import Trainer
from cnnlab.training.range_test import RangeTest, range_test, smooth, summarised
from report.evidence.language import Language
from report.figures.svg import svg
from report.figures.theme import SCREEN
from report.figures.trials import range_test_figure, range_test_svg, rate_text
from tests.command import called, write_images
from tests.quiet import QuietProgress

TABLE, SPLITS = toy()


def ran(what: RunSpec | None = None, splits: Any = SPLITS, **options: Any) -> RangeTest:
    chosen = {"low": 1e-6, "high": 1.0, "steps": 12, "progress": QuietProgress(), "build": build, **options}
    return range_test(what or spec(), TABLE, splits, **chosen)


def test_the_rate_rises_exponentially_over_more_steps_than_there_are_batches(monkeypatch):
    applied, step = [], Trainer.step

    def watched(self: Trainer, *batch: np.ndarray) -> float:
        applied.append(float(self.optimizer.learning_rate))
        return step(self, *batch)

    monkeypatch.setattr(Trainer, "step", watched)
    options, progress = {"low": 1e-5, "high": 1e-1, "steps": 21}, QuietProgress()
    found = ran(**options, progress=progress)
    assert found.rates == pytest.approx([10 ** (-5 + 4 * i / 20) for i in range(21)])
    assert applied == pytest.approx(found.rates, rel=1e-4), "90 images make 5 batches: four epochs and one more step"
    assert found.stopped_because == "all steps are done" and progress.steps == len(found.losses) == 21
    assert found.losses[-1] < 0.5 * found.losses[0]
    absent = Splits(SPLITS.train, SPLITS.validation, np.array([10**6], np.int32))
    assert found == ran(splits=absent, **options), "the same again, without a test image"


def test_the_recipe_decides_how_but_not_at_which_rate():
    plain = ran()
    assert ran(spec(learning_rate=5, schedule="constant", warmup=0.5)) == plain
    for other in ({"optimizer": "adam"}, {"batch_size": 8}, {"augmentation": ("flip", "crop")}):
        assert ran(spec(**other)).losses != plain.losses


@pytest.mark.parametrize(
    ("losses", "stopped", "kept"),
    [
        ([2.0] * 12, "all steps are done", 12),
        ([2.0, 2.0, 1.0, 1.0, 1.0, 60.0, 60.0, *[1.0] * 5], "the loss rose", 6),
        ([2.0, 1.5, math.nan, *[1.0] * 9], "the loss is not a finite number", 2),
        ([2.0, math.inf, *[1.0] * 10], "the loss is not a finite number", 1),
    ],
)
def test_it_stops_when_training_breaks_up(monkeypatch, losses, stopped, kept):
    coming = iter(losses)
    monkeypatch.setattr(Trainer, "step", lambda self, *batch: next(coming))
    found = ran()
    assert (found.stopped_because, found.losses) == (stopped, tuple(losses[:kept]))
    assert len(found.rates) == len(found.smoothed) == kept


def test_a_network_that_starts_at_nan_no_images_and_wrong_arguments_are_refused(monkeypatch):
    monkeypatch.setattr(Trainer, "step", lambda self, *batch: math.nan)
    with pytest.raises(LabError, match="untrained network"):
        ran()
    with pytest.raises(DataError, match="no train image"):
        ran(splits=Splits(SPLITS.train[:0], SPLITS.validation, SPLITS.test))
    for low, high in ((0, 1), (1, 0.1), (0.1, 0.1), (0.1, math.inf), (math.nan, 1)):
        with pytest.raises(LabError, match="needs two rates"):
            ran(low=low, high=high)
    with pytest.raises(LabError, match="needs more steps"):
        ran(steps=9)


def test_smoothing_is_corrected_for_its_start():
    assert smooth([3.0] * 5) == pytest.approx([3.0] * 5)
    assert smooth([1.0, 2.0]) == pytest.approx([1.0, (0.9 * 1 + 2) / 1.9])


def sigmoid_test(middle: float, *, rise: bool = True) -> RangeTest:
    """A loss that falls from 4 to 1 around a rate, and rises again at the end."""
    rates = np.logspace(-6, 0, 100)
    losses = 1 + 3 / (1 + np.exp(4 * (np.log10(rates) - np.log10(middle))))
    losses[95:] += rise * np.array([1, 3, 9, 27, 81])
    return summarised(rates.tolist(), losses.tolist(), "the loss rose")


@pytest.mark.parametrize("middle", [1e-4, 1e-3, 1e-2])
def test_the_suggestion_is_where_the_loss_falls_most_steeply(middle):
    found = sigmoid_test(middle)
    assert found.suggested is not None
    assert 1 <= found.suggested / middle < 10, "behind by what the average lags, which is less than ten steps"
    assert found.suggested == sigmoid_test(middle, rise=False).suggested


def test_nothing_is_suggested_where_nothing_falls():
    rates = np.logspace(-6, 0, 40).tolist()
    assert summarised(rates, [2.0] * 40, "all steps are done").suggested is None
    assert summarised(rates, np.linspace(1, 3, 40).tolist(), "the loss rose").suggested is None
    assert summarised(rates[:1], [2.0], "the loss is not a finite number").suggested is None
    jump = [9.0, 2.0, *np.linspace(2, 1, 38)]
    assert summarised(rates, jump, "all steps are done").suggested > rates[9], "the first steps do not count"


def test_the_table_reads_back():
    found = sigmoid_test(1e-3)
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [int(row["step"]) for row in rows] == list(range(1, 101))
    for column, values in (("learning_rate", found.rates), ("loss", found.losses), ("smoothed_loss", found.smoothed)):
        assert tuple(float(row[column]) for row in rows) == values


def figure(found: RangeTest, code: str = "en", dataset: str = "shapes") -> Any:
    course = (found.rates, found.losses, found.smoothed, found.suggested)
    return range_test_figure(*course, Language(code), network="alexnet", dataset=dataset)


def texts(drawing: str) -> list[str]:
    root = ElementTree.fromstring(drawing)
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_figure_says_what_the_test_found():
    found = sigmoid_test(1e-3)
    english, spanish = figure(found), figure(found, "es")
    rate = rate_text(found.suggested or 0, Language("en"))
    assert re.fullmatch(r"0\.00\d\d", rate)
    assert english.alt.startswith("Loss of AlexNet on shapes while the learning rate rises from 10⁻⁶ to 1: ")
    assert english.alt.endswith(f"It falls most steeply at {rate}.")
    shown = texts(range_test_svg(english))
    assert {"Loss of AlexNet on shapes", "Learning rate", "of each batch", "smoothed"} <= set(shown)
    assert f"suggested: {rate}" in shown and {"10⁻⁶", "0.001", "1"} <= set(shown)
    assert f"sugerida: {rate.replace('.', ',')}" in texts(range_test_svg(spanish))
    assert "Pérdida de AlexNet en shapes" in texts(range_test_svg(spanish))
    nothing = summarised([1e-3, 1e-2], [1.0, 2.0], "the loss rose")
    assert not any(text.startswith("suggested") for text in texts(range_test_svg(figure(nothing))))
    with pytest.raises(ValueError, match="for every step"):
        range_test_figure([1e-3], [1.0, 2.0], [1.0], None, Language("en"), network="alexnet", dataset="x")


def test_the_file_stands_alone_and_hostile_names_are_text():
    file = range_test_svg(figure(sigmoid_test(1e-3), dataset="<script>&$x_1$ " + 40 * "n"))
    assert "var(--" not in file and "<script" not in file and 'fill="#ffffff"/>' in file
    assert file.count("@font-face") == 2
    assert any(text.startswith("Loss of AlexNet on <script>&$x_1$") and text.endswith("…") for text in texts(file))
    assert "var(--series-2" in svg(figure(sigmoid_test(1e-3)), SCREEN), "on a page its colours follow the page"


@pytest.mark.parametrize(("losses", "least"), [([1e-9] * 20, 0), ([2.3] * 20, 2), (np.linspace(90, 1, 20).tolist(), 0)])
def test_flat_tiny_and_large_losses_are_drawn_without_negative_ticks(losses, least):
    found = summarised(np.logspace(-6, 0, 20).tolist(), losses, "all steps are done")
    shown = texts(range_test_svg(figure(found)))
    assert len(shown) > 8 and not [text for text in shown if text.startswith("\N{MINUS SIGN}")]
    assert any(re.fullmatch(rf"{least}[\d.]*", text) for text in shown)


def test_rates_have_two_significant_digits():
    for rate, shown in (
        (0.0123, "0.012"), (1.0, "1"), (3.06e-4, "0.00031"), (1.2e-5, "1.2 · 10⁻⁵"), (1e-6, "10⁻⁶"), (9.96e-3, "0.01"),
    ):  # fmt: skip
        english, spanish = (rate_text(rate, Language(code)).replace("\N{NO-BREAK SPACE}", " ") for code in ("en", "es"))
        assert (english, spanish) == (shown, shown.replace(".", ","))


SECOND = """
    [[runs]]
    dataset = "shapes"
    networks = ["vgg19"]
    recipe = "short"
    [networks.alexnet]
    dense_units = 16
"""


@pytest.fixture
def folder(write_lab: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a lab of two networks on one data set."""
    write_images(tmp_path / "images", each=8)
    write_lab({"learning_rate = 0.01": 'learning_rate = 0.01\noptimizer = "adam"'}, extra=SECOND)
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path / "data"))
    return tmp_path


def test_the_command_writes_the_plot_and_the_table(folder: Path) -> None:
    call = ("find-rate", "mine.toml", "--steps", "30", "--low", "1e-5", "--high", "0.1")
    result = called(*call, "--json", cwd=folder)
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    files = [f"out/mine/learning-rate-shapes-alexnet.{kind}" for kind in ("svg", "csv")]
    assert (said["dataset"], said["network"], said["files"]) == ("shapes", "alexnet", files)
    rows = list(csv.DictReader((folder / files[1]).read_text().splitlines()))
    assert len(rows) == said["steps"] <= 30 and float(rows[0]["learning_rate"]) == 1e-5
    assert float(rows[0]["loss"]) == pytest.approx(math.log(3), abs=0.5)
    assert said["suggested"] in [float(row["learning_rate"]) for row in rows]
    assert f"sugerida: {rate_text(said['suggested'], Language('es'))}" in texts((folder / files[0]).read_text())
    assert "alexnet on shapes: 30 steps of 8 images, 1e-05 to 0.1" in result.stderr
    assert not (folder / "runs").exists(), "nothing is published"
    first, *paths = called(*call, "--out", "elsewhere", cwd=folder).stdout.splitlines()
    assert first.startswith(f"suggested learning rate: {said['suggested']:.2g} (after {said['steps']} steps: ")
    assert paths == [path.replace("out/", "elsewhere/") for path in files]
    assert (folder / paths[1]).read_bytes() == (folder / files[1]).read_bytes()


def test_what_the_lab_does_not_have_is_refused(folder: Path) -> None:
    for arguments, said in (
        (["--dataset", "shape"], ["no such data set", "--dataset", "did you mean “shapes”"]),
        (["--network", "alexnot"], ["no such network", "alexnet, vgg19", "did you mean “alexnet”"]),
        (["--dataset", "shapes", "--network", "resnet50"], ["no such network on shapes", "alexnet, vgg19"]),
        (["--low", "1", "--high", "0.1"], ["needs two rates", "1, 0.1"]),
        (["--steps", "3"], ["needs more steps", "10 or more"]),
        (["--profile", "fast"], ["no such profile"]),
    ):
        result = called("find-rate", "mine.toml", *arguments, cwd=folder)
        assert result.returncode == 2 and [part for part in said if part not in result.stderr] == []
    assert not (folder / "out").exists()
