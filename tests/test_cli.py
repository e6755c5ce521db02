"""The command line's failures: one clear message, the documented exit code, no traceback, nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cnnlab.app.cli import app
from cnnlab.app.pipeline import Outcome
from cnnlab.app.plan import make_plan
from cnnlab.errors import Incomplete, TemplateProblem
from cnnlab.identity import make_run_id, run_identity
from cnnlab.store.store import RunStore
from tests.command import cnnlab, write_images
from tests.fabricate import FINGERPRINT, write_store

WriteLab = Callable[..., Path]


def assert_refused(result: object, *said: str) -> None:
    code, error = result.returncode, result.stderr  # type: ignore[attr-defined]
    assert code == 2, error
    assert "Traceback" not in error
    for part in said:
        assert part in error


def assert_nothing_written(folder: Path) -> None:
    runs = folder / "runs"
    assert not runs.exists() or [p for p in runs.rglob("*") if p.is_file() and p.suffix != ".lock"] == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epochs = 2", "epoch = 2", ["unknown key", "did you mean “epochs”"]),
        ("epochs = 2", "epochs = -1", ["wrong value", "-1"]),
        ('["alexnet"]', '["alexnot"]', ["unknown network", "alexnot"]),
        ("[recipes.short]", "[recipes", ["not valid TOML"]),
        ('path = "images"', 'path = "nowhere"', ["nowhere"]),
    ],
)
def test_a_wrong_lab_stops_before_anything_is_written(
    write_lab: WriteLab, tmp_path: Path, old: str, new: str, said: list[str]
) -> None:
    write_images(tmp_path / "images", each=4)
    assert_refused(cnnlab("run", str(write_lab({old: new})), cwd=tmp_path), *said)
    assert_nothing_written(tmp_path)


def test_an_empty_data_folder_is_refused(write_lab: WriteLab, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    assert_refused(cnnlab("run", str(write_lab()), cwd=tmp_path), str(tmp_path / "images"))
    assert_nothing_written(tmp_path)


def test_a_class_without_images_is_named(write_lab: WriteLab, tmp_path: Path) -> None:
    write_images(tmp_path / "images", each=8)
    (tmp_path / "images" / "forgotten").mkdir()
    assert_refused(cnnlab("run", str(write_lab()), cwd=tmp_path), "forgotten")
    assert_nothing_written(tmp_path)


def test_too_many_corrupt_files_stop_the_run(write_lab: WriteLab, tmp_path: Path) -> None:
    write_images(tmp_path / "images", each=8)
    (tmp_path / "images" / "dark" / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    assert_refused(cnnlab("run", str(write_lab()), cwd=tmp_path), "cut.jpg")
    assert_nothing_written(tmp_path)


def test_a_call_that_is_wrong_is_a_usage_error(tmp_path: Path) -> None:
    for arguments in (["run", "--no-such-option"], ["no-such-command"], ["report", "demo", "--formats", "docx"]):
        result = cnnlab(*arguments, cwd=tmp_path)
        assert result.returncode == 2
        assert "Traceback" not in result.stderr


FAILED = {
    "a template": ([TemplateProblem("no such name")], [], 2, "no such name"),
    "the PDF's process": ([Incomplete("ended")], [], 4, "ended"),
    "both, and a font is missing": ([Incomplete("ended"), TemplateProblem("no such name")], ["q"], 2, "    q"),
    "a font is missing": ([], ["q"], 4, "    q"),
    "nothing": ([], [], 0, "checked"),
}


@pytest.mark.parametrize("case", FAILED)
def test_what_was_written_is_printed_whatever_failed(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    failed, missing, code, said = FAILED[case]
    outcome = Outcome([Path("report.html")], missing, "checked", [], failed, ["a harmless warning"])
    monkeypatch.setattr("cnnlab.app.pipeline.render_lab", lambda *_, **__: outcome)
    for option, heard in ((), False), (("-v",), True):
        result = CliRunner().invoke(app, ["report", "demo", *option])
        assert (result.exit_code, result.stdout) == (code, "report.html\n")
        assert said in result.stderr and all(str(one) in result.stderr for one in failed)
        assert ("a harmless warning" in result.stderr) == heard


def test_a_report_without_runs_says_what_to_run(tmp_path: Path) -> None:
    assert_refused(cnnlab("report", "demo", cwd=tmp_path), "cnnlab run demo")


def test_an_output_folder_that_is_a_file_is_found_before_training(write_lab: WriteLab, tmp_path: Path) -> None:
    write_images(tmp_path / "images", each=8)
    (tmp_path / "out").write_text("in the way")
    assert_refused(cnnlab("run", str(write_lab()), cwd=tmp_path), "cannot be written", "--out")
    assert_nothing_written(tmp_path)


def test_status_lists_cached_runs(tmp_path: Path) -> None:
    write_store(tmp_path / "runs")
    rows = json.loads(cnnlab("status", "--json", cwd=tmp_path).stdout)
    assert len(rows) == 5
    assert {row["status"] for row in rows} == {"done"}
    assert cnnlab("status", cwd=tmp_path).stdout.count("6 epochs in 62 s") == 5


def test_init_copies_commentary_once(write_lab: WriteLab, tmp_path: Path) -> None:
    lab = write_lab()
    first = cnnlab("init", str(lab), "activity-07", cwd=tmp_path)
    copy = tmp_path / "mine" / "templates" / "commentary" / "es" / "activity-07.md.j2"
    assert first.stdout.split() == [str(copy)]
    copy.write_text("Mine.")
    assert cnnlab("init", str(lab), "activity-07", cwd=tmp_path).stdout == ""
    assert copy.read_text() == "Mine."
    assert_refused(cnnlab("init", str(lab), "activity-7", cwd=tmp_path), "did you mean “activity-0")


def test_the_plan_names_the_input_that_changed(write_lab: WriteLab, tmp_path: Path) -> None:
    from cnnlab.lab import load_lab

    store = RunStore(tmp_path / "runs")
    path = write_lab()
    spec = load_lab(str(path)).run_specs()[0]
    identity = {**run_identity(spec, FINGERPRINT), "dataset": "shapes"}

    def write(folder: Path) -> dict[str, object]:
        (folder / "spec.json").write_text(json.dumps(identity))
        return {}

    lab = load_lab(str(path))
    assert make_plan(lab, store, {"shapes": FINGERPRINT}).missing[0].why == "never trained here"
    run_id = make_run_id(spec, FINGERPRINT)
    store.publish("run", run_id, write)
    store.write_lab("mine", {"runs": [{"dataset": "shapes", "network": "alexnet", "seed": 0, "run": run_id}]})
    assert make_plan(lab, store, {"shapes": FINGERPRINT}).missing == []
    changed = load_lab(str(path), overrides=["recipes.short.learning_rate=0.5"])
    assert make_plan(changed, store, {"shapes": FINGERPRINT}).missing[0].why == "recipe.learning_rate: 0.01 -> 0.5"
    for override in ("lab.title=Other", "lab.language=en"):
        same = load_lab(str(path), overrides=[override])
        assert make_plan(same, store, {"shapes": FINGERPRINT}).missing == []
