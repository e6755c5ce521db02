"""The report rebuilt by cnnlab beside `jupyter nbconvert --execute` of the equivalent notebook, from the same cached runs.

    pip install -e '.[page]'             (nbconvert)
    cnnlab run demo
    python benchmarks/report.py [LAB] [--runs runs] [--rounds 3] [--work FOLDER] [--contenders …]

The lab's report is built once, notebook and all, into a folder that is thrown away; then every contender is a command from
the shell's prompt, in a process of its own, with warm files. Rounds go through all contenders in turn, every other one
backwards, so that a slow minute of the machine falls on all. `nbconvert` has no PDF without a browser or TeX: its HTML is
printed by WeasyPrint, as cnnlab's PDF is. Before "something changed" the note of the last build is taken away: every file
is made again, with the drawings of before; "anew" draws and executes everything again (`--force`).
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

Command = tuple[Callable[[], object], list[list[str]]]
"""What to do before, untimed, and the commands that are timed together."""

CONTENDERS = {
    "unchanged": "cnnlab, nothing changed",
    "html": "cnnlab, something changed, HTML",
    "pdf": "cnnlab, something changed, HTML and PDF",
    "anew": "cnnlab, anew, HTML, PDF and notebook",
    "nbconvert-html": "nbconvert --execute, HTML",
    "nbconvert-pdf": "nbconvert --execute, HTML and PDF (WeasyPrint)",
}
RIVALS = ("nbconvert-html", "nbconvert-pdf")


def contenders(lab: str, runs: Path, work: Path) -> dict[str, Command]:
    """Every contender by name; `work` has the lab's report with its notebook in a folder."""
    folder = next(path.parent for path in work.glob("*/report.ipynb"))

    def report(formats: str, *more: str) -> list[str]:
        where = ["--runs", str(runs), "--out", str(work), "--formats", formats]
        return [sys.executable, "-m", "cnnlab", "report", lab, *where, *more]

    def forget() -> None:
        (folder / ".built.json").unlink(missing_ok=True)

    def nothing() -> None: ...

    convert = [sys.executable, "-m", "nbconvert", "--execute", "--to", "html", "--output-dir", str(work / "nbconvert")]
    convert += ["--output", "page", str(folder / "report.ipynb")]
    page = work / "nbconvert" / "page.html"
    return {
        "unchanged": (lambda: _run(report("html,pdf")), [report("html,pdf")]),
        "html": (forget, [report("html")]),
        "pdf": (forget, [report("html,pdf")]),
        "anew": (nothing, [report("html,pdf,ipynb", "--force")]),
        "nbconvert-html": (nothing, [convert]),
        "nbconvert-pdf": (
            nothing,
            [convert, [sys.executable, "-m", "weasyprint", str(page), str(page.with_suffix(".pdf"))]],
        ),
    }


def seconds(command: Command, wrapper: Sequence[str]) -> float:
    """Wall time of a contender."""
    before, steps = command
    before()
    started = time.perf_counter()
    for step in steps:
        _run([*wrapper, *step])
    return time.perf_counter() - started


def _run(command: Sequence[str]) -> None:
    # As Python is by default: what is compiled once is not compiled again.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{shlex.join(command)} ended with code {done.returncode}:\n{done.stderr}")


def measure(commands: dict[str, Command], found: dict[str, list[float]], rounds: int, wrapper: Sequence[str]) -> None:
    """Add to `found`, seconds by contender, those of some more rounds."""
    for _ in range(rounds):
        backwards = min(len(found.get(name, [])) for name in commands) % 2 == 1
        for name in reversed(commands) if backwards else list(commands):
            found.setdefault(name, []).append(seconds(commands[name], wrapper))


def lines(found: dict[str, list[float]]) -> list[str]:
    """A row a contender: median and range of the seconds, and how many times as long each of nbconvert's takes, by rounds."""
    rows = []
    for name in [one for one in CONTENDERS if one in found]:
        times, rivals = found[name], [found.get(rival, []) for rival in RIVALS]
        ratios = [median(b / a for a, b in zip(times, rival, strict=False)) if rival else None for rival in rivals]
        shown = ["" if name in RIVALS or ratio is None else f"{ratio:.1f}" for ratio in ratios]
        spread = f"{min(times):.2f}-{max(times):.2f}"
        rows.append(f"| {CONTENDERS[name]} | {median(times):.2f} s ({spread}) | {' | '.join(shown)} |")
    return rows


def main() -> None:
    """Print a table of seconds and ratios, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lab", nargs="?", default="demo")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=CONTENDERS)
    parser.add_argument("--wrapper", default="", help="a command that runs every timed one")
    parser.add_argument(
        "--work", type=Path, help="a folder to keep: the next call adds its rounds to those of this one"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = (arguments.work or Path(folder)).resolve()
        where = ["--runs", str(arguments.runs.resolve()), "--out", str(work)]
        _run([sys.executable, "-m", "cnnlab", "report", arguments.lab, *where])
        times = work / "seconds.json"
        found = json.loads(times.read_text()) if times.exists() else {}
        every = contenders(arguments.lab, arguments.runs.resolve(), work)
        commands = {name: every[name] for name in CONTENDERS if name in arguments.contenders}
        measure(commands, found, arguments.rounds, shlex.split(arguments.wrapper))
        times.write_text(json.dumps(found))
        if found:
            print("\n".join(lines(found)))


if __name__ == "__main__":
    main()
