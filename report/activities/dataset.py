"""Activity 10: the data set of free choice, its classes, their distribution, examples and what the scan found."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnlab.spec import SPLITS
from report.activities.common import MANY_CLASSES, Answerer
from report.activities.data_findings import findings_in_words
from report.activities.leaks import leak_counts, leak_gallery
from report.data.literature import dataset_reference
from report.data.records import DatasetData, LabData
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Exhibit, Gallery, Table, csv_attachment, numbers_of, table
from report.figures.distribution import class_distribution

EXTREMES, SHOWN_CLASSES, EXAMPLES_A_CLASS = 10, 10, 2
"""Classes at either end of the table where there are more than `MANY_CLASSES`; examples, of the first few classes."""

ABSENT = {"undecodable": "damaged files", "duplicate": "exact duplicates", "near-duplicate": "near duplicates"}
"""Message ids of what every scan looks for, by the kind of finding that there would be."""


def answer(lab: LabData, language: Language, *, part: str) -> Evidence:
    """Counts, distribution, split sizes, examples with labels, integrity findings."""
    dataset, text = lab.parts[part].dataset, language.text
    manifest, q = dataset.manifest, numbers_of(dataset.record)
    sizes = [int(entry["images"]) for entry in dataset.classes]
    used = {split: sum(int(entry[split]) for entry in dataset.classes) for split in SPLITS}
    original, duplicate = manifest["original"], dataset.finding("duplicate")
    contrary = int(duplicate["detail"]["with_other_label"]) if duplicate else 0
    return Evidence(
        names={
            "dataset": manifest["title"],
            "reference": dataset_reference(manifest["title"]),
            "credit": manifest["credit"] or "",
            "stand_in_for": manifest["stand_in_for"] or "",
            "images": q.count(sum(sizes)),
            "classes": q.count(len(sizes)),
            "class_names": dataset.class_names[:MANY_CLASSES],
            "names_all_classes": len(sizes) <= MANY_CLASSES,
            "mean": q.mean(sizes, how="Images over classes"),
            "fewest": q.count(min(sizes)),
            "most": q.count(max(sizes)),
            "balanced": min(sizes) == max(sizes),
            "nearly_balanced": max(sizes) <= 1.5 * min(sizes),
            "ratio": q(max(sizes) / max(1, min(sizes)), "ratio", how="Largest over smallest class"),
            "used": q.count(sum(used.values())),
            "uses_all": sum(used.values()) == sum(sizes),
            **{f"{split}_images": q.count(n) for split, n in used.items()},
            "various_sizes": _various_sizes(dataset),
            "width": q.count(original["width"]) if original.get("width") else None,
            "height": q.count(original["height"]) if original.get("height") else None,
            "grey": original.get("channels") == 1,
            "size": q.count(manifest["image_size"]),
            **division(dataset, language),
            "findings": findings_in_words(dataset, language),
            "absent": [
                text(words)
                for kind, words in ABSENT.items()
                if dataset.finding(kind) is None and (kind != "near-duplicate" or manifest["near_searched"])
            ],
            "leaks": leak_counts(dataset),
            "contradicts": contrary > 0,
            "with_other_label": q.count(contrary),
            "has_results": bool(lab.parts[part].runs),
        },
        items=_items(dataset, language),
    )


def division(dataset: DatasetData, language: Language) -> dict[str, Any]:
    """Who divided the data set and how, the few-shot division of its own files, and which part of it is used."""
    few_shot, chosen, q = dataset.finding("few-shot"), dataset.finding("selected"), numbers_of(dataset.record)
    words = {"train": "training", "validation": "validation", "test": "test"}
    names: dict[str, Any] = {
        "official": dataset.split["policy"] == "official",
        "validation_drawn": bool(dataset.manifest["validation_drawn"]),
        "test_is_validation": bool(dataset.manifest["test_is_validation"]),
        "split_seed": str(dataset.split["seed"]),
        "few_shot": [
            {"split": language.text(words[key]), "classes": q.count(n)}
            for key, n in (few_shot["detail"] if few_shot else {}).items()
        ],
        "selected": chosen is not None,
        "selects_classes": bool(chosen and chosen["detail"]["classes"] < chosen["detail"]["of_classes"]),
    }
    if chosen:
        detail, each = chosen["detail"], {int(entry["images"]) for entry in dataset.classes}
        names |= {
            "selected_images": q.count(chosen["count"]),
            "of_images": q.count(detail["of_images"]),
            "selected_classes": q.count(detail["classes"]),
            "of_classes": q.count(detail["of_classes"]),
            "selected_each": q.count(each.pop()) if len(each) == 1 else None,
        }
    return names


def _various_sizes(dataset: DatasetData) -> bool:
    """Whether the originals differ in size; the manifest's `original` is then only the most common one."""
    resized = dataset.finding("resized")
    if resized is None:
        return False
    some_fit = int(resized["count"]) < sum(int(entry["images"]) for entry in dataset.classes)
    return bool(some_fit or resized["detail"].get("smallest") != resized["detail"].get("largest"))


def _items(dataset: DatasetData, language: Language) -> dict[str, Any]:
    text, title, leaks = language.text, dataset.manifest["title"], leak_gallery(dataset, language)
    own = dataset.split["policy"] == "official"
    by_split = {split: [int(entry[split]) for entry in dataset.classes] for split in SPLITS}
    return {
        "distribution": class_distribution(
            dataset.class_names,
            by_split,
            language,
            caption=text("Images of each class of {dataset} in the three splits", dataset=title),
            note=text("The division into training and test images is that of the authors of the data.")
            if own
            else text("The split is stratified: each class is divided in the same proportions."),
            source=[dataset.record],
        ),
        "examples": _examples(dataset, language),
        "splits": _split_table(dataset, by_split, language),
        "classes": _class_table(dataset, language),
        **({"leaks": leaks} if leaks.items else {}),
    }


def _examples(dataset: DatasetData, language: Language) -> Gallery:
    exhibits, names, text = dataset.exhibits, dataset.class_names, language.text
    shown = [
        Exhibit(pixels=exhibits["images"][index], label=name)
        for label, name in enumerate(names[:SHOWN_CLASSES])
        for index in np.flatnonzero(exhibits["labels"] == label)[:EXAMPLES_A_CLASS]
    ]
    note = text("Training images, chosen by seed, as the networks see them.")
    if len(names) > SHOWN_CLASSES:
        note += " " + text("Of the {classes} classes, the first {n}.", classes=len(names), n=SHOWN_CLASSES)
    return Gallery(
        caption=text("Examples from {dataset} with their labels", dataset=dataset.manifest["title"]),
        note=note,
        alt=text("{count} training images with their labels", count=len(shown)),
        items=tuple(shown),
        source=[dataset.record],
    )


def _split_table(dataset: DatasetData, by_split: dict[str, list[int]], language: Language) -> Table:
    """Images of each split, its share of those that are used, and how many a class has in it."""
    text, q, used = language.text, numbers_of(dataset.record), sum(map(sum, by_split.values()))
    heads = {"train": "Training", "validation": "Validation", "test": "Test"}
    return table(
        text("Images of {dataset} in each split", dataset=dataset.manifest["title"]),
        {
            "split": text("Split"), "images": text("Images"), "share": text("Share"), "mean": text("Mean a class"),
            "fewest": text("Smallest class"), "most": text("Largest class"),
        },
        [
            {
                "split": text(heads[split]), "images": q.count(sum(sizes)),
                "share": q(sum(sizes) / used, "share", n=used, how="Images over those that are used"),
                "mean": q.mean(sizes, how="Images over classes"), "fewest": q.count(min(sizes)), "most": q.count(max(sizes)),
            }
            for split, sizes in by_split.items()
        ],
        note=text("Training and test images as the authors of the data divide them.")
        if dataset.split["policy"] == "official"
        else text("Divided by this lab at random inside each class, not as the data set may be divided by its authors."),
    )  # fmt: skip


def _class_table(dataset: DatasetData, language: Language) -> Table:
    text, classes, q = language.text, dataset.classes, numbers_of(dataset.record)
    heads = {
        "name": text("Class"), "images": text("All"), "train": text("Training"), "validation": text("Validation"),
        "test": text("Test"),
    }  # fmt: skip
    ordered = sorted(classes, key=lambda entry: (-int(entry["images"]), str(entry["name"])))
    caption, whole = text("Images by class"), None
    if many := len(classes) > MANY_CLASSES:
        caption = text(
            "Images by class: the {n} largest and the {n} smallest of {classes}",
            n=EXTREMES,
            classes=q.count(len(classes)),
        )
        whole = csv_attachment(
            f"images-{dataset.name}.csv", list(heads.values()), [[entry[key] for key in heads] for entry in ordered]
        )
    shown = [*ordered[:EXTREMES], *ordered[-EXTREMES:]] if many else classes
    rows = [{"name": one["name"], **{key: q.count(one[key]) for key in heads if key != "name"}} for one in shown]
    note = text("All: every image of the data set; the splits are what this lab uses of them.")
    return table(caption, heads, rows, note=note, whole=whole)


ANSWERS = {"dataset": Answerer(answer, of_data=True)}
