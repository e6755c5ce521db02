"""What the report is about, on which data, and how it was made."""

from __future__ import annotations

from typing import Any

from cnnlab.spec import SPLITS
from report.activities.common import count
from report.data.literature import dataset_reference
from report.data.records import LabData, Part
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Quantity


def _first_size(part: Part | None) -> dict[str, Any]:
    """How large the data set of the first part is, to compare a stand-in with what it stands in for."""
    classes = part.dataset.classes if part else []
    ids = [part.dataset.record.id] if part else []
    size = int(part.dataset.manifest["image_size"]) if part else 0
    return {
        "first_images": count(sum(int(entry["images"]) for entry in classes), runs=ids),
        "first_used": count(sum(int(entry[split]) for entry in classes for split in SPLITS), runs=ids),
        "first_classes": count(len(classes), runs=ids),
        "first_size": count(size, runs=ids),
    }


def _besides(lab: LabData, language: Language) -> dict[str, Any]:
    """The trials and the folds that were trained to choose and to validate hyper-parameters, and their time."""
    parts, plural = lab.parts.values(), language.plural
    searches = {search.record.id: search for part in parts for search in part.searches.values()}
    folds = {fold.run.id: fold for part in parts for several in part.folds.values() for fold in several}
    trials = count(sum(len(search.trials) for search in searches.values()), runs=list(searches))
    records = [*(search.record for search in searches.values()), *(fold.run for fold in folds.values())]
    words = [plural("{n} trial of a search", "{n} trials of searches", trials)] if trials.value else []
    if folds:
        several = count(len(folds), runs=list(folds))
        words.append(plural("{n} fold of a cross-validation", "{n} folds of cross-validations", several))
    return {
        "besides": words,
        "besides_time": Quantity(
            value=sum(float(record.manifest["seconds"]) for record in records), unit="seconds", n=len(records),
            runs=(*searches, *folds), how="Sum over the trainings",
        ),
    }  # fmt: skip


def answer(lab: LabData, language: Language) -> Evidence:
    """The data sets, the networks trained, and what training them took."""
    runs = [run for part in lab.parts.values() for run in part.runs]
    first, second = lab.parts.get("2_1"), lab.parts.get("2_2")
    seconds = sum(float(run.run.manifest["seconds"]) for run in runs)
    ids = tuple(run.run.id for run in runs)
    return Evidence(
        names={
            "first_reference": dataset_reference(first.dataset.manifest["title"]) if first else "",
            "second_reference": dataset_reference(second.dataset.manifest["title"]) if second else "",
            "first": first.dataset.manifest["title"] if first else "",
            "second": second.dataset.manifest["title"] if second else "",
            "one_training": len(runs) == 1,
            **_first_size(first),
            "stand_in_for": (first.dataset.manifest["stand_in_for"] or "") if first else "",
            "has_second": second is not None,
            "networks": list(dict.fromkeys(run.title for run in runs)),
            "trainings": count(len(runs), runs=ids),
            "training_time": Quantity(
                value=seconds, unit="seconds", n=len(runs), runs=ids, how="Sum over the trainings"
            ),
            "trained_any": bool(runs),
            **_besides(lab, language),
            "shortened": any(run.resolved["shortened"] for run in runs),
            "machine": runs[0].run.manifest["hardware"]["cpu"] if runs else "",
        }
    )
