"""What trainings took, for Activities 7 and 11."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlab.networks import find_network
from report.activities.common import absent_networks, titled
from report.data.records import Part
from report.data.trainings import RunData
from report.evidence.language import Language
from report.evidence.quantity import Cell, Quantity, Table, numbers_of, table


def times(data: Part, run: RunData) -> dict[str, Any]:
    """How long the part's trainings took, on what machine."""
    hardware, resolved, q = run.run.manifest["hardware"], run.resolved, numbers_of(run.run)
    return {
        "time": q(run.run.manifest["seconds"], "seconds"),
        "time_of_all": _sum([one.run for one in data.runs]),
        "epoch_time": q(resolved["seconds_per_epoch"], "seconds", how="Median over epochs"),
        "speed": q(resolved["images_per_second"], "images_per_second", how="Median over epochs"),
        "machine": hardware["cpu"],
        "cores": q.count(hardware["cores"]),
        "one_core": hardware["cores"] == 1,
        "accelerator": hardware["accelerator"] or "",
        "fold_time": _sum([fold.run for several in data.folds.values() for fold in several]),
        "search_time": _sum([search.record for search in data.searches.values()]),
    }


def _sum(records: Sequence[Any]) -> Quantity | None:
    """The seconds of several records, None where there is none."""
    if not records:
        return None
    total, several = sum(float(record.manifest["seconds"]) for record in records), len(records) > 1
    return numbers_of(*records)(total, "seconds", how="Sum over the trainings", n=len(records) if several else None)


def shortened(data: Part, run: RunData, language: Language) -> list[dict[str, Any]]:
    """The other trainings that the budget shortened, with epochs planned and requested."""
    return [
        {
            "network": _run_title(data, one, language),
            **{key: numbers_of(one.run).count(one.resolved[f"epochs_{key}"]) for key in ("planned", "requested")},
        }
        for one in data.runs
        if one.resolved["shortened"] and one is not run
    ]


def _run_title(data: Part, run: RunData, language: Language) -> str:
    """The network, with its seed where it was trained from several."""
    if data.asked_seeds(run.network) == 1:
        return run.title
    return language.text("{network}, seed {seed}", network=run.title, seed=numbers_of(run.run).count(run.seed))


def time_table(data: Part, language: Language) -> Table:
    """A row a training: epochs, time and speed."""
    text = language.text
    rows: list[Mapping[str, Cell]] = []
    for run in data.runs:
        q, resolved, title = numbers_of(run.run), run.resolved, _run_title(data, run, language)
        rows.append({
            "network": title, "epochs": q.count(resolved["epochs_run"]), "best": q.count(resolved["best_epoch"]),
            "epoch": q(resolved["seconds_per_epoch"], "seconds", how="Median over epochs"),
            "speed": q(resolved["images_per_second"], "images_per_second"),
            "total": q(run.run.manifest["seconds"], "seconds"),
        })  # fmt: skip
    rows += [{"network": titled(data, name, language)} for name in absent_networks(data)]
    for lost in data.lost_seeds:
        seed = numbers_of(*(run.run for run in data.of(lost.network))).count(lost.seed)
        title = find_network(lost.network).TITLE
        rows.append({"network": text("{network}, seed {seed} (not finished)", network=title, seed=seed)})
    return table(
        text("What each training took"),
        {
            "network": text("Network"), "epochs": text("Epochs"), "best": text("Best epoch"),
            "epoch": text("Time an epoch"), "speed": text("Training speed"), "total": text("Total"),
        },
        rows,
        note=text(
            "Total time includes building the network, measuring each epoch and saving; speed is of the training steps."
        ),
        best={"speed": "max", "total": "min"},
    )  # fmt: skip
