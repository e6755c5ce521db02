"""A run that was interrupted and resumed is the uninterrupted one to the last bit, whatever its recipe."""

from __future__ import annotations

import hashlib
import io
import shutil
from pathlib import Path
from typing import Any

import h5py
import pytest
from training_toys import SPLITS_OF_TOY, TABLE_OF_TOY, build, spec

from cnnlab.evaluation.predict import evaluate
from cnnlab.identity import make_run_id
from cnnlab.spec import EarlyStopping, Range, RunSpec, SearchSpec
from cnnlab.store.record import Record
from cnnlab.store.store import RunStore
from cnnlab.training import preparation
from cnnlab.training.preparation import Pace
from cnnlab.training.run import train_model
from cnnlab.training.search import run_search
from tests.quiet import QuietProgress

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

TIMING = {"seconds", "images_per_second"}

CONFUSED = TABLE_OF_TOY.labels.copy()
CONFUSED[SPLITS_OF_TOY.validation] = (CONFUSED[SPLITS_OF_TOY.validation] + 1) % 3
"""Validation labels shifted by one class: learning the training set makes validation worse, the best epoch is early."""

RECIPES: dict[str, dict[str, Any]] = {
    "flip and crop, dropout, batch norm": {"augmentation": ("flip", "crop"), "weight_decay": 1e-3},
    "mixup and averages, warm-up, Adam": {
        "optimizer": "adam", "learning_rate": 1e-3, "augmentation": ("flip", "crop", "mixup", "cutmix"), "ema": 0.9,
        "warmup": 0.3, "label_smoothing": 0.1, "gradient_clip": 1.0,
    },
    "early stopping, its best kept": {
        "epochs": 8, "early_stopping": EarlyStopping(patience=3), "schedule": "constant", "ema": 0.5,
    },
    "fine-tuning in two stages": {
        "frozen_epochs": 2, "optimizer": "adam", "learning_rate": 0.01, "rate_decay": 0.5, "weight_decay": 1e-3,
    },
    "randaugment and erasing, bfloat16": {"augmentation": ("randaugment", "erase"), "precision": "mixed_bfloat16"},
    "float16 with its loss scale": {"precision": "mixed_float16", "optimizer": "adam", "epochs": 3},
}  # fmt: skip


class Stopping(QuietProgress):
    """Raises at one moment: in the middle of an epoch, or right after one, before its checkpoint. Copies what a kill
    in the middle of each epoch would leave on the disk."""

    def __init__(self, folder: Path | None = None, *, step: int = 0, epochs: int = 0) -> None:
        super().__init__()
        self.folder, self.at_step, self.at_epoch = folder, step, epochs

    def step(self) -> None:
        super().step()
        if self.folder is not None and self.epochs_done and self.steps % 5 == 3:
            shutil.copytree(self.folder, self.folder.parent / f"after-{len(self.epochs_done)}", dirs_exist_ok=True)
        if self.steps == self.at_step:
            raise KeyboardInterrupt

    def epoch(self, number: int, *measured: float) -> None:
        super().epoch(number, *measured)
        if len(self.epochs_done) == self.at_epoch:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def steady_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time some steps once, not twelve times."""
    monkeypatch.setattr(preparation, "probe", lambda *args, **kwargs: Pace(0.01, 0.0))


def train(store: RunStore, what: RunSpec, progress: QuietProgress, **options: Any) -> Record:
    labels = CONFUSED if what.recipe.early_stopping else TABLE_OF_TOY.labels
    table = type(TABLE_OF_TOY)(TABLE_OF_TOY.images, labels, TABLE_OF_TOY.classes)
    chosen: dict[str, Any] = {"budget_seconds": None, "build": build, "checkpoint_seconds": 0, **options}
    trained = train_model(what, table, SPLITS_OF_TOY, store=store, progress=progress, **chosen)
    trained.release()
    return trained.record


def weights_of(record: Record) -> dict[str, tuple[str, str]]:
    """Type and hash of each array of the weights' file by its path. The file also holds the names of layers, which Keras
    numbers through as long as a process lives."""
    found = {}

    def visit(name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset):
            found[name] = (str(entry.dtype), hashlib.sha256(entry[()].tobytes()).hexdigest())

    with h5py.File(io.BytesIO(record.bytes("weights.weights.h5"))) as file:
        file.visititems(visit)
    return found


def outcome(record: Record, store: RunStore) -> dict[str, Any]:
    """All that a run came to, as bytes: its weights, history and sanity checks, its metrics and predictions."""
    rows = [{key: value for key, value in row.items() if key not in TIMING} for row in record.rows("history.csv")]
    evaluation = evaluate(record, TABLE_OF_TOY, SPLITS_OF_TOY, store=store, build=build)
    resolved = {key: record.manifest["resolved"][key] for key in ("best_epoch", "epochs_run", "stopped", "precision")}
    arrays = {
        key: hashlib.sha256(array.tobytes()).hexdigest() for key, array in evaluation.arrays("predictions.npz").items()
    }
    return {
        "weights": weights_of(record), "rows": rows, "sanity": record.text("sanity.json"),
        "resolved": resolved, "correct": evaluation.manifest["correct"], "predictions": arrays,
    }  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_resuming_after_any_epoch_changes_no_bit(tmp_path: Path, name: str) -> None:
    what, store = spec(**RECIPES[name]), RunStore(tmp_path / "whole")
    run_id = make_run_id(what, TABLE_OF_TOY.fingerprint)
    watching = Stopping(store.work_folder() / run_id)
    expected = outcome(train(store, what, watching), store)
    epochs = len(watching.epochs_done)
    assert epochs >= 3 and (what.recipe.early_stopping is None) == (expected["resolved"]["best_epoch"] == epochs)
    for after in range(1, epochs):
        resumed, progress = RunStore(tmp_path / f"from-{after}"), QuietProgress()
        (tmp_path / "whole" / ".work" / f"after-{after}").rename(resumed.work_folder() / run_id)
        record = train(resumed, what, progress)
        assert f"resumed after epoch {after} of" in progress.messages[0] and len(progress.epochs_done) == epochs - after
        assert outcome(record, resumed) == expected, after


def test_stopping_anywhere_changes_no_bit(tmp_path: Path) -> None:
    """Before the first checkpoint, right after an epoch before its checkpoint, in the middle of the next, twice in a row."""
    what = spec(epochs=3, augmentation=("flip", "crop"))
    whole, parts = RunStore(tmp_path / "whole"), RunStore(tmp_path / "parts")
    expected = outcome(train(whole, what, QuietProgress()), whole)
    for stopping in (Stopping(step=2), Stopping(epochs=1), Stopping(step=8), Stopping(step=2), Stopping(epochs=2)):
        with pytest.raises(KeyboardInterrupt):
            train(parts, what, stopping)
    assert outcome(train(parts, what, QuietProgress()), parts) == expected


def test_fresh_starts_anew_and_keeps_what_is_finished(tmp_path: Path) -> None:
    what, store = spec(epochs=3), RunStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(store, what, Stopping(epochs=3))
    progress = QuietProgress()
    record = train(store, what, progress, fresh=True)
    assert len(progress.epochs_done) == 3 and not any("resumed" in text for text in progress.messages)
    assert train(store, what, progress, fresh=True).manifest == record.manifest and len(progress.epochs_done) == 3


def test_a_checkpoint_of_another_model_is_passed_over(tmp_path: Path) -> None:
    what, store, whole = spec(epochs=3), RunStore(tmp_path / "parts"), RunStore(tmp_path / "whole")
    other = spec(epochs=3, optimizer="adam")
    with pytest.raises(KeyboardInterrupt):
        train(store, other, Stopping(epochs=3))
    names = [make_run_id(one, TABLE_OF_TOY.fingerprint) for one in (other, what)]
    (store.work_folder() / names[0]).rename(store.work_folder() / names[1])
    progress = QuietProgress()
    record = train(store, what, progress)
    assert "of epoch 2 is passed over" in progress.messages[0] and len(progress.epochs_done) == 3
    assert outcome(record, store) == outcome(train(whole, what, QuietProgress()), whole)


def test_trials_of_a_search_resume_to_the_same_bits(tmp_path: Path) -> None:
    search = SearchSpec(trials=2, learning_rate=Range(low=1e-4, high=1e-1), augmentation=((), ("flip", "mixup")))
    what = spec(epochs=2, ema=0.5)
    options: dict[str, Any] = {"build": build}

    def trials(store: RunStore, progress: QuietProgress) -> list[dict[str, Any]]:
        record = run_search(what, search, TABLE_OF_TOY, SPLITS_OF_TOY, store=store, progress=progress, **options)
        return [{k: v for k, v in one.items() if k != "seconds"} for one in record.json("trials.json")]

    parts = RunStore(tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        trials(parts, Stopping(step=13))
    assert trials(parts, QuietProgress()) == trials(RunStore(tmp_path / "whole"), QuietProgress())


def test_the_space_that_was_estimated_is_what_is_taken(tmp_path: Path) -> None:
    what = spec(epochs=3, optimizer="adam", ema=0.5, early_stopping=EarlyStopping(patience=3))
    prepared = preparation.prepare_run(what, TABLE_OF_TOY, SPLITS_OF_TOY, build=build)
    store = RunStore(tmp_path)
    watching = Stopping(store.work_folder() / make_run_id(what, TABLE_OF_TOY.fingerprint), epochs=3)
    with pytest.raises(KeyboardInterrupt):
        train(store, what, watching)
    kept = [path.stat().st_size for path in store.work_folder().rglob("epoch-*.npz")]
    weights = prepared.checkpoint_bytes / 15
    assert len(kept) >= 2 and preparation.weight_copies(what.recipe) == 5 and prepared.record_bytes > weights
    assert all(4 * weights < size < 5 * weights + 20_000 for size in kept), "the best is the model's own, as is said"
