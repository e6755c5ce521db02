"""A report put together (by `report.assembly`) but not yet laid out: sections of prose and items, numbered.

The HTML, the PDF and the notebook are three renderings of one `Document`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from report.claims import Claim
from report.evidence import Evidence, Figure, Gallery, Item, Listing, Table
from report.language import Language
from report.records import LabData
from report.tokens import Printed, Tokens

ItemKind = Literal["figure", "table", "listing"]
TITLED_PARTS = ("1", "2_1", "2_2")
"""Parts whose sections stand under a heading of their own."""


class Section(Protocol):
    """What `report.activities.SECTIONS` holds: see its own docstring."""

    @property
    def key(self) -> str: ...
    @property
    def number(self) -> int | None: ...
    @property
    def part(self) -> str | None: ...
    @property
    def title_msgid(self) -> str: ...
    @property
    def module(self) -> str: ...
    @property
    def answer(self) -> Callable[[LabData, Language], Evidence]: ...


@dataclass(frozen=True)
class Paragraph:
    """A paragraph (list item, heading, …) of the prose as Markdown: with its numbers, and with `#` in place of each.

    `printed` are the quantities in it, in order.
    """

    text: str
    skeleton: str
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
        part: "1", "comparison", "2_1", "2_2" or None.
        label: "Actividad 7", or empty.
        title: the words after it.
        pieces: prose and items, in reading order.
        generated: whether its prose is still marked as generated and not reviewed.
        problems: what is missing here, in the reader's language.
        path: its commentary file; None, as is `evidence`, where the section could not be answered.
        evidence: what its commentary could say.
        uses: every name that its commentary mentions: `best`, `best.accuracy`.
    """

    key: str
    number: int | None
    part: str | None
    module: str
    label: str
    title: str
    pieces: tuple[Piece, ...]
    generated: bool
    problems: tuple[str, ...]
    path: Path | None
    evidence: Evidence | None = field(repr=False)
    uses: frozenset[str]

    @property
    def heading(self) -> str:
        """Label and title: "Actividad 7: Entrenamiento"."""
        return f"{self.label}: {self.title}" if self.label else self.title

    @property
    def level(self) -> int:
        """Level of its heading in the page: 3 under a part's heading, else 2."""
        return 3 if self.part in TITLED_PARTS else 2

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
    """The whole report. `missing` says, in the user's words, what was asked for and is not in it.

    `claims` are those of the prose, in reading order, with what the runs say of them.
    """

    title: str
    authors: tuple[str, ...]
    course: str | None
    language: Language
    lab: LabData
    sections: tuple[SectionText, ...]
    bibliography: tuple[Cited, ...]
    printed: tuple[Printed, ...]
    missing: tuple[str, ...]
    claims: tuple[Claim, ...]
    tokens: Tokens = field(repr=False)

    def section(self, key: str) -> SectionText:
        """The section of this key."""
        return next(section for section in self.sections if section.key == key)

    def part_title(self, part: str) -> str:
        """The heading over a part's sections: "Parte 2.1: mini-ImageNet"."""
        text = self.language.text
        if part == "1":
            return text("Part 1: VGG-19")
        data = self.lab.parts.get(part)
        name = str(data.dataset.manifest["title"]) if data else text("no data set")
        return text("Part {number}: {title}", number=part.replace("_", "."), title=name)


def kind_of(item: Item) -> ItemKind:
    """Which of the three series of numbers an item counts in; galleries are figures."""
    match item:
        case Table():
            return "table"
        case Listing():
            return "listing"
        case Figure() | Gallery():
            return "figure"
