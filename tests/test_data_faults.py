"""Faults planted in a data set of a thousand photographs, each found and named before anything is trained."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.command import ROOT, called
from tests.datasets import encoded, fill, put
from tests.test_datasets_lookalikes import recompressed, scene

LAB = """
[lab]
title = "t"
[datasets.photos]
reader = "{reader}"
path = "{path}"
image_size = 64
split = {{ train = 0.8, validation = 0.1, test = 0.1, seed = 0{more} }}
[recipes.r]
epochs = 1
[[runs]]
dataset = "photos"
networks = ["alexnet"]
recipe = "r"
[report]
part_2_1 = "photos"
"""


def write_lab(folder: Path, path: str = "photos", reader: str = "folder", more: str = "") -> str:
    (folder / "lab.toml").write_text(LAB.format(path=path, reader=reader, more=more))
    return str(folder / "lab.toml")


@pytest.fixture(autouse=True)
def _one_data_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNLAB_DATA", str(tmp_path_factory.getbasetemp() / "data"))


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 files in four classes: 987 good pictures, 3 corrupt ones, 5 exact and 5 recompressed copies."""
    folder = tmp_path_factory.mktemp("faults")
    root = folder / "photos"
    for index in range(987):
        put(root / f"class{index % 4}" / f"{index:04}.jpg", encoded(scene(index), "JPEG", quality=92))
    whole = (root / "class0" / "0000.jpg").read_bytes()
    bad = {"0/cut": whole[: len(whole) * 8 // 10], "1/text": b"<html>not found</html>", "2/empty": b""}
    for name, content in bad.items():
        put(root / f"class{name}.jpg", content)
    for index in range(10):
        original = root / f"class{index % 4}" / f"{index:04}.jpg"
        again = encoded(recompressed(Image.open(original), 80), "JPEG", quality=85)
        put(original.with_name(f"copy{index}.jpg"), original.read_bytes() if index < 5 else again)
    (root / "outside").symlink_to("/")
    (root / "class3" / "passwd.jpg").symlink_to("/etc/passwd")
    return folder


def checked(folder: Path, lab: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = called("data", "check", lab, "--json", cwd=folder)
    (only,) = json.loads(done.stdout)
    return done.returncode, {finding["kind"]: finding for finding in only["findings"]}


def numbers(pairs: list[str]) -> list[int]:
    """The numbers that both names of each pair, such as "class1/copy1.jpg = class1/0001.jpg", bear."""
    both = [[int("".join(filter(str.isdigit, Path(part).stem))) for part in pair.split(" = ")] for pair in pairs]
    assert all(one == other for one, other in both), pairs
    return sorted(one for one, _ in both)


def test_planted_faults_are_found_and_named(thousand: Path) -> None:
    code, found = checked(thousand, write_lab(thousand))
    assert code == 3
    bad = ["class0/cut.jpg", "class1/text.jpg", "class2/empty.jpg"]
    assert (found["undecodable"]["count"], sorted(found["undecodable"]["sources"])) == (3, bad)
    assert numbers(found["duplicate"]["sources"]) == [0, 1, 2, 3, 4]
    assert numbers(found["near-duplicate"]["sources"]) == [5, 6, 7, 8, 9]
    assert (found["duplicate"]["count"], found["near-duplicate"]["count"], found["link"]["count"]) == (5, 5, 2)
    assert sorted(found["link"]["sources"]) == ["class3/passwd.jpg", "outside"]
    kept = found["leak"]
    assert kept["severity"] == "warning" and 1 <= kept["count"] <= 10 and max(numbers(kept["sources"])) < 10
    without = checked(thousand, write_lab(thousand, more=', leaks = "exclude"'))[1]["leak"]
    assert without["severity"] == "info" and without["count"] == kept["count"]
    done = called("data", "describe", "lab.toml", "--json", cwd=thousand)
    (only,) = json.loads(done.stdout)
    assert done.returncode == 0 and only["images"] == 997
    assert sum(only["splits"].values()) == 997 - kept["count"]
    assert only["mean"] == 997 / 4 and [one["name"] for one in only["classes"]] == [f"class{i}" for i in range(4)]


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    (fill(tmp_path / "photos") / "nobody").mkdir()
    done = called("data", "check", write_lab(tmp_path), cwd=tmp_path)
    assert done.returncode == 2 and "class “nobody”" in done.stderr


def bomb(path: Path, side: int) -> None:
    """A valid grey PNG of side x side black pixels, a few hundred kilobytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    packer, rows = zlib.compressobj(), b"\0" * (1 + side // 8) * 100
    packed = b"".join(packer.compress(rows) for _ in range(side // 100)) + packer.flush()
    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b""))


def test_a_pixel_bomb_costs_no_memory(tmp_path: Path) -> None:
    bomb(tmp_path / "bomb.png", 20_000)
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom cnnlab.datasets.decode import decode_file\n"
        "from cnnlab.datasets.table import Undecodable\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    decode_file(Path(sys.argv[1]))\nexcept Undecodable as problem:\n    print(problem)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "bomb.png")],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    problem, grown = done.stdout.splitlines()
    assert problem == "more than the 64,000,000 pixels accepted"
    assert int(grown) * (1 if sys.platform == "darwin" else 1024) < 50e6


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch pwned",)


@pytest.mark.parametrize(
    "content", [pickle.dumps(Harmful()), b"\x80\x05\x96" + (1 << 34).to_bytes(8, "little") + b"x."]
)
def test_hostile_pickles_end_in_one_message(content: bytes, tmp_path: Path) -> None:
    put(tmp_path / "photos" / "mini-imagenet-cache-train.pkl", content)
    done = called("data", "check", write_lab(tmp_path, reader="mini-imagenet"), cwd=tmp_path)
    assert done.returncode == 2 and "mini-imagenet-cache-train.pkl" in done.stderr and "pickle" in done.stderr
    assert not (tmp_path / "pwned").exists()


NAMES = [
    '"><script>alert(1)<∕script>', "{{7*7}}", "{% raw %}", "a" * 255, "😀", "\u202ecba", "x..", "**b** [x](y)", "a\x1b[31m"
]  # fmt: skip


def test_names_are_data(tmp_path: Path) -> None:
    for position, name in enumerate(NAMES):
        for index in range(10):
            put(tmp_path / "photos" / name / f"{name[:100]}{index}.jpg", encoded(scene(10 * position + index), "JPEG"))
    done = called("data", "describe", write_lab(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout and "{{7*7}}" in done.stdout
    assert sum(line.strip().startswith("10  ") for line in done.stdout.splitlines()) == len(NAMES)
