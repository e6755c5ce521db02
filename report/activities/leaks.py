"""Images of validation or test that a network has seen a copy of: how many, which, and what accuracy is without them."""

from __future__ import annotations

from typing import Any

from cnnlab.spec import SPLITS
from report.activities.common import count, of_records
from report.data.records import DatasetData, LabData, Part
from report.data.trainings import RunData
from report.evidence.language import Language
from report.evidence.quantity import Exhibit, Gallery, numbers_of
from report.evidence.statistics import difference

GALLERY_PART = "2_2"
"""The part whose own activity on its data set shows the pairs."""


def leak_counts(dataset: DatasetData) -> dict[str, Any]:
    """How many images of validation and test have a copy among those seen before, and whether they were left out."""
    leaks, rows, ids = dataset.leaks, dataset.rows, [dataset.record.id]
    within = {split: int(leaks.among(rows[split]).sum()) for split in ("validation", "test")}
    total, exact = len(leaks.pairs), int(leaks.exact.sum())
    return {
        "any": total > 0,
        "near_searched": bool(dataset.manifest["near_searched"]),
        "total": count(total, runs=ids),
        "exact": count(exact, runs=ids),
        "near": count(total - exact, runs=ids),
        "excluded": total > 0 and leaks.excluded,
        "in_test": within["test"] > 0,
        "test": count(within["test"], runs=ids),
        "is_one_in_test": within["test"] == 1,
        "in_validation": within["validation"] > 0,
        "validation": count(within["validation"], runs=ids),
        "is_one_in_validation": within["validation"] == 1,
    }


def gallery_is_elsewhere(lab: LabData, part: Part) -> bool:
    """Whether the pairs of a part's data set are shown by the activity on the data set of the other part, or its own."""
    other = lab.parts.get(GALLERY_PART)
    return other is not None and other.dataset.record.id == part.dataset.record.id


def leak_gallery(dataset: DatasetData, language: Language) -> Gallery:
    """Each leaked image beside its copy; without items where there is none."""
    leaks, text = dataset.leaks, language.text
    shown, total = len(leaks.images), len(leaks.pairs)
    note = text(
        "Left an image of validation or test, right a copy of it; below, class and set, and how alike they are."
    )
    if shown < total:
        note += " " + text(
            "Of the {total} pairs, the first {n}.", total=count(total, runs=[dataset.record.id]), n=shown
        )
    gallery = Gallery(
        caption=text("Images of {dataset} with a copy among those seen before", dataset=dataset.manifest["title"]),
        note=note,
        alt=language.plural("{n} pair of an image and its copy", "{n} pairs of an image and its copy", shown),
        items=tuple(one for index in range(shown) for one in _pair(dataset, index, language)),
        group=2,
    )
    return of_records(gallery, [dataset.record.id])


def _pair(dataset: DatasetData, index: int, language: Language) -> tuple[Exhibit, Exhibit]:
    leaks = dataset.leaks
    names = [dataset.class_names[label] for label in leaks.labels[index]]
    origins = [_split_of(dataset, row, language) for row in leaks.pairs[index]]
    likeness = language.text("same pixels") if leaks.exact[index] else language.text("nearly the same")
    first, second = leaks.images[index]
    return (
        Exhibit(pixels=first, label=names[0], origin=origins[0]),
        Exhibit(pixels=second, label=names[1], origin=f"{origins[1]}, {likeness}"),
    )


def _split_of(dataset: DatasetData, row: int, language: Language) -> str:
    words = {
        "train": language.text("training"),
        "validation": language.text("validation"),
        "test": language.text("test"),
    }
    found = next((split for split in SPLITS if row in dataset.rows[split]), None)
    return words[found] if found else language.text("left out")


def without_leaks(part: Part, run: RunData) -> dict[str, Any]:
    """The run's test accuracy without leaked images, and how much they raise it; {} where no test image is one.

    That is the difference between leaked images and others, which are different images, times the share of the leaked.
    `clean` is None where no other image is left.
    """
    test, q = run.predictions["test"], numbers_of(run.run)
    leaked = part.dataset.leaks.among(test.ids)
    if not leaked.any():
        return {}
    if leaked.all():
        return {"clean": None}
    a, b = test.right[leaked], test.right[~leaked]
    counts = int(a.sum()), a.size, int(b.sum()), b.size
    value, low, high = (a.size / test.right.size * bound for bound in difference(*counts))
    return {
        "clean": q.share(*counts[2:]),
        "clean_images": q.count(b.size),
        "on_leaked": q.share(*counts[:2]),
        "raised": q(
            value, "points", n=test.right.size, low=low, high=high,
            how="Share of leaked images times their difference from the others, Newcombe interval",
        ),
        "flatters": low > 0,
        "is_harder": high < 0,
    }  # fmt: skip
