"""Runs the command line as its users do: another process, another folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
BLOCKED = "import sys\nfor name in ('tensorflow', 'keras'):\n    sys.modules[name] = None\n"


def cnnlab(*arguments: str, cwd: Path, block: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `cnnlab` in `cwd`; `block` makes TensorFlow and Keras unimportable."""
    code = (BLOCKED if block else "") + "from cnnlab.app.cli import main\nmain()\n"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CNNLAB_DATA": str(cwd / "data"), **variables}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=900
    )


@contextmanager
def served(lab: str, out: Path, *, cwd: Path, block: bool = False) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`cnnlab preview` of a lab, while it runs, and its address; `block` as above."""
    code = (BLOCKED if block else "") + "from cnnlab.app.cli import main\nmain()\n"
    command = [sys.executable, "-c", code, "preview", lab, "--out", str(out)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=cwd, env=environment, **pipes) as process:
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
