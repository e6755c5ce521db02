"""A fabricated lab's report: what its sections say, and what their tables hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore
from report.data.records import LabData, open_lab
from report.document.assembly import assemble
from report.document.model import Document, Prose
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Quantity, Table
from tests.fabricate import write_store

Edit = Callable[[dict[str, Any]], Any]
Make = Callable[..., LabData]
ONE: dict[str, Any] = {"networks": {"clothes": ["vgg19"], "digits": ["alexnet"]}}
"""Options for records of one network a data set."""
ENGLISH, SPANISH = Language("en"), Language("es")


def make_lab(folder: Path, edit: Edit | None = None, **options: Any) -> LabData:
    """Fabricated records in a folder of their own below `folder`; `edit` changes the lab lock."""
    root = folder / f"runs-{len(list(folder.iterdir()))}"
    write_store(root, **options)
    if edit:
        lock = root / "labs" / "demo.json"
        content = json.loads(lock.read_text())
        edit(content)
        lock.write_text(json.dumps(content))
    return open_lab(RunStore(root), "demo")


def document(data: LabData, code: str) -> Document:
    return assemble(data, load_lab("demo", overrides=[f"lab.language={code}"]), Language(code))


def prose(made: Document, key: str) -> str:
    """A section's prose as plain text."""
    text = " ".join(piece.markdown for piece in made.section(key).pieces if isinstance(piece, Prose))
    return " ".join(text.replace("\\", "").replace("*", "").replace("\N{NO-BREAK SPACE}", " ").split())


def says(data: LabData, key: str, code: str) -> str:
    """The prose of a section in this language."""
    return prose(document(data, code), key)


def told(data: LabData, *checks: tuple[str, ...]) -> None:
    """What sections say: of each check its key, what it says in Spanish and in English, and what it does not say."""
    made = {code: document(data, code) for code in ("es", "en")}
    for key, es, en, *absent in checks:
        for code, words in (("es", es), ("en", en)):
            assert words in (text := prose(made[code], key)), text
            assert [other for other in absent if other in text] == [], text


def table(evidence: Evidence, name: str) -> Table:
    item = evidence.items[name]
    assert isinstance(item, Table)
    return item


def shown(cell: Any) -> Any:
    """A cell's value, or its text."""
    return cell.value if isinstance(cell, Quantity) else cell


def column(evidence: Evidence, name: str, key: str) -> list[Any]:
    return [shown(row.get(key)) for row in table(evidence, name).rows]


def row(evidence: Evidence, name: str, first: str) -> dict[str, Any]:
    """The row of a table that this word heads."""
    item = table(evidence, name)
    return next(
        {key: shown(cell) for key, cell in one.items()} for one in item.rows if one[item.columns[0].key] == first
    )
