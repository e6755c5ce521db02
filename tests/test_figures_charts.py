"""Curves, dot plots and distributions: what is drawn, and what is said to those who cannot see it."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from report.activities.curves import answer
from report.data.records import open_lab
from report.data.trainings import Trial
from report.evidence.quantity import Figure, Quantity
from report.figures import bars, confusion, curves, sizes
from report.figures.distribution import class_distribution
from report.figures.reliability import Bin, reliability_diagram
from report.figures.svg import paint, svg
from report.figures.theme import PRINT, SCREEN, network_style
from report.figures.trials import trials_figure
from tests.fabricate import write_store
from tests.figure_samples import ENGLISH, NB, SPANISH, history, samples, share, texts

C: Any = {"caption": "c"}
NONE = Quantity(value=math.nan, unit="share", n=0)


def run(**changes: Any) -> curves.History:
    values = {
        "network": "vgg19", "loss": [2.0, 1.0, 0.5], "accuracy": [0.3, 0.6, 0.9], "val_loss": [2.1, 1.2, 1.3],
        "val_accuracy": [0.25, 0.55, 0.63], "learning_rate": [0.05, 0.05, 0.005], "best_epoch": 2,
    }  # fmt: skip
    return curves.History(**{**values, **changes})


def trial(number: int, state: str, value: float | None, rate: float) -> Trial:
    return Trial(number, state, {"learning_rate": rate}, value, None, 6, None)


def trials(*tried: Trial, selected: int = 1, with_rate: bool = True) -> Figure:
    return trials_figure(tried, SPANISH, network="vgg19", selected=selected, with_rate=with_rate, **C)


def classes(names: list[str], accuracies: list[Quantity], network: str = "vgg19") -> Figure:
    return bars.per_class_accuracy(names, accuracies, ENGLISH, network=network, **C)


EARLY, ALEXNET = run(stopped="early"), run(network="alexnet", best_epoch=3)
ONE = run(val_accuracy=[0.25, 0.5512, 0.63], learning_rate=[0.05, 0.0125, 0.005])
SHORT = run(seed=1, loss=[1.0], accuracy=[0.5], val_loss=[1.1], val_accuracy=[0.35], best_epoch=1)
DIVERGED = run(loss=[2.0, math.nan, math.nan], val_loss=[2.1, math.nan, math.inf], best_epoch=1, stopped="diverged")
TRIALS = (trial(1, "complete", 0.5, 0.0125), trial(2, "pruned", 0.7, 0.02), trial(3, "failed", None, 0.3),
          trial(4, "complete", 0.6, 0.001))  # fmt: skip
BY_SPLIT = {"alexnet": {"test": share(70, 100), "train": share(90, 100)}, "vgg19": {"test": share(80, 100)}}
SORTED = classes(["a", "b", "c", "empty"], [share(5, 10), share(9, 10), share(2, 10), NONE])
UNEVEN = {"train": [1200, 3], "test": [7, 5]}


@pytest.mark.parametrize(
    ("figure", "alt", "drawn", "titles"),
    [
        (
            curves.network_curves("loss", [EARLY], SPANISH, **C),
            "la de validación es 1,20 en la mejor época, la 2 de 3, donde la de entrenamiento es 1,00",
            {"entrenamiento", "validación", "Pérdida", "Época", "Tasa de aprendizaje", "0,05", "1", "3", "0,5", "1,0", "2,0",
             "mejor época: 2 · parada temprana tras la 3"},
            {"Época 2\nentrenamiento: 1,000\nvalidación: 1,200, mejor época\nTasa de aprendizaje: 0,05"},
        ),
        (
            curves.network_curves("accuracy", [ONE], ENGLISH, **C),
            "validation accuracy peaks at epoch 3 of 3 at 0.63, where training accuracy is 0.90", {"Accuracy", "Learning rate", "0.05"},
            {"Epoch 2\ntraining: 0.600\nvalidation: 0.551, best epoch\nLearning rate: 0.0125"},
        ),
        (
            curves.network_curves("loss", [DIVERGED], SPANISH, **C), "en la última época son sin valor y sin valor",
            {"mejor época: 1 · divergió"}, {"Época 2\nTasa de aprendizaje: 0,05"},
        ),
        (
            curves.comparison_curves([ONE, run(network="alexnet", val_accuracy=[0.4], best_epoch=1)], ENGLISH, **C),
            "VGG-19: best epoch 2 of 3, with 0.55. AlexNet: best epoch 1 of 1, with 0.40.", {"AlexNet", "ringed: best epoch"},
            {"Epoch 1\nVGG-19: 0.250\nAlexNet: 0.400, best epoch", "Epoch 2\nVGG-19: 0.551, best epoch"},
        ),
        (
            curves.comparison_curves([ONE, SHORT], SPANISH, **C), "VGG-19: mejor época 1 de 3, con 0,30.", {"VGG-19"},
            {"Época 1\nVGG-19: 0,300 (0,250–0,350; semillas: 2), mejor época",
             "Época 2\nVGG-19: 0,551 (0,551–0,551; semillas: 1)"},
        ),
        (
            curves.comparison_curves([EARLY, ALEXNET], SPANISH, metric="loss", **C), "VGG-19: mejor época 2 de 3, con 1,20.",
            {"Pérdida de validación", "con anillo: mejor época · con barra: parada temprana"}, set(),
        ),
        (
            bars.accuracy_comparison(BY_SPLIT, SPANISH, **C),
            f"AlexNet: entrenamiento 90,0{NB}%, test 70,0{NB}%. VGG-19: test 80,0{NB}%.", {f"90,0{NB}%", "entrenamiento"},
            {f"VGG-19, test\nExactitud: 80,0{NB}%\nIntervalo del 95{NB}%: 71,1–86,7{NB}%\nImágenes: 100"},
        ),
        (
            SORTED, "best b with 90.0%, worst c with 20.0%.", {"90.0%", "20.0%"},
            {"b\nAccuracy: 90.0%\n95% interval: 59.6–98.2%\nImages: 10"},
        ),
        (
            class_distribution(["a", "b"], {"train": [600, 600], "test": [600, 600]}, SPANISH, **C),
            "Cada una de las 2 clases tiene 1.200 imágenes.", {"media: 1.200"}, set(),
        ),
        (
            class_distribution(["'><script>\"&amp;", "b"], UNEVEN, SPANISH, **C),
            "la mayor cantidad en '><script>\"&amp; (1.207), la menor en b (8), 607,5 en promedio.", {"media: 607,5"},
            {"'><script>\"&amp;\nImágenes: 1.207\nentrenamiento: 1.200\ntest: 7"},
        ),
        (
            sizes.networks_compared([sizes.NetworkSize("vgg19", 143_667_240, 10, 0.713, "single crop")], ENGLISH, **C),
            f"Parameters: VGG-19 143.7{NB}M.", {"71.3%"}, {"VGG-19\nParameters: 143,667,240"},
        ),
        (
            trials(*TRIALS, selected=4),
            "4 ensayos para VGG-19: 2 completos, 1 podados, 1 fallidos. Se seleccionó el ensayo 4, con 60,0",
            {"completo", "podado", "fallido", "seleccionado", "mejor hasta entonces", "0,01", "Ensayo"},
            {f"Ensayo 4, completo, seleccionado\nExactitud de validación: 60,0{NB}%\nTasa de aprendizaje máxima: 0,001",
             "Ensayo 3, fallido\nTasa de aprendizaje máxima: 0,3"},
        ),
        (
            confusion.confusion_matrix([[0, 0], [1, 3]], ["a", "b"], ENGLISH, **C), "b taken for a, 25%.", {"25", "75"},
            {"Images: 1 of 4 (25.0%)\nTrue class: b\nPredicted class: a"},
        ),
        (
            reliability_diagram({"vgg19": [None, Bin(50, 0.75, 0.7, 0.56, 0.81)]}, ENGLISH, **C),
            "where mean confidence is 75%, accuracy is 70% (50 images)", {"surer than right"},
            {"VGG-19\nAccuracy: 70%, Confidence: 75%, Images: 50"},
        ),
    ],
)  # fmt: skip
def test_charts_tell_their_numbers_in_the_language(figure: Figure, alt: str, drawn: set[str], titles: set[str]) -> None:
    """To who cannot see them, to who looks, and to who points at a mark on screen."""
    assert alt in figure.alt and drawn <= set(texts(figure)) and titles <= set(said(figure))
    assert figure.caption == "c" and not figure.note
    assert svg(figure, PRINT).count("<title>") == 1 and "<script" not in svg(figure, SCREEN)


def said(figure: Figure) -> list[str]:
    """The titles of a chart's marks."""
    root = ElementTree.fromstring(svg(figure, SCREEN))
    return [title.text or "" for group in root.iter("{http://www.w3.org/2000/svg}g")
            for title in group.findall("{http://www.w3.org/2000/svg}title")]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: curves.network_curves("loss", [], SPANISH, **C), "exactly one network"),
        (lambda: curves.network_curves("loss", [run(), ALEXNET], SPANISH, **C), "exactly one network"),
        (lambda: curves.comparison_curves([], SPANISH, **C), "no history"),
        (lambda: bars.accuracy_comparison({"vgg19": {}}, SPANISH, **C), "no accuracy"),
        (lambda: classes(["a"], [NONE]), "no class"),
        (lambda: classes(["a"], []), "zip"),
        (lambda: class_distribution([], {"train": []}, SPANISH, **C), "no classes"),
        (lambda: class_distribution(["a"], {}, SPANISH, **C), "no classes"),
        (lambda: trials(), "no trial"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call: Callable[[], Figure], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()


def test_curves_without_learning_rates_have_one_panel() -> None:
    for rates, panels in ((), 1), ((0.05, 0.05, 0.005), 2):
        assert (
            len(paint(curves.network_curves("loss", [run(learning_rate=rates)], SPANISH, **C), SCREEN).axes) == panels
        )


def test_seeds_become_a_mean_and_a_band_that_is_faint_where_some_have_ended() -> None:
    other = run(seed=1, val_accuracy=[0.35, 0.65, 0.53])
    figure = curves.network_curves("accuracy", [run(), other], SPANISH, **C)
    assert {key: figure.data["lines"][1][key] for key in ("mean", "low", "high", "seeds")} == {
        "mean": [0.3, 0.6, 0.58], "low": [0.25, 0.55, 0.53], "high": [0.35, 0.65, 0.63], "seeds": [2, 2, 2],
    }  # fmt: skip
    assert len(paint(figure, SCREEN).axes[0].collections) == 1
    figure = curves.network_curves("accuracy", [run(), SHORT], SPANISH, **C)
    assert figure.data["lines"][1] | {"mean": [0.3, 0.55, 0.63], "seeds": [2, 1, 1]} == figure.data["lines"][1]
    validation = [line for line in paint(figure, SCREEN).axes[0].lines if line.get_marker() == "o"]
    # What both seeds reached, and faint what only one did; the ring comes last.
    assert [(list(line.get_xdata()), line.get_alpha()) for line in validation] == [
        ([1], None), ([1, 2, 3], 0.5), ([1], None),
    ]  # fmt: skip
    assert curves.network_curves("loss", [DIVERGED], SPANISH, **C).data["lines"][1]["mean"] == [2.1, None, None]


def test_early_stopping_is_marked_where_it_cut_the_line() -> None:
    for figure, ends in (
        (curves.network_curves("loss", [EARLY], SPANISH, **C), [[3]]),
        (curves.network_curves("loss", [run()], SPANISH, **C), []),
        (curves.comparison_curves([EARLY, ALEXNET], SPANISH, **C), [[3]]),
    ):
        marked = [list(line.get_xdata()) for line in paint(figure, SCREEN).axes[0].lines if line.get_marker() == "|"]
        assert marked == ends


@pytest.mark.parametrize("network", ["alexnet", "vgg19", "resnet50"])
def test_a_network_has_its_colour_dash_and_marker_in_every_chart(network: str) -> None:
    look, bins = network_style(network), [Bin(9, 0.2, 0.3, 0.1, 0.5), Bin(9, 0.7, 0.8, 0.6, 0.9)]
    for figure, line in (
        (curves.network_curves("loss", [run(network=network)], SPANISH, **C), 1),
        (curves.comparison_curves([run(network=network)], SPANISH, **C), 0),
        (reliability_diagram({network: bins}, SPANISH, **C), 1),
    ):
        drawn = paint(figure, PRINT).axes[0].lines[line]
        assert (drawn.get_color(), drawn.get_marker()) == (PRINT[look.colour], look.marker), figure.alt
        assert (drawn.get_linestyle() == "-") == (look.dash == "solid"), figure.alt
    for figure in (
        bars.accuracy_comparison({network: {"test": share(8, 10)}}, SPANISH, **C),
        classes(["a", "b", "c"], [share(n, 10) for n in (3, 5, 7)], network),
        sizes.networks_compared([sizes.NetworkSize(network, 10, 20)], SPANISH, **C),
    ):
        marks = [line for axes in paint(figure, PRINT).axes for line in axes.lines if line.get_marker() == look.marker]
        assert PRINT[look.colour] in {line.get_color() for line in marks}, figure.alt


@pytest.mark.parametrize(
    ("epochs", "ticks"),
    [
        (1, [1]),
        (3, [1, 2, 3]),
        (12, [2, 4, 6, 8, 10, 12]),
        (50, [1, *range(5, 51, 5)]),
        (100, [1, *range(10, 101, 10)]),
    ],
)
def test_epochs_are_counted_from_one(epochs: int, ticks: list[int]) -> None:
    axes = paint(curves.comparison_curves([history("vgg19", epochs)], SPANISH, **C), SCREEN).axes[0]
    assert list(axes.get_xticks()) == ticks


def test_names_at_the_ends_of_curves_keep_apart() -> None:
    close = [run(network=name, val_accuracy=[0.2, 0.5, 0.6]) for name in ("alexnet", "vgg19", "resnet50")]
    drawing = paint(curves.comparison_curves(close, SPANISH, **C), PRINT)
    drawing.draw_without_rendering()
    ends = [text for text in drawing.axes[0].texts if text.get_text() in ("AlexNet", "VGG-19", "ResNet-50")]
    boxes = sorted((text.get_window_extent() for text in ends), key=lambda box: box.y0)
    assert len(boxes) == 3 and all(above.y0 >= below.y1 - 1 for below, above in itertools.pairwise(boxes))


def test_accuracies_have_whiskers_and_classes_are_sorted() -> None:
    axes = paint(bars.accuracy_comparison(BY_SPLIT, SPANISH, **C), SCREEN).axes[0]
    assert len(axes.lines) == 6  # a whisker and a point for each of three
    whiskers = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2]
    assert np.allclose(whiskers[1], [0.604, 0.781], atol=0.001)
    assert [pair["name"] for pair in SORTED.data["pairs"]] == ["b", "a", "c"] and not SORTED.wide


@pytest.mark.parametrize(("count", "columns", "shown"), [(10, 1, 10), (25, 1, 25), (100, 2, 100), (150, 2, 120)])
def test_many_classes_are_set_in_columns(count: int, columns: int, shown: int) -> None:
    figure = samples(SPANISH)[f"classes-{count}"]
    drawing = paint(figure, PRINT)
    assert len(drawing.axes) == columns
    assert sum(len(axes.get_yticklabels()) for axes in drawing.axes) == shown
    assert drawing.get_figheight() <= 252 / 25.4  # the text of an A4 page
    assert figure.data["omitted"] == ("se omiten 30 clases intermedias" if count == 150 else "")


def test_a_hundred_classes_are_bars_with_the_ends_named() -> None:
    axes = paint(samples(SPANISH)["distribution-100"], PRINT).axes[0]
    assert len(axes.patches) == 300
    assert [text.get_text() for text in axes.texts] == ["colibrí 33: 599", "{braces} %s \\alpha: 420"]


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")  # `svg` leaves them to the reader's fonts
def test_data_are_json_and_text_stays_inside_the_drawing() -> None:
    from matplotlib.text import Text

    for name, figure in samples(SPANISH).items():
        json.dumps(figure.data, allow_nan=False)
        drawing = paint(figure, PRINT)
        drawing.draw_without_rendering()
        for text in drawing.findobj(Text):
            shown = text.get_text()
            if shown.isascii() and shown and text.get_visible() and not shown[0].isdigit():  # ticks out of view are
                box = text.get_window_extent()
                assert box.x0 > -3 and box.x1 < drawing.bbox.x1 + 3, (name, shown)


def test_trials_have_shapes_by_how_they_ended_and_a_line_of_the_best_so_far() -> None:
    figure = trials(*TRIALS, selected=4)
    assert figure.data["best"] == [0.5, 0.5, 0.5, 0.6]
    left, right = paint(figure, PRINT).axes
    markers = [line.get_marker() for line in left.get_lines() if len(line.get_xdata()) == 1]
    assert markers == ["o", "v", "x", "o", "o"]
    assert right.get_xscale() == "log" and left.get_xscale() == "linear"
    lowest = left.get_ylim()[0]
    assert [line.get_ydata()[0] for line in right.get_lines()] == [0.5, 0.7, lowest, 0.6, 0.6]
    assert "podado" not in texts(trials(TRIALS[0], with_rate=False))


def test_the_best_epoch_says_the_numbers_of_its_record(tmp_path: Path) -> None:
    lab = open_lab(write_store(tmp_path / "runs"), "demo")
    run = lab.parts["2_1"].of("vgg19")[0]
    best = int(run.resolved["best_epoch"])
    titles = said(answer(lab, SPANISH, part="2_1").items["loss"])  # type: ignore[arg-type]
    assert len(titles) == len(run.history["epoch"])
    at = {key: SPANISH.number(float(run.history[key][best - 1]), 3) for key in ("loss", "val_loss")}
    assert titles[best - 1].split("\n")[:3] == [
        f"Época {best}", f"entrenamiento: {at['loss']}", f"validación: {at['val_loss']}, mejor época",
    ]  # fmt: skip
