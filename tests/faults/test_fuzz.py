"""Files with mistakes in them are read or refused in their user's words, whatever the mistake is.

Each property is tried on a few files here; CNNLAB_FUZZ=10000 tries that many. What long trials found stays as examples.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import pickle
import shutil
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from cnnlab.datasets.fetch import parse_idx
from cnnlab.datasets.folders import read_csv
from cnnlab.datasets.parquet import read_parquet
from cnnlab.datasets.unpickle import load_pickle
from cnnlab.errors import CnnlabError
from cnnlab.identity import make_run_id
from cnnlab.lab import Lab, load_lab
from cnnlab.paths import labs_dir, templates_dir
from cnnlab.readers.places import _numbered_lines
from cnnlab.store.store import RunStore
from report.checks.verify import Mismatch, compare, read_numbers
from report.data.records import open_lab
from report.document.reviews import read_reviews
from report.document.rubric import read_rubric
from report.notebook.build import _read as read_notebook
from report.render.assets import logo_uri
from tests.datasets import put
from tests.fabricate import write_store
from tests.faults.fuzzing import FUZZ, STRANGE_TEXT, STRANGE_VALUES, attempt, dumped, garbled, misshapen

LAB: dict[str, Any] = {
    "lab": {"title": "t", "authors": ["a"], "course": "c", "language": "en", "seeds": [0], "budget_minutes": 1.5},
    "datasets": {
        "d": {
            "reader": "folder", "path": "x", "labels": "x.csv", "name": "n", "classes": 2, "images_per_class": 9,
            "max_bad": 0.1, "image_size": 32, "fit": "crop", "title": "t",
            "split": {"train": 0.6, "validation": 0.2, "test": 0.2, "seed": 0, "leaks": "exclude"},
        }
    },
    "networks": {"vgg19": {"batch_norm": True, "dropout": 0.5, "dense_units": 9, "stem": "auto"}},
    "recipes": {
        "r": {
            "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.1, "batch_size": 8, "epochs": 2,
            "gradient_clip": 1.0, "augmentation": ["flip"], "weights": "imagenet", "rate_decay": 0.5,
            "early_stopping": {"monitor": "val_loss", "patience": 2, "min_delta": 0.0},
        }
    },
    "searches": {"s": {"trials": 3, "learning_rate": {"low": 0.1, "high": 1.0, "log": True}, "batch_size": [8, 16]}},
    "runs": [{"dataset": "d", "networks": ["vgg19"], "recipe": "r", "search": "s", "folds": 2, "test_flip": True}],
    "report": {"rubric": "tarea1", "part_2_1": "d", "primary_2_1": "vgg19"},
    "style": {"logo": "x.png", "accent": "#174a93", "student_id": "1"},
    "profiles": {"p": {"recipes": {"r": {"epochs": 1}}}},
}  # fmt: skip
WITH_HUB = {**LAB, "datasets": {"d": {**LAB["datasets"]["d"], "hub": {"repository": "a/b"}}}}
ACCEPTANCE = {
    "time": "2026-01-01", "files": {"a": "b"}, "names": [],
    "items": [{"name": "x", "value": 1.0, "unit": "share", "text": "t", "low": 0.1, "high": 0.2}],
    "paragraphs": [{"text": "t", "skeleton": "s", "quantities": []}],
}  # fmt: skip
REVIEWS = {"format": 1, "languages": {"en": {"activity-07": ACCEPTANCE}}}
QUANTITY = {
    "id": "a", "value": 1.5, "text": "1.5", "section": "s", "name": "n", "place": "prose", "unit": "share", "n": 9,
    "low": 1.0, "high": 2.0, "runs": ["r"], "how": "",
}  # fmt: skip
REPORT: dict[str, Any] = {
    "format": 2, "language": "en", "evidence": "0", "records": {}, "prose": {}, "program": "1", "quantities": [QUANTITY],
}  # fmt: skip
NOTEBOOK = {
    "metadata": {"cnnlab": {"evidence": "a", "cells": "b", "numbers": "c"}},
    "cells": [{"cell_type": "code", "source": "1", "outputs": [{"text": "1"}], "execution_count": 1}],
}  # fmt: skip
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><style>a{fill:url(#b)}</style><rect fill="red"/><use href="#a"/></svg>'
DEEP, LONG = b"[" * 100_000, b"9" * 5000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def store(folder: Path) -> RunStore:
    more: dict[str, Any] = {"folds": {"alexnet": [0.5, 0.6]}, "baselines": {"clothes": {}}}
    return write_store(folder / "runs", searches={"alexnet": {}}, **more)


@pytest.fixture(scope="module")
def lock(store: RunStore) -> Any:
    return json.loads((store.root / "labs" / "demo.json").read_bytes())


def toml(value: Any) -> str:
    """A value in TOML, where it has one."""
    match value:
        case None:
            return "{}"
        case bool() | str():
            return json.dumps(value.encode("utf-8", "replace").decode() if isinstance(value, str) else value)
        case int() | float():
            return str(value)
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return "{" + ", ".join(f"{json.dumps(str(key))} = {toml(one)}" for key, one in value.items()) + "}"
    raise TypeError(value)


def lab_toml(value: Any) -> bytes:
    """A lab's table as TOML: what is no table is a value."""
    if not isinstance(value, dict):
        return toml(value).encode()
    return "\n".join(f"{json.dumps(str(key))} = {toml(one)}" for key, one in value.items()).encode()


def read_lab(path: Path) -> Lab:
    """A lab read to the end: its paths, its runs and their ids."""
    lab = load_lab(str(path))
    for spec in lab.run_specs():
        make_run_id(spec, "f" * 64)
    return lab


def read_accepted(path: Path) -> None:
    put(path.parent / "reviews" / "reviewed.json", path.read_bytes())
    read_reviews(load_lab(str(put(path.parent / "reviewed.toml", lab_toml(LAB)))))


def read_rubrics(path: Path) -> None:
    put(path.parent / "rubrics" / "fuzzed.toml", path.read_bytes())
    read_rubric("fuzzed", [path.parent])


def read_report(path: Path) -> None:
    saved = read_numbers(path)
    if not isinstance(saved, Mismatch):
        list(compare(saved["quantities"], REPORT["quantities"]))


def read_idx(path: Path) -> None:
    for dimensions in (1, 3):
        attempt(partial(parse_idx, path.read_bytes(), path, dimensions=dimensions))


def read_logo(path: Path) -> None:
    assert logo_uri(path).startswith("data:image/")


def read_rows(path: Path) -> None:
    found = read_parquet([path], path.parent)
    for row in range(len(found.labels)):
        with contextlib.suppress(Exception):
            found.content(row)


def of_record(kind: str) -> Callable[[Path], Any]:
    """Read by the method of this name, as a file of a published record: its hash is right."""

    def read(path: Path) -> Any:
        store = RunStore(path.parent / "forged")
        store.publish("run", "x", lambda work: shutil.copy(path, work / "file") and {}, replace=True)
        return getattr(store.read("run", "x"), kind)("file")

    return read


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    content = io.BytesIO()
    write(content)
    return content.getvalue()


class Reader(NamedTuple):
    """Files of one kind: how their content goes wrong, what reads them, and what long trials found."""

    name: str
    mistakes: st.SearchStrategy[bytes]
    read: Callable[[Path], Any]
    found: tuple[bytes, ...] = ()


LABS = [(labs_dir() / f"{name}.toml").read_bytes() for name in ("demo", "tarea1")]
RUBRIC = (templates_dir() / "rubrics" / "tarea1.toml").read_bytes()
ARRAYS = written(lambda to: np.savez(to, labels=np.arange(5, dtype=np.int32), images=np.zeros((2, 2, 3), np.uint8)))
PICKLED = written(lambda to: np.savez(to, labels=np.array([None, {}], dtype=object)))
HUGE_SHAPE = b"{'descr': '<i4', 'fortran_order': False, 'shape': (99999999999,), }".ljust(118)
CACHE = pickle.dumps({"image_data": np.zeros((2, 3, 3, 3), np.uint8), "class_dict": {"n1": [0], "n2": [1]}})
PLAIN = pickle.dumps([1, 2.5, "a", b"b", {"c": (None, True)}], 0)
PNG = written(lambda to: Image.new("RGB", (3, 3)).save(to, "PNG"))
ROWS = written(lambda to: pq.write_table(pa.table({"image": [b"one", b"two"], "label": ["a", "b"]}), to))
IDX = struct.pack(">4B3I", 0, 0, 8, 3, 2, 2, 2)
READERS = {
    "lab": Reader(
        "lab.toml", st.sampled_from(LABS).flatmap(garbled), read_lab,
        (b"a = " + b"[" * 5000, b"a = " + LONG, b"a." * 5000 + b"a = 1", b"\xff", b""),
    ),
    "lab, strange": Reader("lab.toml", (misshapen(LAB) | misshapen(WITH_HUB)).map(lab_toml), read_lab),
    "rubric": Reader("rubric.toml", garbled(RUBRIC), read_rubrics),
    "accepted": Reader(
        "accepted.json", misshapen(REVIEWS).map(dumped) | garbled(dumped(REVIEWS)), read_accepted, (DEEP, LONG)
    ),
    "arrays": Reader(
        "arrays.npz", garbled(ARRAYS), of_record("arrays"),
        (PICKLED, b"\x93NUMPY\x01\x00v\x00" + HUGE_SHAPE, b"PK\x05\x06" + bytes(18), pickle.dumps([1]), b""),
    ),
    "json": Reader("layers.json", garbled(dumped({"a": [1, 2.5, "x"]})), of_record("json"), (DEEP, LONG, b"\xff")),
    "history": Reader(
        "history.csv", garbled(b"epoch,loss\n1,2.5\n2,nan\n"), of_record("rows"),
        (b"a\x00,b\n1,2\n", b"a\n" + b"x" * 200_000 + b"\n", b'a\n"' + b"x\n" * 9, b"a\r1\r", b"\xff"),
    ),
    "report": Reader(
        "report.json", misshapen(REPORT).map(dumped) | garbled(dumped(REPORT)), read_report,
        (
            DEEP, b"null", dumped({key: value for key, value in REPORT.items() if key != "format"}),
            *(dumped({**REPORT, "quantities": [one]}) for one in (
                {"id": []}, {"id": "a"}, {**QUANTITY, "low": 1e25}, {"id": "a", "value": float("nan")},
            )),
        ),
    ),
    "notebook": Reader(
        "report.ipynb", misshapen(NOTEBOOK).map(dumped) | garbled(dumped(NOTEBOOK)), read_notebook, (DEEP,)
    ),
    "list": Reader(
        "list.csv", garbled(b"filename,label,split\na.png,cat,train\nb.png,dog,test\n"), read_csv,
        (
            b"filename,label\n" + b"x" * 200_000 + b",a\n", b"filename,label\na\x00.png,b\n", b"\xef\xbb\xbf",
            b"filename,label\na,b,c,d\na\n", b'filename,label\n"a,b\n',
        ),
    ),
    "scenes": Reader(
        "scenes.txt", garbled(b"a/abbey/1.jpg 0\na/attic/2.jpg 1\n"), _numbered_lines,
        (b"a/abbey/1.jpg " + LONG, "a ٣\n".encode(), "a ²\n".encode()),
    ),
    "idx": Reader(
        "idx", garbled(IDX + bytes(8)), read_idx,
        tuple(struct.pack(">4B3I", 0, 0, 8, 3, size, 2**31, 2**31) for size in (2**31, 0)),
    ),
    "pickle": Reader("cache.pkl", st.sampled_from([CACHE, PLAIN]).flatmap(garbled), load_pickle),
    "parquet": Reader("rows.parquet", garbled(ROWS), read_rows),
    "logo": Reader(
        "logo.svg", st.sampled_from([SVG, PNG]).flatmap(garbled), read_logo,
        (b"<" + b"a>" * 50_000, b'<?xml version="1.0" encoding="x"?><svg/>', gzip.compress(SVG)),
    ),
}  # fmt: skip


def try_one(reader: Reader, folder: Path, content: bytes) -> None:
    path = put(folder / reader.name, content)
    attempt(lambda: reader.read(path))


@pytest.mark.parametrize("kind", READERS)
@FUZZ
@given(choose=st.data())
def test_a_file_with_mistakes(folder: Path, kind: str, choose: st.DataObject) -> None:
    try_one(READERS[kind], folder, choose.draw(READERS[kind].mistakes))


@pytest.mark.parametrize("kind", [kind for kind, reader in READERS.items() if reader.found])
def test_what_long_trials_found(folder: Path, kind: str) -> None:
    for content in READERS[kind].found:
        try_one(READERS[kind], folder, content)


def test_the_lab_that_is_misshapen_is_whole(folder: Path) -> None:
    (folder / "whole.toml").write_bytes(lab_toml(LAB))
    assert read_lab(folder / "whole.toml").file.lab.title == "t"


KEYS = [
    "lab.title", "lab.seeds", "lab.budget_minutes", "datasets.d.path", "datasets.d.labels", "datasets.d.image_size",
    "datasets.d.split", "datasets.d.max_bad", "datasets.d.classes", "recipes.r.learning_rate", "recipes.r.gradient_clip",
    "recipes.r.weights", "recipes.r.early_stopping.min_delta", "recipes.r.epochs", "report.rubric", "style.logo",
    "style.accent", "searches.s.learning_rate.high", "runs", "profiles", "networks.vgg19.dropout",
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_each_strange_value_of_a_key(folder: Path, key: str) -> None:
    for value in STRANGE_VALUES:
        changed = json.loads(json.dumps(LAB))
        owner, *below = changed, *key.split(".")
        for part in below[:-1]:
            owner = owner[part]
        owner[below[-1]] = value
        try_one(READERS["lab"], folder, lab_toml(changed))


@FUZZ
@given(key=st.sampled_from(KEYS) | st.text(max_size=20), value=st.sampled_from(STRANGE_TEXT) | st.text(max_size=20))
@example(key="lab.title", value="9" * 5000)
@example(key="lab.title", value="[" * 5000)
@example(key="a" + ".a" * 3000, value="1")
@example(key="lab", value="1")
@example(key="", value="1")
def test_an_override(key: str, value: str) -> None:
    assert isinstance(attempt(lambda: load_lab("demo", overrides=[f"{key}={value}"])), Lab | CnnlabError)


def opened(store: RunStore, content: Any) -> Any:
    put(store.root / "labs" / "fuzzed.json", content if isinstance(content, bytes) else dumped(content))
    return attempt(lambda: open_lab(store, "fuzzed"))


@FUZZ
@given(choose=st.data())
def test_a_lab_lock(store: RunStore, lock: Any, choose: st.DataObject) -> None:
    opened(store, choose.draw(misshapen(lock).map(dumped) | garbled(dumped(lock))))


@pytest.mark.parametrize("key", ["run", "evaluation", "architecture", "search", "network", "dataset", "fold"])
def test_a_lab_lock_with_strange_entries(store: RunStore, lock: Any, key: str) -> None:
    for value in (None, True, [], "", "a" * 5000, "\x00", "\ud800", {"record": 1}, "../.."):
        opened(store, {**lock, "runs": [{**entry, key: value} for entry in lock["runs"]]})


@pytest.mark.parametrize("content", [DEEP, LONG, b"\xff", b"", b"null", b"[]", b'{"format": 1}', b"{}"], ids=range(8))
def test_a_lab_lock_of_garbage(store: RunStore, content: bytes) -> None:
    assert isinstance(opened(store, content), CnnlabError)


@FUZZ
@given(choose=st.data())
def test_a_manifest(store: RunStore, lock: Any, choose: st.DataObject) -> None:
    path, kept = store.folder("run", "fuzzed"), store.folder("run", lock["runs"][0]["run"])
    shutil.copytree(kept, path, dirs_exist_ok=True)
    whole = json.loads((kept / "manifest.json").read_bytes()) | {"id": "fuzzed"}
    put(path / "manifest.json", choose.draw(misshapen(whole).map(dumped) | garbled(dumped(whole))))
    try:
        attempt(
            lambda: [
                record.bytes(name) for record in [store.read("run", "fuzzed")] for name in record.manifest["files"]
            ]
        )
    finally:
        shutil.rmtree(path)
