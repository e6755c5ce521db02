"""What the report is about, on which data, and how it was made."""

from __future__ import annotations

from typing import Any

from cnnlab.spec import SPLITS
from report.activities.common import Answerer
from report.data.literature import dataset_reference
from report.data.records import LabData
from report.evidence.language import Language
from report.evidence.quantity import Evidence, numbers_of


def answer(lab: LabData, language: Language) -> Evidence:
    """The data sets, the networks trained, and what training them took."""
    runs = [run for part in lab.parts.values() for run in part.runs]
    first, second = lab.parts.get("2_1"), lab.parts.get("2_2")
    manifest: Any = first.dataset.manifest if first else {"title": "", "stand_in_for": "", "image_size": 0}
    title = second.dataset.manifest["title"] if second else ""
    # how large the data set of the first part is, to compare a stand-in with what it stands in for
    classes, f = first.dataset.classes if first else [], numbers_of(*([first.dataset.record] if first else []))
    q, how = numbers_of(*(run.run for run in runs)), "Sum over the trainings"
    return Evidence(
        names={
            "first_reference": dataset_reference(manifest["title"]) if first else "",
            "second_reference": dataset_reference(title) if second else "",
            "first": manifest["title"],
            "second": title,
            "one_training": len(runs) == 1,
            "first_images": f.count(sum(int(entry["images"]) for entry in classes)),
            "first_used": f.count(sum(int(entry[split]) for entry in classes for split in SPLITS)),
            "first_classes": f.count(len(classes)),
            "first_size": f.count(manifest["image_size"]),
            "stand_in_for": manifest["stand_in_for"] or "",
            "has_second": second is not None,
            "networks": list(dict.fromkeys(run.title for run in runs)),
            "trainings": q.count(len(runs)),
            "training_time": q(
                sum(float(run.run.manifest["seconds"]) for run in runs), "seconds", n=len(runs), how=how
            ),
            "trained_any": bool(runs),
            **_besides(lab, language),
            "shortened": any(run.resolved["shortened"] for run in runs),
            "machine": runs[0].run.manifest["hardware"]["cpu"] if runs else "",
        }
    )


def _besides(lab: LabData, language: Language) -> dict[str, Any]:
    """The trials and the folds that were trained to choose and to validate hyper-parameters, and their time."""
    parts, plural = lab.parts.values(), language.plural
    searches = {search.record.id: search for part in parts for search in part.searches.values()}
    folds = {fold.run.id: fold.run for part in parts for several in part.folds.values() for fold in several}
    trials = numbers_of(*searches).count(sum(len(search.trials) for search in searches.values()))
    words = [plural("{n} trial of a search", "{n} trials of searches", trials)] if trials.value else []
    if folds:
        several = numbers_of(*folds).count(len(folds))
        words.append(plural("{n} fold of a cross-validation", "{n} folds of cross-validations", several))
    records = [*(search.record for search in searches.values()), *folds.values()]
    seconds, q = sum(float(record.manifest["seconds"]) for record in records), numbers_of(*records)
    return {"besides": words, "besides_time": q(seconds, "seconds", n=len(records), how="Sum over the trainings")}


ANSWERS = {"introduction": Answerer(answer)}
