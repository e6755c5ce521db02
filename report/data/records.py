"""The cached runs of a lab, opened for a report: no images, no framework, every file verified when it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from cnnlab.errors import StoreError
from cnnlab.store.record import Kind
from cnnlab.store.store import RunStore
from report.data.trainings import BaselineData, FoldData, Recorded, RunData, SearchData, TrainingData

REMOVED = "its record is no longer in the folder of runs"
"""Message of why a run is missing that was finished once."""

_LAYER, _ARGUMENT = r"(?:Conv2D|Dense|Flatten|Input|MaxPooling2D|Sequential)", r'(?:\w+=)?(?:\d+|"\w+"|\([\d, ]*\))'
_BUILDS = re.compile(
    rf"from keras(?:\.layers|\.models)? import {_LAYER}(?:, {_LAYER})*|modelVGG19 = Sequential\(\)"
    rf"|modelVGG19\.add\({_LAYER}\((?:{_ARGUMENT}(?:, {_ARGUMENT})*)?\)\)|print\(modelVGG19\.output_shape\)|"
)
"""A line that does nothing but import layers of Keras, add one to the network, or print what came of it."""


@dataclass(frozen=True)
class DatasetData(Recorded):
    """A data set record."""

    name: str

    @cached_property
    def classes(self) -> list[dict[str, Any]]:
        """Per class: index, id, name, images, train, validation, test."""
        return list(self.record.json("classes.json"))

    @cached_property
    def class_names(self) -> list[str]:
        """Display names by label."""
        return [entry["name"] for entry in self.classes]

    @cached_property
    def findings(self) -> list[dict[str, Any]]:
        """What the integrity scan found."""
        return list(self.record.json("findings.json"))

    def finding(self, kind: str) -> dict[str, Any] | None:
        """The finding of this kind, None where the scan has none."""
        return next((one for one in self.findings if one["kind"] == kind), None)

    @property
    def split(self) -> Mapping[str, Any]:
        """How the images were divided: shares or counts, `seed`, `policy`, `leaks`.

        Raises:
            StoreError: the record is older than this entry.
        """
        if "split" not in self.manifest:
            what = "the data set record does not say how the images were divided: an older cnnlab wrote it"
            raise StoreError(what, where=self.record.folder, hint="run the lab again, which writes the record anew")
        return dict(self.manifest["split"])

    @cached_property
    def rows(self) -> dict[str, np.ndarray]:
        """Rows of the table, int32, by split; `labels` int32 (N,) of all rows."""
        return self.record.arrays("splits.npz")

    @cached_property
    def leaks(self) -> dict[str, np.ndarray]:
        """Images of validation or test with a copy among those seen before, by row of the table: `pairs` int32 (L, 2), the
        leaked row and the row of its copy, `exact` bool (L,), whether the two have the same pixels; of the first n pairs
        `images` uint8 (n, 2, S, S, 3) and `labels` int32 (n, 2)."""
        return self.record.arrays("leaks.npz")

    def leaked(self, rows: np.ndarray) -> np.ndarray:
        """Which of `rows`, int (N,), are leaked: bool (N,)."""
        return np.isin(rows, self.leaks["pairs"][:, 0])

    @cached_property
    def exhibits(self) -> dict[str, np.ndarray]:
        """`images` uint8 (n, S, S, 3), `ids`, `labels` of some training images of each class."""
        return self.record.arrays("exhibits.npz")


@dataclass(frozen=True)
class Architecture(Recorded):
    """An architecture record."""

    @cached_property
    def layers(self) -> list[dict[str, Any]]:
        """The layer table, in order."""
        return list(self.record.json("layers.json"))

    @cached_property
    def construction(self) -> list[dict[str, Any]]:
        """The steps by which VGG-19 was built, with the code that ran and what it printed.

        Raises:
            StoreError: the code does more than build a network: the notebook would run it.
        """
        steps = list(self.record.json("construction.json"))
        for line in (line for step in steps for line in step["code"].split("\n") if not _BUILDS.fullmatch(line)):
            raise StoreError(
                "a record holds code that does more than build a network",
                where=self.record.folder / "construction.json",
                received=line[:300],
                expected="Keras layers added to modelVGG19, and prints of its shape",
                hint="do not trust these records; remove the folder and run the lab again",
            )
        return steps


@dataclass(frozen=True)
class Missing:
    """A training that the lab asks for and has not, of a seed or of the fold `index` (0-based) of `of`, and why."""

    network: str
    seed: int
    reason: str
    index: int = 0
    of: int = 0


@dataclass(frozen=True)
class Part:
    """One part of the assignment: a data set and the networks trained on it."""

    key: str
    dataset: DatasetData
    runs: tuple[RunData, ...]  # of every seed, in the lab's order
    primary: str | None
    problems: Mapping[str, str]  # by network without a finished run, why
    diverged: tuple[TrainingData, ...] = ()  # the trainings among those, and among lost seeds, that have a record
    folds: Mapping[str, tuple[FoldData, ...]] = field(default_factory=dict)  # by network, the finished ones in order
    fold_problems: tuple[Missing, ...] = ()
    searches: Mapping[str, SearchData] = field(default_factory=dict)  # that chose hyper-parameters of a network's runs
    baseline: BaselineData | None = None
    test_uses: int | None = None  # how many evaluations have looked at these test images; None in older locks
    lost_seeds: tuple[Missing, ...] = ()  # of networks with other finished runs

    @property
    def networks(self) -> list[str]:
        """Networks with at least one finished run, in the lab's order."""
        return list(dict.fromkeys(run.network for run in self.runs))

    def of(self, network: str) -> list[RunData]:
        """The runs of one network, one a seed."""
        return [run for run in self.runs if run.network == network]

    def asked_seeds(self, network: str) -> int:
        """How many seeds of a network the lab asked for, finished or not."""
        return len(self.of(network)) + sum(lost.network == network for lost in self.lost_seeds)


@dataclass(frozen=True)
class LabData:
    """All that a report is computed from."""

    stem: str
    lock: Mapping[str, Any]
    parts: Mapping[str, Part]
    architectures: Mapping[str, Architecture]


def open_lab(store: RunStore, stem: str, *, strict: bool = False) -> LabData:
    """Open what the lab lock names. A training whose run or evaluation cannot be trusted is a problem of that training.

    Args:
        strict: such a record is an error instead.

    Raises:
        StoreError: the lab was never run, or another record it names is absent or damaged.
    """
    lock, read = store.read_lab(stem), store.read
    try:
        if not strict:
            lock = {**lock, "runs": [_trusted(store, entry) for entry in lock["runs"]]}
        datasets = {name: DatasetData(read("dataset", one["record"]), name) for name, one in lock["datasets"].items()}
        parts = {key: _part(store, key, datasets[part["dataset"]], lock) for key, part in lock["parts"].items()}
        architectures = {name: Architecture(read("architecture", one)) for name, one in lock["architectures"].items()}
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as problem:
        raise _damaged(store, stem, problem) from None
    return LabData(stem, lock, parts, architectures)


def _part(store: RunStore, key: str, dataset: DatasetData, lock: Mapping[str, Any]) -> Part:
    mine = [entry for entry in lock["runs"] if entry["dataset"] == dataset.name]
    finished = [entry for entry in mine if entry.get("fold") is None and entry["evaluation"]]
    failed = [entry for entry in mine if entry.get("fold") is None and not entry["evaluation"]]

    def training(entry: Mapping[str, Any]) -> dict[str, Any]:
        return {key: entry[key] for key in ("dataset", "network", "seed")} | {"run": store.read("run", entry["run"])}

    runs = [
        RunData(
            evaluation=store.read("evaluation", entry["evaluation"]), flip=bool(entry.get("flip")),
            architecture=store.read("architecture", entry["architecture"]), **training(entry),
        )
        for entry in finished
    ]  # fmt: skip
    unevaluated = (TrainingData(**training(entry)) for entry in failed if entry["run"])
    diverged = tuple(one for one in unevaluated if one.has_diverged)
    reasons, networks = {one.run.id: one.reason for one in diverged}, {run.network for run in runs}
    missing = [
        Missing(one["network"], one["seed"], reasons.get(one["run"]) or one.get("problem", "")) for one in failed
    ]
    folds, fold_problems = dict[str, tuple[FoldData, ...]](), list[Missing]()
    cut = [entry for entry in mine if entry.get("fold") is not None]
    for entry in sorted(cut, key=lambda entry: (entry["fold"]["index"], entry["seed"])):
        network, fold = entry["network"], FoldData(**training(entry), **entry["fold"]) if entry["run"] else None
        if fold and not fold.has_diverged:
            folds[network] = (*folds.get(network, ()), fold)
        else:
            reason = entry.get("problem") or (fold.reason if fold else "")
            fold_problems.append(Missing(network, entry["seed"], reason, **entry["fold"]))
    searches = {entry["network"]: entry["search"] for entry in (*finished, *failed) if entry.get("search")}
    baseline = (lock.get("baselines") or {}).get(dataset.name)
    return Part(
        key=key,
        dataset=dataset,
        runs=tuple(runs),
        primary=lock["parts"][key].get("primary"),
        problems={one.network: one.reason for one in missing if one.network not in networks},
        diverged=diverged,
        folds=folds,
        fold_problems=tuple(fold_problems),
        searches={network: SearchData(store.read("search", one), network) for network, one in searches.items()},
        baseline=BaselineData(store.read("baseline", baseline)) if baseline else None,
        test_uses=lock["datasets"][dataset.name].get("test_uses"),
        lost_seeds=tuple(one for one in missing if one.network in networks),
    )


def _trusted(store: RunStore, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry, or, when a record of its is gone or cannot be trusted, the same without one and with the reason."""
    gone = entry["evaluation"] and not (store.has("run", entry["run"]) and store.has("evaluation", entry["evaluation"]))
    reason = REMOVED if gone else store.trouble(entry)
    return {**entry, "run": None, "evaluation": None, "problem": reason} if reason else entry


def locked_records(store: RunStore, stem: str) -> list[tuple[Kind, str]]:
    """Every record that a lab lock names, each once.

    Raises:
        StoreError: the lab was never run, or its lock is damaged.
    """
    lock = store.read_lab(stem)
    kinds: tuple[Kind, ...] = ("run", "evaluation", "architecture", "search")
    try:
        return list(dict.fromkeys([
            *(("dataset", entry["record"]) for entry in lock["datasets"].values()),
            *((kind, entry[kind]) for entry in lock["runs"] for kind in kinds if entry.get(kind)),
            *(("baseline", name) for name in (lock.get("baselines") or {}).values()),
            *(("architecture", name) for name in lock["architectures"].values()),
        ]))  # fmt: skip
    except (AttributeError, KeyError, TypeError) as problem:
        raise _damaged(store, stem, problem) from None


def _damaged(store: RunStore, stem: str, problem: Exception) -> StoreError:
    where, hint = store.root / "labs" / f"{stem}.json", f"write it again: cnnlab run {stem}"
    return StoreError("the lab lock is damaged", where=where, received=repr(problem), hint=hint)
