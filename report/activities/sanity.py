"""The appendix of checks: what each network had to pass before its results mean something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from report.activities.common import count
from report.data.records import LabData, Part
from report.data.trainings import RunData, TrainingData
from report.evidence.compare import accuracy, against_linear
from report.evidence.language import NBSP, Language
from report.evidence.quantity import Cell, Column, Evidence, Quantity, Table, numbers_of

TOLERANCE = 0.1
"""By what share of ln K the loss at the start may differ from it."""

MEMORISED = 0.1
"""A batch whose loss fell below this share of what it was counts as overfitted."""

CHECKS = ("start", "overfit", "constant", "linear")


def answer(lab: LabData, language: Language) -> Evidence:
    """A table a part with a row a network, and what failed, in words."""
    parts = {key: _part(key, part, language) for key, part in lab.parts.items() if part.runs or part.diverged}
    return Evidence(
        names={
            "parts": [one["names"] for one in parts.values()],
            "tolerance": Quantity(value=TOLERANCE, unit="share", digits=0),
            "any_recorded": any(one["names"]["recorded"] for one in parts.values()),
            "sides": sorted({str(part.baseline.manifest["side"]) for part in lab.parts.values() if part.baseline})[:1],
        },
        items={f"checks_{key}": one["table"] for key, one in parts.items() if one["names"]["recorded"]},
    )


def _part(key: str, part: Part, language: Language) -> dict[str, Any]:
    """One part's results by network, as names for the prose and as a table."""
    results = {name: _checks(part, part.of(name)[0], language) for name in part.networks}
    failures = [
        {"network": part.of(name)[0].title, "what": check["failure"]}
        for name, checks in results.items()
        for check in checks.values()
        if check["passed"] is False
    ]
    diverged = [one for one in part.diverged if one.network not in results]
    recorded = part.baseline is not None or any(one.sanity for one in (*part.runs, *part.diverged))
    applied = [check for checks in results.values() for check in checks.values() if check["passed"] is not None]
    return {
        "names": {
            "table": f"checks_{key}",
            "dataset": part.dataset.manifest["title"],
            "recorded": recorded,
            "failures": failures,
            "all_passed": bool(applied) and not failures,
            "diverged": [{"network": one.title, "reason": _reason(one)} for one in part.diverged],
            "several_seeds": any(len(part.of(name)) > 1 for name in part.networks),
        },
        "table": _table(part, results, diverged, language),
    }


def _reason(training: TrainingData) -> str:
    return str(training.resolved.get("diverged_because") or "")


def _checks(part: Part, run: RunData, language: Language) -> dict[str, dict[str, Any]]:
    """Each check of one network: `passed` (None where it does not apply), `text` of its cell, `failure` in words."""
    return {
        "start": initial_loss(run, language),
        "overfit": overfit_batch(run, language),
        "constant": _constant(part, run, language),
        "linear": _linear(part, run, language),
    }


def initial_loss(run: TrainingData, language: Language) -> dict[str, Any]:
    """Whether an untrained network is as unsure as one that knows nothing; pre-trained ones need not be."""
    found = run.sanity
    if found is None or found["initial_loss"] is None or run.recipe["weights"] is not None:
        return _does_not_apply(language)
    loss, expected = float(found["initial_loss"]), float(found["ln_classes"])
    tolerance = Quantity(value=TOLERANCE, unit="share", digits=0)
    numbers = {"loss": _loss(loss, run), "expected": _loss(expected, run)}
    return _checked(
        abs(loss - expected) <= TOLERANCE * expected,
        language.text("{loss}; ln K = {expected}", **numbers),
        language.text(
            "its loss at the start is {loss}, more than {tolerance} from ln K = {expected}",
            **numbers,
            tolerance=tolerance,
        ),
        language,
    )


def overfit_batch(run: TrainingData, language: Language) -> dict[str, Any]:
    """Whether the network can learn a few images by heart."""
    found = run.sanity["overfit"] if run.sanity else None
    if found is None:
        return _does_not_apply(language)
    before, after = float(found["loss_before"]), float(found["loss"])
    numbers: dict[str, Any] = {
        "images": count(found["images"], runs=[run.run.id]),
        "steps": count(found["steps"], runs=[run.run.id]),
        "before": _loss(before, run),
        "after": _loss(after, run),
    }
    return _checked(
        after < MEMORISED * before,
        language.text("{images} images, {steps} steps: {before} → {after}", **numbers),
        language.text(
            "it has not learned {images} images by heart: after {steps} steps their loss went from {before} to {after}",
            **numbers,
        ),
        language,
    )


def _constant(part: Part, run: RunData, language: Language) -> dict[str, Any]:
    """Whether it looks at the images at all."""
    if part.baseline is None:
        return _does_not_apply(language)
    found, text = against_constant(part, run), language.text
    numbers = {key: found[key] for key in ("loss", "constant_loss", "accuracy", "constant_accuracy")}
    failures = [
        text("its loss {loss} is not below the {constant_loss} of a constant answer", **numbers),
        text("its accuracy {accuracy} is not above the {constant_accuracy} of a constant answer", **numbers),
    ]
    passes = (found["beats_loss"], found["beats_accuracy"])
    return _checked(
        all(passes),
        text("loss {loss}, constant {constant_loss}; test {accuracy}, constant {constant_accuracy}", **numbers),
        language.join([words for words, passed in zip(failures, passes, strict=True) if not passed]),
        language,
    )


def _linear(part: Part, run: RunData, language: Language) -> dict[str, Any]:
    """Whether it is better than a linear classifier, beyond chance, on the same test images."""
    found, text = against_linear(part, run), language.text
    if not found["known"]:
        return _does_not_apply(language)
    numbers = {
        "network": language.with_interval(found["network"]),
        "linear": language.with_interval(found["accuracy"]),
        "p": ("p " if found["tiny"] else "p = ") + language.quantity(found["p"]),
    }
    failure = (
        text("it is worse than the linear classifier: {network} against {linear}, {p}", **numbers)
        if found["is_worse"]
        else text("it has not beaten the linear classifier: {network} against {linear}, {p}", **numbers)
    )
    return _checked(found["beaten"], text("{network}, linear {linear}; {p}", **numbers), failure, language)


def _loss(value: float, run: TrainingData) -> Quantity:
    return Quantity(value=value, unit="loss", runs=(run.run.id,))


def _does_not_apply(language: Language) -> dict[str, Any]:
    return {"passed": None, "text": language.text("does not apply"), "failure": ""}


def _checked(passed: bool, numbers: str, failure: str, language: Language) -> dict[str, Any]:
    verdict = f"✓{NBSP}{language.text('passed')}" if passed else f"✗{NBSP}{language.text('not passed')}"
    joined = numbers.replace(" = ", f"{NBSP}={NBSP}").replace("ln K", f"ln{NBSP}K")
    return {"passed": passed, "text": f"{verdict}: " + joined, "failure": failure}


def _table(
    part: Part, results: Mapping[str, Mapping[str, Any]], diverged: list[TrainingData], language: Language
) -> Table:
    text = language.text
    rows: list[Mapping[str, Cell]] = [
        {"network": part.of(name)[0].title, **{check: checks[check]["text"] for check in CHECKS}}
        for name, checks in results.items()
    ]
    rows += [_diverged_row(one, language) for one in diverged]
    note = text("Accuracies with 95% intervals; p is that of the exact McNemar test on the same test images.")
    if any(len(part.of(name)) > 1 for name in part.networks):
        note += " " + text("Of each network, the first seed.")
    return Table(
        caption=text("Sanity checks of the networks on {dataset}", dataset=part.dataset.manifest["title"]),
        note=note,
        columns=(
            Column(key="network", head=text("Network")),
            Column(key="start", head=text("Loss at the start")),
            Column(key="overfit", head=text("One batch learned by heart")),
            Column(key="constant", head=text("Better than a constant answer")),
            Column(key="linear", head=text("Better than a linear classifier")),
        ),
        rows=tuple(rows),
    )


def _diverged_row(training: TrainingData, language: Language) -> Mapping[str, Cell]:
    """A training without results: only what was checked before it."""
    return {
        "network": training.title,
        "start": initial_loss(training, language)["text"],
        "overfit": overfit_batch(training, language)["text"],
        "constant": f"✗{NBSP}{language.text('diverged')}",
        "linear": f"✗{NBSP}{language.text('diverged')}",
    }


def against_constant(part: Part, run: RunData) -> dict[str, Any]:
    """The kept epoch's validation loss and the test accuracy, beside those of answering without looking."""
    assert part.baseline is not None
    constant, q = part.baseline.constant, numbers_of(part.baseline.record)
    loss, right = float(run.history["val_loss"][int(run.resolved["best_epoch"]) - 1]), accuracy(run)
    return {
        "loss": numbers_of(run.run)(loss, "loss", how="Cross entropy"),
        "constant_loss": q(float(constant["loss"]), "loss", how="Cross entropy"),
        "accuracy": right,
        "constant_accuracy": q(float(constant["accuracy_test"]), "share", how="Share of the most frequent class"),
        "beats_loss": loss < float(constant["loss"]),
        "beats_accuracy": right.value > float(constant["accuracy_test"]),
    }
