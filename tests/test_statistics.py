"""Statistics and metrics: on random inputs against scipy, statsmodels and scikit-learn, by hand, intervals by coverage."""

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

from report.evidence import metrics, statistics
from report.evidence.statistics import bootstrap_mean, mcnemar, paired_difference, student, welch, wilson

quick = settings(
    max_examples=30, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
values = st.lists(st.floats(0, 1).map(lambda value: round(value, 4)), min_size=2, max_size=9)


@quick
@given(counts, counts, st.integers(0, 400), st.integers(0, 400), st.lists(st.floats(0, 1), max_size=20))
def test_proportions_pairs_and_corrections_are_statsmodels(
    a: tuple[int, int], b: tuple[int, int], only_a: int, only_b: int, p_values: list[float]
) -> None:
    one = proportion_confint(*a, method="wilson")
    assert wilson(*a) == pytest.approx(one, abs=1e-9)
    assert statistics.mean_of_proportions([a[0]], [a[1]]) == pytest.approx((a[0] / a[1], *one), abs=1e-9)
    expected = confint_proportions_2indep(*a, *b, method="newcomb")
    assert statistics.difference(*a, *b) == pytest.approx((a[0] / a[1] - b[0] / b[1], *expected), abs=1e-9)
    right_a = np.array([True] * only_a + [False] * only_b + [True, False])
    right_b = np.array([False] * only_a + [True] * only_b + [True, False])
    p = reference_mcnemar([[1, only_a], [only_b, 1]], exact=True).pvalue if only_a + only_b else 1.0
    assert mcnemar(right_a, right_b) == pytest.approx((only_a, only_b, min(1.0, p)), rel=1e-7)
    assert statistics.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1] if p_values else [])


@pytest.mark.parametrize(("k", "n", "p"), [(0, 5, 0.3), (5, 5, 0.3), (41, 101, 1 / 9), (3, 900, 0.001)])
def test_the_tail_is_the_binomial_one(k: int, n: int, p: float) -> None:
    assert statistics.binomial_tail(k, n, p) == pytest.approx(stats.binom.sf(k - 1, n, p), rel=1e-9)


@quick
@given(values, values)
def test_means_and_tests_over_seeds_are_scipys(a: list[float], b: list[float]) -> None:
    assume(np.std(a) > 1e-3 and np.std(b) > 1e-3)
    expected = stats.t.interval(0.95, len(a) - 1, loc=np.mean(a), scale=stats.sem(a))
    assert statistics.mean_interval(a) == pytest.approx((np.mean(a), *expected), abs=1e-9)
    found, reference = welch(a, b), stats.ttest_ind(a, b, equal_var=False)
    assert (found.freedom, found.p) == pytest.approx((reference.df, reference.pvalue), rel=1e-6, abs=1e-14)
    a, b = a[: len(b)], b[: len(a)]
    assume(np.std(np.subtract(a, b)) > 1e-6)
    paired, reference = student(a, b), stats.ttest_rel(a, b)
    assert (paired.gap, paired.p) == pytest.approx((np.mean(a) - np.mean(b), reference.pvalue), rel=1e-6, abs=1e-12)


@quick
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(3, 12), st.integers(1, 5), st.integers(1, 30))
def test_metrics_are_scikit_learns_and_scipys(seed: int, n: int, classes: int, k: int, bins: int) -> None:
    assume(k < classes)
    generator = np.random.default_rng(seed)
    probabilities, labels = generator.dirichlet(np.full(classes, 0.5), n), generator.integers(0, classes, n)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    matrix = confusion_matrix(labels, predicted, labels=np.arange(classes))
    assert (metrics.confusion(predicted, labels, classes) == matrix).all()
    right, images = metrics.class_counts(predicted, labels, classes)
    assert right.tolist() == np.diag(matrix).tolist() and images.tolist() == matrix.sum(axis=1).tolist()
    reference = top_k_accuracy_score(labels, probabilities, k=k, labels=np.arange(classes))
    assert metrics.top_k(probabilities, labels, k).mean() == pytest.approx(reference)
    edges = np.linspace(0, 1, bins + 1)
    sums, _, number = stats.binned_statistic(confidence, [confidence, predicted == labels], "sum", bins=edges)
    images, means, hits = metrics.calibration_bins(probabilities, labels, bins)
    assert images.tolist() == np.bincount(number - 1, minlength=bins)[:bins].tolist()
    assert (means * images) == pytest.approx(sums[0]) and hits == pytest.approx(sums[1])


def test_mistakes_by_hand() -> None:
    matrix = np.array([[2, 1, 0], [0, 1, 0], [0, 1, 1]])
    assert metrics.top_confusions(matrix, 5) == [(0, 1, 1), (2, 1, 1)] and matrix[0, 0] == 2, "it is left alone"
    assert metrics.top_k(np.array([[0.7, 0.2, 0.1], [0.0, 0.4, 0.6]]), np.array([0, 0]), 9).all()
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.2, 0.8]])
    for labels, most, expected in (([0, 0, 1, 0], 9, [1, 3, 2]), ([0, 0, 1, 0], 1, [1]), ([0, 1, 0, 1], 3, [])):
        assert metrics.surest_mistakes(probabilities, np.array(labels), most) == expected


def test_intervals_and_tests_by_hand() -> None:
    half = statistics.Z95 * np.sqrt((0.31 + 0.11 - 0.2**2) / 100)
    assert paired_difference(30, 10, 98) == pytest.approx((20 / 98, 0.2 - half, 0.2 + half))
    value, low, high = paired_difference(0, 0, 50)
    assert value == 0 and low < 0 < high and low == -high
    (l1, _), (l2, h2) = (proportion_confint(k, 20, method="wilson") for k in (20, 10))
    expected = 0.75, 0.75 - np.hypot(1 - l1, 0.5 - l2) / 2, 0.75 + (h2 - 0.5) / 2
    assert statistics.mean_of_proportions([20, 10], [20, 20]) == pytest.approx(expected)
    assert student([0.7, 0.8], [0.7, 0.8])[0::3] == (0, 1) and student([0.75, 0.75], [0.5, 0.5])[0::3] == (0.25, 0)
    assert welch([0.5, 0.5], [0.5, 0.5, 0.5])[2:] == (3, 1)
    assert mcnemar(np.arange(60_000) < 30_000, np.arange(60_000) >= 30_000)[2] == 1, "large counts stay a probability"
    assert 0 <= mcnemar(np.ones(40_000, bool), np.zeros(40_000, bool))[2] < 1e-300
    for right, n in ((-1, 3), (4, 3), (0, 0)):
        with pytest.raises(ValueError, match="no proportion"):
            wilson(right, n)


def test_the_probability_of_being_best_grows_with_evidence() -> None:
    extreme = statistics.probability_extreme
    few, many = extreme([6, 5], [10, 10], 0, best=True), extreme([600, 500], [1000, 1000], 0, best=True)
    assert 0.5 < few < 0.8 < 0.999 < many == extreme([600, 500], [1000, 1000], 1, best=False)
    assert sum(extreme([6, 5, 7], [10, 10, 10], i, best=False) for i in range(3)) == pytest.approx(1)
    assert extreme([5] * 4, [10] * 4, 2, best=True) == pytest.approx(0.25, abs=0.02)
    assert extreme([5] * 1000, [10] * 1000, 0, best=False) < 0.01


Interval = Callable[[np.random.Generator], Sequence[float]]


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


def of_classes(generator: np.random.Generator) -> tuple[float, float, float]:
    right = generator.binomial(40, np.linspace(0.6, 0.98, 25)).tolist()
    return statistics.mean_of_proportions(right, [40] * 25)


@pytest.mark.parametrize(
    ("interval", "true", "low", "high"),
    [
        (of_classes, 0.79, 0.92, 0.99),
        *((by(n, a, b), a - b, 0.915, 0.985) for by in (by_bonett_and_price, by_bootstrap)
          for n, a, b in ((60, 0.12, 0.05), (2000, 0.05, 0.03))),
        # with few differing images only that of Bonett and Price, which compares one run of each network
        (by_bonett_and_price(60, 0.03, 0.02), 0.01, 0.95, 1.0),
        (by_bootstrap(60, 0.03, 0.02), 0.01, 0.0, 0.85),
        (over_seeds(3, 0.02), 0.05, 0.93, 1.0),
        (over_seeds(5, 0.0), 0.05, 0.93, 1.0),
    ],
)  # fmt: skip
def test_intervals_without_a_reference_cover_the_true_value(
    interval: Interval, true: float, low: float, high: float
) -> None:
    generator = np.random.default_rng(1)
    bounds = [interval(generator)[-2:] for _ in range(500)]
    assert low <= np.mean([a <= true <= b for a, b in bounds]) <= high


def test_the_bootstrap_is_that_of_drawn_indices() -> None:
    """Drawing equal values together, as counts, is the bootstrap of single images."""
    sample, generator = np.repeat([1.0, 0.0, -1.0], [40, 250, 10]), np.random.default_rng(7)
    means = sample[generator.integers(0, sample.size, (4_000, sample.size))].mean(axis=1)
    value, low, high = bootstrap_mean(sample)
    assert value == pytest.approx(0.1) and bootstrap_mean(sample) == (value, low, high)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, (0.025, 0.975))), abs=0.006)
