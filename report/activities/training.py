"""Activities 7 and 11: validation strategy, training time, how hyper-parameters were set, optimiser, mini-batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from report.activities.common import count, primary_network, primary_run, required_part
from report.activities.division import division
from report.activities.leaks import leak_counts
from report.evidence import Cell, Column, Evidence, Quantity, Table
from report.language import Language
from report.records import LabData, Part, RunData

OPTIMIZERS = {"sgd": "SGD with momentum", "adam": "Adam", "adamw": "AdamW"}
SCHEDULES = {
    ("cosine", True): "warm-up, then cosine decay to zero",
    ("constant", True): "warm-up, then constant",
    ("cosine", False): "cosine decay to zero",
    ("constant", False): "constant",
}
"""Message ids by a recipe's schedule and whether it warms up."""

AUGMENTATIONS = {"flip": "horizontal flip", "crop": "random crop"}
MONITORS = {"val_loss": "validation loss", "val_accuracy": "validation accuracy"}
PRECISION_REASONS = {
    "requested": "the lab file asks for it",
    "cpu-native": "the processor computes in it natively",
    "cpu-emulated": "the processor would only emulate a shorter format",
    "gpu-compute": "the graphics card computes in it natively",
    "gpu-unknown": "the graphics card does not state what it computes in",
}
"""Message ids by the codes that records hold; `precision_reason` may carry a detail after a colon."""


MERGED = "mini-imagenet"
"""A data set that is usually divided by class, which a classification task cannot do; in lower case."""


def answer(lab: LabData, language: Language, *, part: str) -> Evidence:
    """The five things that the assignment asks, for the primary network, and a table for all of them."""
    data = required_part(lab, part)
    run = primary_run(data)
    manifest = data.dataset.manifest
    return Evidence(
        names={
            "dataset": manifest["title"],
            "stand_in_for": manifest["stand_in_for"] or "",
            "network": run.title,
            "networks": [data.of(name)[0].title for name in data.networks],
            "several_networks": len(data.networks) > 1,
            "chosen_by_lab": data.primary == primary_network(data),
            "validation_chose_network": len(data.networks) > 1 and data.primary != primary_network(data),
            "several_seeds": len(data.of(run.network)) > 1,
            "seeds": count(len(data.of(run.network))),
            "explains_merged_classes": MERGED in (manifest["stand_in_for"] or manifest["title"]).lower(),
            "is_mini_imagenet": MERGED in manifest["title"].lower(),
            "leaks": leak_counts(data.dataset),
            **division(data.dataset, language),
            **_split(data, run),
            **_time(data, run),
            **_stopping(run, language),
            **_optimiser(run, language),
            **_differences(data, language),
            "also_shortened": [
                {"network": _run_title(data, one, language), **_planned(one)}
                for one in data.runs
                if one.resolved["shortened"] and one is not run
            ],
        },
        items={"hyperparameters": _hyperparameters(data, language), "times": _times(data, language)},
    )


def _split(data: Part, run: RunData) -> dict[str, Any]:
    images = run.resolved["images"]
    test = run.predictions["test"].labels.size
    return {
        "train_images": count(images["train"]),
        "validation_images": count(images["validation"]),
        "test_images": count(test),
        "classes": count(len(data.dataset.class_names)),
    }


def _time(data: Part, run: RunData) -> dict[str, Any]:
    runs = tuple(one.run.id for one in data.runs)
    hardware = run.run.manifest["hardware"]
    resolved = run.resolved
    return {
        "time": _seconds(run.run.manifest["seconds"], [run]),
        "time_of_all": Quantity(
            value=sum(float(one.run.manifest["seconds"]) for one in data.runs), unit="seconds", n=len(data.runs),
            runs=runs, how="Sum over the trainings",
        ),
        "epoch_time": _seconds(resolved["seconds_per_epoch"], [run], how="Median over epochs"),
        "speed": Quantity(
            value=resolved["images_per_second"], unit="images_per_second", runs=(run.run.id,), how="Median over epochs"
        ),
        "machine": hardware["cpu"],
        "cores": count(hardware["cores"]),
        "one_core": hardware["cores"] == 1,
        "accelerator": hardware["accelerator"] or "",
    }  # fmt: skip


def _seconds(value: float, runs: Sequence[RunData], how: str = "") -> Quantity:
    return Quantity(value=value, unit="seconds", runs=tuple(run.run.id for run in runs), how=how)


def _stopping(run: RunData, language: Language) -> dict[str, Any]:
    """Epochs asked for, planned, run and kept."""
    resolved, stopping = run.resolved, run.spec["recipe"]["early_stopping"]
    return {
        "epochs_requested": count(resolved["epochs_requested"]),
        "epochs_planned": count(resolved["epochs_planned"]),
        "epochs_run": count(resolved["epochs_run"]),
        "one_epoch": resolved["epochs_run"] == 1,
        "best_epoch": count(resolved["best_epoch"]),
        "shortened": bool(resolved["shortened"]),
        "early_stopping": stopping is not None,
        "monitor": language.text(MONITORS[stopping["monitor"]]) if stopping else "",
        "patience": count(stopping["patience"]) if stopping else None,
        "patience_of_one": stopping is not None and stopping["patience"] == 1,
        "stopped_early": resolved["stopped"] == "early",
        "best_is_last": resolved["best_epoch"] == resolved["epochs_run"],
    }


def _planned(run: RunData) -> dict[str, Any]:
    return {"planned": count(run.resolved["epochs_planned"]), "requested": count(run.resolved["epochs_requested"])}


def _optimiser(run: RunData, language: Language) -> dict[str, Any]:
    recipe, resolved = run.spec["recipe"], run.resolved
    return {
        "optimizer": _optimizer_words(run, language),
        "has_momentum": _has_momentum(run),
        "momentum": _number(recipe["momentum"]),
        "learning_rate": Quantity(value=recipe["learning_rate"], unit="rate"),
        "cosine": recipe["schedule"] == "cosine",
        "warmup": Quantity(value=recipe["warmup"], unit="share", how="Share of all steps"),
        "has_warmup": recipe["warmup"] > 0,
        "weight_decay": Quantity(value=recipe["weight_decay"], unit="rate"),
        "has_weight_decay": recipe["weight_decay"] > 0,
        "smoothed": recipe["label_smoothing"] > 0,
        "augmentation": [language.text(AUGMENTATIONS[one]) for one in recipe["augmentation"]],
        "pretrained": recipe["weights"] is not None,
        "frozen": bool(recipe["frozen"]),
        "plain_vgg": run.network == "vgg19" and resolved["batch_norm_momentum"] is None and recipe["weights"] is None,
        "batch_size": count(recipe["batch_size"]),
        "steps_per_epoch": count(resolved["steps_per_epoch"]),
        "updates": count(resolved["steps_per_epoch"] * resolved["epochs_run"]),
        "precision": resolved["precision"],
        "precision_reason": _reason(resolved["precision_reason"], language),
        "uses_batch_norm": resolved["batch_norm_momentum"] is not None,
    }


def _has_momentum(run: RunData) -> bool:
    """Only SGD reads the recipe's momentum; Adam's moments have their usual decay rates."""
    recipe = run.spec["recipe"]
    return bool(recipe["optimizer"] == "sgd" and recipe["momentum"] > 0)


def _optimizer_words(run: RunData, language: Language) -> str:
    kind = run.spec["recipe"]["optimizer"]
    return language.text("SGD" if kind == "sgd" and not _has_momentum(run) else OPTIMIZERS[kind])


def _number(value: float) -> Quantity:
    return Quantity(value=value, unit="rate")


def _reason(code: str, language: Language) -> str:
    known, _, detail = code.partition(":")
    words = language.text(PRECISION_REASONS[known]) if known in PRECISION_REASONS else known
    return f"{words} ({detail})" if detail else words


def _differences(data: Part, language: Language) -> dict[str, Any]:
    """Which hyper-parameters differ between the networks, so that their comparison is one of both."""
    recipes = [run.spec["recipe"] for run in data.runs]
    differing = [key for key in recipes[0] if len({str(recipe[key]) for recipe in recipes}) > 1]
    epochs = {run.resolved["epochs_run"] for run in data.runs}
    return {
        "same_recipe": not differing,
        "differing": [language.text(HYPERPARAMETERS[key][0]).lower() for key in differing],
        "same_epochs": len(epochs) == 1,
    }


Show = Callable[[RunData, Language], Cell]


def _of_recipe(key: str) -> Show:
    return lambda run, language: _number(run.spec["recipe"][key])


def _epochs(run: RunData, language: Language) -> Cell:
    resolved = run.resolved
    if resolved["epochs_requested"] == resolved["epochs_planned"]:
        return count(resolved["epochs_planned"])
    return language.text(
        "{planned} of {requested}", planned=resolved["epochs_planned"], requested=resolved["epochs_requested"]
    )


def _stop(run: RunData, language: Language) -> Cell:
    stopping = run.spec["recipe"]["early_stopping"]
    if stopping is None:
        return language.text("none")
    rule = language.text(
        "{monitor}, patience {patience}",
        monitor=language.text(MONITORS[stopping["monitor"]]),
        patience=stopping["patience"],
    )
    if not stopping["min_delta"]:
        return rule
    return language.text("{rule}, by more than {delta}", rule=rule, delta=_number(stopping["min_delta"]))


def _augmented(run: RunData, language: Language) -> Cell:
    names = [language.text(AUGMENTATIONS[one]) for one in run.spec["recipe"]["augmentation"]]
    return language.join(names) if names else language.text("none")


def _initial(run: RunData, language: Language) -> Cell:
    weights = run.spec["recipe"]["weights"]
    if weights is None:
        return language.text("He normal, random")
    return "ImageNet" if weights == "imagenet" else PurePath(weights).name


def _momentum(run: RunData, language: Language) -> Cell:
    recipe = run.spec["recipe"]
    return _number(recipe["momentum"]) if recipe["optimizer"] == "sgd" else language.text("does not apply")


def _schedule(run: RunData, language: Language) -> Cell:
    recipe = run.spec["recipe"]
    return language.text(SCHEDULES[recipe["schedule"], recipe["warmup"] > 0])


def _clip(run: RunData, language: Language) -> Cell:
    clip = run.spec["recipe"]["gradient_clip"]
    return language.text("none") if clip is None else _number(clip)


def _yes(key: str) -> Show:
    return lambda run, language: language.text("yes") if run.spec["recipe"][key] else language.text("no")


HYPERPARAMETERS: Mapping[str, tuple[str, Show]] = {
    "optimizer": ("Optimiser", _optimizer_words),
    "learning_rate": ("Peak learning rate", _of_recipe("learning_rate")),
    "schedule": ("Schedule", _schedule),
    "warmup": ("Warm-up, share of steps", _of_recipe("warmup")),
    "momentum": ("Momentum", _momentum),
    "weight_decay": ("Weight decay", _of_recipe("weight_decay")),
    "batch_size": ("Mini-batch", lambda run, language: count(run.spec["recipe"]["batch_size"])),
    "epochs": ("Epochs", _epochs),
    "early_stopping": ("Early stopping", _stop),
    "augmentation": ("Augmentation", _augmented),
    "label_smoothing": ("Label smoothing", _of_recipe("label_smoothing")),
    "gradient_clip": ("Gradient clipping", _clip),
    "precision": ("Precision", lambda run, language: str(run.resolved["precision"])),
    "weights": ("Initial weights", _initial),
    "frozen": ("Base frozen", _yes("frozen")),
}
"""Every key of a recipe: its name as a message id, and what its row shows."""


def _hyperparameters(data: Part, language: Language) -> Table:
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
        note=language.text(
            "Set in the lab file before training. The loss is cross entropy on softmax outputs in every run."
        ),
        columns=tuple(columns),
        rows=tuple(rows),
    )


def _run_title(data: Part, run: RunData, language: Language) -> str:
    """The network, with its seed where it was trained from several."""
    if len(data.of(run.network)) == 1:
        return run.title
    return language.text("{network}, seed {seed}", network=run.title, seed=run.seed)


def _times(data: Part, language: Language) -> Table:
    rows: list[Mapping[str, Cell]] = [
        {
            "network": _run_title(data, run, language),
            "epochs": count(run.resolved["epochs_run"]),
            "best": count(run.resolved["best_epoch"]),
            "epoch": _seconds(run.resolved["seconds_per_epoch"], [run], how="Median over epochs"),
            "speed": Quantity(value=run.resolved["images_per_second"], unit="images_per_second", runs=(run.run.id,)),
            "total": _seconds(run.run.manifest["seconds"], [run]),
        }
        for run in data.runs
    ]
    text = language.text
    return Table(
        caption=text("What each training took"),
        note=text(
            "Total time includes building the network, measuring each epoch and saving; speed is of the training steps."
        ),
        columns=(
            Column(key="network", head=text("Network")),
            Column(key="epochs", head=text("Epochs")),
            Column(key="best", head=text("Best epoch")),
            Column(key="epoch", head=text("Time an epoch")),
            Column(key="speed", head=text("Training speed"), best="max"),
            Column(key="total", head=text("Total"), best="min"),
        ),
        rows=tuple(rows),
    )
