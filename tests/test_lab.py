"""The lab file: what it becomes, and one clear message for each way of getting it wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnlab.errors import LabError
from cnnlab.lab import load_lab, shipped_labs
from tests import lab_keys

WriteLab = Callable[..., Path]


def test_a_lab_becomes_specs_in_file_order(write_lab: WriteLab) -> None:
    path = write_lab(
        {
            'networks = ["alexnet"]': 'networks = ["resnet50", "alexnet"]',
            'title = "A test"': 'title = "A test"\nseeds = [3, 4]',
        }
    )
    specs = load_lab(str(path)).run_specs()
    assert [(spec.network, spec.seed) for spec in specs] == [
        ("resnet50", 3), ("resnet50", 4), ("alexnet", 3), ("alexnet", 4)
    ]  # fmt: skip
    assert specs[0].recipe.epochs == 2
    assert specs[0].data.image_size == 32


def test_paths_are_relative_to_the_lab_and_expand(write_lab: WriteLab, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_lab()
    assert load_lab(str(path)).file.datasets["shapes"].path == path.parent / "images"
    monkeypatch.setenv("PHOTOS", "/somewhere")
    path = write_lab({'path = "images"': 'path = "$PHOTOS/x"'})
    assert load_lab(str(path)).file.datasets["shapes"].path == Path("/somewhere/x")


def test_a_profile_names_the_outputs_and_set_overrides_it(write_lab: WriteLab) -> None:
    path = write_lab(extra="[profiles.quick.recipes.short]\nepochs = 1\n")
    lab = load_lab(str(path), profile="quick")
    assert (lab.file.recipes["short"].epochs, lab.file.recipes["short"].learning_rate) == (1, 0.01)
    assert lab.stem == "mine-quick" and lab.templates == path.parent / "mine" / "templates"
    overrides = ["recipes.short.epochs=7", "lab.title=Otra", 'recipes.short.augmentation=["flip"]']
    file = load_lab(str(path), profile="quick", overrides=overrides).file
    assert (file.recipes["short"].epochs, file.lab.title) == (7, "Otra")
    assert file.recipes["short"].augmentation == ("flip",)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epochs = 2", "epoch = 2", ["unknown key", "recipes.short.epoch", "did you mean “epochs”"]),
        ("epochs = 2", "epochs = -2", ["wrong value", "recipes.short.epochs", "-2", "greater than or equal to 1"]),
        ("epochs = 2", 'epochs = "two"', ["recipes.short.epochs", "'two'", "integer"]),
        ('["alexnet"]', '["alexnett"]', ["unknown network", "runs.0.networks", "alexnett", "did you mean “alexnet”"]),
        ('recipe = "short"', 'recipe = "shart"', ["unknown recipe", "runs.0.recipe", "did you mean “short”"]),
        (
            'reader = "folder"',
            'reader = "foldr"',
            ["unknown reader", "datasets.shapes.reader", "did you mean “folder”"],
        ),
        ('part_2_1 = "shapes"', 'part_2_1 = "shape"', ["report.part_2_1", "did you mean “shapes”"]),
        ('part_2_1 = "shapes"', 'part_2_1 = "shapes"\nprimary_2_1 = "vgg19"', ["report.primary_2_1", "alexnet"]),
        ("train = 0.6", "train = 0.7", ["datasets.shapes.split", "add up to 1.1"]),
        ('title = "A test"', "", ["lacks a key", "lab.title"]),
        ("[recipes.short]", "[recipes.short", ["not valid TOML", "line"]),
        ("learning_rate = 0.01", "learning_rate = nan", ["recipes.short.learning_rate"]),
    ],
)
def test_a_wrong_lab_is_one_clear_message(write_lab: WriteLab, old: str, new: str, said: list[str]) -> None:
    path = write_lab({old: new})
    with pytest.raises(LabError) as caught:
        load_lab(str(path))
    message = str(caught.value)
    assert str(path) in message
    for part in said:
        assert part in message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("demmo", {}, "did you mean “demo”"),
        ("mine.toml", {"profile": "quik"}, "did you mean “quick”"),
        ("mine.toml", {"overrides": ["epochs"]}, "a key and a value"),
        ("mine.toml", {"overrides": ["a." * 20 + "b=1"]}, "a key and a value"),
        ("a\0b.toml", {}, "no such path"),
    ],
)
def test_a_wrong_call_is_refused(write_lab: WriteLab, name: str, options: dict[str, Any], said: str) -> None:
    path = write_lab(extra="[profiles.quick.recipes.short]\nepochs = 1\n")
    with pytest.raises(LabError, match=said):
        load_lab(name.replace("mine.toml", str(path)), **options)


@pytest.mark.parametrize("name", shipped_labs())
def test_every_shipped_lab_is_valid(name: str) -> None:
    lab = load_lab(name)
    assert lab.run_specs()
    assert lab.path.read_text(encoding="utf-8").startswith("# "), "the header says the command, its cost and its result"


def test_the_page_of_the_lab_file_has_every_key_as_the_types_have_it() -> None:
    page = lab_keys.PAGE.read_text(encoding="utf-8")
    assert page == lab_keys.written(page), "write it anew: python -m tests.lab_keys"
    fields = [field for model in lab_keys.TABLES.values() for field in model.model_fields.values()]
    assert all(field.description for field in fields)
