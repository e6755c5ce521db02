"""What is published tells nothing of who made it where: no folder above the project, no user, no host, no environment."""

from __future__ import annotations

import getpass
import re
import shutil
import socket
import zipfile
from pathlib import Path

import pytest
from pypdf import PdfReader

from cnnlab.app.bundle import write_bundle
from cnnlab.app.trainings import published
from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore
from tests.command import cnnlab
from tests.trained_lab import SECRET

PUBLISHED = ("out/shapes/report.html", "out/shapes/report.json", "out/shapes/report.ipynb")


BINARY = (".h5", ".npz")
"""Files in which two letters can stand anywhere."""


def traces(text: str, folder: Path, name: str = "") -> list[str]:
    """What of this machine the text of the file `name` gives away."""
    text = re.sub(r"[A-Za-z0-9+/]{200,}", " ", text)  # pictures and fonts
    user, host = re.escape(getpass.getuser()), re.escape(socket.gethostname())
    patterns = [
        re.escape(str(folder)), re.escape(f"{Path.home()}/"), r"pytest-of-", r"/tmp/", SECRET, rf"/{user}\b", rf"\b{user}@",
    ]  # fmt: skip
    patterns += [] if name.endswith(BINARY) and len(host) < 8 else [rf"\b{host}\b"]
    return [found[0] for pattern in patterns if (found := re.search(pattern, text))]


def texts(folder: Path) -> dict[str, str]:
    """Every published file that holds text, and the text of the PDF."""
    found = {name: (folder / name).read_text(encoding="utf-8") for name in PUBLISHED}
    reader = PdfReader(folder / "out/shapes/report.pdf")
    found["report.pdf"] = "\n".join([*(page.extract_text() for page in reader.pages), str(reader.metadata)])
    for path in sorted((folder / "runs").rglob("*")):
        if path.is_file() and not path.relative_to(folder / "runs").parts[0].startswith("."):
            found[str(path.relative_to(folder))] = path.read_bytes().decode("latin-1")
    return found


def test_records_reports_and_bundle_hold_no_trace_of_where_they_were_made(trained_lab: Path, tmp_path: Path) -> None:
    found = texts(trained_lab)
    assert len([name for name in found if name.startswith("runs/")]) > 30
    shutil.copy(trained_lab / "out/shapes/report.ipynb", tmp_path)
    lab = load_lab(str(trained_lab / "shapes.toml"))
    with zipfile.ZipFile(write_bundle(RunStore(trained_lab / "runs"), lab, tmp_path, weights=True).path) as archive:
        bundled = {name: archive.read(name).decode("latin-1") for name in archive.namelist()}
    assert len(bundled) > 150
    told = {name: traces(text, trained_lab, name) for name, text in [*found.items(), *bundled.items()]}
    assert {name: one for name, one in told.items() if one} == {}
    for planted in (
        f"{trained_lab}/runs",
        f"{Path.home()}/x",
        f"at {socket.gethostname()} now",
        "secret-of-the-environment",
    ):
        assert traces(f"before {planted} after", trained_lab) != [], "the test finds a trace"
    assert traces("the root of the matter, 12 epochs", trained_lab) == []


def test_a_failed_training_is_told_without_folders(trained_lab: Path, tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    shutil.copytree(trained_lab, lab, ignore=shutil.ignore_patterns("out"))
    file = lab / "shapes.toml"
    file.write_text(
        file.read_text().replace("[[runs]]", '[recipes.tuned]\nepochs = 1\nweights = "nowhere/weights.h5"\n[[runs]]', 1)
        + '[[runs]]\ndataset = "tones"\nnetworks = ["resnet50"]\nrecipe = "tuned"\n'
    )
    result = cnnlab("run", "shapes.toml", "--formats", "html", cwd=lab)
    assert result.returncode == 4 and "nowhere/weights.h5" in result.stderr
    lock = (lab / "runs/labs/shapes.json").read_text()
    assert "weight file" in lock
    for text in (lock, *((lab / "out/shapes" / name).read_text() for name in ("report.html", "report.json"))):
        assert traces(text, lab) == []


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ("the weight file cannot be read\n  where: /home/ana/w.h5", "the weight file cannot be read"),
        (
            "failed: OSError: [Errno 2] No such file: '/home/ana/x/y.png'",
            "failed: OSError: [Errno 2] No such file: '…/y.png'",
        ),
        ("failed: ValueError: 3/4 of a/b", "failed: ValueError: 3/4 of a/b"),
        ("failed: X (more in /data/runs/.work/a/train.log)", "failed: X (more in …/train.log)"),
    ],
)
def test_only_the_first_line_of_a_problem_is_published(told: str, left: str) -> None:
    assert published(told) == left
