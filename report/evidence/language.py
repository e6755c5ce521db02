"""Words and numbers in the report's language: a gettext catalogue read at run time, and number formats by Babel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.lists import format_list
from babel.messages.catalog import Catalog
from babel.messages.pofile import PoFileError, read_po
from babel.numbers import format_decimal

from cnnlab.errors import TemplateProblem
from cnnlab.paths import templates_dir
from report.evidence.quantity import Quantity
from report.evidence.words import Words, filled, worded

NBSP = "\u00a0"
MINUS = "\u2212"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Unit = Literal[
    "count", "share", "points", "loss", "rate", "ratio", "seconds", "images_per_second", "pixels", "bytes", "probability", "number"
]  # fmt: skip


class Language:
    """Words and number formats of one language.

    Args:
        code: `es`, `en`, or any language with a catalogue `templates/locale/<code>.po`. English needs none: the
            message ids are English.

    Raises:
        TemplateProblem: the language has no catalogue, or the catalogue cannot be read.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        try:
            self.locale = Locale.parse(code)
        except (UnknownLocaleError, ValueError):
            raise TemplateProblem("the report's language is unknown", received=code, expected="es or en") from None
        self._catalogue = None if code == "en" else catalogue(templates_dir() / "locale" / f"{code}.po")
        self.decimal_sign = str(self.locale.number_symbols["latn"]["decimal"])

    def text(self, msgid: str, /, **fields: Any) -> str:
        """The message in this language, with `{fields}` filled in; numbers and quantities are formatted.

        The text remembers its numbers (`report.evidence.words`).
        """
        message = self._catalogue.get(msgid) if self._catalogue is not None else None
        words = str(message.string) if message is not None and message.string else msgid
        return filled(words, {key: self._field(value) for key, value in fields.items()}) if fields else words

    def plural(self, singular: str, plural: str, n: int | Quantity, /, **fields: Any) -> str:
        """The form of the message that goes with `n`, which also fills `{n}`."""
        form = singular if (n.value if isinstance(n, Quantity) else n) == 1 else plural
        return self.text(form, n=n, **fields)

    def quantity(self, q: Quantity, digits: int | None = None) -> Words:
        """A number with its unit: "63,2 %" or "63.2%", "143.667.240", "2 min 5 s"."""
        digits, unit = q.digits if digits is None else digits, UNITS[q.unit]
        if isinstance(unit.form, str):
            return worded(self.text(unit.form, number=self._plain(q, digits)), q)
        return worded(unit.form(self, q.value, unit.digits if digits is None else digits, digits is None), q)

    def words(self, cell: Quantity | str) -> str:
        """A cell of a table as it is printed."""
        return self.quantity(cell) if isinstance(cell, Quantity) else cell

    def plain(self, q: Quantity, digits: int | None = None) -> Words:
        """The number in the unit's usual scale, without the unit: shares and points as percentages."""
        return worded(self._plain(q, q.digits if digits is None else digits), q)

    def signed(self, q: Quantity, digits: int | None = None) -> Words:
        """The quantity with its sign also when it is positive."""
        text = self.quantity(q, digits)
        return text if q.value <= 0 else worded(f"+{text}", q)

    def compact(self, q: Quantity) -> Words:
        """A count, from ten thousand on with one decimal and k, M or G: 4.096, 38,7 k, 143,7 M."""
        for least, unit, sign in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
            if q.value >= least:
                return worded(f"{self.number(q.value / unit, 1)}{NBSP}{sign}", q)
        return self.quantity(q)

    def interval(self, q: Quantity, digits: int | None = None) -> Words:
        """The 95 % interval in parentheses, "(59,1–67,0 %)"; empty when the quantity has none."""
        text = self._interval(q, digits, "{number}%" if q.unit == "share" else "{number}")
        return worded(text, q) if text else Words("")

    def with_interval(self, q: Quantity, digits: int | None = None) -> Words:
        """The quantity followed by its interval: "81,3 % (79,5–83,0)"."""
        return worded(f"{self.quantity(q, digits)} {self._interval(q, digits, '{number}')}".rstrip(), q)

    def number(self, value: float, digits: int = 0, *, trim: bool = False) -> str:
        """A grouped decimal number with this many decimals; `trim` drops zeros at the end.

        One of more than 15 digits, such as the loss of a training that diverges, is written with a power of ten.
        """
        if not math.isfinite(value):
            return "∞" if value > 0 else (f"{MINUS}∞" if value < 0 else "–")
        return self._with_power(value) if abs(value) >= 1e15 else _decimal(value, digits, trim, self.locale)

    def join(self, words: Sequence[str]) -> str:
        """A list in words: "A, B y C"."""
        places = {f"_{index}": word for index, word in enumerate(words)}
        return filled(format_list([f"{{{place}}}" for place in places], style="standard", locale=self.locale), places)

    def date(self, moment: datetime) -> str:
        """A date in words: "24 de abril de 2026"."""
        return format_date(moment.date(), format="long", locale=self.locale)

    def _field(self, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            value = Quantity(value=value, unit="count")
        elif isinstance(value, float):
            value = Quantity(value=value, unit="number")
        return self.quantity(value) if isinstance(value, Quantity) else value

    def _plain(self, q: Quantity, digits: int | None) -> str:
        unit, trim = UNITS[q.unit], UNITS[q.unit].trim and digits is None
        return self.number(q.value * unit.scale, unit.digits if digits is None else digits, trim=trim)

    def _interval(self, q: Quantity, digits: int | None, unit: str) -> str:
        if q.low is None or q.high is None:
            return ""
        low, high = (self._plain(Quantity(value=bound, unit=q.unit), digits) for bound in (q.low, q.high))
        high = self.text(unit, number=high)
        return self.text("({low} to {high})", low=low, high=high) if q.low < 0 else f"({low}–{high})"

    def _with_power(self, value: float) -> str:
        mantissa, exponent = f"{value:.2e}".split("e")
        power = f"10{str(int(exponent)).translate(_SUPERSCRIPT)}"
        number = self.number(float(mantissa), 2, trim=True)
        return power if number == "1" else f"{number}{NBSP}·{NBSP}{power}"

    def _rate(self, value: float, digits: int, own: bool) -> str:
        return self.number(value, digits, trim=own) if value == 0 or abs(value) >= 1e-4 else self._with_power(value)

    def _duration(self, value: float, digits: int, own: bool) -> str:
        if abs(value) < 59.5:
            return f"{self.number(value, 0 if own and abs(value) >= 9.95 else digits)}{NBSP}s"
        whole, small, large = round(value), "s", "min"
        if whole >= 3600:
            whole, small, large = round(whole / 60), "min", "h"
        first, rest = divmod(whole, 60)
        return f"{self.number(first)}{NBSP}{large}" + (f" {rest}{NBSP}{small}" if rest else "")

    def _bytes(self, value: float, digits: int, own: bool) -> str:
        """In the largest unit, each a thousand times the one before, that leaves a number of one or more."""
        power = min(int(math.log(max(abs(value), 1), 1000)), 4)
        number = self.number(value / 1000**power, 0 if own and power == 0 else digits)
        return f"{number}{NBSP}{('B', 'kB', 'MB', 'GB', 'TB')[power]}"

    def _probability(self, value: float, digits: int, own: bool) -> str:
        return f"<{NBSP}{self.number(10**-digits, digits)}" if value < 10**-digits else self.number(value, digits)


class Format(NamedTuple):
    """How a unit is written: decimals, a message around `{number}` or a function, and what the value is multiplied with.

    `trim` drops zeros at the end where nobody asked for a number of decimals, which is what functions are told as well.
    """

    digits: int
    form: str | Callable[[Language, float, int, bool], str] = "{number}"
    scale: int = 1
    trim: bool = False


UNITS: dict[Unit, Format] = {
    "count": Format(0),  # a whole number of things
    "share": Format(1, "{number}%", scale=100),  # 0-1
    "points": Format(1, "{number}\u00a0pp", scale=100),  # difference of two shares
    "loss": Format(3),  # nats
    "rate": Format(6, Language._rate, trim=True),  # learning rate, decay
    "ratio": Format(1, "{number}×"),  # how many times
    "seconds": Format(1, Language._duration, trim=True),
    "images_per_second": Format(0, "{number}\u00a0images/s"),
    "pixels": Format(0, "{number}\u00a0px"),
    "bytes": Format(1, Language._bytes, trim=True),
    "probability": Format(3, Language._probability),  # a p-value, or the probability of a statement
    "number": Format(2),  # anything else with decimals
}
"""Every unit; whatever prints a number in prose, tables or charts asks here."""


@lru_cache(maxsize=8192)  # a report prints the same few hundred numbers in several places
def _decimal(value: float, digits: int, trim: bool, locale: Locale) -> str:
    pattern = f"#,##0.{('#' if trim else '0') * digits}" if digits else "#,##0"
    text = format_decimal(value, format=pattern, locale=locale).replace("-", MINUS)
    return text if any(digit in text for digit in "123456789") else text.lstrip(MINUS)


@lru_cache
def catalogue(path: Path) -> Catalog:
    """The messages of a `.po` file; `catalogue.cache_clear()` has files read anew."""
    try:
        with path.open("rb") as handle:
            return read_po(handle, abort_invalid=True)
    except OSError as problem:
        raise TemplateProblem("the language has no message catalogue", where=path, received=problem.strerror) from None
    except PoFileError as problem:
        raise TemplateProblem("the message catalogue cannot be read", where=path, received=str(problem)) from None
