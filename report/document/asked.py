"""The ledger as a page of the report: what was asked, where it is answered, and in what state the answer is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from report.document.ledger import Entry, State, ledger
from report.document.model import Document
from report.evidence.language import Language

SIGNS: dict[State, str] = {"answered": "✓", "generated": "○", "stale": "△", "placeholder": "…", "missing": "✗"}


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
    """The whole page: its title, how many are answered, how that was told, and the sections."""

    title: str
    summary: str
    note: str
    sections: tuple[AskedSection, ...]


def asked(document: Document) -> Asked | None:
    """The page of this document, in its language; None where its rubric asks nothing."""
    entries = ledger(document, document.rubric, document.stale)
    if not entries:
        return None
    t = document.language.text
    return Asked(
        title=t("Appendix: what was asked, and where it is answered"),
        summary=_summary(entries, document.language),
        note=t(
            "The program wrote this table. A thing counts as answered when the text of its section uses the evidence "
            "that answers it, or shows the figure, table or images asked for. Whether the answer is a good one is for "
            "its reader to judge."
        ),
        sections=tuple(_sections(entries, document)),
    )


def _sections(entries: tuple[Entry, ...], document: Document) -> Iterator[AskedSection]:
    headings = {section.key: section.heading for section in document.sections}
    words = _words(document.language)
    for key, group in groupby(entries, key=lambda entry: entry.section):
        title = document.rubric.section(key).title.of(document.language)
        rows = tuple(AskedRow(one.text, one.state, SIGNS[one.state], words[one.state]) for one in group)
        yield AskedSection(key if key in headings else "", headings.get(key, title), rows)


def _summary(entries: tuple[Entry, ...], language: Language) -> str:
    """How many are answered, how many of them in generated text, and what the others are."""
    counts, words, t = Counter(entry.state for entry in entries), _words(language), language.text
    answered = counts["answered"] + counts["generated"]
    head = t("{answered} of {asked} things asked are answered", answered=answered, asked=len(entries))
    if counts["generated"] and not counts["answered"]:
        head += ", " + t("all of them in generated text that is not reviewed yet")
    elif counts["generated"]:
        head += ", " + t("{n} of them in generated text that is not reviewed yet", n=counts["generated"])
    others: list[State] = ["missing", "placeholder", "stale"]
    return "; ".join(
        [head, *(f"{words[state]}: {language.number(counts[state])}" for state in others if counts[state])]
    )


def _words(language: Language) -> dict[State, str]:
    t = language.text
    return {
        "answered": t("answered"),
        "generated": t("generated, not reviewed"),
        "stale": t("out of date"),
        "placeholder": t("still to be written"),
        "missing": t("missing"),
    }
