"""A network against a linear classifier and a constant answer, on the same test images."""

from __future__ import annotations

from typing import Any

from report.activities.common import SIGNIFICANT, accuracy, count, share
from report.data.baselines import BaselineData
from report.data.records import Part, RunData
from report.evidence.quantity import Quantity
from report.evidence.statistics import mcnemar, paired_difference


def against_linear(part: Part, run: RunData) -> dict[str, Any]:
    """The linear classifier's test accuracy and the paired test of the two; `known` is False without a baseline.

    `beaten` and `is_worse` say which way a difference beyond chance goes, both are False where there is none.
    """
    if part.baseline is None:
        return {"known": False}
    baseline, test = part.baseline, run.predictions["test"]
    right = baseline.right(test.labels)
    paired = mcnemar(test.right, right)
    value, low, high = paired_difference(paired.only_a, paired.only_b, right.size)
    runs = (run.run.id, baseline.record.id)
    distinct = paired.p <= SIGNIFICANT
    return {
        "known": True,
        "side": count(baseline.manifest["side"], runs=[baseline.record.id]),
        "accuracy": share(int(right.sum()), right.size, runs=[baseline.record.id]),
        "network": accuracy(run),
        "difference": Quantity(
            value=value, unit="points", n=right.size, low=low, high=high, runs=runs,
            how="Difference of accuracies on the same test images",
        ),
        "p": Quantity(
            value=paired.p, unit="probability", n=paired.only_a + paired.only_b, runs=runs, how="Exact McNemar test"
        ),
        "tiny": paired.p < 0.001,
        "beaten": distinct and value > 0,
        "is_worse": distinct and value < 0,
    }  # fmt: skip


def against_constant(baseline: BaselineData, run: RunData) -> dict[str, Any]:
    """The kept epoch's validation loss and the test accuracy, beside those of answering without looking."""
    kept, constant, ids = int(run.resolved["best_epoch"]) - 1, baseline.constant, (baseline.record.id,)
    loss, right = float(run.history["val_loss"][kept]), accuracy(run)
    return {
        "loss": Quantity(value=loss, unit="loss", runs=(run.run.id,), how="Cross entropy"),
        "constant_loss": Quantity(value=float(constant["loss"]), unit="loss", runs=ids, how="Cross entropy"),
        "accuracy": right,
        "constant_accuracy": Quantity(
            value=float(constant["accuracy_test"]), unit="share", runs=ids, how="Share of the most frequent class"
        ),
        "beats_loss": loss < float(constant["loss"]),
        "beats_accuracy": right.value > float(constant["accuracy_test"]),
    }
