"""Two builds from the same runs give the same bytes: in other processes, folders, years, time zones and hash seeds."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from cnnlab.store.store import RunStore
from report import build
from report.document import assembly
from report.notebook import writer as notebook_cells
from tests.command import ROOT
from tests.notebook_pages import drawn, results
from tests.pages import REFERENCES, PlainSection, lab_in, write_lab

ITEMS = ("accuracy-8", "blocks", "confusion-10", "classes-3", "trials-8")
SECTIONS = (
    PlainSection("activity-07", 7, "2_1", "curves", results),
    PlainSection("activity-08", 8, "2_1", "curves", partial(drawn, names=ITEMS)),
)
PROSE = {
    "activity-07": "Accuracy {{ accuracy|interval }} of {{ best.name }}, as {{ cite('he2016') }} has it.\n",
    "activity-08": "It costs {{ price }}, see {{ ref('accuracy-8') }}.\n",
}
OPEN = """\
from cnnlab.notebook import open_lab
from tests.test_reproducible import SECTIONS

lab = open_lab({arguments}, sections=SECTIONS)
lab"""
ELSEWHERE = {"TZ": "Asia/Tokyo", "LC_ALL": "C", "COLUMNS": "40", "SOURCE_DATE_EPOCH": "1", "PYTHONHASHSEED": "7"}


def make(folder: str, out: str, seconds: str) -> None:
    """Build the report of the lab in `folder`, by a clock that is some seconds fast."""
    now = time.time
    time.time = lambda: now() + float(seconds)
    assembly.assemble = partial(assembly.assemble, sections=SECTIONS, references=REFERENCES)
    notebook_cells.OPEN = OPEN
    lab, store = lab_in(Path(folder)), RunStore(Path(folder) / "runs")
    found = build.build_report(store, lab, Path(out), ("html", "pdf", "ipynb"))
    assert found.missing == [], found.missing


def made(folder: Path, out: Path, seconds: float, environment: dict[str, str]) -> dict[str, str]:
    """The sha256 of each file of a build in a process of its own."""
    code = "import sys\nfrom tests.test_reproducible import make\nmake(*sys.argv[1:])"
    subprocess.run(
        [sys.executable, "-c", code, str(folder), str(out), str(seconds)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"} | environment,
        cwd=ROOT,
        check=True,
    )
    files = [path for path in out.rglob("*") if path.is_file() and path.name != ".built.json"]
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], dict[str, str]]:
    """Both builds, each with a kernel of its own: about 15 s."""
    folder = tmp_path_factory.mktemp("reproducible")
    write_lab(folder, prose=PROSE, networks={"clothes": ["alexnet"], "digits": ["alexnet"]})
    here = made(folder, folder / "here" / "demo", 0, {})
    return here, made(folder, folder / "there" / "demo", 3.2e7, ELSEWHERE)


def test_every_file_and_drawing_of_a_report_is_the_same(builds: tuple[dict[str, str], dict[str, str]]) -> None:
    here, there = builds
    reports = {f"report.{kind}" for kind in ("html", "json", "pdf", "ipynb")}
    assert {name for name in here if "/" not in name} == reports
    assert len([name for name in here if name.startswith(".figures/")]) == 10, "five figures, for screen and paper"
    assert here == there
