"""Activities 7 and 11: validation strategy, training time, how hyper-parameters were set, optimiser, mini-batch."""

from __future__ import annotations

from typing import Any

from cnnlab.networks import find_network
from report.activities.common import Answerer, absent_networks, primary_network, primary_run, seeds_of
from report.activities.dataset import division
from report.activities.hyperparameters import (
    AUGMENTATIONS,
    MONITORS,
    differences,
    has_momentum,
    hyperparameter_table,
    optimizer_words,
)
from report.activities.leaks import leak_counts
from report.activities.search import search_items, searched
from report.activities.times import shortened, time_table, times
from report.activities.validation import fold_table, strategy
from report.data.records import LabData
from report.data.trainings import RunData
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Item, Quantity, numbers_of

PRECISION_REASONS = {
    "requested": "the lab file asks for it",
    "cpu-native": "the processor computes in it natively",
    "cpu-emulated": "the processor would only emulate a shorter format",
    "gpu-compute": "the graphics card computes in it natively",
    "gpu-unknown": "the graphics card does not state what it computes in",
}
"""Message ids by the codes that records hold; `precision_reason` may carry a detail after a colon."""

TIMED_REASONS = {
    "measured": "timed on this machine, it is {times} as fast as float32",
    "measured-slower": "timed on this machine, bfloat16 is only {times} as fast",
}
"""The same where the detail is a speed-up."""

MERGED = "mini-imagenet"
"""A data set that is usually divided by class, which a classification task cannot do; in lower case."""


def answer(lab: LabData, language: Language, *, part: str) -> Evidence:
    """The five things that the assignment asks, for the primary network, and a table for all of them."""
    data = lab.parts[part]
    run, manifest, primary = primary_run(data), data.dataset.manifest, primary_network(data)
    items: dict[str, Item] = {
        "hyperparameters": hyperparameter_table(data, language),
        "times": time_table(data, language),
        **({"folds": fold_table(data, language)} if any(data.folds.values()) else {}),
        **search_items(data, run, language),
    }
    return Evidence(
        names={
            "dataset": manifest["title"],
            "stand_in_for": manifest["stand_in_for"] or "",
            "network": run.title,
            "networks": [data.of(name)[0].title for name in data.networks],
            "several_networks": len(data.networks) > 1,
            "chosen_by_lab": data.primary == primary,
            "validation_chose_network": len(data.networks) > 1 and data.primary != primary,
            "several_seeds": len(data.of(run.network)) > 1,
            "seeds": seeds_of(data, run.network, language),
            "absent": [find_network(name).TITLE for name in absent_networks(data)],
            "explains_merged_classes": MERGED in (manifest["stand_in_for"] or manifest["title"]).lower(),
            "is_mini_imagenet": MERGED in manifest["title"].lower(),
            "leaks": leak_counts(data.dataset),
            **division(data.dataset, language),
            **strategy(data, run, language),
            **times(data, run),
            **_stopping(run, language),
            **searched(data, run, language),
            **_optimiser(run, language),
            **_images_and_weights(run, language),
            **differences(data, language),
            "also_shortened": shortened(data, run, language),
        },
        items=items,
    )


def _stopping(run: RunData, language: Language) -> dict[str, Any]:
    """Epochs asked for, planned, run and kept."""
    resolved, stopping, q = run.resolved, run.recipe["early_stopping"], numbers_of(run.run)
    return {
        "epochs_requested": q.count(resolved["epochs_requested"]),
        "epochs_planned": q.count(resolved["epochs_planned"]),
        "epochs_run": q.count(resolved["epochs_run"]),
        "one_epoch": resolved["epochs_run"] == 1,
        "best_epoch": q.count(resolved["best_epoch"]),
        "shortened": bool(resolved["shortened"]),
        "early_stopping": stopping is not None,
        "monitor": language.text(MONITORS[stopping["monitor"]]) if stopping else "",
        "patience": q.count(stopping["patience"]) if stopping else None,
        "patience_of_one": stopping is not None and stopping["patience"] == 1,
        "stopped_early": resolved["stopped"] == "early",
        "best_is_last": resolved["best_epoch"] == resolved["epochs_run"],
    }


def _optimiser(run: RunData, language: Language) -> dict[str, Any]:
    recipe, resolved, q = run.recipe, run.resolved, numbers_of(run.run)
    known, _, detail = resolved["precision_reason"].partition(":")
    if known in TIMED_REASONS:
        reason = language.text(TIMED_REASONS[known], times=Quantity(value=float(detail), unit="ratio"))
    else:
        reason = language.text(PRECISION_REASONS.get(known, known)) + (f" ({detail})" if detail else "")
    return {
        "optimizer": optimizer_words(run, language),
        "has_momentum": has_momentum(run),
        "momentum": q(recipe["momentum"], "rate"),
        "learning_rate": q(recipe["learning_rate"], "rate"),
        "cosine": recipe["schedule"] == "cosine",
        "warmup": q(recipe["warmup"], "share", how="Share of all steps"),
        "has_warmup": recipe["warmup"] > 0,
        "weight_decay": q(recipe["weight_decay"], "rate"),
        "has_weight_decay": recipe["weight_decay"] > 0,
        "smoothed": recipe["label_smoothing"] > 0,
        "smoothing": q(recipe["label_smoothing"], "rate"),
        "batch_size": q.count(recipe["batch_size"]),
        "steps_per_epoch": q.count(resolved["steps_per_epoch"]),
        "updates": q.count(resolved["steps_per_epoch"] * resolved["epochs_run"]),
        "precision": resolved["precision"],
        "precision_reason": reason,
        "says_determinism": resolved.get("deterministic") is not None,
        "deterministic": bool(resolved.get("deterministic")),
    }


def _images_and_weights(run: RunData, language: Language) -> dict[str, Any]:
    """What is done to training images; where weights start, which of them learn, and whether their average is kept."""
    recipe, q, names = run.recipe, numbers_of(run.run), run.recipe["augmentation"]
    average, batch_norm = run.resolved.get("ema", recipe["ema"]), run.resolved["batch_norm_momentum"] is not None
    return {
        "augmentation": [language.text(AUGMENTATIONS[one]) for one in names],
        **{f"uses_{one}": one in names for one in ("erase", "randaugment", "mixup", "cutmix")},
        "mixes": "mixup" in names or "cutmix" in names,
        "pretrained": recipe["weights"] is not None,
        "frozen": bool(recipe["frozen"]),
        "thaws": recipe["frozen_epochs"] > 0 and not recipe["frozen"],
        "frozen_epochs": q.count(recipe["frozen_epochs"]),
        "one_frozen_epoch": recipe["frozen_epochs"] == 1,
        "discriminative": recipe["rate_decay"] < 1,
        "rate_decay": q(recipe["rate_decay"], "rate"),
        "averages": average > 0,
        "average_decay": q(average, "rate"),
        "uses_batch_norm": batch_norm,
        "plain_vgg": run.network == "vgg19" and not batch_norm and recipe["weights"] is None,
    }


ANSWERS = {"training": Answerer(answer, of_data=True, needs_runs=True)}
