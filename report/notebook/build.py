"""The report as a Jupyter notebook whose cells were all run: the document's prose, and code that shows its items.

The kernel runs only when what its cells show could have changed: their code, the items, the records or this project's code.
Where only prose changed, it is replaced and the outputs stay; where nothing changed, the file is left alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnlab.errors import Incomplete, printable
from cnnlab.lab import Lab
from cnnlab.paths import code_hash
from cnnlab.store.files import replace_file
from cnnlab.store.store import RunStore
from report.document.model import Document
from report.document.provenance import record_hashes, sha256_of
from report.evidence.language import Language
from report.evidence.quantity import Figure, Gallery, Item
from report.notebook.kernel import CELL_SECONDS, execute, has_output
from report.notebook.outputs import bundle, captions
from report.notebook.writer import CellWriter

MOST_BYTES = 10_000_000
"""Of the notebook: what can still be mailed, handed in and opened without thought."""

LONG_OUTPUT = 60
"""Lines; a longer output scrolls."""


def build_notebook(
    store: RunStore, lab: Lab, document: Document, out: Path, *, cell_seconds: int = CELL_SECONDS
) -> Path:
    """Write `out/report.ipynb`, every cell of it executed in a fresh kernel unless the outputs there are still right.

    A notebook there whose cells its user has changed is kept beside the new one as `report-edited.ipynb`.

    Args:
        cell_seconds: the longest that one cell may take.

    Raises:
        Incomplete: a cell failed, took too long or showed nothing; the notebook there before is left as it was.
        StoreError: `out` cannot be written.
    """
    path, writer = out / "report.ipynb", CellWriter(store, lab, document, out)
    cells = writer.cells()
    code = [source for kind, source in cells if kind == "code"]
    shown = [_shown(one.item, document.language) for section in document.sections for one in section.items]
    stamp = {
        "evidence": sha256_of([code_hash(), document.language.code, code, shown, record_hashes(document.lab)]),
        "cells": sha256_of(cells),
        "numbers": document.evidence_hash,
    }
    old = _read(path)
    found = old["metadata"]["cnnlab"] if old else {}
    executed = old is not None and all(map(has_output, _code_cells(old)))  # a front end can clear outputs
    if executed and found == stamp:
        return path

    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    makers = {"code": new_code_cell, "markdown": new_markdown_cell}
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python", "file_extension": ".py", "pygments_lexer": "ipython3"},
        "title": printable(document.title),
        "authors": [{"name": printable(name)} for name in document.authors],
        "cnnlab": stamp,
    }
    made = [makers[kind](source, id=f"cell-{index}") for index, (kind, source) in enumerate(cells, 1)]
    notebook = new_notebook(cells=made, metadata=metadata)
    if old and executed and found["evidence"] == stamp["evidence"]:
        for cell, before in zip(_code_cells(notebook), _code_cells(old), strict=True):
            cell |= {"outputs": before["outputs"], "execution_count": before["execution_count"]}
    else:
        out.mkdir(parents=True, exist_ok=True)
        execute(notebook, out, cell_seconds=cell_seconds, variables=writer.variables())
        nbformat.validate(notebook)
    for cell in _code_cells(notebook):  # as Jupyter's own command for it does: all is there, and the next cell near
        texts = ("".join(one.get("text") or one.get("data", {}).get("text/plain", "")) for one in cell["outputs"])
        if sum(text.count("\n") for text in texts) > LONG_OUTPUT:
            cell["metadata"]["scrolled"] = True
    if old and sha256_of([(cell["cell_type"], "".join(cell["source"])) for cell in old["cells"]]) != found["cells"]:
        replace_file(out / "report-edited.ipynb", path.read_bytes())
    replace_file(path, json.dumps(notebook, indent=1, ensure_ascii=False).encode())
    return path


def _shown(item: Item, language: Language) -> Any:
    """What the item's output depends on."""
    if isinstance(item, Figure):
        from report.figures.svg import drawing_key
        from report.figures.theme import SCREEN

        return drawing_key(item, SCREEN)
    if isinstance(item, Gallery):
        pixels = [hashlib.sha256(exhibit.pixels.tobytes()).hexdigest() for exhibit in item.items]
        return [item.alt, item.group, pixels, captions(item, language)]
    return bundle(item, language)[0]


def _read(path: Path) -> dict[str, Any] | None:
    """A notebook written here before; None when there is none, or a file that is not one of ours."""
    try:
        notebook = json.loads(path.read_bytes())
        ours = notebook["metadata"]["cnnlab"]
        return notebook if isinstance(notebook["cells"], list) and {"evidence", "cells"} <= set(ours) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _code_cells(notebook: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def too_large(path: Path) -> list[str]:
    """What to tell of a notebook larger than what a course's site or a front end takes: which cells are large."""
    size = path.stat().st_size
    if size <= MOST_BYTES:
        return []
    cells = enumerate(json.loads(path.read_bytes())["cells"], 1)
    largest = sorted(((len(json.dumps(cell)), index, "".join(cell["source"])) for index, cell in cells), reverse=True)[
        :3
    ]
    told = ", ".join(f"cell {at} ({code.split(chr(10))[0][:60]}) {held / 1e6:.1f} MB" for held, at, code in largest)
    return [f"report.ipynb has {size / 1e6:.1f} MB, over {MOST_BYTES // 10**6} MB; the most is in {told}"]


def notebook_page(path: Path, language: Language, *, templates: Sequence[Path]) -> str:
    """The notebook at `path` as one HTML page, which asks for nothing; its policy keeps whatever is in it from running.

    Args:
        templates: template folders, the lab's own first.

    Raises:
        Incomplete: nbconvert, which lays out the cells, is not installed.
        TemplateProblem: the page's template or style sheet is missing.
    """
    try:
        from nbconvert import HTMLExporter
    except ModuleNotFoundError:
        hint = "install it: pip install 'cnnlab[page]', or in a checkout .venv/bin/pip install -e '.[page]'"
        raise Incomplete("the notebook as a page needs nbconvert, which is not installed", hint=hint) from None
    import nbformat
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    from report.figures.fonts import font_faces
    from report.render.assets import template_file

    sheets = [template_file(templates, f"style/{name}.css") for name in ("common", "notebook")]
    notebook = nbformat.read(path, as_version=4)
    for output in (output for cell in _code_cells(notebook) for output in cell["outputs"]):
        if str(output.get("data", {}).get("text/html", "")).startswith("<pre"):
            del output["data"]["text/html"]  # Keras prints in colours too pale to read; the same is there as text
    body, _ = HTMLExporter(template_name="basic", anchor_link_text=" ").from_notebook_node(notebook)
    shell = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        template_file(templates, "notebook.html.j2")
    )
    title, style = notebook.metadata.get("title", path.stem), Markup("\n".join([font_faces(), *sheets]))
    return printable(shell.render(title=title, language=language.code, body=Markup(body), style=style))
