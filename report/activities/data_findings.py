"""What the scan of a data set found, in words: for Activity 10 and for the appendix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from report.data.records import DatasetData
from report.evidence.language import Language
from report.evidence.quantity import Quantity, numbers_of
from report.evidence.words import joined

FINDINGS = {
    "undecodable": "files that cannot be decoded, left out",
    "missing": "files that the data set's lists name and that are not there",
    "duplicate": "exact duplicates",
    "near-duplicate": "near duplicates, one photograph saved twice with small differences",
    "leak": "images of validation or test with a copy among those seen before",
    "small-class": "classes with very few images",
    "empty-class": "classes that the data set's lists name without any image, left out",
    "imbalance": "classes far larger than others",
    "resized": "images brought to the size of the networks' input",
    "grey": "grey images, repeated in the three channels",
    "rotated": "images turned upright by their own metadata",
    "transparent": "images with transparency, laid on white",
    "deep": "images of more than eight bits a channel",
    "cmyk": "images in printing colours, converted",
    "several-frames": "files with several frames, of which the first is used",
    "ignored": "files that are no images, left out",
    "outside-class": "images outside every class folder, left out",
    "unlabelled": "images without a label, left out",
    "link": "links that lead out of the data set, not followed",
    "renamed-class": "class names with unprintable characters, replaced",
    "few-shot": "classes that the data set's own files divide for few-shot learning, put together and divided again",
    "incomplete": "images of the published data set that this copy lacks",
    "selected": "images that the lab uses of those in this copy",
}
"""Message ids by the kinds that the scan reports; an unknown kind is printed as it is."""

LEAK_EXCLUDED = "images of validation or test with a copy among those seen before, left out"

_CLASSES_OF = {"train": "classes to train on", "validation": "to validate on", "test": "to test on"}
_COPIES = {"groups": "sets of equal images", "with_other_label": "with another label than the first of their set"}
DETAILS: Mapping[str, Mapping[str, str]] = {
    "duplicate": _COPIES,
    "near-duplicate": _COPIES | {"groups": "sets of like images"},
    "leak": {"exact": "exact copies", "other_label": "with another label than their copy"},
    "imbalance": {"largest_images": "images of the largest", "smallest_images": "images of the smallest"},
    "resized": {"smallest": "smallest", "largest": "largest", "enlarged": "enlarged"},
    "few-shot": _CLASSES_OF,
    "incomplete": {
        "images": "images here", "of_images": "published", "classes": "classes here", "of_classes": "classes published",
    },
    "selected": {"of_images": "images in this copy", "classes": "classes used", "of_classes": "classes in this copy"},
}  # fmt: skip
"""Message ids by kind and by the keys of its detail, in the order in which they are printed."""

NAMED_COUNTS = frozenset({"small-class", "ignored"})
"""Kinds whose detail counts by a name from the data: of a class, of a file's ending."""

MOST_DETAILS, MOST_EXAMPLES, MOST_LETTERS = 3, 2, 60


@dataclass(frozen=True)
class Detail:
    """A number, or a size, that says more of a finding."""

    what: str
    value: Quantity | str


@dataclass(frozen=True)
class FindingWords:
    """A finding in the report's language.

    Attributes:
        kind: as the scan calls it.
        what, count: "exact duplicates", how many.
        warning: whether it may change conclusions.
        details, examples: numbers and some of the files concerned, either may be empty.
    """

    kind: str
    what: str
    count: Quantity
    warning: bool
    details: list[Detail]
    examples: list[str]


def findings_in_words(dataset: DatasetData, language: Language) -> list[FindingWords]:
    """Every finding of a data set, those that may change conclusions first."""
    text, q, found = language.text, numbers_of(dataset.record), []
    for finding in dataset.findings:
        kind, detail = str(finding["kind"]), finding["detail"]
        what = LEAK_EXCLUDED if kind == "leak" and detail.get("excluded") else FINDINGS.get(kind, kind)
        if kind in NAMED_COUNTS:
            named = list(detail.items())[:MOST_DETAILS]
            details = [
                Detail(text(name) if (kind, name) == ("ignored", "no suffix") else name, q.count(n))
                for name, n in named
            ]
        else:
            details = [
                Detail(text(words), value.replace("x", "×") if isinstance(value, str) else q.count(value))
                for key, words in DETAILS.get(kind, {}).items()
                for value in ([detail[key]] if key in detail else [])
            ]
        # the end of a long path, where files differ
        sources = [str(source) for source in finding["sources"][:MOST_EXAMPLES]]
        examples = [one if len(one) <= MOST_LETTERS else "…" + one[1 - MOST_LETTERS :] for one in sources]
        severe = finding["severity"] == "warning"
        found.append(FindingWords(kind, text(what), q.count(finding["count"]), severe, details, examples))
    return sorted(found, key=lambda one: not one.warning)


def findings_as_texts(dataset: DatasetData, language: Language) -> list[str]:
    """Every finding in a line of its own, with its numbers and without examples."""
    lines: list[str] = []
    for one in findings_in_words(dataset, language):
        pairs = [joined([f"{detail.what}: ", language.words(detail.value)]) for detail in one.details]
        details = [" (", joined(pairs, "; "), ")"] if pairs else []
        lines.append(joined([f"{one.what}: ", language.quantity(one.count), *details]))
    return lines
