"""Moving averages, learning rates by block, a base that thaws, and the checks before a training."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from training_toys import CLASSES, SIZE, SPLITS_OF_TOY, TABLE_OF_TOY, build, spec

from cnnlab.backend import gradient_registry, keras
from cnnlab.datasets.split import Splits, fold_splits
from cnnlab.errors import DataError
from cnnlab.layers.factory import build_network
from cnnlab.spec import Fold, NetworkOptions, Recipe, RunSpec
from cnnlab.store.store import RunStore
from cnnlab.training import machine, preparation
from cnnlab.training.engine import Trainer, make_optimizer, rate_factors
from cnnlab.training.preparation import Pace, overfit, prepare_run
from cnnlab.training.run import Trained, train_model
from cnnlab.training.session import Session
from tests.quiet import QuietProgress

IMAGES, LABELS = TABLE_OF_TOY.images[:16], TABLE_OF_TOY.labels[:16]


def trainer(recipe: Recipe, factors: tuple[float, ...] = ()) -> Trainer:
    model = build("alexnet", image_size=SIZE, classes=CLASSES)
    return Trainer(model, make_optimizer(recipe, model, 10, policy="float32", factors=factors), recipe)


def values(model: keras.Model) -> list[np.ndarray]:
    return [variable.value.numpy().copy() for variable in model.trainable_variables]


def test_the_moving_average_is_the_papers_and_stands_in_for_measuring_only() -> None:
    one = trainer(Recipe(learning_rate=0.1, ema=0.5, warmup=0, schedule="constant"))
    seen = []
    for _ in range(3):
        one.step(IMAGES, LABELS)
        seen.append(values(one.model))
    expected = [0.5 * (0.5 * a + 0.5 * b) + 0.5 * c for a, b, c in zip(*seen, strict=True)]
    with one.averaged():
        for found, wanted in zip(values(one.model), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    for found, wanted in zip(values(one.model), seen[-1], strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_factors_are_powers_of_the_blocks_before_the_head() -> None:
    model = build_network("resnet50", image_size=32, classes=3)
    factors = rate_factors("resnet50", model, 0.5)
    found = {variable.path: factor for variable, factor in zip(model.trainable_variables, factors, strict=True)}
    assert found["predictions/kernel"] == 1 and found["conv5_block3_3_conv/kernel"] == 0.5
    assert found["conv4_block1_1_bn/gamma"] == 0.25 and found["conv1_conv/kernel"] == 0.5**5
    assert set(rate_factors("resnet50", model, 1.0)) == {1.0}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_factor_scales_the_first_step(optimizer: str) -> None:
    recipe = Recipe(optimizer=optimizer, learning_rate=0.01, warmup=0, schedule="constant")
    count = len(build("alexnet", image_size=SIZE, classes=CLASSES).trainable_variables)
    moves = []
    for factor in (1.0, 0.25):
        one = trainer(recipe, (factor,) * count)
        before = values(one.model)
        one.seed_epoch(0, 0)
        one.step(IMAGES, LABELS)
        moves.append([after - start for after, start in zip(values(one.model), before, strict=True)])
    for whole, quarter in zip(*moves, strict=True):
        np.testing.assert_allclose(quarter, whole / 4, rtol=2e-3, atol=1e-6)


def finished(what: RunSpec, folder: Path, **options: Any) -> Trained:
    chosen = {"store": RunStore(folder), "budget_seconds": None, "progress": QuietProgress(), "build": build, **options}
    return train_model(what, TABLE_OF_TOY, SPLITS_OF_TOY, **chosen)


def test_the_base_is_frozen_first_and_then_learns(tmp_path) -> None:
    start = build("alexnet", image_size=SIZE, classes=CLASSES, seed=0).get_layer("conv").kernel.value.numpy()
    frozen, thawed = (
        finished(spec(frozen_epochs=2, epochs=epochs), tmp_path / str(epochs))
        .model.get_layer("conv")
        .kernel.value.numpy()
        for epochs in (2, 4)
    )
    np.testing.assert_array_equal(frozen, start)
    assert (thawed != start).all()


def test_thawing_frees_the_classifiers_optimiser_in_a_trial_too() -> None:
    what = spec(frozen_epochs=1, epochs=2, optimizer="adam")
    session = Session(what, TABLE_OF_TOY, SPLITS_OF_TOY, machine.resolve("float32"), build=build)
    former = session.trainer
    former.step(IMAGES, LABELS)
    session.thaw()
    whole = session.trainer
    assert {int(np.size(variable.value.numpy())) for variable in former.optimizer.variables} == {0}
    assert len(whole.optimizer.variables) > len(former.optimizer.variables)
    whole.step(IMAGES, LABELS)


def test_frozen_for_ever_and_for_a_while_are_not_both() -> None:
    with pytest.raises(ValidationError, match="give one of them"):
        Recipe(frozen=True, frozen_epochs=1)


def test_preparing_leaves_nothing_behind() -> None:
    options = {"image_size": 32, "classes": CLASSES, "options": NetworkOptions(dense_units=8)}
    made: list[keras.Model] = []

    def small(name: str, **rest: Any) -> keras.Model:
        made.append(build_network("alexnet", **rest | options))
        return made[0]

    images = np.random.default_rng(0).integers(0, 256, (len(TABLE_OF_TOY.images), 32, 32, 3), np.uint8)
    prepare_run(spec(), SimpleNamespace(**vars(TABLE_OF_TOY) | {"images": images}), SPLITS_OF_TOY, build=small)
    assert {weight.value.numpy().shape for weight in made[0].weights} == {(0,)}
    kept = [name for name in gradient_registry.list() if name.startswith("CustomGradient-")]
    assert not kept, "of response normalisation, with the graphs of all its layers"


def test_preparing_checks() -> None:
    prepared = prepare_run(spec(), TABLE_OF_TOY, SPLITS_OF_TOY, build=build, overfit_batch=True)
    sanity = prepared.sanity
    assert sanity["ln_classes"] == pytest.approx(1.0986, abs=1e-4) and 0.2 < sanity["initial_loss"] < 4
    assert sanity["overfit"]["images"] == 8 and sanity["overfit"]["loss"] < 0.5 * sanity["overfit"]["loss_before"]
    assert prepared.steps == 5 and prepared.fixed_seconds > prepared.seconds > 0
    if machine.peak_memory_gib() is not None:
        assert 0.1 < prepared.memory_gib < 100


def test_a_network_that_cannot_learn_fails_its_check() -> None:
    """Its images are the same grey: nothing tells them apart."""
    one = trainer(Recipe())
    found = overfit(one.predict, np.full_like(IMAGES, 128), LABELS, "float32")
    assert found["steps"] == 200 and found["loss"] > 0.5 * found["loss_before"]


def test_folds_are_stratified_disjoint_and_leave_the_test_alone() -> None:
    labels = np.repeat(np.arange(4), 30)
    parts = [np.arange(120)[i::10] for i in range(10)]
    splits = Splits(np.sort(np.concatenate(parts[:7])), parts[7], np.sort(np.concatenate(parts[8:])))
    folds = [fold_splits(splits, labels, Fold(index=i, of=4), seed=3) for i in range(4)]
    pool = np.sort(np.concatenate([splits.train, splits.validation]))
    np.testing.assert_array_equal(np.sort(np.concatenate([fold.validation for fold in folds])), pool)
    for fold in folds:
        np.testing.assert_array_equal(np.sort(np.concatenate([fold.train, fold.validation])), pool)
        assert np.bincount(labels[fold.validation]).tolist() == [6, 6, 6, 6]
        np.testing.assert_array_equal(fold.test, splits.test)
    again = fold_splits(splits, labels, Fold(index=1, of=4), seed=3)
    np.testing.assert_array_equal(again.validation, folds[1].validation)
    assert (fold_splits(splits, labels, Fold(index=1, of=4), seed=4).validation != folds[1].validation).any()


def test_more_folds_than_images_of_any_class_are_refused() -> None:
    splits = Splits(np.arange(6), np.arange(6, 8), np.arange(8, 10))
    with pytest.raises(DataError, match="too few images for a cross-validation"):
        fold_splits(splits, np.arange(10) % 5, Fold(index=0, of=3), seed=0)


@pytest.mark.parametrize("faster", [True, False])
def test_xla_is_used_on_a_gpu_where_it_is_faster(monkeypatch, tmp_path, faster: bool) -> None:
    paces = iter([Pace(2.0, 0.0), Pace(1.0 if faster else 3.0, 0.0)])
    monkeypatch.setattr(preparation, "accelerator", lambda: ("a GPU", 8.0))
    monkeypatch.setattr(preparation, "probe", lambda *args, **kwargs: next(paces))
    prepared = prepare_run(spec(), TABLE_OF_TOY, SPLITS_OF_TOY, build=build)
    assert prepared.precision.xla == faster and prepared.pace.epoch == (1.0 if faster else 2.0)
    monkeypatch.setattr(preparation, "accelerator", lambda: None)
    resolved = finished(spec(), tmp_path, prepared=prepared).record.manifest["resolved"]
    assert resolved["xla"] == faster and resolved["stopped"] == "completed"
