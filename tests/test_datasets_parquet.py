"""Parquet files as Hugging Face writes them: columns, classes, divisions, and what hostile or broken files meet."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cnnlab.datasets.folders import Labelled, division
from cnnlab.datasets.parquet import parquet_files, read_parquet
from cnnlab.datasets.table import NO_DIVISION, TEST, TRAIN, VALIDATION, Undecodable
from cnnlab.errors import DataError

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.RandomState(seed).randint(0, 256, (8, 8, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def images(seeds: Sequence[int]) -> pa.Array:
    return pa.array([{"bytes": png(seed), "path": f"{seed}.png"} for seed in seeds], IMAGE)


def features(names: object = ("ant", "bee"), *, image: str = "image", label: str = "label") -> dict[str, Any]:
    return {image: {"_type": "Image"}, label: {"_type": "ClassLabel", "names": names}}


def write(path: Path, columns: dict[str, Any], declared: object = None, *, rows: int = 3) -> Path:
    """A parquet file with row groups of `rows` rows; `declared` are the features of the metadata, or raw metadata."""
    table = pa.table(columns)
    if declared is not None:
        raw = declared if isinstance(declared, bytes) else json.dumps({"info": {"features": declared}}).encode()
        table = table.replace_schema_metadata({b"huggingface": raw})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=rows)
    return path


def read(root: Path) -> Labelled:
    return read_parquet([root], root.parent) if root.is_file() else read_parquet(parquet_files(root), root)


def unlabelled(images: Labelled) -> int:
    return sum(finding.count for finding in images.findings if finding.kind == "unlabelled")


def refused(root: Path) -> DataError:
    with pytest.raises(DataError) as raised:
        read(root)
    return raised.value


def test_a_file_with_class_names_in_its_metadata(tmp_path: Path) -> None:
    columns = {"image": images(range(7)), "label": [1, 0, 1, 1, 0, 0, 1], "note": ["x"] * 7}
    found = read(write(tmp_path / "train-00000-of-00001.parquet", columns, features()))
    assert found.labels == ["bee", "ant", "bee", "bee", "ant", "ant", "bee"]
    assert found.sources == [f"train-00000-of-00001.parquet:{row}" for row in range(7)]
    assert found.divisions == [TRAIN] * 7 and unlabelled(found) == 0
    assert [found.content(index) for index in (6, 0, 3, 2)] == [png(seed) for seed in (6, 0, 3, 2)]


@pytest.mark.parametrize(
    ("names", "labels", "expected"),
    [
        (("img", "labels"), ["wasp", "ant"], ["wasp", "ant"]),
        (("image", "wnid"), pa.array(["n2", "n1"], pa.large_string()), ["n2", "n1"]),
        (("IMAGE", "Class"), pa.array(["wasp", "ant"]).dictionary_encode(), ["wasp", "ant"]),
        (("image", "label"), pa.array([12, 3], pa.uint8()), ["12", "3"]),
    ],
)
def test_columns_found_by_their_names(tmp_path: Path, names: tuple[str, str], labels: Any, expected: list[str]) -> None:
    image, label = names
    bare = pa.array([png(0), png(1)], pa.large_binary())
    found = read(write(tmp_path / "a.parquet", {"other": [1, 2], image: bare, label: labels}))
    assert found.labels == expected
    assert [found.content(0), found.content(1)] == [png(0), png(1)]


def test_the_metadata_decide_among_several_columns(tmp_path: Path) -> None:
    columns = {"image": images([5, 6]), "photo": images([0, 1]), "label": ["x", "y"], "kind": [1, 0]}
    found = read(write(tmp_path / "a.parquet", columns, features(image="photo", label="kind")))
    assert found.labels == ["bee", "ant"] and found.content(1) == png(1)


def test_text_goes_before_numbers_without_names(tmp_path: Path) -> None:
    columns = {"image": images([0, 1]), "label": [4, 5], "class_name": ["x", "y"]}
    assert read(write(tmp_path / "a.parquet", columns)).labels == ["x", "y"]


def test_a_class_label_without_names_is_its_number(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"image": images([0]), "label": [4]}, features(None))
    assert read(path).labels == ["4"]


def test_several_columns_of_one_kind(tmp_path: Path) -> None:
    label = {"_type": "ClassLabel", "names": ["a", "b"]}
    columns = {"img": images([0]), "coarse_label": [0], "fine_label": [1]}
    declared = {"img": {"_type": "Image"}, "coarse_label": label, "fine_label": label}
    assert read(write(tmp_path / "a.parquet", columns, declared)).labels == ["b"]
    renamed = {"img": columns["img"], "one": [0], "two": [1]}
    problem = refused(write(tmp_path / "b.parquet", renamed, {"one": label, "two": label}))
    assert problem.what == "several columns of the parquet file could be meant" and problem.received == "“one”, “two”"


def test_shards_and_divisions_with_the_names_in_another_order(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write(data / "train-00000-of-00002.parquet", {"image": images([0, 1]), "label": [0, 1]}, features())
    write(data / "train-00001-of-00002.parquet", {"image": images([2, 3]), "label": [0, 1]}, features(["bee", "ant"]))
    write(data / "validation-00000-of-00001.parquet", {"image": images([4]), "label": [0]}, features(["cat", "ant"]))
    write(tmp_path / "test" / "0000.parquet", {"image": images([5]), "label": ["ant"]})
    write(tmp_path / ".cache" / "train.parquet", {"image": images([6]), "label": ["hidden"]})
    found = read(tmp_path)
    assert found.labels == ["ant", "bee", "bee", "ant", "cat", "ant"]
    assert found.divisions == [TRAIN] * 4 + [VALIDATION, TEST]
    assert found.sources[3:] == [
        "data/train-00001-of-00002.parquet:1",
        "data/validation-00000-of-00001.parquet:0",
        "test/0000.parquet:0",
    ]
    assert [found.content(index) for index in range(6)] == [png(seed) for seed in range(6)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train-00000-of-00002.parquet", TRAIN),
        ("data/validation-00000-of-00001-0a1b.parquet", VALIDATION),
        ("default/val/0000.parquet", VALIDATION),
        ("dev.parquet", VALIDATION),
        ("train/test.parquet", TEST),
        ("eval_01.PARQUET", TEST),
        ("test/train-test.parquet", TEST),
        ("train-test.parquet", NO_DIVISION),
        ("trainers/latest.parquet", NO_DIVISION),
    ],
)
def test_division_of_a_file_name(name: str, expected: int) -> None:
    assert division(name) == expected


def test_unlabelled_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", {"image": images(range(4)), "label": [1, -1, None, 0]}, features())
    write(tmp_path / "test.parquet", {"image": images(range(4, 9)), "label": [-1] * 5}, features())
    write(tmp_path / "val.parquet", {"image": images([9, 10]), "label": ["", "bee"]})
    found = read(tmp_path)
    assert found.labels == ["bee", "ant", "bee"] and unlabelled(found) == 8
    assert found.sources == ["train.parquet:0", "train.parquet:3", "val.parquet:1"]
    assert [found.content(index) for index in range(3)] == [png(0), png(3), png(10)]


def test_nothing_but_unlabelled_rows(tmp_path: Path) -> None:
    problem = refused(write(tmp_path / "test.parquet", {"image": images([0]), "label": [-1]}, features()))
    assert problem.what == "no image of the data set has a class" and problem.received == "1 rows without a label"


def test_images_that_are_elsewhere(tmp_path: Path) -> None:
    paths = pa.array([{"bytes": None, "path": "/home/me/1.png"}] * 4, IMAGE)
    problem = refused(write(tmp_path / "a.parquet", {"image": paths, "label": ["a", "b", "a", "b"]}))
    assert problem.what == "the images are not in the parquet file, only the paths they had elsewhere"


def test_single_rows_without_an_image_are_undecodable(tmp_path: Path) -> None:
    mixed = pa.array([{"bytes": png(0), "path": None}, {"bytes": None, "path": "x"}, None], IMAGE)
    found = read(write(tmp_path / "a.parquet", {"image": mixed, "label": ["a", "b", "c"]}))
    assert found.content(0) == png(0)
    for index in (1, 2):
        with pytest.raises(Undecodable, match="its row holds no image"):
            found.content(index)


@pytest.mark.parametrize(
    ("label", "received"),
    [(2, 2), (-2, -2), (1 << 40, 1 << 40)],
)
def test_a_label_without_a_class(tmp_path: Path, label: int, received: int) -> None:
    problem = refused(write(tmp_path / "a.parquet", {"image": images([0]), "label": [label]}, features()))
    assert (problem.what, problem.received) == ("a label stands for no class", received)
    assert problem.expected == "a number from 0 to 1, or -1 for none"


def test_numbers_and_names_do_not_mix(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"image": images([0]), "label": [0]})
    write(tmp_path / "b.parquet", {"image": images([1]), "label": ["ant"]})
    assert refused(tmp_path).what == "some files of the data set name the classes, others only number them"


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"picture": images([0]), "label": ["a"]}, "the parquet file has no images"),
        ({"image": ["a.png"], "label": ["a"]}, "the parquet file has no images"),
        ({"image": images([0]), "caption": ["a"]}, "the parquet file has no classes"),
        ({"image": images([0]), "label": [0.5]}, "the parquet file has no classes"),
        ({"image": images([0]), "label": [[1, 2]]}, "the parquet file has no classes"),
    ],
)
def test_missing_columns(tmp_path: Path, columns: dict[str, Any], what: str) -> None:
    problem = refused(write(tmp_path / "a.parquet", columns))
    assert problem.what == what and f"“{list(columns)[1]}”" in str(problem.received)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff{",
        b"[" * 100_000,
        b"[1]",
        b'{"info": 3}',
        b'{"info": {"features": ["image"]}}',
        b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": "ab"}}}}',
        b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": ["a", ["b"]]}}}}',
        b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": ["a", "a"]}}}}',
        b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": [" ", "b"]}}}}',
        json.dumps({"info": {"features": {"label": {"_type": "ClassLabel", "names": ["a" * 301]}}}}).encode(),
    ],
)
def test_hostile_metadata(tmp_path: Path, raw: bytes) -> None:
    problem = refused(write(tmp_path / "a.parquet", {"image": images([0]), "label": [0]}, raw))
    assert problem.what == "the parquet file cannot be used"


@pytest.mark.parametrize(
    "raw",
    [b"{}", b'{"info": null}', b'{"info": {"features": {"image": [{"_type": "Image"}], "label": {"_type": {}}}}}'],
)
def test_metadata_that_say_nothing_of_use(tmp_path: Path, raw: bytes) -> None:
    assert read(write(tmp_path / "a.parquet", {"image": images([0]), "label": [7]}, raw)).labels == ["7"]


def test_what_is_no_parquet_file_or_only_half_of_one(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.parquet", {"image": images(range(9)), "label": [0] * 9}, features()).read_bytes()
    for content in (
        b"",
        b"PAR1",
        b"no parquet at all",
        whole[: len(whole) // 2],
        whole[:-200] + bytes(192) + whole[-8:],
    ):
        (tmp_path / "a.parquet").write_bytes(content)
        assert refused(tmp_path).what == "the parquet file cannot be used"


def test_a_file_that_is_gone_when_its_images_are_decoded(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"image": images(range(9)), "label": [0] * 9}, features())
    found = read(path)
    path.unlink()
    with pytest.raises(DataError, match="the parquet file cannot be used"):
        found.content(8)


def test_links_are_followed_only_inside(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside" / "train.parquet", {"image": images([0]), "label": ["a"]})
    root = tmp_path / "root"
    inside = write(root / "deep" / "er" / "b.parquet", {"image": images([1]), "label": ["b"]})
    (root / "a.parquet").symlink_to(inside)
    (root / "c.parquet").symlink_to(outside)
    (root / "d").symlink_to(outside.parent)
    assert parquet_files(root) == [root / "a.parquet", inside]


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", {"image": images([0]), "label": [0]}, features())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert refused(path).hint == "pip install pyarrow"


def test_accents_are_composed(tmp_path: Path) -> None:
    path = write(tmp_path / "b.parquet", {"image": images([0, 1]), "label": ["caf\u00e9", "cafe\u0301"]})
    assert read(path).labels == ["caf\u00e9"] * 2
