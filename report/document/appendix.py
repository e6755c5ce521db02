"""The appendix: how the report can be made again, every record that it was computed from, who the data come from.

The checklist's answers are `report.document.reproducibility`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from cnnlab.networks import find_network
from cnnlab.spec import SPLITS
from cnnlab.store.record import Record
from report.activities.common import count
from report.activities.data_findings import findings_as_texts
from report.data.records import DatasetData, LabData, Part
from report.data.trainings import BaselineData, FoldData, RunData, SearchData, TrainingData
from report.document.provenance import HASH_DIGITS, record_hash
from report.document.reproducibility import checklist, git_words, hardware_words, versions_words
from report.evidence.language import Language
from report.evidence.quantity import Quantity
from report.evidence.words import joined, sourced

SOURCES = {
    "folder ": "folder {name}",
    "the Python package ": "the Python package {name}",
    "Debian's package ": "Debian's package {name}",
    "downloaded from ": "downloaded from {name}",
    "the data folder": "the data folder",
    "files given by the lab": "files given by the lab",
    "cache pickles": "cache pickles",
    "parquet files": "parquet files",
    "CSV lists with a folder of images": "CSV lists with a folder of images",
    "one folder per class": "one folder per class",
}
"""Message ids by what a record's `source` begins with."""

CHECKLIST = "pineau2021"
"""The reference that the checklist follows."""

CHECKLIST_WORDS = (
    "The checklist follows that of the machine learning reproducibility programme; the program answers it from the "
    "records, and says so where they do not hold the answer."
)
"""Message id of what stands above it, before the reference."""
PUBLISHED = ("architecture", "comparison", "conclusions")
"""Modules of sections that are computed from the records of the networks as published."""


@dataclass(frozen=True)
class Entry:
    """A record: its `ids` (each an anchor `record-<id>`), a heading, and (term, text) pairs."""

    ids: tuple[str, ...]
    title: str
    facts: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        """What its numbers are named by in `report.json`."""
        return self.ids[0] if self.ids else self.title


@dataclass(frozen=True)
class Appendix:
    """The checklist of reproducibility; runs with what they were made by, what was trained besides, the data with their
    credits, the architectures."""

    checklist: tuple[Entry, ...]
    runs: tuple[Entry, ...]
    besides: tuple[Entry, ...]
    data: tuple[Entry, ...]
    architectures: tuple[Entry, ...]

    def all(self) -> Iterator[tuple[str, Entry]]:
        """Every entry with the message id of the heading that it stands under, in order."""
        headings = {
            "Reproducibility checklist": self.checklist,
            "Runs": self.runs,
            "Searches, folds and baselines": self.besides,
            "Data sets and credits": self.data,
            "Architectures": self.architectures,
        }
        yield from ((heading, entry) for heading, entries in headings.items() for entry in entries)

    def groups(self) -> list[tuple[str, list[Entry]]]:
        """The entries by the message id of their heading; headings without entries are left out."""
        return [
            (heading, [entry for _, entry in entries])
            for heading, entries in groupby(self.all(), key=lambda pair: pair[0])
        ]


def appendix(lab: LabData, language: Language, *, published: bool = True) -> Appendix:
    """What the appendix of a report on this lab lists.

    Args:
        published: whether the report is about the networks as published too, and not only about those that were trained.
    """
    parts = tuple(lab.parts.values())
    runs = {run.run.id: _run(run, language) for part in parts for run in part.runs}
    runs |= {one.run.id: _diverged(one, language) for part in parts for one in part.diverged}
    data = {part.dataset.record.id: part.dataset for part in parts}
    used = {run.architecture.id: run.architecture for part in parts for run in part.runs}
    architectures = {arch.record.id: arch.record for arch in lab.architectures.values() if published} | used
    return Appendix(
        checklist=tuple(Entry((), title, tuple(facts)) for title, facts in checklist(lab, language)),
        runs=tuple(map(_sourced, runs.values())),
        besides=tuple(map(_sourced, _besides(parts, language))),
        data=tuple(_sourced(_dataset(item, language)) for item in data.values()),
        architectures=tuple(_architecture(record, language) for record in architectures.values()),
    )


def _sourced(entry: Entry) -> Entry:
    """The entry, its numbers coming from its own record."""
    return replace(entry, facts=tuple((term, sourced(text, entry.ids[:1])) for term, text in entry.facts))


def _run(run: RunData, language: Language) -> Entry:
    facts = [*_training(run, language), (language.text("Evaluation"), run.evaluation.id)]
    return Entry((run.run.id, run.evaluation.id), f"{run.title}, {run.run.id}", tuple(facts))


def _diverged(run: TrainingData, language: Language) -> Entry:
    t, because = language.text, str(run.resolved.get("diverged_because") or "")
    facts = [*_training(run, language), (t("Ended"), ": ".join(filter(None, (t("diverged"), because))))]
    return Entry((run.run.id,), f"{run.title}, {run.run.id}", tuple(facts))


def _training(run: TrainingData, language: Language) -> Iterator[tuple[str, str]]:
    t, manifest = language.text, run.run.manifest
    yield t("Data set"), run.dataset
    yield t("Seed"), str(run.seed)
    yield t("Training time"), _seconds(manifest["seconds"], run.run.id, language)
    yield t("Hardware"), hardware_words(manifest["hardware"], language)
    yield t("Versions"), versions_words(manifest["versions"])
    yield t("Precision"), str(run.resolved["precision"])
    if code := git_words(manifest.get("git"), language):
        yield t("Code"), code
    yield t("Hyper-parameters"), joined(_recipe(run.recipe, language), ", ")
    yield t("Hash of the record"), record_hash(run.run)[:HASH_DIGITS]


def _seconds(seconds: float, record: str, language: Language) -> str:
    return language.quantity(Quantity(value=seconds, unit="seconds", runs=(record,), how="Wall time"))


def _besides(parts: Iterable[Part], language: Language) -> Iterator[Entry]:
    """Searches, folds and baselines, each once."""
    searches = {search.record.id: search for part in parts for search in part.searches.values()}
    yield from (_search(search, language) for search in searches.values())
    folds = {several[0].run.id: several for part in parts for several in part.folds.values() if several}
    yield from (_folds(several, language) for several in folds.values())
    baselines = {part.baseline.record.id: part for part in parts if part.baseline}
    yield from (_baseline(part.dataset, part.baseline, language) for part in baselines.values() if part.baseline)


def _search(search: SearchData, language: Language) -> Entry:
    t, manifest = language.text, search.manifest
    facts = [
        (t("Data set"), str(manifest["dataset"])),
        (t("Trials"), language.quantity(count(len(search.trials), runs=[search.record.id]))),
        (t("Training time"), _seconds(manifest["seconds"], search.record.id, language)),
        (t("Hardware"), hardware_words(manifest["hardware"], language)),
        (t("Versions"), versions_words(manifest["versions"])),
        *((t("Code"), text) for text in [git_words(manifest.get("git"), language)] if text),
        (t("Hash of the record"), record_hash(search.record)[:HASH_DIGITS]),
    ]
    title = t("Search for {network}, {record}", network=find_network(search.network).TITLE, record=search.record.id)
    return Entry((search.record.id,), title, tuple(facts))


def _folds(folds: Sequence[FoldData], language: Language) -> Entry:
    t, first = language.text, folds[0]
    total = sum(float(fold.run.manifest["seconds"]) for fold in folds)
    ids = tuple(fold.run.id for fold in folds)
    time = Quantity(value=total, unit="seconds", n=len(folds), runs=ids, how="Sum over the trainings")
    facts = (
        (t("Data set"), first.dataset),
        (t("Training time"), language.quantity(time)),
        (t("Hyper-parameters"), joined(_recipe(first.recipe, language), ", ")),
        (t("Runs"), ", ".join(ids)),
        (t("Hash of the record"), ", ".join(record_hash(fold.run)[:HASH_DIGITS] for fold in folds)),
    )
    return Entry(ids, t("Cross-validation of {network}", network=first.title), facts)


def _baseline(dataset: DatasetData, baseline: BaselineData, language: Language) -> Entry:
    t, manifest = language.text, baseline.manifest
    facts = (
        (t("Data set"), dataset.name),
        (t("Method"), t("ridge classifier on {side}×{side} mean colours", side=int(manifest["side"]))),
        (
            t("Regularisation, chosen on validation"),
            language.quantity(Quantity(value=float(manifest["strength"]), unit="rate", runs=(baseline.record.id,))),
        ),
        (t("Training time"), _seconds(manifest["seconds"], baseline.record.id, language)),
        (t("Hash of the record"), record_hash(baseline.record)[:HASH_DIGITS]),
    )
    return Entry((baseline.record.id,), t("Baselines, {record}", record=baseline.record.id), facts)


def _recipe(recipe: dict[str, Any], language: Language) -> Iterator[str]:
    """`key = value` as the lab file spells them, numbers in the report's language."""
    for key, value in recipe.items():
        if isinstance(value, dict):
            yield joined([f"{key} (", joined(_recipe(value, language), ", "), ")"])
        else:
            yield joined([f"{key} = ", _value(value, language)])


def _value(value: Any, language: Language) -> str:
    if isinstance(value, bool):
        return language.text("yes") if value else language.text("no")
    if value is None or value == []:
        return language.text("none")
    if isinstance(value, list):
        return " + ".join(map(str, value))
    if isinstance(value, int):
        return language.quantity(count(value))
    return language.quantity(Quantity(value=value, unit="rate")) if isinstance(value, float) else str(value)


def _dataset(data: DatasetData, language: Language) -> Entry:
    t, manifest = language.text, data.manifest
    stands = manifest.get("stand_in_for")
    facts = [
        (t("Credit"), str(manifest["credit"] or t("none given"))),
        *([(t("Stands in for"), str(stands))] if stands else []),
        (t("This copy"), _source(str(manifest["source"]), language)),
        (t("Images"), language.quantity(count(manifest["images"], runs=[data.record.id]))),
        (t("Classes"), language.quantity(count(manifest["classes"], runs=[data.record.id]))),
        (t("Division"), _division(data, language)),
        *((t("Finding"), words) for words in findings_as_texts(data, language) or [t("nothing to point out")]),
        (t("Fingerprint"), str(manifest["fingerprint"])),
        (t("Hash of the record"), record_hash(data.record)[:HASH_DIGITS]),
    ]
    return Entry((data.record.id,), str(manifest["title"]), tuple(facts))


def _source(source: str, language: Language) -> str:
    """Where a copy was found, in the report's language where it is a place that every reader knows."""
    for prefix, words in SOURCES.items():
        if source.startswith(prefix):
            return language.text(words, name=source.removeprefix(prefix))
    return source


def _division(data: DatasetData, language: Language) -> str:
    """Sizes of the splits, whose division it is, and its seed."""
    t, seed = language.text, str(data.split["seed"])
    whose = (
        t("as the authors of the data divide it; seed {seed} where validation is drawn from training images", seed=seed)
        if data.split["policy"] == "official"
        else t("by this lab, at random inside each class, seed {seed}", seed=seed)
    )
    sizes = {split: count(len(data.rows[split]), runs=[data.record.id]) for split in SPLITS}
    return t("{train} training, {validation} validation and {test} test images", **sizes) + f" ({whose})"


def _architecture(record: Record, language: Language) -> Entry:
    t, manifest = language.text, record.manifest

    def counted(key: str) -> str:
        return language.quantity(count(manifest[key], runs=[record.id]))

    facts = (
        (t("Input"), t("{side} × {side} px", side=count(manifest["image_size"], runs=[record.id]))),
        (t("Classes"), counted("classes")),
        (t("Parameters"), counted("parameters")),
        (t("Multiply-adds"), counted("multiply_adds")),
        (t("Hash of the record"), record_hash(record)[:HASH_DIGITS]),
    )
    return Entry((record.id,), f"{manifest['title']}, {record.id}", facts)
