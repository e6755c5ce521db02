"""The appendix: how the report can be made again, every record that it was computed from, who the data come from.

An answer that a record does not hold is "not recorded": nothing here is assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.networks import find_network
from cnnlab.spec import SPLITS
from cnnlab.store.record import Record
from report.activities.common import count
from report.activities.data_findings import findings_as_texts, findings_in_words
from report.data.records import DatasetData, LabData, Part
from report.data.trainings import TrainingData
from report.document.provenance import HASH_DIGITS, sha256_of
from report.evidence.language import Language
from report.evidence.quantity import Quantity, numbers_of
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

LEFT_OUT = ("undecodable", "missing", "empty-class", "ignored", "outside-class", "unlabelled", "leak")
"""Kinds of findings that say what of a data set is not used; a leak only where the lab leaves leaks out."""

PUBLISHED = ("architecture", "comparison", "conclusions")
"""Modules of sections that are computed from the records of the networks as published."""

Facts = Iterable[tuple[str, str]]


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
    """How it can be made again; runs with what they were made by, what was trained besides, the data with their credits,
    the architectures."""

    reproducibility: Entry
    runs: tuple[Entry, ...]
    besides: tuple[Entry, ...]
    data: tuple[Entry, ...]
    architectures: tuple[Entry, ...]

    def groups(self) -> list[tuple[str, tuple[Entry, ...]]]:
        """The entries by the message id of their heading, in order; headings without entries are left out."""
        headings = {
            "Reproducibility": (self.reproducibility,),
            "Runs": self.runs,
            "Searches, folds and baselines": self.besides,
            "Data sets and credits": self.data,
            "Architectures": self.architectures,
        }
        return [group for group in headings.items() if group[1]]


def appendix(lab: LabData, language: Language, *, published: bool = True) -> Appendix:
    """What the appendix of a report on this lab lists.

    Args:
        published: whether the report is about the networks as published too, and not only about those that were trained.
    """
    parts, t = tuple(lab.parts.values()), language.text
    runs = {}
    for part in parts:
        for run in part.runs:
            facts = [*_training(run, language), (t("Evaluation"), run.evaluation.id)]
            runs[run.run.id] = _entry(f"{run.title}, {run.run.id}", facts, run.run.id, run.evaluation.id)
        for one in part.diverged:
            facts = [*_training(one, language), (t("Ended"), ": ".join(filter(None, (t("diverged"), one.reason))))]
            runs[one.run.id] = _entry(f"{one.title}, {one.run.id}", facts, one.run.id)
    data = {part.dataset.record.id: part.dataset for part in parts}
    used = {run.architecture.id: run.architecture for part in parts for run in part.runs}
    architectures = {arch.record.id: arch.record for arch in lab.architectures.values() if published} | used
    return Appendix(
        reproducibility=_entry(t("All trainings together"), _reproducibility(lab, language)),
        runs=tuple(runs.values()),
        besides=tuple(_besides(parts, language)),
        data=tuple(_dataset(one, language) for one in data.values()),
        architectures=tuple(_architecture(record, language) for record in architectures.values()),
    )


def _entry(title: str, facts: Facts, *ids: str) -> Entry:
    """The facts that there are, their numbers coming from the first of the records."""
    return Entry(ids, title, tuple((term, sourced(text, ids[:1])) for term, text in facts if text))


def _reproducibility(lab: LabData, language: Language) -> Iterator[tuple[str, str]]:
    """Hardware, time, versions, code and seeds of everything trained, and what of the data was left out."""
    t, parts = language.text, list(lab.parts.values())
    trainings: list[TrainingData] = []
    for part in parts:
        trainings += [*part.runs, *part.diverged, *(fold for folds in part.folds.values() for fold in folds)]
    searches = {one.record.id: one.record for part in parts for one in part.searches.values()}
    records = [*(one.run for one in trainings), *searches.values()]
    seconds, several = {one.id: float(one.manifest["seconds"]) for one in records}, "Sum over the trainings"
    deterministic: dict[Any, str] = {
        True: t("every operation deterministic: the same seed on the same machine gives the same weights"),
        False: t("not every operation is deterministic: a training repeated may differ in small ways"),
    }

    def each(answers: Iterable[str]) -> str:
        """Every different answer once."""
        return joined(dict.fromkeys(answer or t("not recorded") for answer in answers), "; ") or t("not recorded")

    yield t("Hardware"), each(_hardware(one.manifest.get("hardware"), language) for one in records)
    yield t("Wall time of all trainings"), _seconds(sum(seconds.values()), list(seconds), language, how=several)
    yield t("Versions"), each(_versions(one.manifest.get("versions")) for one in records)
    yield t("Code"), each(_code(one.manifest.get("git"), language) for one in records)
    yield t("Precision"), each(str(one.resolved.get("precision") or "") for one in trainings)
    yield t("Determinism"), each(deterministic.get(one.resolved.get("deterministic"), "") for one in trainings)
    seeds = sorted({run.seed for part in parts for run in part.runs})
    yield t("Seeds"), ", ".join(map(str, seeds)) or t("none")
    uses, left = [], []
    for part in {part.dataset.record.id: part for part in parts}.values():
        record, title = part.dataset.record.id, f"{part.dataset.manifest['title']}: "
        looks = None if part.test_uses is None else language.quantity(count(part.test_uses, runs=[record]))
        uses.append(joined([title, looks or t("not recorded")]))
        left.append(joined([title, _left_out(part.dataset, language)]))
    yield t("Evaluations that have looked at the test images"), joined(uses, "; ")
    yield t("Data that were left out"), joined(left, "; ")


def _left_out(data: DatasetData, language: Language) -> str:
    kinds = [kind for kind in LEFT_OUT if kind != "leak" or data.split["leaks"] == "exclude"]
    found = [one for one in findings_in_words(data, language) if one.kind in kinds]
    texts = [joined([f"{one.what}: ", language.quantity(one.count)]) for one in found]
    used, total = sum(rows.size for split, rows in data.rows.items() if split != "labels"), int(data.manifest["images"])
    if used < total:
        rest = count(total - used, runs=[data.record.id], how="Images of the data set that are in no split")
        texts.append(joined([f"{language.text('images that are in no split')}: ", language.quantity(rest)]))
    return joined(texts, "; ") or language.text("nothing")


def _hardware(hardware: Mapping[str, Any] | None, language: Language) -> str:
    """Processor, cores, memory and accelerator of a manifest; empty where it has none."""
    if not hardware:
        return ""
    cores = language.plural("{n} core", "{n} cores", int(hardware["cores"]))
    size = float(hardware["memory_gib"])
    memory = Quantity(value=size, unit="number", digits=0 if size.is_integer() else 1)
    words = (hardware["cpu"], cores, language.text("{memory} GiB", memory=memory), hardware["accelerator"])
    return joined((word for word in words if word), ", ")


def _versions(versions: Mapping[str, str] | None) -> str:
    return ", ".join(f"{name} {version}" for name, version in (versions or {}).items())


def _code(git: Mapping[str, Any] | None, language: Language) -> str:
    """The revision of the code, and whether it had been changed; empty where the manifest has none."""
    if not git:
        return ""
    return f"git {git['commit']}" + (f" ({language.text('with uncommitted changes')})" if git["dirty"] else "")


def _hash(*records: Record) -> str:
    return ", ".join(sha256_of(record.manifest)[:HASH_DIGITS] for record in records)


def _seconds(seconds: float, ids: Sequence[str], language: Language, *, how: str = "Wall time") -> str:
    n = None if how == "Wall time" else len(ids)
    return language.quantity(numbers_of(*ids)(seconds, "seconds", n=n, how=how))


def _made_by(record: Record, language: Language) -> Iterator[tuple[str, str]]:
    """How long what made the record took, and on what."""
    t, manifest = language.text, record.manifest
    yield t("Training time"), _seconds(manifest["seconds"], [record.id], language)
    yield t("Hardware"), _hardware(manifest["hardware"], language)
    yield t("Versions"), _versions(manifest["versions"])
    if precision := manifest.get("resolved", {}).get("precision"):
        yield t("Precision"), str(precision)
    yield t("Code"), _code(manifest.get("git"), language)


def _training(run: TrainingData, language: Language) -> Iterator[tuple[str, str]]:
    t = language.text
    yield t("Data set"), run.dataset
    yield t("Seed"), str(run.seed)
    yield from _made_by(run.run, language)
    yield t("Hyper-parameters"), joined(_recipe(run.recipe, language), ", ")
    yield t("Hash of the record"), _hash(run.run)


def _besides(parts: Iterable[Part], language: Language) -> Iterator[Entry]:
    """Searches, folds and baselines, each once."""
    t = language.text
    searches = {search.record.id: search for part in parts for search in part.searches.values()}
    folds = {several[0].run.id: several for part in parts for several in part.folds.values() if several}
    baselines = {part.baseline.record.id: (part.dataset, part.baseline) for part in parts if part.baseline}
    for record, search in searches.items():
        facts = [
            (t("Data set"), str(search.manifest["dataset"])),
            (t("Trials"), language.quantity(count(len(search.trials)))),
            *_made_by(search.record, language),
            (t("Hash of the record"), _hash(search.record)),
        ]
        title = t("Search for {network}, {record}", network=find_network(search.network).TITLE, record=record)
        yield _entry(title, facts, record)
    for several in folds.values():
        ids, recipe = [fold.run.id for fold in several], several[0].recipe
        total = sum(float(fold.run.manifest["seconds"]) for fold in several)
        facts = [
            (t("Data set"), several[0].dataset),
            (t("Training time"), _seconds(total, ids, language, how="Sum over the trainings")),
            (t("Hyper-parameters"), joined(_recipe(recipe, language), ", ")),
            (t("Runs"), ", ".join(ids)),
            (t("Hash of the record"), _hash(*(fold.run for fold in several))),
        ]
        yield _entry(t("Cross-validation of {network}", network=several[0].title), facts, *ids)
    for record, (dataset, baseline) in baselines.items():
        manifest = baseline.manifest
        strength = Quantity(value=float(manifest["strength"]), unit="rate")
        facts = [
            (t("Data set"), dataset.name),
            (t("Method"), t("ridge classifier on {side}×{side} mean colours", side=int(manifest["side"]))),
            (t("Regularisation, chosen on validation"), language.quantity(strength)),
            (t("Training time"), _seconds(manifest["seconds"], [record], language)),
            (t("Hash of the record"), _hash(baseline.record)),
        ]
        yield _entry(t("Baselines, {record}", record=record), facts, record)


def _recipe(recipe: dict[str, Any], language: Language) -> Iterator[str]:
    """`key = value` as the lab file spells them, numbers in the report's language."""
    for key, value in recipe.items():
        match value:
            case dict():
                yield joined([f"{key} (", joined(_recipe(value, language), ", "), ")"])
                continue
            case bool():
                words = language.text("yes") if value else language.text("no")
            case None | []:
                words = language.text("none")
            case list():
                words = " + ".join(map(str, value))
            case int() | float():
                words = language.quantity(Quantity(value=value, unit="count" if isinstance(value, int) else "rate"))
            case _:
                words = str(value)
        yield joined([f"{key} = ", words])


def _dataset(data: DatasetData, language: Language) -> Entry:
    t, manifest = language.text, data.manifest
    source, seed = str(manifest["source"]), str(data.split["seed"])
    place = next(((begun, words) for begun, words in SOURCES.items() if source.startswith(begun)), None)
    whose = (
        t("as the authors of the data divide it; seed {seed} where validation is drawn from training images", seed=seed)
        if data.split["policy"] == "official"
        else t("by this lab, at random inside each class, seed {seed}", seed=seed)
    )
    sizes = {split: count(len(data.rows[split])) for split in SPLITS}
    facts = [
        (t("Credit"), str(manifest["credit"] or t("none given"))),
        (t("Stands in for"), str(manifest.get("stand_in_for") or "")),
        (t("This copy"), t(place[1], name=source.removeprefix(place[0])) if place else source),
        (t("Images"), language.quantity(count(manifest["images"]))),
        (t("Classes"), language.quantity(count(manifest["classes"]))),
        (t("Division"), t("{train} training, {validation} validation and {test} test images", **sizes) + f" ({whose})"),
        *((t("Finding"), words) for words in findings_as_texts(data, language) or [t("nothing to point out")]),
        (t("Fingerprint"), str(manifest["fingerprint"])),
        (t("Hash of the record"), _hash(data.record)),
    ]
    return _entry(str(manifest["title"]), facts, data.record.id)


def _architecture(record: Record, language: Language) -> Entry:
    t, manifest = language.text, record.manifest
    counted = {"Classes": "classes", "Parameters": "parameters", "Multiply-adds": "multiply_adds"}
    facts = [
        (t("Input"), t("{side} × {side} px", side=count(manifest["image_size"]))),
        *((t(term), language.quantity(count(manifest[key]))) for term, key in counted.items()),
        (t("Hash of the record"), _hash(record)),
    ]
    return _entry(f"{manifest['title']}, {record.id}", facts, record.id)
