"""Texts that remember their numbers, from the message to the entry of `report.json`."""

from __future__ import annotations

import copy
import pickle

import pytest

from report.evidence.language import Language
from report.evidence.quantity import Quantity
from report.evidence.words import Words, filled, joined, pieces, worded

HALF = Quantity(value=0.5, unit="share", n=8, low=0.2, high=0.8)
ES = Language("es")


def told(text: str) -> list[tuple[str, str, float]]:
    return [(f"here.{one.name}".strip("."), printed, one.quantity.value) for printed, one in pieces(text) if one]


def test_a_message_remembers_quantities_and_whole_numbers_by_their_fields() -> None:
    text = ES.text("{network} on {n} test images; 95% Wilson intervals.", network="{n}", n=1200)
    assert text == "{n} en 1.200 imágenes de test; intervalos de Wilson del 95\u00a0%."
    assert told(text) == [("here.n", "1.200", 1200)]


def test_numbers_keep_their_place_through_joining() -> None:
    text = "a " + worded("50 %", HALF) + ", " + ES.quantity(HALF) + " b"
    assert told(text) == [("here", "50 %", 0.5), ("here", "50,0\u00a0%", 0.5)]
    assert [printed for printed, _ in pieces(text)] == ["a ", "50 %", ", ", "50,0\u00a0%", " b"]
    assert told(joined(["x", worded("1", HALF), worded("2", HALF)], " = ")) == [("here", "1", 0.5), ("here", "2", 0.5)]
    assert told(ES.join(["a", worded("1", HALF), "c"])) == [("here", "1", 0.5)]
    assert ES.join(["a", "b", "c"]) == "a, b y c"


def test_fields_inside_fields_have_both_names() -> None:
    inner = filled("{x}!", {"x": worded("7", HALF)})
    assert told(filled("<{y}>", {"y": inner})) == [("here.y.x", "7", 0.5)]


def test_an_interval_is_a_number_of_the_quantity() -> None:
    assert told(ES.interval(HALF)) == [("here", "(20,0–80,0\u00a0%)", 0.5)]
    assert ES.interval(Quantity(value=1.0, unit="share")) == ""


def test_what_is_no_number_is_a_plain_text() -> None:
    assert not isinstance(ES.text("Class"), Words)
    assert told(filled("{a} {b}", {"a": "5", "b": True})) == []
    with pytest.raises(ValueError, match="plain fields"):
        filled("{a:>3}", {"a": "x"})


def test_copies_and_replacements_of_equal_length_keep_them() -> None:
    text = filled("p = {p}", {"p": worded("0,5", HALF)})
    for same in (copy.deepcopy(text), pickle.loads(pickle.dumps(text)), text.replace(" = ", "\u00a0=\u00a0")):
        assert told(same) == [("here.p", "0,5", 0.5)]
    assert told(text.replace("p = ", "")) == []
