"""Evaluation records: predictions as every reader finds them, the chosen images, and what is refused."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
from training_toys import build, spec, toy

from cnnlab.errors import CnnlabError, DataError, StoreError
from cnnlab.evaluation import predict
from cnnlab.evaluation.exhibits import choose, confusion_examples
from cnnlab.evaluation.predict import evaluate, load_model, read_spec
from cnnlab.identity import evaluation_id, make_run_id
from cnnlab.spec import Fold
from cnnlab.store.store import RunStore
from cnnlab.training.run import Trained, train_model
from report.activities.classes import class_order
from report.evidence.metrics import top_confusions
from tests.quiet import QuietProgress

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

TABLE, SPLITS = toy()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunStore, Trained]:
    store = RunStore(tmp_path_factory.mktemp("runs"))
    with warnings.catch_warnings():  # marks do not reach fixtures of the module
        warnings.filterwarnings("ignore", message="__array__ implementation")
        run = train_model(
            spec(), TABLE, SPLITS, store=store, budget_seconds=None, progress=QuietProgress(), build=build
        )
    return store, run


def test_predictions_are_those_of_the_model_and_count_as_stored(trained, tmp_path):
    store, (run, model, live, _) = trained
    assert make_run_id(read_spec(run), TABLE.fingerprint) == run.id
    for mine, theirs in zip(load_model(run, 3, build=build).weights, model.weights, strict=True):
        np.testing.assert_array_equal(mine.value.numpy(), theirs.value.numpy())
    record = evaluate(run, TABLE, SPLITS, store=store, build=build)
    arrays = record.arrays("predictions.npz")
    assert record.id == evaluation_id(run.id) and record.id.startswith(run.id + "-")
    assert record.manifest["splits"] == {"train": 90, "validation": 30, "test": 30}
    for name in ("train", "validation", "test"):
        ids = getattr(SPLITS, name)
        direct = np.asarray(model(TABLE.images[ids].astype(np.float32), training=False))
        stored = arrays[f"{name}_probabilities"]
        assert stored.dtype == np.float16 and stored.shape == (len(ids), 3)
        np.testing.assert_allclose(stored, direct, atol=1e-3)
        np.testing.assert_array_equal(arrays[f"{name}_ids"], ids)
        np.testing.assert_array_equal(arrays[f"{name}_labels"], TABLE.labels[ids])
        assert record.manifest["correct"][name] == (stored.argmax(1) == TABLE.labels[ids]).sum()
    assert record.manifest["correct"]["test"] >= 29
    again = evaluate(run, TABLE, SPLITS, store=RunStore(tmp_path), predict=live)
    for key, value in again.arrays("predictions.npz").items():
        np.testing.assert_array_equal(value, arrays[key])


def test_a_flipped_evaluation_is_the_mean_of_both_views_beside_the_plain_one(trained, tmp_path):
    _, (run, model, live, _) = trained
    rng = np.random.default_rng(0)  # the toy's classes are levels of grey: here left and right have to differ
    images = np.sort(rng.integers(0, 256, TABLE.images.shape, dtype=np.uint8), axis=2)
    table, store = dataclasses.replace(TABLE, images=images), RunStore(tmp_path)
    plain = evaluate(run, table, SPLITS, store=store, predict=live)
    before = plain.manifest, plain.bytes("predictions.npz")
    flipped = evaluate(run, table, SPLITS, store=store, predict=live, flip=True)
    assert flipped.id == evaluation_id(run.id, flip=True) != plain.id == evaluation_id(run.id)
    assert (plain.manifest["flip"], flipped.manifest["flip"]) == (False, True)
    for name in ("train", "validation", "test"):
        seen = images[getattr(SPLITS, name)].astype(np.float32)
        views = [np.asarray(model(view, training=False)) for view in (seen, seen[:, :, ::-1])]
        assert np.abs(views[0] - views[1]).max() > 0.05
        stored = flipped.arrays("predictions.npz")
        np.testing.assert_allclose(stored[f"{name}_probabilities"], (views[0] + views[1]) / 2, atol=1e-3)
        np.testing.assert_allclose(plain.arrays("predictions.npz")[f"{name}_probabilities"], views[0], atol=1e-3)
        right = stored[f"{name}_probabilities"].argmax(1) == stored[f"{name}_labels"]
        assert flipped.manifest["correct"][name] == right.sum()
    kept = flipped.arrays("exhibits.npz")
    np.testing.assert_array_equal(kept["images"], images[kept["ids"]])
    again = store.read("evaluation", plain.id)
    assert (again.manifest, again.bytes("predictions.npz")) == before
    assert len(store.ids("evaluation")) == 2


def test_the_test_images_are_not_looked_at_unnoticed(trained, tmp_path):
    _, (run, _, live, _) = trained
    store, split = RunStore(tmp_path), run.json("spec.json")["data"]["split"]

    class Failing:
        uses: list[int] = []

        def __call__(self, images, ids):
            if ids is SPLITS.test:
                self.uses.append(store.test_uses(TABLE.fingerprint, split))
                raise OSError("the disk is gone")
            return live(images, ids)

    for _ in range(2):
        with pytest.raises(OSError, match="the disk is gone"):
            evaluate(run, TABLE, SPLITS, store=store, predict=Failing())
    assert Failing.uses == [1, 1]
    assert evaluate(run, TABLE, SPLITS, store=store, predict=live).manifest["test_use"] == 1
    assert evaluate(run, TABLE, SPLITS, store=store, predict=live, flip=True).manifest["test_use"] == 2
    assert evaluate(run, TABLE, SPLITS, store=store, predict=live).manifest["test_use"] == 1, "as published"
    assert store.test_uses(TABLE.fingerprint, split) == 2
    assert store.test_uses(TABLE.fingerprint, {**split, "seed": 1}) == 0


def test_a_fold_is_never_evaluated(tmp_path):
    store = RunStore(tmp_path)
    what = spec(epochs=1).model_copy(update={"fold": Fold(index=1, of=3)})
    run, _, live, _ = train_model(
        what, TABLE, SPLITS, store=store, budget_seconds=None, progress=QuietProgress(), build=build
    )
    assert read_spec(run) == what.model_copy(update={"data": read_spec(run).data})
    for flip in (False, True):
        with pytest.raises(CnnlabError, match=r"fold of a cross-validation[\s\S]*fold 2 of 3"):
            evaluate(run, TABLE, SPLITS, store=store, predict=live, flip=flip)
    assert store.ids("evaluation") == [] and not (tmp_path / "test-uses").exists()


def test_other_images_and_damaged_weights_are_refused(trained, tmp_path):
    _, (run, *_) = trained
    other = dataclasses.replace(TABLE, fingerprint="cd" * 32)
    with pytest.raises(DataError, match="not those that the run was trained on"):
        evaluate(run, other, SPLITS, store=RunStore(tmp_path), build=build)
    assert not (tmp_path / "test-uses").exists(), "what is refused is no use of the test images"
    damaged = dataclasses.replace(run, folder=tmp_path)
    for name in run.manifest["files"]:
        (tmp_path / name).write_bytes((run.folder / name).read_bytes())
    with (tmp_path / "weights.weights.h5").open("r+b") as handle:
        handle.write(b"damaged")
    with pytest.raises(StoreError, match="not what was published"):
        evaluate(damaged, TABLE, SPLITS, store=RunStore(tmp_path / "store"), build=build)


def test_many_classes_keep_the_largest_twenty(monkeypatch):
    monkeypatch.setattr(predict, "MOST_CLASSES", 2)
    monkeypatch.setattr(predict, "TOP", 2)
    rows = np.array([[0.1, 0.2, 0.7], [0.5, 0.1, 0.4]], np.float32)
    part = predict.predicted(lambda images, ids: rows, TABLE, np.array([3, 5]))
    np.testing.assert_array_equal(part["classes"], [[2, 1], [0, 2]])
    np.testing.assert_allclose(part["probabilities"], [[0.7, 0.2], [0.5, 0.4]], atol=1e-3)
    np.testing.assert_array_equal(predict.top(part)[0], [2, 0])


def mixed(seed: int, classes: int, each: int, right: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, predictions of which a share is right, and confidences, of so many images of each class."""
    random, labels = np.random.RandomState(seed), np.repeat(np.arange(classes), each)
    predicted = np.where(random.rand(labels.size) < right, labels, random.randint(0, classes, labels.size))
    return labels, predicted, random.rand(labels.size)


def counted(labels, predicted, classes):
    matrix = np.zeros((classes, classes), int)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix


def test_exhibits_are_the_most_confident_right_and_wrong_ones():
    labels = np.array([0] * 7 + [1] * 2)
    predicted = np.array([0, 0, 0, 0, 0, 1, 1, 1, 0])
    confidence = np.array([0.5, 0.9, 0.8, 0.7, 0.6, 0.55, 0.95, 0.99, 0.51])
    assert [one.tolist() for one in choose(predicted, confidence, labels, "ab")] == [[1, 2, 3, 4, 6, 5, 7, 8]] * 2


def test_exhibits_of_many_classes_are_of_the_five_worst_and_best():
    labels = np.repeat(np.arange(30), 10)
    wrong = np.tile(np.arange(10), 30) < np.repeat(np.arange(30) // 3, 10)
    predicted = np.where(wrong, (labels + 1) % 30, labels)
    names = [chr(ord("z") - i) if i < 26 else f"{9 - i % 10}" for i in range(30)]  # in the opposite order of the labels
    shown, _ = choose(predicted, np.linspace(0.2, 0.9, 300), labels, names)
    assert len(set(shown.tolist())) == len(shown) and set(shown) >= set(np.flatnonzero(wrong)[-12:])
    # Classes 0-2 have no mistakes, 3-5 one; 24-26 have 8 of 10, 27-29 have 9: of ties, those that the names put at the ends.
    assert list(dict.fromkeys(labels[shown[: 5 * 8 + 5 * 4]].tolist())) == [2, 1, 0, 5, 4, 25, 24, 29, 28, 27]


def test_examples_of_a_confusion_are_its_surest_mistakes_beside_right_answers_of_both_classes():
    labels = np.repeat([0, 1, 2], 10)
    predicted = labels.copy()
    predicted[:5], predicted[10:12], predicted[20] = 1, 2, 0
    confidence = np.tile(np.linspace(0.9, 0.5, 10), 3)
    found = confusion_examples(predicted, confidence, labels, 3).tolist()
    assert found[:9] == [0, 1, 2, 5, 6, 7, 12, 13, 14], "0 taken for 1, right ones of 0, right ones of 1"
    assert found[9:17] == [10, 11, 12, 13, 14, 21, 22, 23] and found[17:18] == [20]
    kept, _ = choose(predicted, confidence, labels, "abc")
    assert set(found) <= set(kept.tolist()) and len(set(kept.tolist())) == len(kept)


def test_the_classes_and_confusions_kept_are_those_that_a_report_names():
    labels, predicted, confidence = mixed(3, 100, 6, 0.2)
    names = [f"class {n}" for n in np.random.RandomState(3).randint(10**6, size=100)]
    order = class_order(names, matrix := counted(labels, predicted, 100))
    assert np.diag(matrix)[order[-1]] == np.diag(matrix)[order[-6]], "the worst are tied"
    for kept in choose(predicted, confidence, labels, names):
        assert {order[0], order[-1]} <= set(labels[kept].tolist())
    labels, predicted, confidence = mixed(5, 40, 12, 0.4)
    matrix = counted(labels, predicted, 40)
    pairs = [(true, taken) for true, taken, _ in top_confusions(matrix, 3)]
    assert matrix[pairs[0]] == matrix[pairs[1]] or matrix[pairs[1]] == matrix[pairs[2]], "a tie is among them"
    shown, looked = choose(predicted, confidence, labels, [f"class {i:02}" for i in range(40)])
    for kept in (shown, looked):
        for true, taken in pairs:
            for label, answer in ((true, taken), (true, true), (taken, taken)):
                wanted = ((labels == label) & (predicted == answer)).sum()
                assert ((labels[kept] == label) & (predicted[kept] == answer)).sum() >= min(3, wanted)
    assert len(shown) <= 159 and len(looked) <= 55 and set(looked) <= set(shown)
