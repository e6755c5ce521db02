"""Readers of published data sets: where Fashion-MNIST comes from, what the packaged digits hold, and every failure."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cnnlab.datasets import fashion_mnist, fetch, open_dataset
from cnnlab.datasets.idx import parse_idx
from cnnlab.datasets.packaged import gunzip_checked, packaged_file
from cnnlab.datasets.table import ImageTable
from cnnlab.errors import DataError
from cnnlab.spec import DatasetSpec

TRAIN_IMAGES, TEST_IMAGES = 40, 20


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def small_fashion() -> dict[str, bytes]:
    """Four IDX files like Fashion-MNIST's, uncompressed, of 60 random images."""
    random = np.random.RandomState(0)
    files = {}
    for part, images in (("train", TRAIN_IMAGES), ("t10k", TEST_IMAGES)):
        files[f"{part}-images-idx3-ubyte"] = idx(random.randint(0, 256, (images, 28, 28)).astype(np.uint8))
        files[f"{part}-labels-idx1-ubyte"] = idx((np.arange(images) % 10).astype(np.uint8))
    return files


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, bytes]:
    """A small stand-in for the published files; nothing on this machine or on any network has them."""
    made = small_fashion()
    monkeypatch.setattr(
        fashion_mnist, "SHA256", {name: hashlib.sha256(content).hexdigest() for name, content in made.items()}
    )
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", Path("/usr/share/no-such-folder-of-cnnlab"))
    monkeypatch.setattr(fashion_mnist, "BASE_URL", f"http://127.0.0.1:{free_port()}/")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("PATH", str(tmp_path / "no-commands"))
    return made


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def put(folder: Path, files: dict[str, bytes], *, compressed: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / (f"{name}.gz" if compressed else name)).write_bytes(gzip.compress(content) if compressed else content)
    return folder


def open_fashion(tmp_path: Path, **spec: object) -> tuple[ImageTable, list[str]]:
    told: list[str] = []
    table = open_dataset(
        "clothes",
        DatasetSpec.model_validate({"reader": "fashion-mnist", "image_size": 28, **spec}),
        data_dir=tmp_path / "data",
        report_progress=told.append,
    )
    return table, told


def check_table(table: ImageTable, files: dict[str, bytes]) -> None:
    """Every row is the image, label and division that its source says."""
    assert table.images.shape == (TRAIN_IMAGES + TEST_IMAGES, 28, 28, 3)
    assert table.images.dtype == np.uint8 and not table.images.flags.writeable
    assert sorted(table.official.tolist()) == [0] * TRAIN_IMAGES + [2] * TEST_IMAGES
    for row, source in enumerate(table.sources):
        kind, number = source.split(":")
        images = parse_idx(files[f"{kind}-idx3-ubyte"], Path("x"), dimensions=3)
        assert np.array_equal(table.images[row], np.repeat(images[int(number)][:, :, None], 3, axis=2))
        assert table.labels[row] == int(number) % 10
        assert table.official[row] == (0 if kind == "train-images" else 2)


def test_the_data_folder_is_looked_into_first(tmp_path: Path, files: dict[str, bytes]) -> None:
    put(tmp_path / "data" / "fashion-mnist", files)
    table, told = open_fashion(tmp_path)
    check_table(table, files)
    assert table.about.source == "the data folder"
    assert (table.about.height, table.about.width, table.about.channels) == (28, 28, 1)
    assert table.classes[0] == "T-shirt/top" and len(table.classes) == 10
    assert "MIT" in str(table.about.credit)
    assert told == ["clothes: decoding 60 images of Fashion-MNIST to 28x28 pixels (done once)"]


def test_uncompressed_files_under_the_other_spelling(tmp_path: Path, files: dict[str, bytes]) -> None:
    dotted = {name.replace("-idx", ".idx"): content for name, content in files.items()}
    table, _ = open_fashion(tmp_path, path=put(tmp_path / "mine", dotted, compressed=False))
    check_table(table, files)
    assert table.about.source == "files given by the lab"


def test_a_path_of_the_lab_is_the_only_place(tmp_path: Path, files: dict[str, bytes]) -> None:
    put(tmp_path / "data" / "fashion-mnist", files)
    with pytest.raises(DataError, match="is not there") as caught:
        open_fashion(tmp_path, path=tmp_path / "mine")
    assert caught.value.where == tmp_path / "mine"
    assert "leave `path` out" in str(caught.value.hint)


def test_debians_folder(tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", put(tmp_path / "usr-share", files))
    table, told = open_fashion(tmp_path)
    check_table(table, files)
    assert table.about.source == "Debian's package dataset-fashion-mnist"
    assert len(told) == 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder served over HTTP on this machine, and its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{serving.server_address[1]}/"
        serving.shutdown()
        thread.join()


def test_downloaded_once_and_kept(
    tmp_path: Path, files: dict[str, bytes], server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = server
    put(folder, files)
    monkeypatch.setattr(fashion_mnist, "BASE_URL", address)
    table, told = open_fashion(tmp_path)
    check_table(table, files)
    assert table.about.source == f"downloaded from {address}"
    assert f"clothes: downloading 4 files from {address}" in told
    own = tmp_path / "data" / "fashion-mnist"
    assert sorted(path.name for path in own.iterdir()) == sorted(f"{name}.gz" for name in files)
    shutil.rmtree(folder)
    again, told = open_fashion(tmp_path)
    assert told == [] and again.fingerprint == table.fingerprint
    assert [path.name for path in own.parent.iterdir() if path.name.startswith(".fashion")] == []
