"""Records that somebody else made are data: what they hold does not become code of the notebook."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnlab.errors import StoreError
from cnnlab.store.store import RunStore
from report.data.records import Part, foreign_part, open_lab
from report.notebook.code import built_cell, run_cell
from tests.fabricate import write_store
from tests.faults.records import forge_json

START = "from keras.layers import Conv2D\nfrom keras.models import Sequential\nmodelVGG19 = Sequential()\n"
BUILDS = [
    START,
    'modelVGG19.add(Conv2D(64, (3, 3), strides=(1, 1), activation="relu", padding="same"))',
    "print(modelVGG19.output_shape)",
    "# only a comment\nmodelVGG19.summary()",
]
FOREIGN = [
    "import os",
    "from os import system",
    "from keras import config",
    "from keras.layers import Lambda",
    "from keras.layers import Conv2D as print",
    "from .keras import Input",
    "__import__('os').system('id')",
    "eval('1')",
    "exec('1')",
    "open('/etc/passwd')",
    "print.__self__",
    "modelVGG19.__class__",
    "modelVGG19.load_weights('x')",
    "modelVGG19.output_shape.__class__",
    "print(modelVGG19.layers[0])",
    "print = 1",
    "modelVGG19.add = 1",
    "modelVGG19.add(lambda x: x)",
    "[print(x) for x in ()]",
    "print(f'{modelVGG19}')",
    "while True: pass",
    "def f(): pass",
    "print(9 ** 9 ** 9)",
    "!id",
    "%%bash\nid",
    "modelVGG19?",
    "x" + "(" * 5000,
    "\x00",
]


@pytest.mark.parametrize("code", BUILDS)
def test_building_a_network_is_taken(code: str) -> None:
    assert foreign_part(code) == ""


@pytest.mark.parametrize("code", FOREIGN, ids=lambda code: code[:40])
def test_anything_else_is_foreign(code: str) -> None:
    assert foreign_part(code)


def test_a_record_with_foreign_code_is_named_and_not_shown(tmp_path: Path) -> None:
    store = write_store(tmp_path)
    record = open_lab(store, "demo").architectures["vgg19"].record
    steps = record.json("construction.json")
    steps[3]["code"] += "\nimport os; os.system('id')"
    forge_json(store, "architecture", record.id, "construction.json", steps)
    with pytest.raises(StoreError, match="more than build a network") as problem:
        _ = open_lab(store, "demo").architectures["vgg19"].construction
    assert record.id in str(problem.value.where) and str(problem.value.received) == "import os"


def opened(store: RunStore) -> Part:
    return open_lab(store, "demo").parts["2_1"]


def test_neither_keys_nor_values_of_a_spec_become_code(tmp_path: Path) -> None:
    store = write_store(tmp_path)
    run = opened(store).runs[0]
    harmless = built_cell(opened(store), run)
    spec = run.run.json("spec.json")
    spec["options"] |= {"x=__import__('os').system('id')) #": 1, "stem": 'small") or __import__("os', "dropout": [1]}
    forge_json(store, "run", run.run.id, "spec.json", spec)
    cell = built_cell(opened(store), opened(store).runs[0])
    assert harmless.startswith("model = build_network(") and "system" not in cell
    assert 'stem="small\\") or __import__(\\"os"' in cell and "dropout=[1]" in cell


def test_nor_do_sizes_and_seeds(tmp_path: Path) -> None:
    store = write_store(tmp_path, seeds=(0, 1))
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
