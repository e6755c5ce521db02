"""The Makefile on machines that lack something, with an interpreter that only notes what it is asked."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.command import ROOT

FAKE = """#!/bin/sh
echo "$*" >>asked
case "$*" in
  *version_info*) [ -z "$OTHER_VERSION" ] ;;
  *ensurepip*) [ -z "$NO_VENV" ] ;;
  "-m venv"*) rm -rf .venv; mkdir -p .venv/bin .venv/lib/python3/site-packages; cp "$0" .venv/bin/python; [ -z "$VENV_FAILS" ] || { rm -r .venv/bin; exit 1; } ;;
  "-m pip"*) [ -z "$CUT_SHORT" ] || touch -t 203001010000 .venv/lib/python3/site-packages
             [ -z "$PIP_FAILS" ] || { echo "No space left on device" >&2; exit 1; } ;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone in a folder with a space and an accent, and a PATH without any Python."""
    folder = tmp_path / "año nuevo"
    (folder / "bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    for tool in ("make", "mkdir", "cp", "rm", "touch", "find", "grep"):
        (folder / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return folder


def make(clone: Path, *arguments: str, **variables: str) -> tuple[int, str, list[str]]:
    """Exit code, what was printed, and what the interpreters were asked for besides their version."""
    (clone / "asked").unlink(missing_ok=True)
    ran = subprocess.run(
        ["make", *arguments], cwd=clone, env={"PATH": str(clone / "bin"), **variables}, capture_output=True, text=True
    )
    asked = (clone / "asked").read_text().splitlines() if (clone / "asked").exists() else []
    return ran.returncode, ran.stdout + ran.stderr, [line for line in asked if line.startswith("-m")]


def python(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FAKE)
    path.chmod(0o755)


VENV = "-m venv --clear .venv"
INSTALL = "-m pip install --no-compile --quiet --disable-pip-version-check -c constraints.txt --editable"


def test_the_first_call_installs_and_the_second_does_not(clone: Path) -> None:
    python(clone / "bin" / "python3.12")
    assert make(clone)[2] == [VENV, f"{INSTALL} .", "-m cnnlab run demo"]
    assert make(clone, "rebuild", "LAB=mi lab.toml")[2] == ["-m cnnlab report mi lab.toml"]
    assert make(clone, "test")[2] == [f"{INSTALL} .[dev]", "-m pytest --numprocesses 2 --dist loadfile"]
    assert make(clone, "report", "PROFILE=cpu")[2] == ["-m cnnlab run demo --profile cpu"]


@pytest.mark.parametrize(
    ("installed", "arguments", "variables", "says"),
    [
        ("", [], {}, "needs Python 3.11, 3.12 or 3.13: none is on the PATH. Install one"),
        ("python3", [], {"OTHER_VERSION": "yes"}, "3.13: none is on the PATH. Install one"),
        ("python3.14", ["PYTHON=python3.14"], {"OTHER_VERSION": "yes"}, "3.13: python3.14 is not one of them."),
        ("", ["PYTHON=/no/python"], {}, "/no/python is not one of them."),
        ("python3", [], {"NO_VENV": "yes"}, "apt-get install python3-venv"),
        ("python3", [], {"VENV_FAILS": "yes"}, "did not finish"),
        ("python3", [], {"PIP_FAILS": "yes"}, "No space left on device\nThe installation did not finish"),
    ],
)
def test_what_is_missing_is_said_and_stops_nothing_later(
    clone: Path, installed: str, arguments: list[str], variables: dict[str, str], says: str
) -> None:
    if installed:
        python(clone / "bin" / installed)
    code, printed, asked = make(clone, *arguments, **variables)
    assert code == 2 and says in printed and "-m cnnlab run demo" not in asked
    python(clone / "bin" / "python3")
    assert make(clone)[2][-2:] == [f"{INSTALL} .", "-m cnnlab run demo"]


@pytest.mark.parametrize(("cut_short", "again"), [("", []), ("yes", [VENV])])
def test_after_a_failed_installation_only_one_that_had_begun_starts_anew(
    clone: Path, cut_short: str, again: list[str]
) -> None:
    python(clone / "bin" / "python3")
    assert make(clone, PIP_FAILS="yes", CUT_SHORT=cut_short)[0] == 2
    assert make(clone)[2] == [*again, f"{INSTALL} .", "-m cnnlab run demo"]


@pytest.mark.parametrize("fails", ["version_info", "import pip"])
def test_an_environment_cut_short_or_of_another_python_is_made_anew(clone: Path, fails: str) -> None:
    python(clone / "bin" / "python3")
    make(clone)
    (clone / ".venv/bin/python").write_text(f'#!/bin/sh\ncase "$*" in *"{fails}"*) exit 1 ;; esac\n')
    assert make(clone)[2] == [VENV, f"{INSTALL} .", "-m cnnlab run demo"]


def test_an_environment_whose_python_is_gone_is_made_anew(clone: Path) -> None:
    python(clone / "bin" / "python3")
    make(clone)
    (clone / ".venv/bin/python").unlink()
    (clone / ".venv/bin/python").symlink_to("/no/python3.12")
    assert make(clone)[2] == [VENV, f"{INSTALL} .", "-m cnnlab run demo"]
