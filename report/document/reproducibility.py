"""The reproducibility checklist of machine learning (Pineau et al. 2021), answered from the records.

An answer that a record does not hold is "not recorded": nothing here is assumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cnnlab.networks import find_network
from report.activities.common import count
from report.activities.data_findings import findings_in_words
from report.activities.search import ranges_in_words
from report.data.records import DatasetData, LabData, Part
from report.data.trainings import SearchData, TrainingData
from report.document.compute import operations
from report.evidence.language import Language
from report.evidence.quantity import Quantity
from report.evidence.words import joined

Facts = Iterator[tuple[str, str]]

LEFT_OUT = ("undecodable", "missing", "empty-class", "ignored", "outside-class", "unlabelled", "leak")
"""Kinds of findings that say what of a data set is not used; a leak only where the lab leaves leaks out."""

FITS = {
    "crop": "the shorter side to {side} pixels, the middle square cut out",
    "pad": "the longer side to {side} pixels, the rest filled up",
    "stretch": "both sides to {side} pixels",
}
"""Message ids by a data set record's `fit`."""


def checklist(lab: LabData, language: Language) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The groups of questions, each with its heading and (question, answer) pairs."""
    text = language.text
    for part in _by_dataset(lab).values():
        title = text("Data: {dataset}", dataset=part.dataset.manifest["title"])
        yield title, list(_data(part.dataset, language))
    yield text("Choice of hyper-parameters"), list(_choice(lab, language))
    yield text("Trainings and evaluations"), list(_trainings(lab, language))
    yield text("Statistics"), list(_statistics(lab, language))
    yield text("Computation"), list(_computation(lab, language))


def _by_dataset(lab: LabData) -> dict[str, Part]:
    return {part.dataset.record.id: part for part in lab.parts.values()}


def _data(data: DatasetData, language: Language) -> Facts:
    t, manifest, ids = language.text, data.manifest, [data.record.id]
    sizes = {split: count(rows.size, runs=ids) for split, rows in data.rows.items() if split != "labels"}
    used = t("{train} training, {validation} validation and {test} test images", **sizes)
    yield t("Statistics of the data"), t(
        "{images} images of {classes} classes; used: {used}",
        images=count(manifest["images"], runs=ids), classes=count(manifest["classes"], runs=ids), used=used,
    )  # fmt: skip
    yield t("How the splits were made"), _split(data, language)
    yield t("Data that were left out"), _left_out(data, language)
    side = count(manifest["image_size"], runs=ids)
    fit = t(FITS[manifest["fit"]], side=side) if manifest.get("fit") in FITS else t("not recorded")
    yield t("Preparation of the images"), fit
    yield t("Where the data can be had"), str(manifest.get("homepage") or t("not recorded"))


def _split(data: DatasetData, language: Language) -> str:
    t, split = language.text, data.split
    drawn = t(
        "by this lab, at random inside each class with seed {seed}; the same seed gives the same division",
        seed=str(split["seed"]),
    )
    if split["policy"] != "official":
        return drawn
    if data.manifest["validation_drawn"]:
        return t("training and test as the authors divide them; validation drawn from training: {drawn}", drawn=drawn)
    return t("as the authors of the data divide them")


def _left_out(data: DatasetData, language: Language) -> str:
    kept = () if data.split["leaks"] == "exclude" else ("leak",)
    found = [one for one in findings_in_words(data, language) if one.kind in LEFT_OUT and one.kind not in kept]
    texts = [joined([f"{one.what}: ", language.quantity(one.count)]) for one in found]
    used, total = sum(rows.size for split, rows in data.rows.items() if split != "labels"), int(data.manifest["images"])
    if used < total:
        rest = count(total - used, runs=[data.record.id], how="Images of the data set that are in no split")
        texts.append(joined([f"{language.text('images that are in no split')}: ", language.quantity(rest)]))
    return joined(texts, "; ") if texts else language.text("nothing")


def _choice(lab: LabData, language: Language) -> Facts:
    t = language.text
    for part in lab.parts.values():
        unsearched = [part.of(network)[0].title for network in part.networks if network not in part.searches]
        for network, search in part.searches.items():
            yield f"{find_network(network).TITLE}, {_title(part)}", _searched(search, language)
        if unsearched:
            yield (
                f"{language.join(unsearched)}, {_title(part)}",
                t("set in the lab file before training; no other values were tried by this lab"),
            )
    yield t("All values that were used"), t("under each run below, and in the tables of the report")


def _searched(search: SearchData, language: Language) -> str:
    t, ids = language.text, [search.record.id]
    numbers = {state: count(n, runs=ids) for state, n in search.counts.items()}
    return t(
        "{ranges}; {trials} trials ({complete} complete, {pruned} pruned, {failed} failed), of which the one of highest "
        "validation accuracy was taken",
        ranges=joined(ranges_in_words(search, language), "; "), trials=count(len(search.trials), runs=ids), **numbers,
    )  # fmt: skip


def _trainings(lab: LabData, language: Language) -> Facts:
    t, parts = language.text, lab.parts.values()
    runs = {run.run.id: run for part in parts for run in part.runs}
    yield t("Trainings reported"), _number(runs, language)
    yield t("Seeds"), ", ".join(sorted({str(run.seed) for run in runs.values()}, key=int)) or t("none")
    diverged = [one.run.id for part in parts for one in part.diverged]
    yield t("Trainings that diverged"), _number(diverged, language)
    folds = {fold.run.id for part in parts for folds in part.folds.values() for fold in folds}
    yield t("Trainings of cross-validations"), _number(sorted(folds), language)
    searches = {search.record.id: search for part in parts for search in part.searches.values()}
    trials = count(sum(len(search.trials) for search in searches.values()), runs=list(searches))
    yield t("Trials of searches"), language.quantity(trials)
    yield t("Evaluations reported"), _number([run.evaluation.id for run in runs.values()], language)
    uses = (joined([f"{_title(part)}: ", _test_uses(part, language)]) for part in _by_dataset(lab).values())
    yield t("Evaluations that have looked at the test images"), joined(uses, "; ")


def _test_uses(part: Part, language: Language) -> str:
    if part.test_uses is None:
        return language.text("not recorded")
    return language.quantity(count(part.test_uses, runs=[part.dataset.record.id]))


def _number(ids: Any, language: Language) -> str:
    return language.quantity(count(len(ids), runs=list(ids)))


def _title(part: Part) -> str:
    return str(part.dataset.manifest["title"])


def _statistics(lab: LabData, language: Language) -> Facts:
    t = language.text
    several = any(len(part.of(network)) > 1 for part in lab.parts.values() for network in part.networks)
    yield t("Measure"), t("accuracy: images answered right over all images of the split, each counted once")
    yield (
        t("Central tendency"),
        t(
            "the mean over the seeds"
            if several
            else "the value of the one training of each network; no mean over seeds"
        ),
    )
    yield (
        t("Error bars"),
        t(
            "95% Student interval over the seeds: how much trainings differ"
            if several
            else "95% Wilson interval over the test images: how much the sample of images matters, not how much trainings differ"
        ),
    )
    yield (
        t("Differences"),
        t(
            "between networks: the exact McNemar test on the same images, Holm's correction over all pairs; between splits: "
            "Newcombe's interval"
        ),
    )


def _computation(lab: LabData, language: Language) -> Facts:
    t, trainings = language.text, list(_all_trainings(lab))
    manifests = [one.run.manifest for one in trainings] + [search.manifest for search in _searches(lab)]
    yield t("Hardware"), _each([hardware_words(one.get("hardware"), language) for one in manifests], language)
    yield t("Wall time of all trainings"), language.quantity(_time(lab, trainings))
    yield t("Operations, by formula"), joined(operations(lab, language), "; ") or t("not recorded")
    yield (
        t("Formula"),
        t(
            "3 × multiply-adds of one image forward × training images × epochs × 2: one pass forward and about two backward, "
            "a multiplication and an addition each; with frozen layers it is less, and measuring and evaluating come on top"
        ),
    )
    yield t("Energy"), t("not measured")
    yield t("Versions"), _each([versions_words(one.get("versions")) for one in manifests], language)
    yield t("Code"), _each([git_words(one.get("git"), language) for one in manifests], language)
    yield t("Precision"), _each([str(one.resolved.get("precision") or "") for one in trainings], language)
    yield t("Determinism"), _each([_determinism(one, language) for one in trainings], language)
    yield (
        t("Hashes"),
        t(
            "each record's manifest holds the sha256 of its files; report.json holds that of each manifest, and the evidence "
            "hash is taken over all of it"
        ),
    )


def _all_trainings(lab: LabData) -> Iterator[TrainingData]:
    for part in lab.parts.values():
        yield from (*part.runs, *part.diverged, *(fold for folds in part.folds.values() for fold in folds))


def _searches(lab: LabData) -> list[SearchData]:
    return list({one.record.id: one for part in lab.parts.values() for one in part.searches.values()}.values())


def _time(lab: LabData, trainings: Sequence[TrainingData]) -> Quantity:
    seconds = {one.run.id: float(one.run.manifest["seconds"]) for one in trainings}
    seconds |= {search.record.id: float(search.manifest["seconds"]) for search in _searches(lab)}
    return Quantity(
        value=sum(seconds.values()), unit="seconds", n=len(seconds), runs=tuple(seconds), how="Sum over the trainings"
    )


def _each(answers: Sequence[str], language: Language) -> str:
    """Every different answer once; what is empty was not recorded."""
    different = {str(answer): answer for answer in answers}
    shown = [answer or language.text("not recorded") for answer in different.values()]
    return joined(shown, "; ") if shown else language.text("not recorded")


def _determinism(run: TrainingData, language: Language) -> str:
    found = run.resolved.get("deterministic")
    if found is None:
        return ""
    if found:
        return language.text("every operation deterministic: the same seed on the same machine gives the same weights")
    return language.text("not every operation is deterministic: a training repeated may differ in small ways")


def hardware_words(hardware: Mapping[str, Any] | None, language: Language) -> str:
    """Processor, cores, memory and accelerator of a manifest; empty where it has none."""
    if not hardware:
        return ""
    cores = language.plural("{n} core", "{n} cores", int(hardware["cores"]))
    size = float(hardware["memory_gib"])
    memory = Quantity(value=size, unit="number", digits=0 if size.is_integer() else 1)
    words = (hardware["cpu"], cores, language.text("{memory} GiB", memory=memory), hardware["accelerator"])
    return joined((word for word in words if word), ", ")


def versions_words(versions: Mapping[str, str] | None) -> str:
    """Program and version, one after the other."""
    return ", ".join(f"{name} {version}" for name, version in (versions or {}).items())


def git_words(git: Mapping[str, Any] | None, language: Language) -> str:
    """The revision of the code, and whether it had been changed; empty where the manifest has none."""
    if not git:
        return ""
    return f"git {git['commit']}" + (f" ({language.text('with uncommitted changes')})" if git["dirty"] else "")
