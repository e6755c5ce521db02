"""What differed between the compared networks of a part besides their architecture, and what that confounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from report.activities.common import count
from report.activities.comparison import CHANGES, published_words
from report.activities.hyperparameters import HYPERPARAMETERS
from report.activities.times import seconds
from report.data.records import Part
from report.evidence.language import Language
from report.evidence.quantity import Cell, Column, Quantity, Table

Kind = Literal["confounder", "choice of recipe", "design of the network", "outcome of training"]
"""Message ids. Only a confounder makes the comparison one of more than the networks and their recipes."""

Show = Callable[[Part, str, Language], Cell]
"""What a network's cell shows."""


@dataclass(frozen=True)
class Aspect:
    """One thing in which compared networks can differ: its name and what it confounds, as message ids."""

    name: str
    kind: Kind
    show: Show
    confounds: str = ""


@dataclass(frozen=True)
class Difference:
    """An aspect with what each network has, by network; `differs` where that is not the same for all."""

    aspect: Aspect
    cells: Mapping[str, Cell]

    @property
    def differs(self) -> bool:
        """Whether any two networks show different things."""
        return len({cell.value if isinstance(cell, Quantity) else cell for cell in self.cells.values()}) > 1


def audit(data: Part, language: Language) -> list[Difference]:
    """Every aspect of the part's networks, those that are the same for all included."""
    codes = dict.fromkeys(
        change["code"] for run in data.runs for change in run.architecture.manifest["adaptations"]
    ).keys() & set(DESIGN)
    aspects = [*ASPECTS, *(Aspect(CHANGES[code], DESIGN_KIND, _change(code)) for code in DESIGN if code in codes)]
    return [
        Difference(aspect, {network: aspect.show(data, network, language) for network in data.networks})
        for aspect in aspects
    ]


def fairness(data: Part, language: Language) -> dict[str, Any]:
    """For the prose: the confounders with what each network has, and the other differences by kind."""
    found = [one for one in audit(data, language) if one.differs]
    times = {data.of(network)[0].title: _time(data, network, language) for network in data.networks}
    fastest, slowest = (pick(times, key=lambda title: times[title].value) for pick in (min, max))
    return {
        "any": bool(found),
        "confounders": [_confounder(one, data, language) for one in found if one.aspect.kind == "confounder"],
        "recipe": [_name(one, language) for one in found if one.aspect.kind == "choice of recipe"],
        "design": [_name(one, language) for one in found if one.aspect.kind == "design of the network"],
        "fastest": fastest,
        "slowest": slowest,
        "shortest": times[fastest],
        "longest": times[slowest],
    }


def confounders(data: Part, language: Language) -> list[str]:
    """Names of the confounders, inside a sentence."""
    return [_name(one, language) for one in audit(data, language) if one.differs and one.aspect.kind == "confounder"]


def fairness_table(data: Part, language: Language) -> Table:
    """A row for each aspect in which the networks differ; the note names those in which they do not."""
    text, found = language.text, audit(data, language)
    same = [_name(one, language) for one in found if not one.differs]
    rows: list[Mapping[str, Cell]] = [
        {"aspect": _title(one, language), **one.cells, "kind": text(one.aspect.kind)} for one in found if one.differs
    ]
    return Table(
        caption=_caption(found, data, language),
        note=text("The same for all: {list}.", list="; ".join(same)),
        columns=(
            Column(key="aspect", head=text("What differs")),
            *(Column(key=network, head=data.of(network)[0].title) for network in data.networks),
            Column(key="kind", head=text("What it is")),
        ),
        rows=tuple(rows),
    )


def _caption(found: Sequence[Difference], data: Part, language: Language) -> str:
    number = count(
        sum(one.differs and one.aspect.kind == "confounder" for one in found), runs=[run.run.id for run in data.runs]
    )
    dataset = data.dataset.manifest["title"]
    if not number.value:
        return language.text(
            "Besides the networks, nothing that confounds their comparison on {dataset} differs", dataset=dataset
        )
    return language.plural(
        "One difference besides the networks confounds their comparison on {dataset}",
        "{n} differences besides the networks confound their comparison on {dataset}",
        number,
        dataset=dataset,
    )


def _title(one: Difference, language: Language) -> str:
    words = language.text(one.aspect.name)
    return words[0].upper() + words[1:]


def _name(one: Difference, language: Language) -> str:
    """The same inside a sentence."""
    words = language.text(one.aspect.name)
    return words[0].lower() + words[1:]


def _confounder(one: Difference, data: Part, language: Language) -> dict[str, Any]:
    return {
        "what": _title(one, language),
        "each": [
            {"network": data.of(network)[0].title, "value": "–" if cell is None else cell}
            for network, cell in one.cells.items()
        ],
        "confounds": language.text(one.aspect.confounds),
    }


def _recipe(key: str) -> Show:
    """What the table of hyper-parameters shows."""
    return lambda data, network, language: HYPERPARAMETERS[key][1](data.of(network)[0], language)


def _range(data: Part, network: str, key: str, language: Language) -> Cell:
    runs = data.of(network)
    values, ids = [int(run.resolved[key]) for run in runs], [run.run.id for run in runs]
    low, high = count(min(values), runs=ids), count(max(values), runs=ids)
    return low if low.value == high.value else language.text("{low} to {high}", low=low, high=high)


def _planned(data: Part, network: str, language: Language) -> Cell:
    return _range(data, network, "epochs_planned", language)


def _run(data: Part, network: str, language: Language) -> Cell:
    return _range(data, network, "epochs_run", language)


def _size(data: Part, network: str, language: Language) -> Cell:
    run = data.of(network)[0]
    return Quantity(value=int(run.spec["data"]["image_size"]), unit="pixels", runs=(run.run.id,))


def _tuning(data: Part, network: str, language: Language) -> Cell:
    search = data.searches.get(network)
    return count(len(search.trials), runs=[search.record.id]) if search else language.text("none")


def _folds(data: Part, network: str, language: Language) -> Cell:
    folds = data.folds.get(network, ())
    ids = [fold.run.id for fold in folds]
    return count(len({fold.index for fold in folds}), runs=ids) if folds else language.text("none")


def _seeds(data: Part, network: str, language: Language) -> Cell:
    return language.join([language.number(run.seed) for run in data.of(network)])


def _mirrored(data: Part, network: str, language: Language) -> Cell:
    return language.text("yes" if data.of(network)[0].flip else "no")


def _time(data: Part, network: str, language: Language) -> Quantity:
    runs = data.of(network)
    mean = fmean(float(run.run.manifest["seconds"]) for run in runs)
    return seconds(mean, [run.run.id for run in runs], how="Mean over seeds" if len(runs) > 1 else "")


def _change(code: str) -> Show:
    """What the network has in place of the published, where it departs from it."""

    def show(data: Part, network: str, language: Language) -> Cell:
        architecture = data.of(network)[0].architecture
        changes = {one["code"]: one["used"] for one in architecture.manifest["adaptations"]}
        return (
            published_words(changes[code], language, (architecture.id,))
            if code in changes
            else language.text("as published")
        )

    return show


DESIGN = ("stem", "stem_pool", "last_pool", "batch_norm", "dropout", "dense_units")
"""Codes of adaptations that are decisions about a network; the others only follow from the images and the classes."""

DESIGN_KIND: Kind = "design of the network"

CHOICES = (
    "optimizer", "learning_rate", "schedule", "warmup", "momentum", "weight_decay", "batch_size", "early_stopping",
    "label_smoothing", "gradient_clip", "ema", "rate_decay",
)  # fmt: skip
"""Keys of a recipe that each network may have its own best value of."""

ASPECTS: tuple[Aspect, ...] = (
    Aspect("Side of the images", "confounder", _size, "networks that see different images do not compare"),
    Aspect(
        "Epochs planned", "confounder", _planned,
        "this is no comparison after equal training, and a network with fewer epochs may not have learned what it can",
    ),
    Aspect(
        "Augmentation", "confounder", _recipe("augmentation"),
        "the networks learned from different variants of the images, so that accuracy and overfitting are also those of "
        "the augmentation",
    ),
    Aspect(
        "Initial weights", "confounder", _recipe("weights"),
        "a network that was trained before brings what it learned from other images, which is not its architecture's",
    ),
    Aspect(
        "Base frozen", "confounder", _recipe("frozen"),
        "not all of the networks could fit all their layers to these images",
    ),
    Aspect(
        "First epochs with the base frozen", "confounder", _recipe("frozen_epochs"),
        "the networks did not have the same number of epochs in which all layers learn",
    ),
    Aspect(
        "Trials of a search", "confounder", _tuning,
        "what a network gains by more tuning cannot be told from what it gains by its architecture",
    ),
    Aspect(
        "Answers averaged with the mirror image's", "confounder", _mirrored,
        "averaging usually raises accuracy by itself, for those networks only that have it",
    ),
    Aspect(
        "Precision", "confounder", _recipe("precision"),
        "training times do not compare, and accuracies differ a little by rounding",
    ),
    Aspect(
        "Seeds", "confounder", _seeds,
        "the chance of the initialisation is not averaged out alike, or not over the same seeds",
    ),
    Aspect(
        "Folds trained", "confounder", _folds,
        "there is no cross-validated accuracy of all networks, or not from as many folds",
    ),
    *(Aspect(HYPERPARAMETERS[key][0], "choice of recipe", _recipe(key)) for key in CHOICES),
    Aspect("Epochs run", "outcome of training", _run),
    Aspect("Training time", "outcome of training", _time),
)  # fmt: skip
"""All that is compared, whatever the networks; departures from the published networks come on top."""
