"""What the scan of a data set found, in words: for Activity 10 and for the appendix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from report.activities.common import count
from report.data.records import DatasetData
from report.evidence.language import Language
from report.evidence.quantity import Quantity
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
    words = [_in_words(finding, language, dataset.record.id) for finding in dataset.findings]
    return sorted(words, key=lambda one: not one.warning)


def findings_as_texts(dataset: DatasetData, language: Language) -> list[str]:
    """Every finding in a line of its own, with its numbers and without examples."""
    return [_as_text(one, language) for one in findings_in_words(dataset, language)]


def _as_text(finding: FindingWords, language: Language) -> str:
    details = joined((joined([f"{one.what}: ", _value(one.value, language)]) for one in finding.details), "; ")
    return joined([f"{finding.what}: ", _value(finding.count, language), *([" (", details, ")"] if details else [])])


def _value(value: Quantity | str, language: Language) -> str:
    return language.quantity(value) if isinstance(value, Quantity) else value


def _in_words(finding: Mapping[str, Any], language: Language, record: str) -> FindingWords:
    return FindingWords(
        kind=str(finding["kind"]),
        what=_what(finding, language),
        count=count(finding["count"], runs=[record]),
        warning=finding["severity"] == "warning",
        details=_details(finding, language, record),
        examples=[_shortened(str(source)) for source in finding["sources"][:MOST_EXAMPLES]],
    )


def _what(finding: Mapping[str, Any], language: Language) -> str:
    kind = str(finding["kind"])
    if kind == "leak" and finding["detail"].get("excluded"):
        return language.text(LEAK_EXCLUDED)
    return language.text(FINDINGS[kind]) if kind in FINDINGS else kind


def _details(finding: Mapping[str, Any], language: Language, record: str) -> list[Detail]:
    kind, detail = str(finding["kind"]), finding["detail"]
    if kind in NAMED_COUNTS:
        return [
            Detail(_name(kind, name, language), count(n, runs=[record]))
            for name, n in list(detail.items())[:MOST_DETAILS]
        ]
    return [
        Detail(language.text(words), _shown(detail[key], record))
        for key, words in DETAILS.get(kind, {}).items()
        if key in detail
    ]


def _name(kind: str, name: str, language: Language) -> str:
    return language.text("no suffix") if (kind, name) == ("ignored", "no suffix") else name


def _shown(value: int | float | str, record: str) -> Quantity | str:
    """A count, or a size such as 84x84 with its proper sign."""
    return value.replace("x", "×") if isinstance(value, str) else count(int(value), runs=[record])


def _shortened(source: str) -> str:
    """The end of a long path, where files differ."""
    return source if len(source) <= MOST_LETTERS else "…" + source[1 - MOST_LETTERS :]
