"""Activity 10: the data set of free choice, its classes, their distribution, examples and what the scan found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cnnlab.spec import SPLITS
from report.activities.common import MANY_CLASSES, count, of_records, required_part
from report.activities.data_findings import findings_in_words
from report.activities.division import division
from report.activities.leaks import leak_counts, leak_gallery
from report.data.literature import dataset_reference
from report.data.records import DatasetData, LabData
from report.evidence.language import Language
from report.evidence.quantity import Cell, Column, Evidence, Exhibit, Gallery, Quantity, Table, Unit, csv_attachment
from report.figures.distribution import class_distribution

SPLIT_HEADS = {"train": "Training", "validation": "Validation", "test": "Test"}
"""Message ids of the splits as heads of rows."""

SHOWN_CLASSES = 10
EXAMPLES_A_CLASS = 2

EXTREMES = 10
"""Largest and smallest classes in the table where there are more than `MANY_CLASSES`."""

ABSENT = {
    "undecodable": "damaged files",
    "duplicate": "exact duplicates",
    "near-duplicate": "near duplicates",
}
"""Message ids of what every scan looks for, by the kind of finding that there would be."""


def answer(lab: LabData, language: Language, *, part: str) -> Evidence:
    """Counts, distribution, split sizes, examples with labels, integrity findings."""
    dataset = required_part(lab, part).dataset
    manifest, ids = dataset.manifest, [dataset.record.id]
    per_class = [int(entry["images"]) for entry in dataset.classes]
    used = {split: sum(int(entry[split]) for entry in dataset.classes) for split in ("train", "validation", "test")}
    original = manifest["original"]
    return Evidence(
        names={
            "dataset": manifest["title"],
            "reference": dataset_reference(manifest["title"]),
            "credit": manifest["credit"] or "",
            "stand_in_for": manifest["stand_in_for"] or "",
            "images": count(sum(per_class), runs=ids),
            "classes": count(len(per_class), runs=ids),
            "class_names": dataset.class_names[:MANY_CLASSES],
            "names_all_classes": len(per_class) <= MANY_CLASSES,
            "mean": _mean(per_class, ids),
            "fewest": count(min(per_class), runs=ids),
            "most": count(max(per_class), runs=ids),
            "balanced": min(per_class) == max(per_class),
            "nearly_balanced": max(per_class) <= 1.5 * min(per_class),
            "ratio": Quantity(
                value=max(per_class) / max(1, min(per_class)), unit="ratio", how="Largest over smallest class"
            ),
            "used": count(sum(used.values()), runs=ids),
            "uses_all": sum(used.values()) == sum(per_class),
            **{f"{split}_images": count(n, runs=ids) for split, n in used.items()},
            "various_sizes": _various_sizes(dataset),
            "width": count(original["width"], runs=ids) if original.get("width") else None,
            "height": count(original["height"], runs=ids) if original.get("height") else None,
            "grey": original.get("channels") == 1,
            "size": count(manifest["image_size"], runs=ids),
            **division(dataset, language),
            "findings": findings_in_words(dataset, language),
            **_integrity(dataset, language),
            "has_results": bool(required_part(lab, part).runs),
        },
        items=_items(dataset, language),
    )


def _mean(per_class: list[int], ids: list[str]) -> Quantity:
    """Images a class on average, without decimals where it has none."""
    mean = float(np.mean(per_class))
    unit: Unit = "count" if mean.is_integer() else "number"
    return Quantity(value=mean, unit=unit, n=len(per_class), runs=tuple(ids), how="Images over classes")


def _various_sizes(dataset: DatasetData) -> bool:
    """Whether the originals differ in size; the manifest's `original` is then only the most common one."""
    resized = dataset.finding("resized")
    if resized is None:
        return False
    some_fit = int(resized["count"]) < sum(int(entry["images"]) for entry in dataset.classes)
    return bool(some_fit or resized["detail"].get("smallest") != resized["detail"].get("largest"))


def _integrity(dataset: DatasetData, language: Language) -> dict[str, Any]:
    """What was looked for and not found, leaks, and labels that contradict each other."""
    duplicate = dataset.finding("duplicate")
    contrary = int(duplicate["detail"]["with_other_label"]) if duplicate else 0
    return {
        "absent": [language.text(words) for kind, words in ABSENT.items() if _looked_for_in_vain(dataset, kind)],
        "leaks": leak_counts(dataset),
        "contradicts": contrary > 0,
        "with_other_label": count(contrary, runs=[dataset.record.id]),
    }


def _looked_for_in_vain(dataset: DatasetData, kind: str) -> bool:
    searched = kind != "near-duplicate" or dataset.manifest["near_searched"]
    return bool(searched and dataset.finding(kind) is None)


def _items(dataset: DatasetData, language: Language) -> dict[str, Any]:
    text, classes = language.text, dataset.classes
    title, leaks = dataset.manifest["title"], leak_gallery(dataset, language)
    return {
        "distribution": of_records(
            class_distribution(
                dataset.class_names,
                {split: [int(entry[split]) for entry in classes] for split in ("train", "validation", "test")},
                language,
                caption=text("Images of each class of {dataset} in the three splits", dataset=title),
                note=_division_note(dataset, language),
            ),
            [dataset.record.id],
        ),
        "examples": of_records(_examples(dataset, language), [dataset.record.id]),
        "splits": _split_table(dataset, language),
        "classes": _class_table(dataset, language, f"images-{dataset.name}.csv"),
        **({"leaks": leaks} if leaks.items else {}),
    }


def _division_note(dataset: DatasetData, language: Language) -> str:
    if dataset.split["policy"] == "official":
        return language.text("The division into training and test images is that of the authors of the data.")
    return language.text("The split is stratified: each class is divided in the same proportions.")


def _examples(dataset: DatasetData, language: Language) -> Gallery:
    exhibits, names = dataset.exhibits, dataset.class_names
    shown: list[Exhibit] = []
    for label in range(min(len(names), SHOWN_CLASSES)):
        for index in np.flatnonzero(exhibits["labels"] == label)[:EXAMPLES_A_CLASS]:
            shown.append(Exhibit(pixels=exhibits["images"][index], label=names[label]))
    note = language.text("Training images, chosen by seed, as the networks see them.")
    if len(names) > SHOWN_CLASSES:
        note += " " + language.text(
            "Of the {classes} classes, the first {n}.",
            classes=count(len(names), runs=[dataset.record.id]),
            n=SHOWN_CLASSES,
        )
    return Gallery(
        caption=language.text("Examples from {dataset} with their labels", dataset=dataset.manifest["title"]),
        note=note,
        alt=language.text("{count} training images with their labels", count=len(shown)),
        items=tuple(shown),
    )


def _split_table(dataset: DatasetData, language: Language) -> Table:
    """Images of each split, its share of those that are used, and how many a class has in it."""
    text = language.text
    splits = {split: [int(entry[split]) for entry in dataset.classes] for split in SPLITS}
    used, ids = sum(map(sum, splits.values())), [dataset.record.id]
    rows: list[Mapping[str, Cell]] = [
        {
            "split": text(SPLIT_HEADS[split]),
            "images": count(sum(sizes), runs=ids),
            "share": Quantity(
                value=sum(sizes) / used, unit="share", n=used, runs=tuple(ids), how="Images over those that are used"
            ),
            "mean": _mean(sizes, ids),
            "fewest": count(min(sizes), runs=ids),
            "most": count(max(sizes), runs=ids),
        }
        for split, sizes in splits.items()
    ]
    return Table(
        caption=text("Images of {dataset} in each split", dataset=dataset.manifest["title"]),
        note=text("Training and test images as the authors of the data divide them.")
        if dataset.split["policy"] == "official"
        else text(
            "Divided by this lab at random inside each class, not as the data set may be divided by its authors."
        ),
        columns=(
            Column(key="split", head=text("Split")),
            Column(key="images", head=text("Images")),
            Column(key="share", head=text("Share")),
            Column(key="mean", head=text("Mean a class")),
            Column(key="fewest", head=text("Smallest class")),
            Column(key="most", head=text("Largest class")),
        ),
        rows=tuple(rows),
    )


def _class_table(dataset: DatasetData, language: Language, file: str) -> Table:
    text, classes, ids = language.text, dataset.classes, [dataset.record.id]
    many = len(classes) > MANY_CLASSES
    ordered = sorted(classes, key=lambda entry: (-int(entry["images"]), str(entry["name"])))
    if many:
        classes = [*ordered[:EXTREMES], *ordered[-EXTREMES:]]
    heads = {
        "name": text("Class"), "images": text("All"), "train": text("Training"), "validation": text("Validation"),
        "test": text("Test"),
    }  # fmt: skip
    rows: list[Mapping[str, Cell]] = [
        {
            "name": entry["name"],
            **{key: count(entry[key], runs=ids) for key in ("images", "train", "validation", "test")},
        }
        for entry in classes
    ]
    return Table(
        caption=text(
            "Images by class: the {n} largest and the {n} smallest of {classes}",
            n=EXTREMES,
            classes=count(len(dataset.classes), runs=[dataset.record.id]),
        )
        if many
        else text("Images by class"),
        note=text("All: every image of the data set; the splits are what this lab uses of them."),
        columns=tuple(Column(key=key, head=head) for key, head in heads.items()),
        rows=tuple(rows),
        whole=csv_attachment(
            file,
            list(heads.values()),
            [[str(entry["name"]), *(int(entry[key]) for key in list(heads)[1:])] for entry in ordered],
        )
        if many
        else None,
    )
