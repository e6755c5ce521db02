"""The long trials of reliability: real trainings killed, stopped and starved of space. `make soak`; prints a table.

    python -m tests.faults.soak --kills 300 --trainings 10 --seed 0

What needs root (a file system of its own that is really full) is tried when there is root, and said when there is not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.command import ROOT

TRAINER = [sys.executable, "-m", "tests.faults.trainer"]
SMALL_SIZES = (24, 48, 64, 96, 112, 128, 160)
"""KiB of the file systems that are too small: the whole folder of the toy network takes 130 KiB."""

Row = tuple[str, int, int, int]
"""What was tried: faults, survived, lost."""


def main() -> None:
    """Print the table; exit code 1 when anything was lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--trainings", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    rng, started = random.Random(chosen.seed), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [*toy_rows(chosen.kills, chosen.seed)]
        expected = finished(folder / "whole")
        rows.append(training_row("SIGKILL in a real training", chosen.trainings, expected, folder / "k", rng, -9))
        rows.append(training_row("SIGTERM in a real training", 3, expected, folder / "t", rng, 143))
        rows.append(training_row("Ctrl-C in a real training", 3, expected, folder / "c", rng, 130))
        rows.append(limit_row(expected, folder))
        if os.geteuid() == 0:
            rows.append(full_row(expected, folder))
        else:
            print("not root: no file system that is really full was tried", file=sys.stderr)
    print("| fault | tried | survived | lost |\n|---|---|---|---|")
    for what, tried, survived, lost in rows:
        print(f"| {what} | {tried} | {survived} | {lost} |")
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    sys.exit(any(row[3] for row in rows))


def toy_rows(kills: int, seed: int) -> Iterator[Row]:
    """The lab in small, on the disk of the temporary folder."""
    command = [sys.executable, "-m", "tests.faults.kills", "--random", str(kills), "--pairs", "20", "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=ROOT)
    if not done.stdout:
        raise RuntimeError(done.stderr)
    figures = json.loads(done.stdout)
    for one in figures["lost"]:
        print(one, file=sys.stderr)
    for what, beginning in (("random kills", "random"), ("kills before a step of a first start", "kill before step")):
        yield row(f"toy lab: {what}", figures[what], figures["lost"], beginning)
    yield row(
        "toy lab: kills before a step of a second start", figures["kills before a step of a second start"], [], ""
    )
    yield row("toy lab: two processes and a reader at once", 20, figures["lost"], "pair")


def row(what: str, tried: int, lost: list[str], beginning: str) -> Row:
    failed = len({one.split(":")[0] for one in lost if one.startswith(beginning)}) if beginning else 0
    return what, tried, tried - failed, failed


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def trainer(runs: Path, *options: str, limit: int | None = None) -> subprocess.Popen[str]:
    """Start a real training; `limit` is the size in bytes of the largest file that it may write."""

    def limited() -> None:
        import resource

        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [*TRAINER, str(runs), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env=environment(), preexec_fn=limited,
    )  # fmt: skip


def finished(runs: Path) -> str:
    """The result's hash of a training that is let be."""
    out, err = trainer(runs).communicate()
    lines = [line for line in out.splitlines() if line.startswith("result")]
    if len(lines) != 1:
        raise RuntimeError(out + err)
    return lines[0]


def training_row(what: str, count: int, expected: str, folder: Path, rng: random.Random, code: int) -> Row:
    """Stop a training at a random moment, `count` times, each time from nothing, and let it go on."""
    number = {-9: signal.SIGKILL, 143: signal.SIGTERM, 130: signal.SIGINT}[code]
    lost = 0
    for trial in range(count):
        runs = folder.with_name(f"{folder.name}-{trial}")
        process = trainer(runs)
        assert process.stdout is not None
        while "begins" not in (line := process.stdout.readline()) and line:
            pass
        time.sleep(rng.uniform(0, 1.2))  # of the 1.5 seconds that it takes at least
        process.send_signal(number)
        _, err = process.communicate()
        told = code == -9 or "goes on where it stopped" in err
        kept = process.returncode == code and told and finished(runs) == expected
        if not kept:
            print(f"{what} {trial}: exit code {process.returncode}, {err[-2000:]}", file=sys.stderr)
        lost += not kept
    return what, count, count - lost, lost


def limit_row(expected: str, folder: Path) -> Row:
    """Let no file grow beyond a size: every write beyond it fails in the kernel, HDF5's too."""
    sizes = (1_000, 10_000, 20_000)
    lost = sum(not starved(trainer(folder / f"l-{size}", limit=size), folder / f"l-{size}", expected) for size in sizes)
    return "no file larger than 1 to 20 kB", len(sizes), len(sizes) - lost, lost


def full_row(expected: str, folder: Path) -> Row:
    """A real file system that is full sooner or later, then enlarged."""
    lost, tried = 0, 0
    for size in SMALL_SIZES:
        runs = folder / f"full-{size}"
        runs.mkdir()
        with mounted(runs, size) as enlarge:
            process = trainer(runs / "runs")
            tried += 1
            lost += not starved(process, runs / "runs", expected, enlarge)
    return "a full disk (tmpfs of 24 to 160 KiB)", tried, tried - lost, lost


def starved(
    process: subprocess.Popen[str], runs: Path, expected: str, enlarge: Callable[[], None] | None = None
) -> bool:
    """Whether a training without space says so, in a message, and goes on to the same result once there is some."""
    out, err = process.communicate()
    sound = process.returncode == 0 or (
        process.returncode == 2 and "cannot be written" in err and "Traceback" not in err and "try: free" in err
    )
    if enlarge is not None:
        enlarge()
    if not sound or finished(runs) != expected:
        print(f"{runs.name}: exit code {process.returncode}: {out[-300:]} {err[-2000:]}", file=sys.stderr)
        return False
    left = [
        path for path in runs.rglob("*") if path.name.endswith((".part", ".doomed")) or path.name.startswith("epoch-")
    ]
    return not left


@contextmanager
def mounted(folder: Path, kib: int) -> Iterator[Callable[[], None]]:
    """A file system in memory of some KiB at `folder`; what is yielded makes it large enough."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", str(folder)], check=True)
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=50m", str(folder)], check=True) and None
    finally:
        subprocess.run(["umount", str(folder)], check=True)


if __name__ == "__main__":
    main()
