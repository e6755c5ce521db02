"""A machine that lacks what others have: the PDF is laid out all the same, and `cnnlab doctor` says so by laying out a page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest

from cnnlab.paths import cache_dir
from report.figures.fonts import font_faces
from report.notebook.kernel import execute
from tests.command import ROOT

NO_SUBSET = """
import cffi
real = cffi.FFI.dlopen
def dlopen(self, name, flags=0):
    if name and "harfbuzz-subset" in name:
        raise OSError(name)
    return real(self, name, flags)
cffi.FFI.dlopen = dlopen
"""
NO_PANGO = "import ctypes\ndef CDLL(*_): raise OSError\nctypes.CDLL = CDLL\n"
UNWRITABLE = "/dev/null/home"
"""A folder that not even root can make."""

LACKS = {
    "HarfBuzz-Subset": (0, "ready", "HarfBuzz-Subset"),
    "fonts": (0, "ready", "said nothing"),
    "a home that can be written": (0, "ready", "said nothing"),
    "a home": (0, "ready", "said nothing"),
    "Pango": (4, "the system lacks", "said nothing"),
}


@pytest.mark.parametrize("lacking", LACKS)
def test_the_doctor_lays_out_a_page(tmp_path: Path, lacking: str) -> None:
    (tmp_path / "fonts.conf").write_text("<fontconfig></fontconfig>")
    (tmp_path / "sitecustomize.py").write_text({"HarfBuzz-Subset": NO_SUBSET, "Pango": NO_PANGO}.get(lacking, ""))
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    match lacking:
        case "fonts":
            environment["FONTCONFIG_FILE"] = str(tmp_path / "fonts.conf")
        case "a home that can be written":
            environment |= {"HOME": UNWRITABLE}
        case "a home":
            del environment["HOME"]
    command = [sys.executable, "-m", "cnnlab", "doctor", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    code, pdf, said = LACKS[lacking]
    facts = json.loads(done.stdout)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert pdf in facts["pdf"] and said in str(facts["weasyprint"])


def test_neither_kernel_nor_cache_needs_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", UNWRITABLE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    cache_dir.cache_clear()
    font_faces.cache_clear()
    assert "font/woff2" in font_faces("screen")
    assert os.access(cache_dir(), os.W_OK) and str(cache_dir()).startswith(tempfile.gettempdir())
    cache_dir.cache_clear()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(1)")])
    execute(notebook, tmp_path)
    assert notebook.cells[0].outputs[0].text == "1\n"
