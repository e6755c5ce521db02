"""Networks drawn from their layer tables, and their sizes by block."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from report.evidence.quantity import Figure
from report.figures.network import networks_drawing, vgg19_drawing
from report.figures.sizes import NetworkSize, block_counts, networks_compared
from report.figures.svg import paint
from report.figures.theme import PRINT, SCREEN, Theme
from tests.fabricate_architectures import _vgg19_layers
from tests.figure_samples import ENGLISH, NB, SPANISH, alexnet_layers, resnet50_layers, texts

VGG19 = _vgg19_layers()
C: Any = {"caption": ""}


def test_vgg19_is_drawn_as_in_the_assignment() -> None:
    figure = vgg19_drawing(VGG19, SPANISH, **C)
    shown = texts(figure)
    sizes = ["224×224×64", "112×112×128", "56×56×256", "28×28×512", "14×14×512"]
    assert {*sizes, "4.096", "1.000", "→ 112×112×64", "→ 7×7×512", "aplanado: 25.088", "Bloque 5"} <= set(shown)
    assert {f"conv{block}_{index}" for block in (3, 4, 5) for index in (1, 2, 3, 4)} <= set(shown)
    assert shown.count("max pooling") == 6  # five blocks and the legend
    assert figure.alt == (
        "Dibujo de VGG-19: 5 bloques con 2, 2, 4, 4, 4 convoluciones cada uno, mapas de características de "
        f"{', '.join(sizes)}, y luego capas densas de 4.096, 4.096, 1.000 unidades."
    )
    axes = paint(figure, SCREEN).axes[0]
    assert len(axes.patches) == (16 + 5 + 3) * 5 + 3  # three faces and two shades each; the legend


@pytest.mark.parametrize("theme", [SCREEN, PRINT])
def test_words_of_drawing_and_panels_do_not_overlap(theme: Theme) -> None:
    drawing = paint(vgg19_drawing(VGG19, SPANISH, **C), theme)
    drawing.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawing.axes[0].texts]
    for index, (text, box) in enumerate(boxes):
        assert box.x0 > -1 and box.x1 < drawing.bbox.x1 + 1 and box.y0 > -1 and box.y1 < drawing.bbox.y1 + 1, text
        for other, second in boxes[index + 1 :]:
            apart = box.x1 <= second.x0 or second.x1 <= box.x0 or box.y1 <= second.y0 + 2 or second.y1 <= box.y0 + 2
            assert apart, (text, other)
    drawing = paint(block_counts(VGG19, SPANISH, **C), theme)
    drawing.draw_without_rendering()
    heads = [axes._left_title.get_window_extent() for axes in drawing.axes]
    assert all(left.x1 + 4 < right.x0 for left, right in itertools.pairwise(heads))


def test_a_network_without_pooling_or_at_another_size_is_drawn() -> None:
    rows = [{**row, "output_shape": [4, 4, 64]} for row in VGG19 if row["kind"] == "Conv2D"]
    figure = vgg19_drawing(rows, ENGLISH, **C)
    assert "→" not in "".join(texts(figure)) and figure.alt.startswith("Drawing of VGG-19: 5 blocks")


def test_stages_of_a_residual_network_are_counted() -> None:
    tables = {"alexnet": alexnet_layers(), "vgg19": VGG19, "resnet50": resnet50_layers()}
    shown = texts(networks_drawing(tables, SPANISH, **C))
    assert {"3 × (1·3·1)", "4 × (1·3·1)", "6 × (1·3·1)", "1 × 7×7", "7×7×2048", "1 × 11×11", "4 × 3×3"} <= set(shown)
    assert "convoluciones: 53 · capas densas: 1 · parámetros: 2.578.472" in shown


@pytest.mark.parametrize(
    ("call", "said"),
    [(vgg19_drawing, "no convolution"), (networks_drawing, "no network"), (block_counts, "no block"), (networks_compared, "no net")],
)  # fmt: skip
def test_a_table_without_layers_is_refused(call: Callable[..., Figure], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call([], SPANISH, **C)


def test_blocks_have_the_published_counts_the_largest_emphasised() -> None:
    figure = block_counts(VGG19, SPANISH, **C)
    filters, parameters, multiply_adds, activations = figure.data["panels"]
    assert filters["values"] == [128, 256, 1024, 2048, 2048, None]
    assert parameters["values"] == [38_720, 221_440, 2_065_408, 8_259_584, 9_439_232, 123_642_856]
    assert sum(multiply_adds["values"]) == 19_632_062_464
    assert figure.data["log"] == parameters["title"] and "escala logarítmica" in texts(figure)
    assert activations["printed"][0] == f"7,2{NB}M" and f"Capas densas 123,6{NB}M." in figure.alt
    written = paint(figure, SCREEN).axes[0].texts
    assert [text.get_text() for text in written if text.get_fontweight() == "bold"] == ["2.048", "2.048"]


def test_networks_are_compared_with_their_protocol() -> None:
    sizes = [NetworkSize("alexnet", 60_965_224, 724_406_816),
             NetworkSize("vgg19", 143_667_240, 19_632_062_464, top1=0.713, protocol="single crop")]  # fmt: skip
    figure = networks_compared(sizes, ENGLISH, **C)
    assert figure.alt == (
        f"Parameters: AlexNet 61.0{NB}M, VGG-19 143.7{NB}M. Multiply-adds: AlexNet 724.4{NB}M, VGG-19 19.6{NB}G. "
        "ImageNet top-1 accuracy: AlexNet –, VGG-19 71.3%."
    )
    assert "VGG-19\nsingle crop" in texts(figure)
