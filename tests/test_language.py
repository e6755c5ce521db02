"""Numbers and words in Spanish and English, texts that remember their numbers, a catalogue that has every message used."""

from __future__ import annotations

import ast
import copy
import pickle
import re
from pathlib import Path
from typing import get_args

import pytest

from cnnlab.errors import TemplateProblem
from cnnlab.paths import templates_dir
from report.evidence.language import UNITS, Language, Unit
from report.evidence.quantity import Quantity
from report.evidence.words import Words, filled, joined, pieces, worded
from tests.command import translated
from tests.reports import ENGLISH, SPANISH

NB = "\u00a0"
ROOT = Path(__file__).parent.parent
_KEYWORDS = {"how", "title_msgid", "msgid", "head_msgid"}


def used_messages() -> set[str]:
    """Message ids in code (`….text("…")`, `….plural("…", "…")`, `t("…")`, `how="…"`) and in templates (`t("…")`)."""
    same = {"{number}", "{number}×", "{number}\u00a0px"}  # as in every language
    found = {unit.form for unit in UNITS.values() if isinstance(unit.form, str)} - same
    for path in (ROOT / "report").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                found |= _of_call(node)
    for path in templates_dir().rglob("*.html.j2"):
        found |= set(re.findall(r"""\bt\(\s*"([^"]+)\"""", path.read_text(encoding="utf-8")))
    return found


def _of_call(node: ast.Call) -> set[str]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    count = {"text": 1, "t": 1, "plural": 2}.get(name, 0)
    if isinstance(node.func, ast.Attribute) and getattr(node.func.value, "attr", "") == "record":
        return set()  # Record.text reads a file
    arguments = [*node.args[:count], *(keyword.value for keyword in node.keywords if keyword.arg in _KEYWORDS)]
    return {a.value for a in arguments if isinstance(a, ast.Constant) and isinstance(a.value, str) and a.value}


def test_every_message_is_translated() -> None:
    assert len(used := used_messages()) > 40
    assert sorted(message for message in used if not translated(message)) == []


def test_translations_keep_their_fields() -> None:
    for message in used_messages():
        fields = sorted(re.findall(r"\{(\w+)\}", message))
        assert sorted(re.findall(r"\{(\w+)\}", SPANISH.text(message))) == fields, message


@pytest.mark.parametrize(
    ("unit", "value", "spanish", "english"),
    [
        ("share", 0.632, f"63,2{NB}%", "63.2%"),
        ("count", 143_667_240, "143.667.240", "143,667,240"),
        ("count", 4096, "4.096", "4,096"),
        ("points", 0.032, f"3,2{NB}p.{NB}p.", f"3.2{NB}pp"),
        ("points", -0.032, f"−3,2{NB}p.{NB}p.", f"−3.2{NB}pp"),
        ("loss", 0.69315, "0,693", "0.693"),
        ("rate", 0.02, "0,02", "0.02"),
        ("rate", 3e-5, f"3{NB}·{NB}10⁻⁵", f"3{NB}·{NB}10⁻⁵"),
        ("rate", 1e-5, "10⁻⁵", "10⁻⁵"),
        ("ratio", 2.44, "2,4×", "2.4×"),
        ("seconds", 9.94, f"9,9{NB}s", f"9.9{NB}s"),
        ("seconds", 59.6, f"1{NB}min", f"1{NB}min"),
        ("seconds", 125, f"2{NB}min 5{NB}s", f"2{NB}min 5{NB}s"),
        ("seconds", 3599.7, f"1{NB}h", f"1{NB}h"),
        ("seconds", 7380, f"2{NB}h 3{NB}min", f"2{NB}h 3{NB}min"),
        ("images_per_second", 130.4, f"130{NB}imágenes/s", f"130{NB}images/s"),
        ("pixels", 84, f"84{NB}px", f"84{NB}px"),
        ("bytes", 548_000_000, f"548,0{NB}MB", f"548.0{NB}MB"),
        ("probability", 0.0001, f"<{NB}0,001", f"<{NB}0.001"),
        ("number", -0.001, "0,00", "0.00"),
        ("loss", float("inf"), "∞", "∞"),
    ],
)
def test_quantities(unit: str, value: float, spanish: str, english: str) -> None:
    q = Quantity(value=value, unit=unit)  # type: ignore[arg-type]
    assert (SPANISH.quantity(q), ENGLISH.quantity(q)) == (spanish, english)


def test_every_unit_has_a_format() -> None:
    assert set(UNITS) == set(get_args(Unit))


def test_intervals_lists_and_fields() -> None:
    q = Quantity(value=0.813, unit="share", low=0.795, high=0.83)
    assert SPANISH.interval(q) == f"(79,5–83,0{NB}%)"
    assert SPANISH.with_interval(q) == f"81,3{NB}% (79,5–83,0)"
    assert ENGLISH.with_interval(q) == "81.3% (79.5–83.0)"
    assert (
        SPANISH.interval(Quantity(value=1, unit="count")) == SPANISH.interval(Quantity(value=1.0, unit="share")) == ""
    )
    difference = Quantity(value=0.01, unit="points", low=-0.012, high=0.034)
    assert SPANISH.interval(difference) == "(−1,2 a 3,4)"
    assert SPANISH.signed(difference) == f"+1,0{NB}p.{NB}p."
    assert (SPANISH.join(["A", "B", "C"]), ENGLISH.join(["A", "B"]), SPANISH.join([])) == ("A, B y C", "A and B", "")
    assert SPANISH.text("Activity {number}", number=7) == "Actividad 7"
    assert [SPANISH.plural("{n} core", "{n} cores", n) for n in (1, 2)] == ["1 núcleo", "2 núcleos"]


def test_unknown_languages() -> None:
    with pytest.raises(TemplateProblem, match="unknown"):
        Language("xx-nowhere")
    with pytest.raises(TemplateProblem, match="no message catalogue"):
        Language("fr")


# Texts that remember their numbers

HALF = Quantity(value=0.5, unit="share", n=8, low=0.2, high=0.8)


def told(text: str) -> list[tuple[str, str, float]]:
    return [(f"here.{one.name}".strip("."), printed, one.quantity.value) for printed, one in pieces(text) if one]


def test_a_message_remembers_quantities_and_whole_numbers_by_their_fields() -> None:
    text = SPANISH.text("{network} on {n} test images; 95% Wilson intervals.", network="{n}", n=1200)
    assert text == "{n} en 1.200 imágenes de test; intervalos de Wilson del 95\u00a0%."
    assert told(text) == [("here.n", "1.200", 1200)]


def test_numbers_keep_their_place_through_joining() -> None:
    text = "a " + worded("50 %", HALF) + ", " + SPANISH.quantity(HALF) + " b"
    assert told(text) == [("here", "50 %", 0.5), ("here", "50,0\u00a0%", 0.5)]
    assert [printed for printed, _ in pieces(text)] == ["a ", "50 %", ", ", "50,0\u00a0%", " b"]
    assert told(joined(["x", worded("1", HALF), worded("2", HALF)], " = ")) == [("here", "1", 0.5), ("here", "2", 0.5)]
    assert told(SPANISH.join(["a", worded("1", HALF), "c"])) == [("here", "1", 0.5)]


def test_fields_inside_fields_have_both_names() -> None:
    inner = filled("{x}!", {"x": worded("7", HALF)})
    assert told(filled("<{y}>", {"y": inner})) == [("here.y.x", "7", 0.5)]


def test_an_interval_is_a_number_of_the_quantity() -> None:
    assert told(SPANISH.interval(HALF)) == [("here", "(20,0–80,0\u00a0%)", 0.5)]


def test_what_is_no_number_is_a_plain_text() -> None:
    assert not isinstance(SPANISH.text("Class"), Words)
    assert told(filled("{a} {b}", {"a": "5", "b": True})) == []
    with pytest.raises(ValueError, match="plain fields"):
        filled("{a:>3}", {"a": "x"})


def test_copies_and_replacements_of_equal_length_keep_them() -> None:
    text = filled("p = {p}", {"p": worded("0,5", HALF)})
    for same in (copy.deepcopy(text), pickle.loads(pickle.dumps(text)), text.replace(" = ", "\u00a0=\u00a0")):
        assert told(same) == [("here.p", "0,5", 0.5)]
    assert told(text.replace("p = ", "")) == []
