"""Runs the command line as its users do: another process, another folder; or, where that is all the same, in this one."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
MAIN = "from cnnlab.app.cli import main\nmain()\n"
BLOCKED = "import sys\nfor name in ('tensorflow', 'keras'):\n    sys.modules[name] = None\n"

Ran = subprocess.CompletedProcess[str]


def cnnlab(*arguments: str, cwd: Path, block: bool = False, **variables: str) -> Ran:
    """Run `cnnlab` in `cwd`; `block` makes TensorFlow and Keras unimportable."""
    command = [sys.executable, "-c", BLOCKED + MAIN if block else MAIN, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CNNLAB_DATA": str(cwd / "data"), **variables}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=900)


def called(*arguments: str, cwd: Path) -> Ran:
    """What `cnnlab` does in `cwd`, in this process, which saves a second; an exception that is a bug is raised."""
    from cnnlab.app.cli import main

    out, err, argv = io.StringIO(), io.StringIO(), ["cnnlab", *arguments]
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with chdir(cwd), redirect_stdout(out), redirect_stderr(err), mock.patch.object(sys, "argv", argv):
        try:
            main()
        except SystemExit as left:
            return Ran(argv, int(left.code or 0), out.getvalue(), err.getvalue())
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
    raise AssertionError("the command did not exit")


@contextmanager
def served(lab: str, out: Path, *, cwd: Path, block: bool = False) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`cnnlab preview` of a lab, while it runs, and its address; `block` as above."""
    command = [sys.executable, "-c", BLOCKED + MAIN if block else MAIN, "preview", lab, "--out", str(out)]
    environment, pipe = os.environ | {"PYTHONPATH": str(ROOT)}, subprocess.PIPE
    with subprocess.Popen(command, cwd=cwd, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout
        try:
            found = re.fullmatch(r"http://127\.0\.0\.1:\d+/\n", process.stdout.readline())
            assert found, process.communicate()
            yield process, found[0].strip()
        finally:
            process.kill()


def write_images(folder: Path, *, classes: tuple[str, ...] = ("bright", "dark", "halved"), each: int = 20) -> None:
    """Small photographs of classes that any network can tell apart: light, dark, half and half."""
    generator = np.random.default_rng(0)
    for index, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = generator.integers(0, 60, (40, 40, 3)) + (180 if index == 0 else 20)
            if index == 2:
                pixels[:, 20:] += 150
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number:02d}.png")


@cache
def _spanish() -> Catalog:
    with (ROOT / "templates" / "locale" / "es.po").open("rb") as file:
        return read_po(file)


def translated(message: str) -> bool:
    """Whether the Spanish catalogue has words for this message."""
    found = _spanish().get(message)
    return found is not None and bool(found.string)
