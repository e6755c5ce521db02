"""Numbers that a report need not prove: those of the assignment."""

from __future__ import annotations

import re
from collections.abc import Collection

from report.checks.reading import Reader, Typed
from report.checks.source import Source

_COUNTING = ("", "pixels", "count", "dimensions")
"""Units under which a number of the assignment may stand that was given without one."""


class Declared:
    """The assignment's numbers, compared by value: 25.088 is 25,088.

    A percentage, a time or a number of epochs is one of them only if it was given with that unit: an assignment of 100
    classes supports no training of 100 epochs.

    Args:
        given: texts such as "224", "25.088", "30 %", "7×7×512", in either format.
        reader: of the document.
    """

    def __init__(self, given: Collection[str], reader: Reader) -> None:
        self._plain = {value for text in given for value in reader.either(text)}
        self._shapes = {sides(text) for text in given}
        self._measured = {
            (round(abs(reading.value), 9), typed.unit)
            for text in given
            for sentence in Source(text.replace("{", " ")).sentences
            for typed in reader.numbers(sentence, sentence.text)
            for reading in typed.readings
        }

    def has(self, typed: Typed) -> bool:
        """Whether a typed number is one of them."""
        values = {round(abs(one.value), 9) for one in typed.readings}
        plain = typed.unit in _COUNTING and bool(values & self._plain)
        return not typed.bounds and (plain or any((value, typed.unit) in self._measured for value in values))

    def has_shape(self, shape: tuple[int, ...]) -> bool:
        """Whether a shape, or each of its sides, is one of them."""
        return shape in self._shapes or all(side in self._plain for side in shape)


def sides(text: str) -> tuple[int, ...]:
    """The whole numbers of a shape such as 7×7×512."""
    return tuple(int(side) for side in re.findall(r"\d+", text))
