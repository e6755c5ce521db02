"""The ledger of a report: each single thing that the assignment asks, where it is answered, and in what state that is.

It tells that the evidence which answers a question is used in the section's own words; whether the answer is good is
for a reader to judge.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from cnnlab.errors import did_you_mean
from report.document.commentary import ITEMS
from report.document.model import Document, Paragraph, SectionText
from report.document.rubric import Ask, Section
from report.document.vocabulary import named_values, parts
from report.evidence.language import NBSP, Language
from report.evidence.quantity import Quantity

Severity = Literal["fault", "hint"]
"""A fault makes `cnnlab check` fail; a hint is worth a look."""

State = Literal["answered", "generated", "stale", "placeholder", "missing"]
STATES: dict[State, tuple[str, str]] = {
    "answered": ("✓", "answered"),
    "generated": ("○", "generated, not reviewed"),
    "missing": ("✗", "missing"),
    "placeholder": ("…", "still to be written"),
    "stale": ("△", "out of date"),
}
"""Sign and message id of: answered; so in generated text that nobody has reviewed; not at all; by words that only keep a
place; reviewed before its evidence changed."""

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


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing to mend.

    Attributes:
        kind: what was checked, as "number", "comparison", "claim", "stale", "rubric".
        severity: whether the check fails because of it.
        section: key of the section concerned.
        path, line: the commentary file, and the line in it where there is one to name; None outside a file.
        what: the problem in one sentence.
        suggestion: what to write or to do instead; may be empty.
    """

    kind: str
    severity: Severity
    section: str
    what: str
    path: Path | None = None
    line: int | None = None
    suggestion: str = ""


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


@dataclass(frozen=True)
class Asked:
    """The ledger as a page of the report: its title, how many are answered, how that was told.

    `sections` are (key, heading, rows), the key empty where there is no such section to lead to; rows are (text, state,
    sign, words of the state).
    """

    title: str
    summary: str
    note: str
    sections: list[tuple[str, str, list[tuple[str, State, str, str]]]]


def ledger(document: Document) -> tuple[Entry, ...]:
    """Everything that the rubric asks, in its order."""
    sections = {section.key: section for section in document.sections}
    asking = (spec for spec in document.rubric.sections if spec.asks)
    return tuple(entry for spec in asking for entry in _entries(spec, sections.get(spec.key), document.language))


def audit_rubric(document: Document) -> list[Finding]:
    """What is missing or only keeps a place, as faults; what is generated and was not reviewed, as hints.

    Sections that nothing is asked in are looked at too. What is stale is left to the check of reviews.
    """
    told = list[tuple[Severity, str, str, str, Path | None, int | None]]()
    for entry in ledger(document):
        if entry.state in ("missing", "placeholder"):
            mend = "write it" if entry.state == "placeholder" else "answer it, with the names of its evidence"
            what = f"“{entry.text}” is not answered: {entry.why}"
            told.append(("fault", entry.section, what, mend, entry.path, entry.line))
    asked = {spec.key for spec in document.rubric.sections if spec.asks}
    for section in document.sections:
        key, path, named, whole = section.key, section.path, f"“{section.heading}”", _unanswered(section)
        kept = [(f"its text says “{text}”", line) for _, text, line in _placeholders(section)]
        for why, line in () if key in asked else [(whole[1], None)] if whole else kept:
            told.append(("fault", key, f"{named} is not written: {why}", "write it", path, line))
        if section.review == "generated":
            what = f"the text of {named} is generated, and nobody has reviewed it"
            told.append(("hint", key, what, "read it, make it yours, and accept it", path, None))
    return [
        Finding(kind="rubric", severity=severity, section=key, what=what, suggestion=mend, path=path, line=line)
        for severity, key, what, mend, path, line in told
    ]


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
    return Asked(
        title=t("Appendix: what was asked, and where it is answered"),
        summary=summary,
        note=t(
            "The program wrote this table. A thing counts as answered when the text of its section uses the evidence "
            "that answers it, or shows the figure, table or images asked for. Whether the answer is a good one is for "
            "its reader to judge."
        ),
        sections=sections,
    )


def _entries(spec: Section, section: SectionText | None, language: Language) -> Iterator[Entry]:
    """One for each ask of the section. `section` is None where the report has none of this key."""
    whole = _unanswered(section)
    lacks, kept = dict[str, str](), dict[str, tuple[Paragraph, str, int]]()
    if section and not whole:
        lacks = {ask.id: _lack(section, ask, language) for ask in spec.asks}
        # A placeholder stands in for what is asked in its paragraph, and for what is missing; else for everything.
        found = _placeholders(section)
        kept = {key: found[0] for key, lack in lacks.items() if lack and found}
        for one in found:
            printed = {id(entry.quantity) for entry in one[0].printed}
            for ask in spec.asks:
                leaves = (leaf for name in (*ask.all, *ask.any) for leaf in _leaves(_value(section, name)))
                if any(id(leaf) in printed for leaf in leaves):
                    kept.setdefault(ask.id, one)
        kept = kept or (dict.fromkeys(lacks, found[0]) if found else {})
    for ask in spec.asks:
        state: State = "answered"
        why, line = "", None
        if whole:
            state, why = whole
        elif ask.id in kept:
            state, why, line = "placeholder", f"its text says “{kept[ask.id][1]}”", kept[ask.id][2]
        elif lacks[ask.id]:
            state, why = "missing", lacks[ask.id]
        elif section and section.review == "stale":
            state, why = "stale", "its text was reviewed before its evidence changed"
        elif section and section.review == "generated":
            state, why = "generated", "its text is generated and not reviewed"
        path = section.path if section else None
        yield Entry(
            section=spec.key, ask=ask.id, text=ask.text.of(language), state=state, why=why, path=path, line=line
        )


def _unanswered(section: SectionText | None) -> tuple[State, str] | None:
    """Why nothing in the section can be an answer; None where something can."""
    if section is None:
        return "missing", "the report has no such section"
    if section.evidence is None:
        return "missing", "; ".join(section.problems) or "the section could not be answered"
    words = sum(len(re.findall(r"[^\W\d_]{2,}", _plain(paragraph.text))) for paragraph in section.paragraphs)
    if not words:
        return "missing", "its text is empty"
    return ("placeholder", f"its text has only {words} words") if words < FEW_WORDS else None


def _placeholders(section: SectionText) -> list[tuple[Paragraph, str, int]]:
    """Paragraph, words and line of what only keeps a place and was written in the file: a class may be called “xxx”."""
    found, written = [], _typed(section)
    for paragraph in section.paragraphs:
        matches = (pattern.search(_plain(paragraph.text)) for pattern in _PLACEHOLDERS)
        if text := next((match[0] for match in matches if match and match[0] in written), ""):
            found.append((paragraph, text, written.count("\n", 0, written.index(text)) + 1))
    return found


def _lack(section: SectionText, ask: Ask, language: Language) -> str:
    """What the answer lacks, and whether the section's evidence knows it; empty where it has all."""
    names = [name for name in ask.all if not _uses(section, name, language)][:1]
    if not names and not any(_uses(section, name, language) for name in ask.any):
        names = list(ask.any)
    if not names:
        return ""
    if any(name.partition(".")[0] in ITEMS or _value(section, name) is not None for name in names):
        return f"it does not use {' or '.join(names)}"
    hint = did_you_mean(names[0], section.evidence.names if section.evidence else ())
    return f"its evidence has no {' or '.join(names)}" + (f" ({hint})" if hint else "")


def _uses(section: SectionText, name: str, language: Language) -> bool:
    """Whether the item is placed, the number or the words are in the text, or the truth decides what it says."""
    if name.partition(".")[0] in ITEMS:
        return name in [f"{type(placed.item).__name__.lower()}.{placed.name}" for placed in section.items]
    value = _value(section, name)
    if isinstance(value, bool):
        return name in section.uses
    mentioned = any(f"{use}.".startswith(f"{name}.") for use in section.uses)
    printed = {id(entry.quantity) for paragraph in section.paragraphs for entry in paragraph.printed}
    said, typed = _plain("\n".join(paragraph.text for paragraph in section.paragraphs)), _plain(_typed(section))
    for leaf in _leaves(value):
        words = leaf if isinstance(leaf, str) else language.quantity(leaf)
        stands = re.compile(rf"(?<!\w){re.escape(_plain(words))}(?!\w)")  # by itself, not inside a longer one
        if id(leaf) in printed or (isinstance(leaf, str) and leaf and mentioned and stands.search(said)):
            return True
        if len(words) >= TELLING and stands.search(typed):  # its author typed it
            return True
    return False


def _value(section: SectionText, name: str) -> Any:
    """What the section's evidence calls `name`, dots leading inside; None where there is no such thing."""
    found: Any = section.evidence.names if section.evidence else {}
    for part in name.split("."):
        found = dict(parts(found)).get(part)
    return found


def _leaves(value: Any) -> list[Quantity | str]:
    """The quantities and texts inside a value of the evidence."""
    return [inner for _, inner in named_values({"": value}) if isinstance(inner, Quantity | str)]


def _typed(section: SectionText) -> str:
    """What its author wrote in its file, line by line, without what the template engine puts there."""
    text = section.path.read_text(encoding="utf-8") if section.path else ""
    return _TEMPLATE.sub(lambda match: "\n" * match[0].count("\n"), text)


def _plain(text: str) -> str:
    """Markdown without its escapes and emphasis, blanks alike."""
    return re.sub(r"\\([^\w\s]|_)", r"\1", text.replace("**", "").replace(NBSP, " ")).strip()
