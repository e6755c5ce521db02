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

if TYPE_CHECKING:
    from report.data.records import LabData
    from report.document.model import Document
    from report.document.tokens import Printed

FORMAT = 2
"""Version of `report.json`."""

HASH_DIGITS = 12
"""Of the evidence hash, as it is printed."""


def printed(document: Document) -> dict[str, Any]:
    """Every quantity that the report prints, with what it came from, as `report.json` holds it."""
    return {
        "format": FORMAT,
        "program": __version__,
        "lab": document.lab.stem,
        "title": document.title,
        "language": document.language.code,
        "missing": list(document.missing),
        "evidence": document.evidence_hash,
        "records": record_hashes(document.lab),
        "prose": prose_hashes(document),
        "quantities": entries(document.printed),
    }


def prose_hashes(document: Document) -> dict[str, str]:
    """The sha256 of each section's commentary file, by section."""
    return {
        section.key: hashlib.sha256(section.path.read_bytes()).hexdigest()
        for section in document.sections
        if section.path is not None
    }


def entries(shown: Sequence[Printed]) -> list[dict[str, Any]]:
    """Every printed quantity in the terms of JSON, in order.

    An `id` is section and name; the second time that the same name is printed in a section it ends in `~2`, and so on:
    it depends on nothing that other sections say.
    """
    times: Counter[str] = Counter()
    found = []
    for one in shown:
        path = f"{one.section}/{one.name or 'number'}"
        times[path] += 1
        q = one.quantity
        found.append(
            {
                "id": path if times[path] == 1 else f"{path}~{times[path]}",
                "section": one.section,
                "name": one.name,
                "place": one.place,
                "value": _number(q.value),
                "unit": q.unit,
                "n": q.n,
                "low": _number(q.low),
                "high": _number(q.high),
                "runs": list(q.runs),
                "how": q.how,
                "text": one.text,
            }
        )
    return found


def _number(value: float | None) -> float | str | None:
    """The number; JSON has no word for infinite ones and for what is none, so these are words: `inf`, `-inf`, `nan`."""
    if value is None or math.isfinite(value):
        return None if value is None else float(value)
    return repr(float(value))


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


def record_hash(record: Record) -> str:
    """The sha256 of a record's manifest, which holds the sha256 of each of its files."""
    return _sha256(record.manifest)


def record_hashes(lab: LabData) -> dict[str, str]:
    """`record_hash` of every record that the report is computed from, by `kind/id`."""
    return {f"{record.kind}/{record.id}": record_hash(record) for record in used_records(lab)}


def evidence_hash(numbers: Sequence[Mapping[str, Any]], records: Mapping[str, str]) -> str:
    """One short hash of all that is printed and of all that it came from."""
    return _sha256([list(numbers), dict(records)])[:HASH_DIGITS]


def _sha256(value: Any) -> str:
    return hashlib.sha256(canonical_json(value).encode("utf-8", "backslashreplace")).hexdigest()
