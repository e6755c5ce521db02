"""The manifest and the history of a fabricated training, for `tests.fabricate` and `tests.fabricate_tuning`."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FINGERPRINT = "f" * 64


def run_manifest(dataset: str, network: str, images: Mapping[str, int], resolved: Mapping[str, Any]) -> dict[str, Any]:
    """A run's manifest fields; `resolved` holds what differs from the usual, `images` sizes by split."""
    return {
        "dataset": dataset, "dataset_record": f"{dataset}-{FINGERPRINT[:8]}-00000000", "fingerprint": FINGERPRINT,
        "network": network, "seconds": 61.5, "hardware": {"cpu": "Test CPU", "cores": 2, "memory_gib": 24.0,
        "accelerator": None, "bfloat16": True}, "versions": {"python": "3.11.7", "cnnlab": "0.1.0", "keras": "3.15.1",
        "tensorflow": "2.21.0", "numpy": "2.4.6"}, "git": {"commit": "abc1234", "dirty": False},
        "resolved": {
            "precision": "mixed_bfloat16", "precision_reason": "amx_bf16", "epochs_requested": 6,
            "epochs_planned": 6, "epochs_run": 6, "best_epoch": 5, "stopped": "completed", "steps_per_epoch": 10,
            "images": dict(images), "parameters": 1_234_567, "seconds_per_epoch": 10.0, "images_per_second": 130.0,
            "predicted_seconds": 60.0, "budget_seconds": None, "shortened": False, "batch_norm_momentum": 0.9,
            "resumed": 0, **resolved,
        },
    }  # fmt: skip


def write_history(path: Path, skill: float, rows: Sequence[Mapping[str, float]]) -> None:
    """`history.csv` with a row an epoch; what a row leaves out is as usual."""
    columns = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds",
               "images_per_second", "running_loss"]  # fmt: skip
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, columns)
        writer.writeheader()
        for epoch, row in enumerate(rows, 1):
            gain = 1 - 0.5**epoch
            usual = {
                "epoch": epoch, "loss": 2 - 1.6 * gain, "accuracy": min(1.0, gain * skill + 0.1),
                "val_loss": 2 - 1.3 * gain + (0.2 if epoch == 6 else 0), "val_accuracy": gain * skill,
                "learning_rate": 0.02 * (1 - epoch / 7), "seconds": 10.0, "images_per_second": 130.0,
                "running_loss": 2.1 - 1.5 * gain,
            }  # fmt: skip
            writer.writerow({**usual, **row})
