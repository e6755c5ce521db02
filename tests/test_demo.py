"""The demo learns what the README says: of the records that `make report` left, so that needs no second training."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest

from report.evidence.statistics import wilson
from tests.command import ROOT

LOCK = ROOT / "runs" / "labs" / "demo.json"
ROW = re.compile(
    r"^\| (?P<run>[\w-]+ on [\w-]+) \| (?P<share>[\d.]+)% \((?P<low>[\d.]+)–(?P<high>[\d.]+)\) \|", re.MULTILINE
)
STATED = {row["run"]: row for row in ROW.finditer((ROOT / "README.md").read_text(encoding="utf-8"))}


def test_the_readme_states_five_accuracies() -> None:
    assert len(STATED) == 5


@pytest.mark.skipif(not LOCK.exists(), reason="make report trains the demo, and was not called here")
def test_every_network_is_where_the_readme_says_and_beats_the_linear_classifier() -> None:
    lock = json.loads(LOCK.read_bytes())
    assert len(lock["runs"]) == 5
    for entry in lock["runs"]:
        name = f"{entry['network']} on {entry['dataset']}"
        assert entry["evaluation"], f"{name}: {entry.get('problem')}"
        predictions = np.load(ROOT / "runs/evaluations" / entry["evaluation"] / "predictions.npz", allow_pickle=False)
        linear = np.load(
            ROOT / "runs/baselines" / lock["baselines"][entry["dataset"]] / "predictions.npz", allow_pickle=False
        )
        labels = predictions["test_labels"]
        right = predictions["test_probabilities"].argmax(axis=1) == labels
        baseline = linear["test_predicted"] == labels
        # Another precision rounds otherwise, which is as another seed: the two intervals have to meet.
        low, high = wilson(int(right.sum()), len(right))
        assert float(STATED[name]["low"]) <= 100 * high and 100 * low <= float(STATED[name]["high"]), (
            f"{name}: {right.mean():.4f}"
        )
        only, other = int((right & ~baseline).sum()), int((baseline & ~right).sum())
        chance = sum(math.comb(only + other, k) for k in range(only, only + other + 1)) / 2 ** (only + other)
        assert chance < 0.025, f"{name} beats the linear classifier by {only - other} images, p = {chance:.3f}"
