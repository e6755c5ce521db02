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
from cnnlab.store.record import Kind
from cnnlab.store.store import RunStore
from report.data.records import locked_records, open_lab
from report.document.assembly import assemble
from report.document.provenance import FORMAT, evidence_hash, printed
from report.evidence.language import Language

_SHAPE: Mapping[str, type] = {
    "format": int, "language": str, "evidence": str, "records": dict, "prose": dict, "program": str, "quantities": list,
}  # fmt: skip
"""What `report.json` holds at least."""

_CHANGES = {
    "records": "the report was made from other records than the lab has now",
    "prose": "the text was edited after the report was made",
}
FILES = ("report.html", "report.pdf", "report.ipynb")
COMPARED = ("value", "unit", "n", "low", "high", "runs", "how", "text")
"""What an entry of `report.json` must have as the runs give it."""

PRECISION = 1e-9
"""Relative difference between two machines' sums of the same numbers that is no mismatch."""


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """One thing that does not answer for itself.

    Attributes:
        kind: a damaged "record", a "number" of `report.json`, a "file" of the report, the "hash" over all numbers, or a
            whole "document" that cannot be read or derived.
        where: the section, record or file concerned.
        name: of the number in its section, or of the file in its record.
        what: the problem in one sentence.
        found, expected: what stands there and what should; either may be empty.
    """

    kind: Literal["record", "number", "file", "hash", "document"]
    where: str
    what: str
    name: str = ""
    found: str = ""
    expected: str = ""

    def __str__(self) -> str:
        """One line for the terminal."""
        place = f"{self.where}, {self.name}" if self.name else self.where
        sides = [f"{word} {text}" for word, text in (("found", self.found), ("expected", self.expected)) if text]
        return f"{place}: {self.what}" + (f" ({', '.join(sides)})" if sides else "")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of verifying a report.

    Attributes:
        numbers, records: how many of each were verified.
        mismatches: what is not as derived; nothing where all is well.
        reasons: what explains mismatches: the text was edited, the lab was run again.
        notes: what a reader should know although nothing is wrong.
        unchecked: files that were not built, or that an older cnnlab did not list.
    """

    numbers: int
    records: int
    mismatches: tuple[Mismatch, ...]
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()


def verify(store: RunStore, lab: Lab, out: Path) -> Verdict:
    """Check the records, derive the document again, and compare it with the report in the folder `out`.

    Raises:
        StoreError: the lab was never run, or there is no report to verify, or the lab lock is damaged.
    """
    lock, path = store.read_lab(lab.stem), out / "report.json"
    if not path.is_file():
        hint = f"render it first: cnnlab report {lab.path.stem}"
        raise StoreError("there is no report to verify", where=path, hint=hint)
    try:
        named = locked_records(lock)
    except (KeyError, TypeError, AttributeError) as problem:
        where, hint = store.root / "labs" / f"{lab.stem}.json", f"write it again: cnnlab run {lab.path.stem}"
        raise StoreError("the lab lock is damaged", where=where, received=repr(problem), hint=hint) from None
    mismatches, reasons, notes = list(_damage(store, named)), list[str](), list[str]()
    saved = read_numbers(path)
    if isinstance(saved, Mismatch):
        return Verdict(numbers=0, records=len(named), mismatches=(*mismatches, saved))

    def mismatch(kind: Any, where: str, what: str, *sides: str, name: str = "") -> None:
        found, expected = sides or ("", "")
        mismatches.append(Mismatch(kind=kind, where=where, name=name, what=what, found=found, expected=expected))

    expected = evidence_hash(saved["quantities"], saved["records"])
    if expected != saved["evidence"]:
        what = "the evidence hash is not that of the numbers"
        mismatch("hash", path.name, what, str(saved["evidence"]), expected, name="evidence")
    try:
        now = printed(assemble(open_lab(store, lab.stem, strict=True), lab, Language(saved["language"])))
        mismatches += compare(saved["quantities"], now["quantities"])
        for key, words in _CHANGES.items():
            both = sorted({**saved[key], **now[key]})
            if changed := [one for one in both if saved[key].get(one) != now[key].get(one)]:
                reasons.append(f"{words}: {', '.join(changed)}")
    except CnnlabError as underivable:
        mismatch("document", path.name, f"the document cannot be derived from the runs: {underivable.what}")
    if saved["program"] != __version__:
        reasons.append(f"the report was made by cnnlab {saved['program']}, this is {__version__}")
    files = saved["files"] if isinstance(saved.get("files"), dict) else {}
    listed = dict.fromkeys([*FILES, *files]) if saved["format"] == FORMAT else {}
    for name in (name for name in listed if (out / name).is_file()):
        digest = hashlib.sha256((out / name).read_bytes()).hexdigest()
        if files.get(name) != digest:
            what = "it is not the file that was written with report.json"
            mismatch("file", name, what, f"sha256 {digest}", f"sha256 {files.get(name)}")
    language, title = lab.file.lab.language, saved.get("title")
    if (own := saved["language"]) != language:
        said = f"the report is in the language “{own}”, the lab file says “{language}”"
        notes.append(f"{said}: verified in the report's own")
    if title != lab.file.lab.title:
        notes.append(f"the report's title is “{title}”, the lab file says “{lab.file.lab.title}”")
    return Verdict(
        numbers=len(saved["quantities"]),
        records=len(named),
        mismatches=tuple(mismatches),
        reasons=tuple(reasons) if mismatches else (),
        notes=tuple(notes),
        unchecked=tuple(name for name in FILES if saved["format"] < FORMAT or not (out / name).is_file()),
    )


def _damage(store: RunStore, named: Sequence[tuple[Kind, str]]) -> Iterator[Mismatch]:
    """Every file that is not what its manifest says."""
    for kind, record_id in named:
        try:
            record = store.read(kind, record_id)
        except StoreError as problem:
            yield Mismatch(kind="record", where=f"{kind}/{record_id}", name="manifest.json", what=problem.what)
            continue
        for name in record.manifest["files"]:
            try:
                record.check(name)
            except StoreError as problem:
                sides = {"found": str(problem.received or ""), "expected": str(problem.expected or "")}
                yield Mismatch(kind="record", where=f"{kind}/{record_id}", name=name, what=problem.what, **sides)


def read_numbers(path: Path) -> dict[str, Any] | Mismatch:
    """What the report says of itself, or why that cannot be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_bytes(), parse_constant=int)  # NaN is no JSON: `int` raises
        texts = [one[key] for one in content["quantities"] for key in ("id", "section", "name")]
        shaped = all(isinstance(content[key], kind) for key, kind in _SHAPE.items())
        if shaped and content["format"] in (2, FORMAT) and all(isinstance(text, str) for text in texts):
            return content
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return Mismatch(kind="document", where=path.name, what="it is not a list of numbers as cnnlab writes it")


def compare(saved: Sequence[Mapping[str, Any]], derived: Sequence[Mapping[str, Any]]) -> Iterator[Mismatch]:
    """The entries of `report.json` beside those that the runs give: changed, missing and surplus ones."""
    given, known = {one["id"]: one for one in derived}, {one["id"]: one for one in saved}
    for key in {**known, **given}:
        old, new = known.get(key), given.get(key)
        wrong = [
            (f"its {one} is not as derived", str(old.get(one)), str(new[one]))
            for one in COMPARED
            if old and new and not _same(old.get(one), new[one])
        ]
        if new is None:
            wrong = [("the runs give no such number", str(known[key].get("text")), "")]
        elif old is None:
            wrong = [("report.json lacks this number", "", new["text"])]
        entry = old or new or {}
        place: dict[str, Any] = {"kind": "number", "where": entry["section"], "name": entry["name"]}
        yield from (Mismatch(what=what, found=found, expected=expected, **place) for what, found, expected in wrong)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=PRECISION, abs_tol=1e-12)
    return bool(one == other)
