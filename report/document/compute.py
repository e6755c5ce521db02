"""Floating-point operations of the trainings, by formula from the architecture records; nothing of it is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from report.data.records import LabData, Part
from report.evidence.language import Language
from report.evidence.quantity import Quantity

FORWARD_AND_BACKWARD = 3
"""A step costs a pass forward and about two backward: by the weights and by the inputs of each layer."""

OPERATIONS = 2
"""Of a multiply-add."""

HOW = "3 × multiply-adds × images × epochs × 2"


def training_operations(multiply_adds: int, images: int, epochs: int) -> int:
    """Operations of a training.

    Args:
        multiply_adds: of one image, forward.
        images: training images of an epoch.
    """
    return FORWARD_AND_BACKWARD * multiply_adds * images * epochs * OPERATIONS


def operations(lab: LabData, language: Language) -> Iterator[str]:
    """Of the trainings reported, of the folds and of the trials: each with what it comes to, where there are any."""
    text = language.text
    kinds = {
        text("trainings reported"): [_runs(part) for part in lab.parts.values()],
        text("folds"): [_folds(part) for part in lab.parts.values()],
        text("trials of searches"): [_trials(part) for part in lab.parts.values()],
    }
    for name, parts in kinds.items():
        found = {record: n for part in parts for record, n in part.items()}
        if found:
            total = Quantity(value=sum(found.values()), unit="operations", n=len(found), runs=tuple(found), how=HOW)
            yield text("{kind}: {operations}", kind=name, operations=total)
    if any(_unknown(part) for part in lab.parts.values()):
        yield text("of networks without a finished run: not recorded")


def _runs(part: Part) -> dict[str, int]:
    return {
        run.run.id: training_operations(
            int(run.architecture.manifest["multiply_adds"]), *_images_and_epochs(run.resolved)
        )
        for run in part.runs
    }


def _folds(part: Part) -> dict[str, int]:
    return {
        fold.run.id: training_operations(_multiply_adds(part, network), *_images_and_epochs(fold.resolved))
        for network, folds in part.folds.items()
        if part.of(network)
        for fold in folds
    }


def _trials(part: Part) -> dict[str, int]:
    """Of every trial that trained for some epochs, on the images of the network's own run."""
    return {
        search.record.id: sum(
            training_operations(
                _multiply_adds(part, network), int(part.of(network)[0].resolved["images"]["train"]), trial.epochs
            )
            for trial in search.trials
        )
        for network, search in part.searches.items()
        if part.of(network)
    }


def _unknown(part: Part) -> bool:
    """Whether something was trained of whose network no architecture record is at hand."""
    return any(not part.of(network) for network in (*part.folds, *part.searches)) or bool(part.diverged)


def _multiply_adds(part: Part, network: str) -> int:
    return int(part.of(network)[0].architecture.manifest["multiply_adds"])


def _images_and_epochs(resolved: Mapping[str, Any]) -> tuple[int, int]:
    return int(resolved["images"]["train"]), int(resolved["epochs_run"])
