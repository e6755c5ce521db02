"""Derives every printed number again from the records, and compares it and the files with what `report.json` says."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cnnlab import __version__
from cnnlab.errors import CnnlabError, StoreError
from cnnlab.lab import Lab
from cnnlab.store.store import RunStore
from report.data.records import locked_records, open_lab
from report.document.assembly import assemble
from report.document.provenance import FORMAT, evidence_hash, printed
from report.evidence.language import Language

_SHAPE: Mapping[str, type] = {
    "format": int, "language": str, "evidence": str, "records": dict, "prose": dict, "program": str, "quantities": list,
    "files": dict,
}  # fmt: skip
"""What `report.json` holds at least."""
_CHANGES = {
    "records": "the report was made from other records than the lab has now",
    "prose": "the text was edited after the report was made",
}
FILES = ("report.html", "report.pdf", "report.ipynb")
COMPARED = ("value", "unit", "n", "low", "high", "runs", "how", "text")
"""What an entry of `report.json` must have as the runs give it."""


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """One thing that does not answer for itself."""

    kind: Literal["record", "number", "file", "hash", "document"]  # the hash over all numbers; a document as a whole
    where: str  # the section, the record or the file
    what: str  # the problem in one sentence
    name: str = ""  # of the number in its section
    found: str = ""  # what stands there
    expected: str = ""  # what should

    def __str__(self) -> str:
        """One line for the terminal."""
        place = f"{self.where}, {self.name}" if self.name else self.where
        sides = [f"{word} {text}" for word, text in (("found", self.found), ("expected", self.expected)) if text]
        return f"{place}: {self.what}" + (f" ({', '.join(sides)})" if sides else "")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of verifying a report."""

    numbers: int  # how many were verified
    records: int
    mismatches: tuple[Mismatch, ...]  # none where all is well
    reasons: tuple[str, ...] = ()  # what explains them: the text was edited, the lab was run again
    unchecked: tuple[str, ...] = ()  # files that were not built, or that an older cnnlab did not list


def verify(store: RunStore, lab: Lab, out: Path) -> Verdict:
    """Check the records, derive the document again, and compare it with the report in the folder `out`.

    Raises:
        StoreError: the lab was never run, or there is no report to verify, or the lab lock is damaged.
    """
    named, path = locked_records(store, lab.stem), out / "report.json"
    if not path.is_file():
        hint = f"render it first: cnnlab report {lab.path.stem}"
        raise StoreError("there is no report to verify", where=path, hint=hint)
    damage = {f"{kind}/{one}": store.damage(kind, one) for kind, one in named}
    mismatches = [Mismatch(kind="record", where=record, what=what) for record, what in damage.items() if what]
    saved = read_numbers(path)
    if isinstance(saved, Mismatch):
        return Verdict(numbers=0, records=len(named), mismatches=(*mismatches, saved))
    reasons = []
    if (found := saved["evidence"]) != (expected := evidence_hash(saved["quantities"], saved["records"])):
        what = "the evidence hash is not that of the numbers"
        mismatches.append(
            Mismatch(kind="hash", where=path.name, name="evidence", what=what, found=found, expected=expected)
        )
    try:
        now = printed(assemble(open_lab(store, lab.stem, strict=True), lab, Language(saved["language"])))
        mismatches += compare(saved["quantities"], now["quantities"])
        for key, words in _CHANGES.items():
            both = sorted({**saved[key], **now[key]})
            if changed := [one for one in both if saved[key].get(one) != now[key].get(one)]:
                reasons.append(f"{words}: {', '.join(changed)}")
    except CnnlabError as underivable:
        what = f"the document cannot be derived from the runs: {underivable.what}"
        mismatches.append(Mismatch(kind="document", where=path.name, what=what))
    if saved["program"] != __version__:
        reasons.append(f"the report was made by cnnlab {saved['program']}, this is {__version__}")
    files = saved["files"]
    for name in (one for one in {**dict.fromkeys(FILES), **files} if (out / one).is_file()):
        digest = hashlib.sha256((out / name).read_bytes()).hexdigest()
        if saved["format"] == FORMAT and digest != files.get(name):
            what, sides = "it is not the file that was written with report.json", (digest, files.get(name))
            found, expected = (f"sha256 {side}" for side in sides)
            mismatches.append(Mismatch(kind="file", where=name, what=what, found=found, expected=expected))
    return Verdict(
        numbers=len(saved["quantities"]),
        records=len(named),
        mismatches=tuple(mismatches),
        reasons=tuple(reasons) if mismatches else (),
        unchecked=tuple(name for name in FILES if saved["format"] < FORMAT or not (out / name).is_file()),
    )


def read_numbers(path: Path) -> dict[str, Any] | Mismatch:
    """What the report says of itself, or why that cannot be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_bytes(), parse_constant=int)  # NaN is no JSON: `int` raises
        content.setdefault("files", {})  # which format 2 lacks
        texts = [one[key] for one in content["quantities"] for key in ("id", "section", "name")]
        shaped = all(isinstance(content[key], kind) for key, kind in _SHAPE.items())
        if shaped and content["format"] in (2, FORMAT) and all(isinstance(text, str) for text in texts):
            return content
    except (AttributeError, OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return Mismatch(kind="document", where=path.name, what="it is not a list of numbers as cnnlab writes it")


def compare(saved: Sequence[Mapping[str, Any]], derived: Sequence[Mapping[str, Any]]) -> Iterator[Mismatch]:
    """The entries of `report.json` beside those that the runs give: changed, missing and surplus ones.

    Sums of the same numbers on two machines, which differ by less than 1e-9 of them, are the same.
    """
    given, known = {one["id"]: one for one in derived}, {one["id"]: one for one in saved}
    for key, new in {**known, **given}.items():
        entry = known.get(key, new)
        place: dict[str, Any] = {"kind": "number", "where": entry["section"], "name": entry["name"]}
        if key not in given:
            yield Mismatch(what="the runs give no such number", found=str(entry.get("text")), **place)
        elif key not in known:
            yield Mismatch(what="report.json lacks this number", expected=entry["text"], **place)
        else:
            for one in COMPARED:
                old, now = entry.get(one), new[one]
                close = (
                    isinstance(old, float)
                    and isinstance(now, float)
                    and math.isclose(old, now, rel_tol=1e-9, abs_tol=1e-12)
                )
                if old != now and not close:
                    yield Mismatch(what=f"its {one} is not as derived", found=str(old), expected=str(now), **place)
