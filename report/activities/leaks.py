"""Images of validation or test that a network has seen a copy of: how many, which, and what accuracy is without them."""

from __future__ import annotations

from typing import Any

from cnnlab.spec import SPLITS
from report.data.records import DatasetData, LabData, Part
from report.data.trainings import RunData
from report.evidence.language import Language
from report.evidence.quantity import Exhibit, Gallery, numbers_of
from report.evidence.statistics import difference

GALLERY_PART = "2_2"
"""The part whose own activity on its data set shows the pairs."""


def leak_counts(dataset: DatasetData) -> dict[str, Any]:
    """How many images of validation and test have a copy among those seen before, and whether they were left out."""
    leaks, q = dataset.leaks, numbers_of(dataset.record)
    total, exact = len(leaks["pairs"]), int(leaks["exact"].sum())
    names: dict[str, Any] = {
        "any": total > 0,
        "near_searched": bool(dataset.manifest["near_searched"]),
        "total": q.count(total),
        "exact": q.count(exact),
        "near": q.count(total - exact),
        "excluded": total > 0 and dataset.split["leaks"] == "exclude",
    }
    for split in ("test", "validation"):
        within = int(dataset.leaked(dataset.rows[split]).sum())
        names |= {f"in_{split}": within > 0, split: q.count(within), f"is_one_in_{split}": within == 1}
    return names


def gallery_is_elsewhere(lab: LabData, part: Part) -> bool:
    """Whether the pairs of a part's data set are shown by the activity on the data set of the other part, or its own."""
    other = lab.parts.get(GALLERY_PART)
    return other is not None and other.dataset.record.id == part.dataset.record.id


def leak_gallery(dataset: DatasetData, language: Language) -> Gallery:
    """Each leaked image beside its copy; without items where there is none."""
    leaks, text, total = dataset.leaks, language.text, numbers_of(dataset.record).count(len(dataset.leaks["pairs"]))
    words = {"train": text("training"), "validation": text("validation"), "test": text("test")}
    shown, items = len(leaks["images"]), []
    for index in range(shown):
        same = text("same pixels") if leaks["exact"][index] else text("nearly the same")
        for side, likeness in enumerate(("", f", {same}")):
            row = leaks["pairs"][index][side]
            split = next((words[split] for split in SPLITS if row in dataset.rows[split]), text("left out"))
            label = dataset.class_names[leaks["labels"][index][side]]
            items.append(Exhibit(pixels=leaks["images"][index][side], label=label, origin=split + likeness))
    note = text(
        "Left an image of validation or test, right a copy of it; below, class and set, and how alike they are."
    )
    if shown < total.value:
        note += " " + text("Of the {total} pairs, the first {n}.", total=total, n=shown)
    return Gallery(
        caption=text("Images of {dataset} with a copy among those seen before", dataset=dataset.manifest["title"]),
        note=note,
        alt=language.plural("{n} pair of an image and its copy", "{n} pairs of an image and its copy", shown),
        items=tuple(items),
        group=2,
        source=[dataset.record],
    )


def without_leaks(part: Part, run: RunData) -> dict[str, Any]:
    """The run's test accuracy without leaked images, and how much they raise it; {} where no test image is one.

    That is the difference between leaked images and others, which are different images, times the share of the leaked.
    `clean` is None where no other image is left.
    """
    test, q = run.predictions["test"], numbers_of(run.run)
    leaked = part.dataset.leaked(test.ids)
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
