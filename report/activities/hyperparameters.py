"""Every hyper-parameter of a recipe: its name, what its row in the table shows, and where networks differ in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from report.activities.common import count
from report.data.records import Part, RunData
from report.evidence.language import Language
from report.evidence.quantity import Cell, Column, Quantity, Table
from report.evidence.words import joined

OPTIMIZERS = {"sgd": "SGD with momentum", "adam": "Adam", "adamw": "AdamW"}
SCHEDULES = {
    ("cosine", True): "warm-up, then cosine decay to zero",
    ("constant", True): "warm-up, then constant",
    ("cosine", False): "cosine decay to zero",
    ("constant", False): "constant",
}
"""Message ids by a recipe's schedule and whether it warms up."""

AUGMENTATIONS = {
    "flip": "horizontal flip",
    "crop": "random crop",
    "erase": "random erasing",
    "randaugment": "RandAugment",
    "mixup": "mixup",
    "cutmix": "CutMix",
}
MONITORS = {"val_loss": "validation loss", "val_accuracy": "validation accuracy"}

Show = Callable[[RunData, Language], Cell]


def has_momentum(run: RunData) -> bool:
    """Only SGD reads the recipe's momentum; Adam's moments have their usual decay rates."""
    return bool(run.recipe["optimizer"] == "sgd" and run.recipe["momentum"] > 0)


def optimizer_words(run: RunData, language: Language) -> str:
    """The optimiser's name in prose."""
    kind = run.recipe["optimizer"]
    return language.text("SGD" if kind == "sgd" and not has_momentum(run) else OPTIMIZERS[kind])


def augmentation_words(names: Sequence[str], language: Language) -> str:
    """What is done to training images, in words."""
    return language.join([language.text(AUGMENTATIONS[one]) for one in names]) if names else language.text("none")


def rate(value: float, *, runs: Sequence[str] = ()) -> Quantity:
    """A rate, decay or factor."""
    return Quantity(value=value, unit="rate", runs=tuple(runs))


def names_of(keys: Sequence[str], language: Language) -> list[str]:
    """Names of a recipe's keys inside a sentence."""
    return [language.text(HYPERPARAMETERS[key][0]).lower() for key in keys]


def differences(data: Part, language: Language) -> dict[str, Any]:
    """Which hyper-parameters differ between the networks, so that their comparison is one of both."""
    recipes = [run.recipe for run in data.runs]
    differing = [key for key in HYPERPARAMETERS if len({str(recipe[key]) for recipe in recipes}) > 1]
    epochs = {run.resolved["epochs_run"] for run in data.runs}
    return {
        "same_recipe": not differing,
        "differing": names_of(differing, language),
        "same_epochs": len(epochs) == 1,
    }


def hyperparameter_table(data: Part, language: Language) -> Table:
    """A row a hyper-parameter, a column a network."""
    firsts = [data.of(name)[0] for name in data.networks]
    columns = [Column(key="name", head=language.text("Hyper-parameter"))]
    columns += [Column(key=run.network, head=run.title) for run in firsts]
    rows: list[Mapping[str, Cell]] = [
        {"name": language.text(name), **{run.network: show(run, language) for run in firsts}}
        for name, show in HYPERPARAMETERS.values()
    ]
    return Table(
        caption=language.text(
            "Every hyper-parameter of the trainings on {dataset}", dataset=data.dataset.manifest["title"]
        ),
        note=joined([*_origins(data, language), language.text("The loss is cross entropy on softmax outputs.")], " "),
        columns=tuple(columns),
        rows=tuple(rows),
    )


def _origins(data: Part, language: Language) -> list[str]:
    """Who set them: the lab file, or a search that is named with what it chose."""
    searched = [
        language.text(
            "Chosen by the search for {network}: {keys}.",
            network=data.of(network)[0].title,
            keys=language.join(names_of(search.varied, language)),
        )
        for network, search in data.searches.items()
        if network in data.networks
    ]
    if not searched:
        return [language.text("Set in the lab file before training.")]
    return [*searched, language.text("All others were set in the lab file.")]


def _of_recipe(key: str) -> Show:
    return lambda run, language: rate(run.recipe[key], runs=[run.run.id])


def _epochs(run: RunData, language: Language) -> Cell:
    resolved = run.resolved
    planned, requested = (count(resolved[f"epochs_{what}"], runs=[run.run.id]) for what in ("planned", "requested"))
    if planned.value == requested.value:
        return planned
    return language.text("{planned} of {requested}", planned=planned, requested=requested)


def _stop(run: RunData, language: Language) -> Cell:
    stopping = run.recipe["early_stopping"]
    if stopping is None:
        return language.text("none")
    rule = language.text(
        "{monitor}, patience {patience}",
        monitor=language.text(MONITORS[stopping["monitor"]]),
        patience=count(stopping["patience"], runs=[run.run.id]),
    )
    if not stopping["min_delta"]:
        return rule
    return language.text(
        "{rule}, by more than {delta}", rule=rule, delta=rate(stopping["min_delta"], runs=[run.run.id])
    )


def _initial(run: RunData, language: Language) -> Cell:
    weights = run.recipe["weights"]
    if weights is None:
        return language.text("He normal, random")
    return "ImageNet" if weights == "imagenet" else PurePath(weights).name


def _momentum(run: RunData, language: Language) -> Cell:
    if run.recipe["optimizer"] != "sgd":
        return language.text("does not apply")
    return rate(run.recipe["momentum"], runs=[run.run.id])


def _schedule(run: RunData, language: Language) -> Cell:
    return language.text(SCHEDULES[run.recipe["schedule"], run.recipe["warmup"] > 0])


def _or_none(key: str, show: Callable[..., Quantity]) -> Show:
    """The value, or the word for none where it is nothing or zero."""
    return lambda run, language: show(run.recipe[key], runs=[run.run.id]) if run.recipe[key] else language.text("none")


def _average(run: RunData, language: Language) -> Cell:
    decay = run.resolved.get("ema", run.recipe["ema"])
    return rate(decay, runs=[run.run.id]) if decay else language.text("none")


def _rate_decay(run: RunData, language: Language) -> Cell:
    if run.recipe["rate_decay"] >= 1:
        return language.text("the same rate in all")
    return rate(run.recipe["rate_decay"], runs=[run.run.id])


def _yes(key: str) -> Show:
    return lambda run, language: language.text("yes") if run.recipe[key] else language.text("no")


HYPERPARAMETERS: Mapping[str, tuple[str, Show]] = {
    "optimizer": ("Optimiser", optimizer_words),
    "learning_rate": ("Peak learning rate", _of_recipe("learning_rate")),
    "schedule": ("Schedule", _schedule),
    "warmup": ("Warm-up, share of steps", _of_recipe("warmup")),
    "momentum": ("Momentum", _momentum),
    "weight_decay": ("Weight decay", _of_recipe("weight_decay")),
    "batch_size": ("Mini-batch", lambda run, language: count(run.recipe["batch_size"], runs=[run.run.id])),
    "epochs": ("Epochs", _epochs),
    "early_stopping": ("Early stopping", _stop),
    "augmentation": ("Augmentation", lambda run, language: augmentation_words(run.recipe["augmentation"], language)),
    "label_smoothing": ("Label smoothing", _of_recipe("label_smoothing")),
    "gradient_clip": ("Gradient clipping", _or_none("gradient_clip", rate)),
    "ema": ("Moving average of the weights, decay a step", _average),
    "precision": ("Precision", lambda run, language: str(run.resolved["precision"])),
    "weights": ("Initial weights", _initial),
    "frozen": ("Base frozen", _yes("frozen")),
    "frozen_epochs": ("First epochs with the base frozen", _or_none("frozen_epochs", count)),
    "rate_decay": ("Learning rate of a block, as a factor of the next one's", _rate_decay),
}
"""Every key of a recipe: its name as a message id, and what its row shows."""
