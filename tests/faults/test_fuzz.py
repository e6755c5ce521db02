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
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cnnlab.datasets.fetch import parse_idx
from cnnlab.datasets.folders import read_csv
from cnnlab.datasets.unpickle import load_pickle
from cnnlab.errors import CnnlabError
from cnnlab.identity import make_run_id
from cnnlab.lab import Lab, load_lab
from cnnlab.paths import labs_dir, templates_dir
from cnnlab.readers.places import _numbered_lines
from cnnlab.store.store import RunStore
from report.checks.printed_files import html_mismatches
from report.checks.verify import _own_hash, _saved, compare
from report.data.records import open_lab
from report.document.reviews import read_reviews
from report.document.rubric import read_rubric
from report.evidence.language import Language
from report.notebook.build import _read as read_notebook
from report.render.logo import logo_uri
from tests.fabricate import write_store
from tests.faults.fuzzing import FUZZ, STRANGE_TEXT, STRANGE_VALUES, attempt, dumped, garbled, misshapen

LABS = [(labs_dir() / f"{name}.toml").read_bytes() for name in ("demo", "tarea1")]
RUBRIC = (templates_dir() / "rubrics" / "tarea1.toml").read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def lab_from(folder: Path, content: bytes) -> Any:
    """A lab read to the end: its paths, its runs and their ids."""
    path = folder / "fuzzed.toml"
    path.write_bytes(content)

    def read() -> Lab:
        lab = load_lab(str(path))
        for spec in lab.run_specs():
            make_run_id(spec, "f" * 64)
        return lab

    return attempt(read)


@FUZZ
@given(content=st.sampled_from(LABS).flatmap(garbled))
@example(content=b"a = " + b"[" * 5000)
@example(content=b"a = " + b"9" * 5000)
@example(content=b"a." * 5000 + b"a = 1")
@example(content=b"\xff")
@example(content=b"")
def test_a_lab_file_of_garbled_bytes(folder: Path, content: bytes) -> None:
    found = lab_from(folder, content)
    assert isinstance(found, Lab | CnnlabError)


def toml(value: Any) -> str:
    """A value in TOML, where it has one."""
    match value:
        case None:
            return "{}"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str():
            return json.dumps(value.encode("utf-8", "replace").decode())
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return "{" + ", ".join(f"{json.dumps(str(key))} = {toml(one)}" for key, one in value.items()) + "}"
    raise TypeError(value)


LAB: dict[str, Any] = {
    "lab": {"title": "t", "authors": ["a"], "course": "c", "language": "en", "seeds": [0], "budget_minutes": 1.5},
    "datasets": {
        "d": {
            "reader": "folder",
            "path": "x",
            "labels": "x.csv",
            "name": "n",
            "classes": 2,
            "images_per_class": 9,
            "max_bad": 0.1,
            "image_size": 32,
            "fit": "crop",
            "split": {"train": 0.6, "validation": 0.2, "test": 0.2, "seed": 0, "leaks": "exclude"},
            "title": "t",
            "hub": {"repository": "a/b"},
        }
    },
    "networks": {"vgg19": {"batch_norm": True, "dropout": 0.5, "dense_units": 9, "stem": "auto"}},
    "recipes": {
        "r": {
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "momentum": 0.9,
            "weight_decay": 0.1,
            "batch_size": 8,
            "epochs": 2,
            "gradient_clip": 1.0,
            "augmentation": ["flip"],
            "early_stopping": {"monitor": "val_loss", "patience": 2, "min_delta": 0.0},
            "weights": "imagenet",
            "rate_decay": 0.5,
        }
    },
    "searches": {"s": {"trials": 3, "learning_rate": {"low": 0.1, "high": 1.0, "log": True}, "batch_size": [8, 16]}},
    "runs": [{"dataset": "d", "networks": ["vgg19"], "recipe": "r", "search": "s", "folds": 2, "test_flip": True}],
    "report": {"rubric": "tarea1", "part_2_1": "d", "primary_2_1": "vgg19"},
    "style": {"logo": "x.png", "accent": "#174a93", "student_id": "1"},
    "profiles": {"p": {"recipes": {"r": {"epochs": 1}}}},
}


def lab_toml(value: Any) -> bytes:
    """A lab's table as TOML: what is no table is a value."""
    if not isinstance(value, dict):
        return toml(value).encode()
    return "\n".join(f"{json.dumps(str(key))} = {toml(one)}" for key, one in value.items()).encode()


def test_the_lab_that_is_misshapen_is_whole(folder: Path) -> None:
    assert lab_from(folder, lab_toml(without_hub())).file.lab.title == "t"


def without_hub() -> dict[str, Any]:
    return {**LAB, "datasets": {"d": {key: one for key, one in LAB["datasets"]["d"].items() if key != "hub"}}}


@FUZZ
@given(value=misshapen(LAB) | misshapen(without_hub()))
def test_a_lab_file_of_strange_values(folder: Path, value: Any) -> None:
    assert isinstance(lab_from(folder, lab_toml(value)), Lab | CnnlabError)


KEYS = [
    "lab.title", "lab.seeds", "lab.budget_minutes", "datasets.d.path", "datasets.d.labels", "datasets.d.image_size",
    "datasets.d.split", "datasets.d.max_bad", "datasets.d.classes", "recipes.r.learning_rate", "recipes.r.gradient_clip",
    "recipes.r.weights", "recipes.r.early_stopping.min_delta", "recipes.r.epochs", "report.rubric", "style.logo",
    "style.accent", "searches.s.learning_rate.high", "runs", "profiles", "networks.vgg19.dropout",
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_each_strange_value_of_a_key(folder: Path, key: str) -> None:
    for value in STRANGE_VALUES:
        changed = json.loads(json.dumps(without_hub()))
        owner, *below = changed, *key.split(".")
        for part in below[:-1]:
            owner = owner[part]
        owner[below[-1]] = value
        assert isinstance(lab_from(folder, lab_toml(changed)), Lab | CnnlabError), value


@FUZZ
@given(key=st.sampled_from(KEYS) | st.text(max_size=20), value=st.sampled_from(STRANGE_TEXT) | st.text(max_size=20))
@example(key="lab.title", value="9" * 5000)
@example(key="lab.title", value="[" * 5000)
@example(key="a" + ".a" * 3000, value="1")
@example(key="lab", value="1")
@example(key="", value="1")
def test_an_override(key: str, value: str) -> None:
    assert isinstance(attempt(lambda: load_lab("demo", overrides=[f"{key}={value}"])), Lab | CnnlabError)


@FUZZ
@given(content=garbled(RUBRIC))
def test_a_rubric(folder: Path, content: bytes) -> None:
    (folder / "rubrics").mkdir(exist_ok=True)
    (folder / "rubrics" / "fuzzed.toml").write_bytes(content)
    attempt(lambda: read_rubric("fuzzed", [folder]))


ACCEPTANCE = {
    "time": "2026-01-01", "files": {"a": "b"}, "names": [],
    "items": [{"name": "x", "value": 1.0, "unit": "share", "text": "t", "low": 0.1, "high": 0.2}],
    "paragraphs": [{"text": "t", "skeleton": "s", "quantities": []}],
}  # fmt: skip
REVIEWS = {"format": 1, "languages": {"en": {"activity-07": ACCEPTANCE}}}


@FUZZ
@given(content=misshapen(REVIEWS).map(dumped) | garbled(dumped(REVIEWS)))
@example(content=b"[" * 100_000)
@example(content=b"9" * 5000)
def test_accepted_sections(folder: Path, content: bytes) -> None:
    (folder / "reviewed" / "reviews").mkdir(parents=True, exist_ok=True)
    (folder / "reviewed" / "reviews" / "reviewed.json").write_bytes(content)
    (folder / "reviewed.toml").write_bytes(lab_toml(without_hub()))
    lab = load_lab(str(folder / "reviewed.toml"))
    attempt(lambda: read_reviews(lab))


@pytest.fixture(scope="module")
def store(folder: Path) -> RunStore:
    return write_store(
        folder / "runs", searches={"alexnet": {}}, folds={"alexnet": [0.5, 0.6]}, baselines={"clothes": {}}
    )


@pytest.fixture(scope="module")
def lock(store: RunStore) -> Any:
    return json.loads((store.root / "labs" / "demo.json").read_bytes())


@FUZZ
@given(choose=st.data())
def test_a_lab_lock(store: RunStore, lock: Any, choose: st.DataObject) -> None:
    content = choose.draw(misshapen(lock).map(dumped) | garbled(dumped(lock)))
    (store.root / "labs" / "fuzzed.json").write_bytes(content)
    attempt(lambda: open_lab(store, "fuzzed"))


@pytest.mark.parametrize("value", [None, True, [], "", "a" * 5000, "\x00", "\ud800", {"record": 1}, "../.."], ids=ascii)
@pytest.mark.parametrize("key", ["run", "evaluation", "architecture", "search", "network", "dataset", "fold"])
def test_a_lab_lock_with_strange_entries(store: RunStore, lock: Any, key: str, value: Any) -> None:
    entries = [{**entry, key: value} for entry in lock["runs"]]
    (store.root / "labs" / "fuzzed.json").write_bytes(dumped({**lock, "runs": entries}))
    attempt(lambda: open_lab(store, "fuzzed"))


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b"9" * 5000, b"\xff", b"", b"null", b"[]", b'{"format": 1}', b"{}"]
)
def test_a_lab_lock_of_garbage(store: RunStore, content: bytes) -> None:
    (store.root / "labs" / "fuzzed.json").write_bytes(content)
    assert isinstance(attempt(lambda: open_lab(store, "fuzzed")), CnnlabError)


@FUZZ
@given(choose=st.data())
def test_a_manifest(store: RunStore, lock: Any, choose: st.DataObject) -> None:
    record = lock["runs"][0]["run"]
    path, kept = store.folder("run", "fuzzed"), store.folder("run", record)
    shutil.copytree(kept, path, dirs_exist_ok=True)
    whole = json.loads((kept / "manifest.json").read_bytes()) | {"id": "fuzzed"}
    (path / "manifest.json").write_bytes(choose.draw(misshapen(whole).map(dumped) | garbled(dumped(whole))))

    def read() -> None:
        opened = store.read("run", "fuzzed")
        for name in opened.manifest["files"]:
            opened.bytes(name)

    try:
        attempt(read)
    finally:
        shutil.rmtree(path)


def forge(folder: Path, name: str, content: bytes) -> RunStore:
    """A store with one record, whose only file has this content, and the hash of it."""
    store = RunStore(folder / "forged")

    def write(work: Path) -> dict[str, Any]:
        (work / name).write_bytes(content)
        return {}

    store.publish("run", "forged", write, replace=True)
    return store


def zipped() -> bytes:
    content = io.BytesIO()
    np.savez(content, labels=np.arange(5, dtype=np.int32), images=np.zeros((2, 2, 3), np.uint8))
    return content.getvalue()


def pickled_array() -> bytes:
    content = io.BytesIO()
    np.savez(content, labels=np.array([None, {}], dtype=object))
    return content.getvalue()


@FUZZ
@given(content=garbled(zipped()))
@example(content=pickled_array())
@example(
    content=b"\x93NUMPY\x01\x00v\x00"
    + b"{'descr': '<i4', 'fortran_order': False, 'shape': (99999999999,), }".ljust(118)
)
@example(content=b"PK\x05\x06" + b"\x00" * 18)
@example(content=pickle.dumps([1]))
@example(content=b"")
def test_the_arrays_of_a_record(folder: Path, content: bytes) -> None:
    store = forge(folder, "arrays.npz", content)
    attempt(lambda: store.read("run", "forged").arrays("arrays.npz"))


@FUZZ
@given(content=garbled(dumped({"a": [1, 2.5, "x"]})))
@example(content=b"[" * 100_000)
@example(content=b"9" * 5000)
@example(content=b"\xff")
def test_the_json_of_a_record(folder: Path, content: bytes) -> None:
    store = forge(folder, "layers.json", content)
    attempt(lambda: store.read("run", "forged").json("layers.json"))


@FUZZ
@given(content=garbled(b"epoch,loss\n1,2.5\n2,nan\n"))
@example(content=b"a\x00,b\n1,2\n")
@example(content=b"a\n" + b"x" * 200_000 + b"\n")
@example(content=b'a\n"' + b"x\n" * 9)
@example(content=b"a\r1\r")
@example(content=b"\xff")
def test_the_rows_of_a_record(folder: Path, content: bytes) -> None:
    store = forge(folder, "history.csv", content)
    attempt(lambda: store.read("run", "forged").rows("history.csv"))


REPORT: dict[str, Any] = {
    "format": 2, "language": "en", "evidence": "0", "records": {}, "prose": {}, "program": "1",
    "quantities": [{
        "id": "a", "value": 1.5, "text": "1.5", "section": "s", "name": "n", "place": "prose", "unit": "share", "n": 9,
        "low": 1.0, "high": 2.0, "runs": ["r"], "how": "",
    }],
}  # fmt: skip


@FUZZ
@given(content=misshapen(REPORT).map(dumped) | garbled(dumped(REPORT)))
@example(content=b"[" * 100_000)
@example(content=b"null")
@example(content=dumped({key: value for key, value in REPORT.items() if key != "format"}))
@example(content=dumped({**REPORT, "quantities": [{"id": []}]}))
@example(content=dumped({**REPORT, "quantities": [{"id": "a"}]}))
@example(content=dumped({**REPORT, "quantities": [{**REPORT["quantities"][0], "low": 1e25}]}))
@example(content=dumped({**REPORT, "quantities": [{"id": "a", "value": float("nan")}]}))
def test_a_reports_numbers(folder: Path, content: bytes) -> None:
    (folder / "report.json").write_bytes(content)
    (folder / "report.html").write_text('<section id="s"><data class="q" value="1.5">1.5</data></section>')

    def read() -> None:
        saved, _ = _saved(folder / "report.json")
        if saved is not None:
            list(_own_hash(saved))
            list(compare(saved["quantities"], REPORT["quantities"]))
            list(html_mismatches(folder / "report.html", saved, Language("en")))

    attempt(read)


NOTEBOOK = {
    "metadata": {"cnnlab": {"evidence": "a", "cells": "b", "numbers": "c"}},
    "cells": [{"cell_type": "code", "source": "1", "outputs": [{"text": "1"}], "execution_count": 1}],
}  # fmt: skip


@FUZZ
@given(content=misshapen(NOTEBOOK).map(dumped) | garbled(dumped(NOTEBOOK)))
@example(content=b"[" * 100_000)
def test_a_notebook_that_was_there_before(folder: Path, content: bytes) -> None:
    (folder / "report.ipynb").write_bytes(content)
    attempt(lambda: read_notebook(folder / "report.ipynb"))


@FUZZ
@given(content=garbled(b"filename,label,split\na.png,cat,train\nb.png,dog,test\n"))
@example(content=b"filename,label\n" + b"x" * 200_000 + b",a\n")
@example(content=b"filename,label\na\x00.png,b\n")
@example(content=b"filename,label\na,b,c,d\na\n")
@example(content=b'filename,label\n"a,b\n')
@example(content=b"\xef\xbb\xbf")
def test_a_csv_list(folder: Path, content: bytes) -> None:
    (folder / "list.csv").write_bytes(content)
    attempt(lambda: read_csv(folder / "list.csv"))


@FUZZ
@given(content=garbled(b"a/abbey/1.jpg 0\na/attic/2.jpg 1\n"))
@example(content=b"a/abbey/1.jpg " + b"9" * 5000)
@example(content="a ٣\n".encode())
@example(content="a ²\n".encode())
def test_a_list_of_scenes(folder: Path, content: bytes) -> None:
    (folder / "scenes.txt").write_bytes(content)
    attempt(lambda: _numbered_lines(folder / "scenes.txt"))


@FUZZ
@given(content=garbled(struct.pack(">4B3I", 0, 0, 8, 3, 2, 2, 2) + bytes(8)))
@example(content=struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 2**31, 2**31))
@example(content=struct.pack(">4B3I", 0, 0, 8, 3, 0, 2**31, 2**31))
def test_an_idx_file(content: bytes) -> None:
    for dimensions in (1, 3):
        attempt(lambda dimensions=dimensions: parse_idx(content, Path("x"), dimensions=dimensions))  # type: ignore[misc]


def cache() -> bytes:
    return pickle.dumps({"image_data": np.zeros((2, 3, 3, 3), np.uint8), "class_dict": {"n1": [0], "n2": [1]}})


@FUZZ
@given(content=st.sampled_from([cache(), pickle.dumps([1, 2.5, "a", b"b", {"c": (None, True)}], 0)]).flatmap(garbled))
def test_a_pickle(folder: Path, content: bytes) -> None:
    (folder / "cache.pkl").write_bytes(content)
    attempt(lambda: load_pickle(folder / "cache.pkl"))


def table() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = io.BytesIO()
    pq.write_table(pa.table({"image": [b"one", b"two"], "label": ["a", "b"]}), content)
    return content.getvalue()


@FUZZ
@given(choose=st.data())
def test_a_parquet_file(folder: Path, choose: st.DataObject) -> None:
    from cnnlab.datasets.parquet import read_parquet

    path = folder / "rows.parquet"
    path.write_bytes(choose.draw(garbled(table())))

    def read() -> None:
        found = read_parquet([path], folder)
        for row in range(len(found.labels)):
            with contextlib.suppress(Exception):
                found.content(row)

    attempt(read)


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><style>a{fill:url(#b)}</style><rect fill="red"/><use href="#a"/></svg>'


def png() -> bytes:
    from PIL import Image

    content = io.BytesIO()
    Image.new("RGB", (3, 3)).save(content, "PNG")
    return content.getvalue()


@FUZZ
@given(content=st.sampled_from([SVG, png()]).flatmap(garbled))
@example(content=b"<" + b"a>" * 50_000)
@example(content=b'<?xml version="1.0" encoding="x"?><svg/>')
@example(content=gzip.compress(SVG))
def test_a_logo(folder: Path, content: bytes) -> None:
    (folder / "logo.svg").write_bytes(content)
    found = attempt(lambda: logo_uri(folder / "logo.svg"))
    assert isinstance(found, CnnlabError) or found.startswith("data:image/")
