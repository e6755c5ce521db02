"""Folds, seeds, searches, predictions and uses of the test set: values by hand, and what the prose makes of them."""

from __future__ import annotations

import re
from statistics import mean, stdev
from typing import Any

import pytest
from scipy.stats import t as student

from cnnlab.spec import Range, SearchSpec
from report.activities import training
from report.activities.hyperparameters import AUGMENTATIONS, RECIPE
from report.evidence.quantity import Evidence, Figure
from report.evidence.statistics import wilson
from tests.command import translated
from tests.reports import ENGLISH, ONE, SPANISH, Make, column, document, table, told

BOTH = ("activity-07", "activity-11")
TWO: dict[str, Any] = {
    "networks": {"clothes": ["vgg19", "alexnet"], "digits": ["alexnet"]}, "skill": {"vgg19": 0.9, "alexnet": 0.4},
}  # fmt: skip


def answer(lab: Make, **options: Any) -> Evidence:
    return training.answer(lab(**{**ONE, **options}), ENGLISH, part="2_1")


def searched(params: dict[str, Any], trials: int, **space: Any) -> dict[str, Any]:
    """A search of VGG-19 in this space, whose trials are all alike."""
    found = [{"params": params, "value": 0.5, "best_epoch": 1}] * trials
    return {"searches": {"vgg19": {"search": SearchSpec(trials=trials, **space), "trials": found}}}


SAID: dict[str, tuple[dict[str, Any], list[tuple[str, ...]]]] = {
    "folds": ({"folds": {"vgg19": [0.6, 0.7, 0.65], "alexnet": [0.5, 0.6]}}, [
        *((key, es, en) for key in BOTH for es, en in (
            ("validación cruzada de k pliegues", "k-fold cross-validation"),
            ("ninguna imagen de test está entre ellos", "no test image is among them"),
            ("demasiado estrechos", "too narrow"),
            ("no existe un estimador insesgado", "there is no unbiased estimate"),
        )),
        ("activity-07", "VGG-19, 3 pliegues de 120 imágenes: 65,0 % (52,6–77,4) en promedio",
         "VGG-19, 3 folds of 120 images: 65.0% (52.6–77.4) on average"),
    ]),
    "a fold that failed": ({"folds": {"vgg19": [0.6, None, 0.7]}}, [
        ("activity-07", "de los que 2 se entrenaron hasta el final", "of which 2 were trained to their end"),
    ]),
    "seeds": ({"seeds": range(4)}, [("activity-07", "se repitió con 4 semillas", "was repeated from 4 seeds")]),
    "nothing of it": ({}, [
        ("activity-07", "", "", "cross-validation", "looked at", "determin"), ("activity-09", "", "", "mirror"),
    ]),
    "one use of the test set": ({"test_uses": 1}, [
        *((key, "se han mirado 1 vez en esta carpeta de ejecuciones: una vez por cada red", "looked at 1 time in", "ajustado")
          for key in BOTH),
        *((key, "el test se usa una", "the test set is used once") for key in BOTH),
        ("conclusions", "", "", "looked at more often than"),
    ]),
    "several uses": ({"test_uses": 7}, [
        *((key, "dan cuenta de 1: el resto son evaluaciones", "account for 1: the rest are evaluations", "a single",
           "el test se usa una", "the test set is used once") for key in BOTH),
        ("conclusions", "", "looked at more often than these networks were evaluated"),
    ]),
    "mirrored answers": ({"flip": True}, [
        (key, "es el promedio de la de la imagen y la de su imagen reflejada", "is the mean of the image's and its mirror image's")
        for key in (*BOTH, "activity-09", "activity-13")
    ]),
    "a search": ({"searches": {"vgg19": {}}, "test_uses": 1}, [
        ("activity-07", "Se seleccionó el ensayo 2 (tasa de aprendizaje máxima: 0,0123 y mini-batch: 32), con una exactitud de "
         "validación de 75,0 %", "Trial 2 was selected (peak learning rate: 0.0123 and mini-batch: 32), with a validation "
         "accuracy of 75.0%"),
        ("activity-07", "tasa de aprendizaje máxima de 0,001 a 0,1, uniforme en su logaritmo; mini-batch entre 32 y 64",
         "peak learning rate from 0.001 to 0.1, evenly in its logarithm; mini-batch among 32 and 64"),
        ("activity-07", "completos, 3; podados, 2; fallidos, 1", "3 complete, 2 pruned, 1 failed"),
        ("activity-07", "Por ser la mejor de 6 ensayos", "Being the best of 6 trials"),
        ("activity-07", "se usó una sola vez, después de la selección", "was used once, after the selection",
         "no search was run", "no se ejecutó"),
        ("activity-11", "no se ejecutó una búsqueda", "no search"),
    ]),
    "a search after more looks": ({"searches": {"vgg19": {}}, "test_uses": 9}, [
        ("activity-07", "El test no intervino en la búsqueda.", "The test set played no part in the search.",
         "se usó una sola vez", "used once"),
    ]),
    "values of every kind": (
        searched({"epochs": 10, "augmentation": ["crop", "flip"], "learning_rate": 0.015}, 2, epochs=(5, 10),
                 augmentation=((), ("crop", "flip")), learning_rate=Range(low=0.01, high=0.02, log=False)),
        [
            ("activity-07", "aumento de datos entre ninguno / recorte al azar y reflejo horizontal",
             "augmentation among none / random crop and horizontal flip"),
            ("activity-07", "tasa de aprendizaje máxima de 0,01 a 0,02;", "peak learning rate from 0.01 to 0.02;"),
            ("activity-07", "épocas entre 5 y 10", ""),
        ],
    ),
    "a network without a search": ({"searches": {"vgg19": {}}, **TWO}, [
        ("activity-07", "No se ejecutó una búsqueda para AlexNet", "No search was run for AlexNet"),
        ("conclusions", "se buscaron solo para algunas de las redes", "were searched for some of the networks only"),
    ]),
    "the best network without a search": ({"searches": {"alexnet": {}}, **TWO}, [
        ("activity-07", "AlexNet: se seleccionó el ensayo 2 de 6", "AlexNet: trial 2 of 6 was selected"),
        ("activity-07", "Los hiperparámetros de VGG-19 se fijaron", "VGG-19's hyper-parameters were set in the lab file"),
    ]),
    "a search for every network": ({"searches": {"vgg19": {}, "alexnet": {}}}, [
        ("conclusions", "se buscaron para cada red", "were searched for each network", "No search over"),
    ]),
    "trainings besides": ({"folds": {"vgg19": [0.6, 0.7]}, "searches": {"vgg19": {}}}, [
        ("introduction", "6 ensayos de búsquedas y 2 pliegues de validaciones cruzadas, en 5 min 3 s",
         "6 trials of searches and 2 folds of cross-validations were trained besides, in 5 min 3 s"),
    ]),
    **{
        str(resolved): ({"resolved": resolved}, [(key, es, en) for key in BOTH])
        for resolved, es, en in (
            ({"precision_reason": "measured:1.3"}, "alcanza 1,3× la velocidad de float32", "it is 1.3× as fast as float32"),
            ({"precision": "float32", "precision_reason": "measured-slower:0.8"}, "bfloat16 solo alcanza 0,8× su velocidad",
             "bfloat16 is only 0.8× as fast"),
            ({"precision_reason": "requested"}, "lo pide el archivo", "the lab file asks for it"),
            ({"precision_reason": "cpu-native:amx_bf16,avx512_bf16"}, "(amx_bf16,avx512_bf16)", "natively (amx_bf16,avx512_bf16)"),
            ({"precision_reason": "cpu-emulated"}, "solo emularía", "would only emulate"),
            ({"precision_reason": "gpu-compute:8.9"}, "(8.9)", "the graphics card computes in it natively (8.9)"),
            ({"precision_reason": "gpu-unknown:Card"}, "(Card)", "does not state what it computes in (Card)"),
            ({"deterministic": True}, "Sus operaciones fueron deterministas", "Its operations were deterministic"),
            ({"deterministic": False}, "No todas sus operaciones", "Not all of its operations were deterministic"),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("case", SAID)
def test_what_sections_say(lab: Make, case: str) -> None:
    options, checks = SAID[case]
    told(lab(**{**ONE, **options}), *checks)


# Folds and seeds


def test_folds_have_mean_deviation_and_student_interval(lab: Make) -> None:
    values = [0.6, 0.7, 0.65, 0.62, 0.73]
    evidence = answer(lab, folds={"vgg19": values})
    (found,) = evidence.names["folds"]
    assert (found["network"], found["of"].value, found["images"].value, found["complete"]) == ("VGG-19", 5, 120, True)
    half = student.ppf(0.975, 4) * stdev(values) / 5**0.5
    assert found["mean"].value == pytest.approx(0.66) and found["mean"].n == 5
    assert (found["mean"].low, found["mean"].high) == pytest.approx((0.66 - half, 0.66 + half), abs=1e-4)
    assert found["deviation"].value == pytest.approx(stdev(values)) and found["deviation"].unit == "points"
    assert column(evidence, "folds", "fold") == ["1", "2", "3", "4", "5", "Mean", "Standard deviation"]
    assert column(evidence, "folds", "vgg19")[:6] == pytest.approx([*values, 0.66])
    assert table(evidence, "folds").note.startswith("Each fold is validated on 24 images.")


def test_a_fold_that_failed_is_left_out_of_the_mean_and_one_alone_has_none(lab: Make) -> None:
    evidence = answer(lab, folds={"vgg19": [0.6, None, 0.7]})
    assert evidence.names["folds"][0]["mean"].value == pytest.approx(0.65)
    assert column(evidence, "folds", "vgg19")[1] is None
    alone = answer(lab, folds={"vgg19": [0.6, None]})
    assert alone.names["folds"] == [] and column(alone, "folds", "fold") == ["1", "2"]


def test_seeds_have_mean_and_spread_on_validation(lab: Make) -> None:
    data = lab(seeds=range(4), **ONE)
    repeats = training.answer(data, ENGLISH, part="2_1").names["repeats"]
    values = [float(run.predictions["validation"].right.mean()) for run in data.parts["2_1"].runs]
    assert repeats["mean"].value == pytest.approx(mean(values))
    assert repeats["deviation"].value == pytest.approx(stdev(values))
    assert (repeats["lowest"].value, repeats["highest"].value) == (min(values), max(values))


# The search


def test_the_selected_trial_is_told_and_all_are_tabled_and_drawn(lab: Make) -> None:
    data = lab(searches={"vgg19": {}}, **ONE)
    evidence = training.answer(data, ENGLISH, part="2_1")
    found = evidence.names["search"]
    counts = [found[key].value for key in ("trials", "complete", "pruned", "failed", "number", "best_epoch")]
    assert counts == [6, 3, 2, 1, 2, 6]
    # Trial 2: 0.75 of 40 validation images.
    assert (found["accuracy"].value, found["accuracy"].n) == (0.75, 40)
    assert (found["accuracy"].low, found["accuracy"].high) == wilson(30, 40)
    assert [one.head for one in table(evidence, "trials").columns] == [
        "Trial", "Ended", "Peak learning rate", "Mini-batch", "Best epoch", "Validation accuracy",
    ]  # fmt: skip
    assert column(evidence, "trials", "number") == ["1", "2", "3", "4", "5", "6"]
    states = [str(cell).replace("\N{NO-BREAK SPACE}", " ") for cell in column(evidence, "trials", "state")]
    assert states == ["complete", "✓ selected", "pruned", "failed", "complete", "pruned"]
    assert column(evidence, "trials", "accuracy") == [0.6, 0.75, 0.4, None, 0.7, 0.35]
    assert column(evidence, "trials", "learning_rate")[:2] == [0.02, 0.0123456]
    figure = evidence.items["search"]
    assert isinstance(figure, Figure) and figure.wide
    assert figure.data["best"] == [0.6, 0.75, 0.75, 0.75, 0.75, 0.75]
    assert "6 trials for VGG-19: 3 complete, 2 pruned, 1 failed. Trial 2 was selected, with 75.0%." in figure.alt
    assert column(training.answer(data, SPANISH, part="2_1"), "trials", "state")[2] == "podado"


def test_of_many_trials_the_best_are_shown(lab: Make) -> None:
    space = SearchSpec(trials=40, weight_decay=Range(low=1e-6, high=1e-3))
    trials = [{"params": {"weight_decay": 1e-5}, "value": (7 * i % 40) / 40, "best_epoch": 3} for i in range(40)]
    evidence = answer(lab, searches={"vgg19": {"search": space, "trials": trials}})
    shown = column(evidence, "trials", "accuracy")
    assert shown == sorted((i / 40 for i in range(15, 40)), reverse=True)
    assert "Of 40 trials, the 25 best on validation." in table(evidence, "trials").note
    assert str(column(evidence, "trials", "state")[0]).startswith("✓")
    figure = evidence.items["search"]
    assert isinstance(figure, Figure) and not figure.wide and len(figure.data["points"]) == 40


def test_items_name_the_network_that_was_searched_and_the_table_who_chose(lab: Make) -> None:
    other = answer(lab, searches={"alexnet": {}}, **TWO)
    assert {"trials_alexnet", "search_alexnet"} <= set(other.items) and "trials" not in other.items
    note = table(answer(lab, searches={"vgg19": {}}), "hyperparameters").note
    assert note.startswith("Chosen by the search for VGG-19: peak learning rate and mini-batch. All others were set")
    assert table(answer(lab), "hyperparameters").note.startswith("Set in the lab file before training.")


# How it was trained


@pytest.mark.parametrize(
    ("recipe", "key", "es", "en"),
    [
        ({"ema": 0.999}, "polyak1992", "un promedio móvil de los pesos", "a moving average of the weights"),
        ({"rate_decay": 0.5}, "howard2018", "cada bloque tiene 0,5 veces la tasa", "each block has 0.5 times the rate"),
        ({"frozen_epochs": 3}, "", "en las primeras 3 épocas la base", "in the first 3 epochs the base is frozen"),
        ({"frozen_epochs": 1}, "", "en la primera época la base", "in the first epoch the base is frozen"),
        ({"augmentation": ("erase",)}, "zhong2020", "borrado aleatorio", "random erasing"),
        ({"augmentation": ("randaugment",)}, "cubuk2020", "RandAugment", "RandAugment"),
        ({"augmentation": ("mixup",)}, "zhang2018", "se mezclan solo para entrenar", "are mixed only to train"),
        ({"augmentation": ("cutmix",)}, "yun2019", "CutMix", "CutMix"),
        ({"label_smoothing": 0.1}, "szegedy2016", "Se suavizaron las etiquetas en 0,1", "Labels were smoothed by 0.1"),
    ],
)  # fmt: skip
def test_what_a_recipe_does_is_said_and_cited(lab: Make, recipe: dict[str, Any], key: str, es: str, en: str) -> None:
    data, plain = lab(recipe=recipe, **ONE), document(lab(**ONE), "en")
    told(data, *((section, es, en) for section in BOTH))
    assert not any(en in paragraph.text for section in BOTH for paragraph in plain.section(section).paragraphs)
    assert not key or key in {cited.key for cited in document(data, "en").bibliography}
    assert key not in {cited.key for cited in plain.bibliography}


def test_what_was_trained_besides_is_cited_and_listed(lab: Make) -> None:
    data = lab(folds={"vgg19": [0.6, 0.7]}, searches={"vgg19": {}}, baselines={"clothes": {}}, **ONE)
    made, besides = document(data, "en"), "Searches, folds and baselines"
    assert {"akiba2019", "bergstra2011"} <= {one.key for one in made.bibliography}
    assert "2004" in str([one.reference.year for one in made.bibliography])
    assert [re.sub(r"[0-9a-f]{8}", "#", entry.title) for entry in made.appendix[besides]] == [
        "Search for VGG-19, clothes-vgg19-#", "Cross-validation of VGG-19", "Baselines, clothes-#",
    ]  # fmt: skip
    listed = {record for entry in made.appendix[besides] for record in entry.ids}
    part = data.parts["2_1"]
    assert {fold.run.id for fold in part.folds["vgg19"]} | {part.searches["vgg19"].record.id} <= listed
    assert besides not in document(lab(**ONE), "en").appendix


def test_every_word_of_a_recipe_is_translated() -> None:
    for words in (*AUGMENTATIONS.values(), *(row.name for row in RECIPE.values()),
                  *training.PRECISION_REASONS.values(), *training.TIMED_REASONS.values()):  # fmt: skip
        assert translated(words), words
