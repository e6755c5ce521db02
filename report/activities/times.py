"""What trainings took: time and memory, predicted and measured, for Activities 7 and 11."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlab.networks import find_network
from report.activities.common import absent_networks, count, titled
from report.data.records import LabData, Part, RunData
from report.evidence.language import Language
from report.evidence.quantity import Cell, Column, Quantity, Table


def times(data: Part, run: RunData) -> dict[str, Any]:
    """How long the part's trainings took, on what machine."""
    runs = tuple(one.run.id for one in data.runs)
    hardware, resolved = run.run.manifest["hardware"], run.resolved
    folds = [fold for several in data.folds.values() for fold in several]
    searches = [search.record for search in data.searches.values()]
    return {
        "time": seconds(run.run.manifest["seconds"], [run.run.id]),
        "time_of_all": seconds(
            sum(float(one.run.manifest["seconds"]) for one in data.runs), runs, how="Sum over the trainings"
        ),
        "epoch_time": seconds(resolved["seconds_per_epoch"], [run.run.id], how="Median over epochs"),
        "speed": Quantity(
            value=resolved["images_per_second"], unit="images_per_second", runs=(run.run.id,), how="Median over epochs"
        ),
        "machine": hardware["cpu"],
        "cores": count(hardware["cores"], runs=[run.run.id]),
        "one_core": hardware["cores"] == 1,
        "accelerator": hardware["accelerator"] or "",
        "fold_time": _sum([fold.run for fold in folds]),
        "search_time": _sum(searches),
    }


def _sum(records: Sequence[Any]) -> Quantity | None:
    """The seconds of several records, None where there is none."""
    total = sum(float(record.manifest["seconds"]) for record in records)
    return seconds(total, [record.id for record in records], how="Sum over the trainings") if records else None


def seconds(value: float, runs: Sequence[str], how: str = "") -> Quantity:
    """A duration and the records that it comes from."""
    return Quantity(value=value, unit="seconds", runs=tuple(runs), how=how, n=len(runs) if len(runs) > 1 else None)


def shortened(data: Part, run: RunData, language: Language) -> list[dict[str, Any]]:
    """The other trainings that the budget shortened, with epochs planned and requested."""
    return [
        {
            "network": run_title(data, one, language),
            "planned": count(one.resolved["epochs_planned"], runs=[one.run.id]),
            "requested": count(one.resolved["epochs_requested"], runs=[one.run.id]),
        }
        for one in data.runs
        if one.resolved["shortened"] and one is not run
    ]


def planned(lab: LabData, run: RunData) -> dict[str, Any]:
    """What was predicted before training, of this run and of all the lab's that went as planned, and how far off it was."""
    predicted = run.resolved.get("predicted_seconds")
    call = lab.lock.get("time") or {}
    expected, took = call.get("predicted_seconds"), call.get("seconds")
    return {
        "predicted_time": seconds(predicted, [run.run.id]) if predicted else None,
        "time_error": _error(predicted, run.run.manifest["seconds"], run),
        "call": bool(expected and took),
        "call_predicted": seconds(expected, [], how="Sum over the trainings") if expected else None,
        "call_time": seconds(took, [], how="Sum over the trainings") if took else None,
        "call_error": _error(expected, took, None),
    }


def has_plan(data: Part) -> bool:
    """Whether any training was preceded by a prediction."""
    return any(run.resolved.get(key) for run in data.runs for key in ("predicted_seconds", "predicted_memory_gib"))


def _error(predicted: float | None, actual: float | None, run: RunData | None) -> Quantity | None:
    """By what share the actual value is above the predicted one."""
    if not predicted or actual is None:
        return None
    runs = (run.run.id,) if run else ()
    return Quantity(value=actual / predicted - 1, unit="share", runs=runs, how="Actual over predicted value, minus one")


def run_title(data: Part, run: RunData, language: Language) -> str:
    """The network, with its seed where it was trained from several."""
    if data.asked_seeds(run.network) == 1:
        return run.title
    return language.text("{network}, seed {seed}", network=run.title, seed=count(run.seed, runs=[run.run.id]))


def time_table(data: Part, language: Language) -> Table:
    """A row a training: epochs, time and speed."""
    rows: list[Mapping[str, Cell]] = [
        {
            "network": run_title(data, run, language),
            "epochs": count(run.resolved["epochs_run"], runs=[run.run.id]),
            "best": count(run.resolved["best_epoch"], runs=[run.run.id]),
            "epoch": seconds(run.resolved["seconds_per_epoch"], [run.run.id], how="Median over epochs"),
            "speed": Quantity(value=run.resolved["images_per_second"], unit="images_per_second", runs=(run.run.id,)),
            "total": seconds(run.run.manifest["seconds"], [run.run.id]),
        }
        for run in data.runs
    ]
    rows += [{"network": titled(data, name, language)} for name in absent_networks(data)]
    rows += [
        {"network": language.text("{network}, seed {seed} (not finished)", network=find_network(lost.network).TITLE,
                                  seed=count(lost.seed, runs=[run.run.id for run in data.of(lost.network)]))}
        for lost in data.lost_seeds
    ]  # fmt: skip
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


def plan_table(data: Part, language: Language) -> Table:
    """Predicted against actual time and memory, a row a training; memory where a record has it."""
    text = language.text
    with_memory = any(run.resolved.get("predicted_memory_gib") for run in data.runs)
    memory = (
        Column(key="memory_predicted", head=text("Memory predicted, GiB")),
        Column(key="memory", head=text("Memory used, GiB")),
        Column(key="memory_error", head=text("Error")),
    )
    return Table(
        caption=text("What the plan predicted and what came of it"),
        note=text(
            "Predicted from a few measured steps, for all planned epochs: a training that stops early takes less. The "
            "error is by how much the actual value is above the predicted one. A dash stands for what was not measured."
        ),
        columns=(
            Column(key="network", head=text("Network")),
            Column(key="predicted", head=text("Time predicted")),
            Column(key="time", head=text("Time taken")),
            Column(key="error", head=text("Error")),
            *(memory if with_memory else ()),
        ),
        rows=tuple(_plan_row(data, run, language) for run in data.runs),
    )


def _plan_row(data: Part, run: RunData, language: Language) -> Mapping[str, Cell]:
    resolved, took = run.resolved, run.run.manifest["seconds"]
    predicted, expected, used = (
        resolved.get(key) for key in ("predicted_seconds", "predicted_memory_gib", "memory_gib")
    )
    return {
        "network": run_title(data, run, language),
        "predicted": seconds(predicted, [run.run.id]) if predicted else None,
        "time": seconds(took, [run.run.id]),
        "error": _error(predicted, took, run),
        "memory_predicted": _gib(expected, run),
        "memory": _gib(used, run),
        "memory_error": _error(expected, used, run),
    }


def _gib(value: float | None, run: RunData) -> Quantity | None:
    return None if value is None else Quantity(value=value, unit="number", runs=(run.run.id,))
