"""Words and numbers in the report's language: a gettext catalogue read at run time, and number formats by Babel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

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
LARGEST = 1e15
"""From here on a number is written with a power of ten."""

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_BYTES = ("B", "kB", "MB", "GB", "TB")
_OPERATIONS = ("FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP")


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
        self.locale = _locale(code)
        self._catalogue = None if code == "en" else _catalogue(templates_dir() / "locale" / f"{code}.po")

    def text(self, msgid: str, /, **fields: Any) -> str:
        """The message in this language, with `{fields}` filled in; numbers and quantities are formatted.

        The text remembers its numbers (`report.evidence.words`).
        """
        words = self._lookup(msgid)
        return filled(words, {key: self._field(value) for key, value in fields.items()}) if fields else words

    def plural(self, singular: str, plural: str, n: int | Quantity, /, **fields: Any) -> str:
        """The form of the message that goes with `n`, which also fills `{n}`."""
        form = singular if (n.value if isinstance(n, Quantity) else n) == 1 else plural
        return self.text(form, n=n, **fields)

    def has(self, msgid: str) -> bool:
        """Whether the message has words of its own in this language."""
        return self._catalogue is None or bool(self._translation(msgid))

    def quantity(self, q: Quantity, digits: int | None = None) -> Words:
        """A number with its unit: "63,2 %" or "63.2%", "143.667.240", "2 min 5 s"."""
        return worded(self._with_unit(q.unit)(q.value, q.digits if digits is None else digits), q)

    def plain(self, q: Quantity, digits: int | None = None) -> Words:
        """The number in the unit's usual scale, without the unit: shares and points as percentages."""
        return worded(self._plain(q, digits), q)

    def _plain(self, q: Quantity, digits: int | None) -> str:
        scale = 100 if q.unit in ("share", "points") else 1
        digits = q.digits if digits is None else digits
        if digits is None and q.unit in ("rate", "probability", "bytes", "seconds"):
            digits = {"rate": 6, "probability": 3}.get(q.unit, 1)
            return self.number(q.value, digits, trim=q.unit != "probability")
        return self.number(q.value * scale, _digits(q.unit) if digits is None else digits)

    def signed(self, q: Quantity, digits: int | None = None) -> Words:
        """The quantity with its sign also when it is positive."""
        text = self.quantity(q, digits)
        return text if q.value <= 0 else worded(f"+{text}", q)

    def interval(self, q: Quantity, digits: int | None = None) -> Words:
        """The 95 % interval in parentheses, "(59,1–67,0 %)"; empty when the quantity has none."""
        return worded(text, q) if (text := self._interval(q, digits)) else Words("")

    def _interval(self, q: Quantity, digits: int | None) -> str:
        if q.low is None or q.high is None:
            return ""
        low, high = (self._plain(Quantity(value=bound, unit=q.unit), digits) for bound in (q.low, q.high))
        percent = self._percent_sign if q.unit == "share" else ""
        if q.low < 0:
            return self.text("({low} to {high})", low=low, high=high + percent)
        return f"({low}–{high}{percent})"

    def with_interval(self, q: Quantity, digits: int | None = None) -> Words:
        """The quantity followed by its interval: "81,3 % (79,5–83,0)"."""
        interval = self._interval(q, digits).replace(self._percent_sign, "")
        return worded(f"{self.quantity(q, digits)} {interval}".rstrip(), q)

    def number(self, value: float, digits: int = 0, *, trim: bool = False) -> str:
        """A grouped decimal number with this many decimals; `trim` drops zeros at the end.

        One of more than 15 digits, such as the loss of a training that diverges, is written with a power of ten.
        """
        if not math.isfinite(value):
            return "∞" if value > 0 else (f"{MINUS}∞" if value < 0 else "–")
        if abs(value) >= LARGEST:
            return self._with_power(value)
        return _decimal(value, digits, trim, self.code)

    def join(self, words: Sequence[str]) -> str:
        """A list in words: "A, B y C"."""
        places = {f"_{index}": word for index, word in enumerate(words)}
        return filled(format_list([f"{{{place}}}" for place in places], style="standard", locale=self.locale), places)

    def date(self, moment: datetime) -> str:
        """A date in words: "24 de abril de 2026"."""
        return format_date(moment.date(), format="long", locale=self.locale)

    @cached_property
    def decimal_sign(self) -> str:
        """What separates the decimals from the whole."""
        return str(self.locale.number_symbols["latn"]["decimal"])

    @cached_property
    def _percent_sign(self) -> str:
        return f"{NBSP}%" if self.code != "en" else "%"

    def _lookup(self, msgid: str) -> str:
        return (self._translation(msgid) or msgid) if self._catalogue is not None else msgid

    def _translation(self, msgid: str) -> str | None:
        assert self._catalogue is not None
        message = self._catalogue.get(msgid)
        return str(message.string) if message is not None and message.string else None

    def _field(self, value: Any) -> Any:
        if isinstance(value, Quantity):
            return self.quantity(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return self.quantity(Quantity(value=value, unit="count"))
        return self.quantity(Quantity(value=value, unit="number")) if isinstance(value, float) else value

    def _with_unit(self, unit: str) -> Callable[[float, int | None], str]:
        return {
            "share": lambda v, d: self.number(100 * v, 1 if d is None else d) + self._percent_sign,
            "points": lambda v, d: self.text("{number}\u00a0pp", number=self.number(100 * v, 1 if d is None else d)),
            "rate": self._rate,
            "ratio": lambda v, d: f"{self.number(v, 1 if d is None else d)}×",
            "seconds": self._duration,
            "images_per_second": lambda v, d: self.text("{number}\u00a0images/s", number=self.number(v, d or 0)),
            "pixels": lambda v, d: f"{self.number(v, d or 0)}{NBSP}px",
            "bytes": lambda v, d: self._prefixed(v, d, _BYTES),
            "operations": lambda v, d: self._prefixed(v, d, _OPERATIONS),
            "probability": self._probability,
        }.get(unit, lambda v, d: self.number(v, _digits(unit) if d is None else d))

    def _rate(self, value: float, digits: int | None) -> str:
        if value == 0 or abs(value) >= 1e-4:
            return self.number(value, 6 if digits is None else digits, trim=digits is None)
        return self._with_power(value)

    def _with_power(self, value: float) -> str:
        mantissa, exponent = f"{value:.2e}".split("e")
        power = f"10{str(int(exponent)).translate(_SUPERSCRIPT)}"
        number = self.number(float(mantissa), 2, trim=True)
        return power if number == "1" else f"{number}{NBSP}·{NBSP}{power}"

    def _duration(self, value: float, digits: int | None) -> str:
        if abs(value) < 59.5:
            shown = (1 if abs(value) < 9.95 else 0) if digits is None else digits
            return f"{self.number(value, shown)}{NBSP}s"
        whole = round(value)
        if whole < 3600:
            minutes, seconds = divmod(whole, 60)
            return f"{minutes}{NBSP}min" + (f" {seconds}{NBSP}s" if seconds else "")
        hours, minutes = divmod(round(whole / 60), 60)
        return f"{self.number(hours)}{NBSP}h" + (f" {minutes}{NBSP}min" if minutes else "")

    def _prefixed(self, value: float, digits: int | None, units: Sequence[str]) -> str:
        """In the largest of `units`, each a thousand times the one before, that leaves a number of one or more."""
        power = min(int(math.log(max(abs(value), 1), 1000)), len(units) - 1)
        shown = (0 if power == 0 else 1) if digits is None else digits
        return f"{self.number(value / 1000**power, shown)}{NBSP}{units[power]}"

    def _probability(self, value: float, digits: int | None) -> str:
        shown = 3 if digits is None else digits
        smallest = 10**-shown
        return f"<{NBSP}{self.number(smallest, shown)}" if value < smallest else self.number(value, shown)


@lru_cache(maxsize=8192)  # a report prints the same few hundred numbers in several places
def _decimal(value: float, digits: int, trim: bool, code: str) -> str:
    decimals = ("#" if trim else "0") * digits
    pattern = f"#,##0.{decimals}" if digits else "#,##0"
    text = format_decimal(value, format=pattern, locale=_locale(code)).replace("-", MINUS)
    return text if any(digit in text for digit in "123456789") else text.lstrip(MINUS)


def _digits(unit: str) -> int:
    """Decimals that a unit is printed with, after scaling."""
    return {"share": 1, "points": 1, "loss": 3, "ratio": 1, "number": 2}.get(unit, 0)


@lru_cache
def _locale(code: str) -> Locale:
    try:
        return Locale.parse(code)
    except (UnknownLocaleError, ValueError):
        raise TemplateProblem("the report's language is unknown", received=code, expected="es or en") from None


def forget_catalogues() -> None:
    """Read message catalogues anew from here on."""
    _catalogue.cache_clear()


@lru_cache
def _catalogue(path: Path) -> Catalog:
    try:
        with path.open("rb") as handle:
            return read_po(handle, abort_invalid=True)
    except OSError as problem:
        raise TemplateProblem("the language has no message catalogue", where=path, received=problem.strerror) from None
    except PoFileError as problem:
        raise TemplateProblem("the message catalogue cannot be read", where=path, received=str(problem)) from None
