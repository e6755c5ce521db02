"""What a report says and shows of confusions, variety, maps and filters: in both languages, and without older files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup, Tag

from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore
from report.activities.attention import central_shares, neighbours
from report.activities.overlay import coloured, overlaid
from report.build import page
from report.data.records import open_lab
from report.document.assembly import assemble
from report.document.model import Document, Prose
from report.evidence.language import Language
from report.evidence.quantity import Figure, Gallery
from report.figures.filters import first_layer, grid
from report.notebook.outputs import bundle
from tests.fabricate import write_store

ONE: dict[str, Any] = {"networks": {"clothes": ["vgg19"], "digits": ["alexnet"]}}
SIX = ["boot", "coat", "dress", "shirt", "shoe", "<b>bag</b>"]


@pytest.fixture
def documents(tmp_path: Path) -> Callable[..., dict[str, Document]]:
    def make(**options: Any) -> dict[str, Document]:
        root = tmp_path / f"runs-{len(list(tmp_path.iterdir()))}"
        write_store(root, **{**ONE, **options})
        data = open_lab(RunStore(root), "demo")
        return {
            code: assemble(data, load_lab("demo", overrides=[f"lab.language={code}"]), Language(code))
            for code in ("es", "en")
        }

    return make


def says(document: Document, key: str = "activity-09") -> str:
    text = " ".join(piece.markdown for piece in document.section(key).pieces if isinstance(piece, Prose))
    return " ".join(text.replace("\\", "").replace("*", "").replace("\N{NO-BREAK SPACE}", " ").split())


def check(made: dict[str, Document], es: str, en: str, *, absent: tuple[str, ...] = ()) -> None:
    texts = {code: says(document) for code, document in made.items()}
    assert es in texts["es"], texts["es"]
    assert en in texts["en"], texts["en"]
    assert not [words for words in absent if any(words in text for text in texts.values())]


def item(document: Document, name: str) -> Any:
    return next(placed.item for placed in document.section("activity-09").items if placed.name == name)


def figure(made: dict[str, Document], name: str, code: str, tmp_path: Path) -> Tag:
    lab = load_lab("demo", overrides=[f"lab.language={code}"])
    dom = BeautifulSoup(page(made[code], lab, tmp_path / "out", "screen"), "html.parser")
    (found,) = dom.select(f"#activity-09-{name}")
    return found


def test_mistakes_stand_beside_right_answers_of_both_classes(documents: Callable[..., Any], tmp_path: Path) -> None:
    made = documents(classes={"clothes": SIX, "digits": ["0", "1"]}, skill={"vgg19": 0.4, "alexnet": 0.5})
    gallery = item(made["en"], "confusions")
    assert isinstance(gallery, Gallery) and gallery.group == 3 and 9 <= len(gallery.items) <= 18
    for wrong, right, other in zip(*[iter(gallery.items)] * 3, strict=True):
        assert wrong.label == right.label == right.predicted != wrong.predicted
        assert other.label == other.predicted == wrong.predicted
    dom = figure(made, "confusions", "es", tmp_path)
    rows = dom.select(".tiles.groups.of-3 > .group")
    assert [row["aria-label"] for row in rows] == [f"Fila {i}" for i in range(1, len(rows) + 1)]
    assert all(len(row.select(".tile")) == 3 for row in rows)
    assert [tile["class"] for tile in rows[0].select(".tile")] == [
        ["tile", "wrong"],
        ["tile", "right"],
        ["tile", "right"],
    ]
    assert "confusiones reúnen el" in dom.select("figcaption")[0].get_text()
    assert not dom.select("figcaption b b")
    check(made, "junto a aciertos de ambas clases", "beside rightly answered ones of both classes")


def test_each_photograph_has_its_map_beside_it(documents: Callable[..., Any], tmp_path: Path) -> None:
    made = documents(skill={"vgg19": 0.6, "alexnet": 0.5})
    gallery = item(made["en"], "attention")
    assert gallery.group == 2 and len(gallery.items) == 12
    for photograph, over in zip(*[iter(gallery.items)] * 2, strict=True):
        assert photograph.pixels.shape == (32, 32, 3) and over.pixels.shape == (128, 128, 3)
        assert over.label == "" and over.origin == f"map for {photograph.predicted}"
    right = [photograph.label == photograph.predicted for photograph in gallery.items[::2]]
    assert right == [True] * 3 + [False] * 3
    assert "3 answered right, 3 wrong" in gallery.alt and "layer conv5 has only 4×4 cells" in gallery.note
    dom = figure(made, "attention", "es", tmp_path)
    pictures = [image["alt"] for image in dom.select(".tile img")]
    assert all(text.startswith("Imagen de la clase") for text in pictures[::2])
    assert all(text.startswith("Mapa de") and "máximo en" in text for text in pictures[1::2])
    assert next(tile.get_text(strip=True) for tile in dom.select(".tile .class")) == gallery.items[0].label
    data, _ = bundle(gallery, Language("en"))
    assert data["image/png"][:4] == b"\x89PNG" and "map for" in data["text/plain"]


def test_the_alternative_text_says_where_the_map_is_strongest(documents: Callable[..., Any]) -> None:
    corner = np.zeros((4, 4), np.uint8)
    corner[3, 0] = 255
    gallery = item(documents(insight={"maps": corner})["en"], "attention")
    assert {over.alt.split(": ")[1] for over in gallery.items[1::2]} == {"strongest at the bottom left"}
    made = documents(insight={"maps": np.zeros((4, 4), np.uint8)})
    gallery = item(made["en"], "attention")
    assert {over.alt.split(": ")[1] for over in gallery.items[1::2]} == {"nothing is marked"}
    check(
        made,
        "no entran en estas cifras: 40",
        "left out of these figures: 40",
        absent=("Se midió si", "was measured. On"),
    )


def test_what_the_maps_are_worth_is_what_covering_came_to(documents: Callable[..., Any]) -> None:
    worth = {
        "matters": ({"marked": 0.3, "other": 0.9}, "los mapas señalan aquello de lo que", "the maps mark what the answer depends"),
        "reversed": ({"marked": 0.9, "other": 0.3}, "va en sentido contrario", "the wrong way round"),
        "neither": ({"marked": 0.6, "other": 0.6}, "no queda demostrado", "is not shown"),
    }  # fmt: skip
    sentences = [es for _, es, _ in worth.values()]
    captions = set()
    for changed, es, en in worth.values():
        made = documents(insight=changed)
        check(made, es, en, absent=tuple(one for one in sentences if one != es))
        captions.add(item(made["en"], "attention").caption.split(" the answer")[0])
    assert len(captions) == 3, captions


def test_central_maps_are_compared_between_right_and_wrong_answers(documents: Callable[..., Any]) -> None:
    middle = np.zeros((4, 4), np.uint8)
    middle[1:3, 1:3] = 255
    check(
        documents(insight={"maps": middle}), "está 100,0 % (100,0–100,0) de lo señalado", "lies 100.0% (100.0–100.0) of",
        absent=("se apoyan más en el centro",),
    )  # fmt: skip
    right_first = documents()["en"].lab.parts["2_1"].runs[0].predictions["test"].right
    maps = np.where(right_first[:, None, None], middle, 255 - middle)
    check(documents(insight={"maps": maps}), "los aciertos se apoyan más", "right answers rest more on the middle")


def test_shares_of_the_middle_count_cells_by_area() -> None:
    assert central_shares(np.ones((1, 4, 4))) == pytest.approx([0.25])
    assert central_shares(np.ones((2, 7, 5))) == pytest.approx([0.25, 0.25])
    odd = np.zeros((1, 7, 7))
    odd[0, 3, 3] = 5
    assert central_shares(odd) == pytest.approx([1])
    edge = np.zeros((1, 6, 6))
    edge[0, 1, 2] = 1  # its upper half lies outside the middle
    assert central_shares(edge) == pytest.approx([0.5])


def test_variety_is_claimed_only_where_it_goes_with_accuracy(documents: Callable[..., Any]) -> None:
    def made(values: np.ndarray | None) -> dict[str, Document]:
        changed = {} if values is None else {"diversity": values}
        baselines = {"clothes": {"right": 0.4, **changed}}
        classes = {"clothes": [f"class {i}" for i in range(12)], "digits": ["0", "1"]}
        return documents(classes=classes, baselines=baselines)

    test = made(None)["en"].lab.parts["2_1"].runs[0].predictions["test"]
    right = np.array([test.right[test.labels == label].mean() for label in range(12)])
    noise = np.random.default_rng(1).permutation(12)
    check(made(2 - right), "las más variadas se reconocen peor", "the more varied ones are recognised worse")
    check(made(2 + right), "las más variadas se reconocen mejor", "the more varied ones are recognised better")
    check(
        made(1 + noise / 12), "la variedad no explica aquí", "variety explains neither",
        absent=("se reconocen peor", "recognised better"),
    )  # fmt: skip
    older = made(None)
    assert (
        "variad" not in says(older["es"]) and [c.key for c in item(older["en"], "per_class").columns][-1] == "interval"
    )
    table = item(made(2 - right)["en"], "per_class")
    assert table.columns[-1].head == "Variety"
    values = [row["varied"].value for row in table.rows]
    assert values == sorted(values) and values[0] == pytest.approx(2 - right.max())


def test_filters_are_structured_or_noise(documents: Callable[..., Any], tmp_path: Path) -> None:
    made = documents()
    check(made, "una estructura que el azar no da", "a structure that chance does not give")
    assert isinstance(item(made["en"], "filters"), Figure)
    dom = figure(made, "filters", "es", tmp_path)
    assert dom.select("svg image") and "16 imágenes de 5×5 píxeles" in str(dom.select("svg")[0]["aria-label"])
    noise = np.random.default_rng(0).normal(0, 1, (5, 5, 3, 64))
    check(documents(insight={"filters": noise}), "apenas son más que ruido", "hardly more than noise")


def test_neighbouring_weights() -> None:
    even, chess = np.ones((4, 4, 3, 1)), np.indices((4, 4)).sum(0) % 2 * 2 - 1
    weights = np.concatenate([even, np.repeat(chess[..., None, None], 3, 2), np.zeros((4, 4, 3, 1))], axis=3)
    assert neighbours(weights) == pytest.approx([1, -1, 0])


def test_the_grid_holds_each_filter_in_its_own_scale() -> None:
    filters = np.zeros((3, 3, 3, 2))
    filters[..., 0], filters[0, 0, 0, 1] = 0.001, -5
    drawn = np.array(first_layer(filters, Language("en"), caption="x").data["filters"])
    assert drawn[0][0][0].tolist() == [1, 128, 128], "the strongest first, its weight of -5 at the dark end"
    assert (drawn[1] == 255).all()
    pixels = grid(drawn)
    assert pixels.shape == (36, 77, 4) and pixels[0, 0].tolist() == [1, 128, 128, 255] and pixels[0, 38, 3] == 0


def test_older_records_still_give_a_report(documents: Callable[..., Any]) -> None:
    made = documents(insight=None)
    for code, document in made.items():
        assert document.missing == ()
        for key in ("activity-09", "activity-13"):
            names = [placed.name for placed in document.section(key).items]
            assert not {"attention", "filters"} & set(names) and "confusion" in names
            assert "Grad-CAM" not in says(document, key), code


def test_the_overlay_is_brightest_where_the_map_is() -> None:
    photograph = np.full((28, 28, 3), 120, np.uint8)
    cells = np.zeros((4, 4), np.uint8)
    cells[0, 3] = 255
    over = overlaid(photograph, cells)
    assert over.shape == (140, 140, 3) and over.dtype == np.uint8
    grey = over.astype(float) @ [0.299, 0.587, 0.114]
    assert np.unravel_index(int(grey.argmax()), grey.shape)[0] < 35 and grey[:20, -20:].min() > grey[70:].max() + 60
    assert overlaid(np.zeros((84, 84, 3), np.uint8), cells).shape == (168, 168, 3)
    lightness = coloured(np.arange(256, dtype=np.uint8)) @ np.array([0.299, 0.587, 0.114])
    assert (np.diff(lightness) > 0).all(), "it reads in grey"
