"""Activities 8 and 12: loss and accuracy against the epoch, and what they show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from report.activities.common import (
    absent_networks,
    count,
    of_records,
    primary_network,
    required_part,
    seeds_of,
    share,
    titled,
)
from report.data.records import LabData, Part
from report.data.trainings import RunData
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Figure, Quantity
from report.evidence.statistics import difference, wilson
from report.evidence.words import joined
from report.figures.curves import History, accuracy_curves, comparison_curves, loss_curves

RISE = 0.02
"""A validation loss this share above its minimum at the last epoch counts as having risen."""

LARGE_GAP = 0.05

LEVEL = 0.01
"""A validation loss that falls by less than this share over the last two epochs has levelled off."""

UNDERFIT = 0.7
"""A network that is right for clearly fewer of its own training images has not learned them."""

LEARNED = 0.9
"""A loss below this share of ln K is better than answering without looking."""


def answer(lab: LabData, language: Language, *, part: str) -> Evidence:
    """The curves of the primary network and of all networks, with the facts their reading rests on."""
    data = required_part(lab, part)
    runs = data.of(primary_network(data))
    run = runs[0]
    facts, learned = _facts(run, len(data.dataset.class_names)), _learned(data, run)
    return Evidence(
        names={
            "network": run.title,
            "several_networks": len(data.networks) > 1,
            "several_seeds": len(runs) > 1,
            "seeds": seeds_of(data, run.network, language),
            **facts,
            **learned,
            "underfits": _underfits(facts, learned, run),
            "others": [_other(data.of(name)[0]) for name in data.networks if name != run.network],
        },
        items=_figures(data, runs, language),
    )


def _facts(run: RunData, classes: int) -> dict[str, Any]:
    history, resolved = run.history, run.resolved
    kept, last = _kept(run), len(history["epoch"]) - 1
    lowest = int(history["val_loss"].argmin())
    stopping, ids = run.recipe["early_stopping"], [run.run.id]
    return {
        "epochs": count(last + 1, runs=ids),
        "one_epoch": last == 0,
        "best_epoch": count(kept + 1, runs=ids),
        "kept_is_last": kept == last,
        "lowest_epoch": count(lowest + 1, runs=ids),
        "lowest_is_last": lowest == last,
        "levelled": bool(last >= 2 and history["val_loss"][last - 2] < (1 + LEVEL) * history["val_loss"][last]),
        "lowest_is_kept": lowest == kept,
        "lowest_val_loss": _loss(run, "val_loss", lowest),
        "stopped_early": resolved["stopped"] == "early",
        "early_stopping": stopping is not None,
        # A stop takes a first epoch, `patience` more without improvement, and one left to save.
        "could_stop": stopping is not None and stopping["patience"] <= int(resolved["epochs_planned"]) - 2,
        "epochs_planned": count(resolved["epochs_planned"], runs=ids),
        "patience": count(stopping["patience"], runs=ids) if stopping else None,
        "patience_of_one": stopping is not None and stopping["patience"] == 1,
        "decayed": run.recipe["schedule"] == "cosine" and last + 1 == int(resolved["epochs_planned"]),
        "first_val_loss": _loss(run, "val_loss", 0),
        "best_loss": _loss(run, "loss", kept),
        "best_val_loss": _loss(run, "val_loss", kept),
        "last_loss": _loss(run, "loss", last),
        "last_val_loss": _loss(run, "val_loss", last),
        "first_val_accuracy": _accuracy(run, "val_accuracy", 0),
        "best_accuracy": _accuracy(run, "accuracy", kept),
        "best_val_accuracy": _accuracy(run, "val_accuracy", kept),
        "last_val_accuracy": _accuracy(run, "val_accuracy", last),
        "loss_fell": bool(history["val_loss"][kept] < history["val_loss"][0]),
        "accuracy_rose": bool(history["val_accuracy"][kept] > history["val_accuracy"][0]),
        **_rise(run, kept),
        **_fit(run, kept),
        "overfits": _loss_rose_again(history, lowest, last),
        "uniform_loss": Quantity(
            value=math.log(classes), unit="loss", how="ln K, the loss of a network that knows nothing"
        ),
    }


def _learned(data: Part, run: RunData) -> dict[str, Any]:
    """Whether the kept epoch's loss, or else its accuracy, is better than answering without looking.

    A network that is sure of its mistakes can have a loss of ln K and more and still answer better than chance.
    """
    kept, n = _kept(run), int(run.resolved["images"]["validation"])
    by_loss = bool(run.history["val_loss"][kept] < LEARNED * math.log(len(data.dataset.class_names)))
    sizes = [int(entry["validation"]) for entry in data.dataset.classes]
    low, _ = wilson(round(float(run.history["val_accuracy"][kept]) * n), n)
    by_accuracy = low > max(sizes) / sum(sizes)
    return {"learned": by_loss or by_accuracy, "learned_by_accuracy_only": by_accuracy and not by_loss}


def underfits(train: Quantity, gap: Quantity) -> bool:
    """Whether training accuracy itself is clearly low, and not far above that on images that were not trained on."""
    return train.high is not None and train.high < UNDERFIT and gap.value <= LARGE_GAP


def _underfits(facts: Mapping[str, Any], learned: Mapping[str, Any], run: RunData) -> bool:
    """Whether the network has learned something, shows no overfitting, and yet misses many of its training images."""
    return bool(learned["learned"] and not facts["overfits"] and underfits(_training_share(run), facts["gap"]))


def _kept(run: RunData) -> int:
    """Row of the history of the epoch whose weights are evaluated."""
    return int(run.resolved["best_epoch"]) - 1


def _training_share(run: RunData) -> Quantity:
    """Accuracy on the sample of training images in the kept epoch."""
    images = run.resolved["images"]
    sample = min(int(images["validation"]), int(images["train"]))
    right = round(float(run.history["accuracy"][_kept(run)]) * sample)
    return share(right, sample, runs=[run.run.id])


def _rise(run: RunData, kept: int) -> dict[str, Any]:
    """How far validation accuracy rises from the first epoch to the kept one, and whether that is more than chance."""
    n = int(run.resolved["images"]["validation"])
    right = [round(float(run.history["val_accuracy"][epoch]) * n) for epoch in (kept, 0)]
    value, low, high = difference(right[0], n, right[1], n)
    rise = Quantity(
        value=value, unit="points", n=n, low=low, high=high, runs=(run.run.id,),
        how="Difference of two proportions, Newcombe interval",
    )  # fmt: skip
    return {"rise": rise, "rise_is_real": low > 0}


def _fit(run: RunData, kept: int) -> dict[str, Any]:
    """How far training is above validation in the kept epoch, with the interval that the two samples' sizes allow."""
    gap = _gap(run, kept)
    return {
        "gap": gap,
        "gap_is_real": bool(gap.low is not None and gap.low > 0),
        "gap_is_large": gap.value > LARGE_GAP,
        "gap_is_reversed": bool(gap.high is not None and gap.high < 0),
    }


def _gap(run: RunData, epoch: int) -> Quantity:
    images = run.resolved["images"]
    validation = int(images["validation"])
    sample = min(validation, int(images["train"]))
    right = [
        round(float(run.history[column][epoch]) * n)
        for column, n in (("accuracy", sample), ("val_accuracy", validation))
    ]
    value, low, high = difference(right[0], sample, right[1], validation)
    return Quantity(
        value=value, unit="points", n=sample + validation, low=low, high=high, runs=(run.run.id,),
        how="Difference of two proportions, Newcombe interval",
    )  # fmt: skip


def _loss_rose_again(history: Mapping[str, Any], lowest: int, last: int) -> bool:
    """Whether the validation loss ends clearly above its minimum although the training loss went on falling.

    Clearly: by more than `RISE`, and by more than the curve goes up and down by itself.
    """
    loss = history["val_loss"]
    steps = loss[1:] - loss[:-1]
    wobble = max(*steps[:lowest].clip(min=0.0), *(-steps[lowest:]).clip(min=0.0), 0.0, 0.0)
    rise = loss[last] - loss[lowest]
    return bool(rise > RISE * loss[lowest] and rise > wobble and history["loss"][last] < history["loss"][lowest])


def _loss(run: RunData, column: str, epoch: int) -> Quantity:
    return Quantity(value=float(run.history[column][epoch]), unit="loss", runs=(run.run.id,), how="Cross entropy")


def _accuracy(run: RunData, column: str, epoch: int) -> Quantity:
    value = float(run.history[column][epoch])
    return Quantity(value=value, unit="share", runs=(run.run.id,), how="Accuracy measured at the end of the epoch")


def _other(run: RunData) -> dict[str, Any]:
    best = int(run.resolved["best_epoch"]) - 1
    return {
        "network": run.title,
        "val_accuracy": _accuracy(run, "val_accuracy", best),
        "best_epoch": count(best + 1, runs=[run.run.id]),
    }


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
        run=run.run.id,
    )


def _figures(data: Part, runs: list[RunData], language: Language) -> dict[str, Figure]:
    text = language.text
    run, best = runs[0], _kept(runs[0]) + 1
    histories = [_history(one) for one in runs]
    note = text(
        "Measured at the end of each epoch in inference mode, without augmentation: plain cross entropy and accuracy on "
        "{validation} validation images and on a fixed sample of the training images of the same size.",
        validation=count(run.resolved["images"]["validation"], runs=[run.run.id]),
    )
    note = _with_seeds(note, data, run.network, language)
    items = {
        "loss": loss_curves(
            histories,
            language,
            caption=text(
                "{network}'s loss: validation is at {value} in epoch {epoch}, which is kept",
                network=run.title, value=_loss(run, "val_loss", best - 1),
                epoch=count(best, runs=[run.run.id]),
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
            note=_with_seeds(
                text("Curves end where each training did; epochs cost different times, see the table of times."),
                data, max(data.networks, key=lambda name: len(data.of(name))), language,
            ) + _without(data, language),
        )  # fmt: skip
    return {
        name: of_records(item, [one.run.id for one in (data.runs if name == "networks" else runs)])
        for name, item in items.items()
    }


def _with_seeds(note: str, data: Part, network: str, language: Language) -> str:
    """The note and, where a line is the mean of several seeds, what its band is and where seeds are missing from it."""
    runs, text = data.of(network), language.text
    if len(runs) < 2:
        return note
    ends = {len(run.history["epoch"]) for run in runs}
    seeds = seeds_of(data, network, language)
    return joined([
        note, text("Line: mean over {n} seeds; band: from the lowest to the highest of them.", n=seeds),
        *([text("Faint: epochs that not all of them reached.")] if len(ends) > 1 else []),
    ], " ")  # fmt: skip


def _without(data: Part, language: Language) -> str:
    """What is missing from a figure of all networks: those without a finished run, and those with too few seeds."""
    lacking = [name for name in data.networks if data.asked_seeds(name) > len(data.of(name))]
    names = [titled(data, name, language) for name in (*absent_networks(data), *lacking)]
    return joined([" ", language.text("Missing: {networks}.", networks=language.join(names))]) if names else ""
