"""Folders of photographs: what is read, what becomes a finding, what is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from cnnlab.datasets.decode import decode_file, fit_square
from cnnlab.datasets.table import Finding, Undecodable
from cnnlab.errors import DataError
from tests.datasets import encoded, fill, found, picture, put, read

SAFE = "a\N{REPLACEMENT CHARACTER}[31mnt"


def test_every_picture_has_its_pixels_its_class_and_its_path(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", 30, ("bee", "ant", "cat"))
    put(root / "ant" / "2024" / "may" / "030.png", picture(30))
    table = read(root, tmp_path / "data")
    assert table.classes == ("ant", "bee", "cat") and table.images.shape == (31, 20, 20, 3)
    for pixels, label, source in zip(table.images, table.labels, table.sources, strict=True):
        assert table.classes[label] == source.split("/")[0]
        assert np.array_equal(pixels, np.asarray(picture(int(source[-7:-4]))))
    assert table.about.title == "photos" and table.about.credit is None
    assert (table.about.height, table.about.width, table.about.channels) == (20, 20, 3)
    assert set(table.official.tolist()) == {-1}


def test_a_level_of_train_and_test_above_the_classes(tmp_path: Path) -> None:
    fill(fill(tmp_path / "photos" / "train", 8).parent / "val", 2)
    table = read(tmp_path / "photos", tmp_path / "data")
    assert table.classes == ("ant", "bee") and sorted(table.official.tolist()) == [0] * 8 + [1] * 2


def test_train_may_be_a_class_among_others(tmp_path: Path) -> None:
    assert read(fill(tmp_path / "a", 9, ("bus", "car", "train")), tmp_path).classes == ("bus", "car", "train")


def links(root: Path) -> None:
    put(root.parent / "secret.png", picture(77))
    (root / "ant" / "out.png").symlink_to(root.parent / "secret.png")
    (root / "ant" / "gone.png").symlink_to(root / "nothing.png")
    (root / "ant" / "round").symlink_to(root)
    (root / "bee" / "in.png").symlink_to(root / "ant" / "000.png")


def no_images(root: Path) -> None:
    for name in ("ant/notes.txt", "ant/.DS_Store", "LICENSE"):
        put(root / name)
    os.mkfifo(root / "ant" / "pipe.png")


def bombs(root: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(root / "ant" / "bomb.png")
    Image.new("1", (9_000, 9_000)).save(root / "bee" / "large.png")


def held_sideways(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    put(root / "ant" / "a.png", encoded(picture(50), exif=exif))


def unequal(root: Path) -> None:
    for name in ("003", "005", "007", "009"):
        (root / "bee" / f"{name}.png").unlink()
    put(root / "ant" / "x.png", picture(60))


LINKED = ("ant/gone.png", "ant/out.png", "ant/round")
ODD: list[tuple[Callable[[Path], object], Finding]] = [
    (lambda root: None, Finding("small-class", "warning", 2, {"ant": 5, "bee": 5})),
    (links, Finding("link", "warning", 3, {}, LINKED)),
    (links, Finding("duplicate", "warning", 1, {"groups": 1, "with_other_label": 1}, ("bee/in.png = ant/000.png",))),
    (no_images, Finding("ignored", "info", 4, {"no suffix": 2, ".txt": 1, ".png": 1},
                        ("LICENSE", "ant/.DS_Store", "ant/notes.txt", "ant/pipe.png"))),
    (lambda root: put(root / "loose.png", picture(5)), Finding("outside-class", "warning", 1, {}, ("loose.png",))),
    (lambda root: (root / "ant").rename(root / "a\x1b[31mnt"), Finding("renamed-class", "warning", 1, {}, (SAFE,))),
    (lambda root: put(root / "ant" / "cut.jpg"),
     Finding("undecodable", "warning", 1, {"not a JPEG, PNG, WebP or BMP image": 1}, ("ant/cut.jpg",))),
    (bombs, Finding("undecodable", "warning", 2, {"more than the 64,000,000 pixels accepted": 1,
                    "9000x9000 pixels, more than the 64,000,000 accepted": 1}, ("ant/bomb.png", "bee/large.png"))),
    (held_sideways, Finding("rotated", "info", 1, {}, ("ant/a.png",))),
    (unequal, Finding("imbalance", "warning", 2, {"largest": "ant", "largest_images": 6, "smallest": "bee",
                      "smallest_images": 1, "ratio": 6.0})),
    (lambda root: (put(root / "ant" / "large.png", picture(70, (40, 30))), put(root / "bee" / "s.png", picture(71, (10, 12)))),
     Finding("resized", "info", 2, {"to": "20x20", "fit": "crop", "smallest": "10x12", "largest": "40x30", "enlarged": 1})),
]  # fmt: skip


@pytest.mark.parametrize(("make", "expected"), ODD, ids=[one.kind for _, one in ODD])
def test_what_is_odd_is_a_finding(tmp_path: Path, make: Callable[[Path], object], expected: Finding) -> None:
    make(fill(tmp_path / "photos"))
    table = read(tmp_path / "photos", tmp_path / "data", max_bad=0.5)
    assert found(table, expected.kind) == expected
    assert not set(table.sources) & {*LINKED, "loose.png", "ant/cut.jpg", "ant/bomb.png"}


def test_more_than_one_in_a_hundred_bad_images_stop(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", 198)
    for name in ("x.jpg", "y.jpg"):
        put(root / "ant" / name, b"this is no image")
    assert len(read(root, tmp_path / "data").images) == 198  # 2 of 200: exactly one in a hundred
    put(root / "bee" / "z.png", b"")
    with pytest.raises(DataError, match="too many images") as caught:
        read(root, tmp_path / "data")
    assert "ant/x.jpg: not a JPEG, PNG, WebP or BMP image" in str(caught.value.received)
    assert caught.value.expected == "at most 1% of all (`max_bad` in the lab file)"
    assert len(read(root, tmp_path / "data", max_bad=0.02).images) == 198


def put_all(*paths: str) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        for seed, path in enumerate(paths):
            put(root / path, picture(seed))

    return make


def made_of_links(root: Path) -> None:
    fill(root.parent / "elsewhere")
    root.mkdir()
    for name in ("ant", "bee"):
        (root / name).symlink_to(root.parent / "elsewhere" / name)


IN_PART = "the folder is divided into training and test images only in part"
IN_VAL, IN_TEST = ("train/ant/1.png", "train/bee/2.png", "val/3.png"), ("train/ant/1.png", "test/images/3.png")
UNFIT: dict[str, tuple[Callable[[Path], object], str, str | None]] = {
    "missing": (lambda root: None, "folder does not exist", None),
    "a file": (put, "path is not a folder", None),
    "too long": (lambda root: None, "cannot be read", "File name too long"),
    "empty": (lambda root: root.mkdir(), "has no classes", "no class folder"),
    "no folders": (put_all("a.png"), "has no classes", "1 images outside any folder"),
    "links": (made_of_links, "has no classes",
              "no class folder (2 links to folders or out of this one are not followed)"),
    "one class": (lambda root: fill(root, 5, ("ant",)), "one class only", "“ant”"),
    "empty class": (lambda root: (fill(root) / "cat").mkdir(), "a class folder has no image", "class “cat”"),
    "bad class": (lambda root: put(fill(root) / "cat" / "x.jpg"), "no image that can be decoded", "class “cat”"),
    "same name": (put_all("a\x1bnt/1.png", "a\x07nt/2.png"), "same name", "“a\N{REPLACEMENT CHARACTER}nt” twice"),
    "flat val": (put_all(*IN_VAL), IN_PART, "not every image in val is in a class folder"),
    "images": (put_all(*IN_TEST), IN_PART, "not every image in test is in a class folder"),
    "extra": (put_all("train/ant/1.png", "test/ant/2.png", "extra/3.png"), IN_PART, "extra beside train"),
    "flat": (put_all("train/1.png", "test/2.png"), IN_PART, "not every image in train is in a class folder"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNFIT)
def test_unfit_folders(tmp_path: Path, case: str) -> None:
    make, what, received = UNFIT[case]
    root = tmp_path / ("x" * 400 if case == "too long" else "photos")
    make(root)
    with pytest.raises(DataError, match=what) as caught:
        read(root, tmp_path / "data", max_bad=0.5)
    assert (str(caught.value.where), caught.value.received) == (str(root), received)
    if what == IN_PART:
        assert "let `path` point to “train”" in str(caught.value.hint)


def test_a_folder_reader_without_a_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="which folder") as caught:
        read(None, tmp_path)
    assert "path = " in str(caught.value.expected)


def test_every_mode_of_colour_becomes_rgb(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", 10)
    grey, palette = picture(1).convert("L"), picture(2).convert("P")
    for name, image in {
        "grey": grey,
        "deep": Image.fromarray(np.full((20, 20), 40_000, np.uint16)),
        "half": Image.new("RGBA", (20, 20), (255, 0, 0, 128)),
        "opaque": Image.new("RGBA", (20, 20), (1, 2, 3, 255)),
        "palette": palette,
    }.items():
        put(root / "ant" / f"{name}.png", image)
    put(root / "ant" / "print.png", encoded(Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "JPEG", quality=100))
    held_sideways(root)
    table = read(root, tmp_path / "data")
    row = {Path(source).stem: pixels for source, pixels in zip(table.sources, table.images, strict=True)}
    assert np.array_equal(row["grey"], np.repeat(np.asarray(grey)[:, :, None], 3, axis=2))
    assert np.unique(row["deep"]).tolist() == [round(40_000 / 257)]
    assert row["half"][0, 0].tolist() == [255, 127, 127] and row["opaque"][0, 0].tolist() == [1, 2, 3]
    assert np.abs(row["print"][0, 0].astype(int) - [255, 0, 0]).max() <= 2
    assert np.array_equal(row["palette"], np.asarray(palette.convert("RGB")))
    assert np.array_equal(row["a"], np.rot90(np.asarray(picture(50)), -1))
    kinds = {finding.kind: finding.count for finding in table.findings}
    assert (kinds["grey"], kinds["deep"], kinds["transparent"], kinds["cmyk"]) == (2, 1, 1, 1)


def test_sixteen_bits_become_the_nearest_of_eight(tmp_path: Path) -> None:
    levels = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    assert np.array_equal(decode_file(put(tmp_path / "a.png", Image.fromarray(levels)))[0], np.rint(levels / 257))


@pytest.mark.parametrize(
    ("content", "what"),
    [(encoded(picture(0), "GIF"), "not a JPEG"), (encoded(picture(0, (60, 60)), "JPEG")[:-900], "truncated")],
)
def test_what_is_of_another_format_or_cut_short_is_refused(
    content: bytes, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as WeasyPrint leaves it
    with pytest.raises(Undecodable, match=what):
        decode_file(content)


def test_crop_pad_and_stretch() -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, :10], wide[:, 10:20], wide[:, 20:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    assert np.array_equal(fit_square(wide, 10, "crop"), wide[:, 10:20])
    pad = fit_square(wide, 30, "pad")
    assert np.array_equal(pad[10:20], wide) and not pad[:10].any() and not pad[20:].any()
    stretch = fit_square(wide, 30, "stretch")
    assert stretch[:, 2].tolist() == [[255, 0, 0]] * 30 and stretch[:, 27].tolist() == [[0, 0, 255]] * 30
    assert np.array_equal(fit_square(wide[:, :10], 10, "crop"), wide[:, :10])


def test_shrinking_averages_instead_of_picking_pixels() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    small = fit_square(stripes, 16, "crop")
    assert small.shape == (16, 16) and np.abs(small.astype(int) - 127).max() < 12
