"""What charts answer to the pointer: the records' numbers, in the report's format, at the places of their marks."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cnnlab.lab import load_lab
from report.activities.curves import answer
from report.build import page
from report.data.records import open_lab
from report.data.trainings import Trial
from report.evidence.language import Language
from report.evidence.quantity import Figure
from report.figures import bars, confusion, curves
from report.figures.range_test import range_test_figure
from report.figures.reliability import Bin, reliability_diagram
from report.figures.theme import PRINT, SCREEN, svg
from report.figures.trials import trials_figure
from tests.fabricate import write_store
from tests.figure_samples import English, Spanish, samples, share

NB = "\N{NO-BREAK SPACE}"
HISTORY: dict[str, Any] = {
    "network": "vgg19", "loss": [2.0, 1.0, 0.5], "accuracy": [0.3, 0.6, 0.9], "val_loss": [2.1, 1.2, 1.3],
    "val_accuracy": [0.25, 0.5512, 0.63], "learning_rate": [0.05, 0.0125, 0.005], "best_epoch": 2,
}  # fmt: skip


def said(figure: Figure) -> list[dict[str, Any]]:
    """The panels of a chart on screen."""
    attribute = ElementTree.fromstring(svg(figure, SCREEN)).get("data-hover")
    assert attribute is not None
    panels: list[dict[str, Any]] = json.loads(attribute)
    return panels


def texts(figure: Figure, panel: int = 0) -> list[str]:
    return [text for text, *_ in said(figure)[panel]["at"]]


def test_the_best_epoch_answers_with_the_numbers_of_its_record(tmp_path: Path) -> None:
    store = write_store(tmp_path / "runs")
    lab, language = open_lab(store, "demo"), Language("es")
    run = lab.parts["2_1"].of("vgg19")[0]
    best = int(run.resolved["best_epoch"])
    answers = texts(answer(lab, language, part="2_1").items["loss"])  # type: ignore[arg-type]
    assert len(answers) == len(run.history["epoch"])
    at = {key: language.number(float(run.history[key][best - 1]), 3) for key in ("loss", "val_loss")}
    assert answers[best - 1].split("\n")[:3] == [
        f"Época {best}", f"entrenamiento: {at['loss']}", f"validación: {at['val_loss']}, mejor época",
    ]  # fmt: skip
    assert "," in at["val_loss"]


def test_epochs_say_all_their_values_in_the_language() -> None:
    one = curves.History(**HISTORY)
    assert texts(curves.accuracy_curves([one], Spanish(), caption=""))[1] == (
        "Época 2\nentrenamiento: 0,600\nvalidación: 0,551, mejor época\nTasa de aprendizaje: 0,0125"
    )
    other = curves.History(**{**HISTORY, "network": "alexnet", "val_accuracy": [0.4], "best_epoch": 1})
    assert texts(curves.comparison_curves([one, other], English(), caption="")) == [
        "Epoch 1\nVGG-19: 0.250\nAlexNet: 0.400, best epoch", "Epoch 2\nVGG-19: 0.551, best epoch", "Epoch 3\nVGG-19: 0.630",
    ]  # fmt: skip


def test_seeds_say_their_range_and_how_many_they_are() -> None:
    short = curves.History(**{**HISTORY, "seed": 1, "val_accuracy": [0.35]})
    answers = texts(curves.accuracy_curves([curves.History(**HISTORY), short], English(), caption=""))
    assert "validation: 0.300 (0.250–0.350; seeds: 2)" in answers[0]
    assert "validation: 0.551 (0.551–0.551; seeds: 1)" in answers[1]


def test_marks_stand_where_they_are_drawn() -> None:
    """The ring of an accuracy is where its marker is, in the drawing's own points."""
    figure = bars.accuracy_comparison(
        {"vgg19": {"train": share(90, 100), "test": share(80, 100)}}, Spanish(), caption=""
    )
    (panel,) = said(figure)
    drawn = [
        (float(found[1]), float(found[2]))
        for found in re.finditer(r'<use xlink:href="#\w+-\w+" x="([\d.]+)" y="([\d.]+)"', svg(figure, SCREEN))
    ]
    for _, x, y in panel["at"]:
        assert any(abs(x - a) < 0.1 and abs(y - b) < 0.1 for a, b in drawn)
    left, top, right, bottom = panel["box"]
    assert all(left < x < right and top < y < bottom for _, x, y in panel["at"])


def test_accuracies_say_their_intervals() -> None:
    figure = bars.accuracy_comparison({"vgg19": {"test": share(80, 100)}}, Spanish(), caption="")
    assert texts(figure) == [f"VGG-19, prueba\nExactitud: 80,0{NB}%\nIntervalo del 95 %: 71,1–86,7{NB}%"]
    classes = bars.per_class_accuracy(["dog", "cat"], [share(5, 10), share(9, 10)], English(), caption="")
    assert texts(classes)[0] == "cat\nAccuracy: 90.0%\n95% interval: 59.6–98.2%\nImages: 10"


def test_images_sizes_and_trials_answer() -> None:
    images = bars.class_distribution(["a", "b"], {"train": [1200, 3], "test": [7, 4]}, Spanish(), caption="")
    assert texts(images) == [
        "a\nImágenes: 1.207\nentrenamiento: 1.200\nprueba: 7",
        "b\nImágenes: 7\nentrenamiento: 3\nprueba: 4",
    ]
    size = bars.NetworkSize(
        network="vgg19", parameters=143_667_240, multiply_adds=19_632_062_464, top1=0.713, protocol="single crop"
    )
    compared = bars.networks_compared([size], English(), caption="")
    assert [texts(compared, panel)[0] for panel in range(3)] == [
        "VGG-19\nParameters: 143,667,240", "VGG-19\nMultiply-adds: 19,632,062,464",
        "VGG-19\nImageNet top-1 accuracy: 71.3%\nsingle crop",
    ]  # fmt: skip
    tried = [
        Trial(1, "complete", {"learning_rate": 0.0125}, 0.5, None, 6, None),
        Trial(2, "failed", {"learning_rate": 0.3}, None, None, 6, None),
    ]
    searched = trials_figure(tried, Spanish(), network="vgg19", selected=1, with_rate=True, caption="")
    assert texts(searched, 1) == [
        f"Ensayo 1, completo, seleccionado\nExactitud en validación: 50,0{NB}%\nTasa de aprendizaje máxima: 0,0125",
        "Ensayo 2, fallido\nTasa de aprendizaje máxima: 0,3",
    ]  # fmt: skip


def test_reliability_and_range_test_answer() -> None:
    bins = [None, Bin(images=50, confidence=0.75, accuracy=0.7, low=0.56, high=0.81)]
    diagram = reliability_diagram({"vgg19": bins}, Language("en"), caption="")
    assert texts(diagram) == ["VGG-19\nAccuracy: 70.0%\n95% interval: 56.0–81.0%\nConfidence: 75.0%\nImages: 50"]
    assert texts(diagram, 1) == ["Images, confidence 0–50%\nVGG-19: 0", "Images, confidence 50–100%\nVGG-19: 50"]
    rates = range_test_figure(
        [0.001, 0.01], [2.0, 1.5], [2.0, 1.75], None, Language("es"), network="vgg19", dataset="d"
    )
    assert texts(rates)[1] == "Tasa de aprendizaje 0,010\nde cada lote: 1,500\nsuavizada: 1,750"


def cell(panel: dict[str, Any], true: int, predicted: int) -> str:
    """What the script finds for a cell."""
    usual, *others = panel["rows"][true]
    index = dict(zip(others[::2], others[1::2], strict=True)).get(predicted, usual)
    return str(panel["texts"][index])


@pytest.mark.parametrize("count", [3, 25, 100])
def test_every_cell_of_a_matrix_says_its_count_and_share(count: int) -> None:
    figure = samples(Spanish())[f"confusion-{count}"]
    (panel,) = said(figure)
    counts, names = figure.data["counts"], figure.data["names"]
    assert panel["by"] == "cell" and panel["heads"] == ["Clase verdadera", "Clase predicha"]
    assert sorted(panel["names"]) == sorted(names)
    where = {name: index for index, name in enumerate(names)} if len(set(names)) == count else None
    assert where is not None
    for true in range(count):
        for predicted in (true, 0, count - 1):
            value = counts[where[panel["names"][true]]][where[panel["names"][predicted]]]
            assert cell(panel, true, predicted) == f"Imágenes: {value} de 100 ({value},0{NB}%)"


def test_an_empty_row_of_a_matrix_says_no_share() -> None:
    (panel,) = said(confusion.confusion_matrix([[0, 0], [1, 3]], ["a", "b"], English(), caption=""))
    assert cell(panel, 0, 0) == "Images: 0 of 0"
    assert cell(panel, 1, 0) == "Images: 1 of 4 (25.0%)"


def test_paper_answers_nothing_and_every_chart_on_screen_does() -> None:
    silent = {"vgg19"}
    figures = samples(Spanish())
    for name in ("loss-8", "comparison-8", "accuracy", "compared", "blocks", "distribution-10", "distribution-100", "classes-25",
                 "confusion-10", "trials-8", "vgg19"):  # fmt: skip
        figure = figures[name]
        assert "data-hover" not in svg(figure, PRINT), name
        assert ("data-hover" in svg(figure, SCREEN)) == (name not in silent), name


def test_names_cannot_leave_the_attribute() -> None:
    name = """'><script>"&amp;"""
    figure = bars.class_distribution([name, "b"], {"train": [2, 1]}, Spanish(), caption="")
    assert texts(figure)[0].split("\n")[0] == name
    assert "<script>" not in svg(figure, SCREEN)


def test_answers_are_a_small_part_of_the_page(tmp_path: Path) -> None:
    store = write_store(tmp_path / "runs")
    lab = load_lab("demo", overrides=["lab.language=es"])
    from report.document.assembly import assemble

    text = page(assemble(open_lab(store, "demo"), lab, Language("es")), lab, tmp_path, "screen")
    answers = re.findall(r"data-hover='([^']*)'", text)
    assert len(answers) > 8
    assert sum(map(len, answers)) < 0.03 * len(text)
    assert all(json.loads(unescape(one)) for one in answers)
