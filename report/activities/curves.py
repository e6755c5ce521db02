"""Activities 8 and 12: loss and accuracy against the epoch, and what they show."""

from __future__ import annotations

import math
from typing import Any

from report.activities.common import count, primary_network, required_part
from report.evidence import Evidence, Figure, Quantity
from report.figures.curves import History, accuracy_curves, comparison_curves, loss_curves
from report.language import Language
from report.records import LabData, Part, RunData

RISE = 0.02
"""A validation loss this share above its minimum at the last epoch counts as having risen."""

LARGE_GAP = 0.05


def answer(lab: LabData, language: Language, *, part: str) -> Evidence:
    """The curves of the primary network and of all networks, with the facts their reading rests on."""
    data = required_part(lab, part)
    runs = data.of(primary_network(data))
    run = runs[0]
    return Evidence(
        names={
            "network": run.title,
            "several_networks": len(data.networks) > 1,
            "several_seeds": len(runs) > 1,
            **_facts(run, len(data.dataset.class_names)),
            "others": [_other(data.of(name)[0]) for name in data.networks if name != run.network],
        },
        items=_figures(data, runs, language),
    )


def _facts(run: RunData, classes: int) -> dict[str, Any]:
    history, resolved = run.history, run.resolved
    best, last = int(resolved["best_epoch"]) - 1, len(history["epoch"]) - 1
    gap = history["accuracy"][best] - history["val_accuracy"][best]
    lowest = float(history["val_loss"].min())
    rose = float(history["val_loss"][last]) > (1 + RISE) * lowest and history["loss"][last] < history["loss"][best]
    return {
        "epochs": count(last + 1),
        "one_epoch": last == 0,
        "best_epoch": count(best + 1),
        "best_is_last": best == last,
        "stopped_early": resolved["stopped"] == "early",
        "early_stopping": run.spec["recipe"]["early_stopping"] is not None,
        "first_val_loss": _loss(run, "val_loss", 0),
        "best_loss": _loss(run, "loss", best),
        "best_val_loss": _loss(run, "val_loss", best),
        "last_loss": _loss(run, "loss", last),
        "last_val_loss": _loss(run, "val_loss", last),
        "first_val_accuracy": _accuracy(run, "val_accuracy", 0),
        "best_accuracy": _accuracy(run, "accuracy", best),
        "best_val_accuracy": _accuracy(run, "val_accuracy", best),
        "last_val_accuracy": _accuracy(run, "val_accuracy", last),
        "gap": Quantity(
            value=float(gap), unit="points", runs=(run.run.id,), how="Training minus validation accuracy at the best epoch"
        ),
        "gap_is_large": float(gap) > LARGE_GAP,
        "gap_is_negative": float(gap) < 0,
        "overfits": bool(rose),
        "uniform_loss": Quantity(value=math.log(classes), unit="loss", how="ln K, the loss of a network that knows nothing"),
        "learned": float(history["val_loss"][best]) < 0.9 * math.log(classes),
    }  # fmt: skip


def _loss(run: RunData, column: str, epoch: int) -> Quantity:
    return Quantity(value=float(run.history[column][epoch]), unit="loss", runs=(run.run.id,), how="Cross entropy")


def _accuracy(run: RunData, column: str, epoch: int) -> Quantity:
    value = float(run.history[column][epoch])
    return Quantity(value=value, unit="share", runs=(run.run.id,), how="Accuracy measured at the end of the epoch")


def _other(run: RunData) -> dict[str, Any]:
    best = int(run.resolved["best_epoch"]) - 1
    return {"network": run.title, "val_accuracy": _accuracy(run, "val_accuracy", best), "best_epoch": count(best + 1)}


def _history(run: RunData) -> History:
    columns = {
        key: [float(value) for value in run.history[key]]
        for key in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
    }
    return History(
        network=run.network,
        **columns,
        best_epoch=int(run.resolved["best_epoch"]),
        stopped=str(run.resolved["stopped"]),
        seed=run.seed,
    )


def _figures(data: Part, runs: list[RunData], language: Language) -> dict[str, Figure]:
    text = language.text
    run, best = runs[0], int(runs[0].resolved["best_epoch"])
    histories = [_history(one) for one in runs]
    note = text(
        "Measured at the end of each epoch in inference mode, without augmentation: plain cross entropy and accuracy on "
        "{validation} validation images and on a fixed sample of the training images of the same size.",
        validation=run.resolved["images"]["validation"],
    )
    items = {
        "loss": loss_curves(
            histories,
            language,
            caption=text(
                "{network}'s loss: validation is at {value} in epoch {epoch}, which is kept",
                network=run.title, value=_loss(run, "val_loss", best - 1), epoch=best,
            ),
            note=note,
        ),
        "accuracy": accuracy_curves(
            histories,
            language,
            caption=text(
                "{network}'s accuracy: {value} on validation in the epoch that is kept",
                network=run.title, value=_accuracy(run, "val_accuracy", best - 1),
            ),
            note=note,
        ),
    }  # fmt: skip
    if len(data.networks) > 1:
        items["networks"] = comparison_curves(
            [_history(one) for one in data.runs],
            language,
            caption=text("Validation accuracy of all networks on {dataset}", dataset=data.dataset.manifest["title"]),
            note=text("Curves end where each training did; epochs cost different times, see the table of times."),
        )
    return items
