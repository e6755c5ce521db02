"""The executed notebook as one HTML file, for a marker without Jupyter: it asks for nothing and runs no script."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from cnnlab.errors import TemplateProblem, printable
from report.document.markdown import parser
from report.evidence.language import Language
from report.figures.fonts import font_faces

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_EMPTY_HEAD = re.compile(r"<th([^>]*)></th>")
"""The corner of pandas' tables, which is the head of nothing."""


@dataclass(frozen=True)
class Output:
    """What a cell shows: a `picture` as a `data:` address with its alternative text, HTML, or plain text."""

    text: str
    html: Markup | None = None
    picture: str = ""


@dataclass(frozen=True)
class CellView:
    """A cell as laid out: Markdown as `html`, or highlighted code with its number, outputs, and whether these scroll."""

    html: Markup
    count: int | None = None
    outputs: tuple[Output, ...] = ()
    scrolled: bool = False


def render_notebook(path: Path, language: Language, *, templates: Sequence[Path]) -> str:
    """The notebook at `path` as one HTML page.

    Its text is laid out as Markdown without raw HTML. Its outputs are shown as they are; the page's security policy
    keeps whatever somebody put there from running and from asking for anything.

    Args:
        templates: template folders, the lab's own first.

    Raises:
        TemplateProblem: the page's template or style sheet is missing.
    """
    notebook = json.loads(path.read_bytes())
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    style = "\n".join([font_faces(), *(_read(templates, f"style/{name}.css") for name in ("common", "notebook"))])
    page = environment.from_string(_read(templates, "notebook.html.j2")).render(
        title=notebook["metadata"].get("title", path.stem),
        language=language.code,
        t=language.text,
        cells=[_view(cell) for cell in notebook["cells"]],
        style=Markup(style),
    )
    return printable(page)


def _read(templates: Sequence[Path], name: str) -> str:
    for folder in templates:
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise TemplateProblem("a file of the notebook's page is missing", where=templates[-1] / name)


def _view(cell: Mapping[str, Any]) -> CellView:
    source = "".join(cell["source"])
    if cell["cell_type"] != "code":
        return CellView(Markup(_markdown(source)))
    return CellView(
        Markup(_highlighted(source)),
        cell["execution_count"],
        tuple(map(_output, cell["outputs"])),
        bool(cell["metadata"].get("scrolled")),
    )


def _output(output: Mapping[str, Any]) -> Output:
    data = {kind: "".join(content) for kind, content in output.get("data", {}).items() if kind != "application/json"}
    text = _ANSI.sub("", "".join(output.get("text") or output.get("traceback") or data.get("text/plain", "")))
    if "image/png" in data:
        alt = output.get("metadata", {}).get("image/png", {}).get("alt", text)
        return Output(alt, picture=f"data:image/png;base64,{data['image/png'].strip()}")
    # Keras prints summaries in colours too pale to read, as HTML; the same is there as text.
    html = data.get("text/html", "")
    shown = _EMPTY_HEAD.sub(r"<td\1></td>", html)
    return Output(text, html=Markup(shown) if html and not html.startswith("<pre") else None)


def _markdown(source: str) -> str:
    """Markdown as HTML; headings have the ids that Jupyter gives them, which links in the text lead to."""
    tokens = parser().parse(source)
    for token, content in pairwise(tokens):
        if token.type == "heading_open":
            words = "".join(child.content for child in content.children or ())
            token.attrs["id"] = words.replace(" ", "-")
    return str(parser().renderer.render(tokens, parser().options, {}))


def _highlighted(source: str) -> str:
    from pygments import highlight
    from pygments.formatters.html import HtmlFormatter
    from pygments.lexers.python import PythonLexer

    return str(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True, classprefix="k-"))).rstrip("\n")
