"""A report put together (by `report.document.assembly`) but not yet laid out: sections of prose and items, numbered.

The HTML, the PDF and the notebook are three renderings of one `Document`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from cnnlab.style import HouseStyle
from report.data.records import LabData
from report.document.appendix import Appendix
from report.document.claims import Claim
from report.document.tokens import Printed, Tokens
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Figure, Gallery, Item, Listing, Table

if TYPE_CHECKING:
    from report.document.rubric import Rubric

ItemKind = Literal["figure", "table", "listing"]
Review = Literal["generated", "accepted", "stale", "written"]
"""A section's text: generated and not read; accepted by its author as it is; accepted with earlier results; written by
its author (no mark in the file) and never accepted."""

NOTICES: dict[Review, str] = {
    "generated": "Generated text, not yet reviewed",
    "stale": "Written against earlier results",
}
"""What stands over a section in these states, as message ids."""

TITLED_PARTS = ("1", "2_1", "2_2")
"""Parts whose sections stand under a heading of their own."""


class Section(Protocol):
    """What a report is made of: see `report.document.rubric.Section`, whose docstring says what each is."""

    @property
    def key(self) -> str: ...
    @property
    def number(self) -> int | None: ...
    @property
    def part(self) -> str | None: ...
    @property
    def needs_runs(self) -> bool: ...
    @property
    def module(self) -> str: ...
    @property
    def answer(self) -> Callable[[LabData, Language], Evidence]: ...
    def title_in(self, language: Language) -> str: ...
    def label_in(self, language: Language) -> str: ...


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
    """An item where it stands. `label` is "Figura 3"; `anchor` its id in the page; `name` its name in the evidence."""

    name: str
    item: Item
    kind: ItemKind
    number: int
    label: str
    anchor: str


Piece = Prose | Placed


@dataclass(frozen=True)
class SectionText:
    """One section, finished.

    Attributes:
        key: `activity-07`; also its id in the page and the name of its commentary file.
        number: of the activity, None outside the activities.
        part: a key of the rubric's parts ("1", "2_1", …) or None.
        label: "Actividad 7", or empty.
        title: the words after it.
        pieces: prose and items, in reading order.
        marked: whether its commentary file carries the mark of generated text.
        problems: what is missing here, in the reader's language.
        path: its commentary file; None, as is `evidence`, where the section could not be answered.
        evidence: what its commentary could say.
        uses: every name that its commentary mentions: `best`, `best.accuracy`.
        files: its commentary file and those that it includes, by their names below a folder of templates.
        review: what its author has done with its text (`report.document.reviews`).
        level: of its heading in the page: 3 under a part's heading, else 2.
    """

    key: str
    number: int | None
    part: str | None
    module: str
    label: str
    title: str
    pieces: tuple[Piece, ...]
    marked: bool
    problems: tuple[str, ...]
    path: Path | None
    evidence: Evidence | None = field(repr=False)
    uses: frozenset[str]
    files: Mapping[str, Path]
    review: Review
    level: int = 2

    @property
    def generated(self) -> bool:
        """Whether its prose is generated and not reviewed."""
        return self.review == "generated"

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

    @property
    def anchor(self) -> str:
        """Its id in the page."""
        return f"ref-{self.key}"


@dataclass(frozen=True)
class Document:
    """The whole report.

    Attributes:
        printed: every quantity that it prints, the appendix's after the sections'.
        missing: what was asked for and is not in it, in the user's words.
        evidence_hash: 12 hexadecimal digits that change with any of the numbers and with any record behind them.
        rubric: the assignment that it answers.
        claims: those of the prose, in reading order, with what the runs say of them.
        style: the lab's own logo, accent colour and student number.
        part_titles: headings over the sections of a part, by part: "Parte 2.1: mini-ImageNet".
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

    def cited(self, key: str) -> Cited | None:
        """The entry of the bibliography for a reference, None where nothing cites it."""
        return next((cited for cited in self.bibliography if cited.key == key), None)

    @property
    def stale(self) -> frozenset[str]:
        """Keys of the sections whose text was reviewed before its evidence changed."""
        return frozenset(section.key for section in self.sections if section.review == "stale")

    def section(self, key: str) -> SectionText:
        """The section of this key."""
        return next(section for section in self.sections if section.key == key)


def kind_of(item: Item) -> ItemKind:
    """Which of the three series of numbers an item counts in; galleries are figures."""
    match item:
        case Table():
            return "table"
        case Listing():
            return "listing"
        case Figure() | Gallery():
            return "figure"
