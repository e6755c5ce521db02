"""Whether one network is better than another: the only comparison, which results, claims and baselines ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from report.data.records import Part
from report.data.trainings import RunData
from report.evidence import statistics
from report.evidence.metrics import top_k
from report.evidence.quantity import Quantity, numbers_of
from report.evidence.statistics import SIGNIFICANT


class Incomparable(ValueError):
    """Two networks that have nothing to be compared in: what is wrong, and what was received."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How far apart two networks are, in the order in which they were asked for."""

    difference: Quantity  # first minus second, in points, with its 95 % interval
    p: Quantity  # of the test, whose name is its `how`
    adjusted: float  # p for all comparisons that it was made among
    seeds: int = 1  # of each that were averaged; 1 where one run of each is compared
    only_first: Quantity | None = None  # images that only one of two runs gets right; None over seeds
    only_second: Quantity | None = None

    @property
    def sign(self) -> int:
        """1 where the first is better, −1 where the second is, 0 where they cannot be told apart.

        Either way only where the adjusted p is significant and the interval leaves out zero.
        """
        return sign(self.difference) if self.adjusted <= SIGNIFICANT else 0


def better(a: Sequence[RunData], b: Sequence[RunData], split: str = "test", k: int = 1) -> Verdict:
    """Whether network `a` is better than `b` on the same images: over seeds where both have several, else one run each.

    Args:
        a, b: the runs of each, one a seed.
        k: an answer is right where the true class is among the `k` most probable ones.

    Raises:
        Incomparable: the runs answered different images, or there are no more than `k` classes.
    """
    answers = {run.run.id: run.predictions[split] for run in (*a, *b)}
    first = answers[a[0].run.id]
    if 1 < k >= first.probabilities.shape[1]:
        few = str(first.probabilities.shape[1])
        raise Incomparable(f"top-{k} accuracy says nothing of so few classes", few)
    for run_id, found in answers.items():
        if not np.array_equal(found.ids, first.ids):
            raise Incomparable("the networks were not evaluated on the same images", run_id)
    right = {
        run_id: found.right if k == 1 else top_k(found.probabilities, found.labels, k)
        for run_id, found in answers.items()
    }
    one, other = ({run.seed: right[run.run.id] for run in runs} for runs in (a, b))
    shared = [seed for seed in one if seed in other]
    if min(len(one), len(other)) == 1:
        run_a, run_b = (next((run for run in runs if run.seed in shared), runs[0]) for runs in (a, b))
        return on_same_images(one[run_a.seed], other[run_b.seed], run_a.run.id, run_b.run.id)
    paired = len(one) == len(other) == len(shared)
    means_a = [float(one[seed].mean()) for seed in one]
    means_b = [float(other[seed].mean()) for seed in (one if paired else other)]
    test = statistics.student(means_a, means_b) if paired else statistics.welch(means_a, means_b)
    by_image = np.mean(list(one.values()), axis=0) - np.mean(list(other.values()), axis=0)
    value, low, high = statistics.bootstrap_mean(by_image.round(9), error=test.error, freedom=test.freedom)
    q, how = numbers_of(*answers), "Mean difference over seeds, bootstrap over images and seeds"
    name = "Student's t test over paired seeds" if paired else "Welch's t test over seeds"
    return Verdict(
        difference=q(value, "points", n=by_image.size, low=max(-1.0, low), high=min(1.0, high), how=how),
        p=q(test.p, "probability", n=len(one) + len(other), how=name),
        adjusted=test.p,
        seeds=min(len(one), len(other)),
    )


def on_same_images(right_a: np.ndarray, right_b: np.ndarray, *runs: str) -> Verdict:
    """Two classifiers on the same images, bool (N,) of their right answers, which come from `runs`."""
    (only_a, only_b, p), q = statistics.mcnemar(right_a, right_b), numbers_of(*runs)
    value, low, high = statistics.paired_difference(only_a, only_b, right_a.size)
    how = "Difference of accuracies on the same images, Bonett and Price interval"
    return Verdict(
        difference=q(value, "points", n=right_a.size, low=low, high=high, how=how),
        p=q(p, "probability", n=only_a + only_b, how="Exact McNemar test"),
        adjusted=p,
        only_first=q.count(only_a),
        only_second=q.count(only_b),
    )


def all_pairs(part: Part) -> list[tuple[str, str, Verdict]]:
    """Every two networks of a part, the better one first and their p-values corrected together (Holm)."""
    ranked = sorted(part.networks, key=lambda name: -network_accuracy(part.of(name)).value)
    found = []
    for first, second in combinations(ranked, 2):
        verdict = better(part.of(first), part.of(second))
        if verdict.difference.value < 0:  # one seed against several: the compared runs may be ordered otherwise
            first, second, verdict = second, first, better(part.of(second), part.of(first))
        found.append((first, second, verdict))
    adjusted = statistics.holm([verdict.p.value for _, _, verdict in found])
    return [(a, b, replace(verdict, adjusted=p)) for (a, b, verdict), p in zip(found, adjusted, strict=True)]


def accuracy(run: RunData, split: str = "test") -> Quantity:
    """Overall accuracy of one run on one split."""
    right = run.predictions[split].right
    return numbers_of(run.run).share(int(right.sum()), right.size)


def network_accuracy(runs: Sequence[RunData], split: str = "test") -> Quantity:
    """Accuracy of a network on one split, `over_seeds`."""
    return over_seeds([accuracy(run, split) for run in runs], runs)


def over_seeds(shares: Sequence[Quantity], runs: Sequence[RunData]) -> Quantity:
    """A share of a network: that of its one run, or the mean over its seeds with a Student interval over them."""
    if len(shares) == 1:
        return shares[0]
    mean, low, high = statistics.mean_interval([one.value for one in shares])
    q, how = numbers_of(*(run.run for run in runs)), "Mean over seeds, Student interval"
    return q(mean, "share", n=len(runs), low=max(0.0, low), high=min(1.0, high), how=how)


def split_gap(run: RunData, one: str, other: str) -> Quantity:
    """Accuracy on `one` minus accuracy on `other`, in points, with Newcombe's interval."""
    a, b = run.predictions[one].right, run.predictions[other].right
    value, low, high = statistics.difference(int(a.sum()), a.size, int(b.sum()), b.size)
    how = "Difference of two proportions, Newcombe interval"
    return numbers_of(run.run)(value, "points", n=a.size + b.size, low=low, high=high, how=how)


def sign(difference: Quantity) -> int:
    """1 or −1 where the interval of a difference leaves out zero, else 0."""
    assert difference.low is not None and difference.high is not None
    return int(difference.low > 0) - int(difference.high < 0)


def against_linear(part: Part, run: RunData) -> dict[str, Any]:
    """The linear classifier's test accuracy and the paired test of the two; `known` is False without a baseline.

    `beaten` and `is_worse` say which way a difference beyond chance goes, both are False where there is none.
    """
    if part.baseline is None:
        return {"known": False}
    record, test = part.baseline.record, run.predictions["test"]
    right = part.baseline.right(test.labels)
    verdict, q = on_same_images(test.right, right, run.run.id, record.id), numbers_of(record)
    return {
        "known": True,
        "side": q.count(record.manifest["side"]),
        "accuracy": q.share(int(right.sum()), right.size),
        "network": accuracy(run),
        "difference": verdict.difference,
        "p": verdict.p,
        "tiny": verdict.p.value < 0.001,
        "beaten": verdict.sign > 0,
        "is_worse": verdict.sign < 0,
    }
