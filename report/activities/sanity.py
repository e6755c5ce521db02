"""The appendix of checks: what each network had to pass before its results mean something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from report.activities.common import Answerer
from report.data.records import LabData, Part
from report.data.trainings import RunData, TrainingData
from report.evidence.compare import accuracy, against_linear
from report.evidence.language import NBSP, Language
from report.evidence.quantity import Cell, Evidence, Quantity, Table, numbers_of, table

TOLERANCE = 0.1
"""By what share of ln K the loss at the start may differ from it."""

MEMORISED = 0.1
"""A batch whose loss fell below this share of what it was counts as overfitted."""

Check = dict[str, Any]
"""`passed` (None where it does not apply), `text` of its cell, `failure` in words."""


def answer(lab: LabData, language: Language) -> Evidence:
    """A table a part with a row a network, and what failed, in words."""
    parts, items = [], {}
    for key, part in lab.parts.items():
        if not (part.runs or part.diverged):
            continue
        results = {name: _checks(part, part.of(name)[0], language) for name in part.networks}
        checks = [(name, check) for name, found in results.items() for check in found.values()]
        failures = [
            {"network": part.of(name)[0].title, "what": one["failure"]}
            for name, one in checks
            if one["passed"] is False
        ]
        recorded = part.baseline is not None or any(one.sanity for one in (*part.runs, *part.diverged))
        parts.append({
            "table": f"checks_{key}",
            "dataset": part.dataset.manifest["title"],
            "recorded": recorded,
            "failures": failures,
            "all_passed": any(one["passed"] is not None for _, one in checks) and not failures,
            "diverged": [
                {"network": one.title, "reason": one.reason} for one in part.diverged
            ],
            "several_seeds": any(len(part.of(name)) > 1 for name in part.networks),
        })  # fmt: skip
        if recorded:
            items[f"checks_{key}"] = _table(part, results, language)
    return Evidence(
        names={
            "parts": parts,
            "tolerance": Quantity(value=TOLERANCE, unit="share", digits=0),
            "any_recorded": bool(items),
            "sides": sorted({str(part.baseline.manifest["side"]) for part in lab.parts.values() if part.baseline})[:1],
        },
        items=items,
    )


def _checks(part: Part, run: RunData, language: Language) -> dict[str, Check]:
    return {
        "start": initial_loss(run, language),
        "overfit": overfit_batch(run, language),
        "constant": _constant(part, run, language),
        "linear": _linear(part, run, language),
    }


def initial_loss(run: TrainingData, language: Language) -> Check:
    """Whether an untrained network is as unsure as one that knows nothing; pre-trained ones need not be."""
    found, q, text = run.sanity, numbers_of(run.run), language.text
    if found is None or found["initial_loss"] is None or run.recipe["weights"] is not None:
        return _checked(None, "", "", language)
    loss, expected = float(found["initial_loss"]), float(found["ln_classes"])
    numbers = {"loss": q(loss, "loss"), "expected": q(expected, "loss")}
    tolerance = Quantity(value=TOLERANCE, unit="share", digits=0)
    failure = text(
        "its loss at the start is {loss}, more than {tolerance} from ln K = {expected}", **numbers, tolerance=tolerance
    )
    passed = abs(loss - expected) <= TOLERANCE * expected
    return _checked(passed, text("{loss}; ln K = {expected}", **numbers), failure, language)


def overfit_batch(run: TrainingData, language: Language) -> Check:
    """Whether the network can learn a few images by heart."""
    found, q, text = run.sanity["overfit"] if run.sanity else None, numbers_of(run.run), language.text
    if found is None:
        return _checked(None, "", "", language)
    before, after = float(found["loss_before"]), float(found["loss"])
    numbers: dict[str, Any] = {"images": q.count(found["images"]), "steps": q.count(found["steps"])}
    numbers |= {"before": q(before, "loss"), "after": q(after, "loss")}
    return _checked(
        after < MEMORISED * before,
        text("{images} images, {steps} steps: {before} → {after}", **numbers),
        text(
            "it has not learned {images} images by heart: after {steps} steps their loss went from {before} to {after}",
            **numbers,
        ),
        language,
    )


def _constant(part: Part, run: RunData, language: Language) -> Check:
    """Whether it looks at the images at all."""
    if part.baseline is None:
        return _checked(None, "", "", language)
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


def _linear(part: Part, run: RunData, language: Language) -> Check:
    """Whether it is better than a linear classifier, beyond chance, on the same test images."""
    found, text = against_linear(part, run), language.text
    if not found["known"]:
        return _checked(None, "", "", language)
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


def _checked(passed: bool | None, numbers: str, failure: str, language: Language) -> Check:
    if passed is None:
        return {"passed": None, "text": language.text("does not apply"), "failure": ""}
    verdict = f"✓{NBSP}{language.text('passed')}" if passed else f"✗{NBSP}{language.text('not passed')}"
    kept = numbers.replace(" = ", f"{NBSP}={NBSP}").replace("ln K", f"ln{NBSP}K")
    return {"passed": passed, "text": f"{verdict}: " + kept, "failure": failure}


def _table(part: Part, results: Mapping[str, Mapping[str, Check]], language: Language) -> Table:
    text = language.text
    rows: list[Mapping[str, Cell]] = [
        {"network": part.of(name)[0].title, **{key: check["text"] for key, check in checks.items()}}
        for name, checks in results.items()
    ]
    rows += [  # trainings without results: only what was checked before them
        {
            "network": one.title,
            "start": initial_loss(one, language)["text"],
            "overfit": overfit_batch(one, language)["text"],
            **dict.fromkeys(("constant", "linear"), f"✗{NBSP}{text('diverged')}"),
        }
        for one in part.diverged
        if one.network not in results
    ]
    note = text("Accuracies with 95% intervals; p is that of the exact McNemar test on the same test images.")
    if any(len(part.of(name)) > 1 for name in part.networks):
        note += " " + text("Of each network, the first seed.")
    heads = {
        "network": text("Network"), "start": text("Loss at the start"), "overfit": text("One batch learned by heart"),
        "constant": text("Better than a constant answer"), "linear": text("Better than a linear classifier"),
    }  # fmt: skip
    caption = text("Sanity checks of the networks on {dataset}", dataset=part.dataset.manifest["title"])
    return table(caption, heads, rows, note=note)


def against_constant(part: Part, run: RunData) -> dict[str, Any]:
    """The kept epoch's validation loss and the test accuracy, beside those of answering without looking."""
    assert part.baseline is not None
    constant, q = part.baseline.manifest["constant"], numbers_of(part.baseline.record)
    loss, right = float(run.history["val_loss"][int(run.resolved["best_epoch"]) - 1]), accuracy(run)
    return {
        "loss": numbers_of(run.run)(loss, "loss", how="Cross entropy"),
        "constant_loss": q(float(constant["loss"]), "loss", how="Cross entropy"),
        "accuracy": right,
        "constant_accuracy": q(float(constant["accuracy_test"]), "share", how="Share of the most frequent class"),
        "beats_loss": loss < float(constant["loss"]),
        "beats_accuracy": right.value > float(constant["accuracy_test"]),
    }


ANSWERS = {"sanity": Answerer(answer)}
