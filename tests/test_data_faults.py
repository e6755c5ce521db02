"""Faults planted in a data set of a thousand photographs, each found and named before anything is trained."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.command import ROOT, cnnlab
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


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 files in four classes: 987 good pictures, 3 corrupt ones, 5 exact and 5 recompressed copies."""
    folder = tmp_path_factory.mktemp("faults")
    root = folder / "photos"
    for index in range(987):
        path = root / f"class{index % 4}" / f"{index:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        scene(index).save(path, quality=92)
    whole = (root / "class0" / "0000.jpg").read_bytes()
    (root / "class0" / "cut.jpg").write_bytes(whole[: len(whole) * 8 // 10])
    (root / "class1" / "text.jpg").write_bytes(b"<html>not found</html>")
    (root / "class2" / "empty.jpg").write_bytes(b"")
    for index in range(5):
        original = root / f"class{index % 4}" / f"{index:04}.jpg"
        (root / f"class{index % 4}" / f"copy{index}.jpg").write_bytes(original.read_bytes())
    for index in range(5, 10):
        original = Image.open(root / f"class{index % 4}" / f"{index:04}.jpg")
        recompressed(original, 80).save(root / f"class{index % 4}" / f"again{index}.jpg", quality=85)
    (root / "outside").symlink_to("/")
    (root / "class3" / "passwd.jpg").symlink_to("/etc/passwd")
    return folder


def checked(folder: Path, lab: str) -> tuple[int, dict[str, dict[str, object]]]:
    done = cnnlab("data", "check", lab, "--json", cwd=folder)
    assert "Traceback" not in done.stderr
    (only,) = json.loads(done.stdout)
    return done.returncode, {finding["kind"]: finding for finding in only["findings"]}


def numbers(pair: str) -> int:
    """The number that both names of a pair, such as "class1/copy1.jpg = class1/0001.jpg", bear."""
    one, other = (int("".join(c for c in Path(part).stem if c.isdigit())) for part in pair.split(" = "))
    assert one == other, pair
    return one


def test_planted_faults_are_found_and_named(thousand: Path) -> None:
    code, found = checked(thousand, write_lab(thousand))
    assert code == 3
    assert (found["undecodable"]["count"], sorted(found["undecodable"]["sources"])) == (  # type: ignore[call-overload]
        3,
        ["class0/cut.jpg", "class1/text.jpg", "class2/empty.jpg"],
    )
    assert found["duplicate"]["count"] == 5 and found["near-duplicate"]["count"] == 5
    assert sorted(numbers(pair) for pair in found["duplicate"]["sources"]) == [0, 1, 2, 3, 4]  # type: ignore[attr-defined]
    assert sorted(numbers(pair) for pair in found["near-duplicate"]["sources"]) == [5, 6, 7, 8, 9]  # type: ignore[attr-defined]
    assert found["link"]["count"] == 2 and sorted(found["link"]["sources"]) == ["class3/passwd.jpg", "outside"]  # type: ignore[call-overload]
    leak = found["leak"]
    assert leak["severity"] == "warning" and 1 <= leak["count"] <= 10  # type: ignore[operator]
    for pair in leak["sources"]:  # type: ignore[attr-defined]
        assert numbers(pair) < 10


def test_leaks_can_be_left_out(thousand: Path) -> None:
    kept = checked(thousand, write_lab(thousand))[1]["leak"]
    without = checked(thousand, write_lab(thousand, more=', leaks = "exclude"'))[1]["leak"]
    assert without["severity"] == "info" and without["count"] == kept["count"]
    done = cnnlab("data", "describe", "lab.toml", "--json", cwd=thousand)
    (only,) = json.loads(done.stdout)
    assert done.returncode == 0 and only["images"] == 997
    assert sum(only["splits"].values()) == 997 - kept["count"]  # type: ignore[operator]
    assert only["mean"] == 997 / 4 and [one["name"] for one in only["classes"]] == [f"class{i}" for i in range(4)]


def test_an_empty_class_is_named(thousand: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("class0", "class1"):
        (tmp_path / "photos" / name).mkdir()
        for path in sorted((thousand / "photos" / name).glob("0*.jpg"))[:4]:
            (tmp_path / "photos" / name / path.name).write_bytes(path.read_bytes())
    (tmp_path / "photos" / "nobody").mkdir()
    done = cnnlab("data", "check", write_lab(tmp_path), cwd=tmp_path)
    assert done.returncode == 2 and "class “nobody”" in done.stderr and "Traceback" not in done.stderr


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
    def __init__(self, *what: object) -> None:
        self.what = what

    def __reduce__(self) -> tuple[object, ...]:
        return self.what


HUGE = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nM\xff\xffM\xff\xff\x86U\x01b\x87."


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Harmful(os.system, ("touch pwned",))),
        pickle.dumps(Harmful(eval, ("open('pwned', 'w')",))),
        pickle.dumps({"image_data": Harmful(np.ones, (1 << 40,)), "class_dict": {}}),
        HUGE,
        b"\x80\x05\x96" + (1 << 34).to_bytes(8, "little") + b"x.",
    ],
    ids=["system", "eval", "ones", "reconstruct", "bytearray"],
)
def test_hostile_pickles_end_in_one_message(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mini-imagenet-cache-train.pkl").write_bytes(content)
    lab = write_lab(tmp_path, reader="mini-imagenet")
    done = cnnlab("data", "check", lab, cwd=tmp_path)
    assert done.returncode == 2 and "mini-imagenet-cache-train.pkl" in done.stderr and "pickle" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "pwned").exists()


NAMES = [
    '"><script>alert(1)</script>',
    "{{7*7}}",
    "{% raw %}",
    "a" * 255,
    "😀",
    "\u202ecba",
    "x..",
    "**b** [x](y)",
    "a\x1b[31m",
]


def test_names_are_data(tmp_path: Path) -> None:
    for position, name in enumerate(NAMES):
        folder = tmp_path / "photos" / name.replace("/", "∕")
        folder.mkdir(parents=True)
        for index in range(10):
            scene(10 * position + index).save(folder / f"{name[:100].replace('/', '∕')}{index}.jpg")
    done = cnnlab("data", "describe", write_lab(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout and "{{7*7}}" in done.stdout
    text = io.StringIO(done.stdout)
    assert sum(line.strip().startswith("10  ") for line in text) == len(NAMES)
