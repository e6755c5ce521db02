"""What a lab would train, and why: each run it asks for, whether it is cached, and else which input changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cnnlab.errors import StoreError
from cnnlab.lab import Lab
from cnnlab.spec import RunSpec
from cnnlab.store import RunStore


@dataclass(frozen=True)
class PlannedRun:
    """One run of a lab: `id` is its record's, `why` says what makes it missing (empty when it is cached)."""

    spec: RunSpec
    id: str
    cached: bool
    why: str

    @property
    def label(self) -> str:
        """The run in a few words, for messages."""
        return f"{self.spec.network} on {self.spec.dataset} (seed {self.spec.seed})"


@dataclass(frozen=True)
class Plan:
    """Every run that a lab asks for, in its order."""

    runs: list[PlannedRun]

    @property
    def missing(self) -> list[PlannedRun]:
        """The runs that would be trained."""
        return [run for run in self.runs if not run.cached]


def make_plan(lab: Lab, store: RunStore, fingerprints: Mapping[str, str]) -> Plan:
    """Compare what the lab asks for with what is cached.

    Args:
        fingerprints: of each data set that the lab's runs use, by name.
    """
    previous = _previous_runs(lab, store)
    return Plan([_planned(spec, store, fingerprints[spec.dataset], previous) for spec in lab.run_specs()])


def _planned(
    spec: RunSpec, store: RunStore, fingerprint: str, previous: Mapping[tuple[str, str, int], dict[str, Any]]
) -> PlannedRun:
    run_id = spec.run_id(fingerprint)
    if store.has("run", run_id):
        return PlannedRun(spec, run_id, cached=True, why="")
    old = previous.get((spec.dataset, spec.network, spec.seed))
    if old is None:
        return PlannedRun(spec, run_id, cached=False, why="never trained here")
    changed = list(_changes(old, spec.identity(fingerprint)))
    return PlannedRun(spec, run_id, cached=False, why="; ".join(changed) or "its record was removed")


def _previous_runs(lab: Lab, store: RunStore) -> dict[tuple[str, str, int], dict[str, Any]]:
    """The specs of the runs that answered this lab last time, by data set, network and seed."""
    try:
        lock = store.read_lab(lab.stem)
    except StoreError:
        return {}  # never run here: nothing to compare with
    found = {}
    for entry in lock["runs"]:
        if entry["run"] and store.has("run", entry["run"]):
            spec = store.read("run", entry["run"]).json("spec.json")
            found[entry["dataset"], entry["network"], entry["seed"]] = spec
    return found


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """`key: before -> after` for each leaf that differs; what `old` holds beyond `new` is no change."""
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            yield from _changes(before, value, f"{prefix}{key}.")
        elif before != value:
            yield f"{prefix}{key}: {_short(before)} -> {_short(value)}"


def _short(value: Any) -> str:
    text = str(value)
    return text[:8] if len(text) == 64 else text
