"""Statistics and metrics: by hand, on random inputs against scipy, statsmodels and scikit-learn, intervals by coverage."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import confusion_matrix, top_k_accuracy_score
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from report.evidence.metrics import calibration_bins, class_counts, confusion, surest_mistakes, top_confusions, top_k
from report.evidence.statistics import (
    Z95,
    binomial_tail,
    bootstrap_mean,
    difference,
    holm,
    mcnemar,
    mean_interval,
    mean_of_proportions,
    paired_difference,
    probability_extreme,
    student,
    welch,
    wilson,
)

quick = settings(
    max_examples=30, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
values = st.lists(st.floats(0, 1).map(lambda value: round(value, 4)), min_size=2, max_size=9)


# Against other libraries


@quick
@given(counts, counts)
def test_intervals_of_proportions_are_statsmodels(a: tuple[int, int], b: tuple[int, int]) -> None:
    one = proportion_confint(*a, method="wilson")
    assert wilson(*a) == pytest.approx(one, abs=1e-9)
    assert mean_of_proportions([a[0]], [a[1]]) == pytest.approx((a[0] / a[1], *one), abs=1e-9)
    expected = confint_proportions_2indep(*a, *b, method="newcomb")
    assert difference(*a, *b) == pytest.approx((a[0] / a[1] - b[0] / b[1], *expected), abs=1e-9)


@quick
@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_statsmodels(only_a: int, only_b: int) -> None:
    right_a = np.array([True] * only_a + [False] * only_b + [True, False])
    right_b = np.array([False] * only_a + [True] * only_b + [True, False])
    found = mcnemar(right_a, right_b)
    expected = reference_mcnemar([[1, only_a], [only_b, 1]], exact=True).pvalue if only_a + only_b else 1.0
    assert found == pytest.approx((only_a, only_b, min(1.0, expected)), rel=1e-7)


@pytest.mark.parametrize(("k", "n", "p"), [(0, 5, 0.3), (5, 5, 0.3), (41, 101, 1 / 9), (3, 900, 0.001)])
def test_the_tail_is_the_binomial_one(k: int, n: int, p: float) -> None:
    assert binomial_tail(k, n, p) == pytest.approx(stats.binom.sf(k - 1, n, p), rel=1e-9)


@quick
@given(values, values)
def test_means_and_tests_over_seeds_are_scipys(a: list[float], b: list[float]) -> None:
    assume(np.std(a) > 1e-3 and np.std(b) > 1e-3)
    expected = stats.t.interval(0.95, len(a) - 1, loc=np.mean(a), scale=stats.sem(a))
    assert mean_interval(a) == pytest.approx((np.mean(a), *expected), abs=1e-9)
    found, reference = welch(a, b), stats.ttest_ind(a, b, equal_var=False)
    assert (found.freedom, found.p) == pytest.approx((reference.df, reference.pvalue), rel=1e-6, abs=1e-14)
    a, b = a[: len(b)], b[: len(a)]
    assume(np.std(np.subtract(a, b)) > 1e-6)
    paired, reference = student(a, b), stats.ttest_rel(a, b)
    assert (paired.gap, paired.p) == pytest.approx((np.mean(a) - np.mean(b), reference.pvalue), rel=1e-6, abs=1e-12)


@quick
@given(st.lists(st.floats(0, 1), min_size=0, max_size=20))
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1] if p_values else [])


@quick
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(3, 12), st.integers(1, 5), st.integers(1, 30))
def test_metrics_are_scikit_learns_and_scipys(seed: int, n: int, classes: int, k: int, bins: int) -> None:
    assume(k < classes)
    generator = np.random.default_rng(seed)
    probabilities, labels = generator.dirichlet(np.full(classes, 0.5), n), generator.integers(0, classes, n)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    expected = confusion_matrix(labels, predicted, labels=np.arange(classes))
    assert (confusion(predicted, labels, classes) == expected).all()
    reference = top_k_accuracy_score(labels, probabilities, k=k, labels=np.arange(classes))
    assert top_k(probabilities, labels, k).mean() == pytest.approx(reference)
    edges = np.linspace(0, 1, bins + 1)
    sums, _, number = stats.binned_statistic(confidence, [confidence, predicted == labels], "sum", bins=edges)
    images, means, hits = calibration_bins(probabilities, labels, bins)
    assert images.tolist() == np.bincount(number - 1, minlength=bins)[:bins].tolist()
    assert (means * images) == pytest.approx(sums[0]) and hits == pytest.approx(sums[1])


# By hand


def test_metrics_by_hand() -> None:
    predicted, labels = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 0, 0, 1, 2, 2])
    right, images = class_counts(predicted, labels, 4)
    assert right.tolist() == [2, 1, 1, 0] and images.tolist() == [3, 1, 2, 0]
    matrix = confusion(predicted, labels, 3)
    assert top_confusions(matrix, 5) == [(0, 1, 1), (2, 1, 1)]
    assert matrix.tolist() == [[2, 1, 0], [0, 1, 0], [0, 1, 1]], "finding confusions leaves the matrix alone"
    assert top_k(np.array([[0.7, 0.2, 0.1], [0.0, 0.4, 0.6]]), np.array([0, 0]), 9).all()
    probabilities, labels = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.2, 0.8]]), np.array([0, 0, 1, 0])
    assert surest_mistakes(probabilities, labels, 9) == [1, 3, 2]
    assert surest_mistakes(probabilities, labels, 1) == [1]
    assert surest_mistakes(probabilities, np.array([0, 1, 0, 1]), 3) == []


def test_intervals_by_hand() -> None:
    half = Z95 * np.sqrt((0.31 + 0.11 - 0.2**2) / 100)
    assert paired_difference(30, 10, 98) == pytest.approx((20 / 98, 0.2 - half, 0.2 + half))
    value, low, high = paired_difference(0, 0, 50)
    assert value == 0 and low < 0 < high and low == -high
    (l1, _), (l2, h2) = (proportion_confint(k, 20, method="wilson") for k in (20, 10))
    expected = 0.75, 0.75 - np.hypot(1 - l1, 0.5 - l2) / 2, 0.75 + (h2 - 0.5) / 2
    assert mean_of_proportions([20, 10], [20, 20]) == pytest.approx(expected)
    with pytest.raises(ValueError, match="at least one"):
        mean_of_proportions([], [])


@pytest.mark.parametrize(("right", "n"), [(-1, 3), (4, 3), (0, 0)])
def test_what_is_no_proportion_is_refused(right: int, n: int) -> None:
    with pytest.raises(ValueError, match="no proportion"):
        wilson(right, n)


def test_seeds_without_spread_are_certain_or_equal() -> None:
    assert student([0.7, 0.8], [0.7, 0.8])[0::3] == (0, 1)
    assert student([0.75, 0.75], [0.5, 0.5])[0::3] == (0.25, 0)
    assert welch([0.5, 0.5], [0.5, 0.5, 0.5])[2:] == (3, 1)


def test_mcnemar_of_large_counts_stays_a_probability() -> None:
    right = np.array([True] * 30_000 + [False] * 30_000)
    assert mcnemar(right, ~right).p == 1
    assert 0 <= mcnemar(np.ones(40_000, bool), np.zeros(40_000, bool)).p < 1e-300


def test_the_probability_of_being_best_grows_with_evidence() -> None:
    few = probability_extreme([6, 5], [10, 10], 0, best=True)
    many = probability_extreme([600, 500], [1000, 1000], 0, best=True)
    assert 0.5 < few < 0.8 < 0.999 < many
    assert probability_extreme([600, 500], [1000, 1000], 1, best=False) == many
    assert sum(probability_extreme([6, 5, 7], [10, 10, 10], i, best=False) for i in range(3)) == pytest.approx(1)
    assert probability_extreme([5] * 4, [10] * 4, 2, best=True) == pytest.approx(0.25, abs=0.02)
    assert probability_extreme([5] * 1000, [10] * 1000, 0, best=False) < 0.01


# By how often an interval holds the true value


Interval = Callable[[np.random.Generator], Sequence[float]]


def covered(interval: Interval, true: float, draws: int = 500) -> float:
    """The share of intervals that hold `true`."""
    generator = np.random.default_rng(1)
    bounds = [interval(generator)[-2:] for _ in range(draws)]
    return float(np.mean([low <= true <= high for low, high in bounds]))


def by_bonett_and_price(n: int, only_a: float, only_b: float) -> Interval:
    shares = [only_a, only_b, 1 - only_a - only_b]
    return lambda g: paired_difference(*(int(k) for k in g.multinomial(n, shares)[:2]), n)


def by_bootstrap(n: int, only_a: float, only_b: float) -> Interval:
    shares = [only_a, only_b, 1 - only_a - only_b]
    return lambda g: bootstrap_mean(np.repeat([1.0, -1.0, 0.0], g.multinomial(n, shares)))


def over_seeds(number: int, spread: float) -> Interval:
    """Images of various difficulty, and networks whose seeds are better or worse by `spread` (one deviation)."""

    def interval(generator: np.random.Generator) -> tuple[float, float, float]:
        easy, shifts = generator.beta(4, 1, 300) * 0.9, generator.normal(0, spread, (2, number))
        a, b = (
            np.array([generator.random(300) < np.clip(easy + gain + shift, 0, 1) for shift in row])
            for gain, row in zip((0.05, 0.0), shifts, strict=True)
        )
        test = student(a.mean(axis=1).tolist(), b.mean(axis=1).tolist())
        by_image = (a.mean(axis=0) - b.mean(axis=0)).round(9)
        return bootstrap_mean(by_image, error=test.error, freedom=test.freedom)

    return interval


@pytest.mark.parametrize(
    ("interval", "true", "low", "high"),
    [
        (lambda g: wilson(int(g.binomial(30, 0.9)), 30), 0.9, 0.92, 0.99),
        (lambda g: wilson(int(g.binomial(2000, 0.97)), 2000), 0.97, 0.92, 0.99),
        (lambda g: difference(int(g.binomial(60, 0.9)), 60, int(g.binomial(40, 0.8)), 40), 0.1, 0.92, 0.99),
        (lambda g: difference(int(g.binomial(2000, 0.8)), 2000, int(g.binomial(500, 0.75)), 500), 0.05, 0.92, 0.99),
        (
            lambda g: mean_of_proportions(g.binomial(40, np.linspace(0.6, 0.98, 25)).tolist(), [40] * 25),
            0.79, 0.92, 0.99,
        ),
        *((by(n, a, b), a - b, 0.915, 0.985) for by in (by_bonett_and_price, by_bootstrap)
          for n, a, b in ((60, 0.12, 0.05), (2000, 0.05, 0.03))),
        # with few differing images only that of Bonett and Price, which compares one run of each network
        (by_bonett_and_price(60, 0.03, 0.02), 0.01, 0.95, 1.0),
        (by_bootstrap(60, 0.03, 0.02), 0.01, 0.0, 0.85),
        (over_seeds(3, 0.02), 0.05, 0.93, 1.0),
        (over_seeds(5, 0.0), 0.05, 0.93, 1.0),
    ],
)  # fmt: skip
def test_intervals_cover_the_true_value(interval: Interval, true: float, low: float, high: float) -> None:
    assert low <= covered(interval, true) <= high


def test_the_bootstrap_is_that_of_drawn_indices() -> None:
    """Drawing equal values together, as counts, is the bootstrap of single images."""
    sample, generator = np.repeat([1.0, 0.0, -1.0], [40, 250, 10]), np.random.default_rng(7)
    means = sample[generator.integers(0, sample.size, (4_000, sample.size))].mean(axis=1)
    value, low, high = bootstrap_mean(sample)
    assert value == pytest.approx(0.1)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, (0.025, 0.975))), abs=0.006)
    assert bootstrap_mean(sample) == (value, low, high)
