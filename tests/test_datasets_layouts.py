"""The same images in every layout that people hold give the same table: mini-ImageNet, Places, CSV labels."""

from __future__ import annotations

import csv
import io
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cnnlab.datasets.split import split_images
from cnnlab.datasets.table import Finding, ImageTable
from cnnlab.errors import DataError
from cnnlab.readers import open_dataset
from cnnlab.spec import DatasetSpec, Split

WNIDS = {"train": ["n01532829", "n01558993", "n01704323"], "val": ["n01855672", "n02091244"], "test": ["n01930112"]}
EACH = 10

Encoded = dict[tuple[str, str], bytes]
"""JPEG by (wnid, file name)."""


def jpeg(seed: int, side: int = 24) -> bytes:
    """A smooth random picture, so that its copy is not its neighbour."""
    coarse = np.random.RandomState(seed).randint(0, 256, (6, 6, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def images() -> Encoded:
    wnids = [wnid for part in WNIDS.values() for wnid in part]
    return {
        (wnid, f"{wnid}{index:08}.jpg"): jpeg(100 * position + index)
        for position, wnid in enumerate(wnids)
        for index in range(EACH)
    }


def part_of(wnid: str) -> str:
    return next(part for part, wnids in WNIDS.items() if wnid in wnids)


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def ravi(root: Path, images: Encoded, label: str = "label") -> None:
    """CSV lists of disjoint classes, and a folder of all images."""
    for (_, name), content in images.items():
        write(root / "images" / name, content)
    for part in WNIDS:
        with (root / f"{part}.csv").open("w", newline="") as handle:
            rows = csv.writer(handle)
            rows.writerow(["filename", label])
            rows.writerows([name, wnid] for wnid, name in images if part_of(wnid) == part)


def vinyals(root: Path, images: Encoded) -> None:
    ravi(root, images, "class")


def flat(root: Path, images: Encoded) -> None:
    for (wnid, name), content in images.items():
        write(root / wnid / name, content)


def divided(root: Path, images: Encoded) -> None:
    for (wnid, name), content in images.items():
        write(root / part_of(wnid) / wnid / name, content)


def nested(root: Path, images: Encoded) -> None:
    divided(root / "mini-imagenet", images)
    write(root / "._litter", b"")


def cache(root: Path, images: Encoded, *, protocol: int, text: Callable[[str], object] = str, val: str = "val") -> None:
    root.mkdir(parents=True)
    for part in WNIDS:
        rows = [(wnid, content) for (wnid, _), content in images.items() if part_of(wnid) == part]
        pixels = np.stack([np.asarray(Image.open(io.BytesIO(content))) for _, content in rows])
        classes = {text(wnid): [i for i, (one, _) in enumerate(rows) if one == wnid] for wnid in WNIDS[part]}
        name = val if part == "val" else part
        content = pickle.dumps({text("image_data"): pixels, text("class_dict"): classes}, protocol=protocol)
        (root / f"mini-imagenet-cache-{name}.pkl").write_bytes(content)


def hugging_face(root: Path, images: Encoded, *, strings: bool = False) -> None:
    """Parquet shards whose labels are numbers with names in the metadata, in another order than the ids', or strings."""
    names = sorted({wnid for wnid, _ in images}, reverse=True)
    for part, word in (("train", "train"), ("val", "validation"), ("test", "test")):
        rows = [(wnid, name, content) for (wnid, name), content in images.items() if part_of(wnid) == part]
        columns = {
            "image": pa.array([{"bytes": content, "path": name} for _, name, content in rows]),
            "label": pa.array([wnid if strings else names.index(wnid) for wnid, _, _ in rows]),
        }
        label = {"dtype": "string", "_type": "Value"} if strings else {"names": names, "_type": "ClassLabel"}
        features = {"info": {"features": {"image": {"_type": "Image"}, "label": label}}}
        table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps(features)})
        (root / "data").mkdir(parents=True, exist_ok=True)
        pq.write_table(table, root / "data" / f"{word}-00000-of-00001.parquet")


LAYOUTS: dict[str, Callable[[Path, Encoded], None]] = {
    "ravi": ravi,
    "vinyals": vinyals,
    "flat": flat,
    "divided": divided,
    "nested": nested,
    **{f"pickle-{p}": lambda root, images, p=p: cache(root, images, protocol=p) for p in range(6)},  # type: ignore[misc]
    "pickle-bytes": lambda root, images: cache(root, images, protocol=4, text=str.encode, val="validation"),
    "parquet": hugging_face,
    "parquet-strings": lambda root, images: hugging_face(root, images, strings=True),
}


def read(path: Path, data: Path, reader: str = "mini-imagenet", **spec: object) -> ImageTable:
    full = DatasetSpec.model_validate({"reader": reader, "path": path, "image_size": 24, **spec})
    return open_dataset("mine", full, data_dir=data)


def found(table: ImageTable, kind: str) -> Finding | None:
    return next((finding for finding in table.findings if finding.kind == kind), None)


@pytest.fixture(scope="module")
def reference(images: Encoded, tmp_path_factory: pytest.TempPathFactory) -> ImageTable:
    folder = tmp_path_factory.mktemp("reference")
    flat(folder / "mini", images)
    return read(folder / "mini", folder / "data")


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_every_layout_of_mini_imagenet_is_the_same_table(
    layout: str, images: Encoded, reference: ImageTable, tmp_path: Path
) -> None:
    LAYOUTS[layout](tmp_path / "mini", images)
    table = read(tmp_path / "mini", tmp_path / "data")
    assert table.fingerprint == reference.fingerprint
    assert table.classes == reference.classes and table.ids == reference.ids
    assert np.array_equal(table.labels, reference.labels)
    assert np.array_equal(table.images, reference.images)
    assert set(table.official.tolist()) == {-1}
    assert found(table, "ignored") is None or layout == "nested"
    few_shot = found(table, "few-shot")
    if layout == "flat":
        assert few_shot is None
    else:
        assert few_shot is not None and few_shot.detail == {"train": 3, "validation": 2, "test": 1}
    one, other = (split_images(each, Split(seed=3)) for each in (table, reference))
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("train", "validation", "test"))


def test_classes_are_shown_by_name_and_known_by_wordnet_id(reference: ImageTable) -> None:
    assert dict(zip(reference.ids, reference.classes, strict=True)) == {
        "n01532829": "house finch",
        "n01558993": "American robin",
        "n01704323": "triceratops",
        "n01855672": "goose",
        "n01930112": "nematode",
        "n02091244": "Ibizan Hound",
    }
    counts = np.bincount(reference.labels).tolist()
    assert counts == [EACH] * 6
    incomplete = found(reference, "incomplete")
    assert incomplete is not None
    assert incomplete.detail == {"images": 60, "of_images": 60_000, "classes": 6, "of_classes": 100}


def test_one_file_of_a_copy_is_a_copy(images: Encoded, tmp_path: Path) -> None:
    cache(tmp_path / "mini", images, protocol=2)
    table = read(tmp_path / "mini" / "mini-imagenet-cache-train.pkl", tmp_path / "data")
    assert table.ids == tuple(WNIDS["train"]) and found(table, "few-shot") is None
    ravi(tmp_path / "lists", images)
    assert read(tmp_path / "lists" / "val.csv", tmp_path / "data").ids == tuple(WNIDS["val"])


def test_a_division_that_shares_classes_is_the_official_one(images: Encoded, tmp_path: Path) -> None:
    for index, ((wnid, name), content) in enumerate(images.items()):
        write(tmp_path / "mini" / ("test" if index % 5 == 0 else "train") / wnid / name, content)
    table = read(tmp_path / "mini", tmp_path / "data")
    assert found(table, "few-shot") is None
    splits = split_images(table, Split(policy="official", validation=0.25))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [36, 12, 12]
    assert set(table.official[splits.test].tolist()) == {2}
    assert set(table.official[splits.validation].tolist()) == {0}
    assert np.bincount(table.labels[splits.validation]).tolist() == [2] * 6


def test_few_shot_files_are_no_official_division(images: Encoded, tmp_path: Path) -> None:
    ravi(tmp_path / "mini", images)
    with pytest.raises(DataError, match="no division of its own"):
        split_images(read(tmp_path / "mini", tmp_path / "data"), Split(policy="official"))


def test_lists_may_name_files_that_are_not_there(images: Encoded, tmp_path: Path) -> None:
    ravi(tmp_path / "mini", images)
    (tmp_path / "mini" / "images" / "n0153282900000003.jpg").unlink()
    with pytest.raises(DataError, match="not there") as caught:
        read(tmp_path / "mini", tmp_path / "data")
    assert caught.value.received == "1 of 60 missing, such as n0153282900000003.jpg"
    table = read(tmp_path / "mini", tmp_path / "data", max_bad=0.02)
    missing = found(table, "missing")
    assert missing is not None and (missing.count, missing.sources) == (1, ("n0153282900000003.jpg",))
    assert len(table.images) == 59


def test_a_list_cannot_lead_out_of_its_folder(images: Encoded, tmp_path: Path) -> None:
    ravi(tmp_path / "mini", images)
    write(tmp_path / "secret.jpg", jpeg(1))
    with (tmp_path / "mini" / "train.csv").open("a") as handle:
        handle.write(f"../secret.jpg,n01532829\n{tmp_path}/secret.jpg,n01532829\n")
    table = read(tmp_path / "mini", tmp_path / "data", max_bad=0.1)
    missing = found(table, "missing")
    assert missing is not None and missing.count == 2
    assert len(table.images) == 60


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("name,kind\na.jpg,b\n", "lacks a column"),
        ("", "lacks a column"),
        ("filename,label\na.jpg,\n", "no file or no class"),
        ("filename,label\na.jpg\n", "no file or no class"),
        ('filename,label\n"a.jpg,b\n', "cannot be read"),
    ],
)
def test_a_list_of_another_kind_is_refused(content: str, what: str, images: Encoded, tmp_path: Path) -> None:
    ravi(tmp_path / "mini", images)
    (tmp_path / "mini" / "train.csv").write_text(content)
    with pytest.raises(DataError, match=what) as caught:
        read(tmp_path / "mini", tmp_path / "data")
    assert "train.csv" in str(caught.value.where)


def test_no_copy_is_told_with_what_would_be_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.tar").write_bytes(b"")
    for path in (tmp_path / "empty", tmp_path / "nowhere", tmp_path / "a.tar"):
        with pytest.raises(DataError, match="no copy of mini-ImageNet") as caught:
            read(path, tmp_path / "data")
        assert "cache pickles" in str(caught.value.expected) and "unpack archives" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"image_data": np.zeros((2, 4, 4), np.uint8)}, "no cache of mini-ImageNet"),
        ({"image_data": np.zeros((2, 4, 4, 3), np.float32)}, "no cache of mini-ImageNet"),
        ({"class_dict": [1]}, "no cache of mini-ImageNet"),
        ({"class_dict": {"a": [0], "b": [2]}}, "impossible row numbers"),
        ({"class_dict": {"a": [0], "b": [-1]}}, "impossible row numbers"),
        ({"class_dict": {"a": [0], "b": "1"}}, "impossible row numbers"),
        ({"class_dict": {"a": [0, 1], "b": [1]}}, "two classes"),
    ],
)
def test_a_pickle_of_another_kind_is_refused(change: dict[str, object], what: str, tmp_path: Path) -> None:
    content = {"image_data": np.zeros((2, 4, 4, 3), np.uint8), "class_dict": {"a": [0], "b": [1]}} | change
    (tmp_path / "x-train.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=what):
        read(tmp_path, tmp_path / "data")


def test_rows_of_a_pickle_without_class_are_left_out(tmp_path: Path) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (9, 24, 24, 3), dtype=np.uint8)
    content = {"image_data": pixels, "class_dict": {"a": [0, 1, 2, 3], "b": np.array([5, 6, 7, 8])}}
    (tmp_path / "x-train.pkl").write_bytes(pickle.dumps(content))
    table = read(tmp_path, tmp_path / "data")
    unlabelled = found(table, "unlabelled")
    assert unlabelled is not None and unlabelled.count == 1
    assert "x-train:4" not in table.sources and len(table.images) == 8


SCENES = ["abbey", "desert/sand", "desert/vegetation", "zen_garden"]


@pytest.fixture(scope="module")
def scenes() -> dict[tuple[str, str, str], bytes]:
    """JPEG by (scene, division, file name)."""
    return {
        (scene, part, f"{seed:08}.jpg"): jpeg(1000 + seed)
        for seed, (scene, part) in enumerate(
            (scene, part) for scene in SCENES for part, n in (("train", 6), ("val", 2)) for _ in range(n)
        )
    }


Scenes = dict[tuple[str, str, str], bytes]


def lists(root: Path, scenes: Scenes, *, slash: str = "", train: str = "images/train", prefix: str = "train/") -> None:
    """MiniPlaces and Places-25: lists, training images by scene, validation images in one folder."""
    lines: dict[str, list[str]] = {"train": [], "val": []}
    for (scene, part, name), content in scenes.items():
        shelf = f"{scene[0]}/{scene}/{name}"
        write(root / (f"{train}/{shelf}" if part == "train" else f"images/val/{name}"), content)
        written = f"{slash}{prefix}{shelf}" if part == "train" else f"val/{name}"
        lines[part].append(f"{written} {SCENES.index(scene)}\n")
    for part, text in lines.items():
        (root / f"{part}.txt").write_text("".join(text))
    (root / "categories.txt").write_text("".join(f"/{s[0]}/{s} {i}\n" for i, s in enumerate(SCENES)))


def places365(root: Path, scenes: Scenes) -> None:
    """Lists with a leading slash and longer names, in a folder of their own, beside lists that are not ours."""
    lists(root, scenes, slash="/", train="data_large_standard", prefix="")
    kit = root / "filelist"
    kit.mkdir()
    (root / "categories.txt").rename(kit / "categories_places365.txt")
    (root / "train.txt").rename(kit / "places365_train_standard.txt")
    (root / "val.txt").rename(kit / "places365_val.txt")
    (kit / "places365_train_challenge.txt").write_text("/a/abbey/00009999.jpg 0\n/a/abbey/00009998.jpg 0\n")
    (kit / "places365_test.txt").write_text("Places365_test_00000001.jpg\n")


def places205(root: Path, scenes: Scenes) -> None:
    """CSV lists without a categories file."""
    lists(root, scenes, train="data/vision/images256", prefix="")
    (root / "categories.txt").unlink()
    (root / "val.txt").unlink()
    for (scene, part, name), content in scenes.items():
        if part == "val":
            write(root / f"data/vision/images256/{scene[0]}/{scene}/{name}", content)
            with (root / "train.txt").open("a") as handle:
                handle.write(f"{scene[0]}/{scene}/{name} {SCENES.index(scene)}\n")
    (root / "train.txt").rename(root / "train_places205.csv")


def shelves(root: Path, scenes: Scenes) -> None:
    for (scene, _, name), content in scenes.items():
        write(root / scene[0] / scene / name, content)


def shelves_divided(root: Path, scenes: Scenes) -> None:
    for (scene, part, name), content in scenes.items():
        write(root / "images" / part / scene[0] / scene / name, content)


def no_shelves(root: Path, scenes: Scenes) -> None:
    for (scene, _, name), content in scenes.items():
        write(root / scene / name, content)


PLACES: dict[str, Callable[[Path, Scenes], None]] = {
    "lists": lists,
    "lists-slash": lambda root, scenes: lists(root, scenes, slash="/"),
    "places365": places365,
    "places205": places205,
    "shelves": shelves,
    "shelves-divided": shelves_divided,
    "no-shelves": no_shelves,
}


@pytest.mark.parametrize("layout", sorted(PLACES))
def test_every_layout_of_places_is_the_same_table(
    layout: str, scenes: Scenes, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lists(tmp_path / "reference", scenes)
    PLACES[layout](tmp_path / "places", scenes)
    reference = read(tmp_path / "reference", tmp_path / "data", "places")
    table = read(tmp_path / "places", tmp_path / "data", "places")
    assert reference.ids == tuple(SCENES)
    assert table.classes == reference.classes == ("abbey", "desert/sand", "desert/vegetation", "zen garden")
    assert table.fingerprint == reference.fingerprint
    assert np.array_equal(table.labels, reference.labels)
    one, other = (split_images(each, Split(train=0.5, validation=0.25, test=0.25)) for each in (table, reference))
    assert np.array_equal(one.test, other.test)
    ignored = found(table, "ignored")
    assert (ignored.count if ignored else 0) == (2 if layout == "places365" else 0)
    divided = {"lists", "lists-slash", "places365", "shelves-divided"}
    wanted = {0: 24, 1: 8} if layout in divided else {0: 32} if layout == "places205" else {-1: 32}
    assert {int(key): int(n) for key, n in zip(*np.unique(table.official, return_counts=True), strict=True)} == wanted


def test_the_validation_images_of_places_are_its_official_test(scenes: Scenes, tmp_path: Path) -> None:
    lists(tmp_path / "places", scenes)
    table = read(tmp_path / "places", tmp_path / "data", "places")
    splits = split_images(table, Split(policy="official", validation=4))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [20, 4, 8]
    assert {table.sources[row].split("/")[1] for row in splits.test} == {"val"}
    assert {table.sources[row].split("/")[1] for row in splits.validation} == {"train"}


def test_scenes_of_which_nothing_is_there_are_left_out_and_named(scenes: Scenes, tmp_path: Path) -> None:
    lists(tmp_path / "places", scenes)
    with (tmp_path / "places" / "train.txt").open("a") as handle:
        handle.writelines(f"train/i/igloo/{i}.jpg 9\n" for i in range(50))
    with (tmp_path / "places" / "categories.txt").open("a") as handle:
        handle.write("/i/igloo 9\n")
    table = read(tmp_path / "places", tmp_path / "data", "places")
    empty = found(table, "empty-class")
    assert empty is not None and (empty.count, empty.sources) == (1, ("igloo",))
    assert table.ids == tuple(SCENES) and found(table, "missing") is None


def test_a_list_of_which_nothing_is_there_is_passed_over(scenes: Scenes, tmp_path: Path) -> None:
    lists(tmp_path / "places", scenes)
    shutil.rmtree(tmp_path / "places" / "images" / "val")
    table = read(tmp_path / "places", tmp_path / "data", "places")
    assert np.bincount(table.official).tolist() == [24] and found(table, "missing") is None
    ignored = found(table, "ignored")
    assert ignored is not None and ignored.sources == ("val.txt",)
    shutil.rmtree(tmp_path / "places" / "images")
    with pytest.raises(DataError, match="none of the images") as caught:
        read(tmp_path / "places", tmp_path / "data", "places")
    assert caught.value.received == "train.txt, val.txt"


def test_a_number_that_nothing_explains(scenes: Scenes, tmp_path: Path) -> None:
    lists(tmp_path / "places", scenes)
    with (tmp_path / "places" / "val.txt").open("a") as handle:
        handle.write("val/00000001.jpg 77\n")
    with pytest.raises(DataError, match="no categories file explains") as caught:
        read(tmp_path / "places", tmp_path / "data", "places")
    assert caught.value.received == "val/00000001.jpg 77"


def test_scenes_and_images_can_be_chosen(scenes: Scenes, tmp_path: Path) -> None:
    lists(tmp_path / "places", scenes)
    shelves(tmp_path / "shelves", scenes)
    chosen = {"classes": ["/d/desert/sand", "Zen garden"], "images_per_class": 5}
    one = read(tmp_path / "places", tmp_path / "data", "places", **chosen)
    other = read(tmp_path / "shelves", tmp_path / "data", "places", **chosen)
    assert one.classes == ("desert/sand", "zen garden") and np.bincount(one.labels).tolist() == [5, 5]
    assert one.fingerprint == other.fingerprint
    picked = found(one, "selected")
    assert picked is not None and (picked.count, picked.detail) == (
        10,
        {"of_images": 32, "classes": 2, "of_classes": 4},
    )
    everything = read(tmp_path / "places", tmp_path / "data", "places", classes=4, images_per_class=8)
    assert found(everything, "selected") is None and len(everything.images) == 32
    drawn = [
        read(tmp_path / "places", tmp_path / "data", "places", classes=3, images_per_class=8, split={"seed": seed})
        for seed in range(6)
    ]
    assert {len(table.classes) for table in drawn} == {3}
    assert len({table.classes for table in drawn}) > 1
    with pytest.raises(DataError, match="no such class") as caught:
        read(tmp_path / "places", tmp_path / "data", "places", classes=["abey", "zen_garden"])
    assert caught.value.hint == "did you mean “abbey”?"
    with pytest.raises(DataError, match="too few classes") as caught:
        read(tmp_path / "places", tmp_path / "data", "places", classes=3, images_per_class=9)
    assert caught.value.received == "0 classes of at least 9 images"
    with pytest.raises(DataError, match="fewer images than the lab asks for"):
        read(tmp_path / "places", tmp_path / "data", "places", classes=["abbey", "zen_garden"], images_per_class=9)


def test_labels_from_a_csv(scenes: Scenes, tmp_path: Path) -> None:
    shelves(tmp_path / "shelves", scenes)
    reference = read(tmp_path / "shelves", tmp_path / "data", "folder")
    assert reference.classes == ("a", "d", "z")
    lines = ["image;category;subset"]
    for (scene, part, name), content in scenes.items():
        write(tmp_path / "heap" / name, content)
        lines.append(f"{name};{scene[0]};{part}")
    (tmp_path / "labels.csv").write_text("\ufeff" + "\r\n".join(lines))
    table = read(tmp_path / "heap", tmp_path / "data", "folder", labels=tmp_path / "labels.csv")
    assert table.fingerprint == reference.fingerprint and table.classes == reference.classes
    assert np.bincount(table.official).tolist() == [24, 8]
    with pytest.raises(DataError, match="is not there"):
        read(tmp_path / "heap", tmp_path / "data", "folder", labels=tmp_path / "nowhere.csv")
