"""The appendix: how the report can be made again, every record that it was computed from, who the data come from.

An answer that a record does not hold is "not recorded": nothing here is assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from cnnlab.networks import find_network
from cnnlab.spec import SPLITS
from cnnlab.store.record import Record
from report.activities.common import count
from report.activities.data_findings import findings_as_texts, findings_in_words
from report.data.records import DatasetData, LabData, Part
from report.data.trainings import BaselineData, FoldData, RunData, SearchData, TrainingData
from report.document.provenance import HASH_DIGITS, record_hash
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

LEFT_OUT = ("undecodable", "missing", "empty-class", "ignored", "outside-class", "unlabelled", "leak")
"""Kinds of findings that say what of a data set is not used; a leak only where the lab leaves leaks out."""

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
    """How it can be made again; runs with what they were made by, what was trained besides, the data with their credits,
    the architectures."""

    reproducibility: Entry
    runs: tuple[Entry, ...]
    besides: tuple[Entry, ...]
    data: tuple[Entry, ...]
    architectures: tuple[Entry, ...]

    def all(self) -> Iterator[tuple[str, Entry]]:
        """Every entry with the message id of the heading that it stands under, in order."""
        headings = {
            "Reproducibility": (self.reproducibility,),
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
        reproducibility=Entry((), language.text("All trainings together"), tuple(_reproducibility(lab, language))),
        runs=tuple(map(_sourced, runs.values())),
        besides=tuple(map(_sourced, _besides(parts, language))),
        data=tuple(_sourced(_dataset(item, language)) for item in data.values()),
        architectures=tuple(_architecture(record, language) for record in architectures.values()),
    )


def _reproducibility(lab: LabData, language: Language) -> Iterator[tuple[str, str]]:
    """Hardware, time, versions, code and seeds of everything trained, and what of the data was left out."""
    t, parts = language.text, list(lab.parts.values())
    trainings: list[TrainingData] = []
    for part in parts:
        trainings += [*part.runs, *part.diverged, *(fold for folds in part.folds.values() for fold in folds)]
    searches = {one.record.id: one for part in parts for one in part.searches.values()}
    manifests = [one.run.manifest for one in trainings] + [search.manifest for search in searches.values()]
    seconds = {one.run.id: float(one.run.manifest["seconds"]) for one in trainings}
    seconds |= {key: float(search.manifest["seconds"]) for key, search in searches.items()}
    time = Quantity(
        value=sum(seconds.values()), unit="seconds", n=len(seconds), runs=tuple(seconds), how="Sum over the trainings"
    )
    deterministic = {
        True: t("every operation deterministic: the same seed on the same machine gives the same weights"),
        False: t("not every operation is deterministic: a training repeated may differ in small ways"),
    }

    def each(answers: Iterable[str]) -> str:
        """Every different answer once."""
        return joined(dict.fromkeys(answer or t("not recorded") for answer in answers), "; ") or t("not recorded")

    yield t("Hardware"), each(_hardware(one.get("hardware"), language) for one in manifests)
    yield t("Wall time of all trainings"), language.quantity(time)
    yield t("Versions"), each(_versions(one.get("versions")) for one in manifests)
    yield t("Code"), each(_code(one.get("git"), language) for one in manifests)
    yield t("Precision"), each(str(one.resolved.get("precision") or "") for one in trainings)
    yield t("Determinism"), each(deterministic.get(one.resolved.get("deterministic"), "") for one in trainings)  # type: ignore[arg-type]
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


def _hash(record: Record) -> str:
    return record_hash(record)[:HASH_DIGITS]


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
    yield t("Hardware"), _hardware(manifest["hardware"], language)
    yield t("Versions"), _versions(manifest["versions"])
    yield t("Precision"), str(run.resolved["precision"])
    if code := _code(manifest.get("git"), language):
        yield t("Code"), code
    yield t("Hyper-parameters"), joined(_recipe(run.recipe, language), ", ")
    yield t("Hash of the record"), _hash(run.run)


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
        (t("Hardware"), _hardware(manifest["hardware"], language)),
        (t("Versions"), _versions(manifest["versions"])),
        *((t("Code"), text) for text in [_code(manifest.get("git"), language)] if text),
        (t("Hash of the record"), _hash(search.record)),
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
        (t("Hash of the record"), ", ".join(_hash(fold.run) for fold in folds)),
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
        (t("Hash of the record"), _hash(baseline.record)),
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
        (t("Hash of the record"), _hash(data.record)),
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
        (t("Hash of the record"), _hash(record)),
    )
    return Entry((record.id,), f"{manifest['title']}, {record.id}", facts)
