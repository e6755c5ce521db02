"""Searches of the toy problem: what is tried, cut short, selected and published, and what an interruption changes."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from training_toys import Splits, build, spec, toy

from cnnlab.app.plan import selected_recipe
from cnnlab.errors import DataError, LabError, StoreError
from cnnlab.identity import make_search_id
from cnnlab.spec import EarlyStopping, Range, RunSpec, SearchSpec
from cnnlab.store.record import Record
from cnnlab.store.store import RunStore
from cnnlab.training import search as searching
from cnnlab.training.run import train_model
from cnnlab.training.search import best_trial, run_search
from cnnlab.training.session import EpochRow
from tests.quiet import QuietProgress

TABLE, SPLITS = toy()
RATES = Range(low=1e-4, high=1e-1)


def run(
    store: RunStore,
    search: SearchSpec,
    what: RunSpec | None = None,
    table: Any = TABLE,
    splits: Any = SPLITS,
    **options: Any,
) -> Record:
    chosen = {"progress": QuietProgress(), "build": build, **options}
    return run_search(what or spec(epochs=2), search, table, splits, store=store, **chosen)


def trials(record: Record) -> list[dict[str, Any]]:
    """The trials without their duration, which alone may differ between equal searches."""
    return [{key: value for key, value in one.items() if key != "seconds"} for one in record.json("trials.json")]


def row(epoch: int, accuracy: float, loss: float = 1.0) -> EpochRow:
    return EpochRow(epoch, loss, accuracy, loss, accuracy, 0.1, 0.1, 100.0, loss)


@dataclass
class Scripted:
    """A session whose accuracies depend on the trial's values alone; `None` in the script: the loss diverges."""

    script: list[Any]
    rows: list[EpochRow] = field(default_factory=list)
    trainer: Any = field(default_factory=lambda: SimpleNamespace(release=lambda: None))

    def run(self, progress: QuietProgress, title: str, at_boundary: Any) -> str:
        for index, accuracy in enumerate(self.script):
            progress.step()
            if accuracy is None:
                return "diverged"
            if isinstance(accuracy, BaseException):
                raise accuracy
            self.rows.append(row(index + 1, accuracy))
            if index + 1 < len(self.script):
                at_boundary()
        return "completed"


def scripted(monkeypatch: pytest.MonkeyPatch, script: Any) -> list[RunSpec]:
    """Train nothing: `script` gives a trial's accuracies from its spec. The list fills with the specs tried."""
    tried: list[RunSpec] = []

    def session(what: RunSpec, *rest: Any, **options: Any) -> Scripted:
        tried.append(what)
        return Scripted(script(what))

    monkeypatch.setattr(searching, "Session", session)
    monkeypatch.setattr(searching.gc, "collect", lambda: 0)  # there are no models to free
    return tried


def of_rate(what: RunSpec) -> list[float]:
    """Best at a rate of 0.01, worse the further away in its logarithm; rising over four epochs."""
    peak = 0.9 - 0.2 * abs(np.log10(what.recipe.learning_rate) + 2)
    return [round(float(peak * share), 9) for share in (0.5, 0.7, 0.9, 1.0)]


class Interrupting(QuietProgress):
    """Presses Ctrl-C at one step."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def step(self) -> None:
        super().step()
        if self.steps == self.at:
            raise KeyboardInterrupt


def test_a_search_publishes_its_trials_and_selects_the_best(tmp_path):
    search = SearchSpec(trials=4, learning_rate=RATES, batch_size=(16, 32), augmentation=((), ("flip", "crop")))
    store, progress = RunStore(tmp_path), QuietProgress()
    record = run(store, search, progress=progress)
    manifest, entries = record.manifest, record.json("trials.json")
    assert record.id == make_search_id(spec(epochs=2), search, TABLE.fingerprint)
    assert set(manifest["files"]) == {"trials.json", "search.log"}
    expected = {"dataset": "toy", "network": "alexnet", "seed": 0, "fingerprint": TABLE.fingerprint}
    expected |= {"objective": "val_accuracy", "space": search.model_dump(mode="json")}
    expected |= {"varied": ["learning_rate", "batch_size", "augmentation"], "git": manifest["git"]}
    expected |= {"recipe": spec(epochs=2).recipe.model_dump(mode="json")}
    assert {key: manifest[key] for key in expected} == expected
    assert manifest["versions"]["optuna"] and manifest["hardware"]["cores"] >= 1
    assert manifest["seconds"] == pytest.approx(sum(one["seconds"] for one in entries), abs=0.01)
    assert [one["number"] for one in entries] == [1, 2, 3, 4] and manifest["counts"]["failed"] == 0
    assert entries[0]["params"] == {"learning_rate": 0.02, "batch_size": 16, "augmentation": []}
    for one in entries:
        assert set(one["params"]) == set(manifest["varied"]) and one["problem"] is None
        assert one["epochs"] == len(one["values"]) == len(one["losses"]) == 2
        assert one["value"] == max(one["values"]) == one["values"][one["best_epoch"] - 1]
        assert 1e-4 <= one["params"]["learning_rate"] <= 1e-1 and one["params"]["batch_size"] in (16, 32)
        assert one["params"]["augmentation"] in ([], ["crop", "flip"])
    best = entries[manifest["best"] - 1]
    assert best["value"] == max(one["value"] for one in entries) and manifest["selected"] == best["params"]
    selected = selected_recipe(spec(epochs=2).recipe, record)
    assert selected.learning_rate == best["params"]["learning_rate"] and selected.epochs == 2
    assert selected.augmentation == tuple(best["params"]["augmentation"])
    assert progress.messages[0].startswith("trial 1 of 4: learning_rate 0.02, batch_size 16, augmentation none: ")
    assert progress.messages[-1].endswith(f"best so far {100 * best['value']:.1f} % (trial {best['number']})")
    assert not (store.work_folder() / record.id).exists()
    assert run(store, search, build=None).manifest == manifest, "the second call reads the record"


def test_a_trial_is_the_training_of_its_recipe_to_the_last_bit(tmp_path):
    search = SearchSpec(trials=1, learning_rate=RATES)
    what = spec(epochs=3, augmentation=("flip",), early_stopping=EarlyStopping(patience=1))
    only = trials(run(RunStore(tmp_path), search, what))[0]
    options = {"store": RunStore(tmp_path / "run"), "budget_seconds": None, "progress": QuietProgress()}
    history = train_model(what, TABLE, SPLITS, build=build, **options).record.rows("history.csv")
    assert only["values"] == [float(one["val_accuracy"]) for one in history]
    assert only["losses"] == [float(one["val_loss"]) for one in history]


def test_a_finished_trial_holds_no_memory(tmp_path, monkeypatch):
    opened, real = [], searching.Session

    def watched(*arguments: Any, **options: Any) -> Any:
        opened.append(real(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(searching, "Session", watched)
    run(RunStore(tmp_path), SearchSpec(trials=2, learning_rate=RATES))
    for one in (session.trainer for session in opened):
        sizes = [each.value.read_value().numpy().size for each in (*one.model.variables, *one.optimizer.variables)]
        assert len(sizes) > 10 and set(sizes) == {0}


def test_test_images_are_never_looked_at(tmp_path):
    images = TABLE.images.view(Guarded)
    images.forbidden = set(SPLITS.test.tolist())
    absent = Splits(SPLITS.train, SPLITS.validation, np.array([10**6], np.int32))
    search, other = SearchSpec(trials=1, learning_rate=RATES), type(TABLE)(images, TABLE.labels, TABLE.classes)
    plain = run(RunStore(tmp_path / "plain"), search)
    assert trials(run(RunStore(tmp_path / "absent"), search, table=other, splits=absent)) == trials(plain)


class Guarded(np.ndarray):
    """Images of which some must not be read."""

    forbidden: set[int]

    def __getitem__(self, rows: Any) -> np.ndarray:
        assert not self.forbidden & set(np.asarray(rows).ravel().tolist())
        return np.asarray(self)[rows]


def test_the_seed_decides_what_is_tried_and_it_comes_nearer_to_the_best(tmp_path, monkeypatch):
    scripted(monkeypatch, of_rate)
    rates = []
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        record = run(RunStore(tmp_path / name), SearchSpec(trials=30, learning_rate=RATES, pruning="none", seed=seed))
        rates.append([one["params"]["learning_rate"] for one in trials(record)])
    assert rates[0] == rates[1] and len({*rates[0], *rates[2]}) == 59, "all but the recipe's own rate"
    away = np.abs(np.log10(rates[0]) + 2)
    assert away[20:].mean() < 0.5 * away[1:10].mean()


def test_trials_worse_than_the_median_are_cut_short_after_their_second_epoch(tmp_path, monkeypatch):
    tried = scripted(monkeypatch, of_rate)
    search = SearchSpec(trials=14, learning_rate=RATES)
    record = run(RunStore(tmp_path / "median"), search)
    entries = trials(record)
    assert all(one["state"] == "complete" and one["epochs"] == 4 for one in entries[:4])
    pruned = [one for one in entries if one["state"] == "pruned"]
    assert record.manifest["counts"] == {"complete": 14 - len(pruned), "pruned": len(pruned), "failed": 0}
    assert len(pruned) >= 3
    for one in pruned:
        before = [other for other in entries[: one["number"] - 1] if other["state"] == "complete"]
        last = one["epochs"] - 1
        assert 2 <= one["epochs"] < 4
        assert max(one["values"]) < np.median([other["values"][last] for other in before])
        assert one["value"] == one["values"][-1]
    assert len(tried) == 14
    unpruned = run(RunStore(tmp_path / "none"), search.model_copy(update={"pruning": "none"}))
    assert unpruned.manifest["counts"]["complete"] == 14


@pytest.mark.parametrize(("at", "damage"), [(2, b""), (22, b""), (22, b"no JSON")])
def test_an_interrupted_search_ends_as_an_uninterrupted_one(tmp_path, monkeypatch, at, damage):
    """In its first trial, after five, and where the file of these is damaged, which is set aside."""
    scripted(monkeypatch, of_rate)
    search = SearchSpec(trials=12, learning_rate=RATES, batch_size=(16, 32), seed=3)
    whole = run(RunStore(tmp_path / "whole"), search)
    store, progress = RunStore(tmp_path / "parts"), QuietProgress()
    with pytest.raises(KeyboardInterrupt):
        run(store, search, progress=Interrupting(at))
    assert not store.has("search", whole.id)
    path = store.work_folder() / whole.id / "trials.json"
    if damage:
        path.write_bytes(damage)
    resumed = run(store, search, progress=progress)
    assert trials(resumed) == trials(whole) and resumed.manifest["selected"] == whole.manifest["selected"]
    assert ("goes on after trial 5 of 12" in progress.messages[0]) == (at == 22 and not damage)
    assert (progress.messages[0].endswith(f"{path}.damaged")) == bool(damage)


def test_a_trial_that_diverges_is_failed_and_the_search_goes_on(tmp_path, monkeypatch):
    script = {0: [None], 1: [0.2, None], 2: [0.3, 0.4], 3: [MemoryError("too large")], 4: [0.3, 0.2]}
    numbers = iter(range(5))
    scripted(monkeypatch, lambda what: script[next(numbers)])
    progress = QuietProgress()
    record = run(RunStore(tmp_path), SearchSpec(trials=5, learning_rate=RATES), progress=progress)
    entries = trials(record)
    assert [one["state"] for one in entries] == ["failed", "failed", "complete", "failed", "complete"]
    assert [one["value"] for one in entries] == [None, 0.2, 0.4, None, 0.3]
    assert [one["best_epoch"] for one in entries] == [None, 1, 2, None, 1]
    assert entries[1]["problem"] == "diverged in epoch 2: the loss is no longer a number"
    assert entries[3]["problem"] == "MemoryError: too large" and "too large" in record.text("search.log")
    assert (record.manifest["best"], record.manifest["counts"]["failed"]) == (3, 3)
    assert progress.messages[0].endswith("failed (diverged in epoch 1: the loss is no longer a number)")


def test_a_huge_rate_really_diverges_and_all_of_them_are_an_error(tmp_path, capfd):
    search = SearchSpec(trials=2, learning_rate=Range(low=9.9, high=10))
    what = spec(learning_rate=10, momentum=0.99, epochs=60, schedule="constant", batch_size=8)
    store = RunStore(tmp_path)
    with pytest.raises(LabError, match="all 2 trials of the search failed") as raised:
        run(store, search, what, build=exploding)
    assert "diverged in epoch 1" in str(raised.value) and "search.log" in str(raised.value)
    assert not list(store.work_folder().rglob("trials.json*")) and not store.ids("search")
    assert capfd.readouterr() == ("", "")


def exploding(*arguments: Any, **options: Any) -> Any:
    """Linear layers on raw pixels, which a rate of 10 blows up."""
    from cnnlab.backend import keras

    layers = keras.layers
    size, classes = options["image_size"], options["classes"]
    stack = [keras.Input((size, size, 3)), layers.Flatten(), layers.Dense(64), layers.Dense(64), layers.Dense(64)]
    return keras.Sequential([*stack, layers.Dense(classes, activation="softmax", dtype="float32")])


def test_what_no_other_values_mend_stops_the_search(tmp_path, monkeypatch):
    store, search = RunStore(tmp_path), SearchSpec(trials=3, learning_rate=RATES)
    with pytest.raises(DataError, match="no validation image"):
        run(store, search, splits=Splits(SPLITS.train, SPLITS.test[:0], SPLITS.test))
    for space in ({"learning_rate": Range(low=1, high=100)}, {"weight_decay": Range(low=0, high=2, log=False)}):
        with pytest.raises(LabError, match="beyond what a recipe can have") as raised:
            run(store, SearchSpec(trials=3, **space))
        assert f"{next(iter(space))}.high" in str(raised.value)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(LabError, match="needs Optuna") as raised:
        run(store, search)
    assert 'pip install "cnnlab[search]"' in str(raised.value)


def test_a_recipe_outside_the_space_is_not_tried(tmp_path, monkeypatch):
    tried = scripted(monkeypatch, lambda what: [0.5])
    run(RunStore(tmp_path), SearchSpec(trials=3, learning_rate=Range(low=0.5, high=1)))
    assert all(0.5 <= what.recipe.learning_rate <= 1 for what in tried)
    run(RunStore(tmp_path), SearchSpec(trials=3, epochs=(1, 2, 2), weight_decay=Range(low=0, high=1e-3, log=False)))
    assert (tried[3].recipe.epochs, tried[3].recipe.weight_decay) == (2, 0.0)


@pytest.mark.parametrize(
    ("entries", "best"),
    [
        ([(0.9, 0.1, "pruned"), (0.4, 0.1, "complete")], 1),
        ([(0.4, 0.3, "complete"), (0.4, 0.2, "complete"), (0.3, 0.1, "complete")], 1),
        ([(0.4, 0.2, "complete"), (0.4, 0.2, "complete")], 0),
        ([(0.4, 0.2, "failed")], None),
    ],
)
def test_equal_values_are_told_apart_by_loss_then_order(entries, best):
    made = [{"value": value, "best_epoch": 1, "losses": [loss], "state": state} for value, loss, state in entries]
    assert best_trial(made) is (None if best is None else made[best])


def test_a_damaged_selection_is_refused(tmp_path):
    def record(selected: Any) -> Record:
        return Record("search", "x", tmp_path, {"selected": selected})

    recipe = spec().recipe
    assert selected_recipe(recipe, record({"batch_size": 8})) == recipe.model_copy(update={"batch_size": 8})
    for wrong in (None, {}, {"optimizer": "adam"}, {"batch_size": 0}, {"augmentation": ["sharpen"]}):
        with pytest.raises(StoreError, match="the search's record is damaged"):
            selected_recipe(recipe, record(wrong))
