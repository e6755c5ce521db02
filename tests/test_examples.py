"""One file adds a network, one file adds a reader: what `docs/networks.md` and `docs/datasets.md` show is done here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.command import ROOT

LAB = """
[lab]
title = "Added"
authors = ["Ana"]
language = "en"
[datasets.shapes]
reader = "arrays"
path = "shapes.npz"
image_size = 32
split = { train = 0.5, validation = 0.25, test = 0.25 }
[recipes.short]
epochs = 1
batch_size = 8
[[runs]]
dataset = "shapes"
networks = ["densenet121", "alexnet"]
recipe = "short"
[networks.alexnet]
dense_units = 8
[report]
part_2_1 = "shapes"
"""
FITS = """
import keras, numpy as np
from cnnlab.layers.factory import build_network
from cnnlab.spec import NetworkOptions
reference = keras.applications.DenseNet121(weights=None, classes=5, input_shape=(64, 64, 3))
model = build_network("densenet121", image_size=64, classes=5, options=NetworkOptions(stem="published"))
sources = {layer.name: layer for layer in reference.layers if layer.weights}
targets = {layer.name: layer for layer in model.layers if layer.weights}
assert list(sources) == list(targets)
for name, layer in targets.items():
    layer.set_weights(sources[name].get_weights())
pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("float32")
expected = reference.predict_on_batch(keras.applications.densenet.preprocess_input(pixels.copy()))
np.testing.assert_allclose(model.predict_on_batch(pixels), expected, rtol=1e-3, atol=1e-5)
"""


def python(program: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(program), "CNNLAB_DATA": str(cwd / "data")}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program with the two files dropped in and nothing else touched."""
    root = tmp_path_factory.mktemp("program")
    for name in ("cnnlab", "report", "templates", "labs"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    shutil.copy(ROOT / "tests/examples/densenet121.py", root / "cnnlab/networks")
    shutil.copy(ROOT / "tests/examples/reader.py", root / "cnnlab/readers/arrays.py")
    return root


@pytest.fixture(scope="module")
def lab(program: Path) -> Path:
    """The folder of a lab that uses both, trained once."""
    random, folder = np.random.default_rng(0), program / "mine"
    folder.mkdir()
    labels = np.arange(24) % 2
    images = random.integers(0, 100, (24, 32, 32, 3)) + 150 * labels[:, None, None, None]
    np.savez(folder / "shapes.npz", images=images.astype(np.uint8), labels=labels, classes=["dark", "bright"])
    (folder / "mine.toml").write_text(LAB)
    done = python(program, "-m", "cnnlab", "run", "mine.toml", "--formats", "html", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def record(lab: Path, kind: str) -> Path:
    (found,) = (lab / "runs").glob(kind)
    return found


def test_a_network_in_one_file_computes_what_its_published_weights_expect(program: Path, tmp_path: Path) -> None:
    done = python(program, "-c", FITS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_it_is_trained_and_taken_apart(lab: Path) -> None:
    run = json.loads((record(lab, "shapes-densenet121-s0-*") / "manifest.json").read_text())
    assert run["status"] == "done" and run["resolved"]["epochs_run"] == 1
    published = record(lab, "architectures/densenet121-224-*")
    assert json.loads((published / "manifest.json").read_text())["parameters"] == 8_062_504
    rows = {row["name"]: row for row in json.loads((published / "layers.json").read_text())}
    first, block = rows["conv1_conv"], rows["conv5_block16_concat"]
    assert (first["formula"], first["parameters"], first["block"]) == ("7·7·3·64", 9_408, "stem"), "no biases"
    assert (block["kind"], block["block"], block["output_shape"]) == ("Concatenate", "block4", [7, 7, 1024])
    summary = (published / "summary.txt").read_text(encoding="utf-8")
    assert "conv1_conv" in summary and "Total params: 8,062,504" in summary


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<(style|script)\b.*?</\1>|<[^>]+>", " ", page, flags=re.S))


def test_it_stands_in_the_report_beside_the_others(lab: Path) -> None:
    page = (lab / "out/mine/report.html").read_text(encoding="utf-8")
    said = text_of(page)
    for words in ("DenseNet-121 (2017)", "120 conv. + 1 dense", "8,062,504", "Huang et al. 2017", "23.61%"):
        assert words in said, words
    assert "ResNet-50 has the lowest error" in said and "with the fewest parameters" not in said
    assert page.count("series-4") > 1, "its colour in the figures"


def test_a_reader_in_one_file_reads_and_refuses(lab: Path, program: Path) -> None:
    data = json.loads((record(lab, "datasets/shapes-*") / "manifest.json").read_text())
    assert (data["images"], data["classes"], data["source"]) == (24, 2, "file shapes.npz")
    listed: list[dict[str, Any]] = json.loads(
        python(program, "-m", "cnnlab", "data", "describe", "mine.toml", "--json", cwd=lab).stdout
    )
    assert [one["name"] for one in listed[0]["classes"]] == ["dark", "bright"]
    other = lab / "other"
    other.mkdir()
    (other / "shapes.npz").write_bytes(b"no arrays")
    (other / "mine.toml").write_text(LAB)
    done = python(program, "-m", "cnnlab", "data", "check", "mine.toml", cwd=other)
    assert done.returncode == 2 and "the file is no data set" in done.stderr and "Traceback" not in done.stderr
