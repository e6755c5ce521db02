"""Folders of photographs: what is read, what becomes a finding, what is refused."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from cnnlab.datasets.decode import decode_file, fit_square
from cnnlab.datasets.table import Finding, ImageTable, Undecodable
from cnnlab.errors import DataError
from cnnlab.readers import open_dataset
from cnnlab.spec import DatasetSpec


def picture(seed: int, size: tuple[int, int] = (20, 20)) -> Image.Image:
    """A random RGB picture, `size` as (width, height)."""
    return Image.fromarray(np.random.RandomState(seed).randint(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def fill(root: Path, images: int = 100, classes: tuple[str, ...] = ("ant", "bee")) -> Path:
    """`images` PNG pictures in all, the same number in each class, all different."""
    for index in range(images):
        path = root / classes[index % len(classes)] / f"{index:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(index).save(path)
    return root


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def read(root: Path, data: Path | None = None, **spec: object) -> ImageTable:
    full = DatasetSpec.model_validate({"reader": "folder", "path": root, "image_size": 20, **spec})
    return open_dataset("mine", full, data_dir=data or root.parent / "data")


def found(table: ImageTable, kind: str) -> Finding | None:
    return next((finding for finding in table.findings if finding.kind == kind), None)


def row(table: ImageTable, source: str) -> np.ndarray:
    return table.images[table.sources.index(source)]


def test_every_picture_has_its_pixels_its_class_and_its_path(tmp_path: Path) -> None:
    table = read(fill(tmp_path / "photos", 30, ("bee", "ant", "cat")))
    assert table.classes == ("ant", "bee", "cat")
    assert table.images.shape == (30, 20, 20, 3)
    for index, source in enumerate(table.sources):
        assert table.classes[table.labels[index]] == source.split("/")[0]
        assert np.array_equal(table.images[index], np.asarray(picture(int(source[-7:-4]))))
    assert table.about.title == "photos" and table.about.credit is None
    assert (table.about.height, table.about.width, table.about.channels) == (20, 20, 3)
    assert set(table.official.tolist()) == {-1}
    small = found(table, "small-class")
    assert small is not None and small.detail == {"ant": 10, "bee": 10, "cat": 10}


def test_a_level_of_train_and_test_above_the_classes(tmp_path: Path) -> None:
    fill(tmp_path / "photos" / "train", 8)
    fill(tmp_path / "photos" / "val" / "deep", 2)
    (tmp_path / "photos" / "val" / "deep" / "ant").rename(tmp_path / "photos" / "val" / "ant")
    (tmp_path / "photos" / "val" / "deep" / "bee").rename(tmp_path / "photos" / "val" / "bee")
    (tmp_path / "photos" / "val" / "deep").rmdir()
    table = read(tmp_path / "photos")
    assert table.classes == ("ant", "bee")
    assert sorted(table.official.tolist()) == [0] * 8 + [1] * 2


@pytest.mark.parametrize(
    ("paths", "received"),
    [
        (("train/ant/1.png", "train/bee/2.png", "val/3.png"), "not every image in val is in a class folder"),
        (("train/ant/1.png", "train/bee/2.png", "test/images/3.png"), "not every image in test is in a class folder"),
        (("train/ant/1.png", "test/ant/2.png", "extra/3.png"), "extra beside train"),
        (("train/1.png", "test/2.png"), "not every image in train is in a class folder"),
    ],
)
def test_train_and_test_never_become_classes(tmp_path: Path, paths: tuple[str, ...], received: str) -> None:
    for seed, path in enumerate(paths):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        picture(seed).save(tmp_path / path)
    with pytest.raises(DataError, match="only in part") as caught:
        read(tmp_path)
    assert caught.value.received == received
    assert "let `path` point to “train”" in str(caught.value.hint)


def test_train_may_be_a_class_among_others(tmp_path: Path) -> None:
    assert read(fill(tmp_path / "photos", 9, ("bus", "car", "train"))).classes == ("bus", "car", "train")


def test_one_corrupt_jpeg_among_many_is_a_finding_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as WeasyPrint leaves it
    root = fill(tmp_path / "photos", 199)
    buffer = io.BytesIO()
    picture(999, (60, 60)).save(buffer, "JPEG")
    (root / "bee" / "cut.jpg").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) * 8 // 10])
    table = read(root)
    assert len(table.images) == len(table.labels) == 199
    assert "bee/cut.jpg" not in table.sources
    bad = found(table, "undecodable")
    assert bad is not None
    assert (bad.severity, bad.count, bad.sources) == ("warning", 1, ("bee/cut.jpg",))
    assert "truncated" in next(iter(bad.detail))


def test_more_than_one_in_a_hundred_bad_images_stop(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", 198)
    for name in ("x.jpg", "y.jpg"):
        (root / "ant" / name).write_bytes(b"this is no image")
    assert len(read(root).images) == 198  # 2 of 200: exactly one in a hundred
    (root / "bee" / "z.png").write_bytes(b"")
    with pytest.raises(DataError, match="too many images") as caught:
        read(root)
    assert "ant/x.jpg: not a JPEG, PNG, WebP or BMP image" in str(caught.value.received)
    assert caught.value.expected == "at most 1% of all (`max_bad` in the lab file)"
    assert len(read(root, max_bad=0.02).images) == 198


def test_a_class_whose_only_images_are_bad(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", 150)
    (root / "cat").mkdir()
    (root / "cat" / "x.jpg").write_bytes(b"this is no image")
    with pytest.raises(DataError, match="no image that can be decoded") as caught:
        read(root)
    assert caught.value.received == "class “cat”"


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", 150)
    Image.new("1", (20_000, 10_000)).save(root / "ant" / "bomb.png")
    Image.new("1", (9_000, 9_000)).save(root / "bee" / "large.png")
    bad = found(read(root, max_bad=0.02), "undecodable")
    assert bad is not None and bad.count == 2
    assert sorted(bad.detail) == [
        "9000x9000 pixels, more than the 64,000,000 accepted",
        "more than the 64,000,000 pixels accepted",
    ]


def test_a_gif_under_another_suffix_does_not_reach_its_decoder(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    picture(0).save(path, "GIF")
    with pytest.raises(Undecodable, match="not a JPEG"):
        decode_file(path)


@pytest.mark.parametrize(
    ("make", "what", "received"),
    [
        (lambda root: None, "does not exist", None),
        (lambda root: root.write_text("x"), "is not a folder", None),
        (lambda root: root.mkdir(), "has no classes", "no class folder"),
        (lambda root: picture(0).save(made(root) / "a.png"), "has no classes", "1 images outside any folder"),
        (lambda root: fill(root, 5, ("ant",)), "one class only", "“ant”"),
        (lambda root: made(fill(root) / "cat"), "a class folder has no image", "class “cat”"),
    ],
    ids=["missing", "a file", "empty", "no folders", "one class", "empty class"],
)
def test_unfit_folders(tmp_path: Path, make: Callable[[Path], object], what: str, received: str | None) -> None:
    root = tmp_path / "photos"
    make(root)
    with pytest.raises(DataError, match=what) as caught:
        read(root)
    assert caught.value.where == root
    assert caught.value.received == received


def test_a_folder_reader_without_a_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="which folder") as caught:
        open_dataset("mine", DatasetSpec(reader="folder"), data_dir=tmp_path)
    assert "path = " in str(caught.value.expected)


def test_links_are_followed_only_to_files_inside(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", 10)
    picture(77).save(tmp_path / "secret.png")
    (root / "ant" / "out.png").symlink_to(tmp_path / "secret.png")
    (root / "ant" / "gone.png").symlink_to(root / "nothing.png")
    (root / "ant" / "round").symlink_to(root)
    (root / "bee" / "in.png").symlink_to(root / "ant" / "000.png")
    table = read(root)
    assert len(table.images) == 11
    assert "bee/in.png" in table.sources
    links = found(table, "link")
    assert links is not None and links.severity == "warning"
    assert links.sources == ("ant/gone.png", "ant/out.png", "ant/round")
    twice = found(table, "duplicate")
    assert twice is not None and (twice.count, twice.detail) == (1, {"groups": 1, "with_other_label": 1})


def test_a_folder_made_of_links_says_so(tmp_path: Path) -> None:
    store, root = fill(tmp_path / "store"), tmp_path / "photos"
    root.mkdir()
    for name in ("ant", "bee"):
        (root / name).symlink_to(store / name)
    with pytest.raises(DataError, match="has no classes") as caught:
        read(root)
    assert caught.value.received == "no class folder (2 links to folders or out of this one are not followed)"


def test_what_is_no_image_is_ignored_and_counted(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", 10)
    (root / "ant" / "notes.txt").write_text("x")
    (root / "ant" / ".DS_Store").write_bytes(b"x")
    (root / "LICENSE").write_text("x")
    picture(5).save(root / "loose.png")
    os.mkfifo(root / "ant" / "pipe.png")
    table = read(root)
    assert len(table.images) == 10
    ignored, loose = found(table, "ignored"), found(table, "outside-class")
    assert ignored is not None and ignored.count == 4
    assert loose is not None and loose.sources == ("loose.png",)


def test_class_names_are_made_safe_and_stay_apart(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", 10)
    (root / "ant").rename(root / "a\x1b[31mnt")
    table = read(root)
    assert table.classes == ("a\N{REPLACEMENT CHARACTER}[31mnt", "bee")
    renamed = found(table, "renamed-class")
    assert renamed is not None and renamed.sources == ("a\N{REPLACEMENT CHARACTER}[31mnt",)
    (root / "bee").rename(root / "a\x07[31mnt")
    with pytest.raises(DataError, match="same name"):
        read(root)


def test_a_name_too_long_for_the_system(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / ("x" * 400), tmp_path / "data")


def test_images_however_deep_below_a_class(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", 10)
    deep = root / "ant" / "2024" / "may"
    deep.mkdir(parents=True)
    picture(50).save(deep / "a.png")
    table = read(root)
    assert table.classes[table.labels[table.sources.index("ant/2024/may/a.png")]] == "ant"


def test_a_photograph_held_sideways_is_put_upright(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", 10)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    picture(50).save(root / "ant" / "a.png", exif=exif)
    table = read(root)
    assert np.array_equal(row(table, "ant/a.png"), np.rot90(np.asarray(picture(50)), -1))
    turned = found(table, "rotated")
    assert turned is not None and turned.sources == ("ant/a.png",)


def test_every_mode_of_colour_becomes_rgb(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", 10)
    picture(1).convert("L").save(root / "ant" / "grey.png")
    Image.fromarray(np.full((20, 20), 40_000, np.uint16)).save(root / "ant" / "deep.png")
    Image.new("RGBA", (20, 20), (255, 0, 0, 128)).save(root / "ant" / "half.png")
    Image.new("RGBA", (20, 20), (1, 2, 3, 255)).save(root / "ant" / "opaque.png")
    Image.new("CMYK", (20, 20), (0, 255, 255, 0)).save(root / "ant" / "print.jpg", quality=100)
    picture(2).convert("P").save(root / "ant" / "palette.png")
    table = read(root)
    grey = np.asarray(picture(1).convert("L"))
    assert np.array_equal(row(table, "ant/grey.png"), np.repeat(grey[:, :, None], 3, axis=2))
    assert np.unique(row(table, "ant/deep.png")).tolist() == [round(40_000 / 257)]
    assert row(table, "ant/half.png")[0, 0].tolist() == [255, 127, 127]
    assert row(table, "ant/opaque.png")[0, 0].tolist() == [1, 2, 3]
    assert np.abs(row(table, "ant/print.jpg")[0, 0].astype(int) - [255, 0, 0]).max() <= 2
    assert np.array_equal(row(table, "ant/palette.png"), np.asarray(picture(2).convert("P").convert("RGB")))
    kinds = {finding.kind: finding.count for finding in table.findings}
    assert (kinds["grey"], kinds["deep"], kinds["transparent"], kinds["cmyk"]) == (2, 1, 1, 1)


def test_sixteen_bits_become_the_nearest_of_eight(tmp_path: Path) -> None:
    levels = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    Image.fromarray(levels).save(tmp_path / "levels.png")
    assert np.array_equal(decode_file(tmp_path / "levels.png")[0], np.rint(levels / 257))


def test_crop_pad_and_stretch() -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, :10], wide[:, 10:20], wide[:, 20:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    crop = fit_square(wide, 10, "crop")
    assert np.array_equal(crop, wide[:, 10:20])
    pad = fit_square(wide, 30, "pad")
    assert np.array_equal(pad[10:20], wide) and not pad[:10].any() and not pad[20:].any()
    stretch = fit_square(wide, 30, "stretch")
    assert stretch[:, 2].tolist() == [[255, 0, 0]] * 30 and stretch[:, 27].tolist() == [[0, 0, 255]] * 30
    assert fit_square(wide[:, :10], 10, "crop") is not None


def test_shrinking_averages_instead_of_picking_pixels() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    small = fit_square(stripes, 16, "crop")
    assert small.shape == (16, 16)
    assert np.abs(small.astype(int) - 127).max() < 12


def test_sizes_that_differ_are_described(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", 10)
    picture(70, (40, 30)).save(root / "ant" / "large.png")
    picture(71, (10, 12)).save(root / "ant" / "small.png")
    resized = found(read(root), "resized")
    assert resized is not None and resized.count == 2
    assert resized.detail == {
        "to": "20x20",
        "fit": "crop",
        "smallest": "10x12",
        "largest": "40x30",
        "enlarged": 1,
    }


def test_an_imbalance_of_three_to_one_is_pointed_out(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", 12)
    for path in sorted((root / "bee").iterdir())[2:]:
        path.unlink()
    unequal = found(read(root), "imbalance")
    assert unequal is not None
    assert unequal.detail == {
        "largest": "ant",
        "largest_images": 6,
        "smallest": "bee",
        "smallest_images": 2,
        "ratio": 3.0,
    }
