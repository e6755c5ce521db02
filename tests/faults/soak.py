"""The long trials of reliability: real trainings killed, stopped and starved of space. `make soak`; prints a table.

    python -m tests.faults.soak --kills 300 --trainings 10 --seed 0

What needs root (a file system of its own that is really full) is tried when there is root, and said when there is not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.command import ROOT

TRAINER = [sys.executable, "-m", "tests.faults.trainer"]
SMALL_SIZES = (24, 48, 64, 96, 112, 128, 160)
"""KiB of the file systems that are too small: the whole folder of the toy network takes 130 KiB."""

LIMITS = (1_000, 10_000, 20_000)
"""Bytes beyond which no file may grow: every write beyond them fails in the kernel, HDF5's too."""

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}

Row = tuple[str, int, int]
"""What was tried: faults, lost."""


def main() -> None:
    """Print the table; exit code 1 when anything was lost."""
    parser = argparse.ArgumentParser()
    for name, usual in (("--kills", 300), ("--trainings", 10), ("--seed", 0)):
        parser.add_argument(name, type=int, default=usual)
    chosen = parser.parse_args()
    rng, started = random.Random(chosen.seed), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [*toy_rows(chosen.kills, chosen.seed)]
        expected = finished(folder / "whole")
        rows.append(training_row("SIGKILL in a real training", chosen.trainings, expected, folder / "k", rng, -9))
        rows.append(training_row("SIGTERM in a real training", 3, expected, folder / "t", rng, 143))
        rows.append(training_row("Ctrl-C in a real training", 3, expected, folder / "c", rng, 130))
        lost = sum(not starved(folder / f"l-{size}", expected, limit=size) for size in LIMITS)
        rows.append(("no file larger than 1 to 20 kB", len(LIMITS), lost))
        if os.geteuid() == 0:
            lost = sum(not filled(folder / f"full-{size}", expected, size) for size in SMALL_SIZES)
            rows.append(("a full disk (tmpfs of 24 to 160 KiB)", len(SMALL_SIZES), lost))
        else:
            print("not root: no file system that is really full was tried", file=sys.stderr)
    print("| fault | tried | survived | lost |\n|---|---|---|---|")
    for what, tried, lost in rows:
        print(f"| {what} | {tried} | {tried - lost} | {lost} |")
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    sys.exit(any(row[2] for row in rows))


def toy_rows(kills: int, seed: int) -> Iterator[Row]:
    """The lab in small, on the disk of the temporary folder."""
    command = [sys.executable, "-m", "tests.faults.kills", "--random", str(kills), "--pairs", "20", "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, cwd=ROOT)
    if not done.stdout:
        raise RuntimeError(done.stderr)
    figures = json.loads(done.stdout)
    print(*figures["lost"], sep="\n", file=sys.stderr)
    figures["two processes and a reader at once"] = 20
    for what, beginning in (
        ("random kills", "random"),
        ("kills before a step of a first start", "kill before step"),  # a loss of either start is counted here
        ("kills before a step of a second start", "-"),
        ("two processes and a reader at once", "pair"),
    ):
        lost = {one.split(":")[0] for one in figures["lost"] if one.startswith(beginning)}
        yield f"toy lab: {what}", figures[what], len(lost)


def trainer(runs: Path, *options: str, limit: int | None = None) -> subprocess.Popen[str]:
    """Start a real training; `limit` is the size in bytes of the largest file that it may write."""

    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [*TRAINER, str(runs), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env=ENVIRONMENT, preexec_fn=limited,
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
        if process.returncode != code or not told or finished(runs) != expected:
            print(f"{what} {trial}: exit code {process.returncode}, {err[-2000:]}", file=sys.stderr)
            lost += 1
    return what, count, lost


def filled(folder: Path, expected: str, kib: int) -> bool:
    """Whether a training survives a file system in memory of some KiB, which is full sooner or later, then enlarged."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", str(folder)], check=True)
    try:
        enlarge = ["mount", "-o", "remount,size=50m", str(folder)]
        return starved(folder / "runs", expected, lambda: subprocess.run(enlarge, check=True))
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def starved(
    runs: Path, expected: str, enlarge: Callable[[], object] = lambda: None, *, limit: int | None = None
) -> bool:
    """Whether a training without space says so, in a message, and goes on to the same result once there is some."""
    process = trainer(runs, limit=limit)
    out, err = process.communicate()
    enlarge()
    told = "cannot be written" in err and "Traceback" not in err and "try: free" in err
    if (process.returncode == 0 or (process.returncode == 2 and told)) and finished(runs) == expected:
        left = [path.name for path in runs.rglob("*")]
        return not any(name.endswith((".part", ".doomed")) or name.startswith("epoch-") for name in left)
    print(f"{runs.name}: exit code {process.returncode}: {out[-300:]} {err[-2000:]}", file=sys.stderr)
    return False


if __name__ == "__main__":
    main()
