"""The learning-rate range test (Smith 2017, section 3.3), with the rate rising exponentially from step to step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cnnlab.backend import keras
from cnnlab.errors import LabError
from cnnlab.spec import RunSpec
from cnnlab.training.engine import Build, Schedule
from cnnlab.training.machine import resolve
from cnnlab.training.session import Session

if TYPE_CHECKING:
    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable
    from cnnlab.progress import Progress

LEAST_STEPS, RISE = 10, 4.0
"""Steps of a test at least; it ends when the smoothed loss is over so many times its lowest."""

_DECAY = 0.9


class RangeTest(NamedTuple):
    """One test. Step i trained at `rates[i]`; `losses[i]` (nats) is of its batch, before that step's update.

    `smoothed` is the bias-corrected exponential average of the losses. `suggested` is the rate at which it falls most
    steeply, None when it falls nowhere.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggested: float | None
    stopped_because: str

    def to_csv(self) -> str:
        """One row a step with a header; numbers in the shortest form that reads back to the same value."""
        rows = zip(count(1), self.rates, self.losses, self.smoothed, strict=False)
        return "step,learning_rate,loss,smoothed_loss\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows)


def range_test(
    spec: RunSpec,
    table: ImageTable,
    splits: Splits,
    *,
    low: float,
    high: float,
    steps: int,
    progress: Progress,
    build: Build | None = None,
) -> RangeTest:
    """Train `steps` steps of the spec's recipe, but with the rate rising from `low` to `high`, and watch the loss.

    The learning rate, the schedule and the warm-up of the recipe do not matter. Batches are those of as many epochs as
    it takes. Only training images are looked at. Nothing is published.

    Args:
        low, high: rates of the first and the last step, 0 < low < high.
        steps: at least 10.
        build: replaces `cnnlab.layers.factory.build_network`.

    Raises:
        LabError: such rates or steps make no test, or the loss was never a finite number.
        DataError: nothing to train on.
    """
    check_range(low, high, steps)
    session = Session(spec, table, splits, resolve(spec.recipe.precision), build=build)
    session.trainer.optimizer.learning_rate = Schedule(
        lambda step: keras.ops.exp(math.log(low) + step / (steps - 1) * math.log(high / low))
    )
    rates = low * (high / low) ** (np.arange(steps) / (steps - 1))
    losses, why = list[float](), "all steps are done"
    progress.begin(spec.label, epochs=1, steps=steps)
    batches = (batch for epoch in count() for batch in session.batches(epoch))
    try:
        for batch in islice(batches, steps):
            loss = session.trainer.step(*batch)
            if not math.isfinite(loss):
                why = "the loss is not a finite number"
                break
            losses.append(loss)
            progress.step()
            if (smoothed := smooth(losses))[-1] > RISE * min(smoothed):
                why = "the loss rose"
                break
    finally:
        batches.close()
        progress.end()
    if not losses:
        raise LabError("the loss of the untrained network is not a finite number", where=spec.network)
    return summarised(rates[: len(losses)].tolist(), losses, why)


def check_range(low: float, high: float, steps: int) -> None:
    """Refuse rates or steps that make no test.

    Raises:
        LabError: the rates are not 0 < low < high, or there are fewer than 10 steps.
    """
    if not (0 < low < high and math.isfinite(high)):
        what, received = "a range test needs two rates", f"{low:g}, {high:g}"
        raise LabError(what, where="--low, --high", received=received, expected="0 < low < high")
    if steps < LEAST_STEPS:
        what, expected = "a range test needs more steps", f"{LEAST_STEPS} or more"
        raise LabError(what, where="--steps", received=steps, expected=expected)


def smooth(losses: Sequence[float]) -> list[float]:
    """The exponential average of `losses` up to each of them, divided by the sum of its weights."""
    average, result = 0.0, []
    for step, loss in enumerate(losses, 1):
        average = _DECAY * average + (1 - _DECAY) * loss
        result.append(average / (1 - _DECAY**step))
    return result


def summarised(rates: Sequence[float], losses: Sequence[float], why: str) -> RangeTest:
    """The test of these losses: smoothed, with the rate of the steepest fall on the way to the lowest smoothed loss.

    The first 10 steps, at most a quarter, do not count: an average of few losses moves with each of them. Nor does what
    follows the lowest loss, where the training is already breaking up.
    """
    smoothed, suggested = smooth(losses), None
    first, last = min(10, len(smoothed) // 4), int(np.argmin(smoothed))
    if last > first:
        slopes = np.gradient(np.asarray(smoothed), np.log(rates))[first : last + 1]
        steepest = int(np.argmin(slopes))
        suggested = float(rates[first + steepest]) if slopes[steepest] < 0 else None
    return RangeTest(tuple(rates), tuple(losses), tuple(smoothed), suggested, why)
