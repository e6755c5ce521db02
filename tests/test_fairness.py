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
from tests.command import translated
from tests.fabricate_tuning import SEARCH, TRIALS
from tests.reports import ENGLISH, Make, make_lab, says, shown, told

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
    rows = [row for row in hyperparameter_table(data.parts["2_1"], ENGLISH).rows if row.get("mark")]
    return {str(row["name"]): {key: shown(cell) for key, cell in row.items()} for row in rows}


def test_equal_trainings_have_no_confounder_and_one_network_is_compared_with_none(edited: Make) -> None:
    data = edited()
    assert confounders(data) == {} and marked(data) == {}
    table = hyperparameter_table(data.parts["2_1"], ENGLISH)
    assert [column.key for column in table.columns] == ["name", "alexnet", "vgg19", "resnet50"]
    assert len(table.rows) == len(RECIPE)
    spanish = "Nada de lo que quedó registrado difiere entre las redes"
    told(data, ("activity-09", spanish, "Nothing that was recorded differs between the networks"))
    alone = edited(networks={"clothes": ["vgg19"], "digits": ["alexnet"]})
    assert "What else differed" not in says(alone, "activity-09", "en") and marked(alone) == {}


def test_different_epochs_confound_and_a_recipe_of_its_own_is_a_legitimate_choice(edited: Make) -> None:
    data = edited({"resnet50": lambda spec, resolved: resolved.update(epochs_planned=3, epochs_requested=3)})
    assert list(marked(data)["Epochs"].values())[1:] == [6, 6, 3, "confounds the comparison"]
    told(
        data,
        ("activity-09", "Épocas (AlexNet: 6; VGG-19: 6; ResNet-50: 3): no es una comparación tras un",
         "Epochs (AlexNet: 6; VGG-19: 6; ResNet-50: 3): this is no comparison after equal training"),
        ("conclusions", "Esta comparación tiene además factores de confusión: épocas.",
         "differ in what confounds this comparison: epochs."),
    )  # fmt: skip
    data = edited({"vgg19": lambda spec, resolved: spec["recipe"].update(optimizer="adam", learning_rate=1e-3)})
    found = fairness(data.parts["2_1"], ENGLISH)
    assert found["confounders"] == [] and found["recipe"] == ["optimiser", "peak learning rate", "momentum"]
    row = marked(data)["Optimiser"]
    assert (row["alexnet"], row["vgg19"], row["mark"]) == ("SGD with momentum", "Adam", "differs")
    spanish = "es una elección legítima y no una injusticia"
    told(data, ("activity-09", spanish, "is a legitimate choice and no unfairness"))


@pytest.mark.parametrize(
    ("edit", "name", "words"),
    [
        (lambda spec, _: spec["recipe"].update(weights="imagenet"), "Initial weights", "learned from other images"),
        (lambda spec, _: spec["recipe"].update(augmentation=[]), "Augmentation", "different variants of the images"),
        (lambda spec, _: spec["recipe"].update(frozen=True), "Base frozen", "fit all their layers"),
        (lambda spec, _: spec["recipe"].update(frozen_epochs=2), "First epochs with the base frozen", "all layers learn"),
        (lambda spec, _: spec["data"].update(image_size=64), "Side of the images", "do not compare"),
        (lambda _, resolved: resolved.update(precision="float32"), "Precision", "training times do not compare"),
    ],
)  # fmt: skip
def test_data_machine_and_earlier_training_confound(edited: Make, edit: Edit, name: str, words: str) -> None:
    data = edited({"alexnet": edit})
    (one,) = confounders(data).values()
    assert one["what"] == name and words in one["confounds"]
    assert [entry["network"] for entry in one["each"]] == ["AlexNet", "VGG-19", "ResNet-50"]
    assert marked(data)[name]["mark"] == "confounds the comparison"


def test_a_search_and_folds_of_one_network_only(edited: Make) -> None:
    data = edited(searches={"vgg19": {"search": SEARCH, "trials": TRIALS}}, folds={"alexnet": [0.6, 0.7, 0.65]})
    assert list(confounders(data)) == ["Trials of a search", "Folds trained"]
    text = f"Trials of a search (AlexNet: none; VGG-19: {len(TRIALS)}; ResNet-50: none)"
    assert text in says(data, "activity-09", "en")


def test_seeds_mirrored_answers_times_and_departures(edited: Make) -> None:
    data = edited(seeds=range(2))
    part = data.parts["2_1"]
    for run in part.of("vgg19"):
        object.__setattr__(run, "flip", True)
        run.run.manifest["seconds"] = 100.0 + 50 * run.seed  # type: ignore[index]
        run.run.manifest["resolved"]["epochs_planned"] = 4 + run.seed  # type: ignore[index]
        run.architecture.manifest["adaptations"] = [  # type: ignore[index]
            {"code": "batch_norm", "published": "none", "used": "after each convolution"},
            {"code": "classes", "published": "1000", "used": "4"},
        ]
    object.__setattr__(part, "runs", tuple(run for run in part.runs if (run.network, run.seed) != ("alexnet", 1)))
    found, times = marked(data), fairness(part, ENGLISH)
    assert {name: (row["alexnet"], row["vgg19"]) for name, row in found.items()}.items() >= {
        "Seeds": ("0", "0 and 1"), "Answers averaged with the mirror image's": ("no", "yes"),
        "Batch normalisation": ("as published", "after each convolution"),
    }.items()  # fmt: skip
    assert (found["Epochs"]["vgg19"], found["Training time"]["vgg19"]) == ("4 to 5 of 6", 125)
    assert found["Training time"]["mark"] == "differs" and "Classes of the last layer" not in found
    assert (times["slowest"], times["longest"].value, times["longest"].n) == ("VGG-19", 125, 2)
    assert "batch normalisation" in times["design"]


def test_every_recipe_key_has_one_row_and_every_message_is_spanish() -> None:
    assert set(RECIPE) == set(Recipe.model_fields)
    rows = [*RECIPE.values(), *BESIDE]
    assert len({row.name for row in rows}) == len(rows)
    assert all(translated(words) for row in rows for words in (row.name, row.confounds) if words)
