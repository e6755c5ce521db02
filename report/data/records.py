"""The cached runs of a lab, opened for a report: no images, no framework, every file verified when it is read."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from cnnlab.errors import StoreError
from cnnlab.store.record import Kind
from cnnlab.store.store import RunStore
from report.data.trainings import BaselineData, FoldData, FoldProblem, Recorded, RunData, SearchData, TrainingData

REMOVED = "its record is no longer in the folder of runs"
"""Message of why a run is missing that was finished once."""

MODEL = "modelVGG19"
"""What a record's code calls the network that it builds."""


@dataclass(frozen=True)
class Leaks:
    """Images of validation or test with a copy among those seen before, by row of the data set's table.

    Attributes:
        pairs: int32 (L, 2), the leaked row and the row of its copy.
        exact: bool (L,), whether the two have the same pixels.
        images, labels: uint8 (n, 2, S, S, 3) and int32 (n, 2) of the first n pairs.
        excluded: whether the leaked rows were taken out of the splits.
    """

    pairs: np.ndarray
    exact: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    excluded: bool

    def among(self, rows: np.ndarray) -> np.ndarray:
        """Which of `rows`, int (N,), are leaked: bool (N,)."""
        return np.isin(rows, self.pairs[:, 0])


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
            raise StoreError(
                "the data set record does not say how the images were divided: an older cnnlab wrote it",
                where=self.record.folder,
                hint="run the lab again, which writes the record anew",
            )
        return dict(self.manifest["split"])

    @cached_property
    def rows(self) -> dict[str, np.ndarray]:
        """Rows of the table, int32, by split; `labels` int32 (N,) of all rows."""
        return self.record.arrays("splits.npz")

    @cached_property
    def leaks(self) -> Leaks:
        """Images of validation or test that were seen before."""
        found = self.record.arrays("leaks.npz")
        arrays = {key: found[key] for key in ("pairs", "exact", "images", "labels")}
        return Leaks(**arrays, excluded=self.split["leaks"] == "exclude")

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
        if foreign := "".join(foreign_part(step["code"]) for step in steps):
            raise StoreError(
                "a record holds code that does more than build a network",
                where=self.record.folder / "construction.json",
                received=foreign[:300],
                expected="Keras layers added to modelVGG19, and prints of its shape",
                hint="do not trust these records; remove the folder and run the lab again",
            )
        return steps

    @cached_property
    def summary(self) -> str:
        """Keras's own summary."""
        return self.record.text("summary.txt")


def foreign_part(code: str) -> str:
    """What of the code is no building of a network; empty where it does nothing but import Keras's layers, add them to
    `modelVGG19`, and print what came of it: the notebook runs it."""
    layers = {"Conv2D", "Dense", "Flatten", "Input", "MaxPooling2D", "Sequential"}
    try:
        for node in ast.walk(ast.parse(code)):
            match node:
                case ast.ImportFrom(module=("keras" | "keras.layers" | "keras.models"), names=names, level=0):
                    harmless = all(one.name in layers and one.asname is None for one in names)
                case ast.Name(id=name, ctx=ast.Store()):
                    harmless = name == MODEL
                case ast.Name(id=name):
                    harmless = name in {*layers, MODEL, "print"}
                case ast.Attribute(value=ast.Name(id=owner), attr=attribute, ctx=ast.Load()):
                    harmless = owner == MODEL and attribute in {"add", "output_shape", "summary"}
                case (ast.Module() | ast.Expr() | ast.Assign() | ast.alias() | ast.Call() | ast.keyword() | ast.Constant()
                      | ast.Tuple() | ast.Load() | ast.Store()):  # fmt: skip
                    harmless = True
                case _:
                    harmless = False
            if not harmless:
                return ast.unparse(node)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code
    return ""


class LostSeed(NamedTuple):
    """A seed of a network without a finished training, and why; other seeds of the network have one."""

    network: str
    seed: int
    reason: str


@dataclass(frozen=True)
class Part:
    """One part of the assignment: a data set and the networks trained on it.

    Attributes:
        runs: every seed, in the lab's order.
        problems: by network without a finished run, why.
        lost_seeds: of networks with other finished runs.
        diverged: the trainings among those of which there is a record.
        folds: by network, the finished trainings of its cross-validation in fold order; `fold_problems` the others.
        searches: by network, the search that chose hyper-parameters of its runs.
        baseline: of the data set; None where none was measured.
        test_uses: how many evaluations have looked at the data set's test images in this folder of runs; None in
            older locks.
    """

    key: str
    dataset: DatasetData
    runs: tuple[RunData, ...]
    primary: str | None
    problems: Mapping[str, str]
    diverged: tuple[TrainingData, ...] = ()
    folds: Mapping[str, tuple[FoldData, ...]] = field(default_factory=dict)
    fold_problems: tuple[FoldProblem, ...] = ()
    searches: Mapping[str, SearchData] = field(default_factory=dict)
    baseline: BaselineData | None = None
    test_uses: int | None = None
    lost_seeds: tuple[LostSeed, ...] = ()

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

    @property
    def info(self) -> Mapping[str, Any]:
        """Title, authors, course and language as the lab was run."""
        return dict(self.lock["lab"])


def open_lab(store: RunStore, stem: str, *, strict: bool = False) -> LabData:
    """Open what the lab lock names. A training whose run or evaluation cannot be trusted is a problem of that training.

    Args:
        strict: such a record is an error instead.

    Raises:
        StoreError: the lab was never run, or another record it names is absent or damaged.
    """
    lock, where = store.read_lab(stem), store.root / "labs" / f"{stem}.json"
    try:
        if not strict:
            lock = {**lock, "runs": [_trusted(store, entry) for entry in lock["runs"]]}
        datasets = {
            name: DatasetData(store.read("dataset", entry["record"]), name) for name, entry in lock["datasets"].items()
        }
        parts = {key: _part(store, key, part, datasets[part["dataset"]], lock) for key, part in lock["parts"].items()}
        records = {name: store.read("architecture", record) for name, record in lock["architectures"].items()}
    except OSError as problem:
        what, hint = "a record that the lab lock names cannot be looked for", "see that the folder of runs can be read"
        raise StoreError(what, where=where, received=problem.strerror, hint=hint) from None
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        hint = f"write it again: cnnlab run {stem}"
        raise StoreError("the lab lock is damaged", where=where, received=repr(problem), hint=hint) from None
    return LabData(stem, lock, parts, {name: Architecture(record) for name, record in records.items()})


def _part(store: RunStore, key: str, part: Mapping[str, Any], dataset: DatasetData, lock: Mapping[str, Any]) -> Part:
    mine = [entry for entry in lock["runs"] if entry["dataset"] == dataset.name]
    whole = [entry for entry in mine if entry.get("fold") is None]
    finished, failed = ([entry for entry in whole if bool(entry["evaluation"]) is is_done] for is_done in (True, False))
    networks = {entry["network"] for entry in finished}

    def training(entry: Mapping[str, Any]) -> dict[str, Any]:
        return {key: entry[key] for key in ("dataset", "network", "seed")} | {"run": store.read("run", entry["run"])}

    unevaluated = [TrainingData(**training(entry)) for entry in failed if entry["run"]]
    diverged = tuple(one for one in unevaluated if one.has_diverged)
    reasons = {one.run.id: str(one.resolved.get("diverged_because") or "") for one in diverged}
    folds: dict[str, tuple[FoldData, ...]] = {}
    fold_problems = []
    cut = [entry for entry in mine if entry.get("fold") is not None]
    for entry in sorted(cut, key=lambda entry: (entry["fold"]["index"], entry["seed"])):
        fold = FoldData(**training(entry), **entry["fold"]) if entry["run"] else None
        if fold is None or fold.has_diverged:
            reason = entry.get("problem") or (fold.resolved.get("diverged_because", "") if fold else "")
            fold_problems.append(FoldProblem(entry["network"], **entry["fold"], reason=reason))
        else:
            folds[fold.network] = (*folds.get(fold.network, ()), fold)
    runs = (
        RunData(
            **training(entry),
            evaluation=store.read("evaluation", entry["evaluation"]),
            architecture=store.read("architecture", entry["architecture"]),
            flip=bool(entry.get("flip")),
        )
        for entry in finished
    )
    lost = (
        LostSeed(entry["network"], entry["seed"], reasons.get(entry["run"]) or entry.get("problem", ""))
        for entry in failed
        if entry["network"] in networks
    )
    searches = {entry["network"]: entry["search"] for entry in whole if entry.get("search")}
    baseline = (lock.get("baselines") or {}).get(dataset.name)
    return Part(
        key=key,
        dataset=dataset,
        runs=tuple(runs),
        primary=part.get("primary"),
        problems={entry["network"]: entry.get("problem", "") for entry in failed if entry["network"] not in networks},
        diverged=diverged,
        folds=folds,
        fold_problems=tuple(fold_problems),
        searches={network: SearchData(store.read("search", one), network) for network, one in searches.items()},
        baseline=BaselineData(store.read("baseline", baseline)) if baseline else None,
        test_uses=lock["datasets"][dataset.name].get("test_uses"),
        lost_seeds=tuple(lost),
    )


def _trusted(store: RunStore, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry, or, when a record of its is gone or cannot be trusted, the same without one and with the reason."""
    gone = entry["evaluation"] and not (store.has("run", entry["run"]) and store.has("evaluation", entry["evaluation"]))
    reason = REMOVED if gone else store.trouble(entry)
    return {**entry, "run": None, "evaluation": None, "problem": reason} if reason else entry


def locked_records(lock: Mapping[str, Any]) -> list[tuple[Kind, str]]:
    """Every record that a lab lock names, each once."""
    kinds: tuple[Kind, ...] = ("run", "evaluation", "architecture", "search")
    return list(dict.fromkeys([
        *(("dataset", entry["record"]) for entry in lock["datasets"].values()),
        *((kind, entry[kind]) for entry in lock["runs"] for kind in kinds if entry.get(kind)),
        *(("baseline", name) for name in (lock.get("baselines") or {}).values()),
        *(("architecture", name) for name in lock["architectures"].values()),
    ]))  # fmt: skip
