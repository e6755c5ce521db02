"""Trains the toy network for six epochs with flips, crops, dropout and batch norm, until it is done or killed.

    python -m tests.faults.trainer RUNS [--fresh]

Prints a line when training begins, and one after each epoch; in the end the hash of the weights, history and sanity checks.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from training_toys import SPLITS_OF_TOY, TABLE_OF_TOY, build, spec

from cnnlab.app import cli
from cnnlab.errors import CnnlabError
from cnnlab.store.store import RunStore
from cnnlab.training.run import train_model
from tests.faults.test_resume import outcome
from tests.quiet import QuietProgress

WHAT = spec(epochs=6, augmentation=("flip", "crop"))


class Telling(QuietProgress):
    """Prints, and takes some time over each step, so that a kill has something to hit."""

    def begin(self, *arguments: Any, **options: Any) -> None:
        print("begins", flush=True)

    def step(self) -> None:
        time.sleep(0.05)

    def epoch(self, number: int, *measured: float) -> None:
        print("epoch", number, flush=True)

    def message(self, text: str) -> None:
        print(text, flush=True)


def train() -> None:
    """Like a command of cnnlab: by the same handlers and exit codes."""
    store = RunStore(Path(sys.argv[1]))
    store.check_usable()
    options: dict[str, Any] = {"budget_seconds": None, "build": build, "checkpoint_seconds": 0}
    trained = train_model(
        WHAT, TABLE_OF_TOY, SPLITS_OF_TOY, store=store, progress=Telling(), fresh="--fresh" in sys.argv, **options
    )
    trained.release()
    print("result", hashlib.sha256(repr(outcome(trained.record, store)).encode()).hexdigest(), flush=True)


if __name__ == "__main__":
    cli.app = train  # type: ignore[assignment]
    try:
        cli.main()
    except CnnlabError as problem:  # what `main` does not print
        print(problem, file=sys.stderr)
        sys.exit(2)
