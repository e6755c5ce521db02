"""How the trainings of a lab share a budget, and that one which breaks leaves the others alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from training_toys import SPLITS_OF_TOY, TABLE_OF_TOY, build, spec

from cnnlab.app.plan import PlannedRun
from cnnlab.app.trainings import OpenData, Trainings
from cnnlab.datasets.split import Splits
from cnnlab.identity import make_run_id
from cnnlab.spec import Fold
from cnnlab.store.store import RunStore
from cnnlab.training import preparation
from cnnlab.training.preparation import Pace
from cnnlab.training.session import Session
from tests.quiet import QuietProgress


class Record:
    id = "toy-1"


@pytest.fixture
def open_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Trainings of the toy problem; the pace is one second an epoch, whatever the machine does."""
    monkeypatch.setattr("cnnlab.layers.factory.build_network", build)
    monkeypatch.setattr(preparation, "probe", lambda *args, **kwargs: Pace(1.0, 0.0))
    shown = QuietProgress()

    def made(budget: float | None = None) -> tuple[Trainings, list[str]]:
        data = {"toy": OpenData(TABLE_OF_TOY, Splits(**vars(SPLITS_OF_TOY)), Record())}  # type: ignore[arg-type]
        return Trainings(data, RunStore(tmp_path), shown, budget), shown.messages

    return made


def planned(*specs: Any) -> list[PlannedRun]:
    return [PlannedRun(one, make_run_id(one, TABLE_OF_TOY.fingerprint), "never trained here") for one in specs]


def test_a_budget_is_shared_by_what_the_runs_take(open_lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 30 and 10 epochs at a thousand seconds each, in half of the time."""
    monkeypatch.setattr(preparation, "probe", lambda *args, **kwargs: Pace(1000.0, 0.0))
    trainings, told = open_lab(20_000.0)
    runs = planned(spec(epochs=30, early_stopping=None), spec(epochs=10, batch_size=32, early_stopping=None))
    trainings.predict(runs)
    assert "predicted: 2 trainings in all: 11 h" in told[-1]
    epochs = []
    for run in runs:
        evaluation = trainings.result(run)["evaluation"]
        assert evaluation.startswith(run.id)
        epochs.append(trainings.store.read("run", run.id).manifest["resolved"]["epochs_planned"])
    first, second = epochs
    assert first == 14, "three quarters of the time, less what building took"
    assert second == 10, "the first one took far less than its share, which leaves all its epochs to the second"


def test_an_exception_of_one_run_is_a_problem_of_that_run(open_lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trainings, _ = open_lab()
    bad, good = planned(spec(seed=1), spec())
    trainings.predict([bad, good])
    with monkeypatch.context() as broken:
        broken.setattr(Session, "run", breaking(ZeroDivisionError("by nothing")))
        found = trainings.result(bad)
    assert found["run"] is None and "failed: ZeroDivisionError: by nothing" in found["problem"]
    log = trainings.store.work_folder() / bad.id / "train.log"
    assert str(log) in found["problem"] and "Traceback" in log.read_text()
    assert trainings.result(good)["evaluation"]


def test_a_network_that_cannot_be_built_is_known_before_training(open_lab: Any) -> None:
    trainings, _ = open_lab()
    lost = spec(weights="nowhere.h5")
    bad, good = planned(lost.model_copy(update={"network": "vgg19"}), spec())
    trainings.predict([bad, good])
    assert "weight" in trainings.result(bad)["problem"] and trainings.result(good)["evaluation"]


def test_ctrl_c_is_no_problem_of_one_run(open_lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trainings, _ = open_lab()
    (run,) = planned(spec())
    monkeypatch.setattr(Session, "run", breaking(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        trainings.result(run)


def test_a_fold_has_splits_of_its_own_and_no_evaluation(open_lab: Any) -> None:
    trainings, _ = open_lab()
    (run,) = planned(spec(epochs=1).model_copy(update={"fold": Fold(index=0, of=3)}))
    assert trainings.result(run) == {}
    images = trainings.store.read("run", run.id).manifest["resolved"]["images"]
    assert images == {"train": 80, "validation": 40}


def breaking(problem: BaseException) -> Any:
    """Raises in place of a training."""

    def run(*args: Any) -> Any:
        raise problem

    return run
