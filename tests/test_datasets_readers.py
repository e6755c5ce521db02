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
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cnnlab.datasets import fetch
from cnnlab.datasets.fetch import gunzip_checked, packaged_file, parse_idx
from cnnlab.datasets.table import ImageTable, silent
from cnnlab.errors import DataError
from cnnlab.paths import modules
from cnnlab.readers import fashion_mnist, open_dataset
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
        thread = threading.Thread(target=serving.serve_forever, args=(0.02,))
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


def test_a_server_without_the_files_or_with_others(
    tmp_path: Path, files: dict[str, bytes], server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = server
    monkeypatch.setattr(fashion_mnist, "BASE_URL", address)
    with pytest.raises(DataError, match="neither be found") as caught:
        open_fashion(tmp_path)
    assert "HTTP 404" in str(caught.value.received)
    put(folder, {name: content[:-1] + b"?" for name, content in files.items()})
    with pytest.raises(DataError, match="neither be found") as caught:
        open_fashion(tmp_path)
    assert "is not the published one" in str(caught.value.received)
    assert not (tmp_path / "data" / "fashion-mnist").exists()


def test_a_download_that_is_too_long(tmp_path: Path, server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, address = server
    (folder / "big").write_bytes(bytes(5000))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(fetch, "MOST_BYTES", 4000)
    with pytest.raises(DataError, match="too long"):
        fetch.download(address, ["big"], tmp_path, report=silent)


def test_a_damaged_file_in_the_data_folder_is_told_and_replaced(
    tmp_path: Path, files: dict[str, bytes], server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = put(tmp_path / "data" / "fashion-mnist", files)
    name = "train-labels-idx1-ubyte.gz"
    (own / name).write_bytes((own / name).read_bytes()[:30])
    monkeypatch.setattr(fashion_mnist, "BASE_URL", server[1])
    put(server[0], files)
    table, told = open_fashion(tmp_path)
    check_table(table, files)
    assert f"the data folder {own} did not serve: a file of the data set cannot be read, {own / name}" in told[0]


@pytest.mark.parametrize("stale", [False, True], ids=["fresh lists", "stale lists"])
def test_debians_package_is_unpacked_without_installing_it(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, stale: bool
) -> None:
    monkeypatch.setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not on this system")
    root = tmp_path / "package"
    put(root / str(fashion_mnist.DEBIAN_FOLDER).lstrip("/"), files)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN" / "control").write_text(
        "Package: dataset-fashion-mnist\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: test\n"
    )
    archive = tmp_path / "dataset-fashion-mnist_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", str(root), str(archive)], check=True, capture_output=True)
    apt = tmp_path / "bin" / "apt-get"
    apt.parent.mkdir()
    refuse = 'case "$*" in *Dir::State::Lists*) ;; *) echo "E: Unable to locate package" >&2; exit 100;; esac\n'
    apt.write_text(
        f"#!/bin/sh\n{refuse if stale else ''}"
        f'case "$*" in *update) ;; *"download dataset-fashion-mnist") cp {archive} . ;; *) exit 1 ;; esac\n'
    )
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{apt.parent}:/usr/sbin:/usr/bin:/sbin:/bin")
    table, told = open_fashion(tmp_path)
    check_table(table, files)
    assert table.about.source == "Debian's package dataset-fashion-mnist"
    assert any("package lists are empty" in message for message in told) is stale


def test_when_every_source_fails_one_message_says_what_to_do(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(DataError, match="could neither be found on this machine nor fetched") as caught:
        open_fashion(tmp_path)
    lines = str(caught.value.received).strip().splitlines()
    assert [line.split(":")[0].strip(" -").split(" ")[0] for line in lines] == ["the", "Debian's", "the", "Debian's"]
    assert "Connection refused" in lines[2]
    assert "no apt-get and no dpkg-deb" in lines[3]
    assert "make report LAB=offline" in str(caught.value.hint)
    assert caught.value.exit_code == 2


def test_a_full_disk_is_not_blamed_on_the_source(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "data" / "fashion-mnist", files)
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("cnnlab.datasets.cache.shutil.disk_usage", lambda folder: usage)
    with pytest.raises(DataError, match="not enough space for the decoded images") as caught:
        open_fashion(tmp_path)
    assert "CNNLAB_DATA" in str(caught.value.hint)


def test_mnist_5k_has_500_images_of_each_digit(tmp_path: Path) -> None:
    spec = DatasetSpec(reader="mnist-5k", image_size=28)
    table = open_dataset("digits", spec, data_dir=tmp_path)
    assert table.images.shape == (5000, 28, 28, 3)
    assert np.bincount(table.labels).tolist() == [500] * 10
    assert table.classes == tuple("0123456789")
    assert (table.about.height, table.about.channels) == (28, 1)
    assert "CC BY-SA 3.0" in str(table.about.credit)
    assert table.fingerprint.startswith("0cbaf473")
    assert set(table.official.tolist()) == {-1}


def test_digits_8x8_are_those_of_scikit_learn(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    table = open_dataset("digits", DatasetSpec(reader="digits-8x8", image_size=16), data_dir=tmp_path)
    assert table.images.shape == (1797, 16, 16, 3)
    assert table.fingerprint.startswith("8eba38de")
    assert "CC BY 4.0" in str(table.about.credit)
    published = load_digits()
    rows = {int(source.split(":")[1]): row for row, source in enumerate(table.sources)}
    assert [table.labels[rows[i]] for i in range(1797)] == published.target.tolist()
    # Enlarging keeps the mean: 0..16 has become 0..255.
    means = np.array([table.images[rows[i]].mean() for i in range(100)])
    assert np.abs(means - published.images[:100].mean(axis=(1, 2)) * 255 / 16).max() < 6


def test_a_missing_package_is_named() -> None:
    with pytest.raises(DataError, match="inside the Python package nosuch, which is not installed") as caught:
        packaged_file("no_such_package_of_cnnlab", "x.csv", install="nosuch")
    assert caught.value.hint == "pip install nosuch"
    with pytest.raises(DataError, match="installed numpy lacks the data set"):
        packaged_file("numpy", "no/such.csv", install="numpy")


def test_a_packaged_file_is_trusted_only_by_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"hello"))
    good = hashlib.sha256(b"hello").hexdigest()
    assert gunzip_checked(path, good) == b"hello"
    with pytest.raises(DataError, match="not the published one") as caught:
        gunzip_checked(path, "0" * 64)
    assert caught.value.received == f"sha256 {good}"
    with pytest.raises(DataError, match="not the published one") as caught:
        gunzip_checked(path, good, most=4)
    assert caught.value.received == "more than 4 bytes"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "nothing"),
        (bytes((0, 0, 9, 1, 0, 0, 0, 0)), "not an IDX file"),
        (bytes((0, 0, 8, 1, 0, 0)), "6 bytes that begin with 00 00 08 01"),
        (idx(np.zeros(5, np.uint8))[:-1], "4 bytes after the header"),
        (idx(np.zeros(5, np.uint8)) + b"x", "6 bytes after the header"),
        (bytes((0, 0, 8, 1)) + b"\xff\xff\xff\xff", "expected: 4,294,967,295"),
    ],
)
def test_a_bad_idx_file(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match="IDX") as caught:
        parse_idx(content, Path("x"), dimensions=1)
    assert words in str(caught.value)


def test_an_unknown_reader(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such data set reader") as caught:
        open_dataset("x", DatasetSpec(reader="mnist5k"), data_dir=tmp_path)
    assert caught.value.hint == "did you mean “mnist-5k”?"
    assert caught.value.where == "datasets.x.reader"


@pytest.mark.parametrize("reader", modules("cnnlab/readers"))
def test_every_reader_can_be_imported_without_a_framework(reader: str) -> None:
    heavy = "{'keras', 'tensorflow'} & set(sys.modules)"
    module = f"cnnlab.readers.{reader.replace('-', '_')}"
    code = f"import sys, {module} as reader; assert reader.open_table and not {heavy}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


def test_keras_gives_its_data_sets_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cnnlab.backend import keras

    random = np.random.RandomState(0)
    train, test = (random.randint(0, 256, (n, 32, 32, 3), dtype=np.uint8) for n in (30, 12))
    labels = [np.arange(n).reshape(-1, 1) % 10 for n in (30, 12)]
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: ((train, labels[0]), (test, labels[1])))
    table = open_dataset("c", DatasetSpec(reader="keras", name="cifar10", image_size=32), data_dir=tmp_path)
    assert table.classes[:3] == ("airplane", "automobile", "bird") and len(table.classes) == 10
    assert np.bincount(table.official).tolist() == [30, 0, 12]
    row = table.sources.index("test:5")
    assert np.array_equal(table.images[row], test[5]) and table.labels[row] == 5
    assert table.about.source == "keras.datasets.cifar10"


def test_keras_without_network_or_name_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cnnlab.backend import keras

    def unreachable() -> None:
        raise Exception("URL fetch failure on somewhere: None -- no route")

    monkeypatch.setattr(keras.datasets.cifar100, "load_data", unreachable)
    with pytest.raises(DataError, match="neither be found on this machine nor fetched") as caught:
        open_dataset("c", DatasetSpec(reader="keras", name="cifar100"), data_dir=tmp_path)
    assert caught.value.received == "URL fetch failure on somewhere: None -- no route"
    for name, hint in (("cifar", "did you mean “cifar10”?"), (None, 'as in: name = "cifar10"')):
        with pytest.raises(DataError, match="needs the name") as caught:
            open_dataset("c", DatasetSpec(reader="keras", name=name), data_dir=tmp_path)
        assert caught.value.hint == hint


def test_the_names_of_keras_are_as_many_as_its_classes() -> None:
    from cnnlab.readers.keras import SOURCES

    assert {name: len(set(words.split())) for name, (*_, words) in SOURCES.items()} == {
        "mnist": 10, "cifar10": 10, "cifar100": 100,
    }  # fmt: skip
