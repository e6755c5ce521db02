"""Intervals and tests in closed form, so that rebuilding a report imports no statistics library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev, variance
from typing import NamedTuple

import numpy as np

SIGNIFICANT = 0.05
"""Level of every test of the report."""

Z95 = NormalDist().inv_cdf(0.975)

# Student's t, 97.5 % quantile by degrees of freedom; above 30 its expansion about the normal one is within 0.004.
_T975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def wilson(right: int, n: int) -> tuple[float, float]:
    """95 % score interval of a proportion (Wilson 1927).

    Raises:
        ValueError: `n` is not positive or `right` not in 0..n.
    """
    if not 0 <= right <= n or n < 1:
        raise ValueError(f"{right} of {n} is no proportion")
    share, z2 = right / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def difference(right_a: int, n_a: int, right_b: int, n_b: int) -> tuple[float, float, float]:
    """Difference of two independent proportions, a − b, with its 95 % interval (Newcombe 1998, method 10)."""
    a, b = right_a / n_a, right_b / n_b
    low_a, high_a = wilson(right_a, n_a)
    low_b, high_b = wilson(right_b, n_b)
    gap = a - b
    return gap, gap - math.hypot(a - low_a, high_b - b), gap + math.hypot(high_a - a, b - low_b)


def mean_of_proportions(right: Sequence[int], n: Sequence[int]) -> tuple[float, float, float]:
    """Unweighted mean of independent proportions with its 95 % interval, from their Wilson intervals.

    The bounds are recovered from those of the parts as Newcombe's are (Zou & Donner 2008), so that a proportion of 0 or
    1 still counts as uncertain.

    Raises:
        ValueError: no proportion, or one that is none.
    """
    if not n:
        raise ValueError("no proportion to average")
    bounds = [(r / m, *wilson(r, m)) for r, m in zip(right, n, strict=True)]
    mean = fmean(share for share, _, _ in bounds)
    below = math.sqrt(math.fsum((share - low) ** 2 for share, low, _ in bounds)) / len(bounds)
    above = math.sqrt(math.fsum((high - share) ** 2 for share, _, high in bounds)) / len(bounds)
    return mean, mean - below, mean + above


class Paired(NamedTuple):
    """Two classifiers on the same images: what only one of them gets right, and the exact two-sided p-value."""

    only_a: int
    only_b: int
    p: float


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> Paired:
    """Exact McNemar test (McNemar 1947, binomial form) on bool (N,) arrays over the same images."""
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    n, k = only_a + only_b, min(only_a, only_b)
    tail = math.fsum(math.exp(_log_binomial(i, n, 0.5)) for i in range(k + 1))
    return Paired(only_a, only_b, min(1.0, 2 * tail))


def paired_difference(only_a: int, only_b: int, n: int) -> tuple[float, float, float]:
    """Difference of two accuracies on the same `n` images, a − b, with its 95 % interval (Bonett & Price 2012).

    Args:
        only_a, only_b: images that only one of the two gets right.
    """
    a, b = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    half = Z95 * math.sqrt((a + b - (a - b) ** 2) / (n + 2))
    return (only_a - only_b) / n, max(-1.0, a - b - half), min(1.0, a - b + half)


def binomial_tail(k: int, n: int, p: float) -> float:
    """Probability of at least `k` successes in `n` trials of probability `p` in (0, 1); 1 for `k` = 0."""
    if k <= 0:
        return 1.0
    return min(1.0, math.fsum(math.exp(_log_binomial(i, n, p)) for i in range(k, n + 1)))


def _log_binomial(k: int, n: int, p: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return ways + k * math.log(p) + (n - k) * math.log1p(-p)


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of at least two values with its 95 % Student interval."""
    mean = fmean(values)
    half = _t975(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def _t975(freedom: float) -> float:
    """Student's 97.5 % quantile; between two degrees of freedom that of the smaller one."""
    if freedom < len(_T975) + 1:
        return _T975[max(1, int(freedom)) - 1]
    return Z95 + (Z95**3 + Z95) / (4 * freedom)


def mean_difference(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    """Difference of the means of two independent samples, a − b, with its 95 % interval (Welch 1947).

    Raises:
        statistics.StatisticsError: one of them has fewer than two values.
    """
    gap, parts = fmean(a) - fmean(b), [variance(one) / len(one) for one in (a, b)]
    if sum(parts) == 0:
        return gap, gap, gap
    freedom = sum(parts) ** 2 / sum(part**2 / (len(one) - 1) for part, one in zip(parts, (a, b), strict=True))
    half = _t975(freedom) * math.sqrt(sum(parts))
    return gap, gap - half, gap + half


class Correlation(NamedTuple):
    """Spearman's rank correlation with its 95 % interval, and the two-sided p-value of a permutation test."""

    value: float
    low: float
    high: float
    p: float


def rank_correlation(x: np.ndarray, y: np.ndarray) -> Correlation | None:
    """Whether two quantities rise together over the same things, by their ranks, ties averaged.

    The interval is Bonett and Wright's (2000, Fisher's z), the test permutes one of the two, 20,000 times from a fixed
    seed (fewer times for hundreds of things), so that a small number of them is no trouble. None where one of the two is constant, or fewer than 5 things
    are given: five are the fewest of which some order is beyond chance.

    Args:
        x, y: (N,), finite.
    """
    if len(x) < 5:
        return None
    a, b = (_standardised(_ranks(values)) for values in (x, y))
    if not (a.any() and b.any()):
        return None
    value = float(np.clip(a @ b, -1, 1))
    generator, draws = np.random.default_rng(0), max(2_000, min(20_000, 2_000_000 // len(a)))
    orders = generator.permuted(np.broadcast_to(b, (draws, len(b))), axis=1)
    at_least = int((np.abs(orders @ a) >= abs(value) - 1e-9).sum())
    half = Z95 * math.sqrt((1 + value**2 / 2) / (len(a) - 3))
    z = math.atanh(min(max(value, -0.9999), 0.9999))
    return Correlation(value, math.tanh(z - half), math.tanh(z + half), (at_least + 1) / (draws + 1))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0, equal values their mean one."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts + 1) / 2)[where])


def _standardised(values: np.ndarray) -> np.ndarray:
    """With mean 0 and length 1; all 0 where they are equal."""
    centred = values - values.mean()
    length = float(np.sqrt((centred**2).sum()))
    return np.asarray(centred / length if length > 1e-12 else np.zeros_like(centred))


def probability_extreme(
    right: Sequence[int], n: Sequence[int], index: int, *, best: bool, draws: int | None = None
) -> float:
    """Probability that proportion `index` is the largest (or the smallest), under Jeffreys priors Beta(½, ½).

    By simulation with a fixed seed; a proportion with n = 0 takes part with its prior. Of many proportions fewer `draws`
    are taken, so that a thousand classes cost what a hundred do; the error stays below two hundredths.
    """
    if draws is None:
        draws = max(2_000, min(20_000, 2_000_000 // max(1, len(n))))
    generator = np.random.default_rng(0)
    successes, failures = np.asarray(right) + 0.5, np.asarray(n) - np.asarray(right) + 0.5
    sample = generator.beta(successes, failures, size=(draws, len(successes)))
    chosen = sample.argmax(axis=1) if best else sample.argmin(axis=1)
    return float((chosen == index).mean())


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being several (Holm 1979), in the order given; each is compared with the level itself."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


class OverSeeds(NamedTuple):
    """Two means over seeds: a − b, its standard error and degrees of freedom, and the two-sided p-value."""

    gap: float
    error: float
    freedom: float
    p: float


def student(a: Sequence[float], b: Sequence[float]) -> OverSeeds:
    """Student's t test of pairs `a[i]`, `b[i]`, of which there are at least two (Student 1908)."""
    gaps = [x - y for x, y in zip(a, b, strict=True)]
    return _over_seeds(fmean(gaps), stdev(gaps) / math.sqrt(len(gaps)), len(gaps) - 1)


def welch(a: Sequence[float], b: Sequence[float]) -> OverSeeds:
    """Welch's t test of two independent samples of at least two values each (Welch 1947)."""
    first, second = stdev(a) ** 2 / len(a), stdev(b) ** 2 / len(b)
    total = first + second
    spread = first**2 / (len(a) - 1) + second**2 / (len(b) - 1)
    freedom = total**2 / spread if spread > 0 else float(len(a) + len(b) - 2)
    return _over_seeds(fmean(a) - fmean(b), math.sqrt(total), freedom)


def _over_seeds(gap: float, error: float, freedom: float) -> OverSeeds:
    if error == 0:
        return OverSeeds(gap, error, freedom, 1.0 if gap == 0 else 0.0)
    return OverSeeds(gap, error, freedom, student_p(gap / error, freedom))


def student_p(t: float, freedom: float) -> float:
    """Two-sided p-value of Student's t: the incomplete beta function I(ν/(ν + t²); ν/2, ½)."""
    a, b = freedom / 2, 0.5
    x, rest = freedom / (freedom + t * t), t * t / (freedom + t * t)
    if not (x and rest):  # t is nothing, or beyond what a float can square
        return 1.0 if x else 0.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest))
    if x >= (a + 1) / (a + b + 2):  # the fraction converges fast on one side only; the other is its mirror image
        return 1 - front * _beta_fraction(rest, b, a) / b
    return front * _beta_fraction(x, a, b) / a


def _beta_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function (Abramowitz & Stegun 26.5.8), by Lentz's method."""
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 300):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / (1 + step * d), 1 + step / c
            value *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return value


def bootstrap_mean(
    values: np.ndarray, *, error: float = 0.0, freedom: float = math.inf, draws: int = 2_000
) -> tuple[float, float, float]:
    """Mean of `values` (N,) with its 95 % percentile bootstrap interval (Efron 1979), from a fixed random state.

    Args:
        values: one a sampling unit, of few different values: those that are equal are drawn together, as counts.
        error, freedom: of a second source of chance that adds to the mean, as Student's t with `freedom` degrees of
            freedom times `error`. That is how seeds enter: two or three of them are too few to be drawn again
            themselves, which would leave out a half or a third of their variance.
    """
    generator = np.random.default_rng(0)
    different, counts = np.unique(values, return_counts=True)
    means = generator.multinomial(values.size, counts / values.size, size=draws) @ different / values.size
    if error > 0:
        means = means + error * generator.standard_t(freedom, size=draws)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(values.mean()), float(low), float(high)
