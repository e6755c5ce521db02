"""What differed between compared networks besides the architecture, and what the report says that it confounds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cnnlab.spec import Recipe
from report.activities.hyperparameters import BESIDE, RECIPE, fairness, hyperparameter_table
from report.data.records import LabData
from report.evidence.quantity import Quantity
from tests.command import translated
from tests.fabricate_tuning import SEARCH, TRIALS
from tests.reports import ENGLISH, Make, make_lab, says

NETWORKS = {"clothes": ["alexnet", "vgg19", "resnet50"], "digits": ["alexnet"]}
Edit = Callable[[dict[str, Any], dict[str, Any]], Any]


@pytest.fixture
def edited(tmp_path: Path) -> Make:
    """Makes a lab whose runs of some networks have other specs or outcomes than the rest."""

    def make(edits: Mapping[str, Edit] | None = None, **store: Any) -> LabData:
        data = make_lab(tmp_path, **{"networks": NETWORKS, **store})
        for run in data.parts["2_1"].runs:
            if edit := (edits or {}).get(run.network):
                spec, manifest = json.loads(json.dumps(run.spec)), json.loads(json.dumps(run.run.manifest))
                edit(spec, manifest["resolved"])
                run.__dict__["spec"] = spec
                run.run.manifest.update(manifest)  # type: ignore[attr-defined]
        return data

    return make


def confounders(data: LabData) -> dict[str, dict[str, Any]]:
    return {one["what"]: one for one in fairness(data.parts["2_1"], ENGLISH)["confounders"]}


def marked(data: LabData) -> dict[str, dict[str, Any]]:
    """The rows of the table of hyper-parameters that bear a mark."""
    return {
        str(row["name"]): {key: cell.value if isinstance(cell, Quantity) else cell for key, cell in row.items()}
        for row in hyperparameter_table(data.parts["2_1"], ENGLISH).rows
        if row.get("mark")
    }


def test_equal_trainings_have_no_confounder(edited: Make) -> None:
    data = edited()
    assert confounders(data) == {} and marked(data) == {}
    table = hyperparameter_table(data.parts["2_1"], ENGLISH)
    assert [column.key for column in table.columns] == ["name", "alexnet", "vgg19", "resnet50"]
    assert len(table.rows) == len(RECIPE)
    assert "Nothing that was recorded differs between the networks" in says(data, "activity-09", "en")
    assert "Nada de lo que quedó registrado difiere entre las redes" in says(data, "activity-09", "es")


def test_different_epochs_confound_and_say_what(edited: Make) -> None:
    data = edited({"resnet50": lambda spec, resolved: resolved.update(epochs_planned=3, epochs_requested=3)})
    row = marked(data)["Epochs"]
    assert (row["alexnet"], row["vgg19"], row["resnet50"], row["mark"]) == (6, 6, 3, "confounds the comparison")
    english, spanish = says(data, "activity-09", "en"), says(data, "activity-09", "es")
    assert "Epochs (AlexNet: 6; VGG-19: 6; ResNet-50: 3): this is no comparison after equal training" in english
    assert "Épocas (AlexNet: 6; VGG-19: 6; ResNet-50: 3): no es una comparación tras un" in spanish
    assert "differ in what confounds this comparison: epochs." in says(data, "conclusions", "en")
    assert "Esta comparación tiene además factores de confusión: épocas." in says(data, "conclusions", "es")


def test_a_recipe_of_its_own_is_a_legitimate_choice(edited: Make) -> None:
    data = edited({"vgg19": lambda spec, resolved: spec["recipe"].update(optimizer="adam", learning_rate=1e-3)})
    found = fairness(data.parts["2_1"], ENGLISH)
    assert found["confounders"] == [] and found["recipe"] == ["optimiser", "peak learning rate", "momentum"]
    row = marked(data)["Optimiser"]
    assert (row["alexnet"], row["vgg19"], row["mark"]) == ("SGD with momentum", "Adam", "differs")
    english, spanish = says(data, "activity-09", "en"), says(data, "activity-09", "es")
    assert "Nothing that differs confounds" in english and "is a legitimate choice and no unfairness" in english
    assert "es una elección legítima y no una injusticia" in spanish


@pytest.mark.parametrize(
    ("edit", "name", "words"),
    [
        (lambda spec, _: spec["recipe"].update(weights="imagenet"), "Initial weights", "learned from other images"),
        (lambda spec, _: spec["recipe"].update(augmentation=[]), "Augmentation", "different variants of the images"),
        (lambda spec, _: spec["recipe"].update(frozen=True), "Base frozen", "fit all their layers"),
        (
            lambda spec, _: spec["recipe"].update(frozen_epochs=2),
            "First epochs with the base frozen",
            "all layers learn",
        ),
        (lambda spec, _: spec["data"].update(image_size=64), "Side of the images", "do not compare"),
        (lambda _, resolved: resolved.update(precision="float32"), "Precision", "training times do not compare"),
    ],
)
def test_data_machine_and_earlier_training_confound(edited: Make, edit: Edit, name: str, words: str) -> None:
    data = edited({"alexnet": edit})
    (one,) = confounders(data).values()
    assert one["what"] == name and words in one["confounds"]
    assert [entry["network"] for entry in one["each"]] == ["AlexNet", "VGG-19", "ResNet-50"]
    assert marked(data)[name]["mark"] == "confounds the comparison"


def test_a_search_and_folds_of_one_network_only(edited: Make) -> None:
    data = edited(searches={"vgg19": {"search": SEARCH, "trials": TRIALS}}, folds={"alexnet": [0.6, 0.7, 0.65]})
    found = confounders(data)
    assert list(found) == ["Trials of a search", "Folds trained"]
    assert [getattr(one["value"], "value", one["value"]) for one in found["Trials of a search"]["each"]] == [
        "none", len(TRIALS), "none",
    ]  # fmt: skip
    text = says(data, "activity-09", "en")
    assert f"Trials of a search (AlexNet: none; VGG-19: {len(TRIALS)}; ResNet-50: none)" in text


def test_seeds_mirrored_answers_and_times(edited: Make) -> None:
    data = edited(seeds=range(2))
    part = data.parts["2_1"]
    for run in part.of("vgg19"):
        object.__setattr__(run, "flip", True)
        run.run.manifest["seconds"] = 100.0 + 50 * run.seed  # type: ignore[index]
        run.run.manifest["resolved"]["epochs_planned"] = 4 + run.seed  # type: ignore[index]
    object.__setattr__(part, "runs", tuple(run for run in part.runs if (run.network, run.seed) != ("alexnet", 1)))
    found = marked(data)
    assert (found["Seeds"]["alexnet"], found["Seeds"]["vgg19"]) == ("0", "0 and 1")
    assert found["Answers averaged with the mirror image's"]["vgg19"] == "yes"
    assert found["Epochs"]["vgg19"] == "4 to 5 of 6"
    assert (found["Training time"]["vgg19"], found["Training time"]["mark"]) == (125, "differs")
    times = fairness(part, ENGLISH)
    assert (times["slowest"], times["longest"].value, times["longest"].n) == ("VGG-19", 125, 2)


def test_one_network_is_compared_with_none(edited: Make) -> None:
    data = edited(networks={"clothes": ["vgg19"], "digits": ["alexnet"]})
    assert "What else differed" not in says(data, "activity-09", "en") and marked(data) == {}


def test_every_departure_that_was_decided_has_a_row(edited: Make) -> None:
    data = edited()
    for run in data.parts["2_1"].of("vgg19"):
        run.architecture.manifest["adaptations"] = [  # type: ignore[index]
            {"code": "batch_norm", "published": "none", "used": "after each convolution"},
            {"code": "classes", "published": "1000", "used": "4"},
        ]
    found = marked(data)
    assert found["Batch normalisation"]["vgg19"] == "after each convolution"
    assert found["Batch normalisation"]["alexnet"] == "as published"
    assert "Classes of the last layer" not in found
    assert "batch normalisation" in fairness(data.parts["2_1"], ENGLISH)["design"]


def test_every_recipe_key_has_one_row_and_every_message_is_spanish() -> None:
    assert set(RECIPE) == set(Recipe.model_fields)
    rows = [*RECIPE.values(), *BESIDE]
    assert len({row.name for row in rows}) == len(rows)
    assert all(translated(words) for row in rows for words in (row.name, row.confounds) if words)
