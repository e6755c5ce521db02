"""Curves, dot plots and distributions: what is drawn, and what is said to those who cannot see it."""

from __future__ import annotations

import itertools
import json
import math
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
from tests.figure_samples import ENGLISH, SPANISH, history, samples, share, texts

NB = "\N{NO-BREAK SPACE}"


def run(**changes: Any) -> curves.History:
    values = {
        "network": "vgg19", "loss": [2.0, 1.0, 0.5], "accuracy": [0.3, 0.6, 0.9], "val_loss": [2.1, 1.2, 1.3],
        "val_accuracy": [0.25, 0.55, 0.63], "learning_rate": [0.05, 0.05, 0.005], "best_epoch": 2,
    }  # fmt: skip
    return curves.History(**{**values, **changes})


def test_curves_tell_their_numbers() -> None:
    loss = curves.network_curves("loss", [run()], SPANISH, caption="c", note="n")
    assert (loss.caption, loss.note) == ("c", "n")
    assert "la de validación es 1,20 en la mejor época, la 2 de 3, donde la de entrenamiento es 1,00" in loss.alt
    accuracy = curves.network_curves("accuracy", [run()], ENGLISH, caption="c")
    assert "validation accuracy peaks at epoch 3 of 3 at 0.63, where training accuracy is 0.90" in accuracy.alt


def test_curves_are_labelled_directly_and_in_the_language() -> None:
    shown = texts(curves.network_curves("loss", [run(stopped="early")], SPANISH, caption=""))
    assert {"entrenamiento", "validación", "Pérdida", "Época", "Tasa de aprendizaje", "0,05", "1", "3"} <= set(shown)
    assert "mejor época: 2 · parada temprana tras la 3" in shown
    assert {"0,5", "1,0", "2,0"} <= set(shown)
    assert "0.5" in texts(curves.network_curves("loss", [run()], ENGLISH, caption=""))


def test_curves_without_learning_rates_have_one_panel() -> None:
    assert len(paint(curves.network_curves("loss", [run(learning_rate=())], SPANISH, caption=""), SCREEN).axes) == 1
    assert len(paint(curves.network_curves("loss", [run()], SPANISH, caption=""), SCREEN).axes) == 2


def test_seeds_become_a_mean_and_a_band() -> None:
    figure = curves.network_curves(
        "accuracy", [run(), run(seed=1, val_accuracy=[0.35, 0.65, 0.53])], SPANISH, caption=""
    )
    assert {key: figure.data["lines"][1][key] for key in ("mean", "low", "high", "seeds")} == {
        "mean": [0.3, 0.6, 0.58],
        "low": [0.25, 0.55, 0.53],
        "high": [0.35, 0.65, 0.63],
        "seeds": [2, 2, 2],
    }
    assert len(paint(figure, SCREEN).axes[0].collections) == 1


def test_seeds_that_stopped_at_different_epochs_are_joined() -> None:
    short = run(seed=1, loss=[1.0], accuracy=[0.5], val_loss=[1.1], val_accuracy=[0.35], best_epoch=1)
    figure = curves.network_curves("accuracy", [run(), short], SPANISH, caption="")
    assert figure.data["lines"][1]["mean"] == [0.3, 0.55, 0.63]
    assert figure.data["lines"][1]["seeds"] == [2, 1, 1]
    validation = [line for line in paint(figure, SCREEN).axes[0].lines if line.get_marker() == "o"]
    # What both seeds reached, and faint what only one did; the ring comes last.
    assert [(list(line.get_xdata()), line.get_alpha()) for line in validation] == [
        ([1], None), ([1, 2, 3], 0.5), ([1], None),
    ]  # fmt: skip


def test_early_stopping_is_marked_where_it_cut_the_line() -> None:
    for figure, ends in (
        (curves.network_curves("loss", [run(stopped="early")], SPANISH, caption=""), [[3]]),
        (curves.network_curves("loss", [run()], SPANISH, caption=""), []),
        (curves.comparison_curves([run(stopped="early"), run(network="alexnet")], SPANISH, caption=""), [[3]]),
    ):
        bars_ = [list(line.get_xdata()) for line in paint(figure, SCREEN).axes[0].lines if line.get_marker() == "|"]
        assert bars_ == ends
    barred = curves.comparison_curves([run(stopped="early"), run(network="alexnet")], SPANISH, caption="")
    assert "con anillo: mejor época · con barra: parada temprana" in texts(barred)


@pytest.mark.parametrize("network", ["alexnet", "vgg19", "resnet50"])
def test_a_network_has_its_colour_dash_and_marker_in_every_chart(network: str) -> None:
    look = network_style(network)
    lines = {
        "single": paint(curves.network_curves("loss", [run(network=network)], SPANISH, caption=""), PRINT).axes[0].lines[1],
        "compared": paint(curves.comparison_curves([run(network=network)], SPANISH, caption=""), PRINT).axes[0].lines[0],
        "reliability": paint(
            reliability_diagram({network: [Bin(9, 0.2, 0.3, 0.1, 0.5), Bin(9, 0.7, 0.8, 0.6, 0.9)]}, SPANISH, caption=""), PRINT
        ).axes[0].lines[1],
    }  # fmt: skip
    for chart, line in lines.items():
        assert (line.get_color(), line.get_marker()) == (PRINT[look.colour], look.marker), chart
        assert (line.get_linestyle() == "-") == (look.dash == "solid"), chart
    points = {
        "accuracy": bars.accuracy_comparison({network: {"test": share(8, 10)}}, SPANISH, caption=""),
        "classes": bars.per_class_accuracy(["a", "b", "c"], [share(n, 10) for n in (3, 5, 7)], SPANISH, caption="", network=network),
        "sizes": sizes.networks_compared([sizes.NetworkSize(network=network, parameters=10, multiply_adds=20)], SPANISH, caption=""),
    }  # fmt: skip
    for chart, figure in points.items():
        marks = [line for axes in paint(figure, PRINT).axes for line in axes.lines if line.get_marker() == look.marker]
        assert PRINT[look.colour] in {line.get_color() for line in marks}, chart


def test_a_diverged_run_leaves_a_gap() -> None:
    figure = curves.network_curves("loss",
        [run(loss=[2.0, math.nan, math.nan], val_loss=[2.1, math.nan, math.inf], best_epoch=1, stopped="diverged")],
        SPANISH, caption="",
    )  # fmt: skip
    assert figure.data["lines"][1]["mean"] == [2.1, None, None]
    assert "en la última época son sin valor y sin valor" in figure.alt
    assert "mejor época: 1 · divergió" in texts(figure)


def test_curves_of_no_or_several_networks_are_refused() -> None:
    for histories in ([], [run(), run(network="alexnet")]):
        with pytest.raises(ValueError, match="exactly one network"):
            curves.network_curves("loss", histories, SPANISH, caption="")
    with pytest.raises(ValueError, match="no history"):
        curves.comparison_curves([], SPANISH, caption="")


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
    axes = paint(curves.comparison_curves([history("vgg19", epochs)], SPANISH, caption=""), SCREEN).axes[0]
    assert list(axes.get_xticks()) == ticks


def test_names_at_the_ends_of_curves_keep_apart() -> None:
    close = [run(network=name, val_accuracy=[0.2, 0.5, 0.6]) for name in ("alexnet", "vgg19", "resnet50")]
    drawing = paint(curves.comparison_curves(close, SPANISH, caption=""), PRINT)
    drawing.draw_without_rendering()
    boxes = sorted(
        (text.get_window_extent() for text in drawing.axes[0].texts if text.get_text() in ("AlexNet", "VGG-19", "ResNet-50")),
        key=lambda box: box.y0,
    )  # fmt: skip
    assert len(boxes) == 3
    assert all(above.y0 >= below.y1 - 1 for below, above in itertools.pairwise(boxes))


def test_the_comparison_tells_each_network() -> None:
    figure = curves.comparison_curves([run(), run(network="alexnet", best_epoch=3)], ENGLISH, caption="")
    assert figure.alt.endswith("VGG-19: best epoch 2 of 3, with 0.55. AlexNet: best epoch 3 of 3, with 0.63.")
    loss = curves.comparison_curves([run()], ENGLISH, caption="", metric="loss")
    assert loss.alt == "Validation loss against the epoch. VGG-19: best epoch 2 of 3, with 1.20."


def test_accuracies_by_split_have_whiskers() -> None:
    figure = bars.accuracy_comparison(
        {"alexnet": {"test": share(70, 100), "train": share(90, 100)}, "vgg19": {"test": share(80, 100)}},
        SPANISH, caption="",
    )  # fmt: skip
    assert f"AlexNet: entrenamiento 90,0{NB}%, test 70,0{NB}%. VGG-19: test 80,0{NB}%." in figure.alt
    axes = paint(figure, SCREEN).axes[0]
    assert len(axes.lines) == 6  # a whisker and a point for each of three
    whiskers = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2]
    assert np.allclose(whiskers[1], [0.604, 0.781], atol=0.001)
    with pytest.raises(ValueError, match="no accuracy"):
        bars.accuracy_comparison({"vgg19": {}}, SPANISH, caption="")


def test_classes_are_sorted_and_the_ends_named() -> None:
    figure = bars.per_class_accuracy(
        ["a", "b", "c", "empty"],
        [share(5, 10), share(9, 10), share(2, 10), Quantity(value=math.nan, unit="share", n=0)],
        ENGLISH, caption="",
    )  # fmt: skip
    assert [pair["name"] for pair in figure.data["pairs"]] == ["b", "a", "c"]
    assert figure.alt.endswith("best b with 90.0%, worst c with 20.0%.")
    assert {"90.0%", "20.0%"} <= set(texts(figure))
    assert not figure.wide
    with pytest.raises(ValueError, match="no class"):
        bars.per_class_accuracy(["a"], [Quantity(value=math.nan, unit="share", n=0)], ENGLISH, caption="")
    with pytest.raises(ValueError, match="zip"):
        bars.per_class_accuracy(["a"], [], ENGLISH, caption="")


@pytest.mark.parametrize(("count", "columns", "shown"), [(10, 1, 10), (25, 1, 25), (100, 2, 100), (150, 2, 120)])
def test_many_classes_are_set_in_columns(count: int, columns: int, shown: int) -> None:
    figure = samples(SPANISH)[f"classes-{count}"]
    drawing = paint(figure, PRINT)
    assert len(drawing.axes) == columns
    assert sum(len(axes.get_yticklabels()) for axes in drawing.axes) == shown
    assert drawing.get_figheight() <= 252 / 25.4  # the text of an A4 page
    assert figure.data["omitted"] == ("se omiten 30 clases intermedias" if count == 150 else "")


def test_distributions_say_whether_they_are_even() -> None:
    even = class_distribution(["a", "b"], {"train": [600, 600], "test": [600, 600]}, SPANISH, caption="")
    assert even.alt == "Cada una de las 2 clases tiene 1.200 imágenes."
    uneven = class_distribution(["a", "b"], {"train": [1, 2000]}, SPANISH, caption="")
    assert uneven.alt == "Imágenes en 2 clases: la mayor cantidad en b (2.000), la menor en a (1), 1.000,5 en promedio."
    assert "media: 1.000,5" in texts(uneven)
    for names, counts in (([], {"train": []}), (["a"], {})):
        with pytest.raises(ValueError, match="no classes"):
            class_distribution(names, counts, SPANISH, caption="")


def test_a_hundred_classes_are_bars_with_the_ends_named() -> None:
    figure = samples(SPANISH)["distribution-100"]
    axes = paint(figure, PRINT).axes[0]
    assert len(axes.patches) == 300
    assert [text.get_text() for text in axes.texts] == ["colibrí 33: 599", "{braces} %s \\alpha: 420"]


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")  # `svg` leaves them to the reader's fonts
def test_text_of_every_figure_stays_inside_it() -> None:
    from matplotlib.text import Text

    for name, figure in samples(SPANISH).items():
        drawing = paint(figure, PRINT)
        drawing.draw_without_rendering()
        for text in drawing.findobj(Text):
            shown = text.get_text()
            if shown.isascii() and shown and text.get_visible() and not shown[0].isdigit():  # ticks out of view are
                box = text.get_window_extent()
                assert box.x0 > -3 and box.x1 < drawing.bbox.x1 + 3, (name, shown)


def test_data_are_json() -> None:
    for figure in samples(SPANISH).values():
        json.dumps(figure.data, allow_nan=False)
        assert figure.alt.strip()


def trial(number: int, state: str, value: float | None, rate: float) -> Trial:
    return Trial(number, state, {"learning_rate": rate}, value, None, 6, None)


def test_trials_have_shapes_by_how_they_ended_and_a_line_of_the_best_so_far() -> None:
    tried = [trial(1, "complete", 0.5, 0.01), trial(2, "pruned", 0.7, 0.02), trial(3, "failed", None, 0.3),
             trial(4, "complete", 0.6, 0.001)]  # fmt: skip
    figure = trials_figure(tried, SPANISH, network="vgg19", selected=4, with_rate=True, caption="c")
    assert figure.data["best"] == [0.5, 0.5, 0.5, 0.6]
    assert (
        "4 ensayos para VGG-19: 2 completos, 1 podados, 1 fallidos. Se seleccionó el ensayo 4, con 60,0" in figure.alt
    )
    left, right = paint(figure, PRINT).axes
    markers = [line.get_marker() for line in left.get_lines() if len(line.get_xdata()) == 1]
    assert markers == ["o", "v", "x", "o", "o"]
    assert right.get_xscale() == "log" and left.get_xscale() == "linear"
    lowest = left.get_ylim()[0]
    assert [line.get_ydata()[0] for line in right.get_lines()] == [0.5, 0.7, lowest, 0.6, 0.6]
    assert {"completo", "podado", "fallido", "seleccionado", "mejor hasta entonces", "0,01", "Ensayo"} <= set(
        texts(figure)
    )
    assert "podado" not in texts(
        trials_figure(tried[:1], SPANISH, network="vgg19", selected=1, with_rate=False, caption="")
    )
    with pytest.raises(ValueError, match="no trial"):
        trials_figure([], SPANISH, network="vgg19", selected=1, with_rate=False, caption="")


# What marks say where the pointer rests on them


ONE = run(val_accuracy=[0.25, 0.5512, 0.63], learning_rate=[0.05, 0.0125, 0.005])
OTHER = run(network="alexnet", val_accuracy=[0.4], best_epoch=1)
SHORT = run(seed=1, val_accuracy=[0.35])
SIZE = sizes.NetworkSize(network="vgg19", parameters=143_667_240, multiply_adds=10, top1=0.713, protocol="single crop")
TRIALS = [trial(1, "complete", 0.5, 0.0125), trial(2, "failed", None, 0.3)]


def said(figure: Figure) -> list[str]:
    """The titles of a chart's marks."""
    root = ElementTree.fromstring(svg(figure, SCREEN))
    return [title.text or "" for group in root.iter("{http://www.w3.org/2000/svg}g")
            for title in group.findall("{http://www.w3.org/2000/svg}title")]  # fmt: skip


@pytest.mark.parametrize(
    ("figure", "first"),
    [
        (
            curves.network_curves("accuracy", [ONE], SPANISH, caption=""),
            ["Época 1\nentrenamiento: 0,300\nvalidación: 0,250\nTasa de aprendizaje: 0,05",
             "Época 2\nentrenamiento: 0,600\nvalidación: 0,551, mejor época\nTasa de aprendizaje: 0,0125"],
        ),
        (
            curves.comparison_curves([ONE, OTHER], ENGLISH, caption=""),
            ["Epoch 1\nVGG-19: 0.250\nAlexNet: 0.400, best epoch", "Epoch 2\nVGG-19: 0.551, best epoch"],
        ),
        (
            curves.comparison_curves([ONE, SHORT], ENGLISH, caption=""),
            ["Epoch 1\nVGG-19: 0.300 (0.250–0.350; seeds: 2)", "Epoch 2\nVGG-19: 0.551 (0.551–0.551; seeds: 1), best epoch"],
        ),
        (
            bars.accuracy_comparison({"vgg19": {"test": share(80, 100)}}, SPANISH, caption=""),
            [f"VGG-19, test\nExactitud: 80,0{NB}%\nIntervalo del 95{NB}%: 71,1–86,7{NB}%\nImágenes: 100"],
        ),
        (
            bars.per_class_accuracy(["dog", "cat"], [share(5, 10), share(9, 10)], ENGLISH, caption=""),
            ["cat\nAccuracy: 90.0%\n95% interval: 59.6–98.2%\nImages: 10"],
        ),
        (
            class_distribution(["'><script>\"&amp;", "b"], {"train": [1200, 3], "test": [7, 4]}, SPANISH, caption=""),
            ["'><script>\"&amp;\nImágenes: 1.207\nentrenamiento: 1.200\ntest: 7"],
        ),
        (sizes.networks_compared([SIZE], ENGLISH, caption=""), ["VGG-19\nParameters: 143,667,240"]),
        (
            trials_figure(TRIALS, SPANISH, network="vgg19", selected=1, with_rate=True, caption=""),
            [f"Ensayo 1, completo, seleccionado\nExactitud de validación: 50,0{NB}%\nTasa de aprendizaje máxima: 0,0125",
             "Ensayo 2, fallido\nTasa de aprendizaje máxima: 0,3"],
        ),
        (
            confusion.confusion_matrix([[0, 0], [1, 3]], ["a", "b"], ENGLISH, caption=""),
            ["Images: 1 of 4 (25.0%)\nTrue class: b\nPredicted class: a"],
        ),
        (
            reliability_diagram({"vgg19": [None, Bin(50, 0.75, 0.7, 0.56, 0.81)]}, ENGLISH, caption=""),
            ["VGG-19\nAccuracy: 70%, Confidence: 75%, Images: 50"],
        ),
    ],
)  # fmt: skip
def test_marks_say_their_numbers_in_the_language(figure: Figure, first: list[str]) -> None:
    assert said(figure)[: len(first)] == first


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


def test_paper_says_nothing() -> None:
    figures = samples(SPANISH)
    for name in ("loss-8", "accuracy", "compared", "distribution-10", "confusion-10", "trials-8"):
        assert svg(figures[name], PRINT).count("<title>") == 1, name
        assert "<script" not in svg(figures[name], SCREEN)
