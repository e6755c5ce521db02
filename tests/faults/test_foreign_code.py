"""Records that somebody else made are data: what they hold does not become code of the notebook."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnlab.errors import StoreError
from cnnlab.store.store import RunStore
from report.data.records import Part, open_lab
from report.notebook.code import built_cell, run_cell
from tests.fabricate import write_store
from tests.faults.records import forge_json

FOREIGN = [
    "import os",
    "from os import system",
    "from keras import config",
    "from keras.layers import Lambda",
    "from keras.layers import Conv2D as print",
    "from .keras import Input",
    "__import__('os').system('id')",
    "modelVGG19.add(eval('1'))",
    'modelVGG19.add(Conv2D(eval("exit")))',
    "modelVGG19.__class__",
    "modelVGG19.load_weights('x')",
    "print(modelVGG19.output_shape.__class__)",
    "print = 1",
    "modelVGG19.add = 1",
    "modelVGG19.add(lambda x: x)",
    "print(modelVGG19.output_shape); import os",
    "print(modelVGG19.output_shape)\rimport os",
    "while True: pass",
    "print(9 ** 9 ** 9)",
    "!id",
    "%%bash\nid",
    "modelVGG19?",
    "modelVGG19.add(Dense(" + "1" * 5000 + "x))",
    "\x00",
]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return write_store(tmp_path, seeds=(0, 1))


def test_code_that_builds_a_network_is_taken_and_anything_else_is_named_and_not_shown(store: RunStore) -> None:
    record = open_lab(store, "demo").architectures["vgg19"].record
    steps, ours = record.json("construction.json"), open_lab(store, "demo").architectures["vgg19"].construction
    assert ours == steps and steps[3]["code"].startswith("modelVGG19.add(Conv2D(512, (3, 3)")
    for code in FOREIGN:
        forged = [*steps[:3], {**steps[3], "code": f"{steps[3]['code']}\n{code}"}, *steps[4:]]
        forge_json(store, "architecture", record.id, "construction.json", forged)
        with pytest.raises(StoreError, match="more than build a network") as problem:
            _ = open_lab(store, "demo").architectures["vgg19"].construction
        assert record.id in str(problem.value.where) and str(problem.value.received) in code


def opened(store: RunStore) -> Part:
    return open_lab(store, "demo").parts["2_1"]


def test_neither_keys_nor_values_of_a_spec_become_code(store: RunStore) -> None:
    run = opened(store).runs[0]
    harmless = built_cell(opened(store), run)
    spec = run.run.json("spec.json")
    spec["options"] |= {"x=__import__('os').system('id')) #": 1, "stem": 'small") or __import__("os', "dropout": [1]}
    forge_json(store, "run", run.run.id, "spec.json", spec)
    cell = built_cell(opened(store), opened(store).runs[0])
    assert harmless.startswith("model = build_network(") and "system" not in cell
    assert 'stem="small\\") or __import__(\\"os"' in cell and "dropout=[1]" in cell


def test_nor_do_sizes_and_seeds(store: RunStore) -> None:
    run = opened(store).runs[0]
    spec = run.run.json("spec.json")
    spec["data"]["image_size"] = "__import__('os').system('id')"
    forge_json(store, "run", run.run.id, "spec.json", spec)
    with pytest.raises(StoreError, match="whole number"):
        built_cell(opened(store), opened(store).runs[0])
    content = store.read_lab("demo")
    for entry in content["runs"]:
        entry["seed"] = "0) or __import__('os'"
    store.write_lab("demo", {key: value for key, value in content.items() if key != "format"})
    with pytest.raises(StoreError, match="whole number"):
        run_cell(opened(store), opened(store).runs[0], '"clothes", "alexnet"')
