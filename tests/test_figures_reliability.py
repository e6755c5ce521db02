"""The reliability diagram: what is drawn, and what is said to those who cannot see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from report.evidence.language import Language
from report.figures.reliability import FEWEST, Bin, reliability_diagram
from report.figures.svg import paint, svg
from report.figures.theme import PRINT, SCREEN, network_style

ENGLISH, SPANISH = Language("en"), Language("es")


def bins(*filled: Bin) -> list[Bin | None]:
    return [None] * (10 - len(filled)) + list(filled)


SAMPLE: Mapping[str, list[Bin | None]] = {
    "alexnet": bins(Bin(3, 0.75, 1.0, 0.4, 1.0), Bin(50, 0.85, 0.7, 0.56, 0.81), Bin(900, 0.97, 0.95, 0.93, 0.96)),
    "vgg19": bins(Bin(80, 0.86, 0.9, 0.81, 0.95), Bin(800, 0.98, 0.97, 0.95, 0.98)),
}


def test_the_drawing_has_the_diagonal_and_a_line_a_network() -> None:
    figure = reliability_diagram(SAMPLE, ENGLISH, caption="c", note="n")
    (axes,) = paint(figure, PRINT).axes
    diagonal, alexnet, _, _, vgg, *_ = axes.get_lines()
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0, 1]
    assert list(alexnet.get_xdata()) == [0.85, 0.97], f"a bin of fewer than {FEWEST} images is not drawn"
    assert list(vgg.get_ydata()) == [0.9, 0.97]
    for line, network in ((alexnet, "alexnet"), (vgg, "vgg19")):
        look = network_style(network)
        assert (line.get_color(), line.get_marker()) == (PRINT[look.colour], look.marker)
    intervals: Any = axes.collections[0]
    assert [tuple(segment[:, 1]) for segment in intervals.get_segments()] == [(0.56, 0.81), (0.93, 0.96)]


@pytest.mark.parametrize("language", [ENGLISH, SPANISH], ids=["en", "es"])
def test_those_who_cannot_see_it_are_told(language: Language) -> None:
    figure = reliability_diagram(SAMPLE, language, caption="c")
    english = "AlexNet: where mean confidence is 97%, accuracy is 95% (900 images); where it is 85%, 70% (50 images)."
    spanish = "AlexNet: donde la confianza media es 97 %, la exactitud es 95 % (900 imágenes); donde es 85 %, 70 % (50 imágenes)."
    assert (english if language is ENGLISH else spanish) in figure.alt.replace("\N{NO-BREAK SPACE}", " ")
    few = reliability_diagram({"vgg19": bins(Bin(2, 0.9, 1.0, 0.3, 1.0))}, language, caption="c")
    assert "VGG-19:" in few.alt and svg(few, SCREEN).startswith("<svg")
