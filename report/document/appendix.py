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
from report.activities.data_findings import findings_as_texts, findings_in_words
from report.data.records import DatasetData, LabData, Part
from report.data.trainings import RunData, TrainingData
from report.document.provenance import HASH_DIGITS, sha256_of
from report.evidence.language import Language
from report.evidence.quantity import Quantity, numbers_of
from report.evidence.words import joined, sourced

SOURCES = (
    "folder {name}", "the Python package {name}", "Debian's package {name}", "downloaded from {name}", "the data folder",
    "files given by the lab", "cache pickles", "parquet files", "CSV lists with a folder of images", "one folder per class",
)  # fmt: skip
"""Message ids of where a copy of the data comes from; a record's `source` begins with one of them."""

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


Appendix = Mapping[str, Sequence[Entry]]
"""Entries by the message id of their heading, in order; no heading is without entries."""


def appendix(lab: LabData, language: Language, *, published: bool = True) -> Appendix:
    """What the appendix of a report on this lab lists.

    Args:
        published: whether the report is about the networks as published too, and not only about those that were trained.
    """
    parts, t = lab.parts.values(), language.text
    runs, architectures = {}, {one.record.id: one.record for one in lab.architectures.values() if published}
    for part in parts:
        for one in (*part.runs, *part.diverged):
            ids = [one.run.id]
            facts = [
                (t("Data set"), one.dataset),
                (t("Seed"), str(one.seed)),
                *_made_by(one.run, language).items(),
                (t("Hyper-parameters"), joined(_recipe(one.recipe, language), ", ")),
                (t("Hash of the record"), _hash(one.run)),
            ]
            if isinstance(one, RunData):
                ids.append(one.evaluation.id)
                facts.append((t("Evaluation"), one.evaluation.id))
                architectures[one.architecture.id] = one.architecture
            else:
                facts.append((t("Ended"), ": ".join(filter(None, (t("diverged"), one.reason)))))
            runs[one.run.id] = _entry(f"{one.title}, {one.run.id}", facts, *ids)
    data = {part.dataset.record.id: part.dataset for part in parts}
    groups = {
        "Reproducibility": [_entry(t("All trainings together"), _reproducibility(lab, language))],
        "Runs": list(runs.values()),
        "Searches, folds and baselines": _besides(parts, language),
        "Data sets and credits": [_dataset(one, language) for one in data.values()],
        "Architectures": [_architecture(one, language) for one in architectures.values()],
    }
    return {heading: entries for heading, entries in groups.items() if entries}


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
    records = {one.id: one for one in (*(one.run for one in trainings), *searches.values())}
    made = [_made_by(one, language) for one in records.values()]
    deterministic: dict[Any, str] = {
        True: t("every operation deterministic: the same seed on the same machine gives the same weights"),
        False: t("not every operation is deterministic: a training repeated may differ in small ways"),
    }

    def each(answers: Iterable[str]) -> str:
        """Every different answer once."""
        return joined(dict.fromkeys(answer or t("not recorded") for answer in answers), "; ") or t("not recorded")

    yield t("Hardware"), each(one[t("Hardware")] for one in made)
    total = sum(float(one.manifest["seconds"]) for one in records.values())
    yield t("Wall time of all trainings"), _seconds(total, list(records), language, how="Sum over the trainings")
    yield t("Versions"), each(one[t("Versions")] for one in made)
    yield t("Code"), each(one[t("Code")] for one in made)
    yield t("Precision"), each(str(one.resolved.get("precision") or "") for one in trainings)
    yield t("Determinism"), each(deterministic.get(one.resolved.get("deterministic"), "") for one in trainings)
    seeds = sorted({run.seed for part in parts for run in part.runs})
    yield t("Seeds"), ", ".join(map(str, seeds)) or t("none")
    uses, left = [], []
    for part in {part.dataset.record.id: part for part in parts}.values():
        q, title = numbers_of(part.dataset.record), f"{part.dataset.manifest['title']}: "
        looks = t("not recorded") if part.test_uses is None else language.quantity(q.count(part.test_uses))
        uses.append(joined([title, looks]))
        left.append(joined([title, _left_out(part.dataset, language)]))
    yield t("Evaluations that have looked at the test images"), joined(uses, "; ")
    yield t("Data that were left out"), joined(left, "; ")


def _left_out(data: DatasetData, language: Language) -> str:
    kinds = [kind for kind in LEFT_OUT if kind != "leak" or data.split["leaks"] == "exclude"]
    found = [(one.what, one.count) for one in findings_in_words(data, language) if one.kind in kinds]
    used, total = sum(rows.size for split, rows in data.rows.items() if split != "labels"), int(data.manifest["images"])
    if used < total:
        rest = numbers_of(data.record).count(total - used, how="Images of the data set that are in no split")
        found.append((language.text("images that are in no split"), rest))
    texts = [joined([f"{what}: ", language.quantity(number)]) for what, number in found]
    return joined(texts, "; ") or language.text("nothing")


def _made_by(record: Record, language: Language) -> dict[str, str]:
    """How long what made the record took, and on what; empty where its manifest does not say."""
    t, manifest = language.text, record.manifest
    hardware, git, machine = manifest.get("hardware"), manifest.get("git"), ""
    if hardware:
        size = float(hardware["memory_gib"])
        memory = Quantity(value=size, unit="number", digits=0 if size.is_integer() else 1)
        cores = language.plural("{n} core", "{n} cores", int(hardware["cores"]))
        words = (hardware["cpu"], cores, t("{memory} GiB", memory=memory), hardware["accelerator"])
        machine = joined((word for word in words if word), ", ")
    changed = f" ({t('with uncommitted changes')})" if git and git["dirty"] else ""
    return {
        t("Training time"): _seconds(manifest["seconds"], [record.id], language),
        t("Hardware"): machine,
        t("Versions"): ", ".join(f"{name} {version}" for name, version in (manifest.get("versions") or {}).items()),
        t("Precision"): str(manifest.get("resolved", {}).get("precision") or ""),
        t("Code"): f"git {git['commit']}{changed}" if git else "",
    }


def _seconds(seconds: float, ids: Sequence[str], language: Language, *, how: str = "Wall time") -> str:
    n = None if how == "Wall time" else len(ids)
    return language.quantity(numbers_of(*ids)(float(seconds), "seconds", n=n, how=how))


def _hash(*records: Record) -> str:
    return ", ".join(sha256_of(record.manifest)[:HASH_DIGITS] for record in records)


def _besides(parts: Iterable[Part], language: Language) -> list[Entry]:
    """Searches, then folds, then baselines, each once."""
    t, searches, folded, baselines = language.text, dict[str, Entry](), dict[str, Entry](), dict[str, Entry]()
    for part in parts:
        for search in part.searches.values():
            record = search.record.id
            facts = [
                (t("Data set"), str(search.manifest["dataset"])),
                (t("Trials"), language.quantity(numbers_of().count(len(search.trials)))),
                *_made_by(search.record, language).items(),
                (t("Hash of the record"), _hash(search.record)),
            ]
            title = t("Search for {network}, {record}", network=find_network(search.network).TITLE, record=record)
            searches[record] = _entry(title, facts, record)
        for folds in filter(None, part.folds.values()):
            ids = [fold.run.id for fold in folds]
            total = sum(float(fold.run.manifest["seconds"]) for fold in folds)
            facts = [
                (t("Data set"), folds[0].dataset),
                (t("Training time"), _seconds(total, ids, language, how="Sum over the trainings")),
                (t("Hyper-parameters"), joined(_recipe(folds[0].recipe, language), ", ")),
                (t("Runs"), ", ".join(ids)),
                (t("Hash of the record"), _hash(*(fold.run for fold in folds))),
            ]
            folded[ids[0]] = _entry(t("Cross-validation of {network}", network=folds[0].title), facts, *ids)
        if part.baseline:
            manifest, record = part.baseline.manifest, part.baseline.record.id
            strength = Quantity(value=float(manifest["strength"]), unit="rate")
            facts = [
                (t("Data set"), part.dataset.name),
                (t("Method"), t("ridge classifier on {side}×{side} mean colours", side=int(manifest["side"]))),
                (t("Regularisation, chosen on validation"), language.quantity(strength)),
                (t("Training time"), _seconds(manifest["seconds"], [record], language)),
                (t("Hash of the record"), _hash(part.baseline.record)),
            ]
            baselines[record] = _entry(t("Baselines, {record}", record=record), facts, record)
    return [*searches.values(), *folded.values(), *baselines.values()]


def _recipe(recipe: Mapping[str, Any], language: Language) -> Iterator[str]:
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
    t, manifest, q = language.text, data.manifest, numbers_of()
    source, seed = str(manifest["source"]), str(data.split["seed"])
    for words in SOURCES:
        if source.startswith(begun := words.removesuffix("{name}")):
            source = t(words, name=source.removeprefix(begun))
            break
    whose = (
        t("as the authors of the data divide it; seed {seed} where validation is drawn from training images", seed=seed)
        if data.split["policy"] == "official"
        else t("by this lab, at random inside each class, seed {seed}", seed=seed)
    )
    sizes = {split: q.count(len(data.rows[split])) for split in SPLITS}
    facts = [
        (t("Credit"), str(manifest["credit"] or t("none given"))),
        (t("Stands in for"), str(manifest.get("stand_in_for") or "")),
        (t("This copy"), source),
        (t("Images"), language.quantity(q.count(manifest["images"]))),
        (t("Classes"), language.quantity(q.count(manifest["classes"]))),
        (t("Division"), t("{train} training, {validation} validation and {test} test images", **sizes) + f" ({whose})"),
        *((t("Finding"), words) for words in findings_as_texts(data, language) or [t("nothing to point out")]),
        (t("Fingerprint"), str(manifest["fingerprint"])),
        (t("Hash of the record"), _hash(data.record)),
    ]
    return _entry(str(manifest["title"]), facts, data.record.id)


def _architecture(record: Record, language: Language) -> Entry:
    t, manifest, q = language.text, record.manifest, numbers_of()
    counted = {"Classes": "classes", "Parameters": "parameters", "Multiply-adds": "multiply_adds"}
    facts = [
        (t("Input"), t("{side} × {side} px", side=q.count(manifest["image_size"]))),
        *((t(term), language.quantity(q.count(manifest[key]))) for term, key in counted.items()),
        (t("Hash of the record"), _hash(record)),
    ]
    return _entry(f"{manifest['title']}, {record.id}", facts, record.id)
