"""Networks drawn from their layer tables, and their sizes by block."""

from __future__ import annotations

import itertools

import pytest

from report.figures.network import networks_drawing, vgg19_drawing
from report.figures.sizes import NetworkSize, block_counts, networks_compared
from report.figures.svg import paint
from report.figures.theme import PRINT, SCREEN, Theme
from tests.fabricate_architectures import _vgg19_layers
from tests.figure_samples import ENGLISH, SPANISH, alexnet_layers, resnet50_layers, texts

NB = "\N{NO-BREAK SPACE}"
VGG19 = _vgg19_layers()


def test_vgg19_is_drawn_as_in_the_assignment() -> None:
    figure = vgg19_drawing(VGG19, SPANISH, caption="")
    shown = texts(figure)
    for size in ("224×224×64", "112×112×128", "56×56×256", "28×28×512", "14×14×512", "4.096", "1.000"):
        assert size in shown
    assert {f"conv{block}_{index}" for block in (3, 4, 5) for index in (1, 2, 3, 4)} <= set(shown)
    assert {"→ 112×112×64", "→ 7×7×512", "aplanado: 25.088", "Bloque 5"} <= set(shown)
    assert shown.count("max pooling") == 6  # five blocks and the legend
    assert figure.alt == (
        "Dibujo de VGG-19: 5 bloques con 2, 2, 4, 4, 4 convoluciones cada uno, mapas de características de 224×224×64, 112×112×128, 56×56×256, "
        "28×28×512, 14×14×512, y luego capas densas de 4.096, 4.096, 1.000 unidades."
    )


def test_each_layer_is_a_box() -> None:
    axes = paint(vgg19_drawing(VGG19, SPANISH, caption=""), SCREEN).axes[0]
    assert len(axes.patches) == (16 + 5 + 3) * 5 + 3  # three faces and two shades each; the legend


@pytest.mark.parametrize("theme", [SCREEN, PRINT])
def test_labels_of_the_drawing_do_not_overlap(theme: Theme) -> None:
    drawing = paint(vgg19_drawing(VGG19, SPANISH, caption=""), theme)
    drawing.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawing.axes[0].texts]
    for index, (text, box) in enumerate(boxes):
        assert box.x0 > -1 and box.x1 < drawing.bbox.x1 + 1 and box.y0 > -1 and box.y1 < drawing.bbox.y1 + 1, text
        for other, second in boxes[index + 1 :]:
            apart = box.x1 <= second.x0 or second.x1 <= box.x0 or box.y1 <= second.y0 + 2 or second.y1 <= box.y0 + 2
            assert apart, (text, other)


def test_a_network_without_pooling_or_at_another_size_is_drawn() -> None:
    rows = [{**row, "output_shape": [4, 4, 64]} for row in VGG19 if row["kind"] == "Conv2D"]
    figure = vgg19_drawing(rows, ENGLISH, caption="")
    assert "→" not in "".join(texts(figure))
    assert figure.alt.startswith("Drawing of VGG-19: 5 blocks")


def test_stages_of_a_residual_network_are_counted() -> None:
    tables = {"alexnet": alexnet_layers(), "vgg19": VGG19, "resnet50": resnet50_layers()}
    shown = texts(networks_drawing(tables, SPANISH, caption=""))
    assert {"3 × (1·3·1)", "4 × (1·3·1)", "6 × (1·3·1)", "1 × 7×7", "7×7×2048", "1 × 11×11", "4 × 3×3"} <= set(shown)
    assert "convoluciones: 53 · capas densas: 1 · parámetros: 2.578.472" in shown


def test_a_table_without_layers_is_refused() -> None:
    for call in (lambda: vgg19_drawing([], SPANISH, caption=""), lambda: networks_drawing({}, SPANISH, caption="")):
        with pytest.raises(ValueError, match="no "):
            call()
    with pytest.raises(ValueError, match="no block"):
        block_counts([], SPANISH, caption="")
    with pytest.raises(ValueError, match="no network"):
        networks_compared([], SPANISH, caption="")


def test_blocks_have_the_published_counts() -> None:
    figure = block_counts(VGG19, SPANISH, caption="")
    filters, parameters, multiply_adds, activations = figure.data["panels"]
    assert filters["values"] == [128, 256, 1024, 2048, 2048, None]
    assert parameters["values"] == [38_720, 221_440, 2_065_408, 8_259_584, 9_439_232, 123_642_856]
    assert sum(multiply_adds["values"]) == 19_632_062_464
    assert figure.data["log"] == parameters["title"]
    assert activations["printed"][0] == f"7,2{NB}M"
    assert "escala logarítmica" in texts(figure)
    assert f"Capas densas 123,6{NB}M." in figure.alt


def test_every_largest_block_is_emphasised() -> None:
    axes = paint(block_counts(VGG19, SPANISH, caption=""), SCREEN).axes[0]
    assert [text.get_text() for text in axes.texts if text.get_fontweight() == "bold"] == ["2.048", "2.048"]


def test_networks_are_compared_with_their_protocol() -> None:
    figure = networks_compared(
        [
            NetworkSize(network="alexnet", parameters=60_965_224, multiply_adds=724_406_816),
            NetworkSize(network="vgg19", parameters=143_667_240, multiply_adds=19_632_062_464, top1=0.713,
                        protocol="single crop"),
        ],
        ENGLISH, caption="",
    )  # fmt: skip
    assert figure.alt == (
        f"Parameters: AlexNet 61.0{NB}M, VGG-19 143.7{NB}M. Multiply-adds: AlexNet 724.4{NB}M, VGG-19 19.6{NB}G. "
        "ImageNet top-1 accuracy: AlexNet –, VGG-19 71.3%."
    )
    assert "VGG-19\nsingle crop" in texts(figure)


@pytest.mark.parametrize("theme", [SCREEN, PRINT])
def test_heads_of_panels_keep_apart(theme: Theme) -> None:
    drawing = paint(block_counts(VGG19, SPANISH, caption=""), theme)
    drawing.draw_without_rendering()
    heads = [axes._left_title.get_window_extent() for axes in drawing.axes]
    assert all(left.x1 + 4 < right.x0 for left, right in itertools.pairwise(heads))
