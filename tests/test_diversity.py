"""How varied classes are: on made images whose variety is known."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from test_baseline import a_table, parts, publish

from cnnlab.evaluation.diversity import class_diversity
from cnnlab.store.store import RunStore


def test_it_is_the_root_mean_square_distance_over_that_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 2])
    seen = rng.normal(0, 1, (8, 5)) * np.array([1, 1, 1, 4, 4, 4, 4, 1])[:, None]

    def distance(rows: np.ndarray) -> float:
        return float(np.sqrt(np.mean([((a - b) ** 2).sum() for a, b in itertools.combinations(rows, 2)])))

    found = class_diversity(seen, labels, 4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:2], [distance(seen[labels == i]) / distance(seen) for i in (0, 1)], rtol=1e-6)
    assert found[0] < found[1] and np.isnan(found[2:]).all(), "one image, and none, have no distance"


def test_equal_images_have_no_variety_and_an_even_set_none_that_is_relative() -> None:
    seen = np.repeat([[1.0, 2.0], [3.0, 4.0]], 3, axis=0)
    assert class_diversity(seen, np.repeat([0, 1], 3), 2).tolist() == [0, 0]
    assert np.isnan(class_diversity(np.ones((4, 2)), np.repeat([0, 1], 2), 2)).all()


def test_the_record_of_the_baselines_holds_it_of_training_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    images = np.full((60, 16, 16, 3), 90, np.uint8) + rng.integers(0, 3, (60, 16, 16, 3), dtype=np.uint8)
    images[labels == 1] = rng.integers(0, 256, (30, 1, 1, 3), dtype=np.uint8)  # one colour each, of all colours
    record = publish(RunStore(tmp_path), a_table(images, labels, 2), parts(40, 10, 10))
    even, varied = record.arrays("diversity.npz")["train"]
    assert even < 0.02 and varied == pytest.approx(1.4, abs=0.25)
