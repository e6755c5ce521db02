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
from cnnlab.readers import fashion_mnist
from tests.command import ROOT
from tests.datasets import put, read

PARTS = {"train": (40, 0), "t10k": (20, 2)}
"""Images and division."""


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


class Files(dict[str, bytes]):
    """Four IDX files like Fashion-MNIST's, uncompressed, of 60 random images."""

    def __init__(self) -> None:
        random = np.random.RandomState(0)
        for part, (images, _) in PARTS.items():
            self[f"{part}-images-idx3-ubyte"] = idx(random.randint(0, 256, (images, 28, 28)).astype(np.uint8))
            self[f"{part}-labels-idx1-ubyte"] = idx((np.arange(images) % 10).astype(np.uint8))

    def put(self, folder: Path, compress: object = gzip.compress) -> Path:
        """The files in a folder, compressed under their usual name or not under the other one."""
        for name, content in self.items():
            put(
                folder / (f"{name}.gz" if compress else name.replace("-idx", ".idx")),
                compress(content) if compress else content,
            )  # type: ignore[operator]
        return folder

    def check(self, table: ImageTable, source: str) -> None:
        """Every row is the image, label and division that its source says."""
        assert table.about.source == source and table.images.shape == (60, 28, 28, 3)
        assert table.images.dtype == np.uint8 and not table.images.flags.writeable
        assert sorted(table.official.tolist()) == [0] * 40 + [2] * 20
        for row, (part, number) in enumerate(one.split("-images:") for one in table.sources):
            images = parse_idx(self[f"{part}-images-idx3-ubyte"], Path("x"), dimensions=3)
            assert np.array_equal(table.images[row], np.repeat(images[int(number)][:, :, None], 3, axis=2))
            assert (table.labels[row], table.official[row]) == (int(number) % 10, PARTS[part][1])


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Files:
    """A small stand-in for the published files; nothing on this machine or on any network has them."""
    made = Files()
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in made.items()}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    monkeypatch.setattr(fashion_mnist, "SHA256", digests)
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", Path("/usr/share/no-such-folder-of-cnnlab"))
    monkeypatch.setattr(fashion_mnist, "BASE_URL", nobody)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("PATH", str(tmp_path / "no-commands"))
    return made


def open_fashion(tmp_path: Path, **spec: object) -> tuple[ImageTable, list[str]]:
    told: list[str] = []
    return read(None, tmp_path / "data", "fashion-mnist", told, image_size=28, **spec), told


def test_the_data_folder_is_looked_into_first(tmp_path: Path, files: Files) -> None:
    files.put(tmp_path / "data" / "fashion-mnist")
    table, told = open_fashion(tmp_path)
    files.check(table, "the data folder")
    assert (table.about.height, table.about.width, table.about.channels) == (28, 28, 1)
    assert table.classes[0] == "T-shirt/top" and len(table.classes) == 10 and "MIT" in str(table.about.credit)
    assert told == ["mine: decoding 60 images of Fashion-MNIST to 28x28 pixels (done once)"]


def test_a_path_of_the_lab_is_the_only_place(tmp_path: Path, files: Files) -> None:
    files.put(tmp_path / "data" / "fashion-mnist")
    with pytest.raises(DataError, match="is not there") as caught:
        read(tmp_path / "mine", tmp_path / "data", "fashion-mnist")
    assert caught.value.where == tmp_path / "mine" and "leave `path` out" in str(caught.value.hint)
    uncompressed = files.put(tmp_path / "mine", compress=None)
    files.check(read(uncompressed, tmp_path / "data", "fashion-mnist", image_size=28), "files given by the lab")


def test_debians_folder(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", files.put(tmp_path / "usr-share"))
    table, told = open_fashion(tmp_path)
    files.check(table, "Debian's package dataset-fashion-mnist")
    assert len(told) == 1


@pytest.fixture
def served(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder served over HTTP on this machine, at the address of the download."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setattr(fashion_mnist, "BASE_URL", f"http://127.0.0.1:{serving.server_address[1]}/")
        yield folder
        serving.shutdown()
        thread.join()


def test_downloaded_once_and_kept(tmp_path: Path, files: Files, served: Path) -> None:
    files.put(served)
    table, told = open_fashion(tmp_path)
    files.check(table, f"downloaded from {fashion_mnist.BASE_URL}")
    assert f"mine: downloading 4 files from {fashion_mnist.BASE_URL}" in told
    own = tmp_path / "data" / "fashion-mnist"
    assert sorted(path.name for path in own.iterdir()) == sorted(f"{name}.gz" for name in files)
    shutil.rmtree(served)
    again, told = open_fashion(tmp_path)
    assert told == [] and again.fingerprint == table.fingerprint
    assert not [path for path in own.parent.iterdir() if path.name.startswith(".fashion")]


def test_a_server_without_the_files_or_with_others(
    tmp_path: Path, files: Files, served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="neither be found") as caught:
        open_fashion(tmp_path)
    assert "HTTP 404" in str(caught.value.received)
    for name in files:
        files[name] = files[name][:-1] + b"?"
    files.put(served)
    with pytest.raises(DataError, match="neither be found") as caught:
        open_fashion(tmp_path)
    assert "is not the published one" in str(caught.value.received)
    assert not (tmp_path / "data" / "fashion-mnist").exists()
    monkeypatch.setattr(fetch, "MOST_BYTES", 400)
    with pytest.raises(DataError, match="too long"):
        fetch.download(fashion_mnist.BASE_URL, [f"{name}.gz" for name in files], tmp_path, report=silent)


def test_a_damaged_file_in_the_data_folder_is_told_and_replaced(tmp_path: Path, files: Files, served: Path) -> None:
    own = files.put(tmp_path / "data" / "fashion-mnist")
    path = own / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:30])
    files.put(served)
    table, told = open_fashion(tmp_path)
    files.check(table, f"downloaded from {fashion_mnist.BASE_URL}")
    assert f"the data folder {own} did not serve: a file of the data set cannot be read, {path}" in told[0]


@pytest.mark.parametrize("stale", [False, True], ids=["fresh lists", "stale lists"])
def test_debians_package_is_unpacked_without_installing_it(
    tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch, stale: bool
) -> None:
    system = "/usr/sbin:/usr/bin:/sbin:/bin"
    if shutil.which("dpkg-deb", path=system) is None:
        pytest.skip("dpkg-deb is not on this system")
    root, archive = tmp_path / "package", tmp_path / "dataset-fashion-mnist_1_all.deb"
    files.put(root / str(fashion_mnist.DEBIAN_FOLDER).lstrip("/"))
    control = (
        b"Package: dataset-fashion-mnist\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: test\n"
    )
    put(root / "DEBIAN" / "control", control)
    refuse = 'case "$*" in *Dir::State::Lists*) ;; *) echo "E: Unable to locate package" >&2; exit 100;; esac\n'
    answer = f'case "$*" in *update) ;; *"download dataset-fashion-mnist") cp {archive} . ;; *) exit 1 ;; esac\n'
    apt = put(tmp_path / "bin" / "apt-get", f"#!/bin/sh\n{refuse * stale}{answer}".encode())
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{apt.parent}:{system}")
    subprocess.run(["dpkg-deb", "--build", str(root), str(archive)], check=True, capture_output=True)
    table, told = open_fashion(tmp_path)
    files.check(table, "Debian's package dataset-fashion-mnist")
    assert any("package lists are empty" in message for message in told) is stale


def test_when_every_source_fails_one_message_says_what_to_do(tmp_path: Path, files: Files) -> None:
    with pytest.raises(DataError, match="could neither be found on this machine nor fetched") as caught:
        open_fashion(tmp_path)
    lines = str(caught.value.received).strip().splitlines()
    assert [line.split(":")[0].strip(" -").split(" ")[0] for line in lines] == ["the", "Debian's", "the", "Debian's"]
    assert "Connection refused" in lines[2] and "no apt-get and no dpkg-deb" in lines[3]
    assert "make report LAB=offline" in str(caught.value.hint) and caught.value.exit_code == 2


def test_a_full_disk_is_not_blamed_on_the_source(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.put(tmp_path / "data" / "fashion-mnist")
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("cnnlab.datasets.cache.shutil.disk_usage", lambda folder: usage)
    with pytest.raises(DataError, match="not enough space for the decoded images") as caught:
        open_fashion(tmp_path)
    assert "CNNLAB_DATA" in str(caught.value.hint)


def test_mnist_5k_has_500_images_of_each_digit(tmp_path: Path) -> None:
    table = read(None, tmp_path, "mnist-5k", image_size=28)
    assert table.images.shape == (5000, 28, 28, 3) and np.bincount(table.labels).tolist() == [500] * 10
    assert table.classes == tuple("0123456789") and set(table.official.tolist()) == {-1}
    assert (table.about.height, table.about.channels) == (28, 1) and "CC BY-SA 3.0" in str(table.about.credit)
    assert table.fingerprint.startswith("0cbaf473")


def test_digits_8x8_are_those_of_scikit_learn(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    table, published = read(None, tmp_path, "digits-8x8", image_size=16), load_digits()
    assert table.images.shape == (1797, 16, 16, 3) and "CC BY 4.0" in str(table.about.credit)
    assert table.fingerprint.startswith("8eba38de")
    rows = {int(source.split(":")[1]): row for row, source in enumerate(table.sources)}
    assert [table.labels[rows[i]] for i in range(1797)] == published.target.tolist()
    # Enlarging keeps the mean: 0..16 has become 0..255.
    means = np.array([table.images[rows[i]].mean() for i in range(100)])
    assert np.abs(means - published.images[:100].mean(axis=(1, 2)) * 255 / 16).max() < 6


def test_a_packaged_file_is_there_and_trusted_only_by_its_sha256(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="inside the Python package nosuch, which is not installed") as caught:
        packaged_file("no_such_package_of_cnnlab", "x.csv", install="nosuch")
    assert caught.value.hint == "pip install nosuch"
    with pytest.raises(DataError, match="installed numpy lacks the data set"):
        packaged_file("numpy", "no/such.csv", install="numpy")
    path, good = put(tmp_path / "a.gz", gzip.compress(b"hello")), hashlib.sha256(b"hello").hexdigest()
    assert gunzip_checked(path, good) == b"hello"
    for sha256, most, received in (("0" * 64, 5, f"sha256 {good}"), (good, 4, "more than 4 bytes")):
        with pytest.raises(DataError, match="not the published one") as caught:
            gunzip_checked(path, sha256, most=most)
        assert caught.value.received == received


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
        read(None, tmp_path, "mnist5k")
    assert (caught.value.hint, caught.value.where) == ("did you mean “mnist-5k”?", "datasets.mine.reader")


def test_every_reader_can_be_imported_without_a_framework() -> None:
    names = ", ".join(f"cnnlab.readers.{reader.replace('-', '_')}" for reader in modules("cnnlab/readers"))
    code = f"import sys, {names}\nassert all(one.open_table for one in ({names},)) and not {{'keras', 'tensorflow'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_keras_gives_its_data_sets_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cnnlab.backend import keras

    random = np.random.RandomState(0)
    train, test = (random.randint(0, 256, (n, 32, 32, 3), dtype=np.uint8) for n in (30, 12))
    labels = [np.arange(n).reshape(-1, 1) % 10 for n in (30, 12)]
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: ((train, labels[0]), (test, labels[1])))
    table = read(None, tmp_path, "keras", name="cifar10", image_size=32)
    assert table.classes[:3] == ("airplane", "automobile", "bird") and len(table.classes) == 10
    assert np.bincount(table.official).tolist() == [30, 0, 12] and table.about.source == "keras.datasets.cifar10"
    row = table.sources.index("test:5")
    assert np.array_equal(table.images[row], test[5]) and table.labels[row] == 5


def test_keras_without_network_or_name_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cnnlab.backend import keras
    from cnnlab.readers.keras import SOURCES

    def unreachable() -> None:
        raise Exception("URL fetch failure on somewhere: None -- no route")

    monkeypatch.setattr(keras.datasets.cifar100, "load_data", unreachable)
    with pytest.raises(DataError, match="neither be found on this machine nor fetched") as caught:
        read(None, tmp_path, "keras", name="cifar100")
    assert caught.value.received == "URL fetch failure on somewhere: None -- no route"
    for name, hint in (("cifar", "did you mean “cifar10”?"), (None, 'as in: name = "cifar10"')):
        with pytest.raises(DataError, match="needs the name") as caught:
            read(None, tmp_path, "keras", name=name)
        assert caught.value.hint == hint
    classes = {name: len(set(words.split())) for name, (*_, words) in SOURCES.items()}
    assert classes == {"mnist": 10, "cifar10": 10, "cifar100": 100}
