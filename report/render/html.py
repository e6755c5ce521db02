"""The report as one HTML file without a single network request; also the page that the PDF is made from."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from cnnlab.errors import TemplateProblem, printable
from report.document.commentary import compiled_templates, late
from report.document.ledger import asked
from report.document.model import Document, Prose
from report.document.problems import line_reached
from report.document.provenance import record_hashes
from report.evidence.quantity import Exhibit, Figure, Listing, csv_uri
from report.figures.fonts import font_faces
from report.figures.svg import drawn
from report.figures.theme import PRINT, SCREEN, screen_css
from report.render.assets import accent_css, logo_uri, template_file
from report.render.tables import Medium, table_view


def render_html(document: Document, medium: Medium, *, templates: Sequence[Path], cache: Path) -> str:
    """The whole report as one HTML page, for the screen or for WeasyPrint.

    Args:
        templates: template folders, the lab's own first.
        cache: folder of drawn figures.

    Raises:
        TemplateProblem: a template is missing or wrong.
        LabError: the logo of the lab's style cannot be used.
    """
    try:
        return printable(
            _environment(document, medium, templates, cache)
            .get_template("report.html.j2")
            .render(
                document=document,
                groups=[  # sections under one heading of level 2; without a title they are such headings themselves
                    {"part": part, "title": document.part_titles.get(part or ""), "sections": list(sections)}
                    for part, sections in groupby(document.sections, key=lambda section: section.part)
                ],
                colophon=colophon(document),
                asked=asked(document),
                logo=logo_uri(document.style.logo) if document.style.logo else None,
                medium=medium,
                style=Markup(_style(document, medium, templates)),
                script=Markup(template_file(templates, "style/report.js")) if medium == "screen" else "",
            )
        )
    except jinja2.TemplateSyntaxError as problem:
        where = f"{problem.filename}, line {problem.lineno}"
        raise TemplateProblem(f"the template cannot be read: {problem.message}", where=where) from None
    except jinja2.TemplateNotFound as problem:
        what, hint = "a template of the report is missing", "restore it from the project"
        raise TemplateProblem(what, where=templates[-1], received=problem.name, hint=hint) from None
    except jinja2.TemplateError as problem:
        where = line_reached(problem, templates[-1])
        raise TemplateProblem("a template of the report cannot be rendered", where=where, received=problem) from problem


def colophon(document: Document) -> str:
    """What stands at the end: the evidence hash, and how the numbers can be verified."""
    return document.language.text(
        "Evidence {hash}: {numbers} numbers from {records} records. To derive each of them again: {command}",
        hash=document.evidence_hash,
        numbers=str(document.language.number(len(document.printed))),
        records=str(len(record_hashes(document.lab))),
        command="cnnlab verify",
    )


def script_hash(script: str) -> str:
    """The script's hash for the page's content security policy."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def png_uri(exhibit: Exhibit) -> str:
    """The image as a `data:` address."""
    import numpy as np
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(exhibit.pixels, dtype=np.uint8)).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _environment(document: Document, medium: Medium, templates: Sequence[Path], cache: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([str(folder) for folder in templates]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=compiled_templates(),
    )
    tokens, language = document.tokens, document.language
    environment.globals |= {"t": language.text, "number": language.number}
    filters: dict[str, Callable[..., Any]] = {
        "prose": lambda prose: Markup(prose.screen if medium == "screen" else prose.print),
        "is_prose": lambda piece: isinstance(piece, Prose),
        "drawing": lambda figure: Markup(_drawing(figure, medium, cache)),
        "png": png_uri,
        "csv_uri": csv_uri,
        "table_view": lambda table: table_view(table, tokens, medium),
        "quantity": lambda q: Markup(tokens.marked_words(language.quantity(q), medium, focus=False)),
        "words": lambda text: Markup(tokens.marked_words(text, medium, focus=True)),
        "code": lambda listing: Markup(_coloured(listing)),
        "fit": _fit,
        "kind": lambda placed: type(placed.item).__name__.lower(),
        "verdict": lambda shown: (
            "" if shown.predicted is None else "right" if shown.predicted == shown.label else "wrong"
        ),
        "script_hash": script_hash,
    }
    environment.filters |= {name: late(one) for name, one in filters.items()}
    return environment


def _drawing(figure: Figure, medium: Medium, cache: Path) -> str:
    """The figure in line on screen, so that dark mode reaches its colours; as a vector image on paper."""
    if medium == "screen":
        return drawn(figure, SCREEN, cache)
    content = base64.b64encode(drawn(figure, PRINT, cache).encode()).decode()
    return f'<img alt="{escape(figure.alt)}" src="data:image/svg+xml;base64,{content}">'


def _coloured(listing: Listing) -> str:
    """The code with spans by kind of token, one block a line so that a wrapped line can hang."""
    from pygments import highlight
    from pygments.formatters.html import HtmlFormatter
    from pygments.lexers import get_lexer_by_name

    page = highlight(listing.code, get_lexer_by_name(listing.language), HtmlFormatter(nowrap=True, classprefix="k-"))
    return "".join(f'<span class="line">{line}\n</span>' for line in page.rstrip("\n").split("\n"))


def _fit(text: str) -> str:
    """The classes of a text: by its longest line, so that paper shows it whole, and whether it stays on one page."""
    lines = text.splitlines()
    longest = max(map(len, lines), default=0)
    width = "fit-70" if longest <= 70 else "fit-84" if longest <= 84 else "fit-100"
    return f"{width} short" if len(lines) <= 28 else width


def _style(document: Document, medium: Medium, templates: Sequence[Path]) -> str:
    sheets = [font_faces(medium), *([screen_css()] if medium == "screen" else [])]
    sheets += [template_file(templates, f"style/{name}.css") for name in ("common", medium)]
    if medium == "print":  # "page n of N" in the words of the language
        words = document.language.text("page {page} of {pages}")
        for name in ("page", "pages"):
            words = words.replace(f"{{{name}}}", f'" counter({name}) "')
        sheets.append(f'@page {{ @bottom-right {{ content: "{words}" }} }}')
    return "\n".join([*sheets, *([accent_css(document.style.accent, medium)] if document.style.accent else [])])
