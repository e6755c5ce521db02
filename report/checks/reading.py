"""Reads the numbers in a sentence as people type them: grouped, rounded, with a unit, in either language's format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from report.checks.source import Sentence
from report.checks.words import Words

TypedUnit = Literal[
    "", "percent", "points", "seconds", "bytes", "ratio", "pixels", "speed", "epoch", "count", "dimensions"
]


@dataclass(frozen=True)
class Reading:
    """One meaning of a typed number: its value in the unit's base, and how far rounding may have moved it."""

    value: float
    tolerance: float
    foreign: bool = False


@dataclass(frozen=True)
class Typed:
    """A number typed by hand.

    Attributes:
        text: all of it, as it stands there: "63,2 %".
        number: its digits: "63,2".
        tail: what follows them: " %".
        readings: what it may mean: of the document's own format first. Percentages stay as they are typed.
        decimals: how many decimals were typed.
        unit: of the readings; empty where none was typed.
        start, end: its place in the sentence.
        signed: whether a sign was typed.
        bounds: of "63.2% (59.1–67.0)", the readings of the two ends of the interval.
    """

    text: str
    number: str
    tail: str
    readings: tuple[Reading, ...]
    decimals: int
    unit: TypedUnit
    start: int
    end: int
    signed: bool = False
    bounds: tuple[tuple[Reading, ...], ...] = ()

    @property
    def small(self) -> bool:
        """Whether it is a whole number below ten without a unit, as prose is full of."""
        return not self.unit and all(abs(one.value) < 10 and one.tolerance > 0.4 for one in self.readings)

    @property
    def figures(self) -> int:
        """How many significant digits were typed."""
        return len(re.sub(r"\D", "", self.number).lstrip("0"))


_GAP = r"(?:&nbsp;|[\s*])"
_PLAIN = r"\d{1,3}(?:[\u00a0\u202f\u2009 ]\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,'’]\d+)*"
_POWER = r"(?:\s?[·×x*]\s?10(?:\^?\{?[-−]?\d+\}?|[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)|[eE][-+−]?\d+|(?<=10)[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)"
_NUMBER = re.compile(
    rf"(?<![\w.,])(?:(?<![\d)%][ ])(?<![\w)%])(?P<sign>[+−-]))?(?P<number>{_PLAIN})(?P<power>{_POWER})?"
)
_DIMENSIONS = re.compile(
    r"(?<![\w.,×])\d+(?:\s?[×xX]\s?\d+)+(?![\w⁻⁰¹²³⁴⁵⁶⁷⁸⁹^.,]*[\d⁻⁰¹²³⁴⁵⁶⁷⁸⁹^])|\(\s*(?:None|\d+)(?:,\s\d+)+\s*,?\)|\(\d+(?:,\d+)+\)"
)
_SUPERSCRIPTS = str.maketrans("⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹−", "-+0123456789-")
_SIGNS: Mapping[str, str] = {
    "percent": r"%", "points": r"pp\b", "hours": r"h\b", "minutes": r"min\b", "milliseconds": r"ms\b",
    "seconds": r"s\b", "bytes": r"[kKMGT]i?B\b|B\b", "ratio": r"×(?!\s?[\d\ue010])|x\b(?!\s?\d)", "pixels": r"px\b",
    "speed": r"images?/s\b|img/s\b",
}  # fmt: skip
_SECONDS = {"hours": 3600.0, "minutes": 60.0, "seconds": 1.0, "milliseconds": 0.001}
_SCALES = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


@lru_cache
def reader_of(decimal: str, words: Words) -> Reader:
    """The reader of these signs and words; its patterns are made once."""
    return Reader(decimal, words)


class Reader:
    """Reads the numbers of a document.

    Args:
        decimal: the decimal sign of its language.
        words: its words.
    """

    def __init__(self, decimal: str, words: Words) -> None:
        self.decimal, self.words = decimal, words
        self._units = [
            (unit, re.compile(rf"{_GAP}{{0,3}}(?:{sign}{'|' + word if (word := words.units.get(unit)) else ''})", re.I if word else 0))
            for unit, sign in _SIGNS.items()
        ]  # fmt: skip
        scales = "|".join(sorted(map(re.escape, words.scales), key=len, reverse=True))
        self._scale = re.compile(
            rf"{_GAP}{{0,3}}(?:(?P<sign>[kKMGT])(?!\w)" + (rf"|(?P<word>{scales})\b)" if scales else ")")
        )
        self._epoch_after = re.compile(rf"{_GAP}{{0,3}}(?:{words.epoch})\b", re.I) if words.epoch else None
        self._epoch_before = re.compile(rf"\b(?:{words.epoch})\s(?:n\.?º\s)?[*(]*$", re.I) if words.epoch else None
        self._roughly = re.compile(rf"(?:\b|(?<=[~≈]))(?:{words.roughly})\s?[*(]*$", re.I) if words.known else None
        joins = rf"\s(?:{words.between})\s" if words.between else "(?!)"
        self._join = re.compile(rf"{_GAP}{{0,2}}(?:[–—/±-]|,\s|{joins}){_GAP}{{0,2}}(?P<number>{_PLAIN})")
        self._bounds = re.compile(
            rf"{_GAP}{{0,2}}[(\[](?P<low>[−-]?(?:{_PLAIN}))\s?(?:[–—,;-]|{joins})\s?(?P<high>[−-]?(?:{_PLAIN}))[^()\n]{{0,6}}[)\]]"
        )

    def numbers(self, sentence: Sentence, text: str) -> Iterator[Typed]:
        """Every number in `text`, which is the sentence's with blanks in place of what is none."""
        end = 0
        for match in re.finditer(_DIMENSIONS, text):
            readings = tuple(Reading(float(one), 0.5) for one in re.findall(r"\d+", match[0]))
            yield Typed(match[0], match[0], "", readings, 0, "dimensions", match.start(), match.end())
        text = _DIMENSIONS.sub(lambda match: " " * len(match[0]), text)
        for match in _NUMBER.finditer(text):
            if match.start() >= end and (typed := self._typed(sentence, match)):
                end = typed.end
                yield typed

    def readings(self, number: str) -> tuple[Reading, ...]:
        """What grouped or decimal digits may mean, of the document's own format first; nothing for a version."""
        other = "," if self.decimal == "." else "."
        own = _read(number, self.decimal)
        foreign = _read(number, other)
        found = [Reading(*own)] if own else []
        return tuple(found + ([Reading(*foreign, foreign=True)] if foreign and foreign != own else []))

    def either(self, text: str) -> set[float]:
        """Every value that a text such as "25.088" or "143,667,240" may have, in either format."""
        return {one.value for match in _NUMBER.finditer(text) for one in self.readings(match["number"])}

    def _typed(self, sentence: Sentence, match: re.Match[str]) -> Typed | None:
        readings, stop = self.readings(match["number"]), match.end()
        after, before = sentence.after(stop), sentence.before(match.start())
        if not readings or (after[:1] in "⁰¹²³⁴⁵⁶⁷⁸⁹⁻^" and after):
            return None  # a version, a date, or part of a formula such as 2⁵
        unit, factor, length = self._unit(after, before)
        ordinal = re.match(r"(?:st|nd|rd|th)\b|\.?[ºª]", after)
        if not unit and not length and not ordinal and re.match(r"[^\W\d_]|_", after):
            return None  # part of a name, such as 3D
        if re.match(rf"-?{_GAP}?bits?\b", after):
            return None
        scale = factor * (_power(match["power"]) if match["power"] else 1.0)
        decimals = _decimals(match["number"], readings[0], self.decimal)
        if self._roughly and self._roughly.search(before):
            readings = tuple(Reading(one.value, _loose(one), one.foreign) for one in readings)
        sign = -1 if match["sign"] in ("-", "−") else 1
        readings = tuple(Reading(sign * one.value * scale, one.tolerance * scale, one.foreign) for one in readings)
        if unit == "seconds":
            readings, length = self._longer(readings, after, length)
        tail = after[:length]
        end = stop + length if sentence.text[stop : stop + length] == tail else stop
        typed = match[0] + tail
        bounds = self._interval(after[length:], scale)
        return Typed(
            typed, match["number"], tail, readings, decimals, unit, match.start(), end, bool(match["sign"]), bounds
        )

    def _unit(self, after: str, before: str) -> tuple[TypedUnit, float, int]:
        """The unit that follows a number, what it multiplies it with, and the length of its text."""
        scale = self._scale.match(after)
        times, length = 1.0, 0
        if scale and not re.match(r"i?B\b", after[scale.end("sign") :] if scale["sign"] else " "):
            times = _SCALES[scale["sign"]] if scale["sign"] else self.words.scales[scale["word"]]
            length = scale.end()
        for unit, pattern in self._units:
            if found := pattern.match(after, length):
                if unit in _SECONDS:
                    return "seconds", times * _SECONDS[unit], found.end()
                if unit == "bytes":
                    return "bytes", times * _bytes(found[0].strip(" *\n\u00a0")), found.end()
                return unit, times, found.end()  # type: ignore[return-value]
        if self._epoch_after and self._epoch_after.match(after, length):
            return "epoch", times, length
        if self._epoch_before and self._epoch_before.search(before):
            return "epoch", times, length
        if length:
            return "count", times, length
        joined = self._join.match(after)
        if joined:  # "between 59 and 67 %": the unit is that of the end of the range
            for unit in ("percent", "points"):
                if dict(self._units)[unit].match(after, joined.end()):
                    return unit, 1.0, 0  # type: ignore[return-value]
        return "", 1.0, 0

    def _longer(self, readings: tuple[Reading, ...], after: str, length: int) -> tuple[tuple[Reading, ...], int]:
        """A duration with the smaller units that follow: "1 h 20 min", "2 minutes and 5 seconds"."""
        join = rf"{_GAP}{{0,3}}(?:,\s)?(?:(?:{self.words.between})\s)?" if self.words.between else rf"{_GAP}{{0,3}}"
        while found := re.compile(rf"{join}(\d{{1,2}})(?![\d.,])").match(after, length):
            unit = next((u for u, p in self._units if u in _SECONDS and p.match(after, found.end())), "")
            if not unit or unit == "milliseconds":
                break
            seconds = _SECONDS[unit]
            readings = tuple(Reading(r.value + int(found[1]) * seconds, seconds / 2, r.foreign) for r in readings)
            length = next(m.end() for u, p in self._units if u == unit and (m := p.match(after, found.end())))
        return readings, length

    def _interval(self, after: str, scale: float) -> tuple[tuple[Reading, ...], ...]:
        found = self._bounds.match(after)
        if not found:
            return ()
        ends = []
        for key in ("low", "high"):
            sign = -1 if found[key][0] in "−-" else 1
            ends.append(
                tuple(
                    Reading(sign * one.value * scale, one.tolerance * scale, one.foreign)
                    for one in self.readings(found[key].lstrip("−-"))
                )
            )
        return tuple(ends) if all(ends) else ()

    def bounds_length(self, after: str) -> int:
        """How long the interval in parentheses is that `after` begins with."""
        found = self._bounds.match(after)
        return found.end() if found else 0


def _read(number: str, decimal: str) -> tuple[float, float] | None:
    """Value and half a unit of the last digit, in the format of this decimal sign."""
    group = "," if decimal == "." else "."
    whole, sign, rest = number.partition(decimal)
    if not re.fullmatch(rf"\d+|[1-9]\d{{0,2}}(?:[{group}'’\u00a0\u202f\u2009 ]\d{{3}})+", whole):
        return None
    if sign and not rest.isdigit():
        return None
    digits = re.sub(r"\D", "", whole)
    return float(f"{digits}.{rest or 0}"), 0.5 * 10.0 ** -len(rest)


def _decimals(number: str, reading: Reading, decimal: str) -> int:
    sign = decimal if not reading.foreign else ("," if decimal == "." else ".")
    return len(number.partition(sign)[2])


def _loose(reading: Reading) -> float:
    """Half a unit of the last digit that is not zero, for a number that is said to be only near."""
    if reading.tolerance < 0.5 or reading.value == 0:
        return reading.tolerance
    digits = f"{reading.value:.0f}"
    return 0.5 * 10.0 ** (len(digits) - len(digits.rstrip("0")))


def _power(text: str) -> float:
    plain = text.translate(_SUPERSCRIPTS)
    exponent = re.search(r"[-+]?\d+(?=\}?$)", re.sub(r"^\s?[·×x*]\s?10\^?\{?", "", plain).lstrip("eE"))
    if not exponent:
        return 1.0
    power = int(exponent[0][:4]) - (1 if text[0] in "⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹" else 0)
    return float(10.0 ** max(-300, min(300, power)))


def _bytes(unit: str) -> float:
    base = 1024.0 if "i" in unit else 1000.0
    return base ** " kMGT".index(unit[0].replace("K", "k")) if unit[0] in "kKMGT" else 1.0
