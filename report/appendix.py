"""The appendix: every record that the report was computed from, and who the data come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.registry import NETWORKS
from cnnlab.spec import SPLITS
from report.activities.findings import findings_as_texts
from report.baselines import BaselineData
from report.document import Document
from report.evidence import Quantity
from report.language import Language
from report.records import DatasetData, FoldData, Part, RunData
from report.trials import SearchData

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

PUBLISHED = ("architecture", "comparison", "conclusions")
"""Modules of sections that are computed from the records of the networks as published."""


@dataclass(frozen=True)
class Entry:
    """A record: its `ids` (each an anchor `record-<id>`), a heading, and (term, text) pairs."""

    ids: tuple[str, ...]
    title: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Appendix:
    """Runs with what they were made by, what was trained besides, the data with their credits, the architectures."""

    runs: tuple[Entry, ...]
    besides: tuple[Entry, ...]
    data: tuple[Entry, ...]
    architectures: tuple[Entry, ...]


def appendix(document: Document) -> Appendix:
    """What the appendix of this document lists, in its language."""
    language, parts = document.language, tuple(document.lab.parts.values())
    runs = {run.run.id: _run(run, language) for part in parts for run in part.runs}
    data = {part.dataset.record.id: part.dataset for part in parts}
    used = {run.architecture.id: run.architecture for part in parts for run in part.runs}
    published = document.lab.architectures.values() if _tells_of_published(document) else ()
    architectures = {arch.record.id: arch.record for arch in published} | used
    return Appendix(
        runs=tuple(runs.values()),
        besides=tuple(_besides(parts, language)),
        data=tuple(_dataset(item, language) for item in data.values()),
        architectures=tuple(_architecture(key, record.manifest, language) for key, record in architectures.items()),
    )


def _tells_of_published(document: Document) -> bool:
    """Whether a section is about the networks as published, and not only about those that were trained."""
    return any(section.module in PUBLISHED for section in document.sections)


def _run(run: RunData, language: Language) -> Entry:
    t, manifest = language.text, run.run.manifest
    facts = [
        (t("Data set"), run.dataset),
        (t("Seed"), str(run.seed)),
        (t("Training time"), language.quantity(Quantity(value=manifest["seconds"], unit="seconds"))),
        (t("Hardware"), _hardware(manifest["hardware"], language)),
        (t("Versions"), ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())),
        (t("Precision"), str(run.resolved["precision"])),
        *((t("Code"), text) for text in [_git(manifest.get("git"), language)] if text),
        (t("Hyper-parameters"), ", ".join(_recipe(run.recipe, language))),
        (t("Evaluation"), run.evaluation.id),
    ]
    return Entry((run.run.id, run.evaluation.id), f"{run.title}, {run.run.id}", tuple(facts))


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
        (t("Trials"), language.number(len(search.trials))),
        (t("Training time"), language.quantity(Quantity(value=manifest["seconds"], unit="seconds"))),
        (t("Hardware"), _hardware(manifest["hardware"], language)),
        (t("Versions"), ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())),
        *((t("Code"), text) for text in [_git(manifest.get("git"), language)] if text),
    ]
    title = t("Search for {network}, {record}", network=NETWORKS[search.network].title, record=search.record.id)
    return Entry((search.record.id,), title, tuple(facts))


def _folds(folds: Sequence[FoldData], language: Language) -> Entry:
    t, first = language.text, folds[0]
    total = sum(float(fold.run.manifest["seconds"]) for fold in folds)
    facts = (
        (t("Data set"), first.dataset),
        (t("Training time"), language.quantity(Quantity(value=total, unit="seconds"))),
        (t("Hyper-parameters"), ", ".join(_recipe(first.recipe, language))),
        (t("Runs"), ", ".join(fold.run.id for fold in folds)),
    )
    return Entry(tuple(fold.run.id for fold in folds), t("Cross-validation of {network}", network=first.title), facts)


def _baseline(dataset: DatasetData, baseline: BaselineData, language: Language) -> Entry:
    t, manifest = language.text, baseline.manifest
    facts = (
        (t("Data set"), dataset.name),
        (t("Method"), t("ridge classifier on {side}×{side} mean colours", side=int(manifest["side"]))),
        (
            t("Regularisation, chosen on validation"),
            language.quantity(Quantity(value=float(manifest["strength"]), unit="rate")),
        ),
        (t("Training time"), language.quantity(Quantity(value=manifest["seconds"], unit="seconds"))),
    )
    return Entry((baseline.record.id,), t("Baselines, {record}", record=baseline.record.id), facts)


def _hardware(hardware: dict[str, Any], language: Language) -> str:
    cores = language.plural("{n} core", "{n} cores", int(hardware["cores"]))
    memory = f"{language.number(float(hardware['memory_gib']), 1, trim=True)} GiB"
    return ", ".join(str(part) for part in (hardware["cpu"], cores, memory, hardware["accelerator"]) if part)


def _git(git: dict[str, Any] | None, language: Language) -> str:
    if not git:
        return ""
    return f"git {git['commit']}" + (f" ({language.text('with uncommitted changes')})" if git["dirty"] else "")


def _recipe(recipe: dict[str, Any], language: Language) -> Iterator[str]:
    """`key = value` as the lab file spells them, numbers in the report's language."""
    for key, value in recipe.items():
        if isinstance(value, dict):
            yield f"{key} ({', '.join(_recipe(value, language))})"
        else:
            yield f"{key} = {_value(value, language)}"


def _value(value: Any, language: Language) -> str:
    if isinstance(value, bool):
        return language.text("yes") if value else language.text("no")
    if value is None or value == []:
        return language.text("none")
    if isinstance(value, list):
        return " + ".join(map(str, value))
    if isinstance(value, int):
        return language.number(value)
    return language.quantity(Quantity(value=value, unit="rate")) if isinstance(value, float) else str(value)


def _dataset(data: DatasetData, language: Language) -> Entry:
    t, manifest = language.text, data.manifest
    stands = manifest.get("stand_in_for")
    facts = [
        (t("Credit"), str(manifest["credit"] or t("none given"))),
        *([(t("Stands in for"), str(stands))] if stands else []),
        (t("This copy"), _source(str(manifest["source"]), language)),
        (t("Images"), language.number(manifest["images"])),
        (t("Classes"), language.number(manifest["classes"])),
        (t("Division"), _division(data, language)),
        *((t("Finding"), words) for words in findings_as_texts(data, language) or [t("nothing to point out")]),
        (t("Fingerprint"), str(manifest["fingerprint"])),
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
    sizes = {split: len(data.rows[split]) for split in SPLITS}
    return t("{train} training, {validation} validation and {test} test images", **sizes) + f" ({whose})"


def _architecture(record: str, manifest: Any, language: Language) -> Entry:
    t = language.text
    facts = (
        (t("Input"), f"{manifest['image_size']} × {manifest['image_size']} px"),
        (t("Classes"), language.number(manifest["classes"])),
        (t("Parameters"), language.number(manifest["parameters"])),
        (t("Multiply-adds"), language.number(manifest["multiply_adds"])),
    )
    return Entry((record,), f"{manifest['title']}, {record}", facts)
