"""Starts that are killed at any moment, or run two at a time, lose nothing and train nothing twice."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from cnnlab.store.store import RunStore
from tests.command import ROOT
from tests.faults import toy


def test_kills_at_random_and_at_every_step_and_two_at_a_time(quick_path: Path) -> None:
    """50 kills at random moments, one before each step of a first and of a second start, 20 starts of two processes."""
    command = [sys.executable, "-m", "tests.faults.kills", "--random", "50", "--pairs", "20", "--seed", "1"]
    command += ["--folder", str(quick_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT, env=environment)
    assert done.stdout, done.stderr
    figures = json.loads(done.stdout)
    assert figures["lost"] == [], done.stderr
    assert figures["trainings of two processes at once"] == 20 * len(toy.RUNS)
    assert figures["random kills"] > 25 and figures["kills before a step of a first start"] > 150
    assert figures["kills before a step of a second start"] > 40


def _hold(root: Path, held: Any) -> None:
    with RunStore(root).lock(toy.RUNS[0]):
        held.set()
        time.sleep(60)


def test_who_waits_is_told_for_whom_and_goes_on_when_the_holder_is_killed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, held))
    holder.start()
    assert held.wait(30)
    assert RunStore(tmp_path).held(toy.RUNS[0]) and not RunStore(tmp_path).held(toy.RUNS[1])
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        holder.kill()

    toy.live(tmp_path, tell)
    holder.join()
    assert len(told) == 1 and told[0].startswith(f"waiting for process {holder.pid} on ")
    assert not toy.faults(tmp_path) and not RunStore(tmp_path).held(toy.RUNS[0])
