"""Who divided a data set, how, and which part of it is used: for Activities 7, 10 and 11."""

from __future__ import annotations

from typing import Any

from report.activities.common import count
from report.data.records import DatasetData
from report.evidence.language import Language


def division(dataset: DatasetData, language: Language) -> dict[str, Any]:
    """The policy and seed of the division, the selection, and the few-shot division of the data set's own files."""
    few_shot = dataset.finding("few-shot")
    return {
        "official": dataset.split["policy"] == "official",
        "validation_drawn": bool(dataset.manifest["validation_drawn"]),
        "test_is_validation": bool(dataset.manifest["test_is_validation"]),
        "split_seed": str(dataset.split["seed"]),
        "few_shot": _few_shot(few_shot["detail"], language) if few_shot else [],
        **_selection(dataset),
    }


def _few_shot(detail: dict[str, int], language: Language) -> list[dict[str, Any]]:
    text = language.text
    words = {"train": text("training"), "validation": text("validation"), "test": text("test")}
    return [{"split": words[key], "classes": count(detail[key])} for key in words if key in detail]


def _selection(dataset: DatasetData) -> dict[str, Any]:
    """How much of the copy is used; `selected_each` is None where classes have different numbers of images."""
    found = dataset.finding("selected")
    if found is None:
        return {"selected": False, "selects_classes": False}
    sizes = {int(entry["images"]) for entry in dataset.classes}
    detail = found["detail"]
    return {
        "selected": True,
        "selects_classes": detail["classes"] < detail["of_classes"],
        "selected_images": count(found["count"], runs=[dataset.record.id]),
        "of_images": count(detail["of_images"], runs=[dataset.record.id]),
        "selected_classes": count(detail["classes"], runs=[dataset.record.id]),
        "of_classes": count(detail["of_classes"], runs=[dataset.record.id]),
        "selected_each": count(sizes.pop(), runs=[dataset.record.id]) if len(sizes) == 1 else None,
    }
