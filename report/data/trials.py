"""The record of a search over hyper-parameters, opened for a report: what was varied, every trial, what was selected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cnnlab.store.record import Record

STATES = ("complete", "pruned", "failed")
"""How a trial can have ended."""


@dataclass(frozen=True)
class Trial:
    """One trial of a search.

    Attributes:
        state: "complete", "pruned" (cut short) or "failed".
        params: the value of each key that the search varies.
        value: its best validation accuracy in 0-1, None where there is none.
        best_epoch: 1-based epoch of that value, None where there is none.
        epochs: how many it trained for.
        problem: why it failed, None where it did not.
    """

    number: int
    state: str
    params: Mapping[str, Any]
    value: float | None
    best_epoch: int | None
    epochs: int
    problem: str | None


@dataclass(frozen=True)
class SearchData:
    """A search record of one network."""

    network: str
    record: Record

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Objective, space, seconds, hardware and the rest of the record's manifest."""
        return self.record.manifest

    @property
    def space(self) -> Mapping[str, Any]:
        """What the lab asked for: trials, seed, pruning, and the range or the choices of each key."""
        return dict(self.manifest["space"])

    @property
    def varied(self) -> list[str]:
        """The recipe's keys that trials differ in."""
        return list(self.manifest["varied"])

    @property
    def selected(self) -> Mapping[str, Any]:
        """The selected trial's value of each varied key."""
        return dict(self.manifest["selected"])

    @property
    def counts(self) -> dict[str, int]:
        """Trials by how they ended."""
        return {state: int(self.manifest["counts"][state]) for state in STATES}

    @cached_property
    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        keys = Trial.__dataclass_fields__
        return [Trial(**{key: entry[key] for key in keys}) for entry in self.record.json("trials.json")]

    @property
    def best(self) -> Trial:
        """The trial that was selected."""
        return next(trial for trial in self.trials if trial.number == self.manifest["best"])
