"""Trainings as a report reads them: of a network, evaluated or diverged, and of the folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cnnlab.errors import StoreError
from cnnlab.networks import find_network
from cnnlab.spec import SPLITS, Recipe
from cnnlab.store.record import Record


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
class Attention:
    """Grad-CAM of the answers to some test images, `ids` int32 (n,), from the map of `layer`.

    Attributes:
        maps: uint8 (n, h, w), the largest value of each 255; all 0 where nothing speaks for the answer.
        sampled: bool (n,), those that were drawn to measure on, not to be shown.
        whole, marked, other: float16 (n,), the answer's probability on the image as it is, with the quarter that is
            marked most covered, and with another quarter; NaN where not sampled.
    """

    layer: str
    ids: np.ndarray
    maps: np.ndarray
    sampled: np.ndarray
    whole: np.ndarray
    marked: np.ndarray
    other: np.ndarray

    @cached_property
    def places(self) -> dict[int, int]:
        """Position by row id."""
        return {int(row): index for index, row in enumerate(self.ids)}


@dataclass(frozen=True)
class TrainingData:
    """One training, whatever came of it."""

    dataset: str
    network: str
    seed: int
    run: Record

    @property
    def title(self) -> str:
        """The network's name in prose."""
        return find_network(self.network).TITLE

    @property
    def resolved(self) -> Mapping[str, Any]:
        """What the run resolved to: epochs, precision, budget, speeds."""
        return dict(self.run.manifest["resolved"])

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The requested spec: data, network, options, recipe, seed."""
        return dict(self.run.json("spec.json"))

    @property
    def recipe(self) -> dict[str, Any]:
        """The requested recipe; keys that are newer than the record have the value that leaves training as it was."""
        return {**Recipe().model_dump(mode="json"), **self.spec["recipe"]}

    @cached_property
    def history(self) -> dict[str, np.ndarray]:
        """The columns of `history.csv`, float64 (epochs,)."""
        rows = self.run.rows("history.csv")
        return {key: np.array([float(row[key] or "nan") for row in rows]) for key in (rows[0] if rows else ())}

    @cached_property
    def sanity(self) -> dict[str, Any] | None:
        """What was checked before the first epoch: `classes`, `ln_classes`, `initial_loss`, `overfit`; None in older
        records."""
        return dict(self.run.json("sanity.json")) if "sanity.json" in self.run.manifest["files"] else None

    @property
    def has_diverged(self) -> bool:
        """Whether the loss stopped being a number."""
        return bool(self.run.manifest["status"] == "diverged")


@dataclass(frozen=True)
class FoldData(TrainingData):
    """The training of one fold, `index` (0-based) of `of`; never evaluated on test images."""

    index: int
    of: int

    @property
    def accuracy(self) -> float:
        """Accuracy in 0-1 on the fold's own images, in the epoch that was kept."""
        return float(self.history["val_accuracy"][int(self.resolved["best_epoch"]) - 1])


@dataclass(frozen=True)
class FoldProblem:
    """A fold without a finished training, 0-based, and why."""

    network: str
    index: int
    of: int
    reason: str


@dataclass(frozen=True)
class RunData(TrainingData):
    """One trained and evaluated network.

    Attributes:
        flip: whether each answer is the mean of the image's and its mirror image's.
    """

    evaluation: Record
    architecture: Record
    flip: bool = False

    @cached_property
    def predictions(self) -> dict[str, Predictions]:
        """Predictions by split.

        Raises:
            StoreError: a split has no images, or some probabilities are no numbers.
        """
        arrays = self.evaluation.arrays("predictions.npz")
        return {split: self._predictions(split, arrays) for split in SPLITS}

    def _predictions(self, split: str, arrays: Mapping[str, np.ndarray]) -> Predictions:
        probabilities = arrays[f"{split}_probabilities"].astype(np.float32)
        if not len(probabilities):
            raise StoreError(
                "an evaluation has no image of a split",
                where=self.evaluation.folder,
                received=f"no {split} images",
                hint="give every split images in the lab file, and run it again",
            )
        if wrong := int((~np.isfinite(probabilities).all(axis=1)).sum()):
            raise StoreError(
                f"{self.title} answers with what is no number: there is nothing to report of it",
                where=self.evaluation.folder,
                received=f"{wrong} of {len(probabilities)} {split} images",
                hint='lower the learning rate of its recipe, or train it with precision = "float32", and run the lab again',
            )
        return Predictions(probabilities, arrays[f"{split}_labels"], arrays[f"{split}_ids"])

    @cached_property
    def exhibits(self) -> dict[int, np.ndarray]:
        """Test images kept for the grids, uint8 (S, S, 3) by row id."""
        arrays = self.evaluation.arrays("exhibits.npz")
        return dict(zip(arrays["ids"].tolist(), arrays["images"], strict=True))

    @cached_property
    def attention(self) -> Attention | None:
        """Where the network looks in some test images; None in older records."""
        if "attention.npz" not in self.evaluation.manifest["files"]:
            return None
        return Attention(str(self.evaluation.manifest["attention"]["layer"]), **self.evaluation.arrays("attention.npz"))

    @cached_property
    def filters(self) -> np.ndarray | None:
        """Kernels of the first convolution, float32 (h, w, 3, F), red first; None in older records."""
        if "filters.npz" not in self.evaluation.manifest["files"]:
            return None
        return self.evaluation.arrays("filters.npz")["filters"].astype(np.float32)
