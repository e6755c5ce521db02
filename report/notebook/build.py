"""The report as a Jupyter notebook whose cells were all run: the document's prose, and code that shows its items.

The kernel runs only when what its cells show could have changed: their code, the evidence, the records or `VERSION`.
Where only prose changed, it is replaced and the outputs stay; where nothing changed, the file is left alone.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cnnlab
from cnnlab.errors import printable
from cnnlab.identity import canonical_json
from cnnlab.lab import Lab
from cnnlab.networks import network_names
from cnnlab.store.files import replace_file
from cnnlab.store.store import RunStore
from report.document.model import Document
from report.evidence.quantity import Exhibit, Figure, Gallery, Item, Listing, Quantity, Table
from report.notebook.code import PRINTED_FILES
from report.notebook.kernel import CELL_SECONDS, execute, has_output
from report.notebook.writer import Cell, CellWriter, manifests

VERSION = 3
"""Bumped by hand when the same cells would show something else."""

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
    path = out / "report.ipynb"
    writer = CellWriter(store, lab, document, out)
    cells = writer.cells()
    stamp = {
        "evidence": _evidence_hash(document, cells),
        "cells": _sha256(cells),
        "numbers": document.evidence_hash,
    }
    old = _read(path)
    found = old["metadata"]["cnnlab"] if old else {}
    if old and found == stamp and _executed(old):
        return path
    notebook = _notebook(document, cells, stamp)
    if old and found["evidence"] == stamp["evidence"] and _executed(old):
        _keep_outputs(notebook, old)
    else:
        out.mkdir(parents=True, exist_ok=True)
        notebook = _run(notebook, out, cell_seconds, writer.variables())
    _scroll(notebook)
    if old and _sha256(_sources(old)) != found["cells"]:
        replace_file(out / "report-edited.ipynb", path.read_bytes())
    replace_file(path, json.dumps(notebook, indent=1, ensure_ascii=False).encode())
    return path


def _evidence_hash(document: Document, cells: Sequence[Cell]) -> str:
    """Of all that the outputs depend on."""
    items = [
        (section.key, placed.name, _of_item(placed.item)) for section in document.sections for placed in section.items
    ]
    code = [source for kind, source in cells if kind == "code"]
    records = [_sha256(manifest) for manifest in manifests(document.lab)]
    return _sha256([VERSION, document.language.code, code, items, records, _printed_code()])


def _printed_code() -> list[str]:
    """Of the files that the cells print or build networks with."""
    folder = Path(cnnlab.__file__).parent
    files = [folder / name for name in PRINTED_FILES]
    files += [folder / "networks" / f"{name.replace('-', '_')}.py" for name in network_names()]
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def _of_item(item: Item) -> Any:
    match item:
        case Figure():
            from report.figures.svg import drawing_key
            from report.figures.theme import SCREEN

            return drawing_key(item, SCREEN)
        case Gallery():
            return [
                item.alt,
                item.group,
                *([hashlib.sha256(e.pixels.tobytes()).hexdigest(), *_labels(e)] for e in item.items),
            ]
        case Table():
            heads = [asdict(column) for column in item.columns]
            return [heads, [{key: _of_cell(cell) for key, cell in row.items()} for row in item.rows]]
        case Listing():
            return [item.code, item.output]


def _labels(exhibit: Exhibit) -> list[Any]:
    return [exhibit.label, exhibit.origin, exhibit.predicted, _of_cell(exhibit.confidence)]


def _of_cell(cell: Any) -> Any:
    return [repr(float(cell.value)), cell.unit] if isinstance(cell, Quantity) else cell


def _sha256(value: Any) -> str:
    return hashlib.sha256(canonical_json(value).encode("utf-8", "backslashreplace")).hexdigest()


def _notebook(document: Document, cells: Sequence[Cell], stamp: Mapping[str, str]) -> dict[str, Any]:
    """The notebook in nbformat 4.5, without outputs."""
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {
                "name": "python",
                "version": platform.python_version(),
                "mimetype": "text/x-python",
                "file_extension": ".py",
                "pygments_lexer": "ipython3",
                "codemirror_mode": {"name": "ipython", "version": 3},
                "nbconvert_exporter": "python",
            },
            "title": printable(document.title),
            "authors": [{"name": printable(name)} for name in document.authors],
            "cnnlab": dict(stamp),
        },
        "cells": [_cell(index, *cell) for index, cell in enumerate(cells, 1)],
    }


def _cell(index: int, kind: str, source: str) -> dict[str, Any]:
    extra: dict[str, Any] = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "id": f"cell-{index}", "metadata": {}, "source": source, **extra}


def _run(notebook: dict[str, Any], folder: Path, cell_seconds: int, variables: Mapping[str, str]) -> dict[str, Any]:
    import nbformat

    executed = nbformat.from_dict(notebook)
    execute(executed, folder, cell_seconds=cell_seconds, variables=variables)
    nbformat.validate(executed)
    return dict(executed)


def _scroll(notebook: Mapping[str, Any]) -> None:
    """Let long outputs scroll in a box, as Jupyter's own command for it does: all is there, and the next cell near."""
    for cell in _code_cells(notebook):
        texts = ("".join(o.get("text") or o.get("data", {}).get("text/plain", "")) for o in cell["outputs"])
        if sum(text.count("\n") for text in texts) > LONG_OUTPUT:
            cell["metadata"]["scrolled"] = True


def too_large(path: Path) -> list[str]:
    """What to tell of a notebook that is larger than what a course's site or a front end takes: what is large in it."""
    size = path.stat().st_size
    if size <= MOST_BYTES:
        return []
    notebook = json.loads(path.read_bytes())
    sizes = {index: len(json.dumps(cell)) for index, cell in enumerate(notebook["cells"], 1)}
    largest = sorted(sizes, key=lambda index: -sizes[index])[:3]
    told = [f"cell {i} ({_first_line(notebook['cells'][i - 1])}) {sizes[i] / 1e6:.1f} MB" for i in largest]
    return [f"report.ipynb has {size / 1e6:.1f} MB, over {MOST_BYTES // 10**6} MB; the most is in {', '.join(told)}"]


def _first_line(cell: Mapping[str, Any]) -> str:
    return "".join(cell["source"]).split("\n")[0][:60]


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


def _executed(notebook: Mapping[str, Any]) -> bool:
    """Whether every code cell still shows something: a front end can clear outputs."""
    return all(map(has_output, _code_cells(notebook)))


def _sources(notebook: Mapping[str, Any]) -> list[Cell]:
    return [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]


def _keep_outputs(notebook: dict[str, Any], old: Mapping[str, Any]) -> None:
    for cell, before in zip(_code_cells(notebook), _code_cells(old), strict=True):
        cell |= {"outputs": before["outputs"], "execution_count": before["execution_count"]}
