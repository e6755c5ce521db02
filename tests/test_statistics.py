"""Intervals and tests beyond those of `test_metrics`, by hand and against scipy and statsmodels."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from report.evidence.metrics import surest_mistakes
from report.evidence.statistics import (
    Z95,
    binomial_tail,
    mcnemar,
    mean_of_proportions,
    paired_difference,
    probability_extreme,
)


@pytest.mark.parametrize(("k", "n", "p"), [(0, 5, 0.3), (5, 5, 0.3), (41, 101, 1 / 9), (3, 900, 0.001)])
def test_the_tail_is_the_binomial_one(k: int, n: int, p: float) -> None:
    assert binomial_tail(k, n, p) == pytest.approx(stats.binom.sf(k - 1, n, p), rel=1e-9)


def test_paired_difference_is_bonett_and_prices_by_hand() -> None:
    value, low, high = paired_difference(30, 10, 98)
    half = Z95 * np.sqrt((0.31 + 0.11 - 0.2**2) / 100)
    assert value == pytest.approx(20 / 98)
    assert (low, high) == pytest.approx((0.2 - half, 0.2 + half))


def test_paired_difference_covers_the_true_one_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    draws = generator.multinomial(200, [0.12, 0.07, 0.81], size=2_000)
    bounds = [paired_difference(int(a), int(b), 200) for a, b, _ in draws]
    covered = np.mean([low <= 0.05 <= high for _, low, high in bounds])
    assert 0.935 < covered < 0.97


def test_equal_answers_differ_by_nothing_with_an_interval() -> None:
    value, low, high = paired_difference(0, 0, 50)
    assert value == 0 and low < 0 < high and low == -high


def test_mean_of_proportions_recovers_the_interval_of_one() -> None:
    assert mean_of_proportions([7], [10]) == pytest.approx((0.7, *proportion_confint(7, 10, method="wilson")))


def test_mean_of_proportions_by_hand() -> None:
    (l1, h1), (l2, h2) = (proportion_confint(k, 20, method="wilson") for k in (20, 10))
    expected = 0.75 - np.hypot(1 - l1, 0.5 - l2) / 2, 0.75 + np.hypot(h1 - 1, h2 - 0.5) / 2
    value, low, high = mean_of_proportions([20, 10], [20, 20])
    assert value == pytest.approx(0.75)
    assert (low, high) == pytest.approx(expected)


def test_there_is_no_mean_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one"):
        mean_of_proportions([], [])


def test_equal_classes_are_best_equally_often_however_many() -> None:
    assert probability_extreme([5] * 4, [10] * 4, 2, best=True) == pytest.approx(0.25, abs=0.02)
    assert probability_extreme([5] * 1000, [10] * 1000, 0, best=False) < 0.01


def test_the_surest_mistakes_come_first_and_right_answers_never() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.2, 0.8]])
    labels = np.array([0, 0, 1, 0])
    assert surest_mistakes(probabilities, labels, 9) == [1, 3, 2]
    assert surest_mistakes(probabilities, labels, 1) == [1]
    assert surest_mistakes(probabilities, np.array([0, 1, 0, 1]), 3) == []


def test_mcnemar_of_large_counts_stays_a_probability() -> None:
    right = np.array([True] * 30_000 + [False] * 30_000)
    assert mcnemar(right, ~right).p == 1
    assert 0 <= mcnemar(np.ones(40_000, bool), np.zeros(40_000, bool)).p < 1e-300


def test_statistics_import_neither_scipy_nor_statsmodels() -> None:
    code = (
        "import sys, report.evidence.statistics, report.activities; print({'scipy', 'statsmodels'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
