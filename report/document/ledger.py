"""The ledger of a report: each single thing that the assignment asks, where it is answered, and in what state that is.

It tells that the evidence which answers a question is used in the section's own words; whether the answer is good is
for a reader to judge.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple

from cnnlab.errors import did_you_mean
from report.document.commentary import ITEMS
from report.document.model import Document, Paragraph, Review, SectionText
from report.document.rubric import Ask
from report.document.vocabulary import named_values, parts
from report.evidence.language import NBSP, Language
from report.evidence.quantity import Quantity

Severity = Literal["fault", "hint"]
"""A fault makes `cnnlab check` fail; a hint is worth a look."""

State = Literal["answered", "generated", "stale", "placeholder", "missing"]
STATES: dict[State, tuple[str, str]] = {
    "answered": ("✓", "answered"),
    "generated": ("○", "generated, not reviewed"),  # nobody has reviewed the text
    "missing": ("✗", "missing"),
    "placeholder": ("…", "still to be written"),  # words that only keep a place
    "stale": ("△", "out of date"),  # reviewed before its evidence changed
}
"""Signs and message ids."""

Answer = tuple[State, str, int | None]
"""The state of an answer, what that rests on, and the line of a placeholder."""

_REVIEWED: dict[Review, tuple[State, str]] = {
    "generated": ("generated", "its text is generated and not reviewed"),
    "stale": ("stale", "its text was reviewed before its evidence changed"),
}
FEW_WORDS = 10
"""A section of fewer words answers nothing."""

TELLING = 4
"""Characters from which a number or a name typed by hand can be told from any other."""

_PLACEHOLDERS = (
    re.compile(r"\b(?:TODO|TBD|FIXME)\b"),  # “todo” in small letters is a common word in Spanish
    re.compile(r"\b(?:por escribir|to be written|lorem ipsum|x{3,})\b", re.IGNORECASE),
    re.compile(r"(?:^|(?<=[\s*\[(]))(?:…|\.{3})(?=[\s*.\])]*$)"),
)
_TEMPLATE = re.compile(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """One thing to mend.

    Attributes:
        kind: what was checked, as "number", "comparison", "claim", "stale", "rubric".
        section: key of the section concerned; `path` and `line` lead into its file where there is a place to name.
        what, suggestion: the problem in one sentence, and what to write or to do instead, which may be empty.
    """

    kind: str
    severity: Severity
    section: str
    what: str
    path: Path | None = None
    line: int | None = None
    suggestion: str = ""


@dataclass(frozen=True)
class Entry:
    """A thing asked: its id in the section, its words in the report's language, and in which state its answer is.

    `why` says what the state rests on, where it is not answered; `path` and `line` lead to a placeholder.
    """

    section: str
    ask: str
    text: str
    state: State
    why: str = ""
    path: Path | None = None
    line: int | None = None


class Asked(NamedTuple):
    """The ledger as a page: its title, how many are answered, how that was told.

    `sections` are (key, heading, rows), the key empty where there is no such section to lead to; rows are (text, state,
    sign, words of the state).
    """

    title: str
    summary: str
    note: str
    sections: list[tuple[str, str, list[tuple[str, State, str, str]]]]


def ledger(document: Document) -> tuple[Entry, ...]:
    """Everything that the rubric asks, in its order."""
    return tuple(one for one in _entries(document) if one.ask)


def audit_rubric(document: Document) -> list[Finding]:
    """What is missing or only keeps a place, as faults; what is generated and was not reviewed, as hints.

    Sections that nothing is asked in are looked at too. What is stale is left to the check of reviews.
    """
    found = list[Finding]()
    for one in _entries(document):
        if one.state in ("missing", "placeholder"):
            what = f"“{one.text}” is not {'answered' if one.ask else 'written'}: {one.why}"
            mend = "answer it, with the names of its evidence" if one.ask and one.state == "missing" else "write it"
            found.append(Finding("rubric", "fault", one.section, what, one.path, one.line, mend))
    for section in document.sections:
        if section.review == "generated":
            what = f"the text of “{section.heading}” is generated, and nobody has reviewed it"
            mend = "read it, make it yours, and accept it"
            found.append(Finding("rubric", "hint", section.key, what, section.path, suggestion=mend))
    return found


def asked(document: Document) -> Asked | None:
    """The ledger as a page, in the document's language; None where its rubric asks nothing."""
    entries, language, t = ledger(document), document.language, document.language.text
    if not entries:
        return None
    counts = Counter(entry.state for entry in entries)
    done, generated = counts["answered"] + counts["generated"], counts["generated"]
    summary = t("{answered} of {asked} things asked are answered", answered=done, asked=len(entries))
    if generated == done > 0:
        summary += ", " + t("all of them in generated text that is not reviewed yet")
    elif generated:
        summary += ", " + t("{n} of them in generated text that is not reviewed yet", n=generated)
    for state, (_, words) in list(STATES.items())[2:]:
        summary += f"; {t(words)}: {language.number(counts[state])}" if counts[state] else ""
    headings = {section.key: section.heading for section in document.sections}
    sections = []
    for key, group in groupby(entries, key=lambda entry: entry.section):
        heading = headings.get(key) or document.rubric.section(key).title.of(language)
        rows = [(one.text, one.state, STATES[one.state][0], t(STATES[one.state][1])) for one in group]
        sections.append((key if key in headings else "", heading, rows))
    note = t(
        "The program wrote this table. A thing counts as answered when the text of its section uses the evidence "
        "that answers it, or shows the figure, table or images asked for. Whether the answer is a good one is for "
        "its reader to judge."
    )
    return Asked(t("Appendix: what was asked, and where it is answered"), summary, note, sections)


def _entries(document: Document) -> Iterator[Entry]:
    """The ledger, and as one entry without an `ask` each section that nothing is asked in."""
    sections, language = {one.key: one for one in document.sections}, document.language
    for spec in document.rubric.sections:
        section, asks = sections.get(spec.key), spec.asks or (Ask.model_construct(id="", text=spec.title),)
        nowhere: list[Answer] = [("missing", "the report has no such section", None)] * len(asks)
        answers = _Text(section, language).answers(asks) if section else nowhere
        for ask, (state, why, line) in zip(asks, answers, strict=True):
            path = section.path if section else None
            yield Entry(spec.key, ask.id, ask.text.of(language), state, why, path, line)


class _Text:
    """The text of a section, of which it is asked what it says."""

    def __init__(self, section: SectionText, language: Language) -> None:
        self.section, self.language = section, language
        self.names: Any = section.evidence.names if section.evidence else {}
        written = section.path.read_text(encoding="utf-8") if section.path else ""
        # What its author wrote, line by line, without what the template engine puts there.
        self.typed = _TEMPLATE.sub(lambda match: "\n" * match[0].count("\n"), written)
        self.typed_plain = _plain(self.typed)
        self.said = _plain("\n".join(paragraph.text for paragraph in section.paragraphs))
        self.printed = {id(entry.quantity) for one in section.paragraphs for entry in one.printed}

    def answers(self, asks: Sequence[Ask]) -> list[Answer]:
        """How each of the asks is answered."""
        words = len(re.findall(r"[^\W\d_]{2,}", self.said))
        if self.section.evidence is None:
            why = "; ".join(self.section.problems) or "the section could not be answered"
            return [("missing", why, None)] * len(asks)
        if not words:
            return [("missing", "its text is empty", None)] * len(asks)
        if words < FEW_WORDS:
            return [("placeholder", f"its text has only {words} words", None)] * len(asks)
        kept = list[tuple[Paragraph, Answer]]()  # placeholders that stand in the file: a class may be called “xxx”
        for paragraph in self.section.paragraphs:
            matches = (pattern.search(_plain(paragraph.text)) for pattern in _PLACEHOLDERS)
            if text := next((match[0] for match in matches if match and match[0] in self.typed), ""):
                line = self.typed.count("\n", 0, self.typed.index(text)) + 1
                kept.append((paragraph, ("placeholder", f"its text says “{text}”", line)))
        # A placeholder stands in for what is asked in its paragraph, and for what is missing; else for everything.
        lacks, held = [self._lack(ask) for ask in asks], list[Answer | None]()
        for ask, lack in zip(asks, lacks, strict=True):
            leaves = [leaf for name in (*ask.all, *ask.any) for leaf in self._leaves(name)]
            ids = set(map(id, leaves))
            mine = (answer for one, answer in kept if lack or ids & {id(number.quantity) for number in one.printed})
            held.append(next(mine, None))
        if kept and not any(held):
            return [kept[0][1]] * len(asks)
        reviewed: Answer = (*_REVIEWED.get(self.section.review, ("answered", "")), None)
        return [one or (("missing", lack, None) if lack else reviewed) for one, lack in zip(held, lacks, strict=True)]

    def _lack(self, ask: Ask) -> str:
        """What the answer lacks, and whether the section's evidence knows it; empty where it has all."""
        names = [name for name in ask.all if not self._uses(name)][:1]
        if not names and not any(map(self._uses, ask.any)):
            names = list(ask.any)
        if not names:
            return ""
        if any(name.partition(".")[0] in ITEMS or self._value(name) is not None for name in names):
            return f"it does not use {' or '.join(names)}"
        hint = did_you_mean(names[0], self.names)
        return f"its evidence has no {' or '.join(names)}" + (f" ({hint})" if hint else "")

    def _uses(self, name: str) -> bool:
        """Whether the item is placed, the number or the words are in the text, or the truth decides what it says."""
        if name.partition(".")[0] in ITEMS:
            return name in [f"{type(one.item).__name__.lower()}.{one.name}" for one in self.section.items]
        if isinstance(self._value(name), bool):
            return name in self.section.uses
        mentioned = any(f"{use}.".startswith(f"{name}.") for use in self.section.uses)
        for leaf in self._leaves(name):
            words = _plain(self.language.words(leaf))
            stands = re.compile(rf"(?<!\w){re.escape(words)}(?!\w)")  # by itself, not inside a longer one
            if id(leaf) in self.printed or (isinstance(leaf, str) and leaf and mentioned and stands.search(self.said)):
                return True
            if len(words) >= TELLING and stands.search(self.typed_plain):  # its author typed it
                return True
        return False

    def _value(self, name: str) -> Any:
        """What the section's evidence calls `name`, dots leading inside; None where there is no such thing."""
        found = self.names
        for part in name.split("."):
            found = dict(parts(found)).get(part)
        return found

    def _leaves(self, name: str) -> list[Quantity | str]:
        """The quantities and texts that the section's evidence calls so."""
        return [one for _, one in named_values({name: self._value(name)}) if isinstance(one, Quantity | str)]


def _plain(text: str) -> str:
    """Markdown without its escapes and emphasis, blanks alike."""
    return re.sub(r"\\([^\w\s]|_)", r"\1", text.replace("**", "").replace(NBSP, " ")).strip()
