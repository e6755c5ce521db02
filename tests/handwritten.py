"""Fabricated reports with a section's commentary replaced by a text, for tests of the checks of hand-written prose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from report.data.records import LabData, open_lab
from report.document.model import Document
from tests.fabricate import write_store
from tests.reports import ONE

OVERFITTED = [
    {"loss": 1.2, "val_loss": 1.3, "accuracy": 0.5, "val_accuracy": 0.45},
    {"loss": 0.3, "val_loss": 0.9, "accuracy": 0.95, "val_accuracy": 0.6},
    {"loss": 0.1, "val_loss": 1.8, "accuracy": 1.0, "val_accuracy": 0.55},
]
LABS: dict[str, dict[str, Any]] = {
    "usual": {},
    "overfitted": {
        "history": OVERFITTED,
        "resolved": {"best_epoch": 2, "epochs_run": 3, "stopped": "early", "epochs_requested": 40, "shortened": True},
        "skill": {"alexnet": 0.4, "vgg19": 0.5, "resnet50": 0.45},
    },
    "one network": ONE,
    "several seeds": {"seeds": range(3)},
    "many classes": {"classes": {"clothes": [f"class {i:03}" for i in range(100)], "digits": ["0", "1"]}, **ONE},
    "searched and folded": {
        "searches": {"vgg19": {}},
        "folds": {"vgg19": [0.5, 0.6, None]},
        "leaks": {"clothes": [(25, 1, True), (35, 2, False)]},
        "recipe": {"label_smoothing": 0.1, "weight_decay": 1e-4, "augmentation": ("mixup",)},
        "test_uses": 9,
        "flip": True,
    },
}
"""Options of `write_store`."""


def records(root: Path, **options: Any) -> LabData:
    """The records of a fabricated lab."""
    return open_lab(write_store(root, **options), "demo")


def with_text(document: Document, folder: Path, text: str, *, key: str = "activity-09") -> Document:
    """The same report, in which only the section `key` has a commentary to check: `text`, from line 1 of its file."""
    path = folder / f"{key}.md.j2"
    path.write_text(text, encoding="utf-8")
    sections = (replace(one, path=path if one.key == key else None) for one in document.sections)
    return replace(document, sections=tuple(sections))
