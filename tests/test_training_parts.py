"""Schedule, optimiser, batches, history, precision, plan and memory: each by its numbers."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from training_toys import SIZE, build, spec

from cnnlab.architectures.table import publish_architecture
from cnnlab.backend import keras
from cnnlab.spec import DatasetSpec, EarlyStopping, NetworkOptions, Recipe, RunSpec
from cnnlab.store.store import RunStore
from cnnlab.training import engine, machine, memory
from cnnlab.training.batches import Batch, measured_sample, prefetched, steps_per_epoch, training_batches
from cnnlab.training.engine import Schedule, Trainer, build_model, learning_rate, make_optimizer, open_model
from cnnlab.training.preparation import Pace, make_plan
from cnnlab.training.session import EpochRow, improves, measure, to_csv

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (10, SIZE, SIZE, 3), dtype=np.uint8)
LABELS = (np.arange(10) % 3).astype(np.int32)


def row(epoch: int, **values: float) -> EpochRow:
    return EpochRow(**{**dict.fromkeys(EpochRow.__dataclass_fields__, 0.0), "epoch": epoch, **values})


def trainer_of(recipe: Recipe, model: keras.Model | None = None, policy: str = "float32") -> Trainer:
    model = model or build("toy", image_size=SIZE, classes=3)
    return Trainer(model, make_optimizer(recipe, model, 10, policy=policy), recipe)


def test_schedule_rises_linearly_and_falls_as_a_cosine():
    recipe = Recipe(learning_rate=0.1, warmup=0.2)
    rates = learning_rate(np.arange(20), recipe, 20)
    np.testing.assert_allclose(rates[:5], [0.02, 0.04, 0.06, 0.08, 0.1])
    assert rates[12] == pytest.approx(0.05)
    assert 0 < rates[19] == pytest.approx(0.05 * (1 + math.cos(math.pi * 15 / 16)))
    assert learning_rate(20, recipe, 20) == 0
    constant = learning_rate(np.arange(20), recipe.model_copy(update={"schedule": "constant"}), 20)
    np.testing.assert_allclose(constant[[0, 4, 19]], [0.02, 0.1, 0.1])
    assert learning_rate(0, Recipe(learning_rate=0.1, warmup=0.9), 1) == 0.1


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
@pytest.mark.parametrize(("warmup", "steps"), [(0.0, 7), (0.15, 40), (0.9, 1)])
def test_schedule_in_the_graph_is_the_same(schedule, warmup, steps):
    recipe = Recipe(learning_rate=0.3, warmup=warmup, schedule=schedule)
    optimizer = make_optimizer(recipe, build("toy", image_size=SIZE, classes=3), steps, policy="float32")
    inside = [float(optimizer._learning_rate(step)) for step in range(steps)]
    np.testing.assert_allclose(inside, learning_rate(np.arange(steps), recipe, steps), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_decay_shrinks_kernels_alone(name):
    """Without a gradient a step only decays: kernels by rate · decay, nothing else."""
    trainer = trainer_of(Recipe(optimizer=name, learning_rate=0.5, weight_decay=0.1, warmup=0, schedule="constant"))
    variables = trainer.model.trainable_variables
    before = {v.path: v.value.numpy().copy() + 1 for v in variables}
    for variable in variables:
        variable.assign(before[variable.path])
    trainer.optimizer.apply([np.zeros(v.shape, np.float32) for v in variables], variables)
    for variable in variables:
        factor = 0.95 if variable.path.endswith("kernel") else 1.0
        np.testing.assert_allclose(variable.value.numpy(), before[variable.path] * factor, rtol=1e-6)
    assert sum(path.endswith("kernel") for path in before) == 2


def test_gradients_are_clipped_by_their_global_norm():
    trainer = trainer_of(Recipe(learning_rate=1.0, momentum=0.0, warmup=0, schedule="constant", gradient_clip=0.5))
    variables = trainer.model.trainable_variables
    before = [v.value.numpy().copy() for v in variables]
    trainer.optimizer.apply([np.full(v.shape, 3, np.float32) for v in variables], variables)
    moved = [v.value.numpy() - b for v, b in zip(variables, before, strict=True)]
    assert math.sqrt(sum(float((m**2).sum()) for m in moved)) == pytest.approx(0.5, rel=1e-4)


def test_half_precision_trains_with_float32_variables():
    for policy in ("mixed_bfloat16", "mixed_float16"):
        model = build_model(spec(), 3, machine.Precision(policy, "requested", True), momentum=0.9, build=build)
        trainer = trainer_of(Recipe(learning_rate=0.01), model, policy)
        assert np.isfinite([trainer.step(IMAGES, LABELS) for _ in range(3)]).all()
        assert {str(w.dtype) for w in trainer.weights()} == {"float32"}
        assert trainer.predict(IMAGES, np.arange(10)).dtype == np.float32


def test_dropout_of_an_epoch_depends_on_seed_and_epoch_alone():
    trainer = trainer_of(Recipe(learning_rate=0.01))
    start = copy.deepcopy(trainer.state())

    def first_loss(seed: int, epoch: int) -> float:
        trainer.restore(start)
        trainer.seed_epoch(seed, epoch)
        return trainer.step(IMAGES, LABELS)

    assert first_loss(0, 1) == first_loss(0, 1)
    assert len({first_loss(0, 0), first_loss(0, 1), first_loss(1, 0)}) == 3


def test_frozen_layers_keep_weights_and_statistics():
    model = open_model(spec(frozen=True), 3, machine.resolve("float32"), steps=10, build=build)
    trainer = trainer_of(Recipe(learning_rate=0.1), model)
    before = trainer.weights()
    trainer.step(IMAGES, LABELS)
    changed = [v.path for v, b in zip(model.weights, before, strict=True) if (v.value.numpy() != b).any()]
    assert [path.split("/", 1)[1] for path in changed] == ["classifier/kernel", "classifier/bias"]


def test_batches_cover_the_rows_once():
    options = {"classes": 10, "batch_size": 4, "augmentation": (), "seed": 0}
    plain, other = (
        list(training_batches(IMAGES, np.arange(10), np.arange(10), epoch=epoch, **options)) for epoch in (0, 1)
    )
    assert [len(batch.labels) for batch in plain] == [4, 4]
    assert len({int(label) for batch in plain for label in batch.labels}) == 8
    for batch in plain:
        np.testing.assert_array_equal(batch.images, IMAGES[batch.labels])
    assert not np.array_equal(plain[0].labels, other[0].labels)
    assert (steps_per_epoch(10, 4), steps_per_epoch(3, 4), steps_per_epoch(8, 4)) == (2, 1, 2)


def test_prefetching_changes_nothing_and_passes_errors_on():
    def broken():
        yield Batch(IMAGES, LABELS)
        raise OSError("the disk is gone")

    numbered = (Batch(np.array([i]), np.array([i])) for i in range(5))
    assert [int(batch.images[0]) for batch in prefetched(numbered)] == list(range(5))
    batches = prefetched(broken())
    next(batches)
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)


def test_measured_sample_is_fixed_and_inside_the_training_set():
    train = np.arange(100, 200)
    sample = measured_sample(train, 20, seed=3)
    assert len(set(sample)) == 20 and set(sample) <= set(train) and (np.diff(sample) > 0).all()
    np.testing.assert_array_equal(sample, measured_sample(train, 20, seed=3))
    np.testing.assert_array_equal(measured_sample(train, 500, seed=3), train)


def test_measure_against_hand_computed_values():
    loss, accuracy = measure(np.array([[0.5, 0.5], [0.0, 1.0]], np.float32), np.array([1, 0]))
    assert loss == pytest.approx((math.log(2) - math.log(1e-7)) / 2)
    assert accuracy == 0.0
    assert math.isnan(measure(np.array([[math.nan, 0.5]], np.float32), np.array([0]))[0])


def test_the_better_epoch_is_kept_and_ties_keep_the_earlier():
    loss, accuracy = EarlyStopping(min_delta=0.1), EarlyStopping(monitor="val_accuracy")
    assert improves(row(1), None, loss)
    assert not improves(row(2, val_loss=0.95), row(1, val_loss=1.0), loss)
    assert improves(row(2, val_loss=0.85), row(1, val_loss=1.0), loss)
    assert not improves(row(2, val_accuracy=0.5), row(1, val_accuracy=0.5), accuracy)
    assert improves(row(2, val_accuracy=0.6), row(1, val_accuracy=0.5), accuracy)
    assert improves(row(2, val_loss=9), row(1, val_loss=1), None)


def test_history_has_the_agreed_columns_and_reads_back():
    text = to_csv([row(1, loss=1 / 3)])
    header, values = text.splitlines()
    assert header == ("epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second,running_loss")
    assert float(values.split(",")[1]) == 1 / 3


@pytest.mark.parametrize(
    ("steps", "momentum"), [(10, 0.5), (25, 0.6), (100, 0.9), (199, 0.9), (200, 0.95), (230, 0.95), (1000, 0.99)]
)
def test_batch_norm_momentum_fits_the_length_of_training(steps, momentum):
    assert engine.batch_norm_momentum(steps) == momentum


@pytest.mark.parametrize(
    ("gpu", "units", "expected"),
    [
        (None, None, ("mixed_bfloat16", "measured:2.0", True)),
        (None, ("amx_bf16", "avx512_bf16"), ("mixed_bfloat16", "cpu-native:amx_bf16,avx512_bf16", True)),
        (None, (), ("float32", "cpu-emulated", False)),
        (("A100", 8.0), (), ("mixed_bfloat16", "gpu-compute:8.0", True)),
        (("T4", 7.5), (), ("mixed_float16", "gpu-compute:7.5", True)),
        (("K80", 3.7), (), ("float32", "gpu-compute:3.7", True)),
        (("METAL", None), (), ("float32", "gpu-unknown:METAL", True)),
    ],
)
def test_automatic_precision_looks_at_the_machine(monkeypatch, gpu, units, expected):
    monkeypatch.setattr(machine, "accelerator", lambda: gpu)
    monkeypatch.setattr(machine, "bfloat16_units", lambda: units)
    seconds = {"float32": 1.0, "bfloat16": 0.5}
    monkeypatch.setattr(machine, "product_seconds", seconds.__getitem__)
    assert machine.resolve("auto")[:3] == expected
    assert machine.resolve("float32")[:2] == ("float32", "requested")
    seconds["bfloat16"] = 1.25
    if expected[1].startswith("measured"):
        assert machine.resolve("auto")[:2] == ("float32", "measured-slower:0.8")


def test_plan_takes_epochs_away_until_it_fits():
    parts = {"epochs": 10, "steps": 7, "pace": Pace(5.0, 2.0), "fixed_seconds": 3.0}
    for budget, expected in (
        (None, (10, 53.0, False, True)),
        (29.0, (5, 28.0, True, True)),
        (4.0, (1, 8.0, True, False)),
    ):
        plan = make_plan(**parts, budget_seconds=budget)
        assert (plan.epochs_planned, plan.predicted_seconds, plan.shortened, plan.fits) == expected


def test_the_manifest_knows_the_machine():
    found = machine.hardware()
    assert set(found) == {"cpu", "cores", "memory_gib", "accelerator", "bfloat16"}
    assert found["cores"] >= 1 and found["memory_gib"] > 0
    assert machine.versions()["keras"].startswith("3.")


@pytest.mark.parametrize("name", ["sgd", "adam"])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_updates_in_one_kernel_are_kerass(name: str, clip: float | None) -> None:
    """Ten steps with changing gradients, against Keras's optimiser of the same arguments."""
    recipe = Recipe(optimizer=name, learning_rate=0.1, weight_decay=0.01, gradient_clip=clip, warmup=0.3)
    schedule = Schedule(lambda step: learning_rate(step, recipe, 10, keras.ops))
    common = {"learning_rate": schedule, "weight_decay": 0.01, "global_clipnorm": clip}
    ends = []
    for fused in (True, False):
        model = build("alexnet", image_size=SIZE, classes=3)
        variables = model.trainable_variables
        optimizer = make_optimizer(recipe, model, 10, policy="float32")
        assert type(optimizer).__name__ in ("FusedSGD", "FusedAdam")
        if not fused:
            optimizer = (
                keras.optimizers.SGD(momentum=0.9, **common) if name == "sgd" else keras.optimizers.Adam(**common)
            )
            optimizer.exclude_from_weight_decay(var_list=[v for v in variables if not v.path.endswith("kernel")])
        rng = np.random.default_rng(0)
        for _ in range(10):
            optimizer.apply([rng.normal(0, 1, v.shape).astype("float32") for v in variables], variables)
        ends.append([v.value.numpy() for v in variables])
    for found, expected in zip(*ends, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("network", "measured"), [("alexnet", 2.29), ("vgg19", 2.48), ("resnet50", 2.39)])
def test_the_predicted_memory_is_near_what_was_measured(network, measured, tmp_path):
    """Peaks of `cnnlab run` where the lab had several trainings, in GiB, on two cores."""
    options = {"image_size": 32, "classes": 10, "options": NetworkOptions()}
    architecture = publish_architecture(RunStore(tmp_path), network, **options)
    recipe = Recipe(optimizer="adam", precision="mixed_bfloat16")
    what = RunSpec(dataset="any", data=DatasetSpec(reader="any", image_size=32), network=network, recipe=recipe)
    assert memory.predicted_gib(what, architecture) == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize(
    ("limit", "expected"), [(None, (24.0, 8.0)), ("max\n", (24.0, 8.0)), (str(4 << 30), (4.0, 4.0))]
)
def test_a_container_has_no_more_memory_than_its_limit(limit, expected, monkeypatch, tmp_path):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=16 << 30, available=8 << 30))
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(total=8 << 30))
    monkeypatch.setattr(memory, "CONTAINER_LIMIT", tmp_path / "memory.max")
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit)
    assert memory.machine_gib() == expected
