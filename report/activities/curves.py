"""Activities 8 and 12: loss and accuracy against the epoch, and what they show."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from report.activities.common import Answerer, absent_networks, primary_network, seeds_of, titled
from report.data.records import LabData, Part
from report.data.trainings import RunData
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Figure, Quantity, numbers_of
from report.evidence.statistics import difference, wilson
from report.evidence.words import joined
from report.figures.curves import History, comparison_curves, network_curves

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
    data = lab.parts[part]
    runs = data.of(primary_network(data))
    run, others = runs[0], [data.of(name)[0] for name in data.networks if name != runs[0].network]
    return Evidence(
        names={
            "network": run.title,
            "several_networks": len(data.networks) > 1,
            "several_seeds": len(runs) > 1,
            "seeds": seeds_of(data, run.network, language),
            **_facts(run),
            **_fit(data, run),
            "others": [
                {
                    "network": one.title,
                    "val_accuracy": _at(one, "val_accuracy", _kept(one)),
                    "best_epoch": numbers_of(one.run).count(_kept(one) + 1),
                }
                for one in others
            ],
        },
        items=_figures(data, runs, language),
    )


def _kept(run: RunData) -> int:
    """Row of the history of the epoch whose weights are evaluated."""
    return int(run.resolved["best_epoch"]) - 1


def _at(run: RunData, column: str, epoch: int) -> Quantity:
    value, q = float(run.history[column][epoch]), numbers_of(run.run)
    if "loss" in column:
        return q(value, "loss", how="Cross entropy")
    return q(value, "share", how="Accuracy measured at the end of the epoch")


def _facts(run: RunData) -> dict[str, Any]:
    history, q, at = run.history, numbers_of(run.run), partial(_at, run)
    kept, last, lowest = _kept(run), len(history["epoch"]) - 1, int(history["val_loss"].argmin())
    stopping, planned = run.recipe["early_stopping"], int(run.resolved["epochs_planned"])
    return {
        "epochs": q.count(last + 1),
        "one_epoch": last == 0,
        "best_epoch": q.count(kept + 1),
        "kept_is_last": kept == last,
        "lowest_epoch": q.count(lowest + 1),
        "lowest_is_last": lowest == last,
        "levelled": bool(last >= 2 and history["val_loss"][last - 2] < (1 + LEVEL) * history["val_loss"][last]),
        "lowest_is_kept": lowest == kept,
        "lowest_val_loss": at("val_loss", lowest),
        "stopped_early": run.resolved["stopped"] == "early",
        "early_stopping": stopping is not None,
        # A stop takes a first epoch, `patience` more without improvement, and one left to save.
        "could_stop": stopping is not None and stopping["patience"] <= planned - 2,
        "epochs_planned": q.count(planned),
        "patience": q.count(stopping["patience"]) if stopping else None,
        "patience_of_one": stopping is not None and stopping["patience"] == 1,
        "decayed": run.recipe["schedule"] == "cosine" and last + 1 == planned,
        "first_val_loss": at("val_loss", 0),
        "best_loss": at("loss", kept),
        "best_val_loss": at("val_loss", kept),
        "last_loss": at("loss", last),
        "last_val_loss": at("val_loss", last),
        "first_val_accuracy": at("val_accuracy", 0),
        "best_accuracy": at("accuracy", kept),
        "best_val_accuracy": at("val_accuracy", kept),
        "last_val_accuracy": at("val_accuracy", last),
        "loss_fell": bool(history["val_loss"][kept] < history["val_loss"][0]),
        "accuracy_rose": bool(history["val_accuracy"][kept] > history["val_accuracy"][0]),
    }


def _fit(data: Part, run: RunData) -> dict[str, Any]:
    """What the kept epoch and the last one say of fitting, with the intervals that the two samples' sizes allow."""
    history, images, classes, q = run.history, run.resolved["images"], data.dataset.classes, numbers_of(run.run)
    kept, uniform, n = _kept(run), math.log(len(classes)), int(images["validation"])
    sample = min(n, int(images["train"]))
    trained, first, right = (
        round(float(history[column][epoch]) * of)
        for column, epoch, of in (("accuracy", kept, sample), ("val_accuracy", 0, n), ("val_accuracy", kept, n))
    )

    def points(right_a: int, n_a: int, right_b: int, n_b: int, of: int) -> Quantity:
        value, low, high = difference(right_a, n_a, right_b, n_b)
        return q(value, "points", n=of, low=low, high=high, how="Difference of two proportions, Newcombe interval")

    rise, gap = points(right, n, first, n, n), points(trained, sample, right, n, sample + n)
    assert rise.low is not None and gap.low is not None and gap.high is not None
    # A network that is sure of its mistakes can have a loss of ln K and more and still answer better than chance.
    by_loss = bool(history["val_loss"][kept] < LEARNED * uniform)
    sizes = [int(entry["validation"]) for entry in classes]
    by_accuracy, overfits = wilson(right, n)[0] > max(sizes) / sum(sizes), _loss_rose_again(run)
    learned = by_loss or by_accuracy
    return {
        "rise": rise,
        "rise_is_real": rise.low > 0,
        "gap": gap,
        "gap_is_real": gap.low > 0,
        "gap_is_large": gap.value > LARGE_GAP,
        "gap_is_reversed": gap.high < 0,
        "overfits": overfits,
        "uniform_loss": Quantity(value=uniform, unit="loss", how="ln K, the loss of a network that knows nothing"),
        "learned": learned,
        "learned_by_accuracy_only": by_accuracy and not by_loss,
        "underfits": learned and not overfits and underfits(q.share(trained, sample), gap),
    }


def underfits(train: Quantity, gap: Quantity) -> bool:
    """Whether training accuracy itself is clearly low, and not far above that on images that were not trained on."""
    return train.high is not None and train.high < UNDERFIT and gap.value <= LARGE_GAP


def _loss_rose_again(run: RunData) -> bool:
    """Whether the validation loss ends clearly above its minimum although the training loss went on falling.

    Clearly: by more than `RISE`, and by more than the curve goes up and down by itself.
    """
    loss, train = run.history["val_loss"], run.history["loss"]
    steps, lowest = loss[1:] - loss[:-1], int(loss.argmin())
    wobble = max(*steps[:lowest].clip(min=0.0), *(-steps[lowest:]).clip(min=0.0), 0.0, 0.0)
    rise = loss[-1] - loss[lowest]
    return bool(rise > RISE * loss[lowest] and rise > wobble and train[-1] < train[lowest])


def _history(run: RunData) -> History:
    columns = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
    return History(
        network=run.network, **{key: [float(value) for value in run.history[key]] for key in columns},
        best_epoch=_kept(run) + 1, stopped=str(run.resolved["stopped"]), seed=run.seed, run=run.run.id,
    )  # fmt: skip


def _figures(data: Part, runs: list[RunData], language: Language) -> dict[str, Figure]:
    text, run, best, q = language.text, runs[0], _kept(runs[0]), numbers_of(runs[0].run)
    note = text(
        "Measured at the end of each epoch in inference mode, without augmentation: plain cross entropy and accuracy on "
        "{validation} validation images and on a fixed sample of the training images of the same size.",
        validation=q.count(run.resolved["images"]["validation"]),
    )
    captions = {
        "loss": text(
            "{network}'s loss: validation is at {value} in epoch {epoch}, which is kept",
            network=run.title, value=_at(run, "val_loss", best), epoch=q.count(best + 1),
        ),
        "accuracy": text(
            "{network}'s accuracy: {value} on validation in the epoch that is kept",
            network=run.title, value=_at(run, "val_accuracy", best),
        ),
    }  # fmt: skip
    histories, note = [_history(one) for one in runs], _with_seeds(note, data, run.network, language)
    records = [one.run for one in runs]
    items = {
        "loss": network_curves("loss", histories, language, caption=captions["loss"], note=note, source=records),
        "accuracy": network_curves("accuracy", histories, language, caption=captions["accuracy"], note=note, source=records),
    }  # fmt: skip
    if len(data.networks) > 1:
        most = max(data.networks, key=lambda name: len(data.of(name)))
        note = text("Curves end where each training did; epochs cost different times, see the table of times.")
        note = _with_seeds(note, data, most, language)
        # those without a finished run, and those with too few seeds
        lacking = [name for name in data.networks if data.asked_seeds(name) > len(data.of(name))]
        if missing := [titled(data, name, language) for name in (*absent_networks(data), *lacking)]:
            note = joined([note, text("Missing: {networks}.", networks=language.join(missing))], " ")
        items["networks"] = comparison_curves(
            [_history(one) for one in data.runs],
            language,
            caption=text("Validation accuracy of all networks on {dataset}", dataset=data.dataset.manifest["title"]),
            note=note,
            source=[one.run for one in data.runs],
        )
    return items


def _with_seeds(note: str, data: Part, network: str, language: Language) -> str:
    """The note and, where a line is the mean of several seeds, what its band is and where seeds are missing from it."""
    runs, text, seeds = data.of(network), language.text, seeds_of(data, network, language)
    if len(runs) < 2:
        return note
    faint = len({len(run.history["epoch"]) for run in runs}) > 1
    return joined([
        note, text("Line: mean over {n} seeds; band: from the lowest to the highest of them.", n=seeds),
        *([text("Faint: epochs that not all of them reached.")] if faint else []),
    ], " ")  # fmt: skip


ANSWERS = {"curves": Answerer(answer, of_data=True, needs_runs=True)}
