"""A report put together (by `report.document.assembly`) but not yet laid out: sections of prose and items, numbered.

The HTML, the PDF and the notebook are three renderings of one `Document`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cnnlab.style import HouseStyle
from report.data.records import LabData
from report.document.appendix import Appendix
from report.document.claims import Claim
from report.document.rubric import Rubric
from report.document.tokens import Printed, Tokens
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Item

ItemKind = Literal["figure", "table", "listing"]
Review = Literal["generated", "accepted", "stale", "written"]
"""A section's text: generated and not read; accepted by its author as it is; accepted with earlier results; written by
its author (no mark in the file) and never accepted."""

NOTICES: dict[Review, str] = {
    "generated": "Generated text, not yet reviewed",
    "stale": "Written against earlier results",
}
"""What stands over a section in these states, as message ids."""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph (list item, heading, …) of the prose as Markdown, and the quantities in it, in order."""

    text: str
    printed: tuple[Printed, ...]


@dataclass(frozen=True)
class Prose:
    """Running text between items: HTML for the screen, HTML for paper, and Markdown with numbers in plain text."""

    screen: str
    print: str
    markdown: str
    paragraphs: tuple[Paragraph, ...]


@dataclass(frozen=True)
class Placed:
    """An item where it stands: its name in the evidence, its label ("Figura 3"), its id in the page."""

    name: str
    item: Item
    kind: ItemKind
    label: str
    anchor: str


@dataclass(frozen=True)
class SectionText:
    """One section, finished.

    Attributes:
        key: `activity-07`; also its id in the page and the name of its commentary file.
        number, part, module: as in the rubric's `Section`.
        label, title: "Actividad 7", or empty; the words after it.
        level: of its heading in the page.
        problems: what is missing here, in the reader's language.
        pieces: prose and items, in reading order.
        evidence: what its commentary could say; None, as is `path`, where the section could not be answered.
        path: its commentary file; `files` it and those that it includes, by their names below a folder of templates.
        uses: every name that its commentary mentions: `best`, `best.accuracy`.
        review: what its author has done with its text (`report.document.reviews`).
    """

    key: str
    number: int | None
    part: str | None
    module: str
    label: str
    title: str
    level: int
    problems: tuple[str, ...]
    pieces: tuple[Prose | Placed, ...] = ()
    evidence: Evidence | None = field(default=None, repr=False)
    path: Path | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    uses: frozenset[str] = frozenset()
    review: Review = "written"

    @property
    def notice(self) -> str:
        """What stands over its text for the reader's caution, as a message id; may be empty."""
        return NOTICES.get(self.review, "")

    @property
    def heading(self) -> str:
        """Label and title: "Actividad 7: Entrenamiento"."""
        return f"{self.label}: {self.title}" if self.label else self.title

    @property
    def items(self) -> list[Placed]:
        """The items, in order."""
        return [piece for piece in self.pieces if isinstance(piece, Placed)]

    @property
    def paragraphs(self) -> list[Paragraph]:
        """The paragraphs of its prose, in order."""
        return [paragraph for piece in self.pieces if isinstance(piece, Prose) for paragraph in piece.paragraphs]


@dataclass(frozen=True)
class Cited:
    """A reference of the bibliography with its number, in order of first citation."""

    number: int
    key: str
    reference: Any


@dataclass(frozen=True)
class Document:
    """The whole report.

    Attributes:
        printed: every quantity that it prints, the appendix's after the sections'.
        missing: what was asked for and is not in it, in the user's words.
        evidence_hash: changes with any of the numbers and with any record behind them.
        rubric: the assignment that it answers; `part_titles` the headings over the sections of its parts.
        claims: those of the prose, in reading order, with what the runs say of them.
    """

    title: str
    authors: tuple[str, ...]
    course: str | None
    language: Language
    lab: LabData
    sections: tuple[SectionText, ...]
    bibliography: tuple[Cited, ...]
    appendix: Appendix
    printed: tuple[Printed, ...]
    missing: tuple[str, ...]
    evidence_hash: str
    rubric: Rubric = field(repr=False)
    part_titles: Mapping[str, str]
    claims: tuple[Claim, ...]
    tokens: Tokens = field(repr=False)
    style: HouseStyle

    def section(self, key: str) -> SectionText:
        """The section of this key."""
        return next(section for section in self.sections if section.key == key)
