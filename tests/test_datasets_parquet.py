"""Parquet files as Hugging Face writes them: columns, classes, divisions, and what hostile or broken files meet."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cnnlab.datasets.folders import Labelled, division
from cnnlab.datasets.parquet import parquet_files, read_parquet
from cnnlab.datasets.table import NO_DIVISION, TEST, TRAIN, VALIDATION, Undecodable
from cnnlab.errors import DataError
from tests.datasets import encoded, picture

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def png(seed: int) -> bytes:
    return encoded(picture(seed, (8, 8)))


def images(seeds: Sequence[int]) -> pa.Array:
    return pa.array([{"bytes": png(seed), "path": f"{seed}.png"} for seed in seeds], IMAGE)


LABEL = {"_type": "ClassLabel", "names": ["ant", "bee"]}


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


def refused(root: Path) -> DataError:
    with pytest.raises(DataError) as raised:
        read(root)
    return raised.value


TWO, BARE = images([0, 1]), pa.array([png(0), png(1)], pa.large_binary())
NOTHING_OF_USE = [
    b"{}", b'{"info": null}', b'{"info": {"features": {"image": [{"_type": "Image"}], "label": {"_type": {}}}}}'
]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "declared", "expected"),
    [
        ({"image": TWO, "label": [1, 0], "note": ["x", "x"]}, features(), ["bee", "ant"]),
        ({"other": [1, 2], "img": BARE, "labels": ["wasp", "ant"]}, None, ["wasp", "ant"]),
        ({"image": BARE, "wnid": pa.array(["n2", "n1"], pa.large_string())}, None, ["n2", "n1"]),
        ({"IMAGE": BARE, "Class": pa.array(["wasp", "ant"]).dictionary_encode()}, None, ["wasp", "ant"]),
        ({"image": BARE, "label": pa.array([12, 3], pa.uint8())}, None, ["12", "3"]),
        ({"image": images([5, 6]), "photo": TWO, "label": ["x", "y"], "kind": [1, 0]},
         features(image="photo", label="kind"), ["bee", "ant"]),
        ({"image": TWO, "label": [4, 5], "class_name": ["x", "y"]}, None, ["x", "y"]),
        ({"image": TWO, "label": [4, 7]}, features(None), ["4", "7"]),
        ({"image": TWO, "label": ["caf\u00e9", "cafe\u0301"]}, None, ["caf\u00e9"] * 2),
        ({"img": TWO, "coarse_label": [0, 0], "fine_label": [1, 0]},
         {"img": {"_type": "Image"}, "coarse_label": LABEL, "fine_label": LABEL}, ["bee", "ant"]),
        *(({"image": TWO, "label": [7, 1]}, raw, ["7", "1"]) for raw in NOTHING_OF_USE),
    ],
)  # fmt: skip
def test_columns_are_found_by_metadata_or_by_name(
    tmp_path: Path, columns: dict[str, Any], declared: object, expected: list[str]
) -> None:
    found = read(write(tmp_path / "train-00000-of-00001.parquet", columns, declared))
    assert found.labels == expected and found.divisions == [TRAIN] * 2 and found.findings == ()
    assert found.sources == [f"train-00000-of-00001.parquet:{row}" for row in range(2)]
    assert [found.content(1), found.content(0)] == [png(1), png(0)]


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
    names = ("data/train-00001-of-00002", "data/validation-00000-of-00001", "test/0000")
    assert found.sources[3:] == [f"{name}.parquet:{row}" for name, row in zip(names, (1, 0, 0), strict=True)]
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
    assert found.labels == ["bee", "ant", "bee"]
    assert [(one.kind, one.count) for one in found.findings] == [("unlabelled", 8)]
    assert found.sources == ["train.parquet:0", "train.parquet:3", "val.parquet:1"]
    assert [found.content(index) for index in range(3)] == [png(0), png(3), png(10)]


def test_single_rows_without_an_image_are_undecodable(tmp_path: Path) -> None:
    mixed = pa.array([{"bytes": png(0), "path": None}, {"bytes": None, "path": "x"}, None], IMAGE)
    found = read(write(tmp_path / "a.parquet", {"image": mixed, "label": ["a", "b", "c"]}))
    assert found.content(0) == png(0)
    for index in (1, 2):
        with pytest.raises(Undecodable, match="its row holds no image"):
            found.content(index)


ONE = images([0])
ELSEWHERE = pa.array([{"bytes": None, "path": "/home/me/1.png"}], IMAGE)
NO_IMAGES, NO_CLASSES = "the parquet file has no images", "the parquet file has no classes"


@pytest.mark.parametrize(
    ("columns", "declared", "what", "received"),
    [
        ({"picture": ONE, "label": ["a"]}, None, NO_IMAGES, "“label” (string)"),
        ({"image": ["a.png"], "label": ["a"]}, None, NO_IMAGES, "“image” (string)"),
        ({"image": ONE, "caption": ["a"]}, None, NO_CLASSES, "“caption”"),
        ({"image": ONE, "label": [0.5]}, None, NO_CLASSES, "“label” (double)"),
        ({"image": ONE, "label": [[1, 2]]}, None, NO_CLASSES, "“label”"),
        ({"image": ONE, "label": [-1]}, features(), "no image of the data set has a class", "1 rows without a label"),
        ({"image": ELSEWHERE, "label": ["a"]}, None,
         "the images are not in the parquet file, only the paths they had elsewhere", ""),
        ({"img": ONE, "one": [0], "two": [1]}, {"one": LABEL, "two": LABEL},
         "several columns of the parquet file could be meant", "“one”, “two”"),
        *(({"image": ONE, "label": [label]}, features(), "a label stands for no class", str(label))
          for label in (2, -2, 1 << 40)),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_understood_is_refused(
    tmp_path: Path, columns: dict[str, Any], declared: object, what: str, received: str
) -> None:
    problem = refused(write(tmp_path / "a.parquet", columns, declared))
    assert problem.what == what and received in str(problem.received or "")
    assert what != "a label stands for no class" or problem.expected == "a number from 0 to 1, or -1 for none"


def test_numbers_and_names_do_not_mix(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"image": images([0]), "label": [0]})
    write(tmp_path / "b.parquet", {"image": images([1]), "label": ["ant"]})
    assert refused(tmp_path).what == "some files of the data set name the classes, others only number them"


NAMED = '{"info": {"features": {"label": {"_type": "ClassLabel", "names": %s}}}}'
HOSTILE = [
    "[" * 100_000, "[1]", '{"info": 3}', '{"info": {"features": ["image"]}}', NAMED % '"ab"', NAMED % '["a", ["b"]]',
    NAMED % '["a", "a"]', NAMED % '[" ", "b"]', NAMED % json.dumps(["a" * 301]),
]  # fmt: skip


@pytest.mark.parametrize("raw", [b"\xff{", *(text.encode() for text in HOSTILE)], ids=range(len(HOSTILE) + 1))
def test_hostile_metadata(tmp_path: Path, raw: bytes) -> None:
    problem = refused(write(tmp_path / "a.parquet", {"image": images([0]), "label": [0]}, raw))
    assert problem.what == "the parquet file cannot be used"


def test_what_is_no_parquet_file_or_only_half_of_one_or_gone(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"image": images(range(9)), "label": [0] * 9}, features())
    found, whole = read(path), path.read_bytes()
    damaged = whole[:-200] + bytes(192) + whole[-8:]
    for content in (b"", b"PAR1", b"no parquet at all", whole[: len(whole) // 2], damaged):
        path.write_bytes(content)
        assert refused(tmp_path).what == "the parquet file cannot be used"
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
