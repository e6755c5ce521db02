"""The bundle: the same bytes each time, nothing in it that gives its author away, and a notebook that runs from it."""

from __future__ import annotations

import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cnnlab.app import bundle_install
from cnnlab.app.bundle import WEIGHTS, write_bundle
from cnnlab.app.wheel import make_wheel
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


def opened(folder: Path) -> tuple[RunStore, Lab, Path]:
    return RunStore(folder / "runs"), load_lab(str(folder / "shapes.toml")), folder / "out/shapes"


def test_it_holds_what_the_notebook_needs_and_no_more(bundle: Path, trained_lab: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        names = archive.namelist()
        readme = archive.read("README.txt").decode()
        assert archive.read("report.ipynb") == (trained_lab / "out/shapes/report.ipynb").read_bytes()
        assert archive.read("runs/labs/shapes.json") == (trained_lab / "runs/labs/shapes.json").read_bytes()
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    version = metadata.version("cnnlab")
    assert names[:5] == [
        "README.txt",
        "install.py",
        f"cnnlab-{version}-py3-none-any.whl",
        "report.ipynb",
        "shapes.toml",
    ]
    assert names[-1] == "runs/labs/shapes.json" and len(set(names)) == len(names)
    assert not [
        name for name in names if name.endswith((WEIGHTS, ".png", ".jpg")) or ".work" in name or name[0] in "/."
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
    """About half a minute: another process with the code of the bundle's own wheel, which builds the trained networks."""
    site, work = tmp_path / "site", tmp_path / "deep" / "down" / "work"
    with zipfile.ZipFile(bundle) as archive:
        wheel = next(name for name in archive.namelist() if name.endswith(".whl"))
        zipfile.ZipFile(io.BytesIO(archive.read(wheel))).extractall(site)
        work.mkdir(parents=True)
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
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "book.ipynb")],
        cwd=work, env=environment | {"PYTHONPATH": str(site)}, check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    assert outputs(json.loads((tmp_path / "book.ipynb").read_text())) == outputs(shortened(before, cleared=False))
    assert (work / "runs/labs/shapes.json").is_file() and (work / "install.py").is_file()


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


def test_it_installs_the_wheel_and_only_libraries_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: calls.append(command))
    needs = ["numpy>=9000", "no-such-library-here[woff]>=1,<2", 'gone>=1; extra == "dev"']
    monkeypatch.setattr(metadata, "requires", lambda name: needs)
    with pytest.raises(SystemExit, match="unpack the bundle"):
        bundle_install.install(tmp_path)
    shutil.copy(bundle_install.__file__, tmp_path / "install.py")
    (tmp_path / "cnnlab-0.1.0-py3-none-any.whl").touch()
    runpy.run_path(str(tmp_path / "install.py"), run_name="__main__")
    wheel = str(tmp_path / "cnnlab-0.1.0-py3-none-any.whl")
    assert [command[6:] for command in calls] == [["--no-deps", wheel], ["no-such-library-here[woff]>=1,<2"]]
    assert all(command[:4] == [sys.executable, "-m", "pip", "install"] for command in calls)
    assert "installing 1 libraries" in capsys.readouterr().out


def test_the_wheel_is_one_that_pip_takes(tmp_path: Path) -> None:
    name, content = make_wheel(load_lab("demo"))
    assert make_wheel(load_lab("demo")) == (name, content)
    (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run(
        [*command, str(tmp_path / "site"), str(tmp_path / name)], check=True, capture_output=True, timeout=60
    )
    site = tmp_path / "site"
    assert (site / "cnnlab/labs/demo.toml").read_bytes() == (ROOT / "labs/demo.toml").read_bytes()
    assert [path.name for path in (site / "cnnlab/labs").iterdir()] == ["demo.toml"]
    assert (site / "cnnlab/templates/report.html.j2").is_file()
    found = metadata.PathDistribution(next(site.glob("cnnlab-*.dist-info")))
    assert found.metadata["Name"] == "cnnlab" and found.metadata["License-File"] == "LICENSE"
    assert any(line.startswith("tensorflow") for line in found.requires or [])
    assert [point.value for point in found.entry_points] == ["cnnlab.app.cli:main"]
    assert found.read_text("direct_url.json") is None or str(ROOT) not in content.decode("latin-1")


def test_without_an_installation_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    with pytest.raises(StoreError, match="cnnlab is not installed"):
        make_wheel(load_lab("demo"))
