"""The ledger of a report: each single thing that the assignment asks, and whether it is answered.

It tells that the evidence which answers a question is used in the section's own words; whether the answer is good is
for a reader to judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from cnnlab.errors import did_you_mean
from report.document.finding import Finding
from report.document.model import Document, SectionText
from report.document.placeholders import Placeholder, placeholders, plain, typed
from report.document.rubric import Ask, Rubric, SectionSpec
from report.evidence.language import Language
from report.evidence.quantity import Quantity

State = Literal["answered", "generated", "stale", "placeholder", "missing"]
"""Answered; so in generated text that nobody has reviewed; reviewed before its evidence changed; by words that only keep
a place; not at all."""

ITEMS = ("figure", "table", "gallery", "listing")
"""What stands before the name of an item in a rubric, as in commentary."""

FEW_WORDS = 10
"""A section of fewer words answers nothing."""

TELLING = 4
"""Characters from which a number or a name typed by hand can be told from any other."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A thing asked, and how it is answered.

    Attributes:
        section: key of the section that has to answer it.
        ask: its id within that section.
        text: what is asked, in the report's language.
        why: what the state rests on, where it is not answered; else empty.
        path, line: the commentary file, and the line of a placeholder.
    """

    section: str
    ask: str
    text: str
    state: State
    why: str = ""
    path: Path | None = None
    line: int | None = None


def ledger(document: Document, rubric: Rubric, stale: frozenset[str] = frozenset()) -> tuple[Entry, ...]:
    """Everything that the rubric asks, in its order.

    Args:
        stale: keys of sections whose text was reviewed before its evidence changed.
    """
    sections = {section.key: section for section in document.sections}
    return tuple(
        entry
        for spec in rubric.sections
        for entry in _Answer(sections.get(spec.key), document.language, spec.key in stale).entries(spec)
    )


def audit_rubric(document: Document, rubric: Rubric, stale: frozenset[str] = frozenset()) -> list[Finding]:
    """What is missing or only keeps a place, as faults; what is generated and was not reviewed, as hints.

    Sections that nothing is asked in are looked at too. What is stale is left to the check of reviews.
    """
    found = [_finding(entry) for entry in ledger(document, rubric, stale) if entry.state in ("missing", "placeholder")]
    asked = {spec.key for spec in rubric.sections if spec.asks}
    for section in document.sections:
        if section.key not in asked:
            found += _of_section(section)
        if section.generated:
            found.append(_hint(section))
    return found


class _Answer:
    """What one section says. `section` is None where the report has none of this key."""

    def __init__(self, section: SectionText | None, language: Language, stale: bool) -> None:
        self.section, self.language, self.stale = section, language, stale

    def entries(self, spec: SectionSpec) -> Iterator[Entry]:
        """One for each ask of the section."""
        unused = {ask.id: self.unused(ask) for ask in spec.asks}
        kept = self.kept_places(spec.asks, unused)
        for ask in spec.asks:
            state, why, line = self.state(unused[ask.id], kept.get(ask.id))
            yield Entry(
                section=spec.key,
                ask=ask.id,
                text=ask.text.of(self.language),
                state=state,
                why=why,
                path=self.section.path if self.section else None,
                line=line,
            )

    def state(self, unused: str, kept: Placeholder | None) -> tuple[State, str, int | None]:
        """State, reason and line of an ask of which `unused` says what its answer lacks."""
        if (whole := unanswered(self.section)) is not None:
            return whole
        assert self.section is not None
        if kept:
            return "placeholder", f"its text says “{kept.text}”", kept.line
        if unused:
            return "missing", unused, None
        if self.stale:
            return "stale", "its text was reviewed before its evidence changed", None
        return ("generated", "its text is generated and not reviewed", None) if self.section.generated else _ANSWERED

    def kept_places(self, asks: tuple[Ask, ...], unused: Mapping[str, str]) -> dict[str, Placeholder]:
        """The placeholder that stands in for each ask: in its paragraph, or for want of one; else for all of them."""
        found = placeholders(self.section) if self.section else []
        if not found:
            return {}
        kept = {ask.id: found[0] for ask in asks if unused[ask.id]}
        for one in found:
            printed = {id(entry.quantity) for entry in one.paragraph.printed}
            for ask in asks:
                if any(id(leaf) in printed for name in (*ask.all, *ask.any) for leaf in _leaves(self.value(name))):
                    kept.setdefault(ask.id, one)
        return kept or {ask.id: found[0] for ask in asks}

    def unused(self, ask: Ask) -> str:
        """What the answer lacks; empty where it has all."""
        if self.section is None or self.section.evidence is None:
            return ""
        for name in ask.all:
            if not self.uses(name):
                return self.lack([name])
        return self.lack(ask.any) if ask.any and not any(map(self.uses, ask.any)) else ""

    def lack(self, names: tuple[str, ...] | list[str]) -> str:
        """That none of `names` is used, and whether the section's evidence knows any of them."""
        assert self.section is not None and self.section.evidence is not None
        evidence = self.section.evidence
        known = [*evidence.names, *(f"{kind}.{item}" for item in evidence.items for kind in ITEMS)]
        if all(self.value(name) is None and not self._is_item(name) for name in names):
            hint = did_you_mean(names[0], known)
            return f"its evidence has no {' or '.join(names)}" + (f" ({hint})" if hint else "")
        return f"it does not use {' or '.join(names)}"

    def uses(self, name: str) -> bool:
        """Whether the item is placed, the number or the words are in the text, or the truth decides what it says."""
        assert self.section is not None
        if self._is_item(name):
            return any(name == f"{type(placed.item).__name__.lower()}.{placed.name}" for placed in self.section.items)
        value = self.value(name)
        if isinstance(value, bool):
            return name in self.section.uses
        mentioned = any(use == name or use.startswith(f"{name}.") for use in self.section.uses)
        return any(self._says(leaf, mentioned) for leaf in _leaves(value))

    def value(self, name: str) -> Any:
        """What the evidence calls `name`, dots leading inside; None where there is no such thing."""
        if self.section is None or self.section.evidence is None or self._is_item(name):
            return None
        found: Any = self.section.evidence.names
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else getattr(found, part, None)
        return found

    def _is_item(self, name: str) -> bool:
        return name.partition(".")[0] in ITEMS

    def _says(self, leaf: Quantity | str, mentioned: bool) -> bool:
        """Whether the text prints it by its name, or its author typed it."""
        if isinstance(leaf, str):
            words, printed = leaf, bool(leaf) and mentioned and _stands(leaf, self.said)
        else:
            words, printed = self.language.quantity(leaf), id(leaf) in self.printed
        return printed or (len(words) >= TELLING and _stands(words, self.typed))

    @cached_property
    def printed(self) -> set[int]:
        """Identities of the quantities that the text prints."""
        assert self.section is not None
        return {id(entry.quantity) for paragraph in self.section.paragraphs for entry in paragraph.printed}

    @cached_property
    def typed(self) -> str:
        """What its author typed, without the numbers and names that the template puts there."""
        assert self.section is not None
        return plain(typed(self.section))

    @cached_property
    def said(self) -> str:
        """The text, without Markdown's marks."""
        assert self.section is not None
        return "\n".join(plain(paragraph.text) for paragraph in self.section.paragraphs)


_ANSWERED: tuple[State, str, int | None] = ("answered", "", None)


def unanswered(section: SectionText | None) -> tuple[State, str, int | None] | None:
    """Why nothing in the section can be an answer; None where something can."""
    if section is None:
        return "missing", "the report has no such section", None
    if section.evidence is None:
        return "missing", "; ".join(section.problems) or "the section could not be answered", None
    words = sum(len(re.findall(r"[^\W\d_]{2,}", plain(paragraph.text))) for paragraph in section.paragraphs)
    if not words:
        return "missing", "its text is empty", None
    return ("placeholder", f"its text has only {words} words", None) if words < FEW_WORDS else None


def _leaves(value: Any) -> Iterator[Quantity | str]:
    """The quantities and texts inside a value of the evidence."""
    if isinstance(value, Quantity | str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)
    elif is_dataclass(value) and not isinstance(value, type):
        for part in fields(value):
            yield from _leaves(getattr(value, part.name))


def _stands(words: str, text: str) -> bool:
    """Whether `words` stand in `text` by themselves, not inside a longer word or number."""
    return bool(re.search(rf"(?<![\w]){re.escape(plain(words))}(?![\w])", text))


def _finding(entry: Entry) -> Finding:
    suggestion = "write it" if entry.state == "placeholder" else "answer it, with the names of its evidence"
    return Finding(
        kind="rubric", severity="fault", section=entry.section, path=entry.path, line=entry.line,
        what=f"“{entry.text}” is not answered: {entry.why}", suggestion=suggestion,
    )  # fmt: skip


def _of_section(section: SectionText) -> list[Finding]:
    """The same of a section in which nothing is asked."""
    whole = unanswered(section)
    found: list[tuple[str, int | None]] = [] if whole is None else [(whole[1], None)]
    found += [(f"its text says “{one.text}”", one.line) for one in placeholders(section)] if whole is None else []
    return [
        Finding(
            kind="rubric", severity="fault", section=section.key, path=section.path, line=line,
            what=f"“{section.heading}” is not written: {why}", suggestion="write it",
        )
        for why, line in found
    ]  # fmt: skip


def _hint(section: SectionText) -> Finding:
    return Finding(
        kind="rubric", severity="hint", section=section.key, path=section.path,
        what=f"the text of “{section.heading}” is generated, and nobody has reviewed it",
        suggestion="read it, make it yours, and accept it",
    )  # fmt: skip
