"""Confusion matrices: their cells, their order, their names, and what is said to those who cannot see them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from report.figures import confusion
from report.figures.confusion import _free_places, similar_order
from report.figures.svg import paint
from report.figures.theme import PRINT, clean
from tests.figure_samples import ENGLISH, SPANISH, samples, texts

NB = "\N{NO-BREAK SPACE}"
GLYPHS = pytest.mark.filterwarnings("ignore:Glyph .* missing from font")  # `svg` leaves them to the reader's fonts


def test_the_matrix_tells_its_confusions() -> None:
    figure = confusion.confusion_matrix([[8, 2], [0, 10]], ["cat", "dog"], ENGLISH, caption="")
    assert figure.alt == (
        "Confusion matrix of 2 classes: 18 of 20 images on the diagonal. "
        "Most frequent confusions: cat taken for dog, 20%."
    )
    assert sorted(text for text in texts(figure) if text.isdigit()) == ["100", "20", "80"]


def test_a_perfect_matrix_marks_nothing() -> None:
    figure = confusion.confusion_matrix(np.eye(3, dtype=int) * 7, ["a", "b", "c"], SPANISH, caption="")
    assert figure.data["top"] == []
    assert figure.alt == "Matriz de confusión de 3 clases: 21 de 21 imágenes en la diagonal."


def test_a_class_without_images_is_an_empty_row() -> None:
    figure = confusion.confusion_matrix([[0, 0], [1, 3]], ["a", "b"], ENGLISH, caption="")
    assert sorted(text for text in texts(figure) if text.isdigit()) == ["25", "75"]


@pytest.mark.parametrize("counts", [[[1, 2]], [[1], [2]], []])
def test_a_matrix_that_is_not_square_is_refused(counts: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="square"):
        confusion.confusion_matrix(counts, ["a", "b"], ENGLISH, caption="")


@GLYPHS
@pytest.mark.parametrize(("count", "marks"), [(10, 5), (25, 8), (100, 8), (150, 8)])
def test_the_matrix_is_vectors_at_every_size(count: int, marks: int) -> None:
    figure = samples(SPANISH)[f"confusion-{count}"]
    axes = paint(figure, PRINT).axes[0]
    cells = sum(
        int((patch.get_path().codes == 1).sum()) for patch in axes.patches if type(patch).__name__ == "PathPatch"
    )
    assert cells == sum(value > 0 for row in figure.data["counts"] for value in row)
    assert len(figure.data["top"]) == marks
    assert len(axes.patches) < 100 + marks  # all cells of one tint are one path
    assert not axes.images


def test_a_matrix_with_too_many_cells_for_a_page_is_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("report.figures.confusion.VECTORS", 500)
    axes = paint(samples(SPANISH)["confusion-150"], PRINT).axes[0]
    (picture,) = axes.images
    counts = np.array(samples(SPANISH)["confusion-150"].data["counts"])
    assert int((np.asarray(picture.get_array())[..., 3] > 0).sum()) == int((counts > 0).sum())


@GLYPHS
@pytest.mark.parametrize("count", [10, 25, 100])
def test_every_class_of_a_matrix_has_its_name_twice_in_five_points_or_more(count: int) -> None:
    from matplotlib.text import Text

    figure = samples(SPANISH)[f"confusion-{count}"]
    drawing = paint(figure, PRINT)
    drawing.draw_without_rendering()
    cut = 20 if count == 100 else 28
    shown = [text for text in drawing.axes[0].findobj(Text) if text.get_visible() and text.get_text()]
    for name in figure.data["names"]:
        assert sum(text.get_text() == clean(name, cut) for text in shown) == 2, name
    assert min(text.get_fontsize() for text in drawing.findobj(Text) if text.get_text()) >= 5
    assert drawing.get_figheight() <= 230 / 25.4  # of 252 mm that a page has, so that a caption fits


@GLYPHS
def test_names_of_a_hundred_rows_keep_apart() -> None:
    from matplotlib.text import Text

    drawing = paint(samples(SPANISH)["confusion-100"], PRINT)
    drawing.draw_without_rendering()
    names = [text for text in drawing.axes[0].texts if text.get_fontsize() == 5 and text.get_rotation() == 0]
    boxes = [Text.get_window_extent(text) for text in names]  # without the lines that lead to them
    assert len(boxes) == 100
    crossing = [
        (a.get_text(), b.get_text()) for (a, one), (b, other) in itertools.combinations(zip(names, boxes, strict=True), 2)
        if a.get_text().isascii() and b.get_text().isascii() and abs(one.y0 - other.y0) > 0.1
        and min(one.x1, other.x1) - max(one.x0, other.x0) > 1 and min(one.y1, other.y1) - max(one.y0, other.y0) > 1
    ]  # fmt: skip
    assert crossing == []


def test_classes_that_are_confused_stand_side_by_side() -> None:
    table = np.diag([8] * 6)
    for i, j in ((0, 3), (3, 5), (1, 4)):
        table[i, j] = table[j, i] = 4
    order = similar_order(table.tolist())
    assert sorted(order) == list(range(6))
    assert {abs(order.index(i) - order.index(j)) for i, j in ((0, 3), (3, 5), (1, 4))} == {1}
    assert similar_order((table * 0 + np.eye(6)).tolist()) == list(range(6))
    assert similar_order([[1, 2], [3, 4]]) == [0, 1]
    figure = confusion.confusion_matrix(table, list("abcdef"), ENGLISH, caption="", note="Note.")
    assert figure.note == "Note. Classes that are taken for each other stand side by side."
    shown = [label.get_text() for label in paint(figure, PRINT).axes[0].get_yticklabels()]
    assert shown == ["abcdef"[i] for i in order]


def test_similarity_groups_what_was_confused_among_a_hundred_classes() -> None:
    """Ten groups of ten, shuffled: each is found again as one run of neighbours."""
    generator = np.random.default_rng(4)
    group = generator.permutation(np.arange(100) // 10)
    alike = np.equal.outer(group, group)
    table = np.where(alike, generator.integers(1, 6, (100, 100)), 0) + 40 * np.eye(100, dtype=int)
    ordered = group[similar_order(table.tolist())]
    assert (np.diff(ordered) != 0).sum() == 9


@GLYPHS
def test_the_marks_of_a_large_matrix_are_listed() -> None:
    shown = texts(samples(SPANISH)["confusion-100"])
    assert f"tortuga 44\n→ lobo 38, 15{NB}%" in shown
    assert {"1", "8", "Confusiones más frecuentes"} <= set(shown)


def test_numbers_of_marks_keep_apart() -> None:
    marks = [[10, 11], [11, 10], [10, 12], [12, 11], [11, 12], [99, 98], [0, 1]]
    places = _free_places(marks, 100)
    for one, other in itertools.combinations(places, 2):
        assert max(abs(one[0] - other[0]), abs(one[1] - other[1])) > 2
    assert all(-0.5 < x < 99.5 and -0.5 < y < 99.5 for x, y in places)
