"""What to write in a commentary in place of a number typed by hand."""

from __future__ import annotations

import re

from report.checks.known import Known
from report.checks.reading import Reading, Typed
from report.evidence.language import Language


def binding(known: Known, typed: Typed, language: Language) -> str:
    """The expression that prints `known` as `typed` was written, as far as the filters can; to be pasted."""
    name = known.name
    if known.whole:
        return f"{{{{ {name} }}}}"
    if known.bound or typed.bounds:
        return f"{{{{ {name}|interval }}}}"
    quantity = known.quantity
    printed = {f"{{{{ {name} }}}}": language.quantity(quantity), f"{{{{ {name}|signed }}}}": language.signed(quantity)}
    for written, text in printed.items():
        if _form(text, language.decimal_sign) == (typed.decimals, _skeleton(typed.text)):
            return written
    plain = f"{{{{ {name}|plain({typed.decimals}) }}}}{_tail(typed)}"
    if quantity.unit in ("share", "points"):
        own = not typed.unit or (typed.unit == "percent" and quantity.unit == "points")
        return f"{{{{ {name} }}}}" if own else plain
    if typed.unit in ("ratio", "pixels", "speed"):
        return plain if typed.decimals or quantity.unit != "count" else f"{{{{ {name} }}}}{_tail(typed)}"
    return plain if not typed.unit and typed.decimals else f"{{{{ {name} }}}}"


def holds_interval(known: Known, typed: Typed) -> bool:
    """Whether the interval that was typed behind a number is the quantity's."""
    low, high = known.quantity.low, known.quantity.high
    if low is None or high is None:
        return False
    factor = 0.01 if known.unit in ("share", "points") else 1.0
    return all(
        any(_equals(one, bound, factor) for one in readings)
        for bound, readings in zip((low, high), typed.bounds, strict=True)
    )


def _equals(reading: Reading, value: float, factor: float) -> bool:
    return abs(reading.value * factor - value) <= reading.tolerance * factor * (1 + 1e-6) + 1e-12


def _tail(typed: Typed) -> str:
    words = " ".join(typed.tail.replace("*", " ").replace("&nbsp;", " ").split())
    return f" {words}" if words and re.match(r"[\s&*]", typed.tail) else words


def _form(text: str, decimal: str) -> tuple[int, str]:
    """How many decimals the first number of `text` has, and all that is no digit: alike if both print alike."""
    number = re.search(rf"\d+(?:{re.escape(decimal)}(\d+))?(?!.*{re.escape(decimal)})", text)
    return len(number[1] or "") if number else 0, _skeleton(text)


def _skeleton(text: str) -> str:
    return re.sub(r"&nbsp;|[\d\s*.,’']", "", text.replace("-", "−"))
