"""Charts for paper: fewer elements, the same marks in the same places."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree

import pytest

from report.figures.paper import for_paper
from report.figures.theme import PRINT, svg
from tests.figure_samples import samples
from tests.pages import Language

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">'


def kinds(drawing: str) -> Counter[str]:
    return Counter(one.tag.rpartition("}")[2] for one in ElementTree.fromstring(drawing).iter())


@pytest.mark.parametrize("name", ["accuracy-8", "vgg19", "confusion-25"])
def test_every_mark_and_word_stays(name: str) -> None:
    before = svg(samples(Language("es"))[name], PRINT)
    after = for_paper(before)
    old, new = kinds(before), kinds(after)
    assert new["text"] == old["text"] and new["image"] == old["image"]
    assert new["use"] == 0 and new["g"] < old["g"] / 10
    texts = [
        [one.text for one in ElementTree.fromstring(one).iter() if one.tag.endswith("text")] for one in (before, after)
    ]
    assert texts[0] == texts[1]
    shapes = "".join(re.findall(r"<(?:path|use)[^>]*>", before))
    assert 0 < new["path"] <= shapes.count("<")
    assert after.partition(">")[0].count("viewBox") == 1 and "<title>" in after


def test_a_repeated_mark_is_drawn_where_it_was_placed() -> None:
    drawing = for_paper(
        f'{HEAD}<defs><path id="m" d="M 0 0 L 1 1" style="stroke: #000000; fill: none"/></defs>'
        '<g id="a"><use xlink:href="#m" x="2" y="3" style="fill: #ff0000; stroke-width: 2"/></g></svg>'
    )
    assert '<path fill="none" stroke-width="2" d="M 0 0 L 1 1" stroke="#000000" transform="translate(2 3)"' in drawing
    assert "defs" not in drawing and "<g" not in drawing


def test_clips_shared_rules_and_groups_that_mean_something_stay() -> None:
    drawing = for_paper(
        f'{HEAD}<defs><style type="text/css">*{{stroke-linejoin: round; stroke-linecap: butt}}</style></defs>'
        '<g clip-path="url(#c)"><path d="M 0 0" style="stroke: #000000"/></g>'
        '<defs><clipPath id="c"><rect x="0" y="0" width="1" height="1"/></clipPath></defs></svg>'
    )
    assert 'stroke-linejoin="round"' in drawing and "<style" not in drawing
    assert '<clipPath id="c"><rect' in drawing and '<g clip-path="url(#c)"><path d="M 0 0" stroke="#000000"' in drawing


def test_what_is_seen_through_needs_no_layer_unless_it_has_an_edge() -> None:
    drawing = for_paper(
        f'{HEAD}<path d="a" style="opacity: 0.5"/><path d="b" style="opacity: 0.5; stroke: #000000"/>'
        '<path d="c" style="fill: none"/></svg>'
    )
    assert '<path d="a" fill-opacity="0.5"' in drawing and '<path d="b" opacity="0.5" stroke="#000000"' in drawing
    assert 'd="c"' not in drawing, "nothing of it is seen"


def test_what_it_does_not_know_stays() -> None:
    drawing = for_paper(f'{HEAD}<text style="font: 600 8px Serif" x="1">a<tspan>b</tspan>c</text><circle r="3"/></svg>')
    assert '<text style="font: 600 8px Serif" x="1">a<tspan>b</tspan>c</text><circle r="3"' in drawing
