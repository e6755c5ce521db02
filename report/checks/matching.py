"""Which number of the evidence a typed one is: by value and unit, and by the words around it where several fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cnnlab.networks import find_network, network_names
from report.checks.known import Known, SectionKnown
from report.checks.reading import Reading, Typed, TypedUnit
from report.checks.source import Sentence
from report.checks.words import Words
from report.evidence.quantity import Evidence, Unit

_HUNDREDTH = dict.fromkeys(("share", "points", "probability"), 0.01)
_UNITS: Mapping[TypedUnit, Mapping[str, float]] = {
    "percent": _HUNDREDTH | {"rate": 0.01},
    "points": {"points": 0.01, "share": 0.01},
    "seconds": {"seconds": 1.0},
    "bytes": {"bytes": 1.0},
    "ratio": {"ratio": 1.0, "count": 1.0, "number": 1.0},
    "pixels": {"pixels": 1.0, "count": 1.0},
    "speed": {"images_per_second": 1.0},
    "epoch": {"epoch": 1.0, "count": 1.0},
    "count": {"count": 1.0, "number": 1.0, "images_per_second": 1.0},
    "": dict.fromkeys(
        ("count", "epoch", "pixels", "number", "ratio", "loss", "rate", "probability", "images_per_second"), 1.0
    ),
}
"""By the unit that was typed, the units that it can mean, and what brings the typed number to their base."""

_WHOLE = ("count", "epoch", "pixels")
"""Units of which a number typed with decimals is none."""

_NEEDED: Mapping[TypedUnit, frozenset[str]] = {
    "epoch": frozenset(("epoch", "epochs", "patience", "planned", "requested")),
    "pixels": frozenset(("size", "side", "width", "height")),
    "ratio": frozenset(("times", "ratio", "over")),
}

_DIFFERENCES = frozenset(("gap", "difference", "above", "deviation", "calibration", "raised"))

_COMMON = frozenset(("accuracy", "accuracies"))
"""Words that tell few numbers apart."""

_ABSOLUTE: Mapping[Unit, float] = {"share": 0.05, "points": 0.05, "probability": 0.05, "epoch": 3, "loss": 0.1}
_RELATIVE: Mapping[Unit, float] = {
    "count": 0.05, "seconds": 0.25, "ratio": 0.1, "bytes": 0.1, "images_per_second": 0.25, "number": 0.1,
}  # fmt: skip
"""How far a number may be from one that it seems to have been: learning rates and image sizes do not drift."""


@dataclass(frozen=True)
class Context:
    """The words around a typed number.

    Attributes:
        beside, near, wide: what the words next to it, those around it, and those of the whole sentence may be called in
            the evidence.
        text: the sentence in small letters, with the names that it prints.
    """

    beside: frozenset[str]
    near: frozenset[str]
    wide: frozenset[str]
    text: str

    @classmethod
    def of(cls, sentence: Sentence, typed: Typed, words: Words, evidence: Evidence | None) -> Context:
        """The words around `typed` in its sentence."""
        names = evidence.names if evidence else {}
        printed = (names.get(one.name) for one in sentence.prints)
        text = " ".join([sentence.text, *sentence.heads, *(one for one in printed if isinstance(one, str))])
        before, after = sentence.before(typed.start, 28), sentence.after(typed.end, 28)
        beside = words.ideas_of(f"{_last(before)} {_first(after)}")
        near = words.ideas_of(f"{before} . {after}")
        return cls(
            frozenset(beside), frozenset(near), frozenset(words.ideas_of(text) | near), " ".join(text.lower().split())
        )


@dataclass(frozen=True)
class Match:
    """A number that fits, how well, and how much of that is due to the words."""

    known: Known
    score: float
    words: float
    named: float = 0.0
    """As `words`, but without what the labels beside it add."""


def best_match(known: SectionKnown, typed: Typed, context: Context) -> Match | None:
    """The number that equals the typed one after rounding, and goes best with the words."""
    found = [one for reading in _meanings(typed) for one in _equal(known.near, reading, typed, context)]
    return _best(found, typed, context)


def former_match(former: Iterable[Known], typed: Typed, context: Context) -> Match | None:
    """The former number that equals the typed one after rounding."""
    section = SectionKnown("", tuple(former), {})
    found = [one for reading in _meanings(typed) for one in _equal(section.near, reading, typed, context)]
    return _best(found, typed, context, printable=False)


def near_miss(known: SectionKnown, typed: Typed, context: Context) -> Match | None:
    """A number that the words speak of and that is near the typed one, without equalling it."""
    if typed.small:
        return None
    least = 1 if typed.unit or typed.decimals else 2
    found = [one for reading in _meanings(typed) for one in _close(known, reading, typed, context)]
    found = [one for one in found if one.printable and not one.bound and _comparable(one, typed, context)]
    best = _best(found, typed, context)
    return best if best and (min(best.words, best.named) >= least or _nearly(best, typed)) else None


def _nearly(match: Match, typed: Typed) -> bool:
    """Whether a percentage is within a point of one whose network or class the sentence names."""
    size = abs(match.known.quantity.value)
    close = any(abs(0.01 * abs(one.value) - size) <= 0.01 for one in typed.readings)
    return match.words >= 3 and match.known.unit == "share" and typed.unit == "percent" and close


@dataclass(frozen=True)
class _Meaning:
    value: float
    tolerance: float
    units: frozenset[str]


def _meanings(typed: Typed) -> Iterator[_Meaning]:
    for reading in typed.readings:
        yield from _meanings_of(reading, typed)


def _meanings_of(reading: Reading, typed: Typed) -> Iterator[_Meaning]:
    by_factor: dict[float, set[str]] = {}
    broken = reading.tolerance < 0.4 and typed.unit in ("", "epoch", "pixels")
    for unit, factor in _UNITS.get(typed.unit, {}).items():
        if broken and unit in _WHOLE:
            continue
        by_factor.setdefault(factor, set()).add(unit)
    if not typed.unit and typed.decimals:  # 0.632 or 63.2 in a column of percentages
        by_factor.setdefault(0.01 if abs(reading.value) > 1 else 1.0, set()).update(("share", "points"))
    for factor, units in by_factor.items():
        slack = reading.tolerance * factor * (1 + 1e-6)
        yield _Meaning(reading.value * factor, slack + 1e-12, frozenset(units))


def _equal(
    near: Callable[[float, float], Sequence[Known]], meaning: _Meaning, typed: Typed, context: Context
) -> Iterator[Known]:
    for one in near(meaning.value, meaning.tolerance):
        if _may_be(one, meaning, typed, context) and not (typed.signed and one.quantity.value * meaning.value < 0):
            yield one


def _may_be(known: Known, meaning: _Meaning, typed: Typed, context: Context) -> bool:
    """Whether the unit is one that was typed; what counts epochs, pixels or times says so in its name."""
    needed = _NEEDED.get(typed.unit) if known.unit == "count" else None
    if known.unit in ("rate", "probability") and typed.unit == "percent" and not known.words & context.wide:
        return False
    return known.unit in meaning.units and (needed is None or bool(known.words & needed))


def _close(known: SectionKnown, meaning: _Meaning, typed: Typed, context: Context) -> Iterator[Known]:
    reach = max(0.06, 3.0 if "epoch" in meaning.units else 0.0, 0.25 * abs(meaning.value) * 1.5)
    for one in known.near(meaning.value, reach):
        size = abs(one.quantity.value)
        if _may_be(one, meaning, typed, context) and abs(size - abs(meaning.value)) <= _reach(one.unit, size):
            yield one


def _reach(unit: Unit, size: float) -> float:
    return max(_ABSOLUTE.get(unit, 0.0), _RELATIVE.get(unit, 0.0) * size) + 1e-9


def _best(found: Iterable[Known], typed: Typed, context: Context, *, printable: bool = True) -> Match | None:
    matches = [_scored(one, typed, context) for one in found]
    fitting = [one for one in matches if one is not None and _fits(one, typed, printable)]
    return max(fitting, key=lambda one: one.score, default=None)


def _comparable(known: Known, typed: Typed, context: Context) -> bool:
    """Whether a percentage seems meant for a share, and points for a difference."""
    if known.unit == "points" and typed.unit == "percent":
        return bool(known.words & _DIFFERENCES & context.wide)
    return not (known.unit == "share" and typed.unit == "points")


def _fits(match: Match, typed: Typed, printable: bool) -> bool:
    """A small number is told by the word beside it only; a table's cell by the name of its row."""
    if typed.small and match.words < 2:
        return False
    known = match.known
    return known.printable or not printable or match.words >= 3 or typed.figures >= 5


def _scored(known: Known, typed: Typed, context: Context) -> Match | None:
    words = sum(
        (2.0 if word in context.near else 1.0) * (0.5 if word in _COMMON else 1.0)
        for word in known.words & context.wide
    )
    words += 2.0 if known.unit == "loss" and "loss" in context.wide else 0.0
    if typed.small:
        return Match(known, words, 2.0 * len(known.words & context.beside)) if known.words & context.beside else None
    named = words
    if any(_says(context.text, label) for label in known.labels):
        words += 3
    elif known.labels and any(_says(context.text, find_network(name).TITLE) for name in network_names()):
        words -= 2
    closeness = 0.5 if typed.unit == "epoch" and known.unit == "epoch" else 0.0
    plainness = 0.5 * known.printable - 1.0 * known.bound - 0.1 * known.depth - 0.02 * len(known.words)
    score = words + closeness + plainness
    return Match(known, score, words, named)


def _last(text: str) -> str:
    """The last two words, as far as no sign parts them from what follows."""
    found = re.search(r"[^\W\d_]+(?:\s+[^\W\d_]+)?[\s*:=]*$", text)
    return found[0] if found else ""


def _first(text: str) -> str:
    """The first two words, as far as no sign parts them from what precedes."""
    found = re.match(r"[\s*-]*[^\W\d_]+(?:\s+[^\W\d_]+)?", text)
    return found[0] if found else ""


def _says(text: str, label: str) -> bool:
    return len(label) > 2 and label.lower() in text
