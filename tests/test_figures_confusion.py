"""Confusion matrices: their cells, their order, their names, and what is said to those who cannot see them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from report.figures import confusion
from report.figures.confusion import similar_order
from report.figures.svg import paint
from report.figures.theme import PRINT, clean
from tests.figure_samples import ENGLISH, NB, SPANISH, samples, texts

pytestmark = pytest.mark.filterwarnings("ignore:Glyph .* missing from font")  # `svg` leaves them to the reader's fonts


@pytest.mark.parametrize(
    ("counts", "alt", "digits"),
    [
        ([[8, 2], [0, 10]], "2 classes: 18 of 20 images on the diagonal. Most frequent confusions: a taken for b, 20%.",
         ["100", "20", "80"]),
        ([[7, 0, 0], [0, 7, 0], [0, 0, 7]], "3 classes: 21 of 21 images on the diagonal.", ["100"] * 3),
        ([[0, 0], [1, 3]], "2 classes: 3 of 4 images on the diagonal. Most frequent confusions: b taken for a, 25%.",
         ["25", "75"]),  # a class without images is an empty row
    ],
)  # fmt: skip
def test_the_matrix_tells_its_confusions(counts: list[list[int]], alt: str, digits: list[str]) -> None:
    figure = confusion.confusion_matrix(counts, list("abc")[: len(counts)], ENGLISH, caption="")
    assert figure.alt == f"Confusion matrix of {alt}"
    assert sorted(text for text in texts(figure) if text.isdigit()) == digits


@pytest.mark.parametrize("counts", [[[1, 2]], [[1], [2]], []])
def test_a_matrix_that_is_not_square_is_refused(counts: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="square"):
        confusion.confusion_matrix(counts, ["a", "b"], ENGLISH, caption="")


@pytest.mark.parametrize(("count", "marks"), [(10, 5), (25, 8), (100, 8), (150, 8)])
def test_it_is_vectors_at_every_size_with_each_name_twice_in_five_points_or_more(count: int, marks: int) -> None:
    from matplotlib.text import Text

    figure = samples(SPANISH)[f"confusion-{count}"]
    drawing = paint(figure, PRINT)
    axes = drawing.axes[0]
    paths = [patch.get_path() for patch in axes.patches if type(patch).__name__ == "PathPatch"]
    filled = sum(value > 0 for row in figure.data["counts"] for value in row)
    assert sum(int((path.codes == 1).sum()) for path in paths) == filled and not axes.images
    assert len(figure.data["top"]) == marks
    assert len(axes.patches) < 100 + marks  # all cells of one tint are one path
    if count <= 100:
        drawing.draw_without_rendering()
        shown = [text for text in drawing.findobj(Text) if text.get_visible() and text.get_text()]
        written = [text.get_text() for text in axes.findobj(Text) if text in shown]
        for name in figure.data["names"]:
            assert written.count(clean(name, 20 if count == 100 else 28)) == 2, name
        assert min(text.get_fontsize() for text in shown) >= 5
        assert drawing.get_figheight() <= 230 / 25.4  # of 252 mm that a page has, so that a caption fits


def test_marks_of_a_large_matrix_are_listed_and_names_and_numbers_keep_apart() -> None:
    from matplotlib.text import Text

    figure = samples(SPANISH)["confusion-100"]
    assert {"1", "8", "Confusiones más frecuentes", f"tortuga 44\n→ lobo 38, 15{NB}%"} <= set(texts(figure))
    drawing = paint(figure, PRINT)
    drawing.draw_without_rendering()
    names = [text for text in drawing.axes[0].texts if text.get_fontsize() == 5 and text.get_rotation() == 0]
    numbers = [text for text in drawing.axes[0].texts if text.get_text().isdigit()]
    assert (len(names), len(numbers)) == (100, 8)
    for shown in ([text for text in names if text.get_text().isascii()], numbers):
        boxes = [Text.get_window_extent(text) for text in shown]  # without the lines that lead to them
        for one, other in itertools.combinations(boxes, 2):
            across, along = min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0)
            assert across <= 1 or along <= 1 or (shown is not numbers and abs(one.y0 - other.y0) <= 0.1)


def test_numbers_of_marks_side_by_side_keep_apart_inside_the_matrix() -> None:
    counts = np.diag([90] * 60)
    counts[[10, 11, 10, 12, 11, 59, 0], [11, 10, 12, 11, 12, 58, 1]] = range(9, 2, -1)
    axes = paint(confusion.confusion_matrix(counts, [f"c{i}" for i in range(60)], ENGLISH, caption=""), PRINT).axes[0]
    places = [text.get_position() for text in axes.texts if text.get_text().isdigit()]
    assert len(places) == 7 and all(-0.5 < x < 59.5 and -0.5 < y < 59.5 for x, y in places)
    assert all(max(abs(a - c), abs(b - d)) > 1.5 for (a, b), (c, d) in itertools.combinations(places, 2))


def test_classes_that_are_confused_stand_side_by_side() -> None:
    table = np.diag([8] * 6)
    for i, j in ((0, 3), (3, 5), (1, 4)):
        table[i, j] = table[j, i] = 4
    order = similar_order(table.tolist())
    assert sorted(order) == list(range(6))
    assert {abs(order.index(i) - order.index(j)) for i, j in ((0, 3), (3, 5), (1, 4))} == {1}
    assert similar_order(np.eye(6).tolist()) == list(range(6)) and similar_order([[1, 2], [3, 4]]) == [0, 1]
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
    assert (np.diff(group[similar_order(table.tolist())]) != 0).sum() == 9
