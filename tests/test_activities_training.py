"""Training, curves and data set: values by hand from the fabricated store, and what the prose makes of them."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from cnnlab.datasets.table import Finding
from cnnlab.spec import EarlyStopping, Recipe
from report.activities import curves, dataset, training
from report.activities import data_findings as findings
from report.activities.hyperparameters import RECIPE
from report.evidence.quantity import Evidence, Gallery, Table
from tests.command import translated
from tests.reports import ENGLISH, ONE, SPANISH, Make, row, says, told


def values(evidence: Evidence, *names: str) -> list[float]:
    return [evidence.names[name].value for name in names]


def epochs(*rows: tuple[float, float, float, float]) -> dict[str, Any]:
    """A history of (loss, val_loss, accuracy, val_accuracy), of which the lowest val_loss is kept."""
    keys = ("loss", "val_loss", "accuracy", "val_accuracy")
    best = min(range(len(rows)), key=lambda epoch: rows[epoch][1]) + 1
    return {
        "history": [dict(zip(keys, row, strict=True)) for row in rows],
        "resolved": {"best_epoch": best, "epochs_run": len(rows), "epochs_planned": len(rows)},
    }


OVERFITTED = epochs((1.2, 1.0, 0.5, 0.5), (0.6, 0.8, 0.8, 0.7), (0.2, 0.9, 0.95, 0.675))
IMPROVING = epochs((1.2, 1.3, 0.5, 0.4), (0.8, 0.9, 0.7, 0.6), (0.5, 0.6, 0.75, 0.75))
FLAT = epochs((1.2, 1.0, 0.5, 0.5), (0.6, 0.8, 0.8, 0.7), (0.5, 0.815, 0.8, 0.7))
SURE = epochs((1.2, 1.9, 0.5, 0.5), (0.6, 1.8, 0.8, 0.7), (0.5, 1.7, 0.9, 0.8))


# Training: activities 7 and 11


def test_split_time_and_steps_are_the_records(lab: Make) -> None:
    evidence = training.answer(lab(), ENGLISH, part="2_1")
    # 4 classes of 40 images, divided 20 / 10 / 10; six epochs of ten steps; 61.5 s for each of three networks.
    assert values(evidence, "train_images", "validation_images", "test_images", "classes") == [80, 40, 40, 4]
    assert values(evidence, "time", "time_of_all", "epoch_time", "speed") == [61.5, 184.5, 10.0, 130.0]
    assert values(evidence, "epochs_requested", "epochs_planned", "epochs_run", "best_epoch") == [6, 6, 6, 5]
    assert values(evidence, "batch_size", "steps_per_epoch", "updates", "cores") == [64, 10, 60, 2]
    assert values(evidence, "learning_rate", "momentum", "warmup", "patience") == [0.02, 0.9, 0.1, 3]
    assert evidence.names["time_of_all"].unit == "seconds" and len(evidence.names["time_of_all"].runs) == 3
    assert evidence.names["networks"] == ["AlexNet", "VGG-19", "ResNet-50"]
    assert evidence.names["stand_in_for"] == "mini-ImageNet" and evidence.names["same_recipe"]
    assert not evidence.names["shortened"] and not evidence.names["stopped_early"]


def test_every_hyper_parameter_has_its_row(lab: Make) -> None:
    assert set(RECIPE) == set(Recipe.model_fields)
    table = training.answer(lab(), ENGLISH, part="2_1").items["hyperparameters"]
    assert isinstance(table, Table)
    assert [column.head for column in table.columns] == ["Hyper-parameter", "AlexNet", "VGG-19", "ResNet-50"]
    assert len(table.rows) == len(Recipe.model_fields)
    assert all(set(one) == {"name", "alexnet", "vgg19", "resnet50"} for one in table.rows)


def test_times_have_one_row_a_training(lab: Make) -> None:
    evidence = training.answer(lab(seeds=(0, 1), **ONE), ENGLISH, part="2_1")
    table = evidence.items["times"]
    assert isinstance(table, Table)
    assert [one["network"] for one in table.rows] == ["VGG-19, seed 0", "VGG-19, seed 1"]
    assert row(evidence, "times", "VGG-19, seed 1") == {
        "network": "VGG-19, seed 1", "epochs": 6, "best": 5, "epoch": 10.0, "speed": 130.0, "total": 61.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "name", "expected"),
    [
        ({}, "Schedule", "warm-up, then cosine decay to zero"),
        ({"warmup": 0.0}, "Schedule", "cosine decay to zero"),
        ({"warmup": 0.0, "schedule": "constant"}, "Schedule", "constant"),
        ({"schedule": "constant"}, "Schedule", "warm-up, then constant"),
        ({}, "Momentum", 0.9),
        ({"optimizer": "adam"}, "Momentum", "does not apply"),
        ({"optimizer": "adamw"}, "Optimiser", "AdamW"),
        ({}, "Optimiser", "SGD with momentum"),
        ({"momentum": 0.0}, "Optimiser", "SGD"),
        ({}, "Early stopping", "validation loss, patience 3"),
        ({"early_stopping": None}, "Early stopping", "none"),
        (
            {"early_stopping": EarlyStopping(monitor="val_accuracy", patience=2, min_delta=0.01)},
            "Early stopping",
            "validation accuracy, patience 2, by more than 0.01",
        ),
        ({}, "Initial weights", "He normal, random"),
        ({"weights": "imagenet"}, "Initial weights", "ImageNet"),
        ({"weights": "/home/ana/vgg19.h5"}, "Initial weights", "vgg19.h5"),
        ({"augmentation": ("flip", "crop")}, "Augmentation", "random crop and horizontal flip"),
        ({"gradient_clip": 1.5}, "Gradient clipping", 1.5),
        ({"frozen": True}, "Base frozen", "yes"),
    ],
)  # fmt: skip
def test_hyper_parameters_are_shown_as_they_were(
    lab: Make, recipe: dict[str, Any], name: str, expected: object
) -> None:
    evidence = training.answer(lab(recipe=recipe, **ONE), ENGLISH, part="2_1")
    assert row(evidence, "hyperparameters", name)["vgg19"] == expected


SAID: dict[str, tuple[dict[str, Any], list[tuple[str, ...]]]] = {
    "Adam": ({"recipe": {"optimizer": "adam"}}, [("activity-07", "Se usó Adam sobre", "Adam on the cross entropy")]),
    "SGD": ({"recipe": {"momentum": 0.0}}, [("activity-07", "Se usó SGD sobre", "SGD on the cross entropy")]),
    "momentum": ({}, [
        ("activity-07", "SGD con momento (0,9)", "SGD with momentum (0.9)"), ("activity-11", "", "", "Labels"),
    ]),
    "smoothed labels and a stand-in": ({"recipe": {"label_smoothing": 0.1}, "dataset": {"stand_in_for": "Places-25"}}, [
        (key, es, en) for key in ("activity-07", "activity-11") for es, en in (
            ("Se suavizaron las etiquetas", "Labels were smoothed"), ("en lugar de Places-25", "in place of Places-25"),
        )
    ]),
    "a decayed rate": (IMPROVING, [
        (key, "planificar más desde el principio", "planned from the start") for key in ("activity-08", "activity-12")
    ]),
    "a constant rate": ({**IMPROVING, "recipe": {"schedule": "constant"}}, [
        (key, "más épocas podrían mejorarla", "more epochs might improve it") for key in ("activity-08", "activity-12")
    ]),
    "a high loss with right answers": (SURE, [
        ("activity-08", "la exactitud sí supera a la de responder", "accuracy does beat that of a constant", "apenas aprendió"),
    ]),
    **{
        f"{count} of {smallest} to {largest}": (
            {"findings": [{"kind": "resized", "severity": "info", "count": count, "sources": [], "detail": {
                "to": "32x32", "fit": "crop", "smallest": smallest, "largest": largest, "enlarged": 0,
            }}]},
            [("activity-10", *words), ("activity-10", "de este laboratorio, al azar", "this lab's, at random")],
        )
        for count, smallest, largest, words in (
            (120, "28x28", "28x28", ("Las imágenes originales miden 28×28", "The original images are 28×28")),
            (120, "20x28", "500x375", ("(el más frecuente es 28×28)", "(most often 28×28)")),
            (7, "28x28", "28x28", ("(el más frecuente es 28×28)", "(most often 28×28)")),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("case", SAID)
def test_what_sections_say(lab: Make, case: str) -> None:
    options, checks = SAID[case]
    told(lab(**options, **ONE), *checks)


def test_differing_recipes_are_named(lab: Make) -> None:
    data = lab()
    data.parts["2_1"].runs[0].spec["recipe"]["batch_size"] = 32
    data.parts["2_1"].runs[1].spec["recipe"]["learning_rate"] = 0.001
    evidence = training.answer(data, ENGLISH, part="2_1")
    assert not evidence.names["same_recipe"]
    assert evidence.names["differing"] == ["peak learning rate", "mini-batch"]
    told(data, ("activity-07", "comparar red y receta a la vez", "compares network and recipe at once"))


def test_one_of_anything_is_singular(lab: Make) -> None:
    one = {"best_epoch": 1, "epochs_run": 1, "epochs_planned": 1}
    data = lab(history=[{}], resolved=one, recipe={"early_stopping": EarlyStopping(patience=1)}, **ONE)
    for key in ("activity-07", "activity-08", "activity-11", "activity-12"):
        assert not re.search(r"\b1 (épocas|núcleos)", says(data, key, "es")), key
        assert not re.search(r"\b1 (epochs|cores)\b", text := says(data, key, "en")), text
        assert "still improving" not in text, "one epoch shows no course"


# Curves: activities 8 and 12


def test_curves_state_the_kept_and_the_last_epoch(lab: Make) -> None:
    evidence = curves.answer(lab(**OVERFITTED, **ONE), ENGLISH, part="2_1")
    assert list(evidence.items) == ["loss", "accuracy"]
    assert values(evidence, "epochs", "best_epoch", "lowest_epoch") == [3, 2, 2]
    assert values(evidence, "first_val_loss", "best_loss", "best_val_loss", "last_val_loss") == [1.0, 0.6, 0.8, 0.9]
    assert values(evidence, "best_accuracy", "best_val_accuracy", "last_val_accuracy") == [0.8, 0.7, 0.675]
    assert evidence.names["uniform_loss"].value == pytest.approx(math.log(4))
    gap = evidence.names["gap"]
    # 32 of 40 against 28 of 40: Newcombe's interval of the difference holds zero.
    assert (gap.value, gap.unit, gap.n) == (pytest.approx(0.1), "points", 80)
    assert gap.low < 0 < gap.high and not evidence.names["gap_is_real"]


@pytest.mark.parametrize(
    ("case", "true", "false"),
    [
        (OVERFITTED, {"overfits", "learned", "loss_fell"}, {"kept_is_last", "lowest_is_last"}),
        (IMPROVING, {"kept_is_last", "lowest_is_last", "learned", "decayed"}, {"overfits"}),
        (FLAT, {"learned"}, {"overfits", "lowest_is_last"}),  # 1.9 % above the minimum is no rise
        (SURE, {"learned", "learned_by_accuracy_only"}, {"overfits"}),
        (epochs((1.4, 1.4, 0.25, 0.25), (1.38, 1.39, 0.3, 0.3)), set(), {"learned", "learned_by_accuracy_only"}),
    ],
)  # fmt: skip
def test_what_curves_show(lab: Make, case: dict[str, Any], true: set[str], false: set[str]) -> None:
    names = curves.answer(lab(**case, **ONE), ENGLISH, part="2_1").names
    assert {key for key in true | false if names[key]} == true


def test_several_networks_are_compared_in_a_figure(lab: Make) -> None:
    evidence = curves.answer(lab(), ENGLISH, part="2_1")
    assert list(evidence.items) == ["loss", "accuracy", "networks"]
    assert {one["network"] for one in evidence.names["others"]} | {evidence.names["network"]} == {
        "AlexNet", "VGG-19", "ResNet-50",
    }  # fmt: skip


# The data set: activity 10


def test_the_data_set_is_counted(lab: Make) -> None:
    evidence = dataset.answer(lab(), SPANISH, part="2_2")
    assert values(evidence, "images", "classes", "mean", "fewest", "most", "used") == [120, 3, 40, 40, 40, 120]
    assert values(evidence, "train_images", "validation_images", "test_images") == [60, 30, 30]
    assert values(evidence, "width", "height", "size") == [28, 28, 32]
    assert evidence.names["balanced"] and evidence.names["uses_all"] and evidence.names["grey"]
    assert evidence.names["credit"] == "digits credit (MIT)"
    assert [(one.what, one.count.value) for one in evidence.names["findings"]] == [("duplicados exactos", 2)]
    assert row(evidence, "splits", "Entrenamiento") == {
        "split": "Entrenamiento", "images": 60, "share": 0.5, "mean": 20, "fewest": 20, "most": 20,
    }  # fmt: skip
    assert row(evidence, "classes", "2")["images"] == 40


def test_uneven_classes_are_counted(lab: Make) -> None:
    data = lab(**ONE)
    data.parts["2_2"].dataset.classes[0] |= {"images": 101, "train": 50}
    evidence = dataset.answer(data, ENGLISH, part="2_2")
    assert values(evidence, "images", "fewest", "most", "used") == [181, 40, 101, 150]
    assert evidence.names["mean"].value == pytest.approx(181 / 3)
    assert evidence.names["ratio"].value == pytest.approx(101 / 40)
    assert not evidence.names["nearly_balanced"] and not evidence.names["uses_all"]
    assert row(evidence, "splits", "Training")["share"] == pytest.approx(90 / 150)


def test_examples_are_of_ten_classes_at_most_and_say_so(lab: Make) -> None:
    many = lab(classes={"clothes": ["a", "b"], "digits": [f"class {i:02}" for i in range(30)]}, **ONE)
    evidence = dataset.answer(many, ENGLISH, part="2_2")
    examples, table = evidence.items["examples"], evidence.items["classes"]
    assert isinstance(examples, Gallery) and isinstance(table, Table)
    assert [one.label for one in examples.items] == [f"class {i:02}" for i in range(10) for _ in range(2)]
    assert "Of the 30 classes, the first 10" in examples.note
    assert len(table.rows) == 20


def test_every_finding_of_the_scan_has_words() -> None:
    kinds = set(re.findall(r'"([a-z-]+)"', str(Finding.__doc__).split("kind:")[1].split("severity:")[0]))
    details = [words for kind in findings.DETAILS.values() for words in kind.values()]
    assert len(kinds) > 20 and kinds | {"leak"} == set(findings.FINDINGS) and set(findings.DETAILS) <= kinds | {"leak"}
    for words in (*findings.FINDINGS.values(), findings.LEAK_EXCLUDED, *details, *dataset.ABSENT.values()):
        assert translated(words), words
