"""Metrics and statistics, by hand and against statsmodels and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from report.evidence.metrics import (
    class_counts,
    confusion,
    top_confusions,
    top_k,
)
from report.evidence.statistics import difference, mcnemar, mean_interval, probability_extreme, wilson

PREDICTED = np.array([0, 0, 1, 1, 1, 2])
LABELS = np.array([0, 0, 0, 1, 2, 2])


def test_counts_and_confusions_by_hand() -> None:
    right, images = class_counts(PREDICTED, LABELS, 4)
    assert right.tolist() == [2, 1, 1, 0] and images.tolist() == [3, 1, 2, 0]
    matrix = confusion(PREDICTED, LABELS, 3)
    assert matrix.tolist() == [[2, 1, 0], [0, 1, 0], [0, 1, 1]]
    assert top_confusions(matrix, 5) == [(0, 1, 1), (2, 1, 1)]
    assert matrix.trace() == 4, "finding confusions leaves the matrix alone"


def test_top_k_by_hand() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.0, 0.4, 0.6]])
    labels = np.array([0, 2, 0])
    assert top_k(probabilities, labels, 1).tolist() == [True, False, False]
    assert top_k(probabilities, labels, 2).tolist() == [True, True, False]
    assert top_k(probabilities, labels, 9).all()


@pytest.mark.parametrize(("right", "n"), [(0, 10), (10, 10), (1, 3), (81, 100), (1590, 2000)])
def test_wilson_is_statsmodels(right: int, n: int) -> None:
    assert wilson(right, n) == pytest.approx(proportion_confint(right, n, method="wilson"), abs=1e-12)


@pytest.mark.parametrize(("right", "n"), [(-1, 3), (4, 3), (0, 0)])
def test_what_is_no_proportion_is_refused(right: int, n: int) -> None:
    with pytest.raises(ValueError, match="no proportion"):
        wilson(right, n)


@pytest.mark.parametrize("counts", [(90, 100, 80, 100), (0, 20, 5, 30), (2465, 3000, 1590, 2000)])
def test_the_difference_is_newcombes(counts: tuple[int, int, int, int]) -> None:
    a, n, b, m = counts
    gap, low, high = difference(a, n, b, m)
    assert gap == pytest.approx(a / n - b / m)
    assert (low, high) == pytest.approx(confint_proportions_2indep(a, n, b, m, method="newcomb"), abs=1e-9)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (5, 1), (3, 3), (412, 137), (1600, 1500)])
def test_mcnemar_is_the_exact_binomial_one(only_a: int, only_b: int) -> None:
    right_a = np.array([True] * only_a + [False] * only_b + [True, False])
    right_b = np.array([False] * only_a + [True] * only_b + [True, False])
    found = mcnemar(right_a, right_b)
    assert (found.only_a, found.only_b) == (only_a, only_b)
    if only_a + only_b:
        expected = reference_mcnemar([[1, only_a], [only_b, 1]], exact=True).pvalue
        assert found.p == pytest.approx(min(1.0, expected), rel=1e-6)
    else:
        assert found.p == 1


def test_the_mean_over_seeds_has_students_interval() -> None:
    for n in (2, 5, 31, 32, 60):
        values = np.random.default_rng(n).normal(size=n)
        expected = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
        assert mean_interval(values.tolist()) == pytest.approx((values.mean(), *expected), abs=1e-3)


def test_the_probability_of_being_best_grows_with_evidence() -> None:
    few = probability_extreme([6, 5], [10, 10], 0, best=True)
    many = probability_extreme([600, 500], [1000, 1000], 0, best=True)
    assert 0.5 < few < 0.8 < 0.999 < many
    assert probability_extreme([600, 500], [1000, 1000], 1, best=False) == many
    assert sum(probability_extreme([6, 5, 7], [10, 10, 10], i, best=False) for i in range(3)) == pytest.approx(1)
