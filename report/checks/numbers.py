"""Numbers typed by hand: each is held against what the evidence knows, what it knew, and what the author declares."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from report.checks.bindings import binding, holds_interval
from report.checks.declared import Declared, sides
from report.checks.known import Known, SectionKnown, known_numbers
from report.checks.masks import Masks
from report.checks.matching import Context, Match, best_match, former_match, near_miss
from report.checks.reading import Typed, reader_of
from report.checks.source import Sentence, read_source
from report.checks.words import words_of
from report.document.finding import Finding, Severity
from report.document.model import Document, SectionText
from report.evidence.quantity import Quantity, Unit

SMALL_WINDOW = 11
"""A filter or a pooling window of at most this side, as 3×3, is left alone; AlexNet's are the largest."""


class Former(Protocol):
    """A quantity as it was when the author accepted the text."""

    @property
    def name(self) -> str: ...
    @property
    def value(self) -> float | None: ...
    @property
    def unit(self) -> Unit: ...


def audit_numbers(
    document: Document, *, given: Collection[str] = (), former: Mapping[str, Sequence[Former]] | None = None
) -> list[Finding]:
    """Everything to say about the numbers that are typed in the commentary files.

    Args:
        given: numbers and dimensions of the assignment, as "224", "25.088", "30 %", "7×7×512", in either format.
        former: by section, quantities as they were when the author accepted its text; their names as in
            `Document.printed`.
    """
    audit = _Audit(document, given, former or {})
    return [finding for section in document.sections for finding in audit.section(section)]


class _Audit:
    def __init__(self, document: Document, given: Collection[str], former: Mapping[str, Sequence[Former]]) -> None:
        self.document, self.language, self.former = document, document.language, former
        self.words = words_of(document.language.code)
        self.reader = reader_of(document.language.decimal_sign, self.words)
        self.declared = Declared(given, self.reader)
        self.known = {
            section.key: known_numbers(section.key, section.evidence)
            for section in document.sections
            if section.evidence is not None
        }
        self.titles = {section.key: section.label or section.title for section in document.sections}
        self.masks = Masks(self.words, (text for known in self.known.values() for text in known.texts))

    def section(self, section: SectionText) -> Iterator[Finding]:
        if section.path is None:
            return
        for sentence in read_source(section.path).sentences:
            if sentence.kind != "heading" and re.search(r"\d", sentence.text) and not sentence.calls("cite"):
                yield from self._sentence(section, sentence)

    def _sentence(self, section: SectionText, sentence: Sentence) -> Iterator[Finding]:
        text = self.masks.applied(sentence.text)
        known = self.known[section.key]
        covered = 0
        for typed in self.reader.numbers(sentence, text):
            if typed.start < covered:
                continue
            if typed.bounds:
                covered = typed.end + self.reader.bounds_length(sentence.text[typed.end :])
            if typed.unit == "dimensions":
                yield from self._dimensions(section, sentence, typed, known)
            else:
                typed = _of_column(typed, sentence)
                context = Context.of(sentence, typed, self.words, section.evidence)
                yield from self._number(section, sentence, typed, context)

    def _number(self, section: SectionText, sentence: Sentence, typed: Typed, context: Context) -> Iterator[Finding]:
        """The first of these that holds: stale, given, known, known under another name, close, known elsewhere."""
        known = self.known[section.key]
        own = best_match(known, typed, context)
        old = former_match(self._former(section.key, known), typed, context)
        declared = self.declared.has(typed)
        if old and old.words > (own.words if own else -9 if not declared else 1):
            yield self._stale(section, sentence, typed, old.known, f"was {old.known.name} when the text was accepted")
        elif declared:
            if typed.readings[0].foreign:
                yield self._finding(section, sentence, typed, "hint", "is one of the assignment's numbers", "")
        elif own is None and (name := known.texts.get(typed.number)) and typed.figures >= 3:
            what = f"is what {name} holds: print it, so that it stays right"
            yield self._finding(section, sentence, typed, "hint", what, f"{{{{ {name} }}}}")
        else:
            yield from self._undeclared(section, sentence, typed, context, own)

    def _undeclared(
        self, section: SectionText, sentence: Sentence, typed: Typed, context: Context, own: Match | None
    ) -> Iterator[Finding]:
        close = near_miss(self.known[section.key], typed, context)
        if own and not (close and own.words <= 0 and close.words >= 2):
            yield self._match(section, sentence, typed, own)
        elif own is None and (typed.small or (not typed.unit and not typed.decimals and not self.words.known)):
            return
        elif own is None and (other := self._elsewhere(section.key, typed, context)):
            yield self._other(section, sentence, typed, other.known)
        elif close:
            yield self._stale(section, sentence, typed, close.known, f"is close to {close.known.name}")
        else:
            yield self._unsupported(section, sentence, typed)

    def _former(self, key: str, known: SectionKnown) -> Iterator[Known]:
        """The section's quantities as they were, where they are no longer so."""
        now = {entry.name: entry.quantity for entry in self.document.printed if entry.section == key}
        for one in self.former.get(key, ()):
            if one.value is None:
                continue
            name = re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", one.name)
            current = known.by_name[name].quantity if name in known.by_name else now.get(one.name)
            was = Quantity(value=one.value, unit=one.unit)
            if current is None or self.language.quantity(was) != self.language.quantity(current):
                yield Known(key, name, was, printable=name in known.by_name)

    def _elsewhere(self, key: str, typed: Typed, context: Context) -> Match | None:
        """The same number in another section, where it can hardly be chance."""
        found = (best_match(known, typed, context) for other, known in self.known.items() if other != key)
        plain = not typed.unit and not typed.decimals and typed.figures < 4
        sure = [one for one in found if one and (one.words >= 2 or (not plain and one.words + typed.figures >= 4))]
        return max(sure, key=lambda one: one.score, default=None)

    def _match(self, section: SectionText, sentence: Sentence, typed: Typed, match: Match) -> Finding:
        known = match.known
        if typed.bounds and known.printable and not known.bound and not holds_interval(known, typed):
            what = f"is {known.name}, but the interval is not: it is {known.interval(self.language)} now"
            return self._finding(section, sentence, typed, "fault", what, binding(known, typed, self.language))
        if not known.printable:
            return self._finding(
                section, sentence, typed, "hint", f"stands in the table {known.name}, which changes with the result",
                f'{{{{ ref("{known.name}") }}}}',
            )  # fmt: skip
        chance = match.words <= 0 and typed.figures < 3
        what = f"is what {known.name} holds{', perhaps by chance' if chance else ''}: print it, so that it stays right"
        return self._finding(section, sentence, typed, "hint", what, binding(known, typed, self.language))

    def _stale(self, section: SectionText, sentence: Sentence, typed: Typed, known: Known, why: str) -> Finding:
        current = self.known[section.key].by_name.get(known.name)
        if current is None:
            return self._finding(section, sentence, typed, "fault", f"{why}, and the evidence no longer has it", "")
        shown = current.shown(self.language)
        what = f"{why}, which is {shown} now"
        return self._finding(section, sentence, typed, "fault", what, binding(current, typed, self.language))

    def _other(self, section: SectionText, sentence: Sentence, typed: Typed, known: Known) -> Finding:
        where = self.titles[known.section]
        what = f"is {known.name} of {known.section} ({where}), which cannot be printed here"
        return self._finding(
            section, sentence, typed, "hint", what,
            f"say it in {known.section}: {binding(known, typed, self.language)}" if known.printable
            else f'refer to it: {{{{ ref("{known.section}/{known.name}") }}}}',
        )  # fmt: skip

    def _unsupported(self, section: SectionText, sentence: Sentence, typed: Typed) -> Finding:
        text = " ".join(typed.text.replace("*", "").replace('"', "").split())
        return self._finding(
            section, sentence, typed, "fault", "is not in the evidence",
            f'print what the evidence has, cite(…) its source in the sentence, or answer for it: {{{{ given("{text}") }}}}',
        )  # fmt: skip

    def _dimensions(
        self, section: SectionText, sentence: Sentence, typed: Typed, known: SectionKnown
    ) -> Iterator[Finding]:
        shape = sides(typed.text)
        if self.declared.has_shape(shape) or (len(shape) == 2 and max(shape) <= SMALL_WINDOW):
            return
        name = next((name for text, name in known.texts.items() if _is_shape(text) and sides(text) == shape), "")
        if name:
            what = f"is what {name} holds: print it, so that it stays right"
            yield self._finding(section, sentence, typed, "hint", what, f"{{{{ {name} }}}}")
        elif found := self._size(section.key, shape):
            text = "×".join(f"{{{{ {one.name} }}}}" for one in found)
            where = found[0].section
            known_here = "is known here: print it" if where == section.key else f"is known to {where}"
            suggestion = text if where == section.key else f"say it in {where}: {text}"
            yield self._finding(section, sentence, typed, "hint", known_here, suggestion)
        else:
            yield self._unsupported(section, sentence, typed)

    def _size(self, key: str, shape: tuple[int, ...]) -> list[Known]:
        """The sizes, in one section's evidence, that a shape is made of; its own section is asked first."""
        for known in sorted(self.known.values(), key=lambda one: one.section != key):
            sizes = {int(one.quantity.value): one for one in known.numbers if _is_size(one)}
            if all(side in sizes for side in shape):
                return [sizes[side] for side in shape]
        return []

    def _finding(
        self, section: SectionText, sentence: Sentence, typed: Typed, severity: Severity, what: str, suggestion: str
    ) -> Finding:
        if typed.readings[0].foreign and typed.unit != "dimensions":
            sign = self.reader.decimal
            what += f"; it is written in the format of another language, where this report's decimal sign is “{sign}”"
        return Finding(
            kind="number", severity=severity, section=section.key, path=section.path,
            line=sentence.line(typed.start) if typed.start else sentence.line(),
            what=f"“{' '.join(typed.text.split())}” {what}", suggestion=suggestion,
        )  # fmt: skip


def _of_column(typed: Typed, sentence: Sentence) -> Typed:
    """A number in a table, with the unit that the head of its column gives."""
    if sentence.kind != "row" or typed.unit or not sentence.heads:
        return typed
    column = sentence.text[: typed.start].strip().count("|") - 1
    head = sentence.heads[column] if 0 <= column < len(sentence.heads) else ""
    return replace(typed, unit="percent") if "%" in head else typed


def _is_size(known: Known) -> bool:
    """Whether a whole number is the size of a picture or of a map, by its name."""
    words = {"size", "side", "width", "height", "channels"}
    return known.printable and known.unit in ("count", "pixels") and bool(known.words & words)


def _is_shape(text: str) -> bool:
    return re.fullmatch(r"[\d\s×xX(),]+|\(None,[\d\s,]+\)", text) is not None
