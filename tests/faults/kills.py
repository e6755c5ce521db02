"""Kills starts of the toy lab at random moments, at every step in turn, and two at a time; prints what came of it.

    python -m tests.faults.kills --random 50 --pairs 20 --seed 0

Children are forked, from a process that has no other threads.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

from tests.faults import toy
from tests.faults.steps import Steps, kill

KILLED, DONE = -signal.SIGKILL, 0


def child(work: Callable[[], object]) -> int:
    """Start `work` in a forked process; its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(pid: int) -> int:
    """Wait for a child: its exit code, negative the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Trial:
    """Faults against a folder that starts as a copy of `prepared`, and what was found."""

    def __init__(self, expected: dict[str, str], folder: Path) -> None:
        self.expected, self.folder = expected, folder
        self.lost: list[str] = []

    def check(self, root: Path, what: str) -> None:
        """What a reader sees after the fault, and what the next start makes of it."""
        found = [f"a reader finds {one}" for one in toy.faults(root)]
        told: list[str] = []
        toy.live(root, told.append)
        found += [] if toy.result(root) == self.expected else ["another result than without the fault"]
        found += [f"left behind {one}" for one in toy.leftovers(root)]
        self.lost += [f"{what}: {one}" for one in (*found, *(one for one in told if "damaged" in one))]
        shutil.rmtree(root)


def at_random(trial: Trial, number: int, rng: random.Random) -> int:
    """Kill `number` starts anywhere between their beginning and their end; how many were killed before it."""
    started = time.perf_counter()
    ended(child(lambda: toy.live(trial.folder / "timed")))
    whole, killed = time.perf_counter() - started, 0
    for one in range(number):
        root = trial.folder / f"random-{one}"
        pid = child(partial(toy.live, root))
        time.sleep(rng.uniform(0, whole))
        os.kill(pid, signal.SIGKILL)
        killed += ended(pid) == KILLED
        trial.check(root, f"random kill {one}")
    return killed


def at_every_step(trial: Trial, prepared: Path | None) -> int:
    """Kill a start before its first step, its second, and so on to the last; how many steps there were.

    Args:
        prepared: what the start finds; None: an empty folder.
    """

    def live(root: Path, step: int) -> None:
        with Steps(step, kill).counted():
            toy.live(root)

    for step in count(1):
        root = trial.folder / f"step-{step}"
        if prepared is not None:
            shutil.copytree(prepared, root)
        code = ended(child(partial(live, root, step)))
        trial.check(root, f"kill before step {step}")
        if code != KILLED:
            return step - 1
    raise AssertionError


def in_pairs(trial: Trial, number: int) -> int:
    """Start two at once, `number` times, while a third process reads; how many trainings there were in all."""
    trainings = 0

    def trained(log: Path, run_id: str) -> None:
        with log.open("a") as handle:
            handle.write(run_id + "\n")

    for pair in range(number):
        root, log = trial.folder / f"pair-{pair}", trial.folder / f"pair-{pair}.log"
        log.touch()
        both = [child(partial(toy.live, root, trained=partial(trained, log))) for _ in range(2)]
        reader = child(partial(watch, root))
        if [ended(pid) for pid in both] != [DONE, DONE]:
            trial.lost.append(f"pair {pair}: a process failed")
        os.kill(reader, signal.SIGTERM)
        if ended(reader) != -signal.SIGTERM:
            trial.lost.append(f"pair {pair}: a reader saw what is not whole")
        runs = log.read_text().split()
        if sorted(runs) != sorted(toy.RUNS):
            trial.lost.append(f"pair {pair}: trained {runs}")
        trainings += len(runs)
        trial.check(root, f"pair {pair}")
    return trainings


def watch(root: Path) -> None:
    """Read over and over until terminated; ends by itself only when something is not whole."""
    while not (root / "labs" / "toy.json").exists():
        for run_id in toy.RUNS:
            if toy.RunStore(root).has("run", run_id) and toy.RunStore(root).damage("run", run_id):
                return
    while not toy.faults(root):
        pass


def main() -> None:
    """Print the figures as JSON; exit code 1 when anything was lost."""
    parser = argparse.ArgumentParser()
    for name, usual in (("--random", 50), ("--pairs", 20), ("--seed", 0)):
        parser.add_argument(name, type=int, default=usual)
    parser.add_argument("--folder", type=Path, help="of the trials; /dev/shm is fast, a disk is what counts")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as made:
        folder = Path(made)
        toy.live(folder / "whole")
        trial = Trial(toy.result(folder / "whole"), folder)
        figures = {
            "random kills": at_random(trial, chosen.random, random.Random(chosen.seed)),
            "kills before a step of a first start": at_every_step(trial, None),
            "kills before a step of a second start": at_every_step(trial, folder / "whole"),
            "trainings of two processes at once": in_pairs(trial, chosen.pairs),
            "lost": trial.lost,
        }
    print(json.dumps(figures))
    sys.exit(1 if trial.lost else 0)


if __name__ == "__main__":
    main()
