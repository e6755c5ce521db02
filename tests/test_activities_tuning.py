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
from report.evidence.quantity import Figure
from report.evidence.statistics import wilson
from tests.command import translated
from tests.reports import ENGLISH, ONE, SPANISH, Make, both, column, document, says, table

BOTH = ("activity-07", "activity-11")


# Folds and seeds


def test_folds_have_mean_deviation_and_student_interval(lab: Make) -> None:
    values = [0.6, 0.7, 0.65, 0.62, 0.73]
    evidence = training.answer(lab(folds={"vgg19": values}, **ONE), ENGLISH, part="2_1")
    (found,) = evidence.names["folds"]
    assert (found["network"], found["of"].value, found["images"].value, found["complete"]) == ("VGG-19", 5, 120, True)
    half = student.ppf(0.975, 4) * stdev(values) / 5**0.5
    assert found["mean"].value == pytest.approx(0.66) and found["mean"].n == 5
    assert (found["mean"].low, found["mean"].high) == pytest.approx((0.66 - half, 0.66 + half), abs=1e-4)
    assert found["deviation"].value == pytest.approx(stdev(values)) and found["deviation"].unit == "points"
    assert column(evidence, "folds", "fold") == ["1", "2", "3", "4", "5", "Mean", "Standard deviation"]
    assert column(evidence, "folds", "vgg19")[:6] == pytest.approx([*values, 0.66])
    assert table(evidence, "folds").note.startswith("Each fold is validated on 24 images.")


def test_folds_are_explained_with_their_dependence(lab: Make) -> None:
    data = lab(folds={"vgg19": [0.6, 0.7, 0.65], "alexnet": [0.5, 0.6]}, **ONE)
    for key in BOTH:
        both(data, key, "validación cruzada de k pliegues", "k-fold cross-validation")
        both(data, key, "ninguna imagen de test está entre ellos", "no test image is among them")
        both(data, key, "demasiado estrechos", "too narrow")
        both(data, key, "no existe un estimador insesgado", "there is no unbiased estimate")
    both(data, "activity-07", "VGG-19, 3 pliegues de 120 imágenes: 65,0 % (52,6–77,4) en promedio",
         "VGG-19, 3 folds of 120 images: 65.0% (52.6–77.4) on average")  # fmt: skip
    assert "2004" in str([cited.reference.year for cited in document(data, "en").bibliography])
    assert "cross-validation" not in says(lab(**ONE), "activity-07", "en")


def test_a_fold_that_failed_is_left_out_of_the_mean(lab: Make) -> None:
    data = lab(folds={"vgg19": [0.6, None, 0.7]}, **ONE)
    evidence = training.answer(data, ENGLISH, part="2_1")
    assert evidence.names["folds"][0]["mean"].value == pytest.approx(0.65)
    assert column(evidence, "folds", "vgg19")[1] is None
    both(data, "activity-07", "de los que 2 se entrenaron hasta el final", "of which 2 were trained to their end")


def test_a_single_finished_fold_has_no_mean(lab: Make) -> None:
    evidence = training.answer(lab(folds={"vgg19": [0.6, None]}, **ONE), ENGLISH, part="2_1")
    assert evidence.names["folds"] == [] and column(evidence, "folds", "fold") == ["1", "2"]


def test_seeds_have_mean_and_spread_on_validation(lab: Make) -> None:
    data = lab(seeds=range(4), **ONE)
    repeats = training.answer(data, ENGLISH, part="2_1").names["repeats"]
    values = [float(run.predictions["validation"].right.mean()) for run in data.parts["2_1"].runs]
    assert repeats["mean"].value == pytest.approx(mean(values))
    assert repeats["deviation"].value == pytest.approx(stdev(values))
    assert (repeats["lowest"].value, repeats["highest"].value) == (min(values), max(values))
    both(data, "activity-07", "se repitió con 4 semillas", "was repeated from 4 seeds")


# The test set


@pytest.mark.parametrize(
    ("uses", "es", "en", "absent"),
    [
        (1, "se han mirado 1 vez en esta carpeta de ejecuciones: una vez por cada red", "looked at 1 time in", ("ajustado",)),
        (7, "dan cuenta de 1: el resto son evaluaciones", "account for 1: the rest are evaluations", ("a single",)),
    ],
)  # fmt: skip
def test_uses_of_the_test_set_are_counted(lab: Make, uses: int, es: str, en: str, absent: tuple[str, ...]) -> None:
    data = lab(test_uses=uses, **ONE)
    for key in BOTH:
        both(data, key, es, en, absent=absent)
        once = ("el test se usa una", "the test set is used once")
        assert [words in says(data, key, code) for words, code in zip(once, ("es", "en"), strict=True)] == [
            uses == 1
        ] * 2
    conclusions = says(data, "conclusions", "en")
    assert ("looked at more often than these networks were evaluated" in conclusions) == (uses == 7)


def test_older_locks_say_nothing_of_the_uses(lab: Make) -> None:
    assert "looked at" not in says(lab(**ONE), "activity-07", "en")


def test_mirrored_answers_are_said(lab: Make) -> None:
    data = lab(flip=True, **ONE)
    for key in (*BOTH, "activity-09", "activity-13"):
        both(data, key, "es el promedio de la de la imagen y la de su imagen reflejada",
             "is the mean of the image's and its mirror image's")  # fmt: skip
    assert "mirror" not in says(lab(**ONE), "activity-09", "en")


# The search


def test_the_selected_trial_and_its_optimism_are_said(lab: Make) -> None:
    data = lab(searches={"vgg19": {}}, test_uses=1, **ONE)
    found = training.answer(data, ENGLISH, part="2_1").names["search"]
    assert [found[key].value for key in ("trials", "complete", "pruned", "failed", "number", "best_epoch")] == [
        6, 3, 2, 1, 2, 6,
    ]  # fmt: skip
    # Trial 2: 0.75 of 40 validation images.
    assert (found["accuracy"].value, found["accuracy"].n) == (0.75, 40)
    assert (found["accuracy"].low, found["accuracy"].high) == wilson(30, 40)
    both(data, "activity-07", "Se seleccionó el ensayo 2 (tasa de aprendizaje máxima: 0,0123 y mini-batch: 32), con una "
         "exactitud de validación de 75,0 %", "Trial 2 was selected (peak learning rate: 0.0123 and mini-batch: 32), "
         "with a validation accuracy of 75.0%")  # fmt: skip
    both(data, "activity-07", "tasa de aprendizaje máxima de 0,001 a 0,1, uniforme en su logaritmo; mini-batch entre 32 y 64",
         "peak learning rate from 0.001 to 0.1, evenly in its logarithm; mini-batch among 32 and 64")  # fmt: skip
    both(data, "activity-07", "completos, 3; podados, 2; fallidos, 1", "3 complete, 2 pruned, 1 failed")
    both(data, "activity-07", "Por ser la mejor de 6 ensayos", "Being the best of 6 trials")
    both(data, "activity-07", "se usó una sola vez, después de la selección", "was used once, after the selection",
         absent=("no search was run", "no se ejecutó"))  # fmt: skip
    keys = {cited.key for cited in document(data, "es").bibliography}
    assert {"akiba2019", "bergstra2011"} <= keys
    both(data, "activity-11", "no se ejecutó una búsqueda", "no search")


def test_after_more_looks_the_test_is_not_said_to_be_used_once(lab: Make) -> None:
    data = lab(searches={"vgg19": {}}, test_uses=9, **ONE)
    both(data, "activity-07", "El test no intervino en la búsqueda.", "The test set played no part in the search.",
         absent=("se usó una sola vez", "used once"))  # fmt: skip


def test_trials_are_tabled_and_drawn(lab: Make) -> None:
    data = lab(searches={"vgg19": {}}, **ONE)
    evidence = training.answer(data, ENGLISH, part="2_1")
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
    spanish = training.answer(data, SPANISH, part="2_1")
    assert column(spanish, "trials", "state")[2] == "podado"


def test_of_many_trials_the_best_are_shown(lab: Make) -> None:
    space = SearchSpec(trials=40, weight_decay=Range(low=1e-6, high=1e-3))
    trials = [{"params": {"weight_decay": 1e-5}, "value": (7 * i % 40) / 40, "best_epoch": 3} for i in range(40)]
    evidence = training.answer(lab(searches={"vgg19": {"search": space, "trials": trials}}, **ONE), ENGLISH, part="2_1")
    shown = column(evidence, "trials", "accuracy")
    assert shown == sorted((i / 40 for i in range(15, 40)), reverse=True)
    assert "Of 40 trials, the 25 best on validation." in table(evidence, "trials").note
    assert str(column(evidence, "trials", "state")[0]).startswith("✓")
    figure = evidence.items["search"]
    assert isinstance(figure, Figure) and not figure.wide and len(figure.data["points"]) == 40


def test_varied_values_are_worded_by_their_kind(lab: Make) -> None:
    space = SearchSpec(
        trials=2,
        epochs=(5, 10),
        augmentation=((), ("crop", "flip")),
        learning_rate=Range(low=0.01, high=0.02, log=False),
    )
    params = {"epochs": 10, "augmentation": ["crop", "flip"], "learning_rate": 0.015}
    trials = [{"params": params, "value": 0.5, "best_epoch": 1}] * 2
    data = lab(searches={"vgg19": {"search": space, "trials": trials}}, **ONE)
    both(data, "activity-07", "aumento de datos entre ninguno / recorte al azar y reflejo horizontal",
         "augmentation among none / random crop and horizontal flip")  # fmt: skip
    both(data, "activity-07", "tasa de aprendizaje máxima de 0,01 a 0,02;", "peak learning rate from 0.01 to 0.02;")
    assert "épocas entre 5 y 10" in says(data, "activity-07", "es")


def test_networks_without_a_search_are_named(lab: Make) -> None:
    networks = {"clothes": ["vgg19", "alexnet"], "digits": ["alexnet"]}
    skill = {"vgg19": 0.9, "alexnet": 0.4}
    data = lab(searches={"vgg19": {}}, networks=networks, skill=skill)
    both(data, "activity-07", "No se ejecutó una búsqueda para AlexNet", "No search was run for AlexNet")
    both(
        data, "conclusions", "se buscaron solo para algunas de las redes", "were searched for some of the networks only"
    )
    other = lab(searches={"alexnet": {}}, networks=networks, skill=skill)
    evidence = training.answer(other, ENGLISH, part="2_1")
    assert {"trials_alexnet", "search_alexnet"} <= set(evidence.items) and "trials" not in evidence.items
    both(other, "activity-07", "AlexNet: se seleccionó el ensayo 2 de 6", "AlexNet: trial 2 of 6 was selected")
    both(
        other,
        "activity-07",
        "Los hiperparámetros de VGG-19 se fijaron",
        "VGG-19's hyper-parameters were set in the lab file",
    )
    every = lab(searches={"vgg19": {}, "alexnet": {}}, **ONE)
    both(
        every, "conclusions", "se buscaron para cada red", "were searched for each network", absent=("No search over",)
    )


def test_the_table_of_hyper_parameters_says_who_chose_them(lab: Make) -> None:
    searched = training.answer(lab(searches={"vgg19": {}}, **ONE), ENGLISH, part="2_1")
    note = table(searched, "hyperparameters").note
    assert note.startswith("Chosen by the search for VGG-19: peak learning rate and mini-batch. All others were set")
    plain = training.answer(lab(**ONE), ENGLISH, part="2_1")
    assert table(plain, "hyperparameters").note.startswith("Set in the lab file before training.")


def test_every_word_of_a_recipe_is_translated() -> None:
    for words in (*AUGMENTATIONS.values(), *(row.name for row in RECIPE.values()),
                  *training.PRECISION_REASONS.values(), *training.TIMED_REASONS.values()):  # fmt: skip
        assert translated(words), words


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
    data, plain = lab(recipe=recipe, **ONE), lab(**ONE)
    for section in BOTH:
        both(data, section, es, en)
        assert en not in says(plain, section, "en")
    assert not key or key in {cited.key for cited in document(data, "en").bibliography}
    assert key not in {cited.key for cited in document(plain, "en").bibliography}


@pytest.mark.parametrize(
    ("resolved", "es", "en"),
    [
        ({"precision_reason": "measured:1.3"}, "alcanza 1,3× la velocidad de float32", "it is 1.3× as fast as float32"),
        (
            {"precision": "float32", "precision_reason": "measured-slower:0.8"},
            "bfloat16 solo alcanza 0,8× su velocidad",
            "bfloat16 is only 0.8× as fast",
        ),
        ({"deterministic": True}, "Sus operaciones fueron deterministas", "Its operations were deterministic"),
        ({"deterministic": False}, "No todas sus operaciones", "Not all of its operations were deterministic"),
    ],
)
def test_precision_and_determinism_have_words(lab: Make, resolved: dict[str, Any], es: str, en: str) -> None:
    data = lab(resolved=resolved, **ONE)
    for key in BOTH:
        both(data, key, es, en)
    assert "determin" not in says(lab(**ONE), "activity-07", "en")


# Everywhere else


def test_what_was_trained_besides_is_said_and_listed(lab: Make) -> None:
    data = lab(folds={"vgg19": [0.6, 0.7]}, searches={"vgg19": {}}, baselines={"clothes": {}}, **ONE)
    both(data, "introduction", "6 ensayos de búsquedas y 2 pliegues de validaciones cruzadas, en 5 min 3 s",
         "6 trials of searches and 2 folds of cross-validations were trained besides, in 5 min 3 s")  # fmt: skip
    entries = document(data, "en").appendix["Searches, folds and baselines"]
    assert [re.sub(r"[0-9a-f]{8}", "#", entry.title) for entry in entries] == [
        "Search for VGG-19, clothes-vgg19-#", "Cross-validation of VGG-19", "Baselines, clothes-#",
    ]  # fmt: skip
    listed = {record for entry in entries for record in entry.ids}
    part = data.parts["2_1"]
    assert {fold.run.id for fold in part.folds["vgg19"]} | {part.searches["vgg19"].record.id} <= listed
    assert "Searches, folds and baselines" not in document(lab(**ONE), "en").appendix
