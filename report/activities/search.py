"""The search over hyper-parameters of a network: what was varied, how its trials ended, what was selected."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from report.activities.common import count, of_records, share
from report.activities.hyperparameters import RECIPE, augmentation_words, names_of
from report.data.records import Part
from report.data.trainings import RunData, SearchData, Trial
from report.evidence.language import NBSP, Language
from report.evidence.quantity import Cell, Column, Figure, Item, Quantity, Table
from report.evidence.words import joined, sourced
from report.figures.trials import trials_figure

MOST_ROWS = 25
"""Of more trials, the table shows the best."""

STATES = {"complete": "complete", "pruned": "pruned", "failed": "failed"}
"""Message ids by how a trial ended."""


def searched(data: Part, run: RunData, language: Language) -> dict[str, Any]:
    """The search of the network that the part is about, and of the others; which networks had none."""
    own = data.searches.get(run.network)
    others = [network for network in data.networks if network in data.searches and network != run.network]
    return {
        "search": _names(own, run, language) if own else {},
        "other_searches": [_names(data.searches[name], data.of(name)[0], language) for name in others],
        "any_search": bool(own or others),
        "unsearched": [data.of(name)[0].title for name in data.networks if name not in data.searches],
    }


def search_items(data: Part, run: RunData, language: Language) -> dict[str, Item]:
    """Table and figure of each search; those of other networks than `run`'s carry the network in their names."""
    items: dict[str, Item] = {}
    for network in data.networks:
        if search := data.searches.get(network):
            suffix = "" if network == run.network else f"_{network}"
            one = data.of(network)[0]
            items[f"trials{suffix}"] = trial_table(search, one, language)
            items[f"search{suffix}"] = _figure(search, one, language)
    return items


def _names(search: SearchData, run: RunData, language: Language) -> dict[str, Any]:
    counts, best, space, ids = search.counts, search.best, search.space, [search.record.id]
    return {
        "network": run.title,
        "trials": count(len(search.trials), runs=ids),
        "is_one": len(search.trials) == 1,
        **{state: count(number, runs=ids) for state, number in counts.items()},
        "any_pruned": counts["pruned"] > 0,
        "any_failed": counts["failed"] > 0,
        "prunes": space["pruning"] == "median",
        "varied": names_of(search.varied, language),
        "ranges": ranges_in_words(search, language),
        "seed": str(space["seed"]),
        "number": count(best.number, runs=ids),
        "best_epoch": count(best.best_epoch or 0, runs=ids),
        "selected": [
            language.text(
                "{name}: {value}", name=name, value=sourced(_worded(value_cell(key, value, language), language), ids)
            )
            for key, value, name in _selected(search, language)
        ],
        "accuracy": selected_accuracy(search, run),
        "shows_rate": "learning_rate" in search.varied,
    }


def _selected(search: SearchData, language: Language) -> Iterator[tuple[str, Any, str]]:
    """Key, selected value and name of what was varied."""
    for key, name in zip(search.varied, names_of(search.varied, language), strict=True):
        yield key, search.selected[key], name


def selected_accuracy(search: SearchData, run: RunData) -> Quantity:
    """Validation accuracy of the selected trial with its Wilson interval; `run` is on the same validation images."""
    n, value = int(run.resolved["images"]["validation"]), float(search.best.value or 0.0)
    counted = share(round(value * n), n, runs=[search.record.id])
    return replace(counted, value=value)


def value_cell(key: str, value: Any, language: Language) -> Cell:
    """A varied value as a table shows it; rates with three significant digits."""
    if key == "augmentation":
        return augmentation_words(value, language)
    if isinstance(value, float):
        digits = None if not value else max(0, 2 - math.floor(math.log10(abs(value))))
        return Quantity(value=value, unit="rate", digits=digits if value >= 1e-4 else None)
    return count(value)


def _worded(cell: Cell, language: Language) -> str:
    return language.quantity(cell) if isinstance(cell, Quantity) else str(cell)


def ranges_in_words(search: SearchData, language: Language) -> list[str]:
    """What was tried of each varied key, in words."""
    ids = [search.record.id]
    return [sourced(_range(key, search.space[key], language), ids) for key in search.varied]


def _of_search(cell: Cell, search: SearchData) -> Cell:
    return replace(cell, runs=(search.record.id,)) if isinstance(cell, Quantity) else cell


def _range(key: str, asked: Any, language: Language) -> str:
    """ "peak learning rate from 0.001 to 0.1, evenly in its logarithm" or "mini-batch among 32 and 64"."""
    text, name = language.text, names_of([key], language)[0]
    if isinstance(asked, Mapping):
        bounds = {bound: Quantity(value=asked[bound], unit="rate") for bound in ("low", "high")}
        if asked["log"]:
            return text("{name} from {low} to {high}, evenly in its logarithm", name=name, **bounds)
        return text("{name} from {low} to {high}", name=name, **bounds)
    choices = [_worded(value_cell(key, one, language), language) for one in asked]
    if key == "augmentation":  # each choice is a list of its own
        return text("{name} among {choices}", name=name, choices=joined(choices, " / "))
    return text("{name} among {choices}", name=name, choices=language.join(choices))


def trial_table(search: SearchData, run: RunData, language: Language) -> Table:
    """A row a trial, by number; of many, the best ones in order of their accuracy."""
    text, shown = language.text, _shown(search)
    many = len(shown) < len(search.trials)
    note = text("The sign ✓ marks the trial whose values the trainings have.")
    if many:
        total = count(len(search.trials), runs=[search.record.id])
        note += " " + text("Of {total} trials, the {n} best on validation.", total=total, n=len(shown))
    return Table(
        caption=text("Trials of the search for {network}", network=run.title),
        note=note,
        columns=(
            Column(key="number", head=text("Trial")),
            Column(key="state", head=text("Ended")),
            *(Column(key=key, head=text(RECIPE[key].name)) for key in search.varied),
            Column(key="best_epoch", head=text("Best epoch")),
            Column(key="accuracy", head=text("Validation accuracy")),
        ),
        rows=tuple(_row(search, trial, language) for trial in shown),
    )


def _shown(search: SearchData) -> Sequence[Trial]:
    if len(search.trials) <= MOST_ROWS:
        return search.trials

    def place(trial: Trial) -> tuple[bool, float, int]:
        return trial.number != search.best.number, -(trial.value if trial.value is not None else -1.0), trial.number

    return sorted(search.trials, key=place)[:MOST_ROWS]


def _row(search: SearchData, trial: Trial, language: Language) -> Mapping[str, Cell]:
    state, runs = language.text(STATES[trial.state]), (search.record.id,)
    if trial.number == search.best.number:
        state = f"✓{NBSP}{language.text('selected')}"
    return {
        "number": str(trial.number),
        "state": state,
        **{key: _of_search(value_cell(key, trial.params[key], language), search) for key in search.varied},
        "best_epoch": None if trial.best_epoch is None else count(trial.best_epoch, runs=runs),
        "accuracy": None
        if trial.value is None
        else Quantity(value=trial.value, unit="share", runs=runs, how="Accuracy measured at the end of the epoch"),
    }


def _figure(search: SearchData, run: RunData, language: Language) -> Figure:
    text = language.text
    finding = text(
        "Trial {number} of {n} was selected for {network}: {accuracy} on validation",
        number=count(search.best.number, runs=[search.record.id]),
        n=count(len(search.trials), runs=[search.record.id]),
        network=run.title,
        accuracy=selected_accuracy(search, run),
    )
    note = text("The line is the best accuracy of a complete trial so far; failed trials stand at the foot.")
    if "learning_rate" in search.varied:
        note += " " + text("Right, the same trials against their peak learning rate.")
    figure = trials_figure(
        search.trials, language, network=run.network, selected=search.best.number,
        with_rate="learning_rate" in search.varied, caption=finding, note=note,
    )  # fmt: skip
    return of_records(figure, [search.record.id])
