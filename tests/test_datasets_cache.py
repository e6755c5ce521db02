"""The decoded cache and the fingerprint: quick when whole, made again when not, the same for the same images."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnlab.datasets.cache import CacheProblem
from cnnlab.datasets.findings import fingerprint
from cnnlab.datasets.table import ImageTable
from tests.datasets import fill, found, put, read

DECODING = "mine: decoding 30 images of photos to 20x20 pixels (done once)"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return fill(tmp_path / "photos", 30)


def test_the_fingerprint_is_the_documented_sum() -> None:
    lines = b'["ant","aa",3,4]\n["bee","00",1,2]\n'
    assert fingerprint([("bee", "00", 1, 2), ("ant", "aa", 3, 4)]) == hashlib.sha256(lines).hexdigest()


def test_names_layout_format_and_times_of_files_do_not_matter(tmp_path: Path, photos: Path) -> None:
    first = read(photos, tmp_path / "data")
    for index, path in enumerate(sorted(photos.rglob("*.png"), reverse=True)):
        part = "train" if index % 3 else "test"
        target = put(tmp_path / "elsewhere" / part / path.parent.name / "deeper" / f"x{index}.bmp")
        Image.open(path).save(target)
        os.utime(target, (1, 1))
    second = read(tmp_path / "elsewhere", tmp_path / "data")
    assert second.fingerprint == first.fingerprint
    assert np.array_equal(second.images, first.images) and np.array_equal(second.labels, first.labels)
    assert second.sources != first.sources


def test_the_size_that_is_asked_for_does_not_change_the_fingerprint(tmp_path: Path, photos: Path) -> None:
    small, large = (read(photos, tmp_path / "data", image_size=size) for size in (16, 40))
    assert small.fingerprint == large.fingerprint and np.array_equal(small.labels, large.labels)
    assert (small.images.shape[1], large.images.shape[1]) == (16, 40)


def test_a_pixel_a_class_or_an_image_less_changes_it(tmp_path: Path, photos: Path) -> None:
    one, other = photos / "ant" / "000.png", photos / "bee" / "000.png"
    image = np.array(Image.open(one))
    image[0, 0, 0] ^= 1
    seen = set()
    for change in (
        lambda: None, lambda: put(one, Image.fromarray(image)), lambda: one.rename(other), other.unlink,
        lambda: shutil.copyfile(photos / "ant" / "002.png", one),
    ):  # fmt: skip
        change()
        seen.add(read(photos, tmp_path / "data").fingerprint)
    assert len(seen) == 5
    table = read(photos, tmp_path / "data")
    twice = found(table, "duplicate")
    assert twice is not None and twice.count == 1 and table.twins is not None
    twin = next(row for row, other_row in enumerate(table.twins) if row != other_row)
    assert np.array_equal(table.images[twin], table.images[table.twins[twin]])


def test_opened_again_without_decoding(tmp_path: Path, photos: Path) -> None:
    told: list[str] = []
    first = read(photos, tmp_path / "data", told=told)
    again = read(photos, tmp_path / "data", told=told, split={"seed": 7}, title="Other words")
    assert told == [DECODING] and same(first, again)
    assert again.images.flags.writeable is False
    with pytest.raises(ValueError, match="read-only"):
        again.images[0, 0, 0, 0] = 1


def same(one: ImageTable, other: ImageTable) -> bool:
    facts = [(t.classes, t.sources, t.fingerprint, t.about, t.findings, t.ids) for t in (one, other)]
    arrays = ((getattr(t, name) for t in (one, other)) for name in ("images", "labels", "official", "twins", "kin"))
    return facts[0] == facts[1] and all(np.array_equal(*pair) for pair in arrays)


@pytest.mark.parametrize(
    ("suffix", "garbage"),
    [
        *((".json", garbage) for garbage in (
            b"", b"null", b'{"sha256": 1, "content": 2}', b"[" * 100_000, b"\xff\xfe",
        )),
        *((".npy", garbage) for garbage in (b"", b"garbage", None, "missing")),
    ],
)  # fmt: skip
def test_a_damaged_entry_is_told_once_and_made_again(
    tmp_path: Path, photos: Path, suffix: str, garbage: bytes | str | None
) -> None:
    expected = np.array(read(photos, tmp_path / "data").images)
    (path,) = (tmp_path / "data" / ".cache").glob(f"*{suffix}")
    content = path.read_bytes()
    path.unlink()  # a new file, so that the open memory map keeps its pixels
    if garbage != "missing":
        put(path, garbage if isinstance(garbage, bytes) else content[:-1] + bytes((content[-1] ^ 1,)))
    told: list[str] = []
    again = read(photos, tmp_path / "data", told=told)
    assert len(told) == 2 and "is damaged" in told[0] and told[1] == DECODING
    assert np.array_equal(again.images, expected)
    assert same(read(photos, tmp_path / "data", told=told), again) and len(told) == 2


def test_leftovers_of_killed_processes_are_swept(tmp_path: Path, photos: Path) -> None:
    cache = tmp_path / "data" / ".cache"
    old, new = put(cache / ".folder-a-raw.part"), put(cache / ".folder-b-raw.part")
    os.utime(old, (1, 1))
    read(photos, tmp_path / "data")
    assert not old.exists() and new.exists() and len(list(cache.iterdir())) == 3


def test_a_data_folder_that_is_a_file(tmp_path: Path, photos: Path) -> None:
    with pytest.raises(CacheProblem, match="cannot be stored") as caught:
        read(photos, put(tmp_path / "data"))
    assert "CNNLAB_DATA" in str(caught.value.hint)
