"""Numbers and words in Spanish and English, and a catalogue that has every message used."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

from cnnlab.errors import TemplateProblem
from cnnlab.paths import templates_dir
from report.evidence.language import UNITS, Language, Unit
from report.evidence.quantity import Quantity
from tests.command import translated

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
    spanish = Language("es")
    for message in used_messages():
        fields = sorted(re.findall(r"\{(\w+)\}", message))
        assert sorted(re.findall(r"\{(\w+)\}", spanish.text(message))) == fields, message


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
    assert (Language("es").quantity(q), Language("en").quantity(q)) == (spanish, english)


def test_every_unit_has_a_format() -> None:
    assert set(UNITS) == set(get_args(Unit))


def test_intervals_and_lists() -> None:
    spanish, english = Language("es"), Language("en")
    q = Quantity(value=0.813, unit="share", low=0.795, high=0.83)
    assert spanish.interval(q) == f"(79,5–83,0{NB}%)"
    assert spanish.with_interval(q) == f"81,3{NB}% (79,5–83,0)"
    assert english.with_interval(q) == "81.3% (79.5–83.0)"
    assert spanish.interval(Quantity(value=1, unit="count")) == ""
    difference = Quantity(value=0.01, unit="points", low=-0.012, high=0.034)
    assert spanish.interval(difference) == "(−1,2 a 3,4)"
    assert spanish.signed(difference) == f"+1,0{NB}p.{NB}p."
    assert spanish.join(["A", "B", "C"]) == "A, B y C"
    assert english.join(["A", "B"]) == "A and B"
    assert spanish.join([]) == ""


def test_fields_are_worded() -> None:
    assert Language("es").text("Activity {number}", number=7) == "Actividad 7"
    assert Language("es").plural("{n} core", "{n} cores", 1) == "1 núcleo"
    assert Language("es").plural("{n} core", "{n} cores", 2) == "2 núcleos"


def test_unknown_languages() -> None:
    with pytest.raises(TemplateProblem, match="unknown"):
        Language("xx-nowhere")
    with pytest.raises(TemplateProblem, match="no message catalogue"):
        Language("fr")
