"""The manifest and history of a fabricated training; folds, searches, baselines and diverged ones, for `tests.fabricate`."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.identity import make_run_id, make_search_id, run_identity
from cnnlab.spec import Fold, Range, RunSpec, SearchSpec
from cnnlab.store.store import RunStore

FINGERPRINT = "f" * 64
HARDWARE = {"cpu": "Test CPU", "cores": 2, "memory_gib": 24.0, "accelerator": None}
SEARCH = SearchSpec(trials=6, learning_rate=Range(low=0.001, high=0.1), batch_size=(32, 64))
TRIALS: tuple[Mapping[str, Any], ...] = (
    {"params": {"learning_rate": 0.02, "batch_size": 64}, "value": 0.6, "best_epoch": 4},
    {"params": {"learning_rate": 0.0123456, "batch_size": 32}, "value": 0.75, "best_epoch": 6},
    {"params": {"learning_rate": 0.002, "batch_size": 32}, "value": 0.4, "state": "pruned", "best_epoch": 2},
    {"params": {"learning_rate": 0.095, "batch_size": 64}, "value": None, "state": "failed", "best_epoch": None,
     "problem": "diverged in epoch 1: the loss is no longer a number"},
    {"params": {"learning_rate": 0.01, "batch_size": 64}, "value": 0.7, "best_epoch": 5},
    {"params": {"learning_rate": 0.0011, "batch_size": 64}, "value": 0.35, "state": "pruned", "best_epoch": 2},
)  # fmt: skip


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


def write_fold(store: RunStore, spec: RunSpec, fold: Fold, accuracy: float | None) -> dict[str, Any]:
    """One fold's entry of the lab lock, and its run with this accuracy in the kept epoch; None: it failed."""
    entry = {"dataset": spec.dataset, "network": spec.network, "seed": spec.seed, "evaluation": None,
             "architecture": None, "fold": fold.model_dump(), "search": None, "flip": False}  # fmt: skip
    if accuracy is None:
        return {**entry, "run": None, "problem": "the disk is full"}
    spec = spec.model_copy(update={"fold": fold})
    run_id = make_run_id(spec, FINGERPRINT)

    def write(folder: Path) -> dict[str, Any]:
        (folder / "spec.json").write_text(json.dumps({**run_identity(spec, FINGERPRINT), "dataset": spec.dataset}))
        rows = [{}] * 4 + [{"val_accuracy": accuracy}, {}]
        write_history(folder / "history.csv", 0.6, rows)
        return run_manifest(spec.dataset, spec.network, {"train": 96, "validation": 24}, {})

    store.publish("run", run_id, write)
    return {**entry, "run": run_id}


def write_search(
    store: RunStore, spec: RunSpec, search: SearchSpec = SEARCH, trials: Sequence[Mapping[str, Any]] = TRIALS
) -> str:
    """A search record of these trials, numbered from 1, of which the complete one of highest value is selected."""
    entries = [
        {
            "number": number, "state": "complete", "epochs": 6, "values": [], "losses": [], "seconds": 30.0,
            "problem": None, **trial,
        }
        for number, trial in enumerate(trials, 1)
    ]  # fmt: skip
    best = max((one for one in entries if one["state"] == "complete"), key=lambda one: one["value"])
    states = [one["state"] for one in entries]

    def write(folder: Path) -> dict[str, Any]:
        (folder / "trials.json").write_text(json.dumps(entries))
        return {
            "dataset": spec.dataset, "network": spec.network, "seed": spec.seed, "fingerprint": FINGERPRINT,
            "seconds": 30.0 * len(entries), "hardware": HARDWARE, "versions": {"optuna": "4.2.0"}, "git": None,
            "objective": "val_accuracy", "space": search.model_dump(mode="json"), "varied": list(search.varied),
            "recipe": spec.recipe.model_dump(mode="json"), "selected": best["params"], "best": best["number"],
            "counts": {state: states.count(state) for state in ("complete", "pruned", "failed")},
        }  # fmt: skip

    record = make_search_id(spec, search, FINGERPRINT)
    if not store.has("search", record):
        store.publish("search", record, write)
    return record


def write_baseline(
    store: RunStore, dataset: str, splits: Mapping[str, np.ndarray], classes: int, changed: Mapping[str, Any]
) -> str:
    """A baseline record whose linear classifier is right on the first `right` share of validation and test images.

    Args:
        changed: `right` (0-1, usually 0.4), and fields of `constant`.
    """
    record, right = f"{dataset}-00000000", float(changed.get("right", 0.4))

    def write(folder: Path) -> dict[str, Any]:
        arrays: dict[str, np.ndarray] = {}
        for split in ("validation", "test"):
            labels = splits["labels"][splits[split]]
            known = np.arange(labels.size) < round(right * labels.size)
            arrays[f"{split}_labels"] = labels
            arrays[f"{split}_predicted"] = np.where(known, labels, (labels + 1) % classes).astype(np.int32)
        np.savez(folder / "predictions.npz", **arrays)  # type: ignore[arg-type]
        constant = {"label": 0, "loss": float(np.log(classes)), "accuracy_test": 1 / classes,
                    "accuracy_validation": 1 / classes}  # fmt: skip
        constant |= {key: value for key, value in changed.items() if key in constant}
        return {
            "dataset": dataset, "fingerprint": FINGERPRINT, "split": {}, "side": 8, "strength": 1.0, "seconds": 0.5,
            "method": "ridge classifier on 8x8 mean colours", "classes": classes, "constant": constant,
        }  # fmt: skip

    store.publish("baseline", record, write)
    return record


def write_diverged(store: RunStore, spec: RunSpec, reason: str, sanity: Mapping[str, Any] | None) -> dict[str, Any]:
    """The lab lock's entry of a training that diverged, and its record."""
    run_id = make_run_id(spec, FINGERPRINT)

    def write(folder: Path) -> dict[str, Any]:
        (folder / "spec.json").write_text(json.dumps({**run_identity(spec, FINGERPRINT), "dataset": spec.dataset}))
        write_history(folder / "history.csv", 0.6, [{}])
        if sanity is not None:
            (folder / "sanity.json").write_text(json.dumps(sanity))
        resolved = {"stopped": "diverged", "diverged_because": reason, "epochs_run": 1, "best_epoch": 1}
        sizes = {"train": 80, "validation": 40}
        return {**run_manifest(spec.dataset, spec.network, sizes, resolved), "status": "diverged"}

    store.publish("run", run_id, write)
    return {
        "dataset": spec.dataset, "network": spec.network, "seed": spec.seed, "run": run_id, "evaluation": None,
        "architecture": None, "problem": "training diverged",
    }  # fmt: skip
