"""A real lab, trained in small: what is damaged is trained again, what is there is reported, what is not is said."""

from __future__ import annotations

import json
import re
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from training_toys import build, spec

from cnnlab.app import pipeline
from cnnlab.app.pipeline import Wanted
from cnnlab.app.plan import PlannedRun
from cnnlab.app.trainings import Trainings
from cnnlab.errors import LabError, Unwritable
from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore
from cnnlab.training import memory, preparation
from cnnlab.training.preparation import Pace
from report.build import BuildResult, build_report
from tests.command import write_images
from tests.fabricate import write_store
from tests.faults import toy
from tests.faults.test_resume import weights_of
from tests.quiet import QuietProgress

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

SEEDS = {'title = "A test"': 'title = "A test"\nseeds = [0, 1]'}


class Ended(NamedTuple):
    """How many runs a start trained, what is missing, and what it said."""

    trained: int
    missing: list[str]
    told: list[str]


Start = Callable[..., Ended]


@pytest.fixture
def start(tmp_path: Path, write_lab: Any, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts a lab of two runs of a tiny network, without records of architectures and without a report."""
    write_images(tmp_path / "images", each=10)
    monkeypatch.setattr("cnnlab.layers.factory.build_network", build)
    monkeypatch.setattr(pipeline, "PUBLISHED_SIZE", {})
    described = SimpleNamespace(
        id="a", manifest={"parameters": 10**6, "activations": 10**4}, json=lambda name: [{"activations": 10**3}]
    )
    monkeypatch.setattr(pipeline, "_architecture", lambda *arguments: described)
    monkeypatch.setattr(Wanted, "write", lambda wanted, missing, tell: BuildResult(missing=missing))
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(preparation, "probe", lambda *args, **kwargs: Pace(0.01, 0.0))
    loaded = load_lab(str(write_lab(SEEDS)))

    def begin(progress: QuietProgress | None = None) -> Ended:
        shown = progress or QuietProgress()
        result = pipeline.run_lab(Wanted(loaded, RunStore(tmp_path / "runs"), tmp_path / "out", ()), shown)
        trained = re.search(r"^trained (\d+) run", "\n".join(shown.messages), re.MULTILINE)
        return Ended(int(trained[1]) if trained else 0, result.missing, shown.messages)

    return begin


class Looking(QuietProgress):
    """Reads the lab lock whenever a training begins."""

    def __init__(self, runs: Path) -> None:
        super().__init__()
        self.runs, self.seen = runs, list[list[str]]()

    def begin(self, *arguments: Any, **options: Any) -> None:
        entries = RunStore(self.runs).read_lab("mine")["runs"]
        self.seen.append([entry.get("problem") or entry["evaluation"] for entry in entries])


def test_what_is_damaged_is_trained_again_and_the_rest_is_not(tmp_path: Path, start: Start) -> None:
    runs = tmp_path / "runs"
    looking = Looking(runs)
    ended = start(looking)
    assert ended[:2] == (2, []) and any("free below" in text for text in ended.told)
    store = RunStore(runs)
    entries = store.read_lab("mine")["runs"]
    first, second = (store.read("run", entry["run"]) for entry in entries)
    evaluations = [entry["evaluation"] for entry in entries]
    assert looking.seen == [["never trained here"] * 2, [evaluations[0], "never trained here"]]
    trained = weights_of(first)

    path = first.folder / "weights.weights.h5"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (store.folder("evaluation", evaluations[1]) / "predictions.npz").write_bytes(b"")
    assert [row["status"] for row in store.rows() if row["run"] == first.id] == ["damaged"]
    ended = start()
    assert ended[:2] == (1, [])
    assert [text.split(" is damaged")[0] for text in ended.told if text.startswith("warning")] == [
        f"warning: the run {first.id}",
        f"warning: the evaluation {evaluations[1]}",
    ]
    again = store.read("run", first.id)
    assert weights_of(again) == trained and store.read("run", second.id).manifest == second.manifest
    assert len(store.put_away()) >= 2 and not toy.faults_of(store)
    ended = start()
    assert ended[:2] == (0, []) and not any(text.startswith("warning") for text in ended.told)


def test_too_little_space_is_said_before_training(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    real = shutil.disk_usage

    def little(path: Path) -> Any:
        return usage(10**9, 10**9, 10**6) if path.name == ".work" else real(path)

    monkeypatch.setattr(shutil, "disk_usage", little)
    progress = QuietProgress()
    with pytest.raises(Unwritable, match=r"not enough space[\s\S]*1 MB free[\s\S]*for 2 missing runs"):
        start(progress)
    assert progress.steps == 0


def test_too_little_memory_is_said_before_training(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "machine_gib", lambda: (1.4, 1.2))
    progress = QuietProgress()
    with pytest.raises(
        LabError, match=r"not enough memory[\s\S]*1.4 GiB of memory and swap[\s\S]*about 1.5 GiB"
    ) as caught:
        start(progress)
    assert progress.steps == 0 and "smaller batch_size" in str(caught.value.hint)
    monkeypatch.setattr(memory, "machine_gib", lambda: (8.0, 1.2))
    ended = start()
    assert ended.trained == 2
    assert any("about 1.5 GiB of memory, 1.2 GiB are available" in text for text in ended.told if "warning" in text)


def test_a_full_disk_ends_the_lab_instead_of_failing_each_run(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("keras.Model.save_weights", full)
        with pytest.raises(Unwritable, match="No space left on device"):
            start()
    assert start().trained == 2


def test_a_run_that_another_process_trains_comes_last(tmp_path: Path) -> None:
    store, shown = RunStore(tmp_path), QuietProgress()
    runs = [PlannedRun(spec(seed=seed), run_id, "never trained here") for seed, run_id in enumerate(toy.RUNS)]
    with RunStore(tmp_path).lock(toy.RUNS[0]):
        turns = Trainings({}, store, shown).in_turn(runs)
        assert next(turns) == (1, runs[1])
    assert next(turns) == (0, runs[0]) and not list(turns)
    (told,) = shown.messages
    assert told.startswith("process ") and told.endswith("another run is taken first")


@pytest.mark.parametrize("kind", ["run", "evaluation"])
def test_a_report_leaves_out_what_is_damaged_and_says_so(tmp_path: Path, kind: str) -> None:
    write_store(tmp_path / "runs", networks={"clothes": ["alexnet", "vgg19"], "digits": ["alexnet"]})
    store = RunStore(tmp_path / "runs")
    entry = next(one for one in store.read_lab("demo")["runs"] if one["network"] == "vgg19")
    name = {"run": "history.csv", "evaluation": "predictions.npz"}[kind]
    path = store.folder(kind, entry[kind]) / name  # type: ignore[arg-type]
    path.write_bytes(path.read_bytes()[:-10])
    result = build_report(store, load_lab("demo"), tmp_path / "out", {"html"})
    assert any("vgg19" in text and "its record is damaged" in text and str(path) in text for text in result.missing)
    runs = {
        one for item in json.loads((tmp_path / "out" / "report.json").read_text())["quantities"] for one in item["runs"]
    }
    assert runs and entry["run"] not in runs
