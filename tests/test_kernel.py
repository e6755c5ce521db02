"""The notebook's kernel: whatever a cell does, it is named, it ends in time, and no process is left."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cnnlab.errors import Incomplete
from report.notebook.kernel import execute
from tests.command import ROOT
from tests.notebook_pages import kernels

LUCK = "secret = 1\nraise ValueError('no such luck')"
CELLS = [
    (LUCK, ["raised an error", "secret = 1", "> 2 raise ValueError('no such luck')", "\n    ValueError: no such luck"]),
    ("import time\nwhile True:\n    time.sleep(60)", ["took longer than 4 s", "> 3     time.sleep(60)"]),
    ("import os\nos._exit(1)", ["ended the kernel", "os._exit(1)", "memory"]),
    ("while True:\n    print('y' * 1000)", ["showed more than 10 MB", "print('y' * 1000)"]),
    ("print('x' * 100_000_000)", ["showed more than 10 MB"]),
    ("nothing = None", ["showed nothing", "nothing = None"]),
]


@pytest.mark.parametrize(("source", "says"), CELLS)
def test_a_cell_that_fails_is_named_and_leaves_no_kernel(tmp_path: Path, source: str, says: list[str]) -> None:
    book = new_notebook(
        cells=[new_markdown_cell("### Activity 3\\: it"), new_code_cell("1 + 1"), new_code_cell(source)]
    )
    with pytest.raises(Incomplete) as failure:
        execute(book, tmp_path, cell_seconds=4 if "took longer than 4 s" in says else 60)
    assert failure.value.exit_code == 4
    for words in [*says, "Activity 3: it, cell 3"]:
        assert words in str(failure.value)
    assert "\x1b" not in str(failure.value)
    assert kernels() == set()


def test_a_cell_that_hears_no_interrupt_is_ended_with_what_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    lines = [
        "import os, pathlib, signal, subprocess, sys",
        "signal.signal(signal.SIGINT, signal.SIG_IGN)",
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])",
        f"pathlib.Path({str(pid)!r}).write_text(f'{{os.getpid()}} {{child.pid}}')",
        "while True: pass",
    ]
    with pytest.raises(Incomplete, match="took longer than 2 s"):
        execute(new_notebook(cells=[new_code_cell("\n".join(lines))]), tmp_path, cell_seconds=2)
    assert [number for number in pid.read_text().split() if is_running(int(number))] == []


def is_running(pid: int) -> bool:
    """Whether there is such a process, ended ones that nobody waited for aside."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("sign", "left"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_however_the_build_is_ended_no_kernel_is_left(tmp_path: Path, sign: signal.Signals, left: int) -> None:
    pid = tmp_path / "pid"
    cell = f"import os, pathlib, time\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\ntime.sleep(60)"
    code = (
        "import signal\nfrom pathlib import Path\nfrom nbformat.v4 import new_code_cell, new_notebook\n"
        "from cnnlab.app.cli import _stop\nfrom report.notebook.kernel import execute\n"
        "signal.signal(signal.SIGINT, _stop)\nsignal.signal(signal.SIGTERM, _stop)\n"
        f"execute(new_notebook(cells=[new_code_cell({cell!r})]), Path({str(tmp_path)!r}))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, cwd=ROOT)
    deadline = time.monotonic() + 60
    while not (pid.exists() and pid.read_text()):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(sign)
    assert "Traceback" not in process.communicate(timeout=60)[1]
    assert process.returncode == left
    while is_running(int(pid.read_text())):  # a kernel whose parent was killed finds out by itself
        assert sign == signal.SIGKILL and time.monotonic() < deadline
        time.sleep(0.1)
