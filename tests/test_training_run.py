"""Whole runs of the toy problem: what is published, stopped, shortened, interrupted and resumed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from training_toys import Splits, build, spec, toy

from cnnlab.errors import DataError, StoreError
from cnnlab.evaluation.predict import evaluate
from cnnlab.identity import make_run_id, run_identity
from cnnlab.spec import EarlyStopping, RunSpec
from cnnlab.store.store import RunStore
from cnnlab.training import batches, engine, preparation
from cnnlab.training.checkpoint import Checkpoint, load_newest, save
from cnnlab.training.preparation import Pace
from cnnlab.training.run import Trained, train_model
from tests.quiet import QuietProgress

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

TABLE, SPLITS = toy()
TIMING = {"seconds", "images_per_second"}
FILES = {"spec.json", "history.csv", "weights.weights.h5", "train.log", "sanity.json"}


def run(store: RunStore, what: RunSpec, table: Any = TABLE, **options: Any) -> Trained:
    chosen = {"budget_seconds": None, "progress": QuietProgress(), "build": build, "checkpoint_seconds": 0}
    return train_model(what, table, SPLITS, store=store, **{**chosen, **options})


def history(trained: Trained) -> list[dict[str, str]]:
    """The history without its timing columns, as text: equal means equal to the last bit."""
    return [{k: v for k, v in row.items() if k not in TIMING} for row in trained.record.rows("history.csv")]


def weights(trained: Trained) -> list[np.ndarray]:
    assert trained.model is not None
    return [variable.value.numpy() for variable in trained.model.weights]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Trained:
    """The run that others are compared with."""
    return run(RunStore(tmp_path_factory.mktemp("whole")), spec())


class Interrupting(QuietProgress):
    """Presses Ctrl-C in the middle of the epoch after `epochs`."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    def step(self) -> None:
        super().step()
        if len(self.epochs_done) == self.epochs and self.steps % 5 == 3:
            raise KeyboardInterrupt


def test_a_run_learns_and_publishes_what_it_measured(tmp_path):
    store, progress = RunStore(tmp_path), QuietProgress()
    trained = run(store, spec(epochs=6), progress=progress)
    record = trained.record
    assert set(record.manifest["files"]) == FILES
    resolved = record.manifest["resolved"]
    assert (record.manifest["status"], resolved["stopped"], resolved["best_epoch"]) == ("done", "completed", 6)
    assert resolved["images"] == {"train": 90, "validation": 30} and resolved["steps_per_epoch"] == 5
    assert (resolved["batch_norm_momentum"], resolved["precision"], resolved["resumed"]) == (0.6, "float32", 0)
    assert record.manifest["dataset"] == "toy" and record.id == make_run_id(spec(epochs=6), TABLE.fingerprint)
    assert record.json("spec.json") == {**run_identity(spec(epochs=6), TABLE.fingerprint), "dataset": "toy"}
    last = record.rows("history.csv")[-1]
    assert float(last["val_accuracy"]) > 0.95 and float(last["accuracy"]) > 0.95
    assert "epoch 6/6" in record.text("train.log")
    assert re.fullmatch(
        r"alexnet on toy \(seed 0\): 6 epochs in \d+ s \(predicted \d+ s, [+-]\d+%\), "
        rf"validation accuracy {float(last['val_accuracy']):.3f} \(epoch 6 is kept\)",
        *progress.messages,
    )
    assert not (store.work_folder() / record.id).exists()
    again = run(store, spec(epochs=6))
    assert again.record.manifest == record.manifest and again.model is None


def test_measured_columns_are_those_of_the_published_model(tmp_path):
    """Inference mode, no augmentation, plain cross entropy: recomputed from the model with numpy."""
    trained = run(RunStore(tmp_path), spec(augmentation=("flip", "crop"), label_smoothing=0.2))
    last = trained.record.rows("history.csv")[-1]
    sample = batches.measured_sample(SPLITS.train, 30, 0)
    for ids, prefix in ((sample, ""), (SPLITS.validation, "val_")):
        p = np.asarray(trained.model(TABLE.images[ids].astype(np.float32), training=False), np.float64)
        truth = TABLE.labels[ids]
        assert float(last[f"{prefix}loss"]) == pytest.approx(-np.log(p[np.arange(30), truth]).mean(), rel=1e-5)
        assert float(last[f"{prefix}accuracy"]) == (p.argmax(1) == truth).mean()
    assert float(last["running_loss"]) > float(last["loss"])


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path, whole):
    store = RunStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(store, spec(), progress=Interrupting(3))
    with pytest.raises(KeyboardInterrupt):
        run(other := RunStore(tmp_path / "seldom"), spec(), progress=Interrupting(3), checkpoint_seconds=1000)
    assert not list(other.work_folder().rglob("epoch-*")), "they come no closer than asked"
    found = sorted((store.work_folder() / whole.record.id).glob("epoch-*.npz"))
    assert [path.name[:11] for path in found] == ["epoch-00002", "epoch-00003"]
    found[-1].write_bytes(found[-1].read_bytes()[:-100])
    progress = QuietProgress()
    resumed = run(store, spec(), progress=progress)
    assert str(found[-1]) in progress.messages[0] and "after epoch 2" in progress.messages[1]
    assert history(resumed) == history(whole)


def test_early_stopping_publishes_the_best_epoch(tmp_path):
    """Validation labels shifted by one class: learning the training set makes validation worse from some epoch on."""
    labels = TABLE.labels.copy()
    labels[SPLITS.validation] = (labels[SPLITS.validation] + 1) % 3
    table = type(TABLE)(TABLE.images, labels, TABLE.classes)
    what = spec(epochs=30, early_stopping=EarlyStopping(patience=2), schedule="constant")
    record, model, *_ = run(RunStore(tmp_path), what, table=table)
    rows, resolved = record.rows("history.csv"), record.manifest["resolved"]
    losses = [float(row["val_loss"]) for row in rows]
    best = int(np.argmin(losses)) + 1
    assert (resolved["stopped"], resolved["best_epoch"], resolved["epochs_run"]) == ("early", best, best + 2)
    ids = SPLITS.validation
    p = np.asarray(model(table.images[ids].astype(np.float32), training=False), np.float64)
    assert -np.log(p[np.arange(30), labels[ids]]).mean() == pytest.approx(losses[best - 1], rel=1e-5)


@pytest.mark.parametrize("after", [0, 2])
def test_a_diverged_run_publishes_what_it_had(tmp_path, monkeypatch, after):
    store, step = RunStore(tmp_path), engine.Trainer.step
    steps = iter(range(10_000))
    monkeypatch.setattr(preparation, "probe", lambda *args, **kwargs: Pace(0.01, 0.0))

    def breaking(self, *batch):
        loss = step(self, *batch)
        return float("nan") if next(steps) >= 5 * after + 1 else loss

    monkeypatch.setattr(engine.Trainer, "step", breaking)
    progress = QuietProgress()
    record = run(store, spec(), progress=progress).record
    resolved = record.manifest["resolved"]
    assert (record.manifest["status"], resolved["stopped"], resolved["epochs_run"]) == ("diverged", "diverged", after)
    assert len(record.rows("history.csv")) == after and resolved["best_epoch"] == (after or None)
    assert f"diverged in epoch {after + 1}" in progress.messages[-1]
    if after:
        assert evaluate(record, TABLE, SPLITS, store=store, build=build).manifest["splits"]["test"] == 30
    else:
        with pytest.raises(StoreError, match="no weights"):
            evaluate(record, TABLE, SPLITS, store=store, build=build)


def test_a_budget_shortens_the_run_and_its_schedule(tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "probe", lambda *args, **kwargs: Pace(1000.0, 50.0))
    progress = QuietProgress()
    record = run(RunStore(tmp_path), spec(epochs=10), budget_seconds=2500, progress=progress).record
    resolved = record.manifest["resolved"]
    assert (resolved["epochs_requested"], resolved["epochs_planned"], resolved["epochs_run"]) == (10, 2, 2)
    assert resolved["shortened"] and resolved["budget_seconds"] == 2500 and 2050 < resolved["predicted_seconds"] < 2500
    said = progress.messages[0]
    assert "alexnet on toy (seed 0): 2 epochs of 5 steps" in said and "10 were asked for" in said
    short = run(RunStore(tmp_path / "short"), spec(epochs=2))
    assert record.rows("history.csv")[-1]["val_loss"] == history(short)[-1]["val_loss"]
    assert resolved["batch_norm_momentum"] == short.record.manifest["resolved"]["batch_norm_momentum"] == 0.5


def test_the_probe_leaves_no_trace_and_seeds_differ(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(preparation, "probe", lambda *args, **kwargs: Pace(0.01, 0.0))
    store = RunStore(tmp_path)
    unprobed = run(store, spec())
    assert history(whole) == history(unprobed) != history(run(store, spec(seed=1)))
    for mine, theirs in zip(weights(whole), weights(unprobed), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    empty = Splits(SPLITS.train, SPLITS.validation[:0], SPLITS.test)
    with pytest.raises(DataError, match="no validation image"):
        train_model(spec(), TABLE, empty, store=store, budget_seconds=None, progress=QuietProgress())


def test_checkpoint_reads_back_exactly(tmp_path):
    arrays = [np.array([[1.5, -0.0]], np.float32), np.array(7, np.int64), np.array([3, 4], np.uint32)]
    for epoch in (1, 2, 10):
        save(tmp_path, Checkpoint(epoch, arrays, arrays[1:], [], {"rows": [{"loss": 1 / 3}]}))
    assert len(list(tmp_path.iterdir())) == 2
    found = load_newest(tmp_path, pytest.fail)
    assert found is not None and found.epoch == 10 and found.best == [] and found.meta == {"rows": [{"loss": 1 / 3}]}
    for mine, theirs in zip(found.model + found.optimizer, arrays + arrays[1:], strict=True):
        assert mine.dtype == theirs.dtype and mine.tobytes() == theirs.tobytes()
    assert load_newest(tmp_path / "absent", pytest.fail) is None


def test_importing_the_framework_prints_nothing():
    code = "from cnnlab.backend import tf; tf.constant(1) + 1"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env=env)
    assert (done.stdout, done.stderr) == ("", "")
