"""Trainings as a report reads them: of a network, evaluated or diverged, of folds; searches and baselines beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from cnnlab.errors import StoreError
from cnnlab.networks import find_network
from cnnlab.spec import SPLITS, Recipe
from cnnlab.store.record import Record

STATES = ("complete", "pruned", "failed")
"""How a trial of a search can have ended."""


@dataclass(frozen=True)
class Recorded:
    """What is read from one record."""

    record: Record

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The record's manifest."""
        return self.record.manifest


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
        """What was checked before the first epoch: `classes`, `ln_classes`, `initial_loss`, `overfit`; None in old records."""
        return dict(self.run.json("sanity.json")) if "sanity.json" in self.run.manifest["files"] else None

    @property
    def has_diverged(self) -> bool:
        """Whether the loss stopped being a number."""
        return bool(self.run.manifest["status"] == "diverged")

    @property
    def reason(self) -> str:
        """Why it diverged, where that is known."""
        return str(self.resolved.get("diverged_because") or "")


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
class RunData(TrainingData):
    """One trained and evaluated network; `flip` says that each answer is the mean of the image's and its mirror image's."""

    evaluation: Record
    architecture: Record
    flip: bool = False

    @cached_property
    def predictions(self) -> dict[str, Predictions]:
        """Predictions by split.

        Raises:
            StoreError: a split has no images, or some probabilities are no numbers.
        """
        arrays, found, where = self.evaluation.arrays("predictions.npz"), {}, self.evaluation.folder
        for split in SPLITS:
            probabilities = arrays[f"{split}_probabilities"].astype(np.float32)
            wrong = int((~np.isfinite(probabilities).all(axis=1)).sum())
            if not len(probabilities):
                what, hint = "an evaluation has no image of a split", "give every split images in the lab file"
                raise StoreError(what, where=where, received=f"no {split} images", hint=f"{hint}, and run it again")
            if wrong:
                raise StoreError(
                    f"{self.title} answers with what is no number: there is nothing to report of it",
                    where=where,
                    received=f"{wrong} of {len(probabilities)} {split} images",
                    hint='lower the learning rate of its recipe, or train it with precision = "float32", and run the lab again',
                )
            found[split] = Predictions(probabilities, arrays[f"{split}_labels"], arrays[f"{split}_ids"])
        return found

    @cached_property
    def exhibits(self) -> dict[int, np.ndarray]:
        """Test images kept for the grids, uint8 (S, S, 3) by row id."""
        arrays = self.evaluation.arrays("exhibits.npz")
        return dict(zip(arrays["ids"].tolist(), arrays["images"], strict=True))

    @cached_property
    def attention(self) -> dict[int, np.ndarray]:
        """Grad-CAM of the answers to some test images, uint8 (h, w) by row id, the largest value of each 255 (or all 0, where
        nothing speaks for the answer); nothing in old records."""
        if "attention.npz" not in self.evaluation.manifest["files"]:
            return {}
        arrays = self.evaluation.arrays("attention.npz")
        return dict(zip(arrays["ids"].tolist(), arrays["maps"], strict=True))


class Trial(NamedTuple):
    """One trial of a search."""

    number: int
    state: str
    params: Mapping[str, Any]  # its value of each key that the search varies
    value: float | None  # its best validation accuracy in 0-1, if any
    best_epoch: int | None  # the epoch of that, from 1
    epochs: int
    problem: str | None  # why it failed


@dataclass(frozen=True)
class SearchData(Recorded):
    """A search record of one network.

    Of the manifest: `space`, what the lab asked for (trials, seed, pruning, and the range or the choices of each key);
    `selected`, the value of each varied key in the selected trial; `counts`, trials by how they ended.
    """

    network: str

    @property
    def varied(self) -> list[str]:
        """The recipe's keys that trials differ in."""
        return list(self.manifest["varied"])

    @cached_property
    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        return [Trial(**{key: entry[key] for key in Trial._fields}) for entry in self.record.json("trials.json")]

    @property
    def best(self) -> Trial:
        """The trial that was selected."""
        return next(trial for trial in self.trials if trial.number == self.manifest["best"])


@dataclass(frozen=True)
class BaselineData(Recorded):
    """The baselines of one data set: a linear classifier, and always the same answer.

    Of the manifest: `constant`, always the most frequent class: `label`, `accuracy_test`, `accuracy_validation` in 0-1,
    and `loss`, the cross entropy (nats) on validation of always answering the training class frequencies.
    """

    def right(self, labels: np.ndarray) -> np.ndarray:
        """Whether the linear classifier is right on each test image, bool (N,).

        Args:
            labels: int (N,), those of the images that a network is compared on, to check that they are the same.

        Raises:
            StoreError: the record is of other images.
        """
        arrays = self.record.arrays("predictions.npz")
        if not np.array_equal(found := arrays["test_labels"], labels):
            raise StoreError(
                "the baseline was not measured on the images that the networks were",
                where=self.record.folder,
                received=f"{found.size} test labels",
                expected=f"the {labels.size} of the evaluation",
                hint="remove the record's folder and run the lab again",
            )
        return np.asarray(arrays["test_predicted"] == found)
