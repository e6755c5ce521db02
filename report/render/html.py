"""The report as one HTML file without a single network request; also the page that the PDF is made from."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError
from markupsafe import Markup, escape

from cnnlab.errors import TemplateProblem, printable
from cnnlab.paths import code_hash, templates_dir
from report.data.kept import keep, kept
from report.document.appendix import CHECKLIST, CHECKLIST_WORDS
from report.document.commentary import compiled_templates, late
from report.document.ledger import asked
from report.document.model import Document, Prose, SectionText
from report.document.problems import line_reached
from report.document.provenance import record_hashes
from report.document.tokens import Tokens
from report.evidence.language import Language
from report.evidence.quantity import Column, Exhibit, Figure, Listing, Quantity, Table, csv_uri
from report.render.logo import logo_uri
from report.render.stylesheet import read_stylesheet

Medium = Literal["screen", "print"]
TINY = 64
"""Images up to this side, in pixels, are enlarged without smoothing."""


class Wording(Protocol):
    """What tables need of a `Document`: how numbers are worded and marked."""

    @property
    def language(self) -> Language: ...
    @property
    def tokens(self) -> Tokens: ...


@dataclass(frozen=True)
class CellView:
    """A table cell as laid out: `pad` decimals are missing to align it, `point` says that the sign is too."""

    content: Markup
    best: bool
    pad: int
    point: bool


@dataclass(frozen=True)
class TableView:
    """A table as laid out: heads with their alignment, rows of cells, and whether a best value is marked."""

    heads: list[tuple[Column, bool]]
    rows: list[list[CellView]]
    marked: bool


@dataclass(frozen=True)
class Group:
    """Sections under one heading of level 2; `part` None stands for sections that are such headings themselves."""

    part: str | None
    title: str | None
    sections: list[SectionText]


def render_html(document: Document, medium: Medium, *, templates: Sequence[Path], cache: Path) -> str:
    """The whole report as one HTML page, for the screen or for WeasyPrint.

    Args:
        templates: template folders, the lab's own first.
        cache: folder of drawn figures.

    Raises:
        TemplateProblem: a template is missing or wrong.
        LabError: the logo of the lab's style cannot be used.
    """
    environment = _environment(document, medium, templates, cache)
    try:
        text = environment.get_template("report.html.j2").render(
            document=document,
            groups=groups(document),
            checklist_key=CHECKLIST,
            checklist_words=CHECKLIST_WORDS,
            colophon=colophon(document),
            asked=asked(document),
            logo=logo_uri(document.style.logo) if document.style.logo else None,
            medium=medium,
            style=Markup(_style(document, medium, templates)),
            script=Markup(_read(templates, "style/report.js")) if medium == "screen" else "",
        )
        return printable(text)
    except TemplateSyntaxError as problem:
        raise TemplateProblem(
            f"the template cannot be read: {problem.message}", where=f"{problem.filename}, line {problem.lineno}"
        ) from None
    except TemplateNotFound as problem:
        raise TemplateProblem(
            "a template of the report is missing",
            where=templates[-1],
            received=problem.name,
            hint="restore it from the project; a new activity needs a template of its module's name",
        ) from None
    except TemplateError as problem:
        raise TemplateProblem(
            "a template of the report cannot be rendered",
            where=line_reached(problem, templates[-1]),
            received=str(problem),
        ) from problem


def colophon(document: Document) -> str:
    """What stands at the end: the evidence hash, and how the numbers can be verified."""
    return document.language.text(
        "Evidence {hash}: {numbers} numbers from {records} records. To derive each of them again: {command}",
        hash=document.evidence_hash,
        numbers=str(document.language.number(len(document.printed))),
        records=str(len(record_hashes(document.lab))),
        command="cnnlab verify",
    )


def groups(document: Document) -> list[Group]:
    """The sections by the part that they belong to, in document order."""
    result = []
    for part, sections in groupby(document.sections, key=lambda section: section.part):
        result.append(Group(part, document.part_titles.get(part or ""), list(sections)))
    return result


def script_hash(script: str) -> str:
    """The script's hash for the page's content security policy."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _environment(document: Document, medium: Medium, templates: Sequence[Path], cache: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([str(folder) for folder in templates]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=compiled_templates(),
    )
    environment.globals |= {"t": document.language.text, "number": document.language.number}
    filters: dict[str, Callable[..., Any]] = {
        "prose": lambda prose: Markup(prose.screen if medium == "screen" else prose.print),
        "is_prose": lambda piece: isinstance(piece, Prose),
        "drawing": lambda figure: Markup(_drawing(figure, medium, cache)),
        "png": png_uri,
        "csv_uri": csv_uri,
        "table_view": lambda table: table_view(table, document, medium),
        "quantity": lambda q: _quantity(q, document, medium),
        "words": lambda text: Markup(document.tokens.marked_words(text, medium, focus=True)),
        "code": lambda listing: Markup(_highlighted(listing)),
        "fit": _fit,
        "kind": lambda placed: type(placed.item).__name__.lower(),
        "verdict": _verdict,
        "script_hash": script_hash,
    }
    environment.filters |= {name: late(one) for name, one in filters.items()}
    return environment


def table_view(table: Table, document: Wording, medium: Medium) -> TableView:
    """Cells worded, padded to align their decimals, and the best of a column found."""
    columns = {column.key: [row.get(column.key) for row in table.rows] for column in table.columns}
    texts = {
        key: [document.language.quantity(cell) if isinstance(cell, Quantity) else (cell or "–") for cell in cells]
        for key, cells in columns.items()
    }
    best = {column.key: _best(column, columns[column.key], texts[column.key]) for column in table.columns}
    pads = {key: _pads(cells, texts[key], document.language.decimal_sign) for key, cells in columns.items()}
    rows = [
        [
            CellView(
                _cell(columns[key][index], texts[key][index], document, medium), index in best[key], *pads[key][index]
            )
            for key in columns
        ]
        for index in range(len(table.rows))
    ]
    heads = [(column, _numeric(columns[column.key])) for column in table.columns]
    return TableView(heads, rows, any(best.values()))


def _numeric(cells: Sequence[Any]) -> bool:
    """Whether a column lines up as numbers: nothing but quantities, and at least one."""
    filled = [cell for cell in cells if cell is not None]
    return bool(filled) and all(isinstance(cell, Quantity) for cell in filled)


def _cell(cell: Any, text: str, document: Wording, medium: Medium) -> Markup:
    if isinstance(cell, Quantity):
        return Markup(document.tokens.marked(cell, text, medium, focus=False))
    return Markup(document.tokens.marked_words(text, medium, focus=False))


def _quantity(q: Quantity, document: Document, medium: Medium) -> Markup:
    return Markup(document.tokens.marked(q, document.language.quantity(q), medium, focus=False))


def _best(column: Column, cells: Sequence[Any], texts: Sequence[str]) -> set[int]:
    """Rows whose printed value equals the best one; none where there is nothing to be better than."""
    values = {index: cell.value for index, cell in enumerate(cells) if isinstance(cell, Quantity)}
    if column.best is None or len({texts[index] for index in values}) < 2:
        return set()
    winner = (max if column.best == "max" else min)(values, key=lambda index: values[index])
    return {index for index in values if texts[index] == texts[winner]}


def _pads(cells: Sequence[Any], texts: Sequence[str], sign: str) -> list[tuple[int, bool]]:
    """For each cell how many decimals it has fewer than the longest, and whether it lacks the decimal sign too."""
    decimals = [
        _decimals(text, sign) if isinstance(cell, Quantity) else 0 for cell, text in zip(cells, texts, strict=True)
    ]
    most = max(decimals, default=0)
    return [
        (most - found, most > 0 and found == 0) if isinstance(cell, Quantity) else (0, False)
        for cell, found in zip(cells, decimals, strict=True)
    ]


def _decimals(text: str, sign: str) -> int:
    tail = text.rpartition(sign)[2] if sign in text else ""
    digits = 0
    while digits < len(tail) and tail[digits].isdigit():
        digits += 1
    return digits


def png_uri(exhibit: Exhibit) -> str:
    """The image as a `data:` address."""
    import numpy as np
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(exhibit.pixels, dtype=np.uint8)).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _verdict(exhibit: Exhibit) -> str:
    if exhibit.predicted is None:
        return ""
    return "right" if exhibit.predicted == exhibit.label else "wrong"


def _drawing(figure: Figure, medium: Medium, cache: Path) -> str:
    """The figure in line on screen, so that dark mode reaches its colours; as a vector image on paper."""
    from report.figures.svg import drawn
    from report.figures.theme import PRINT, SCREEN

    if medium == "screen":
        return drawn(figure, SCREEN, cache)
    content = base64.b64encode(drawn(figure, PRINT, cache).encode()).decode()
    return f'<img alt="{escape(figure.alt)}" src="data:image/svg+xml;base64,{content}">'


def _highlighted(listing: Listing) -> str:
    """The code with spans by kind of token, one block a line so that a wrapped line can hang."""
    from pygments import __version__

    written = hashlib.sha256(f"{listing.language} {listing.code}".encode("utf-8", "surrogatepass")).hexdigest()
    key = f"highlighted {code_hash()} {__version__} {written}"
    content = kept(key)
    if content is None:
        content = _coloured(listing).encode("utf-8", "surrogatepass")
        keep(key, content)
    return content.decode("utf-8", "surrogatepass")


def _coloured(listing: Listing) -> str:
    from pygments import highlight
    from pygments.formatters.html import HtmlFormatter
    from pygments.lexers import get_lexer_by_name

    page = highlight(listing.code, get_lexer_by_name(listing.language), HtmlFormatter(nowrap=True, classprefix="k-"))
    return "".join(f'<span class="line">{line}\n</span>' for line in page.rstrip("\n").split("\n"))


def _fit(text: str) -> str:
    """The classes of a text: by its longest line, so that paper shows it whole, and whether it stays on one page."""
    longest = max(map(len, text.splitlines()), default=0)
    width = "fit-70" if longest <= 70 else "fit-84" if longest <= 84 else "fit-100"
    return f"{width} short" if len(text.splitlines()) <= 28 else width


def _style(document: Document, medium: Medium, templates: Sequence[Path]) -> str:
    from report.figures.fonts import font_faces

    sheets = [_read(templates, "style/common.css"), _read(templates, f"style/{medium}.css")]
    if medium == "screen":
        from report.figures.theme import screen_css

        sheets = [screen_css(), *sheets]
    else:
        sheets.append(_page_numbers(document))
    if document.style.accent:
        from report.render.accent import accent_css

        sheets.append(accent_css(document.style.accent, medium))
    return "\n".join([font_faces(medium), *sheets])


def _page_numbers(document: Document) -> str:
    """ "page n of N" in the words of the language."""
    words = document.language.text("page {page} of {pages}")
    for name in ("page", "pages"):
        words = words.replace(f"{{{name}}}", f'" counter({name}) "')
    return f'@page {{ @bottom-right {{ content: "{words}" }} }}'


def _read(templates: Sequence[Path], name: str) -> str:
    for folder in templates:
        if (path := folder / name).is_file():
            return read_stylesheet(path) if path.suffix == ".css" else path.read_text(encoding="utf-8")
    raise TemplateProblem("a file of the report's templates is missing", where=templates[-1] / name)


def template_folders(own: Path) -> list[Path]:
    """Where templates are looked for: the lab's own folder, then the project's."""
    return [own, templates_dir()]
