"""The memory of a training: predicted from its layers, and what the machine has."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from cnnlab.architectures.table import publish_architecture
from cnnlab.spec import DatasetSpec, NetworkOptions, Recipe, RunSpec
from cnnlab.store.store import RunStore
from cnnlab.training import memory


@pytest.mark.parametrize(
    ("network", "size", "recipe", "measured"),
    [
        ("alexnet", 32, {"optimizer": "adam", "precision": "mixed_bfloat16"}, 2.29),
        ("vgg19", 32, {"optimizer": "adam", "precision": "mixed_bfloat16"}, 2.48),
        ("resnet50", 32, {"optimizer": "adam", "precision": "mixed_bfloat16"}, 2.39),
    ],
)
def test_the_prediction_is_near_what_was_measured(
    network: str, size: int, recipe: dict[str, object], measured: float, tmp_path: Path
) -> None:
    """Peaks of `cnnlab run` where the lab had several trainings, in GiB, on two cores."""
    options = {"image_size": size, "classes": 10, "options": NetworkOptions()}
    architecture = publish_architecture(RunStore(tmp_path), network, **options)  # type: ignore[arg-type]
    data = DatasetSpec(reader="any", image_size=size)
    spec = RunSpec(dataset="any", data=data, network=network, recipe=Recipe.model_validate(recipe))
    assert memory.predicted_gib(spec, architecture) == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize(
    ("limit", "expected"), [(None, (24.0, 8.0)), ("max\n", (24.0, 8.0)), (str(4 << 30), (4.0, 4.0))]
)
def test_a_container_has_no_more_than_its_limit(
    limit: str | None, expected: tuple[float, float], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=16 << 30, available=8 << 30))
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(total=8 << 30))
    monkeypatch.setattr(memory, "CONTAINER_LIMIT", tmp_path / "memory.max")
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit)
    assert memory.machine_gib() == expected
