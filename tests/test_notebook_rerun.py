"""Restart and run all: from other folders, and where a run is missing, which is then trained to the same numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cnnlab.errors import DataError, LabError, StoreError
from cnnlab.notebook import open_lab
from report.notebook.kernel import execute
from tests import parity
from tests.command import cnnlab
from tests.notebook_files import outputs, shortened


@pytest.fixture
def moved(trained_lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the trained lab in another place, to be changed."""
    monkeypatch.delenv("CNNLAB_RUNS", raising=False)
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path / "data"))
    return Path(shutil.copytree(trained_lab, tmp_path / "moved"))


def run_again(lab: Path, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The notebook of the lab before, and run again with `folder` as the current one, without its costly cells."""
    before = json.loads((lab / "out/shapes/report.ipynb").read_text())
    again = nbformat.from_dict(shortened(before))
    execute(again, folder)
    return shortened(before, cleared=False), again


def test_from_another_folder_it_shows_the_same(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a minute: from anywhere when `CNNLAB_RUNS` says where; the bundle's test runs it beside its `runs`."""
    monkeypatch.setenv("CNNLAB_RUNS", str(moved / "runs"))
    before, again = run_again(moved, Path("/"))
    assert outputs(again) == outputs(before)


def test_a_missing_run_is_trained_by_its_cell_to_the_same_numbers(moved: Path) -> None:
    """About a minute."""
    run = next((moved / "runs").glob("shapes-alexnet-s0-*"))
    history = [row.split(",")[:6] for row in (run / "history.csv").read_text().splitlines()]
    evaluation = next((moved / "runs/evaluations").glob("shapes-alexnet-*"))
    correct = json.loads((evaluation / "manifest.json").read_text())["correct"]
    shutil.rmtree(run)
    shutil.rmtree(evaluation)
    before, again = run_again(moved, moved / "out/shapes")
    assert [row.split(",")[:6] for row in (run / "history.csv").read_text().splitlines()] == history
    assert json.loads((evaluation / "manifest.json").read_text())["correct"] == correct
    old, new = dict(outputs(before)), dict(outputs(again))
    opening = next(text for text in old if "open_lab(" in text)
    assert f"{run.name}  (not in the cache: trained by its cell below)" in str(new.pop(opening))
    assert run.name in str(old.pop(opening))
    different = [text for text in old if old[text] != new[text]]
    timed = ('lab.table(7, "times")', 'lab.table(7, "plan")', 'run = lab.cached("shapes"')
    assert [text for text in different if not text.startswith(timed)] == []
    assert any(text.startswith(timed[2]) for text in different)


def test_what_needs_a_missing_run_says_so_and_the_rest_works(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = next((moved / "runs").glob("shapes-alexnet-s0-*"))
    shutil.rmtree(run)
    monkeypatch.chdir(moved)
    lab = open_lab("shapes.toml")
    shown: list[Any] = []
    monkeypatch.setattr(lab, "_show", shown.append)
    lab.figure(1, "drawing")
    lab.table("comparison", "changes")
    assert len(shown) == 2 and lab.cached("shapes", "alexnet") is None
    cached = lab.cached("tones", "alexnet")
    assert cached is not None and cached.id.startswith("tones-alexnet-s0-")
    assert lab.recipe("shapes", "alexnet") == lab.recipe("tones", "alexnet")
    with pytest.raises(StoreError, match="the run is not in the cache") as missing:
        lab.table(9, "accuracies")
    assert run.name in str(missing.value)


def test_a_lab_file_or_images_changed_since_are_refused_before_training(
    moved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(moved)
    lab = open_lab("shapes.toml")
    assert lab.spec("shapes", "alexnet").recipe.epochs == 10
    table, splits = lab.images("shapes")
    assert len(table.labels) == 60 and len(splits.train) == 36
    (moved / "shapes/dark/00.png").unlink()
    with pytest.raises(DataError, match="not those that this report is about"):
        lab.images("shapes")
    with pytest.raises(LabError, match="no such run"):
        lab.spec("shapes", "vgg19")
    path = moved / "shapes.toml"
    path.write_text(path.read_text().replace("epochs = 10", "epochs = 11"))
    with pytest.raises(LabError, match="asks for another run") as refused:
        lab.spec("shapes", "alexnet")
    assert next((moved / "runs").glob("shapes-alexnet-s0-*")).name in str(refused.value)


def test_the_lab_file_is_found_where_a_bundle_has_it(
    moved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    lab = open_lab("../../nowhere/shapes.toml", runs=moved / "runs")
    assert lab.spec("tones", "alexnet").seed == 0
    shutil.move(moved / "shapes.toml", tmp_path / "shapes.toml")
    monkeypatch.setenv("CNNLAB_LAB", str(tmp_path / "shapes.toml"))
    assert open_lab("shapes.toml", runs=moved / "runs").spec("tones", "alexnet").seed == 0
    monkeypatch.delenv("CNNLAB_LAB")
    with pytest.raises(LabError, match="no such lab"):
        open_lab("shapes.toml", runs=moved / "runs").spec("tones", "alexnet")


def test_a_report_made_without_a_run_has_a_notebook_without_it(moved: Path) -> None:
    """Half a minute: the notebook is built, with what the HTML has."""
    run = next((moved / "runs").glob("tones-alexnet-s0-*"))
    shutil.rmtree(run)
    result = cnnlab("report", "shapes.toml", "--formats", "html,ipynb", cwd=moved)
    assert result.returncode == 4 and run.name not in result.stdout
    book = json.loads((moved / "out/shapes/report.ipynb").read_text())
    opening = next(text for text, _ in outputs(book) if "open_lab(" in text)
    assert f"without=['{run.name}']" in opening
    assert [text for text, _ in outputs(book) if 'lab.cached("tones"' in text] == []
    screen = parity.of_html((moved / "out/shapes/report.html").read_text(encoding="utf-8"))
    found = parity.of_notebook(book)
    assert {heading: found[heading].numbers for heading in screen} == {
        heading: shown.numbers for heading, shown in screen.items()
    }
