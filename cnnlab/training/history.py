"""What was measured after each epoch, and which epoch is kept."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from cnnlab.spec import EarlyStopping


@dataclass(frozen=True)
class EpochRow:
    """One epoch (1-based). `loss` and `accuracy` are measured like validation: inference mode, no augmentation, plain
    cross entropy (nats), on a fixed sample of the training set; `running_loss` is the mean loss that was trained on,
    label smoothing included. `learning_rate` is that of the last step; `seconds` includes the measuring,
    `images_per_second` is of training alone.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float
    images_per_second: float
    running_loss: float


COLUMNS = tuple(field.name for field in fields(EpochRow))


def to_csv(rows: Iterable[EpochRow]) -> str:
    """The rows with a header line; numbers in the shortest form that reads back to the same value."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


def from_dict(row: Mapping[str, Any]) -> EpochRow:
    """The row that `dataclasses.asdict` wrote."""
    return EpochRow(**row)


def measure(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Mean cross entropy in nats and accuracy in [0, 1] of probabilities (N, K) for labels (N,).

    Probabilities are bounded below by 1e-7, as Keras does; not-a-number stays not-a-number.
    """
    of_truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    loss = -np.log(np.maximum(of_truth, 1e-7)).mean()
    return float(loss), float((probabilities.argmax(axis=1) == labels).mean())


def improves(row: EpochRow, best: EpochRow | None, rule: EarlyStopping | None) -> bool:
    """Whether `row` takes the place of the best epoch so far; ties keep the earlier one.

    Without early stopping the last epoch is the one that is kept.
    """
    if best is None or rule is None:
        return True
    if rule.monitor == "val_loss":
        return row.val_loss < best.val_loss - rule.min_delta
    return row.val_accuracy > best.val_accuracy + rule.min_delta
