"""The search over hyper-parameters of a network: what was varied, how its trials ended, what was selected."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from report.activities.hyperparameters import RECIPE, augmentation_words, names_of
from report.data.records import Part
from report.data.trainings import RunData, SearchData, Trial
from report.evidence.language import NBSP, Language
from report.evidence.quantity import Cell, Figure, Item, Numbers, Quantity, Table, numbers_of, table
from report.evidence.words import joined
from report.figures.trials import trials_figure

MOST_ROWS = 25
"""Of more trials, the table shows the best."""


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
    best, q, names = search.best, numbers_of(search.record), names_of(search.varied, language)
    counts, space = search.manifest["counts"], search.manifest["space"]
    chosen = [language.words(value_cell(key, search.manifest["selected"][key], q, language)) for key in search.varied]
    return {
        "network": run.title,
        "trials": q.count(len(search.trials)),
        "is_one": len(search.trials) == 1,
        **{state: q.count(number) for state, number in counts.items()},
        "any_pruned": counts["pruned"] > 0,
        "any_failed": counts["failed"] > 0,
        "prunes": space["pruning"] == "median",
        "varied": names,
        "ranges": [_range(key, space[key], q, language) for key in search.varied],
        "seed": str(space["seed"]),
        "number": q.count(best.number),
        "best_epoch": q.count(best.best_epoch or 0),
        "selected": [
            language.text("{name}: {value}", name=name, value=value) for name, value in zip(names, chosen, strict=True)
        ],
        "accuracy": selected_accuracy(search, run),
        "shows_rate": "learning_rate" in search.varied,
    }


def selected_accuracy(search: SearchData, run: RunData) -> Quantity:
    """Validation accuracy of the selected trial with its Wilson interval; `run` is on the same validation images."""
    n, value = int(run.resolved["images"]["validation"]), float(search.best.value or 0.0)
    return replace(numbers_of(search.record).share(round(value * n), n), value=value)


def value_cell(key: str, value: Any, q: Numbers, language: Language) -> Quantity | str:
    """A varied value as a table shows it; rates with three significant digits."""
    if key == "augmentation":
        return augmentation_words(value, language)
    if isinstance(value, float):
        digits = None if not value else max(0, 2 - math.floor(math.log10(abs(value))))
        return q(value, "rate", digits=digits if value >= 1e-4 else None)
    return q.count(value)


def _range(key: str, asked: Any, q: Numbers, language: Language) -> str:
    """ "peak learning rate from 0.001 to 0.1, evenly in its logarithm" or "mini-batch among 32 and 64"."""
    text, name = language.text, names_of([key], language)[0]
    if isinstance(asked, Mapping):
        bounds = {bound: q(asked[bound], "rate") for bound in ("low", "high")}
        if asked["log"]:
            return text("{name} from {low} to {high}, evenly in its logarithm", name=name, **bounds)
        return text("{name} from {low} to {high}", name=name, **bounds)
    choices = [language.words(value_cell(key, one, q, language)) for one in asked]
    # each choice of an augmentation is a list of its own
    listed = joined(choices, " / ") if key == "augmentation" else language.join(choices)
    return text("{name} among {choices}", name=name, choices=listed)


def trial_table(search: SearchData, run: RunData, language: Language) -> Table:
    """A row a trial, by number; of many, the best ones in order of their accuracy."""
    text, q, shown = language.text, numbers_of(search.record), search.trials
    note = text("The sign ✓ marks the trial whose values the trainings have.")
    if len(shown) > MOST_ROWS:

        def place(trial: Trial) -> tuple[bool, float, int]:
            return trial.number != search.best.number, -(trial.value if trial.value is not None else -1.0), trial.number

        shown = sorted(shown, key=place)[:MOST_ROWS]
        total = q.count(len(search.trials))
        note += " " + text("Of {total} trials, the {n} best on validation.", total=total, n=len(shown))
    rows: list[Mapping[str, Cell]] = []
    for trial in shown:
        selected, how = trial.number == search.best.number, "Accuracy measured at the end of the epoch"
        rows.append({
            "number": str(trial.number),
            "state": f"✓{NBSP}{text('selected')}" if selected else text(trial.state),
            **{key: value_cell(key, trial.params[key], q, language) for key in search.varied},
            "best_epoch": None if trial.best_epoch is None else q.count(trial.best_epoch),
            "accuracy": None if trial.value is None else q(trial.value, "share", how=how),
        })  # fmt: skip
    heads = {
        "number": text("Trial"), "state": text("Ended"), **{key: text(RECIPE[key].name) for key in search.varied},
        "best_epoch": text("Best epoch"), "accuracy": text("Validation accuracy"),
    }  # fmt: skip
    return table(text("Trials of the search for {network}", network=run.title), heads, rows, note=note)


def _figure(search: SearchData, run: RunData, language: Language) -> Figure:
    text, q, with_rate = language.text, numbers_of(search.record), "learning_rate" in search.varied
    finding = text(
        "Trial {number} of {n} was selected for {network}: {accuracy} on validation",
        number=q.count(search.best.number), n=q.count(len(search.trials)), network=run.title,
        accuracy=selected_accuracy(search, run),
    )  # fmt: skip
    note = text("The line is the best accuracy of a complete trial so far; failed trials stand at the foot.")
    if with_rate:
        note += " " + text("Right, the same trials against their peak learning rate.")
    return trials_figure(
        search.trials, language, network=run.network, selected=search.best.number, with_rate=with_rate, caption=finding,
        note=note, source=[search.record],
    )  # fmt: skip
