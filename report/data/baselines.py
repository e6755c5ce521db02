"""The record of a data set's baselines, opened for a report: a linear classifier, and always the same answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cnnlab.errors import StoreError
from cnnlab.store.record import Record


@dataclass(frozen=True)
class BaselineData:
    """A baseline record of one data set."""

    record: Record

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Method, side, strength and the rest of the record's manifest."""
        return self.record.manifest

    @property
    def constant(self) -> Mapping[str, Any]:
        """Always the most frequent class: `label`, `accuracy_test`, `accuracy_validation` in 0-1; and `loss`, the cross
        entropy (nats) on validation of always answering the training class frequencies."""
        return dict(self.manifest["constant"])

    @cached_property
    def _predictions(self) -> dict[str, np.ndarray]:
        return self.record.arrays("predictions.npz")

    def right(self, labels: np.ndarray, split: str = "test") -> np.ndarray:
        """Whether the linear classifier is right on each image of a split, bool (N,).

        Args:
            labels: int (N,), those of the images that a network is compared on, to check that they are the same.

        Raises:
            StoreError: the record is of other images.
        """
        found = self._predictions[f"{split}_labels"]
        if not np.array_equal(found, labels):
            raise StoreError(
                "the baseline was not measured on the images that the networks were",
                where=self.record.folder,
                received=f"{found.size} {split} labels",
                expected=f"the {labels.size} of the evaluation",
                hint="remove the record's folder and run the lab again",
            )
        return np.asarray(self._predictions[f"{split}_predicted"] == found)

    @cached_property
    def diversity(self) -> np.ndarray | None:
        """How varied the training images of each class are beside all images, float32 (K,), NaN where that means
        nothing; None in older records."""
        if "diversity.npz" not in self.record.manifest["files"]:
            return None
        return np.asarray(self.record.arrays("diversity.npz")["train"])
