"""What a report's numbers rest on: every printed quantity as an entry with an id, the records, one short hash of both."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnnlab import __version__
from cnnlab.identity import canonical_json
from cnnlab.store.record import Record
from report.document.tokens import Place, Printed
from report.evidence.language import Language
from report.evidence.quantity import Gallery, Item, Table
from report.evidence.words import pieces

if TYPE_CHECKING:
    from report.data.records import LabData
    from report.document.model import Document

FORMAT = 3
"""Version of `report.json`; 2 listed no files."""

HASH_DIGITS = 12
"""Of the evidence hash, as it is printed."""


def of_words(section: str, name: str, text: str, place: Place) -> Iterator[Printed]:
    """The quantities of a text: `loss.caption.epoch`."""
    for printed, one in pieces(text):
        if one is not None:
            yield Printed(section, f"{name}.{one.name}".strip("."), one.quantity, printed, place)


def of_item(section: str, name: str, item: Item, language: Language) -> Iterator[Printed]:
    """The quantities that an item prints: `results.VGG-19.accuracy`, `mistakes.0`, `loss.caption.epoch`."""
    for place in ("caption", "note", "alt"):
        yield from of_words(section, f"{name}.{place}", getattr(item, place, ""), place)
    if isinstance(item, Table):
        for column in item.columns:
            yield from of_words(section, f"{name}.{column.key}", column.head, "head")
        for row in item.rows:
            cells = {column.key: language.words(row.get(column.key) or "") for column in item.columns}
            head = cells[item.columns[0].key]
            for key, text in cells.items():
                yield from of_words(section, f"{name}.{head}.{key}", text, "table")
    elif isinstance(item, Gallery):
        for index, exhibit in enumerate(item.items):
            yield from of_words(section, f"{name}.{index}", language.words(exhibit.confidence or ""), "gallery")


def printed(document: Document, files: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Every quantity that the report prints, with what it came from, as `report.json` holds it.

    Args:
        files: sha256 of each file of the report, by name.
    """
    return {
        "format": FORMAT,
        "program": __version__,
        "lab": document.lab.stem,
        "title": document.title,
        "language": document.language.code,
        "missing": list(document.missing),
        "evidence": document.evidence_hash,
        "records": record_hashes(document.lab),
        "prose": {one.key: hashlib.sha256(one.path.read_bytes()).hexdigest() for one in document.sections if one.path},
        "files": dict(files or {}),
        "quantities": entries(document.printed),
    }


def entries(shown: Sequence[Printed]) -> list[dict[str, Any]]:
    """Every printed quantity in the terms of JSON, in order; numbers that JSON has no word for are `inf`, `-inf`, `nan`.

    An `id` is section and name; the second time that the same name is printed in a section it ends in `~2`, and so on:
    it depends on nothing that other sections say.
    """
    times, found = Counter[str](), []
    for one in shown:
        path, q = f"{one.section}/{one.name or 'number'}", one.quantity
        times[path] += 1
        entry: dict[str, Any] = {"id": f"{path}~{times[path]}".removesuffix("~1")}
        entry |= {
            "section": one.section,
            "name": one.name,
            "place": one.place,
            "value": _number(q.value),
            "unit": q.unit,
        }
        entry |= {"n": q.n, "low": _number(q.low), "high": _number(q.high)}
        found.append(entry | {"runs": list(q.runs), "how": q.how, "text": one.text})
    return found


def _number(value: float | None) -> float | str | None:
    if value is None:
        return None
    return float(value) if math.isfinite(value) else repr(float(value))


def used_records(lab: LabData) -> Iterator[Record]:
    """Every record that the report is computed from; those that several sections read come several times."""
    for part in lab.parts.values():
        yield part.dataset.record
        for run in part.runs:
            yield from (run.run, run.evaluation, run.architecture)
        yield from (fold.run for folds in part.folds.values() for fold in folds)
        yield from (training.run for training in part.diverged)
        yield from (search.record for search in part.searches.values())
        if part.baseline:
            yield part.baseline.record
    yield from (architecture.record for architecture in lab.architectures.values())


def record_hashes(lab: LabData) -> dict[str, str]:
    """The sha256 of the manifest, which holds that of each file, of every used record by `kind/id`."""
    return {f"{record.kind}/{record.id}": sha256_of(record.manifest) for record in used_records(lab)}


def evidence_hash(numbers: Sequence[Mapping[str, Any]], records: Mapping[str, str]) -> str:
    """One short hash of all that is printed and of all that it came from."""
    return sha256_of([list(numbers), dict(records)])[:HASH_DIGITS]


def sha256_of(value: Any) -> str:
    """The sha256 of a value as canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "backslashreplace")).hexdigest()
