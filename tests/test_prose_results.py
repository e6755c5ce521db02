"""What the generated text says of a result follows the result: six courses of training, six true descriptions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnlab.store.store import RunStore
from report.data.records import open_lab
from tests.fabricate import write_store
from tests.test_prose import Lab

SKILLS = ("alexnet", "vgg19", "resnet50")
TWO = {"clothes": ["alexnet", "vgg19"], "digits": ["vgg19"]}


def course(*rows: tuple[float, float, float, float]) -> list[dict[str, float]]:
    """A history of (loss, validation loss, accuracy, validation accuracy) an epoch."""
    return [dict(zip(("loss", "val_loss", "accuracy", "val_accuracy"), row, strict=True)) for row in rows]


def equal(skill: float) -> dict[str, float]:
    return dict.fromkeys(SKILLS, skill)


def kept(epoch: int, of: int, **resolved: Any) -> dict[str, Any]:
    return {"best_epoch": epoch, "epochs_run": of, "epochs_planned": of, "epochs_requested": of, **resolved}


FALLING = course((1.2, 1.21, 0.5, 0.5), (0.7, 0.72, 0.75, 0.74), (0.4, 0.42, 0.88, 0.87), (0.33, 0.353, 0.9, 0.89))
COURSES: dict[str, dict[str, Any]] = {
    "converged": {
        "history": [*FALLING, *course((0.32, 0.351, 0.905, 0.895), (0.318, 0.35, 0.905, 0.895))],
        "resolved": kept(6, 6), "skill": equal(0.89), "bonus": {"train": 0.0, "validation": 0.0},
    },
    "overfitted": {
        "history": course((1.2, 1.3, 0.5, 0.45), (0.8, 1.0, 0.85, 0.6), (0.4, 1.1, 0.95, 0.6), (0.1, 1.5, 0.99, 0.59)),
        "resolved": kept(2, 4), "skill": equal(0.6), "bonus": {"train": 0.35, "validation": 0.0},
    },
    "underfitted": {
        "history": course((1.35, 1.36, 0.3, 0.29), (1.25, 1.26, 0.4, 0.4), (1.2, 1.21, 0.46, 0.46)),
        "resolved": kept(3, 3), "skill": equal(0.46), "bonus": {"train": 0.0, "validation": 0.0},
    },
    "stopped early": {
        "history": course((1.2, 1.2, 0.5, 0.5), (0.6, 0.6, 0.8, 0.8), (0.59, 0.604, 0.8, 0.8), (0.585, 0.606, 0.8, 0.8)),
        "recipe": {"early_stopping": {"patience": 2}},
        "resolved": kept(2, 4, stopped="early", epochs_planned=30, epochs_requested=30),
        "skill": equal(0.8), "bonus": {"train": 0.0, "validation": 0.0},
    },
    "noisy": {
        "history": course((1.0, 1.0, 0.7, 0.7), (0.99, 0.97, 0.71, 0.71), (0.985, 1.02, 0.7, 0.7), (0.98, 0.98, 0.71, 0.7),
                          (0.975, 1.0, 0.71, 0.7)),
        "resolved": kept(2, 5), "skill": equal(0.7), "bonus": {"train": 0.0, "validation": 0.0},
    },
    "diverged": {
        "diverged": {"resnet50": "the loss is no longer a number"}, "history": FALLING, "resolved": kept(4, 4),
        "skill": equal(0.8), "bonus": {"train": 0.0, "validation": 0.0},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Lab]:
    made: dict[str, Lab] = {}

    def lab(name: str) -> Lab:
        if name not in made:
            root = Path(tmp_path_factory.mktemp("runs"))
            write_store(root, networks=TWO, per_class=400, **COURSES[name])
            made[name] = Lab(open_lab(RunStore(root), "demo"))
        return made[name]

    return lab


# By section: for each course, what its text says in Spanish and in English. What one says no other may say.
SAYS: dict[str, dict[str, tuple[str, str]]] = {
    "activity-08": {
        "converged": ("ya se había estabilizado", "had levelled off"),
        "overfitted": ("que es la marca del sobreajuste", "which is the mark of overfitting"),
        "underfitted": ("Incluso en entrenamiento la red acierta solo el 46,0 %", "Even of the training images the network is right for 46.0%"),
        "stopped early": ("Se activó tras 2 épocas sin mejora, al final de la 4, y devolvió los pesos de la 2",
                          "It ended training after 2 epochs without improvement, at the end of epoch 4, and restored the weights of epoch 2"),
        "noisy": ("La exactitud de validación no sube con claridad", "The validation accuracy does not clearly rise"),
    },
    "conclusions": {
        "overfitted": ("hay sobreajuste.", "there is overfitting."),
        "underfitted": ("hay subajuste", "it underfits"),
        "diverged": ("El entrenamiento de ResNet-50 divergió", "The training of ResNet-50 diverged"),
    },
    "activity-09": {"overfitted": ("hay sobreajuste, y es considerable", "there is overfitting, and it is considerable")},
}  # fmt: skip


@pytest.mark.parametrize(("key", "name"), [(key, name) for key, says in SAYS.items() for name in says])
def test_each_course_is_described_and_no_other_so(labs: Callable[[str], Lab], key: str, name: str) -> None:
    labs(name).check(key, *SAYS[key][name])
    for other in COURSES:
        if other != name:
            for words, code in zip(SAYS[key][name], ("es", "en"), strict=True):
                assert words.rstrip("0123456789,.% ") not in labs(other).says(key, code), (other, code)


@pytest.mark.parametrize("name", ["converged", "underfitted", "stopped early", "noisy"])
def test_without_a_gap_no_overfitting_is_said(labs: Callable[[str], Lab], name: str) -> None:
    lab = labs(name)
    lab.check(
        "activity-08",
        "no hay señal de sobreajuste",
        "there is no sign of overfitting",
        absent=("memoriza", "memorises"),
    )
    lab.check("activity-09", "no hay señal de sobreajuste", "there is no sign of overfitting")
    lab.check(
        "conclusions", "no hay una diferencia que indique sobreajuste", "no difference that points to overfitting"
    )


def test_a_flat_end_is_not_said_to_be_still_improving(labs: Callable[[str], Lab]) -> None:
    labs("converged").check(
        "activity-08", "de 1,210 en la primera época a 0,350 en la 6", "from 1.210 in the first epoch to 0.350 in epoch 6",
        absent=("seguía mejorando", "still improving", "Subajuste", "Underfitting"),
    )  # fmt: skip
    labs("underfitted").check("activity-08", "seguía mejorando", "still improving")


def test_overfitting_has_its_numbers(labs: Callable[[str], Lab]) -> None:
    lab = labs("overfitted")
    lab.check("activity-08", "su mínimo, 1,000, en la época 2 de 4", "its minimum, 1.000, in epoch 2 of 4")
    lab.check("activity-08", "supera a la validación por 25,0", "above validation by 25.0")
    lab.check("activity-08", "vuelve a subir hasta 1,500 en la última época", "rises again to 1.500 in the last epoch")


def test_ups_and_downs_are_no_overfitting_and_no_ranking(labs: Callable[[str], Lab]) -> None:
    lab = labs("noisy")
    absent = ("vuelve a subir", "rises again", "**La pérdida de validación baja")
    lab.check("activity-08", "no se distingue de cero", "cannot be told from zero", absent=absent)
    lab.check("activity-09", "no se distinguen", "they cannot be told apart", absent=("es mejor**", "is better**"))
    lab.check(
        "conclusions", "de ninguna puede decirse que sea la mejor", "none can be called the best",
        absent=("supera a", " beats ", "fue AlexNet", "fue VGG-19"),
    )  # fmt: skip


def test_a_clear_winner_is_named(tmp_path: Path) -> None:
    write_store(tmp_path, networks=TWO, per_class=400, skill={"alexnet": 0.5, "vgg19": 0.9})
    lab = Lab(open_lab(RunStore(tmp_path), "demo"))
    absent = ("ninguna puede decirse", "none can be called")
    lab.check("conclusions", "VGG-19 supera a AlexNet por", "VGG-19 beats AlexNet by", absent=absent)
    lab.check("activity-09", "VGG-19 es mejor", "VGG-19 is better")


def test_a_diverged_training_is_said_where_its_results_would_stand(labs: Callable[[str], Lab]) -> None:
    lab = labs("diverged")
    for key in ("activity-08", "activity-09", "activity-12", "activity-13"):
        assert any(
            "El entrenamiento de ResNet-50 divergió" in problem for problem in lab.document("es").section(key).problems
        )
        assert "ResNet-50 (" not in lab.says(key, "en")


def test_a_part_of_which_every_training_diverged_is_not_passed_over(tmp_path: Path) -> None:
    write_store(tmp_path, networks={"clothes": ["vgg19"], "digits": []}, diverged={"alexnet": "not a number"})
    lab = Lab(open_lab(RunStore(tmp_path), "demo"))
    lab.check(
        "conclusions", "Digits: ninguna red tiene resultados aquí, de modo que no hay nada que concluir. El entrenamiento de AlexNet divergió",
        "Digits: no network has results here, so that there is nothing to conclude. The training of AlexNet diverged",
    )  # fmt: skip


def test_a_training_that_was_not_finished_is_named_in_the_conclusions(tmp_path: Path) -> None:
    store = write_store(tmp_path)
    lock = store.read_lab("demo")
    for entry in lock["runs"]:
        if entry["network"] == "resnet50":
            entry |= {"run": None, "evaluation": None, "problem": "out of memory"}
    store.write_lab("demo", lock)
    Lab(open_lab(store, "demo")).check(
        "conclusions",
        "No hay resultados de ResNet-50: su entrenamiento no terminó",
        "There are no results of ResNet-50",
    )
