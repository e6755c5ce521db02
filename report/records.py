"""The cached runs of a lab, opened for a report: no images, no framework, every file verified when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cnnlab.errors import StoreError
from cnnlab.registry import NETWORKS
from cnnlab.spec import SPLITS
from cnnlab.store import Record, RunStore


@dataclass(frozen=True)
class Predictions:
    """One network on one split: `probabilities` float32 (N, K), `labels` and `ids` int32 (N,)."""

    probabilities: np.ndarray
    labels: np.ndarray
    ids: np.ndarray

    @cached_property
    def predicted(self) -> np.ndarray:
        """The most probable class of each image, int64 (N,)."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each image was classified correctly, bool (N,)."""
        return np.asarray(self.predicted == self.labels)


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
class DatasetData:
    """A data set record."""

    name: str
    record: Record

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Title, credit, sizes and the rest of the record's manifest."""
        return self.record.manifest

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
        return Leaks(
            pairs=found["pairs"],
            exact=found["exact"],
            images=found["images"],
            labels=found["labels"],
            excluded=self.split["leaks"] == "exclude",
        )

    @cached_property
    def exhibits(self) -> dict[str, np.ndarray]:
        """`images` uint8 (n, S, S, 3), `ids`, `labels` of some training images of each class."""
        return self.record.arrays("exhibits.npz")


@dataclass(frozen=True)
class RunData:
    """One trained and evaluated network."""

    dataset: str
    network: str
    seed: int
    run: Record
    evaluation: Record
    architecture: Record

    @property
    def title(self) -> str:
        """The network's name in prose."""
        return NETWORKS[self.network].title

    @property
    def resolved(self) -> Mapping[str, Any]:
        """What the run resolved to: epochs, precision, budget, speeds."""
        return dict(self.run.manifest["resolved"])

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The requested spec: data, network, options, recipe, seed."""
        return dict(self.run.json("spec.json"))

    @cached_property
    def history(self) -> dict[str, np.ndarray]:
        """The columns of `history.csv`, float64 (epochs,)."""
        rows = self.run.rows("history.csv")
        return {key: np.array([float(row[key] or "nan") for row in rows]) for key in (rows[0] if rows else ())}

    @cached_property
    def predictions(self) -> dict[str, Predictions]:
        """Predictions by split."""
        arrays = self.evaluation.arrays("predictions.npz")
        return {
            split: Predictions(
                arrays[f"{split}_probabilities"].astype(np.float32), arrays[f"{split}_labels"], arrays[f"{split}_ids"]
            )
            for split in SPLITS
        }

    @cached_property
    def exhibits(self) -> dict[int, np.ndarray]:
        """Test images kept for the grids, uint8 (S, S, 3) by row id."""
        arrays = self.evaluation.arrays("exhibits.npz")
        return dict(zip(arrays["ids"].tolist(), arrays["images"], strict=True))


@dataclass(frozen=True)
class Architecture:
    """An architecture record."""

    record: Record

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Title, counts, multiply-adds, adaptations and the rest of the manifest."""
        return self.record.manifest

    @cached_property
    def layers(self) -> list[dict[str, Any]]:
        """The layer table, in order."""
        return list(self.record.json("layers.json"))

    @cached_property
    def construction(self) -> list[dict[str, Any]]:
        """The steps by which VGG-19 was built, with the code that ran and what it printed."""
        return list(self.record.json("construction.json"))

    @cached_property
    def summary(self) -> str:
        """Keras's own summary."""
        return self.record.text("summary.txt")


@dataclass(frozen=True)
class Part:
    """One part of the assignment: a data set and the networks trained on it.

    `runs` holds every seed, in the lab's order; `problems` says what failed instead, by network.
    """

    key: str
    dataset: DatasetData
    runs: tuple[RunData, ...]
    primary: str | None
    problems: Mapping[str, str]

    @property
    def networks(self) -> list[str]:
        """Networks with at least one finished run, in the lab's order."""
        return list(dict.fromkeys(run.network for run in self.runs))

    def of(self, network: str) -> list[RunData]:
        """The runs of one network, one a seed."""
        return [run for run in self.runs if run.network == network]


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


def open_lab(store: RunStore, stem: str) -> LabData:
    """Open what the lab lock names.

    Raises:
        StoreError: the lab was never run, or a record it names is absent or damaged.
    """
    lock = store.read_lab(stem)
    try:
        datasets = {
            name: DatasetData(name, store.read("dataset", entry["record"])) for name, entry in lock["datasets"].items()
        }
        parts = {
            key: _part(store, key, part, datasets[part["dataset"]], lock["runs"]) for key, part in lock["parts"].items()
        }
        architectures = {
            name: Architecture(store.read("architecture", record)) for name, record in lock["architectures"].items()
        }
    except (KeyError, TypeError) as problem:
        raise StoreError(
            "the lab lock is damaged",
            where=store.root / "labs" / f"{stem}.json",
            received=repr(problem),
            hint=f"write it again: cnnlab run {stem}",
        ) from None
    return LabData(stem=stem, lock=lock, parts=parts, architectures=architectures)


def _part(
    store: RunStore, key: str, part: Mapping[str, Any], dataset: DatasetData, entries: list[dict[str, Any]]
) -> Part:
    mine = [entry for entry in entries if entry["dataset"] == dataset.name]
    runs = tuple(
        RunData(
            dataset=dataset.name,
            network=entry["network"],
            seed=entry["seed"],
            run=store.read("run", entry["run"]),
            evaluation=store.read("evaluation", entry["evaluation"]),
            architecture=store.read("architecture", entry["architecture"]),
        )
        for entry in mine
        if entry["evaluation"]
    )
    problems = {entry["network"]: entry.get("problem", "") for entry in mine if not entry["evaluation"]}
    return Part(key=key, dataset=dataset, runs=runs, primary=part.get("primary"), problems=problems)
