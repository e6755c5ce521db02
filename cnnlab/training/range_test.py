"""The learning-rate range test (Smith 2017, section 3.3), with the rate rising exponentially from step to step."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from rich.console import Console

from cnnlab.backend import keras
from cnnlab.errors import LabError
from cnnlab.progress import Progress
from cnnlab.spec import RunSpec
from cnnlab.training.batches import Batch, prefetched, training_batches
from cnnlab.training.model import Build
from cnnlab.training.precision import resolve
from cnnlab.training.session import Session
from cnnlab.training.start import open_session

if TYPE_CHECKING:
    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable

LEAST_STEPS = 10
RISE = 4.0
"""The test ends when the smoothed loss is over this many times its lowest."""

_DECAY = 0.9
_SETTLING = 10
"""Steps after which the smoothed loss is an average of enough losses to speak of its slope."""

StoppedBecause = Literal["all steps are done", "the loss rose", "the loss is not a finite number"]


@dataclass(frozen=True)
class RangeTest:
    """One test. Step i trained at `rates[i]`; `losses[i]` (nats) is of its batch, before that step's update.

    `smoothed` is the bias-corrected exponential average of the losses. `suggested` is the rate at which it falls most
    steeply, None when it falls nowhere.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggested: float | None
    stopped_because: StoppedBecause

    def to_csv(self) -> str:
        """One row a step with a header; numbers in the shortest form that reads back to the same value."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("step", "learning_rate", "loss", "smoothed_loss"))
        writer.writerows(zip(count(1), self.rates, self.losses, self.smoothed, strict=False))
        return text.getvalue()


def range_test(
    spec: RunSpec,
    table: ImageTable,
    splits: Splits,
    *,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
    build: Build | None = None,
    progress: Progress | None = None,
) -> RangeTest:
    """Train `steps` steps of the spec's recipe, but with the rate rising from `low` to `high`, and watch the loss.

    The learning rate, the schedule and the warm-up of the recipe do not matter. Batches are those of as many epochs as
    it takes. Only training images are looked at. Nothing is published.

    Args:
        low, high: rates of the first and the last step, 0 < low < high.
        steps: at least 10.
        build: replaces `cnnlab.layers.factory.build_network`.
        progress: told of each step.

    Raises:
        LabError: such rates or steps make no test, or the loss was never a finite number.
        DataError: nothing to train on.
    """
    check_range(low, high, steps)
    session = open_session(spec, table, splits, resolve(spec.recipe.precision), build=build)
    session.trainer.optimizer.learning_rate = RisingRate(low, high, steps)
    rates = low * (high / low) ** (np.arange(steps) / (steps - 1))
    shown = progress or Progress(Console(quiet=True))
    shown.begin(spec.label, epochs=1, steps=steps)
    try:
        losses, why = _losses(session, steps, shown)
    finally:
        shown.end()
    if not losses:
        raise LabError("the loss of the untrained network is not a finite number", where=spec.network)
    return summarised(rates[: len(losses)].tolist(), losses, why)


class RisingRate(keras.optimizers.schedules.LearningRateSchedule):
    """low · (high / low) ^ (step / (steps - 1)), in float32."""

    def __init__(self, low: float, high: float, steps: int) -> None:
        super().__init__()
        self.low, self.high, self.steps = low, high, steps

    def __call__(self, step: Any) -> Any:
        """The rate of `step`, a scalar integer tensor, as a scalar float32 tensor."""
        share = keras.ops.cast(step, "float32") / (self.steps - 1)
        return keras.ops.exp(math.log(self.low) + share * math.log(self.high / self.low))

    def get_config(self) -> dict[str, Any]:
        """The arguments, as plain values."""
        return {"low": self.low, "high": self.high, "steps": self.steps}


def smooth(losses: Sequence[float]) -> list[float]:
    """The exponential average of `losses` up to each of them, divided by the sum of its weights."""
    average, result = 0.0, []
    for step, loss in enumerate(losses, 1):
        average = _DECAY * average + (1 - _DECAY) * loss
        result.append(average / (1 - _DECAY**step))
    return result


def summarised(rates: Sequence[float], losses: Sequence[float], why: StoppedBecause) -> RangeTest:
    """The test of these losses: smoothed, with the rate that they suggest."""
    smoothed = smooth(losses)
    return RangeTest(tuple(rates), tuple(losses), tuple(smoothed), _steepest(rates, smoothed), why)


def _steepest(rates: Sequence[float], smoothed: Sequence[float]) -> float | None:
    """The rate of the steepest fall on the way to the lowest smoothed loss.

    The first steps, at most a quarter, do not count: an average of few losses moves with each of them. Nor does what
    follows the lowest loss, where the training is already breaking up.
    """
    first, last = min(_SETTLING, len(smoothed) // 4), int(np.argmin(smoothed))
    if last <= first:
        return None
    slopes = np.gradient(np.asarray(smoothed), np.log(rates))[first : last + 1]
    steepest = int(np.argmin(slopes))
    return float(rates[first + steepest]) if slopes[steepest] < 0 else None


def _losses(session: Session, steps: int, progress: Progress) -> tuple[list[float], StoppedBecause]:
    """The finite losses of the steps taken, and why there are no more."""
    losses: list[float] = []
    with closing(_batches(session)) as batches:
        for batch in batches:
            loss = session.trainer.step(*batch)
            if not math.isfinite(loss):
                return losses, "the loss is not a finite number"
            losses.append(loss)
            progress.step()
            smoothed = smooth(losses)
            if smoothed[-1] > RISE * min(smoothed):
                return losses, "the loss rose"
            if len(losses) == steps:
                break
    return losses, "all steps are done"


def _batches(session: Session) -> Generator[Batch, None, None]:
    """Training batches without end, epoch after epoch."""
    spec = session.spec
    for epoch in count():
        session.trainer.seed_epoch(spec.seed, epoch)
        yield from prefetched(
            training_batches(
                session.images,
                session.labels,
                session.train,
                batch_size=spec.recipe.batch_size,
                augmentation=spec.recipe.augmentation,
                seed=spec.seed,
                epoch=epoch,
            )
        )


def check_range(low: float, high: float, steps: int) -> None:
    """Refuse rates or steps that make no test.

    Raises:
        LabError: the rates are not 0 < low < high, or there are fewer than 10 steps.
    """
    if not (0 < low < high and math.isfinite(high)):
        raise LabError(
            "a range test needs two rates",
            where="--low, --high",
            received=f"{low:g}, {high:g}",
            expected="0 < low < high",
        )
    if steps < LEAST_STEPS:
        raise LabError(
            "a range test needs more steps", where="--steps", received=steps, expected=f"{LEAST_STEPS} or more"
        )
