"""The command line's failures: one clear message, the documented exit code, no traceback, nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cnnlab.app.cli import app
from cnnlab.app.plan import make_plan
from cnnlab.errors import Incomplete, TemplateProblem
from cnnlab.identity import make_run_id, run_identity
from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore
from report.build import BuildResult
from tests.command import ROOT, called, write_images
from tests.fabricate import FINGERPRINT, write_store

WriteLab = Callable[..., Path]


def cut_short(folder: Path) -> None:
    (folder / "images/dark/cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")


REFUSED: dict[str, tuple[dict[str, str], Callable[[Path], object], list[str]]] = {
    "an unknown key": ({"epochs = 2": "epoch = 2"}, lambda _: None, ["unknown key", "did you mean “epochs”"]),
    "no TOML": ({"[recipes.short]": "[recipes"}, lambda _: None, ["not valid TOML"]),
    "no data": ({'path = "images"': 'path = "nowhere"'}, lambda _: None, ["nowhere"]),
    "an empty folder": ({'path = "images"': 'path = "none"'}, lambda at: (at / "none").mkdir(), ["/none"]),
    "an empty class": ({}, lambda at: (at / "images/forgotten").mkdir(), ["forgotten"]),
    "corrupt files": ({}, cut_short, ["cut.jpg"]),
    "out is a file": ({}, lambda at: (at / "out").write_text("in the way"), ["cannot be written", "--out"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_stops_before_anything_is_written(
    write_lab: WriteLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    edits, spoil, said = REFUSED[case]
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path / "data"))
    write_images(tmp_path / "images", each=8)
    spoil(tmp_path)
    result = called("run", str(write_lab(edits)), cwd=tmp_path)
    assert result.returncode == 2 and [part for part in said if part not in result.stderr] == [], result.stderr
    assert [path for path in (tmp_path / "runs").rglob("*") if path.is_file() and path.suffix != ".lock"] == []


CALLS = [
    ("run --no-such-option", "no-such-option"),
    ("no-such-command", "no-such-command"),
    ("report demo", "cnnlab run demo"),
    *((f"run demo --budget={text}", "90m, 2h or 1h30m") for text in ("soon", "2_apples", "0h", "-1h", "h", "")),
    ("run demo --formats ,", "no such report format"),
    ("run demo --profile quick", "no such profile"),
]


@pytest.mark.parametrize(("arguments", "said"), CALLS)
def test_a_wrong_call_is_one_message(tmp_path: Path, arguments: str, said: str) -> None:
    result = called(*arguments.split(), cwd=tmp_path)
    assert result.returncode == 2 and said in result.stderr and result.stdout == ""


def test_the_help_groups_all_commands_in_whole_lines() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert [line for line in shown.splitlines() if line.endswith(":")][1:] == [
        "Make a report:", "Look before and after:", "Write its text:", "Check it:",
    ]  # fmt: skip
    assert "..." not in shown.partition("Options:")[2] and all(f"\n  {name} " in shown for name in ("run", "verify"))
    assert CliRunner().invoke(app, ["--version"]).stdout.startswith("cnnlab ")


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
    made = BuildResult([Path("report.html")], missing, "checked", [], failed, ["a harmless warning"])
    monkeypatch.setattr("cnnlab.app.pipeline.render_lab", lambda *_, **__: made)
    for option, heard in ((), False), (("-v",), True):
        result = CliRunner().invoke(app, ["report", "demo", *option])
        assert (result.exit_code, result.stdout) == (code, "report.html\n")
        assert said in result.stderr and all(str(one) in result.stderr for one in failed)
        assert ("a harmless warning" in result.stderr) == heard


def test_status_lists_cached_runs(tmp_path: Path) -> None:
    assert "no cached runs" in called("status", cwd=tmp_path).stderr
    write_store(tmp_path / "runs")
    rows = json.loads(called("status", "--json", cwd=tmp_path).stdout)
    assert [row["status"] for row in rows] == ["done"] * 5
    assert called("status", cwd=tmp_path).stdout.count("6 epochs in 62 s") == 5


def test_init_copies_commentary_once(write_lab: WriteLab, tmp_path: Path) -> None:
    lab, copy = str(write_lab()), tmp_path / "mine/templates/commentary/es/activity-07.md.j2"
    assert called("init", lab, "activity-07", cwd=tmp_path).stdout.split() == [str(copy)]
    assert copy.read_text() == (ROOT / "templates/commentary/es/training.md.j2").read_text()
    copy.write_text("Mine.")
    assert called("init", lab, "activity-07", cwd=tmp_path).stdout == "" and copy.read_text() == "Mine."
    wrong = called("init", lab, "activity-7", cwd=tmp_path)
    assert wrong.returncode == 2 and "did you mean “activity-0" in wrong.stderr


def test_the_plan_names_the_input_that_changed(write_lab: WriteLab, tmp_path: Path) -> None:
    store, path = RunStore(tmp_path / "runs"), str(write_lab())
    spec = load_lab(path).run_specs()[0]
    identity, run_id = {**run_identity(spec, FINGERPRINT), "dataset": "shapes"}, make_run_id(spec, FINGERPRINT)

    def why(*overrides: str) -> list[str]:
        plan = make_plan(load_lab(path, overrides=overrides), store, {"shapes": FINGERPRINT})
        return [one.why for one in plan if one.missing]

    def write(folder: Path) -> dict[str, object]:
        (folder / "spec.json").write_text(json.dumps(identity))
        return {}

    assert why() == ["never trained here"]
    store.publish("run", run_id, write)
    store.write_lab("mine", {"runs": [{"dataset": "shapes", "network": "alexnet", "seed": 0, "run": run_id}]})
    assert why() == why("lab.title=Other") == why("lab.language=en") == []
    assert why("recipes.short.learning_rate=0.5") == ["recipe.learning_rate: 0.01 -> 0.5"]
