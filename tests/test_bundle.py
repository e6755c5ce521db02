"""The bundle: the same bytes each time, nothing in it that gives its author away, and a notebook that runs from it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import nbformat
import pytest

from cnnlab.app.bundle import WEIGHTS, write_bundle
from cnnlab.errors import LabError, StoreError
from cnnlab.lab import Lab, load_lab
from cnnlab.store.store import RunStore
from report.notebook.code import SETUP
from tests.command import ROOT, cnnlab
from tests.notebook_files import outputs, shortened


@pytest.fixture(scope="module")
def bundle(trained_lab: Path) -> Path:
    """The bundle of the trained lab."""
    result = cnnlab("bundle", "shapes.toml", cwd=trained_lab)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "out/shapes/shapes-bundle.zip\n"
    assert re.search(r"^1\.\d MB, without the trained weights \(\d+ MB\)$", result.stderr, re.MULTILINE)
    return trained_lab / "out/shapes/shapes-bundle.zip"


NOT_INSTALLED = f"""import sys
sys.meta_path = [one for one in sys.meta_path if "editable" not in str(one)]
sys.path = [one for one in sys.path if one != {str(ROOT)!r} and not one.startswith("__editable__")]
"""
"""An interpreter that has the libraries, but not this project."""


def opened(folder: Path) -> tuple[RunStore, Lab, Path]:
    return RunStore(folder / "runs"), load_lab(str(folder / "shapes.toml")), folder / "out/shapes"


def test_it_holds_what_the_notebook_needs_and_no_more(bundle: Path, trained_lab: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        names = archive.namelist()
        readme = archive.read("README.txt").decode()
        assert archive.read("report.ipynb") == (trained_lab / "out/shapes/report.ipynb").read_bytes()
        assert archive.read("runs/labs/shapes.json") == (trained_lab / "runs/labs/shapes.json").read_bytes()
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert names[:3] == ["README.txt", "report.ipynb", "shapes.toml"]
    sources = {"pyproject.toml", "cnnlab/__init__.py", "report/build.py", "templates/report.html.j2"}
    assert sources <= set(names) and not [name for name in names if name.startswith(("labs/", "tests/"))]
    assert names[-1] == "runs/labs/shapes.json" and len(set(names)) == len(names)
    assert not [
        name for name in names if name.endswith((WEIGHTS, ".png", ".jpg", ".pyc")) or ".work" in name or name[0] in "/."
    ]
    assert len(readme.splitlines()) == 5 and "shapes-bundle.zip" in readme and readme.startswith("Formas\n")
    kinds = {name.split("/")[1].partition("-")[0] for name in names if name.startswith("runs/")}
    assert kinds == {"architectures", "baselines", "datasets", "evaluations", "labs", "shapes", "tones"}


def test_the_same_files_give_the_same_bytes_and_weights_are_there_on_request(
    bundle: Path, trained_lab: Path, tmp_path: Path
) -> None:
    store, lab, out = opened(trained_lab)
    shutil.copy(out / "report.ipynb", tmp_path)
    again = write_bundle(store, lab, tmp_path)
    assert again.path.read_bytes() == bundle.read_bytes() and again.size == bundle.stat().st_size
    whole = write_bundle(store, lab, tmp_path, weights=True)
    with zipfile.ZipFile(whole.path) as archive:
        held = sum(entry.file_size for entry in archive.infolist() if entry.filename.endswith(WEIGHTS))
    assert held == whole.weights == again.weights > 100_000
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_damaged_record_and_an_absolute_path_are_refused(bundle: Path, trained_lab: Path, tmp_path: Path) -> None:
    shutil.copytree(trained_lab / "runs", tmp_path / "runs", ignore=shutil.ignore_patterns(".*"))
    store, lab, _ = opened(trained_lab)
    spec = next((tmp_path / "runs").glob("shapes-alexnet-*/history.csv"))
    spec.write_text("epoch\n")
    with pytest.raises(StoreError, match="not what was published"):
        write_bundle(RunStore(tmp_path / "runs"), lab, tmp_path)
    path = tmp_path / "shapes.toml"
    text = (trained_lab / "shapes.toml").read_text()
    path.write_text(text.replace('path = "tones"', 'path = "/home/ana/tones"'))
    with pytest.raises(LabError, match="absolute path") as refused:
        write_bundle(store, load_lab(str(path)), tmp_path)
    assert "datasets.tones.path" in str(refused.value)
    assert list(tmp_path.glob("*.zip")) == []


def test_the_notebook_runs_from_it_in_an_empty_folder_and_shows_the_same(bundle: Path, tmp_path: Path) -> None:
    """About half a minute: another process with the code that the bundle holds, which builds the trained networks."""
    work = tmp_path / "deep" / "down" / "work"
    work.mkdir(parents=True)
    with zipfile.ZipFile(bundle) as archive:
        before = json.loads(archive.read("report.ipynb"))
    shutil.copy(bundle, work)
    book = shortened(before)
    nbformat.write(nbformat.from_dict(book), tmp_path / "book.ipynb")
    code = (
        "import nbformat, sys\nfrom nbclient import NotebookClient\n"
        "book = nbformat.read(sys.argv[1], as_version=4)\n"
        "NotebookClient(book, timeout=300, kernel_name='python3', record_timing=False, coalesce_streams=True).execute()\n"
        "nbformat.write(book, sys.argv[1])\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CNNLAB")}
    without = tmp_path / "without"
    without.mkdir()
    (without / "sitecustomize.py").write_text(NOT_INSTALLED)
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "book.ipynb")],
        cwd=work, env=environment | {"PYTHONPATH": str(without)}, check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    assert outputs(json.loads((tmp_path / "book.ipynb").read_text())) == outputs(shortened(before, cleared=False))
    assert (work / "runs/labs/shapes.json").is_file() and (work / "cnnlab/app/cli.py").is_file()


def setup(folder: str = "runs") -> str:
    return SETUP.format(bundle='"a-bundle.zip"', runs=f'"{folder}"', lock='"labs/a.json"')


def test_unpacking_writes_nothing_outside_and_over_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "mine.txt").write_text("mine")
    with zipfile.ZipFile(work / "a-bundle.zip", "w") as archive:
        for name in ("../evil.txt", "../../evil.txt", str(tmp_path / "absolute.txt"), "mine.txt", "runs/labs/a.json"):
            archive.writestr(name, "theirs")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, str(tmp_path))
    monkeypatch.chdir(work)
    monkeypatch.delenv("CNNLAB_RUNS", raising=False)
    exec(setup(), {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["work"]
    assert (work / "mine.txt").read_text() == "mine" and (work / "runs/labs/a.json").read_text() == "theirs"
    assert not (work / "link").is_symlink()
    assert capsys.readouterr().out == f"cnnlab {metadata.version('cnnlab')}\n"


def test_where_everything_is_here_nothing_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere/labs").mkdir(parents=True)
    (tmp_path / "elsewhere/labs/a.json").write_text("{}")
    (tmp_path / "a-bundle.zip").write_text("not even a zip")
    monkeypatch.chdir(tmp_path)
    exec(setup("elsewhere"), {})
    monkeypatch.setenv("CNNLAB_RUNS", str(tmp_path / "elsewhere"))
    exec(setup(), {})
    monkeypatch.delenv("CNNLAB_RUNS")
    with pytest.raises(zipfile.BadZipFile):
        exec(setup(), {})


def test_only_libraries_that_are_missing_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: calls.append(command))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cnnlab").mkdir()
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["numpy>=9000", "imagehash", "fontpkg-source-sans-3>=1", "no-such-library-here[woff]>=1,<2"]\n'
    )
    exec(setup(), {})
    assert calls == [[sys.executable, "-m", "pip", "install", "-q", "no-such-library-here[woff]>=1,<2"]]
    assert "installing 1 libraries" in capsys.readouterr().out


def test_where_there_are_no_sources_it_says_so(
    trained_lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnnlab.app.bundle.in_checkout", lambda: False)
    store, lab, _ = opened(trained_lab)
    with pytest.raises(StoreError, match="does not run from its sources"):
        write_bundle(store, lab, tmp_path)
