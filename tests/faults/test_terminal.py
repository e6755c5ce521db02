"""Nothing that comes from a file, a name or a lab is a command to the terminal that it is printed on."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from cnnlab.app.options import show
from cnnlab.errors import visible
from tests.command import MAIN, ROOT

OBEYED = ["\x1b[31m", "\x1b]0;title\x07", "\x9b31m", "\r", "\b\b", "\x7f", "\u202e", "\u2066", "\U000e0001", "\ud800"]
LAB = """
[lab]
title = "t"
[datasets.photos]
reader = "folder"
path = "a\\u001b[31m\\u202Eb\\u009B"
[recipes.r]
[[runs]]
dataset = "photos"
networks = ["alexnet"]
recipe = "r"
[report]
part_2_1 = "photos"
"""


def on_a_terminal(*arguments: str, cwd: Path) -> str:
    """What `cnnlab` writes where standard output and error are a terminal."""
    ours, its = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CNNLAB_DATA": str(cwd / "data")}
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *arguments], cwd=cwd, env=environment, stdout=its, stderr=its
    )
    os.close(its)
    written = b""
    with suppress(OSError):  # how Linux says that nobody writes there any more
        while chunk := os.read(ours, 4096):
            written += chunk
    os.close(ours)
    process.wait()
    return written.decode().replace("\r\n", "\n")


def test_what_a_terminal_obeys_is_made_visible_and_escaped_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    for sign in OBEYED:
        assert visible(f"one{sign}two\n\tthree").startswith("one\ufffd")
    value = {"names": OBEYED, "plain": "ñ\n\t😀"}
    show(value, (), as_json=True)
    written = capsys.readouterr().out
    assert json.loads(written) == value
    assert visible(written) == written and "ñ" in written and visible("ñ\n\t😀 §") == "ñ\n\t😀 §"


@pytest.mark.parametrize("arguments", [("list",), ("describe",), ("list", "--json")])
def test_a_path_in_a_lab_does_not_reach_the_terminal(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(LAB)
    written = on_a_terminal("data", arguments[0], "lab.toml", *arguments[1:], cwd=tmp_path)
    assert visible(written) == written
    assert ("\\u001b[31m\\u202eb\\u009b" if "--json" in arguments else "a\ufffd[31m\ufffdb\ufffd") in written


def test_nor_does_a_name_in_a_message(tmp_path: Path) -> None:
    written = on_a_terminal("check", "no\x1b[31m\u202elab.toml", cwd=tmp_path)
    assert "no\ufffd[31m\ufffdlab.toml" in written and "\x1b" not in written
