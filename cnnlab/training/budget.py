"""How long a run will take, from a few steps that leave no trace, and how many epochs fit into its budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from cnnlab.training.loop import INFERENCE_BATCH, Trainer

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
    """Seconds of one epoch, measuring included, and of tracing the training step."""

    epoch: float
    trace: float


def make_plan(*, epochs: int, steps: int, pace: Pace, fixed_seconds: float, budget_seconds: float | None) -> Plan:
    """The largest number of epochs, at most `epochs` and at least 1, whose predicted time is inside the budget.

    Args:
        pace: from the probe; a shortened run traces its step again, under the new schedule.
        fixed_seconds: what is spent whatever the number of epochs.
    """
    planned = epochs
    if budget_seconds is not None and fixed_seconds + epochs * pace.epoch > budget_seconds and epochs > 1:
        fixed_seconds += pace.trace
        room = (budget_seconds - fixed_seconds) / max(pace.epoch, 1e-9)
        planned = int(max(1, min(epochs - 1, room)))
    predicted = fixed_seconds + planned * pace.epoch
    return Plan(epochs, planned, steps, predicted, budget_seconds)


def probe(trainer: Trainer, batch: tuple[np.ndarray, np.ndarray], *, steps: int, measured: int) -> Pace:
    """The predicted pace of epochs of `steps` steps and `measured` images in inference mode.

    The first step and inference trace and are not counted. Model and optimiser are put back exactly as they were.
    """
    before = trainer.state()
    try:
        images, labels = batch
        rows = np.arange(min(len(images), INFERENCE_BATCH, measured))
        step, first = _median_seconds(lambda: trainer.step(images, labels))
        inference, _ = _median_seconds(lambda: trainer.predict(images, rows))
        started = time.perf_counter()
        trainer.state()
        copying = time.perf_counter() - started
    finally:
        trainer.restore(before)
    return Pace(step * steps + inference * measured / len(rows) + copying, trace=max(0.0, first - step))


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
