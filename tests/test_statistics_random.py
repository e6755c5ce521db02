"""Statistics and metrics on random inputs, against statsmodels, scipy and scikit-learn; intervals by their coverage."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import confusion_matrix, top_k_accuracy_score
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from report.evidence.metrics import calibration_bins, confusion, top_k
from report.evidence.statistics import (
    bootstrap_mean,
    difference,
    holm,
    mcnemar,
    mean_interval,
    mean_of_proportions,
    paired_difference,
    student,
    welch,
    wilson,
)

quick = settings(
    max_examples=30, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
values = st.lists(st.floats(0, 1).map(lambda value: round(value, 4)), min_size=2, max_size=9)
seeds = st.integers(0, 2**32 - 1)


@quick
@given(counts)
def test_wilson_is_statsmodels(pair: tuple[int, int]) -> None:
    assert wilson(*pair) == pytest.approx(proportion_confint(*pair, method="wilson"), abs=1e-9)


@quick
@given(counts, counts)
def test_newcombe_is_statsmodels(a: tuple[int, int], b: tuple[int, int]) -> None:
    expected = confint_proportions_2indep(*a, *b, method="newcomb")
    assert difference(*a, *b) == pytest.approx((a[0] / a[1] - b[0] / b[1], *expected), abs=1e-9)


@quick
@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_statsmodels(only_a: int, only_b: int) -> None:
    assume(only_a + only_b)
    right_a = np.array([True] * only_a + [False] * only_b)
    expected = reference_mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue
    assert mcnemar(right_a, ~right_a).p == pytest.approx(min(1.0, expected), rel=1e-7)


@quick
@given(values)
def test_the_mean_over_seeds_is_scipys(sample: list[float]) -> None:
    assume(np.ptp(sample) > 0)
    expected = stats.t.interval(0.95, len(sample) - 1, loc=np.mean(sample), scale=stats.sem(sample))
    assert mean_interval(sample) == pytest.approx((np.mean(sample), *expected), abs=2e-4 * np.ptp(sample) + 1e-9)


@quick
@given(values.flatmap(lambda a: st.tuples(st.just(a), st.lists(st.floats(0, 1), min_size=len(a), max_size=len(a)))))
def test_students_paired_test_is_scipys(pair: tuple[list[float], list[float]]) -> None:
    a, b = pair
    assume(np.std(np.subtract(a, b)) > 1e-6)
    found, expected = student(a, b), stats.ttest_rel(a, b)
    assert found.gap == pytest.approx(np.mean(a) - np.mean(b), abs=1e-12)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-14)


@quick
@given(values, values)
def test_welchs_test_is_scipys(a: list[float], b: list[float]) -> None:
    assume(np.std(a) > 1e-3 and np.std(b) > 1e-3)
    found, expected = welch(a, b), stats.ttest_ind(a, b, equal_var=False)
    assert (found.freedom, found.p) == pytest.approx((expected.df, expected.pvalue), rel=1e-6, abs=1e-14)


def test_seeds_without_spread_are_certain_or_equal() -> None:
    assert student([0.7, 0.8], [0.7, 0.8])[0::3] == (0, 1)
    assert student([0.75, 0.75], [0.5, 0.5])[0::3] == (0.25, 0)
    assert welch([0.5, 0.5], [0.5, 0.5, 0.5])[2:] == (3, 1)


@quick
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_nothing_needs_no_correction() -> None:
    assert holm([]) == []


def predictions(seed: int, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.dirichlet(np.full(k, 0.5), n), generator.integers(0, k, n)


@quick
@given(seeds, st.integers(1, 300), st.integers(2, 12))
def test_the_confusion_matrix_is_scikit_learns(seed: int, n: int, k: int) -> None:
    probabilities, labels = predictions(seed, n, k)
    predicted = probabilities.argmax(axis=1)
    assert (confusion(predicted, labels, k) == confusion_matrix(labels, predicted, labels=np.arange(k))).all()


@quick
@given(seeds, st.integers(1, 300), st.integers(3, 12), st.integers(1, 5))
def test_top_k_is_scikit_learns(seed: int, n: int, classes: int, k: int) -> None:
    assume(k < classes)
    probabilities, labels = predictions(seed, n, classes)
    expected = top_k_accuracy_score(labels, probabilities, k=k, labels=np.arange(classes))
    assert top_k(probabilities, labels, k).mean() == pytest.approx(expected)


@quick
@given(seeds, st.integers(1, 400), st.integers(2, 12), st.integers(1, 30))
def test_the_bins_of_confidence_are_scipys(seed: int, n: int, k: int, bins: int) -> None:
    probabilities, labels = predictions(seed, n, k)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    sums, _, number = stats.binned_statistic(confidence, [confidence, right], "sum", bins=edges)
    images, means, hits = calibration_bins(probabilities, labels, bins)
    assert images.tolist() == np.bincount(number - 1, minlength=bins)[:bins].tolist()
    assert (means * images) == pytest.approx(sums[0]) and hits == pytest.approx(sums[1])


def covered(generator: np.random.Generator, interval: Callable[[np.random.Generator], tuple[float, float]], true: float,
            draws: int = 800) -> float:  # fmt: skip
    """The share of intervals that hold `true`."""
    bounds = [interval(generator) for _ in range(draws)]
    return float(np.mean([low <= true <= high for low, high in bounds]))


@pytest.mark.parametrize(("n", "p"), [(30, 0.9), (200, 0.6), (2000, 0.97)])
def test_wilson_covers(n: int, p: float) -> None:
    share = covered(np.random.default_rng(1), lambda g: wilson(int(g.binomial(n, p)), n), p)
    assert 0.925 < share < 0.985


@pytest.mark.parametrize(("n", "m", "p", "q"), [(60, 40, 0.9, 0.8), (2000, 500, 0.8, 0.75)])
def test_newcombe_covers(n: int, m: int, p: float, q: float) -> None:
    share = covered(
        np.random.default_rng(2), lambda g: difference(int(g.binomial(n, p)), n, int(g.binomial(m, q)), m)[1:], p - q
    )
    assert 0.93 < share < 0.985


@pytest.mark.parametrize("classes", [4, 25])
def test_the_mean_of_proportions_covers(classes: int) -> None:
    p = np.linspace(0.6, 0.98, classes)
    share = covered(
        np.random.default_rng(3),
        lambda g: mean_of_proportions(g.binomial(40, p).tolist(), [40] * classes)[1:],
        float(p.mean()),
    )
    assert 0.93 < share < 0.985


@pytest.mark.parametrize(("n", "only_a", "only_b"), [(60, 0.12, 0.05), (2000, 0.05, 0.03)])
def test_bonett_and_price_and_the_bootstrap_cover_where_networks_differ_on_enough_images(
    n: int, only_a: float, only_b: float
) -> None:
    for interval in (by_bonett_and_price, by_bootstrap):
        share = covered(np.random.default_rng(4), interval(n, only_a, only_b), only_a - only_b, draws=500)
        assert 0.92 < share < 0.98, interval


def test_with_few_differing_images_only_bonett_and_price_covers() -> None:
    """Why one run of each network is compared by it, and not by drawing the images again."""
    shares = [
        covered(np.random.default_rng(5), interval(60, 0.03, 0.02), 0.01, draws=500)
        for interval in (by_bonett_and_price, by_bootstrap)
    ]
    assert shares[0] > 0.95 and shares[1] < 0.85


Interval = Callable[[np.random.Generator], tuple[float, float]]


def by_bonett_and_price(n: int, only_a: float, only_b: float) -> Interval:
    def interval(generator: np.random.Generator) -> tuple[float, float]:
        a, b, _ = generator.multinomial(n, [only_a, only_b, 1 - only_a - only_b])
        return paired_difference(int(a), int(b), n)[1:]

    return interval


def by_bootstrap(n: int, only_a: float, only_b: float) -> Interval:
    def interval(generator: np.random.Generator) -> tuple[float, float]:
        a, b, both = generator.multinomial(n, [only_a, only_b, 1 - only_a - only_b])
        return bootstrap_mean(np.repeat([1.0, -1.0, 0.0], [a, b, both]), draws=500)[1:]

    return interval


@pytest.mark.parametrize(("number", "spread"), [(3, 0.02), (5, 0.0)])
def test_the_bootstrap_over_images_and_seeds_covers(number: int, spread: float) -> None:
    """Images of various difficulty, and networks whose seeds are better or worse by `spread` (one deviation)."""

    def interval(generator: np.random.Generator) -> tuple[float, float]:
        easy = generator.beta(4, 1, 300) * 0.9
        shifts = generator.normal(0, spread, (2, number))
        a, b = (
            np.array([generator.random(300) < np.clip(easy + gain + shift, 0, 1) for shift in row])
            for gain, row in zip((0.05, 0.0), shifts, strict=True)
        )
        test = student(a.mean(axis=1).tolist(), b.mean(axis=1).tolist())
        by_image = (a.mean(axis=0) - b.mean(axis=0)).round(9)
        return bootstrap_mean(by_image, error=test.error, freedom=test.freedom, draws=500)[1:]

    share = covered(np.random.default_rng(6), interval, 0.05, draws=400)
    assert share > 0.94


def test_the_bootstrap_is_that_of_drawn_indices() -> None:
    """Drawing equal values together, as counts, is the bootstrap of single images."""
    values = np.repeat([1.0, 0.0, -1.0], [40, 250, 10])
    generator = np.random.default_rng(7)
    means = values[generator.integers(0, values.size, (4_000, values.size))].mean(axis=1)
    value, low, high = bootstrap_mean(values)
    assert value == pytest.approx(0.1)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, (0.025, 0.975))), abs=0.006)
    assert bootstrap_mean(values) == (value, low, high)
