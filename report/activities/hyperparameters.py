"""Every hyper-parameter of a recipe and what else can differ between networks: one list of rows for table and prose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from statistics import fmean
from typing import Any, Literal, NamedTuple

from report.activities.comparison import CHANGES, published_words
from report.data.records import Part
from report.data.trainings import RunData
from report.evidence.language import Language
from report.evidence.quantity import Cell, Quantity, Table, numbers_of, table
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
    "flip": "horizontal flip", "crop": "random crop", "erase": "random erasing", "randaugment": "RandAugment",
    "mixup": "mixup", "cutmix": "CutMix",
}  # fmt: skip
MONITORS = {"val_loss": "validation loss", "val_accuracy": "validation accuracy"}
DESIGN = ("stem", "stem_pool", "last_pool", "batch_norm", "dropout", "dense_units")
"""Codes of adaptations that are decisions about a network; the others only follow from the images and the classes."""

Show = Callable[[Part, RunData, Language], Cell]


class Row(NamedTuple):
    """What can differ between networks: its message id, what its cell shows, and what it confounds, as a message id.

    `kind` says what a difference is that confounds nothing.
    """

    name: str
    show: Show
    confounds: str = ""
    kind: Literal["recipe", "design", "outcome"] = "recipe"


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


def names_of(keys: Sequence[str], language: Language) -> list[str]:
    """Names of a recipe's keys inside a sentence."""
    return [language.text(RECIPE[key].name).lower() for key in keys]


def _value(key: str, unit: Any = "rate", none: str = "") -> Show:
    """The recipe's value; where it is nothing or zero and `none` says so, that word."""

    def show(_: Part, run: RunData, language: Language) -> Cell:
        value = run.resolved.get(key, run.recipe[key]) if key == "ema" else run.recipe[key]
        return language.text(none) if none and not value else numbers_of(run.run)(value, unit)

    return show


def _yes(of: Callable[[RunData], Any]) -> Show:
    return lambda _, run, language: language.text("yes" if of(run) else "no")


def _epochs(data: Part, run: RunData, language: Language) -> Cell:
    """Those planned, from the fewest to the most of a network's seeds, and those asked for where they are others."""
    runs = data.of(run.network)
    q = numbers_of(*(one.run for one in runs))
    planned, asked = ([int(one.resolved[f"epochs_{what}"]) for one in runs] for what in ("planned", "requested"))
    low, high, most = q.count(min(planned)), q.count(max(planned)), q.count(max(asked))
    shown: Cell = low if low == high else language.text("{low} to {high}", low=low, high=high)
    return shown if high == most else language.text("{planned} of {requested}", planned=shown, requested=most)


def _stop(_: Part, run: RunData, language: Language) -> Cell:
    stopping, q = run.recipe["early_stopping"], numbers_of(run.run)
    if stopping is None:
        return language.text("none")
    monitor = language.text(MONITORS[stopping["monitor"]])
    rule = language.text("{monitor}, patience {patience}", monitor=monitor, patience=q.count(stopping["patience"]))
    delta = stopping["min_delta"]
    return language.text("{rule}, by more than {delta}", rule=rule, delta=q(delta, "rate")) if delta else rule


def _initial(_: Part, run: RunData, language: Language) -> Cell:
    weights = run.recipe["weights"]
    named = "ImageNet" if weights == "imagenet" else PurePath(weights or "").name
    return named or language.text("He normal, random")


def _trials(data: Part, run: RunData, language: Language) -> Cell:
    search = data.searches.get(run.network)
    return numbers_of(search.record).count(len(search.trials)) if search else language.text("none")


def _folds(data: Part, run: RunData, language: Language) -> Cell:
    folds = data.folds.get(run.network, ())
    return numbers_of(*(f.run for f in folds)).count(len({f.index for f in folds})) if folds else language.text("none")


def _time(data: Part, run: RunData, _: Language) -> Quantity:
    runs = data.of(run.network)
    mean, several = fmean(float(one.run.manifest["seconds"]) for one in runs), len(runs) > 1
    how = "Mean over seeds" if several else ""
    return numbers_of(*(one.run for one in runs))(mean, "seconds", how=how, n=len(runs) if several else None)


def _change(code: str) -> Show:
    def show(_: Part, run: RunData, language: Language) -> Cell:
        used = {one["code"]: one["used"] for one in run.architecture.manifest["adaptations"]}
        return (
            published_words(used[code], language, run.architecture.id)
            if code in used
            else language.text("as published")
        )

    return show


RECIPE: Mapping[str, Row] = {
    "optimizer": Row("Optimiser", lambda _, run, language: optimizer_words(run, language)),
    "learning_rate": Row("Peak learning rate", _value("learning_rate")),
    "schedule": Row(
        "Schedule", lambda _, run, language: language.text(SCHEDULES[run.recipe["schedule"], run.recipe["warmup"] > 0])
    ),
    "warmup": Row("Warm-up, share of steps", _value("warmup")),
    "momentum": Row(
        "Momentum",
        lambda _, run, language: numbers_of(run.run)(run.recipe["momentum"], "rate")
        if run.recipe["optimizer"] == "sgd" else language.text("does not apply"),
    ),
    "weight_decay": Row("Weight decay", _value("weight_decay")),
    "batch_size": Row("Mini-batch", _value("batch_size", "count")),
    "epochs": Row(
        "Epochs", _epochs,
        "this is no comparison after equal training, and a network with fewer epochs may not have learned what it can",
    ),
    "early_stopping": Row("Early stopping", _stop),
    "augmentation": Row(
        "Augmentation", lambda _, run, language: augmentation_words(run.recipe["augmentation"], language),
        "the networks learned from different variants of the images, so that accuracy and overfitting are also those of "
        "the augmentation",
    ),
    "label_smoothing": Row("Label smoothing", _value("label_smoothing")),
    "gradient_clip": Row("Gradient clipping", _value("gradient_clip", none="none")),
    "ema": Row("Moving average of the weights, decay a step", _value("ema", none="none")),
    "precision": Row(
        "Precision", lambda _, run, __: str(run.resolved["precision"]),
        "training times do not compare, and accuracies differ a little by rounding",
    ),
    "weights": Row(
        "Initial weights", _initial,
        "a network that was trained before brings what it learned from other images, which is not its architecture's",
    ),
    "frozen": Row(
        "Base frozen", _yes(lambda run: run.recipe["frozen"]),
        "not all of the networks could fit all their layers to these images",
    ),
    "frozen_epochs": Row(
        "First epochs with the base frozen", _value("frozen_epochs", "count", "none"),
        "the networks did not have the same number of epochs in which all layers learn",
    ),
    "rate_decay": Row(
        "Learning rate of a block, as a factor of the next one's",
        lambda _, run, language: language.text("the same rate in all")
        if run.recipe["rate_decay"] >= 1 else numbers_of(run.run)(run.recipe["rate_decay"], "rate"),
    ),
}  # fmt: skip
"""Every key of a recipe."""

BESIDE = (
    Row(
        "Side of the images", lambda _, run, __: numbers_of(run.run)(int(run.spec["data"]["image_size"]), "pixels"),
        "networks that see different images do not compare",
    ),
    Row(
        "Trials of a search", _trials,
        "what a network gains by more tuning cannot be told from what it gains by its architecture",
    ),
    Row(
        "Answers averaged with the mirror image's", _yes(lambda run: run.flip),
        "averaging usually raises accuracy by itself, for those networks only that have it",
    ),
    Row(
        "Seeds", lambda data, run, language: language.join([language.number(one.seed) for one in data.of(run.network)]),
        "the chance of the initialisation is not averaged out alike, or not over the same seeds",
    ),
    Row("Folds trained", _folds, "there is no cross-validated accuracy of all networks, or not from as many folds"),
    Row("Training time", _time, kind="outcome"),
)  # fmt: skip
"""What can differ beside the recipes; departures from the published networks come on top."""


def _rows(data: Part, language: Language) -> list[tuple[Row, dict[str, Cell], bool]]:
    """Each row with its cell of each network, and whether these differ."""
    firsts = [data.of(name)[0] for name in data.networks]
    codes = {change["code"] for run in data.runs for change in run.architecture.manifest["adaptations"]}
    design = [Row(CHANGES[code], _change(code), kind="design") for code in DESIGN if code in codes]
    found = []
    for row in [*RECIPE.values(), *BESIDE, *design]:
        cells = {run.network: row.show(data, run, language) for run in firsts}
        values = {cell.value if isinstance(cell, Quantity) else cell for cell in cells.values()}
        found.append((row, cells, len(values) > 1))
    return found


def differences(data: Part, language: Language) -> dict[str, Any]:
    """Which hyper-parameters differ between the networks, so that their comparison is one of both."""
    recipes = [run.recipe for run in data.runs]
    differing = [key for key in RECIPE if len({str(recipe[key]) for recipe in recipes}) > 1]
    return {
        "same_recipe": not differing,
        "differing": names_of(differing, language),
        "same_epochs": len({run.resolved["epochs_run"] for run in data.runs}) == 1,
    }


def fairness(data: Part, language: Language) -> dict[str, Any]:
    """What is not the same for all networks: what confounds their comparison with what each has, and the other names."""
    differing = [(row, cells) for row, cells, differs in _rows(data, language) if differs]
    times = {data.of(name)[0].title: _time(data, data.of(name)[0], language) for name in data.networks}
    fastest, slowest = (pick(times, key=lambda title: times[title].value) for pick in (min, max))

    def named(kind: str) -> list[str]:
        return [_inside(row, language) for row, _ in differing if not row.confounds and row.kind == kind]

    return {
        "any": bool(differing),
        "confounders": [
            {
                "what": language.text(row.name)[0].upper() + language.text(row.name)[1:],
                "inside": _inside(row, language),
                "confounds": language.text(row.confounds),
                "each": [{"network": data.of(key)[0].title, "value": cell} for key, cell in cells.items()],
            }
            for row, cells in differing
            if row.confounds
        ],
        "recipe": named("recipe"), "design": named("design"),
        "fastest": fastest, "slowest": slowest, "shortest": times[fastest], "longest": times[slowest],
    }  # fmt: skip


def _inside(row: Row, language: Language) -> str:
    """The row's name inside a sentence."""
    words = language.text(row.name)
    return words[0].lower() + words[1:]


def hyperparameter_table(data: Part, language: Language) -> Table:
    """A row a hyper-parameter, and one for what else differs; a column a network, and one for what differs and confounds."""
    text, marks = language.text, False
    rows: list[dict[str, Cell]] = []
    for row, cells, differs in _rows(data, language):
        if differs or row in RECIPE.values():
            mark = text("confounds the comparison" if row.confounds else "differs")
            name = text(row.name)[0].upper() + text(row.name)[1:]
            rows.append({"name": name, **cells, **({"mark": mark} if differs else {})})
            marks = marks or differs
    heads = {"name": text("Hyper-parameter"), **{name: data.of(name)[0].title for name in data.networks}}
    origins = [
        text(
            "Chosen by the search for {network}: {keys}.",
            network=data.of(network)[0].title, keys=language.join(names_of(search.varied, language)),
        )
        for network, search in data.searches.items()
        if network in data.networks
    ]  # fmt: skip
    rest = text("All others were set in the lab file.") if origins else text("Set in the lab file before training.")
    return table(
        text("Every hyper-parameter of the trainings on {dataset}", dataset=data.dataset.manifest["title"]),
        heads | ({"mark": text("Differs")} if marks else {}),
        rows,
        note=joined([*origins, rest, text("The loss is cross entropy on softmax outputs.")], " "),
    )
