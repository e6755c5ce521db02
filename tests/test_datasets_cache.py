"""The decoded cache and the fingerprint: quick when whole, made again when not, the same for the same images."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnlab.datasets.cache import CacheProblem, cached_table
from cnnlab.datasets.findings import fingerprint
from cnnlab.datasets.table import NO_DIVISION, DatasetAbout, ImageTable, pictures_in_arrays, silent
from cnnlab.readers import open_dataset
from cnnlab.spec import DatasetSpec, Split


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    random = np.random.RandomState(0)
    for index in range(30):
        path = root / ("ant", "bee")[index % 2] / f"{index:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.randint(0, 256, (18, 18, 3), dtype=np.uint8)).save(path)
    return root


def read(root: Path, data: Path, **spec: object) -> tuple[ImageTable, list[str]]:
    told: list[str] = []
    full = DatasetSpec.model_validate({"reader": "folder", "path": root, "image_size": 18, **spec})
    return open_dataset("mine", full, data_dir=data, report_progress=told.append), told


def same(one: ImageTable, other: ImageTable) -> bool:
    return (
        np.array_equal(one.images, other.images)
        and np.array_equal(one.labels, other.labels)
        and (one.classes, one.sources, one.fingerprint, one.about, one.findings)
        == (other.classes, other.sources, other.fingerprint, other.about, other.findings)
    )


def test_the_fingerprint_is_the_documented_sum() -> None:
    lines = b'["ant","aa",3,4]\n["bee","00",1,2]\n'
    assert fingerprint([("bee", "00", 1, 2), ("ant", "aa", 3, 4)]) == hashlib.sha256(lines).hexdigest()


def test_names_layout_format_and_times_of_files_do_not_matter(tmp_path: Path, photos: Path) -> None:
    first, _ = read(photos, tmp_path / "data")
    moved = tmp_path / "elsewhere"
    for index, path in enumerate(sorted(photos.rglob("*.png"), reverse=True)):
        part = "train" if index % 3 else "test"
        target = moved / part / path.parent.name / "deeper" / f"x{index}.bmp"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).save(target)
        os.utime(target, (1, 1))
    second, _ = read(moved, tmp_path / "data")
    assert second.fingerprint == first.fingerprint
    assert np.array_equal(second.images, first.images)
    assert np.array_equal(second.labels, first.labels)
    assert second.sources != first.sources


def test_the_size_that_is_asked_for_does_not_change_the_fingerprint(tmp_path: Path, photos: Path) -> None:
    small, large = (read(photos, tmp_path / "data", image_size=size)[0] for size in (16, 40))
    assert small.fingerprint == large.fingerprint
    assert np.array_equal(small.labels, large.labels)
    assert (small.images.shape[1], large.images.shape[1]) == (16, 40)


def test_a_pixel_a_class_or_an_image_less_changes_it(tmp_path: Path, photos: Path) -> None:
    seen = {read(photos, tmp_path / "data")[0].fingerprint}
    image = np.array(Image.open(photos / "ant" / "00.png"))
    image[0, 0, 0] ^= 1
    Image.fromarray(image).save(photos / "ant" / "00.png")
    seen.add(read(photos, tmp_path / "data")[0].fingerprint)
    (photos / "ant" / "00.png").rename(photos / "bee" / "00.png")
    seen.add(read(photos, tmp_path / "data")[0].fingerprint)
    (photos / "bee" / "00.png").unlink()
    seen.add(read(photos, tmp_path / "data")[0].fingerprint)
    assert len(seen) == 4


def test_opened_again_without_decoding(tmp_path: Path, photos: Path) -> None:
    first, told = read(photos, tmp_path / "data")
    assert told == ["mine: decoding 30 images of photos to 18x18 pixels (done once)"]
    again, told = read(photos, tmp_path / "data", split=Split(seed=7), title="Other words")
    assert told == [] and same(first, again)
    assert again.images.flags.writeable is False
    with pytest.raises(ValueError, match="read-only"):
        again.images[0, 0, 0, 0] = 1


@pytest.mark.parametrize(
    ("suffix", "garbage"),
    [
        (".json", b""),
        (".json", b"null"),
        (".json", b'{"sha256": 1, "content": 2}'),
        (".json", b"[" * 100_000),
        (".json", b"\xff\xfe"),
        (".npy", b""),
        (".npy", b"garbage"),
        (".npy", None),
    ],
)
def test_a_damaged_entry_is_told_once_and_made_again(
    tmp_path: Path, photos: Path, suffix: str, garbage: bytes | None
) -> None:
    first, _ = read(photos, tmp_path / "data")
    expected = np.array(first.images)
    (path,) = (tmp_path / "data" / ".cache").glob(f"*{suffix}")
    content = path.read_bytes()
    path.unlink()  # a new file, so that the open memory map keeps its pixels
    path.write_bytes(content[:-1] + bytes((content[-1] ^ 1,)) if garbage is None else garbage)
    again, told = read(photos, tmp_path / "data")
    assert len(told) == 2 and "is damaged" in told[0] and "decoding 30 images" in told[1]
    assert np.array_equal(again.images, expected) and again.fingerprint == first.fingerprint
    assert read(photos, tmp_path / "data")[1] == []


def test_missing_pixels_are_made_again(tmp_path: Path, photos: Path) -> None:
    read(photos, tmp_path / "data")
    for path in (tmp_path / "data" / ".cache").glob("*.npy"):
        path.unlink()
    assert len(read(photos, tmp_path / "data")[1]) == 2


def test_a_changed_file_is_noticed_by_its_time(tmp_path: Path, photos: Path) -> None:
    first, _ = read(photos, tmp_path / "data")
    shutil.copyfile(photos / "ant" / "02.png", photos / "ant" / "00.png")
    second, told = read(photos, tmp_path / "data")
    assert len(told) == 1 and second.fingerprint != first.fingerprint
    assert [(f.kind, f.count) for f in second.findings if f.kind == "duplicate"] == [("duplicate", 1)]
    assert second.twins is not None
    twin = next(row for row, other in enumerate(second.twins) if row != other)
    assert np.array_equal(second.images[twin], second.images[second.twins[twin]])


def test_leftovers_of_killed_processes_are_swept(tmp_path: Path, photos: Path) -> None:
    cache = tmp_path / "data" / ".cache"
    cache.mkdir(parents=True)
    old, new = cache / ".folder-a-raw.part", cache / ".folder-b-raw.part"
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (1, 1))
    read(photos, tmp_path / "data")
    assert not old.exists() and new.exists()
    assert len(list(cache.iterdir())) == 3


def test_a_data_folder_that_is_a_file(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "data").write_text("x")
    with pytest.raises(CacheProblem, match="cannot be stored") as caught:
        read(photos, tmp_path / "data")
    assert "CNNLAB_DATA" in str(caught.value.hint)


def test_seventy_thousand_images_open_in_less_than_a_second(tmp_path: Path) -> None:
    images = np.zeros((70_000, 16, 16), np.uint8)
    images[:, 0, :4] = np.arange(70_000, dtype="<u4").view(np.uint8).reshape(-1, 4)
    about = DatasetAbout(title="many", credit=None, homepage=None, source="a test")

    def open_it() -> ImageTable:
        return cached_table(
            DatasetSpec(reader="folder", image_size=16),
            [],
            lambda: pictures_in_arrays(
                ("train-images", images, np.arange(70_000) % 10, NO_DIVISION),
                classes=tuple("0123456789"),
                about=about,
                where=tmp_path,
            ),
            data_dir=tmp_path,
            report_progress=silent,
        )

    first = open_it()
    started = time.monotonic()
    again = open_it()
    assert time.monotonic() - started < 1
    assert len(again.images) == 70_000 and again.fingerprint == first.fingerprint
