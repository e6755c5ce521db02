"""What differed between compared networks besides the architecture, and what the report says that it confounds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore
from report.activities.fairness import ASPECTS, DESIGN, audit, confounders, fairness, fairness_table
from report.activities.hyperparameters import HYPERPARAMETERS
from report.data.records import LabData, Part, open_lab
from report.document.assembly import assemble
from report.document.model import Document, Prose
from report.evidence.language import Language
from report.evidence.quantity import Quantity, Table
from tests.fabricate import write_store
from tests.fabricate_tuning import SEARCH, TRIALS

ENGLISH, SPANISH = Language("en"), Language("es")
NETWORKS = {"clothes": ["alexnet", "vgg19", "resnet50"], "digits": ["alexnet"]}


class Changed:
    """A store whose runs of one network have other recipes, options or outcomes than the rest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, edits: Mapping[str, Callable[[dict[str, Any], dict[str, Any]], None]] | None = None,
                 **store: Any) -> LabData:  # fmt: skip
        root = self.folder / f"runs-{len(list(self.folder.iterdir()))}"
        write_store(root, **{"networks": NETWORKS, **store})
        data = open_lab(RunStore(root), "demo")
        for run in data.parts["2_1"].runs:
            if edit := (edits or {}).get(run.network):
                spec, manifest = json.loads(json.dumps(run.spec)), json.loads(json.dumps(run.run.manifest))
                edit(spec, manifest["resolved"])
                run.__dict__["spec"] = spec
                run.run.manifest.update(manifest)  # type: ignore[attr-defined]
        return data


@pytest.fixture
def lab(tmp_path: Path) -> Changed:
    return Changed(tmp_path)


def part_of(data: LabData) -> Part:
    return data.parts["2_1"]


def rows(table: Table) -> dict[str, dict[str, Any]]:
    return {
        str(row["aspect"]): {
            key: cell.value if isinstance(cell, Quantity) else cell for key, cell in row.items() if key != "aspect"
        }
        for row in table.rows
    }


def says(data: LabData, key: str, code: str) -> str:
    made = load_lab("demo", overrides=[f"lab.language={code}"])
    document: Document = assemble(data, made, Language(code))
    text = " ".join(piece.markdown for piece in document.section(key).pieces if isinstance(piece, Prose))
    return " ".join(text.replace("\\", "").replace("*", "").replace("\N{NO-BREAK SPACE}", " ").split())


def placed(data: LabData) -> set[str]:
    return {item.name for item in assemble(data, load_lab("demo"), ENGLISH).section("activity-09").items}


def test_equal_trainings_have_no_confounder(lab: Changed) -> None:
    data = lab()
    assert confounders(part_of(data), ENGLISH) == []
    table = fairness_table(part_of(data), ENGLISH)
    assert table.caption == "Besides the networks, nothing that confounds their comparison on Clothes differs"
    assert rows(table) == {}
    assert table.note.startswith("The same for all: side of the images; epochs planned; augmentation; initial weights")
    assert "Nothing that was recorded differs between the networks" in says(data, "activity-09", "en")
    assert "Nada de lo que quedó registrado difiere entre las redes" in says(data, "activity-09", "es")
    assert "fairness" not in placed(data)


def test_differences_that_do_not_confound_are_shown_as_such(lab: Changed) -> None:
    data = lab({"vgg19": lambda spec, resolved: resolved.update(epochs_run=4)})
    assert rows(fairness_table(part_of(data), ENGLISH)) == {
        "Epochs run": {"alexnet": 6, "vgg19": 4, "resnet50": 6, "kind": "outcome of training"}
    }
    assert "Nothing in it confounds their comparison" in says(data, "activity-09", "en")
    assert "No hay entre ello factores de confusión" in says(data, "activity-09", "es")
    assert "fairness" in placed(data)


def test_different_epochs_confound_and_say_what(lab: Changed) -> None:
    data = lab({"resnet50": lambda spec, resolved: resolved.update(epochs_planned=3, epochs_run=3)})
    found = rows(fairness_table(part_of(data), ENGLISH))
    assert found["Epochs planned"] == {"alexnet": 6, "vgg19": 6, "resnet50": 3, "kind": "confounder"}
    assert found["Epochs run"]["kind"] == "outcome of training"
    english, spanish = says(data, "activity-09", "en"), says(data, "activity-09", "es")
    assert "Epochs planned (AlexNet: 6; VGG-19: 6; ResNet-50: 3): this is no comparison after equal training" in english
    assert "Épocas planificadas (AlexNet: 6; VGG-19: 6; ResNet-50: 3): no es una comparación tras un" in spanish
    assert "differ in what confounds this comparison: epochs planned." in says(data, "conclusions", "en")
    assert "Esta comparación tiene además factores de confusión: épocas planificadas." in says(
        data, "conclusions", "es"
    )


def test_a_recipe_of_its_own_is_a_legitimate_choice(lab: Changed) -> None:
    data = lab({"vgg19": lambda spec, resolved: spec["recipe"].update(optimizer="adam", learning_rate=1e-3)})
    found = fairness(part_of(data), ENGLISH)
    assert found["confounders"] == [] and found["recipe"] == ["optimiser", "peak learning rate", "momentum"]
    assert rows(fairness_table(part_of(data), ENGLISH))["Optimiser"] == {
        "alexnet": "SGD with momentum", "vgg19": "Adam", "resnet50": "SGD with momentum", "kind": "choice of recipe",
    }  # fmt: skip
    assert "is a legitimate choice and no unfairness" in says(data, "activity-09", "en")
    assert "es una elección legítima y no una injusticia" in says(data, "activity-09", "es")


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        ({"weights": "imagenet"}, "Initial weights", "learned from other images"),
        ({"augmentation": []}, "Augmentation", "different variants of the images"),
        ({"frozen": True}, "Base frozen", "fit all their layers"),
        ({"frozen_epochs": 2}, "First epochs with the base frozen", "in which all layers learn"),
    ],
)
def test_data_and_earlier_training_confound(lab: Changed, change: dict[str, Any], name: str, words: str) -> None:
    data = lab({"alexnet": lambda spec, resolved: spec["recipe"].update(change)})
    (one,) = fairness(part_of(data), ENGLISH)["confounders"]
    assert one["what"] == name and words in one["confounds"]
    assert [entry["network"] for entry in one["each"]] == ["AlexNet", "VGG-19", "ResNet-50"]


def test_precision_and_size_are_those_of_the_runs(lab: Changed) -> None:
    data = lab({
        "alexnet": lambda spec, resolved: (resolved.update(precision="float32"), spec["data"].update(image_size=64)),
    })  # fmt: skip
    assert confounders(part_of(data), ENGLISH) == ["side of the images", "precision"]
    assert rows(fairness_table(part_of(data), ENGLISH))["Precision"]["alexnet"] == "float32"


def test_a_search_and_folds_of_one_network_only(lab: Changed) -> None:
    data = lab(searches={"vgg19": {"search": SEARCH, "trials": TRIALS}}, folds={"alexnet": [0.6, 0.7, 0.65]})
    found = {one["what"]: one for one in fairness(part_of(data), ENGLISH)["confounders"]}
    assert list(found) == ["Trials of a search", "Folds trained"]
    trials = {one["network"]: one["value"] for one in found["Trials of a search"]["each"]}
    assert trials["AlexNet"] == "none" and trials["VGG-19"].value == len(TRIALS)
    assert "gains by more tuning" in found["Trials of a search"]["confounds"]
    text = says(data, "activity-09", "en")
    assert f"Trials of a search (AlexNet: none; VGG-19: {len(TRIALS)}; ResNet-50: none)" in text


def test_mirrored_answers_and_seeds_of_some_networks(lab: Changed) -> None:
    data = lab(seeds=range(2))
    part = part_of(data)
    runs = tuple(run for run in part.runs if (run.network, run.seed) != ("vgg19", 1))
    for run in runs:
        object.__setattr__(run, "flip", run.network == "vgg19")
    found = rows(fairness_table(Part(key="2_1", dataset=part.dataset, runs=runs, primary=None, problems={}), ENGLISH))
    assert (found["Seeds"]["alexnet"], found["Seeds"]["vgg19"]) == ("0 and 1", "0")
    assert found["Answers averaged with the mirror image's"]["vgg19"] == "yes"


def test_epochs_that_differ_between_seeds_are_a_range_and_times_are_averaged(lab: Changed) -> None:
    data = lab(seeds=range(2))
    for run in part_of(data).of("vgg19"):
        run.run.manifest["resolved"]["epochs_run"] = 4 + run.seed  # type: ignore[index]
        run.run.manifest["seconds"] = 100.0 + 50 * run.seed  # type: ignore[index]
    found = rows(fairness_table(part_of(data), ENGLISH))
    assert found["Epochs run"]["vgg19"] == "4 to 5"
    assert found["Training time"]["vgg19"] == 125
    times = fairness(part_of(data), ENGLISH)
    assert (times["slowest"], times["longest"].value, times["longest"].n) == ("VGG-19", 125, 2)


def test_one_network_is_compared_with_none(lab: Changed) -> None:
    data = lab(networks={"clothes": ["vgg19"], "digits": ["alexnet"]})
    assert "What else differed" not in says(data, "activity-09", "en")
    assert "fairness" not in placed(data)


def test_every_departure_that_was_decided_has_a_row(lab: Changed) -> None:
    data = lab()
    for run in part_of(data).of("vgg19"):
        run.architecture.manifest["adaptations"] = [  # type: ignore[index]
            {"code": "batch_norm", "published": "none", "used": "after each convolution"},
            {"code": "classes", "published": "1000", "used": "4"},
        ]
    found = rows(fairness_table(part_of(data), ENGLISH))
    assert found["Batch normalisation"]["vgg19"] == "after each convolution"
    assert found["Batch normalisation"]["alexnet"] == "as published"
    assert "Classes of the last layer" not in found
    assert "batch normalisation" in fairness(part_of(data), ENGLISH)["design"]


def test_every_recipe_key_is_looked_at_once_and_every_message_is_spanish(lab: Changed) -> None:
    names = [aspect.name for aspect in ASPECTS]
    assert len(names) == len(set(names))
    assert {name for key, (name, _) in HYPERPARAMETERS.items() if key != "epochs"} <= set(names)
    for aspect in ASPECTS:
        assert all(SPANISH.has(words) for words in (aspect.name, aspect.kind, aspect.confounds) if words), aspect
        assert bool(aspect.confounds) == (aspect.kind == "confounder")
    assert all(one.cells for one in audit(part_of(lab()), SPANISH)) and len(DESIGN) == 6
