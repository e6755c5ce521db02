"""The report rebuilt by cnnlab beside `jupyter nbconvert --execute` of the equivalent notebook, from the same cached runs.

    pip install -e '.[benchmark]'        (nbconvert)
    cnnlab run demo
    python benchmarks/report.py [LAB] [--runs runs] [--rounds 3] [--wrapper 'taskset -c 0,1']

The lab's report is built once, notebook and all, into a folder that is thrown away; then every contender is a command from
the shell's prompt, in a process of its own, with warm files. Rounds go through all contenders in turn, every other one
backwards, so that a slow minute of the machine falls on all. `nbconvert` has no PDF without a browser or TeX: its HTML is
printed by WeasyPrint, as cnnlab's PDF is. Before "something changed" the note of the last build is taken away: every file
is made again, with the drawings of before; "anew" draws and executes everything again (`--force`).
"""

from __future__ import annotations

import argparse
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

HTML = "nbconvert --execute, HTML"
PDF = "nbconvert --execute, HTML and PDF (WeasyPrint)"


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
        "cnnlab, nothing changed": (lambda: _run(report("html,pdf")), [report("html,pdf")]),
        "cnnlab, something changed, HTML": (forget, [report("html")]),
        "cnnlab, something changed, HTML and PDF": (forget, [report("html,pdf")]),
        "cnnlab, anew, HTML, PDF and notebook": (nothing, [report("html,pdf,ipynb", "--force")]),
        HTML: (nothing, [convert]),
        PDF: (nothing, [convert, [sys.executable, "-m", "weasyprint", str(page), str(page.with_suffix(".pdf"))]]),
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


def measured(commands: dict[str, Command], rounds: int, wrapper: Sequence[str]) -> dict[str, list[float]]:
    """Seconds of each round by contender."""
    found: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds):
        for name in list(commands) if number % 2 == 0 else reversed(commands):
            found[name].append(seconds(commands[name], wrapper))
    return found


def lines(found: dict[str, list[float]]) -> list[str]:
    """A row a contender: median and range of the seconds, and how many times as long nbconvert takes, by rounds."""
    rows = []
    for name, times in found.items():
        ratios = [median(b / a for a, b in zip(times, found[rival], strict=True)) for rival in (HTML, PDF)]
        own = name in (HTML, PDF)
        shown = ["", ""] if own else [f"{ratio:.1f}" for ratio in ratios]
        rows.append(f"| {name} | {median(times):.2f} s ({min(times):.2f}-{max(times):.2f}) | {' | '.join(shown)} |")
    return rows


def main() -> None:
    """Print a table of seconds and ratios, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lab", nargs="?", default="demo")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wrapper", default="", help="a command that runs every timed one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder).resolve()
        where = ["--runs", str(arguments.runs.resolve()), "--out", str(work)]
        _run([sys.executable, "-m", "cnnlab", "report", arguments.lab, *where])
        commands = contenders(arguments.lab, arguments.runs.resolve(), work)
        print("\n".join(lines(measured(commands, arguments.rounds, shlex.split(arguments.wrapper)))))


if __name__ == "__main__":
    main()
