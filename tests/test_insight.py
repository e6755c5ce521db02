"""What a report says and shows of confusions and maps: in both languages, and without older files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup, Tag

from cnnlab.lab import load_lab
from report.activities.attention import overlaid
from report.build import page
from report.document.model import Document
from report.evidence.language import Language
from report.evidence.quantity import Gallery
from report.notebook.outputs import bundle
from tests.reports import ONE, document, make_lab, prose

SIX = ["boot", "coat", "dress", "shirt", "shoe", "<b>bag</b>"]


@pytest.fixture
def documents(tmp_path: Path) -> Callable[..., dict[str, Document]]:
    def make(**options: Any) -> dict[str, Document]:
        data = make_lab(tmp_path, **{**ONE, **options})
        return {code: document(data, code) for code in ("es", "en")}

    return make


def item(made: Document, name: str) -> Any:
    return next(placed.item for placed in made.section("activity-09").items if placed.name == name)


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
    assert "junto a aciertos de ambas clases" in prose(made["es"], "activity-09")
    assert "beside rightly answered ones of both classes" in prose(made["en"], "activity-09")


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


def test_older_records_still_give_a_report(documents: Callable[..., Any]) -> None:
    made = documents(insight=None)
    for code, one in made.items():
        assert one.missing == ()
        for key in ("activity-09", "activity-13"):
            names = [placed.name for placed in one.section(key).items]
            assert "attention" not in names and "confusion" in names
            assert "Grad-CAM" not in prose(one, key), code


def test_the_overlay_is_brightest_where_the_map_is() -> None:
    photograph = np.full((28, 28, 3), 120, np.uint8)
    cells = np.zeros((4, 4), np.uint8)
    cells[0, 3] = 255
    over = overlaid(photograph, cells)
    assert over.shape == (140, 140, 3) and over.dtype == np.uint8
    grey = over.astype(float) @ [0.299, 0.587, 0.114]
    assert np.unravel_index(int(grey.argmax()), grey.shape)[0] < 35 and grey[:20, -20:].min() > grey[70:].max() + 60
    assert overlaid(np.zeros((84, 84, 3), np.uint8), cells).shape == (168, 168, 3)
    steps = overlaid(photograph, np.arange(0, 256, 85, dtype=np.uint8)[None])[70].astype(float) @ [0.299, 0.587, 0.114]
    assert (np.diff(steps) >= -1).all() and steps[-1] > steps[0] + 60, "it reads in grey"
