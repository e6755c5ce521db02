"""Templates compiled once: what a document prints never stays in compiled code."""

from __future__ import annotations

from jinja2 import DictLoader, Environment

from report.document.compiled import MOST, Compiled, late


def environment(templates: dict[str, str], compiled: Compiled, said: str) -> Environment:
    made = Environment(loader=DictLoader(templates), bytecode_cache=compiled)
    made.filters |= {"late": late(lambda text: said + text), "early": lambda text: said + text}
    return made


def test_a_filter_of_a_constant_belongs_to_its_own_document() -> None:
    compiled = Compiled()
    text = {"page": '{{ "a"|late }} {{ "a"|early }}'}
    printed = [environment(text, compiled, said).get_template("page").render() for said in ("one ", "two ")]
    assert printed == ["one a one a", "two a one a"], "the cache is used, and why filters have to be late"


def test_another_text_is_compiled_anew_and_the_first_is_still_known() -> None:
    compiled = Compiled()
    for text in ("first", "second", "first"):
        assert environment({"page": text}, compiled, "").get_template("page").render() == text
    assert len(compiled._codes) == 2


def test_it_does_not_grow_without_end() -> None:
    compiled = Compiled()
    for number in range(MOST + 5):
        environment({"page": str(number)}, compiled, "").get_template("page")
    assert len(compiled._codes) == MOST
