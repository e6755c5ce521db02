"""How long a run will take, from a few steps that leave no trace, and how many epochs fit into its budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from cnnlab.training.loop import Trainer, inference_batch

_PROBES, _PROBE_SECONDS = 4, 3.0


@dataclass(frozen=True)
class Plan:
    """The course of a run as laid out before it: seconds are wall clock from the start of `train`."""

    epochs_requested: int
    epochs_planned: int
    steps_per_epoch: int
    predicted_seconds: float
    budget_seconds: float | None

    @property
    def shortened(self) -> bool:
        """Whether the budget took epochs away."""
        return self.epochs_planned < self.epochs_requested

    @property
    def fits(self) -> bool:
        """Whether the plan is predicted to stay inside the budget; one epoch is planned even where none fits."""
        return self.budget_seconds is None or self.predicted_seconds <= self.budget_seconds

    def as_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)


class Pace(NamedTuple):
    """Seconds of one epoch, measuring included, and of tracing step and inference."""

    epoch: float
    trace: float


def make_plan(*, epochs: int, steps: int, pace: Pace, fixed_seconds: float, budget_seconds: float | None) -> Plan:
    """The largest number of epochs, at most `epochs` and at least 1, whose predicted time is inside the budget.

    Args:
        fixed_seconds: what is spent whatever the number of epochs.
    """
    planned = epochs
    if budget_seconds is not None and fixed_seconds + epochs * pace.epoch > budget_seconds and epochs > 1:
        room = (budget_seconds - fixed_seconds) / max(pace.epoch, 1e-9)
        planned = int(max(1, min(epochs - 1, room)))
    predicted = fixed_seconds + planned * pace.epoch
    return Plan(epochs, planned, steps, predicted, budget_seconds)


def probe(trainer: Trainer, batch: tuple[np.ndarray, np.ndarray], *, steps: int, measured: int) -> Pace:
    """The predicted pace of epochs of `steps` steps and `measured` images in inference mode.

    The first step and inference trace and are not counted. The trainer is used up.
    """
    started = time.perf_counter()
    kept = trainer.weights()  # in memory meanwhile, as the best epoch's are in a training
    copying = time.perf_counter() - started
    images, labels = batch
    rows = np.arange(min(len(images), inference_batch(images.shape[1]), measured))
    step, first_step = _median_seconds(lambda: trainer.step(images, labels))
    inference, first_inference = _median_seconds(lambda: trainer.predict(images, rows))
    del kept
    traces = max(0.0, first_step - step) + max(0.0, first_inference - inference)
    return Pace(step * steps + inference * measured / len(rows) + copying, traces)


def _median_seconds(work: Callable[[], Any]) -> tuple[float, float]:
    """Median seconds of a few calls after the first, and those of the first."""
    started = time.perf_counter()
    work()
    first = time.perf_counter() - started
    times: list[float] = []
    while len(times) < _PROBES and (len(times) < 2 or sum(times) < _PROBE_SECONDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return float(np.median(times)), first
