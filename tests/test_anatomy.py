"""Layer tables, the construction of VGG-19, architecture records, and the golden test of each network."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest

from cnnlab.architectures.construction import summary_text, vgg19_construction, without_weights
from cnnlab.architectures.table import layer_table, publish_architecture
from cnnlab.identity import hash8
from cnnlab.layers.factory import build_network
from cnnlab.networks import find_network, network_names
from cnnlab.spec import NetworkOptions
from cnnlab.store.record import Record
from cnnlab.store.store import RunStore

GOLDEN = Path(__file__).parent / "golden" / "networks.json"
PUBLISHED = {name: find_network(name).PUBLISHED_SIZES[0] for name in network_names()}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    store = RunStore(tmp_path_factory.mktemp("runs"))
    options = NetworkOptions()
    return {
        name: publish_architecture(store, name, image_size=size, classes=1000, options=options)
        for name, size in PUBLISHED.items()
    }


@pytest.mark.parametrize(
    ("name", "parameters", "trainable", "convolutions", "dense", "giga"),
    [
        ("vgg19", 143_667_240, 143_667_240, 16, 3, 19.63),
        ("resnet50", 25_636_712, 25_583_592, 53, 1, 3.86),
        ("alexnet", 60_965_224, 60_965_224, 5, 3, 0.72),
    ],
)
def test_published_facts(
    records: dict[str, Record], name: str, parameters: int, trainable: int, convolutions: int, dense: int, giga: float
) -> None:
    manifest, rows = records[name].manifest, records[name].json("layers.json")
    assert manifest["parameters"] == sum(row["formula_parameters"] for row in rows) == parameters
    assert manifest["trainable"] == trainable
    assert manifest["weighted_layers"] == {"convolution": convolutions, "dense": dense}
    assert round(manifest["multiply_adds"] / 1e9, 2) == giga
    assert manifest["adaptations"] == []
    assert f"{parameters:,}" in records[name].text("summary.txt")


def test_vgg19_block_by_block(records: dict[str, Record]) -> None:
    rows = records["vgg19"].json("layers.json")
    blocks: dict[str, int] = {}
    filters: dict[str, int] = {}
    for row in rows:
        blocks[row["block"]] = blocks.get(row["block"], 0) + row["formula_parameters"]
        filters[row["block"]] = filters.get(row["block"], 0) + (row["filters"] or 0)
    assert list(blocks) == ["input", "block1", "block2", "block3", "block4", "block5", "head"]
    assert list(blocks.values())[:6] == [0, 38_720, 221_440, 2_065_408, 8_259_584, 9_439_232]
    assert blocks["head"] / 143_667_240 == pytest.approx(0.861, abs=5e-4)
    assert filters["block4"] == filters["block5"] == 2048


def test_rows_of_each_kind(records: dict[str, Record]) -> None:
    rows = {row["name"]: row for name in PUBLISHED for row in records[name].json("layers.json")}
    assert rows["block1_conv1"] == {
        "name": "block1_conv1",
        "kind": "Conv2D",
        "block": "block1",
        "output_shape": [224, 224, 64],
        "kernel": [3, 3],
        "strides": [1, 1],
        "padding": "same",
        "groups": 1,
        "filters": 64,
        "activation": "relu",
        "parameters": 1792,
        "trainable": 1792,
        "formula": "(3·3·3 + 1)·64",
        "formula_parameters": 1792,
        "multiply_adds": 224 * 224 * 27 * 64,
        "activations": 224 * 224 * 64,
    }
    assert (rows["conv2"]["kind"], rows["conv2"]["formula"]) == ("Conv2D", "(5·5·48 + 1)·256")
    assert rows["conv2"]["multiply_adds"] == 27 * 27 * 25 * 48 * 256
    assert (rows["conv1"]["block"], rows["conv1"]["output_shape"]) == ("block1", [55, 55, 96])
    assert (rows["pool5"]["kernel"], rows["pool5"]["output_shape"]) == ([3, 3], [6, 6, 256])
    assert (rows["conv1_bn"]["block"], rows["conv1_bn"]["formula"], rows["conv1_bn"]["trainable"]) == (
        "stem",
        "4·64",
        128,
    )
    assert (rows["fc1"]["block"], rows["fc1"]["formula"]) == ("head", "(25088 + 1)·4096")
    assert (rows["conv1_pad"]["padding"], rows["conv5_block3_out"]["block"]) == ("3,3,3,3", "stage5")
    assert rows["predictions"]["activation"] == "softmax"


@pytest.mark.parametrize(("bias", "formula", "parameters"), [(True, "(3·3·3 + 1)·4", 112), (False, "3·3·3·4", 108)])
def test_biases_are_counted_where_a_convolution_has_them(bias: bool, formula: str, parameters: int) -> None:
    image = keras.Input((8, 8, 3), name="pixels")
    model = keras.Model(image, keras.layers.Conv2D(4, 3, use_bias=bias, name="conv1")(image), name="alexnet")
    row = layer_table(model)[1]
    assert (row["formula"], row["formula_parameters"], row["parameters"]) == (formula, parameters, parameters)
    assert row["multiply_adds"] == 6 * 6 * 108


@pytest.mark.parametrize("name", network_names())
def test_a_network_without_values_is_described_as_one_with_them(name: str) -> None:
    build = partial(build_network, name, image_size=48, classes=5)
    described, built = without_weights(build), with_fresh_names(build)
    assert layer_table(described) == layer_table(built) and summary_text(described) == summary_text(built)
    assert all(weight._value is None for weight in described.weights)


def with_fresh_names(build: Callable[[], keras.Model]) -> keras.Model:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(build).result()


def test_the_fused_layers_have_the_same_table() -> None:
    tables = [
        layer_table(build_network("resnet50", image_size=32, classes=2, fused_batch_norm=fused))
        for fused in (False, True)
    ]
    assert tables[0] == tables[1]


def test_construction_is_the_assignments_and_runs_as_printed(records: dict[str, Record]) -> None:
    steps = {step["block"]: step for step in records["vgg19"].json("construction.json")}
    assert list(steps) == ["block1", "block2", "block3", "block4", "block5", "flatten", "fc6", "fc7", "fc8"]
    totals = [38_720, 260_160, 2_325_568, 10_585_152, 20_024_384, 20_024_384, 122_788_928, 139_570_240, 143_667_240]
    assert [step["parameters"] for step in steps.values()] == totals
    assert [step["formula_parameters"] for step in steps.values()] == totals
    assert steps["fc6"]["added_parameters"] == 102_764_544
    assert steps["block1"]["output"] == "(None, 224, 224, 64)\n(None, 112, 112, 64)\n"
    assert steps["block3"]["outputs"] == [
        {"after": "before pooling", "shape": [56, 56, 256]},
        {"after": "after pooling", "shape": [28, 28, 256]},
    ]
    assert steps["flatten"]["outputs"] == [{"after": "flatten", "shape": [25_088]}]
    assert "modelVGG19 = Sequential()" in steps["block1"]["code"]
    assert steps["block3"]["code"].count("Conv2D(256, (3, 3), strides=(1, 1), activation=") == 4
    assert steps["block5"]["layers"] == ["conv2d_12", "conv2d_13", "conv2d_14", "conv2d_15", "max_pooling2d_4"]
    assert "260,160" in steps["block2"]["summary"] and "Param #" in steps["block2"]["summary"]
    assert max(len(line) for line in steps["fc8"]["summary"].splitlines()) <= 100


def test_the_construction_is_one_program_a_reader_can_run(
    records: dict[str, Record], capsys: pytest.CaptureFixture[str]
) -> None:
    steps = records["vgg19"].json("construction.json")[:3]
    exec("\n".join(step["code"] for step in steps), {})
    assert capsys.readouterr().out == "".join(step["output"] for step in steps)


def test_building_leaves_the_callers_keras_state_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cnnlab.architectures.construction.STAGES", (("block1", 1, 4),))
    monkeypatch.setattr("cnnlab.architectures.construction.DENSE_UNITS", 8)
    keras.layers.Conv2D(1, 1)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        with pytest.raises(ArithmeticError, match="fc6: our count"):  # a single pooling leaves more than 7x7
            vgg19_construction()
        store = RunStore(tmp_path)
        options = NetworkOptions()
        record = publish_architecture(store, "alexnet", image_size=32, classes=4, options=options)
        again = publish_architecture(store, "alexnet", image_size=32, classes=4, options=options)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(before)
    assert record.manifest == again.manifest
    assert record.id.startswith("alexnet-32-") and "construction.json" not in record.manifest["files"]
    assert record.manifest["adaptations"][0] == {"code": "input_size", "published": "227x227x3", "used": "32x32x3"}


def measure(name: str) -> dict[str, object]:
    """What the golden file pins for the current version of a network."""
    tables = {}
    for size, classes in ((PUBLISHED[name], 1000), (32, 10)):
        build = partial(build_network, name, image_size=size, classes=classes, fused_batch_norm=False)
        model = without_weights(build)
        tables[str(size)] = hash8(layer_table(model))
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype("float32")
    seeded = build_network(name, image_size=32, classes=10, seed=1, fused_batch_norm=False)
    # In training mode: before any training, batch normalisation by its moving averages lets ResNet-50 saturate.
    logits = np.log(seeded(images, training=True).numpy().astype(float))[:2]
    logits -= logits.mean(axis=1, keepdims=True)
    return {
        "version": find_network(name).VERSION,
        "tables": tables,
        "logits": (logits / logits.std()).round(4).tolist(),
    }


@pytest.mark.parametrize("name", network_names())
def test_golden(name: str) -> None:
    """A network that changes needs a new `VERSION`: then write the golden file again.

    PYTHONPATH=. python -m tests.test_anatomy
    """
    pinned, found = json.loads(GOLDEN.read_text())[name], measure(name)
    assert found["version"] == pinned["version"], "the version was bumped: write the golden file again"
    assert found["tables"] == pinned["tables"], "the layer table changed without a new version"
    np.testing.assert_allclose(np.array(found["logits"]), pinned["logits"], atol=5e-2)


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps({name: measure(name) for name in network_names()}, indent=1) + "\n")
