"""The same images in every layout that people hold give the same table: mini-ImageNet, Places, CSV labels."""

from __future__ import annotations

import io
import json
import pickle
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cnnlab.datasets.split import split_images
from cnnlab.datasets.table import Finding, ImageTable
from cnnlab.errors import DataError
from cnnlab.spec import SPLITS, Split
from tests import datasets
from tests.datasets import encoded, found, put, smooth

PARTS = {
    "n01532829": "train", "n01558993": "train", "n01704323": "train", "n01855672": "val", "n02091244": "val",
    "n01930112": "test",
}  # fmt: skip
EACH = 10

Encoded = dict[tuple[str, str], bytes]
"""JPEG by (wnid, file name)."""

read = partial(datasets.read, reader="mini-imagenet", image_size=24)
read_places = partial(datasets.read, reader="places", image_size=24)


@pytest.fixture(scope="module")
def images() -> Encoded:
    return {
        (wnid, f"{wnid}{index:08}.jpg"): encoded(smooth(100 * position + index), "JPEG", quality=95)
        for position, wnid in enumerate(PARTS)
        for index in range(EACH)
    }


def lists_of_files(root: Path, images: Encoded, label: str = "label") -> None:
    """CSV lists of disjoint classes, and a folder of all images."""
    lines = {part: [f"filename,{label}"] for part in PARTS.values()}
    for (wnid, name), content in images.items():
        put(root / "images" / name, content)
        lines[PARTS[wnid]].append(f"{name},{wnid}")
    for part, own in lines.items():
        put(root / f"{part}.csv", "\r\n".join(own).encode())


def by_class(root: Path, images: Encoded, folder: str = "") -> None:
    for (wnid, name), content in images.items():
        put(root / folder.format(PARTS[wnid]) / wnid / name, content)


def nested(root: Path, images: Encoded) -> None:
    by_class(root / "mini-imagenet", images, "{}")
    put(root / "._litter")


def cache(root: Path, images: Encoded, *, protocol: int, text: Callable[[str], object] = str, val: str = "val") -> None:
    for part in ("train", "val", "test"):
        rows = [(wnid, content) for (wnid, _), content in images.items() if PARTS[wnid] == part]
        pixels = np.stack([np.asarray(Image.open(io.BytesIO(content))) for _, content in rows])
        classes = {text(wnid): [i for i, (one, _) in enumerate(rows) if one == wnid] for wnid, _ in rows}
        content = pickle.dumps({text("image_data"): pixels, text("class_dict"): classes}, protocol=protocol)
        put(root / f"mini-imagenet-cache-{val if part == 'val' else part}.pkl", content)


def hugging_face(root: Path, images: Encoded, *, strings: bool = False) -> None:
    """Parquet shards whose labels are numbers with names in the metadata, in another order than the ids', or strings."""
    names = sorted(PARTS, reverse=True)
    for part, word in (("train", "train"), ("val", "validation"), ("test", "test")):
        rows = [(wnid, name, content) for (wnid, name), content in images.items() if PARTS[wnid] == part]
        columns = {
            "image": pa.array([{"bytes": content, "path": name} for _, name, content in rows]),
            "label": pa.array([wnid if strings else names.index(wnid) for wnid, _, _ in rows]),
        }
        label = {"dtype": "string", "_type": "Value"} if strings else {"names": names, "_type": "ClassLabel"}
        features = {"info": {"features": {"image": {"_type": "Image"}, "label": label}}}
        (root / "data").mkdir(parents=True, exist_ok=True)
        table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps(features)})
        pq.write_table(table, root / "data" / f"{word}-00000-of-00001.parquet")


LAYOUTS: dict[str, Callable[[Path, Encoded], None]] = {
    "ravi": lists_of_files,
    "vinyals": partial(lists_of_files, label="class"),
    "flat": by_class,
    "divided": partial(by_class, folder="{}"),
    "nested": nested,
    **{f"pickle-{protocol}": partial(cache, protocol=protocol) for protocol in (0, 2, 5)},
    "pickle-bytes": partial(cache, protocol=4, text=str.encode, val="validation"),
    "parquet": hugging_face,
    "parquet-strings": partial(hugging_face, strings=True),
}


@pytest.fixture(scope="module")
def reference(images: Encoded, tmp_path_factory: pytest.TempPathFactory) -> ImageTable:
    folder = tmp_path_factory.mktemp("reference")
    by_class(folder / "mini", images)
    return read(folder / "mini", folder / "data")


def same(one: ImageTable, other: ImageTable, split: Split) -> None:
    """Rows, classes and splits are the same."""
    assert (one.fingerprint, one.classes, one.ids) == (other.fingerprint, other.classes, other.ids)
    assert np.array_equal(one.labels, other.labels) and np.array_equal(one.images, other.images)
    mine, theirs = (split_images(table, split) for table in (one, other))
    assert all(np.array_equal(getattr(mine, name), getattr(theirs, name)) for name in SPLITS)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_every_layout_of_mini_imagenet_is_the_same_table(
    layout: str, images: Encoded, reference: ImageTable, tmp_path: Path
) -> None:
    LAYOUTS[layout](tmp_path / "mini", images)
    table = read(tmp_path / "mini", tmp_path / "data")
    same(table, reference, Split(seed=3))
    assert set(table.official.tolist()) == {-1}
    assert found(table, "ignored") is None or layout == "nested"
    few_shot = Finding("few-shot", "info", 6, {"train": 3, "validation": 2, "test": 1})
    assert found(table, "few-shot") == (None if layout == "flat" else few_shot)
    with pytest.raises(DataError, match="no division of its own"):
        split_images(table, Split(policy="official"))


def test_classes_are_shown_by_name_and_known_by_wordnet_id(reference: ImageTable) -> None:
    names = ("house finch", "American robin", "triceratops", "goose", "nematode", "Ibizan Hound")
    assert reference.classes == names and reference.ids == tuple(sorted(PARTS))
    assert np.bincount(reference.labels).tolist() == [EACH] * 6
    detail = {"images": 60, "of_images": 60_000, "classes": 6, "of_classes": 100}
    assert found(reference, "incomplete") == Finding("incomplete", "warning", 59_940, detail)


def test_one_file_of_a_copy_is_a_copy(images: Encoded, tmp_path: Path) -> None:
    cache(tmp_path / "mini", images, protocol=2)
    table = read(tmp_path / "mini" / "mini-imagenet-cache-train.pkl", tmp_path / "data")
    assert table.ids == tuple(sorted(PARTS))[:3] and found(table, "few-shot") is None
    lists_of_files(tmp_path / "lists", images)
    assert read(tmp_path / "lists" / "val.csv", tmp_path / "data").ids == ("n01855672", "n02091244")


def test_a_division_that_shares_classes_is_the_official_one(images: Encoded, tmp_path: Path) -> None:
    for index, ((wnid, name), content) in enumerate(images.items()):
        put(tmp_path / "mini" / ("test" if index % 5 == 0 else "train") / wnid / name, content)
    table = read(tmp_path / "mini", tmp_path / "data")
    assert found(table, "few-shot") is None
    splits = split_images(table, Split(policy="official", validation=0.25))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [36, 12, 12]
    assert set(table.official[splits.test].tolist()) == {2}
    assert set(table.official[splits.validation].tolist()) == {0}
    assert np.bincount(table.labels[splits.validation]).tolist() == [2] * 6


def test_a_list_may_name_what_is_not_there_but_leads_nowhere_else(images: Encoded, tmp_path: Path) -> None:
    lists_of_files(tmp_path / "mini", images)
    (tmp_path / "mini" / "images" / "n0153282900000003.jpg").unlink()
    with pytest.raises(DataError, match="not there") as caught:
        read(tmp_path / "mini", tmp_path / "data")
    assert caught.value.received == "1 of 60 missing, such as n0153282900000003.jpg"
    outside = ("../secret.jpg", str(put(tmp_path / "secret.jpg", encoded(smooth(1), "JPEG"))))
    with (tmp_path / "mini" / "train.csv").open("a") as handle:
        handle.writelines(f"\n{name},n01532829" for name in outside)
    table = read(tmp_path / "mini", tmp_path / "data", max_bad=0.1)
    assert found(table, "missing") == Finding("missing", "warning", 3, {}, ("n0153282900000003.jpg", *outside))
    assert len(table.images) == 59


FOUR = {"image_data": np.zeros((2, 4, 4, 3), np.uint8), "class_dict": {"a": [0], "b": [1]}}
NO_CACHE, NO_ROWS = "no cache of mini-ImageNet", "impossible row numbers"


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("train.csv", b"name,kind\na.jpg,b\n", "lacks a column"),
        ("train.csv", b"", "lacks a column"),
        ("train.csv", b"filename,label\na.jpg,\n", "no file or no class"),
        ("train.csv", b"filename,label\na.jpg\n", "no file or no class"),
        ("train.csv", b'filename,label\n"a.jpg,b\n', "cannot be read"),
        ("train.csv", b"filename,label,split\na.jpg,b,often\n", "unknown division"),
        ("x-train.pkl", {"image_data": np.zeros((2, 4, 4), np.uint8)}, NO_CACHE),
        ("x-train.pkl", {"image_data": np.zeros((2, 4, 4, 3), np.float32)}, NO_CACHE),
        ("x-train.pkl", {"class_dict": [1]}, NO_CACHE),
        ("x-train.pkl", {"class_dict": {"a": [0], "b": [2]}}, NO_ROWS),
        ("x-train.pkl", {"class_dict": {"a": [0], "b": [-1]}}, NO_ROWS),
        ("x-train.pkl", {"class_dict": {"a": [0], "b": "1"}}, NO_ROWS),
        ("x-train.pkl", {"class_dict": {"a": [0, 1], "b": [1]}}, "two classes"),
    ],
)
def test_a_file_of_another_kind_is_refused(name: str, content: Any, what: str, tmp_path: Path) -> None:
    put(tmp_path / "mini" / name, content if isinstance(content, bytes) else pickle.dumps(FOUR | content))
    with pytest.raises(DataError, match=what) as caught:
        read(tmp_path / "mini", tmp_path / "data")
    assert name in str(caught.value.where)


def test_no_copy_is_told_with_what_would_be_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "nowhere", put(tmp_path / "a.tar")):
        with pytest.raises(DataError, match="no copy of mini-ImageNet") as caught:
            read(path, tmp_path / "data")
        assert "cache pickles" in str(caught.value.expected) and "unpack archives" in str(caught.value.hint)


def test_rows_of_a_pickle_without_class_are_left_out(tmp_path: Path) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (9, 24, 24, 3), dtype=np.uint8)
    content = {"image_data": pixels, "class_dict": {"a": [0, 1, 2, 3], "b": np.array([5, 6, 7, 8])}}
    table = read(put(tmp_path / "x-train.pkl", pickle.dumps(content)), tmp_path / "data")
    assert found(table, "unlabelled") == Finding("unlabelled", "warning", 1, {})
    assert "x-train:4" not in table.sources and len(table.images) == 8


SCENES = ["abbey", "desert/sand", "desert/vegetation", "zen_garden"]
Scenes = dict[tuple[str, str, str], bytes]
"""JPEG by (scene, division, file name)."""


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    rows = [(scene, part) for scene in SCENES for part, n in (("train", 6), ("val", 2)) for _ in range(n)]
    return {(*row, f"{seed:08}.jpg"): encoded(smooth(1000 + seed), "JPEG") for seed, row in enumerate(rows)}


def lists(root: Path, scenes: Scenes, *, slash: str = "", train: str = "images/train", prefix: str = "train/") -> None:
    """MiniPlaces and Places-25: lists, training images by scene, validation images in one folder."""
    lines: dict[str, list[str]] = {"train": [], "val": []}
    for (scene, part, name), content in scenes.items():
        shelf = f"{scene[0]}/{scene}/{name}"
        put(root / (f"{train}/{shelf}" if part == "train" else f"images/val/{name}"), content)
        written = f"{slash}{prefix}{shelf}" if part == "train" else f"val/{name}"
        lines[part].append(f"{written} {SCENES.index(scene)}\n")
    for part, text in lines.items():
        (root / f"{part}.txt").write_text("".join(text))
    (root / "categories.txt").write_text("".join(f"/{s[0]}/{s} {i}\n" for i, s in enumerate(SCENES)))


def places365(root: Path, scenes: Scenes) -> None:
    """Lists with a leading slash and longer names, in a folder of their own, beside lists that are not ours."""
    lists(root, scenes, slash="/", train="data_large_standard", prefix="")
    (root / "filelist").mkdir()
    for one, other in (("categories", "categories"), ("train", "train_standard"), ("val", "val")):
        name = f"{other}_places365" if one == "categories" else f"places365_{other}"
        (root / f"{one}.txt").rename(root / "filelist" / f"{name}.txt")
    put(root / "filelist" / "places365_train_challenge.txt", b"/a/abbey/00009999.jpg 0\n/a/abbey/00009998.jpg 0\n")
    put(root / "filelist" / "places365_test.txt", b"Places365_test_00000001.jpg\n")


def places205(root: Path, scenes: Scenes) -> None:
    """CSV lists without a categories file."""
    everything = {(scene, "train", name): content for (scene, _, name), content in scenes.items()}
    lists(root, everything, train="data/vision/images256", prefix="")
    for name in ("categories.txt", "val.txt"):
        (root / name).unlink()
    (root / "train.txt").rename(root / "train_places205.csv")


def shelved(root: Path, scenes: Scenes, folder: str = "{scene[0]}/{scene}") -> None:
    for (scene, part, name), content in scenes.items():
        put(root / folder.format(scene=scene, part=part) / name, content)


DIVIDED, UNDIVIDED = {0: 24, 1: 8}, {-1: 32}
PLACES: dict[str, tuple[Callable[[Path, Scenes], None], dict[int, int]]] = {
    "lists": (lists, DIVIDED),
    "lists-slash": (partial(lists, slash="/"), DIVIDED),
    "places365": (places365, DIVIDED),
    "places205": (places205, {0: 32}),
    "shelves": (shelved, UNDIVIDED),
    "shelves-divided": (partial(shelved, folder="images/{part}/{scene[0]}/{scene}"), DIVIDED),
    "no-shelves": (partial(shelved, folder="{scene}"), UNDIVIDED),
}


@pytest.fixture(scope="module")
def mini_places(scenes: Scenes, tmp_path_factory: pytest.TempPathFactory) -> ImageTable:
    folder = tmp_path_factory.mktemp("scenes")
    lists(folder / "places", scenes)
    return read_places(folder / "places", folder / "data")


@pytest.mark.parametrize("layout", sorted(PLACES))
def test_every_layout_of_places_is_the_same_table(
    layout: str, scenes: Scenes, mini_places: ImageTable, tmp_path: Path
) -> None:
    make, divisions = PLACES[layout]
    make(tmp_path / "places", scenes)
    table = read_places(tmp_path / "places", tmp_path / "data")
    same(table, mini_places, Split(train=0.5, validation=0.25, test=0.25))
    assert table.ids == tuple(SCENES) and table.classes == (*SCENES[:3], "zen garden")
    ignored = found(table, "ignored")
    assert (ignored.count if ignored else 0) == (2 if layout == "places365" else 0)
    assert dict(zip(*np.unique(table.official, return_counts=True), strict=True)) == divisions


def test_the_validation_images_of_places_are_its_official_test(mini_places: ImageTable) -> None:
    splits = split_images(mini_places, Split(policy="official", validation=4))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [20, 4, 8]
    assert {mini_places.sources[row].split("/")[1] for row in splits.test} == {"val"}
    assert {mini_places.sources[row].split("/")[1] for row in splits.validation} == {"train"}


def test_scenes_and_lists_of_which_nothing_is_there_are_left_out_and_named(scenes: Scenes, tmp_path: Path) -> None:
    lists(tmp_path / "places", scenes)
    with (tmp_path / "places" / "train.txt").open("a") as handle:
        handle.writelines(f"train/i/igloo/{i}.jpg 9\n" for i in range(50))
    with (tmp_path / "places" / "categories.txt").open("a") as handle:
        handle.write("/i/igloo 9\n")
    table = read_places(tmp_path / "places", tmp_path / "data")
    assert found(table, "empty-class") == Finding("empty-class", "warning", 1, {}, ("igloo",))
    assert table.ids == tuple(SCENES) and found(table, "missing") is None
    shutil.rmtree(tmp_path / "places" / "images" / "val")
    table = read_places(tmp_path / "places", tmp_path / "data")
    assert np.bincount(table.official).tolist() == [24] and found(table, "missing") is None
    assert found(table, "ignored") == Finding("ignored", "info", 1, {".txt": 1}, ("val.txt",))
    shutil.rmtree(tmp_path / "places" / "images")
    with pytest.raises(DataError, match="none of the images") as caught:
        read_places(tmp_path / "places", tmp_path / "data")
    assert caught.value.received == "train.txt, val.txt"


@pytest.mark.parametrize(
    ("name", "line", "what", "received"),
    [
        ("val.txt", "val/00000001.jpg 77\n", "no categories file explains", "val/00000001.jpg 77"),
        ("val.txt", "val/00000001.jpg\n", "not a path and a number", "val/00000001.jpg"),
        ("categories.txt", "/a/attic 0\n", "contradict each other", "number 0 is “abbey” and “attic”"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(
    scenes: Scenes, tmp_path: Path, name: str, line: str, what: str, received: str
) -> None:
    lists(tmp_path / "places", scenes)
    with (tmp_path / "places" / name).open("a") as handle:
        handle.write(line)
    with pytest.raises(DataError, match=what) as caught:
        read_places(tmp_path / "places", tmp_path / "data")
    assert caught.value.received == received


def test_scenes_and_images_can_be_chosen(scenes: Scenes, tmp_path: Path) -> None:
    lists(tmp_path / "places", scenes)
    shelved(tmp_path / "shelves", scenes)

    def chosen(classes: object, images: int, folder: str = "places", seed: int = 0) -> ImageTable:
        options: dict[str, object] = {"classes": classes, "images_per_class": images, "split": {"seed": seed}}
        return read_places(tmp_path / folder, tmp_path / "data", **options)

    one, other = (chosen(["/d/desert/sand", "Zen garden"], 5, folder) for folder in ("places", "shelves"))
    assert one.classes == ("desert/sand", "zen garden") and np.bincount(one.labels).tolist() == [5, 5]
    assert one.fingerprint == other.fingerprint
    detail = {"of_images": 32, "classes": 2, "of_classes": 4}
    assert found(one, "selected") == Finding("selected", "info", 10, detail)
    everything = chosen(4, 8)
    assert found(everything, "selected") is None and len(everything.images) == 32
    drawn = [chosen(3, 8, seed=seed).classes for seed in range(6)]
    assert {len(classes) for classes in drawn} == {3} and len(set(drawn)) > 1
    for classes, images, what, received, hint in (
        (["abey", "zen_garden"], 5, "no such class", "abey", "did you mean “abbey”?"),
        (3, 9, "too few classes", "0 classes of at least 9 images", "lower `classes`"),
        (["abbey", "zen_garden"], 9, "fewer images than the lab asks for", "“abbey” 8, “zen garden” 8", "lower"),
        (["abbey", "/a/abbey"], 5, "two classes or more", "abbey", "name more `classes`"),
    ):
        with pytest.raises(DataError, match=what) as caught:
            chosen(classes, images)
        assert caught.value.received == received and hint in str(caught.value.hint)


def test_labels_from_a_csv(scenes: Scenes, tmp_path: Path) -> None:
    shelved(tmp_path / "shelves", scenes)
    reference = datasets.read(tmp_path / "shelves", tmp_path / "data")
    assert reference.classes == ("a", "d", "z")
    lines = ["image;category;subset"]
    for (scene, part, name), content in scenes.items():
        put(tmp_path / "heap" / name, content)
        lines.append(f"{name};{scene[0]};{part}")
    labels = put(tmp_path / "labels.csv", ("\ufeff" + "\r\n".join(lines)).encode())
    table = datasets.read(tmp_path / "heap", tmp_path / "data", labels=labels)
    assert table.fingerprint == reference.fingerprint and table.classes == reference.classes
    assert np.bincount(table.official).tolist() == [24, 8]
    for copy in ("one", "other"):
        put(tmp_path / "heap" / copy / "twice.jpg")
    put(labels, b"image,label\ntwice.jpg,a\n")
    with pytest.raises(DataError, match="there several times") as caught:
        datasets.read(tmp_path / "heap", tmp_path / "data", labels=labels)
    assert caught.value.received == "twice.jpg: one/twice.jpg, other/twice.jpg"
    with pytest.raises(DataError, match="is not there"):
        datasets.read(tmp_path / "heap", tmp_path / "data", labels=tmp_path / "nowhere.csv")
