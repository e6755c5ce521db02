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
from typing import Any, Literal

from cnnlab.errors import did_you_mean
from report.document.model import Document, Paragraph, SectionText
from report.document.rubric import Ask, SectionSpec
from report.document.vocabulary import named_values, parts
from report.evidence.language import NBSP, Language
from report.evidence.quantity import Quantity

Severity = Literal["fault", "hint"]
"""A fault makes `cnnlab check` fail; a hint is worth a look."""

State = Literal["answered", "generated", "stale", "placeholder", "missing"]
"""Answered; so in generated text that nobody has reviewed; reviewed before its evidence changed; by words that only keep
a place; not at all."""

SIGNS: dict[State, str] = {"answered": "✓", "generated": "○", "stale": "△", "placeholder": "…", "missing": "✗"}

ITEMS = ("figure", "table", "gallery", "listing")
"""What stands before the name of an item in a rubric, as in commentary."""

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
class AskedRow:
    """A thing asked, its state, and the state's sign and words."""

    text: str
    state: State
    sign: str
    words: str


@dataclass(frozen=True)
class AskedSection:
    """The things asked in a section. `key` is empty where the report has no such section to lead to."""

    key: str
    heading: str
    rows: tuple[AskedRow, ...]


@dataclass(frozen=True)
class Asked:
    """The ledger as a page of the report: its title, how many are answered, how that was told, and the sections."""

    title: str
    summary: str
    note: str
    sections: tuple[AskedSection, ...]


def ledger(document: Document) -> tuple[Entry, ...]:
    """Everything that the rubric asks, in its order."""
    sections = {section.key: section for section in document.sections}
    return tuple(
        entry
        for spec in document.rubric.sections
        for entry in _entries(spec, sections.get(spec.key), document.language)
    )


def audit_rubric(document: Document) -> list[Finding]:
    """What is missing or only keeps a place, as faults; what is generated and was not reviewed, as hints.

    Sections that nothing is asked in are looked at too. What is stale is left to the check of reviews.
    """
    found = []
    for entry in ledger(document):
        if entry.state in ("missing", "placeholder"):
            what = f"“{entry.text}” is not answered: {entry.why}"
            mend = "write it" if entry.state == "placeholder" else "answer it, with the names of its evidence"
            found.append(_finding(entry.section, "fault", what, mend, entry.path, entry.line))
    asked = {spec.key for spec in document.rubric.sections if spec.asks}
    for section in document.sections:
        if section.key not in asked:
            whole = _unanswered(section)
            reasons = [(f"its text says “{text}”", line) for _, text, line in _placeholders(section)]
            for why, line in reasons if whole is None else [(whole[1], None)]:
                what = f"“{section.heading}” is not written: {why}"
                found.append(_finding(section.key, "fault", what, "write it", section.path, line))
        if section.generated:
            what = f"the text of “{section.heading}” is generated, and nobody has reviewed it"
            found.append(_finding(section.key, "hint", what, "read it, make it yours, and accept it", section.path))
    return found


def _finding(
    section: str, severity: Severity, what: str, mend: str, path: Path | None, line: int | None = None
) -> Finding:
    return Finding(
        kind="rubric", severity=severity, section=section, what=what, path=path, line=line, suggestion=mend
    )  # fmt: skip


def asked(document: Document) -> Asked | None:
    """The ledger as a page, in the document's language; None where its rubric asks nothing."""
    entries, language = ledger(document), document.language
    if not entries:
        return None
    t = language.text
    words: dict[State, str] = {
        "answered": t("answered"),
        "generated": t("generated, not reviewed"),
        "stale": t("out of date"),
        "placeholder": t("still to be written"),
        "missing": t("missing"),
    }
    counts = Counter(entry.state for entry in entries)
    summary = t(
        "{answered} of {asked} things asked are answered",
        answered=counts["answered"] + counts["generated"],
        asked=len(entries),
    )
    if counts["generated"] and not counts["answered"]:
        summary += ", " + t("all of them in generated text that is not reviewed yet")
    elif counts["generated"]:
        summary += ", " + t("{n} of them in generated text that is not reviewed yet", n=counts["generated"])
    others: tuple[State, ...] = ("missing", "placeholder", "stale")
    rest = [f"{words[state]}: {language.number(counts[state])}" for state in others if counts[state]]
    headings = {section.key: section.heading for section in document.sections}
    sections = []
    for key, group in groupby(entries, key=lambda entry: entry.section):
        heading = headings.get(key) or document.rubric.section(key).title.of(language)
        rows = tuple(AskedRow(one.text, one.state, SIGNS[one.state], words[one.state]) for one in group)
        sections.append(AskedSection(key if key in headings else "", heading, rows))
    return Asked(
        title=t("Appendix: what was asked, and where it is answered"),
        summary="; ".join([summary, *rest]),
        note=t(
            "The program wrote this table. A thing counts as answered when the text of its section uses the evidence "
            "that answers it, or shows the figure, table or images asked for. Whether the answer is a good one is for "
            "its reader to judge."
        ),
        sections=tuple(sections),
    )


def _entries(spec: SectionSpec, section: SectionText | None, language: Language) -> Iterator[Entry]:
    """One for each ask of the section. `section` is None where the report has none of this key."""
    whole = _unanswered(section)
    unused = (
        {} if section is None or section.evidence is None else {a.id: _lack(section, a, language) for a in spec.asks}
    )
    kept = {} if section is None else _kept_places(section, spec.asks, unused)
    for ask in spec.asks:
        state: State = "answered"
        why, line = "", None
        if whole is not None:
            state, why = whole
        elif ask.id in kept:
            state, why, line = "placeholder", f"its text says “{kept[ask.id][1]}”", kept[ask.id][2]
        elif unused[ask.id]:
            state, why = "missing", unused[ask.id]
        elif section and section.review == "stale":
            state, why = "stale", "its text was reviewed before its evidence changed"
        elif section and section.generated:
            state, why = "generated", "its text is generated and not reviewed"
        yield Entry(
            section=spec.key,
            ask=ask.id,
            text=ask.text.of(language),
            state=state,
            why=why,
            path=section.path if section else None,
            line=line,
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
        said = _plain(paragraph.text)
        matches = (pattern.search(said) for pattern in _PLACEHOLDERS)
        if text := next((match[0] for match in matches if match and match[0] in written), ""):
            found.append((paragraph, text, written[: written.index(text)].count("\n") + 1))
    return found


def _kept_places(
    section: SectionText, asks: Sequence[Ask], unused: dict[str, str]
) -> dict[str, tuple[Paragraph, str, int]]:
    """The placeholder that stands in for each ask: in its paragraph, or for want of one; else for all of them."""
    found = _placeholders(section)
    if not found:
        return {}
    kept = {ask.id: found[0] for ask in asks if unused.get(ask.id)}
    for one in found:
        printed = {id(entry.quantity) for entry in one[0].printed}
        for ask in asks:
            if any(id(leaf) in printed for name in (*ask.all, *ask.any) for leaf in _leaves(_value(section, name))):
                kept.setdefault(ask.id, one)
    return kept or {ask.id: found[0] for ask in asks}


def _lack(section: SectionText, ask: Ask, language: Language) -> str:
    """What the answer lacks, and whether the section's evidence knows it; empty where it has all."""
    names = [name for name in ask.all if not _uses(section, name, language)][:1]
    if not names and not any(_uses(section, name, language) for name in ask.any):
        names = list(ask.any)
    if not names:
        return ""
    assert section.evidence is not None
    if any(name.partition(".")[0] in ITEMS or _value(section, name) is not None for name in names):
        return f"it does not use {' or '.join(names)}"
    known = [*section.evidence.names, *(f"{kind}.{item}" for item in section.evidence.items for kind in ITEMS)]
    hint = did_you_mean(names[0], known)
    return f"its evidence has no {' or '.join(names)}" + (f" ({hint})" if hint else "")


def _uses(section: SectionText, name: str, language: Language) -> bool:
    """Whether the item is placed, the number or the words are in the text, or the truth decides what it says."""
    if name.partition(".")[0] in ITEMS:
        return any(name == f"{type(placed.item).__name__.lower()}.{placed.name}" for placed in section.items)
    value = _value(section, name)
    if isinstance(value, bool):
        return name in section.uses
    mentioned = any(use == name or use.startswith(f"{name}.") for use in section.uses)
    printed = {id(entry.quantity) for paragraph in section.paragraphs for entry in paragraph.printed}
    said, typed = _plain("\n".join(paragraph.text for paragraph in section.paragraphs)), _plain(_typed(section))
    for leaf in _leaves(value):
        words = leaf if isinstance(leaf, str) else language.quantity(leaf)
        if id(leaf) in printed or (isinstance(leaf, str) and leaf and mentioned and _stands(leaf, said)):
            return True
        if len(words) >= TELLING and _stands(words, typed):  # its author typed it
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


def _stands(words: str, text: str) -> bool:
    """Whether `words` stand in `text` by themselves, not inside a longer word or number."""
    return bool(re.search(rf"(?<![\w]){re.escape(_plain(words))}(?![\w])", text))
