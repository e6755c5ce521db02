"""The learning rate of every step: a linear warm-up, then a cosine decay to 0 (Loshchilov, Hutter 2017) or constant."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnlab.backend import keras
from cnnlab.spec import Recipe


def warmup_steps(share: float, steps: int) -> int:
    """Whole steps of warm-up; always fewer than `steps`."""
    return int(share * steps)


def learning_rate(step: int | np.ndarray, recipe: Recipe, steps: int) -> np.ndarray:
    """The rate of `step` (0-based) in a training of `steps` steps, float64.

    With w warm-up steps the rate is peak · (step + 1) / (w + 1) before step w and the peak at step w, so that no step
    is wasted at rate 0; the cosine then reaches 0 at `steps`, one past the last step.
    """
    warm = warmup_steps(recipe.warmup, steps)
    s = np.asarray(step, dtype=np.float64)
    rising = (s + 1) / (warm + 1)
    if recipe.schedule == "constant":
        return recipe.learning_rate * np.minimum(rising, 1.0)
    progress = np.clip((s - warm) / (steps - warm), 0.0, 1.0)
    return recipe.learning_rate * np.where(s < warm, rising, 0.5 * (1 + np.cos(np.pi * progress)))


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """`learning_rate` inside the graph, in float32, from step `done` on."""

    def __init__(self, recipe: Recipe, steps: int, *, done: int = 0) -> None:
        super().__init__()
        self.recipe, self.steps, self.done = recipe, steps, done

    def __call__(self, step: Any) -> Any:
        """The rate of `step`, a scalar integer tensor, as a scalar float32 tensor."""
        ops, recipe, warm = keras.ops, self.recipe, warmup_steps(self.recipe.warmup, self.steps)
        s = ops.cast(step, "float32") + self.done
        rising = (s + 1.0) / (warm + 1.0)
        if recipe.schedule == "constant":
            return recipe.learning_rate * ops.minimum(rising, 1.0)
        progress = ops.clip((s - warm) / (self.steps - warm), 0.0, 1.0)
        return recipe.learning_rate * ops.where(s < warm, rising, 0.5 * (1.0 + ops.cos(np.pi * progress)))

    def get_config(self) -> dict[str, Any]:
        """The arguments, as plain values."""
        return {"recipe": self.recipe.model_dump(mode="json"), "steps": self.steps, "done": self.done}
