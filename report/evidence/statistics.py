"""Intervals and tests of the report, checked against scipy and statsmodels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev, variance
from typing import NamedTuple

import numpy as np

SIGNIFICANT = 0.05
"""Level of every test of the report."""
Z95 = NormalDist().inv_cdf(0.975)
Interval = tuple[float, float, float]
"""A value, and the ends of its 95 % interval."""


def wilson(right: int, n: int) -> tuple[float, float]:
    """95 % score interval of a proportion (Wilson 1927)."""
    if not 0 <= right <= n or n < 1:
        raise ValueError(f"{right} of {n} is no proportion")
    share, z2 = right / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def difference(right_a: int, n_a: int, right_b: int, n_b: int) -> Interval:
    """Difference of two independent proportions, a − b (Newcombe 1998, method 10)."""
    a, b = right_a / n_a, right_b / n_b
    (low_a, high_a), (low_b, high_b) = wilson(right_a, n_a), wilson(right_b, n_b)
    return a - b, a - b - math.hypot(a - low_a, high_b - b), a - b + math.hypot(high_a - a, b - low_b)


def mean_of_proportions(right: Sequence[int], n: Sequence[int]) -> Interval:
    """Unweighted mean of independent proportions, from their Wilson intervals as Newcombe's is (Zou & Donner 2008)."""
    bounds = [(r / m, *wilson(r, m)) for r, m in zip(right, n, strict=True)]
    mean = fmean(share for share, _, _ in bounds)
    below, above = (math.hypot(*(b[0] - b[end] for b in bounds)) / len(bounds) for end in (1, 2))
    return mean, mean - below, mean + above


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> tuple[int, int, float]:
    """Two classifiers on the same images, bool (N,) each: how many only one of them gets right, and the two-sided p-value of
    the exact test (McNemar 1947, binomial form)."""
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    return only_a, only_b, min(1.0, 2 * binomial_tail(max(only_a, only_b), only_a + only_b, 0.5))


def binomial_tail(k: int, n: int, p: float) -> float:
    """Probability of at least `k` successes in `n` trials of probability `p` in (0, 1)."""
    log = math.lgamma
    return min(1.0, math.fsum(
        math.exp(log(n + 1) - log(i + 1) - log(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p))
        for i in range(k, n + 1)
    ))  # fmt: skip


def paired_difference(only_a: int, only_b: int, n: int) -> Interval:
    """Difference of two accuracies on the same `n` images, a − b (Bonett & Price 2012)."""
    a, b = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    half = Z95 * math.sqrt((a + b - (a - b) ** 2) / (n + 2))
    return (only_a - only_b) / n, max(-1.0, a - b - half), min(1.0, a - b + half)


def mean_interval(values: Sequence[float]) -> Interval:
    """Mean of at least two values with its Student interval."""
    from scipy.special import stdtrit  # three tenths of a second, which a report of one seed does not need

    half = float(stdtrit(len(values) - 1, 0.975)) * stdev(values) / math.sqrt(len(values))
    return fmean(values), fmean(values) - half, fmean(values) + half


class OverSeeds(NamedTuple):
    """Two means: a − b, its standard error and degrees of freedom, and the two-sided p-value of Student's t."""

    gap: float
    error: float
    freedom: float
    p: float


def student(a: Sequence[float], b: Sequence[float]) -> OverSeeds:
    """Student's t test of pairs `a[i]`, `b[i]`, of which there are at least two."""
    gaps = [x - y for x, y in zip(a, b, strict=True)]
    return _tested(fmean(gaps), stdev(gaps) / math.sqrt(len(gaps)), len(gaps) - 1)


def welch(a: Sequence[float], b: Sequence[float]) -> OverSeeds:
    """Welch's t test of two independent samples of at least two values each."""
    parts = [variance(one) / len(one) for one in (a, b)]
    spread = sum(part**2 / (len(one) - 1) for part, one in zip(parts, (a, b), strict=True))
    freedom = sum(parts) ** 2 / spread if spread > 0 else float(len(a) + len(b) - 2)
    return _tested(fmean(a) - fmean(b), math.sqrt(sum(parts)), freedom)


def _tested(gap: float, error: float, freedom: float) -> OverSeeds:
    from scipy.special import stdtr

    if error == 0:
        return OverSeeds(gap, error, freedom, float(gap == 0))
    return OverSeeds(gap, error, freedom, float(2 * stdtr(freedom, -abs(gap / error))))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being several (Holm 1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values)[order] * np.arange(len(p_values), 0, -1)))
    return [float(p) for p in adjusted[np.argsort(order, kind="stable")]]


def probability_extreme(right: Sequence[int], n: Sequence[int], index: int, *, best: bool) -> float:
    """Probability that proportion `index` is the largest (or the smallest), under Jeffreys priors, by simulation."""
    draws = max(2_000, min(20_000, 2_000_000 // max(1, len(n))))
    successes, failures = np.asarray(right) + 0.5, np.asarray(n) - np.asarray(right) + 0.5
    sample = np.random.default_rng(0).beta(successes, failures, size=(draws, len(successes)))
    return float(((sample if best else -sample).argmax(axis=1) == index).mean())


def bootstrap_mean(values: np.ndarray, *, error: float = 0.0, freedom: float = math.inf) -> Interval:
    """Mean of `values` (N,), of few different ones, with its percentile bootstrap interval (Efron 1979).

    Seeds enter as Student's t of `freedom` degrees of freedom times `error`: two or three are too few to be drawn again.
    """
    generator = np.random.default_rng(0)
    different, counts = np.unique(values, return_counts=True)
    means = generator.multinomial(values.size, counts / values.size, size=2_000) @ different / values.size
    if error > 0:
        means = means + error * generator.standard_t(freedom, size=2_000)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(values.mean()), float(low), float(high)
