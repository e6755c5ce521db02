"""Derives every printed number again from the records, and compares it with what the files of the report say."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlab import __version__
from cnnlab.errors import CnnlabError, StoreError, TemplateProblem
from cnnlab.lab import Lab
from cnnlab.store.record import Kind, Record
from cnnlab.store.store import RunStore
from report.checks.mismatch import Mismatch
from report.checks.printed_files import html_mismatches, notebook_mismatches, pdf_mismatches
from report.data.records import locked_records, open_lab
from report.document.assembly import assemble
from report.document.model import Document
from report.document.provenance import FORMAT, evidence_hash, printed, prose_hashes
from report.evidence.language import Language

_SHAPE: Mapping[str, type] = {
    "format": int, "language": str, "evidence": str, "records": dict, "prose": dict, "program": str, "quantities": list,
}  # fmt: skip
"""What `report.json` holds at least."""

COMPARED = ("value", "unit", "n", "low", "high", "runs", "how", "text")
"""What an entry of `report.json` must have as the runs give it."""

PRECISION = 1e-9
"""Relative difference between two machines' sums of the same numbers that is no mismatch."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of verifying a report.

    Attributes:
        numbers, records: how many of each were verified.
        mismatches: what is not as derived; nothing where all is well.
        reasons: what explains mismatches: the text was edited, the lab was run again.
        notes: what a reader should know although nothing is wrong.
        unchecked: files that were not built.
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
        raise StoreError(
            "there is no report to verify", where=path, hint=f"render it first: cnnlab report {lab.path.stem}"
        )
    try:
        named = locked_records(lock)
    except (KeyError, TypeError, AttributeError) as found:
        raise StoreError(
            "the lab lock is damaged",
            where=store.root / "labs" / f"{lab.stem}.json",
            received=repr(found),
            hint=f"write it again: cnnlab run {lab.path.stem}",
        ) from None
    damage = list(_damage(store, named))
    saved, problem = _saved(path)
    if saved is None:
        return Verdict(numbers=0, records=len(named), mismatches=(*damage, problem))
    mismatches = [*damage, *_own_hash(saved)]
    document, underivable = _derived(store, lab, str(saved["language"]))
    if document is None:
        mismatches.append(Mismatch(kind="document", where="report.json", what=underivable))
    else:
        mismatches += compare(saved["quantities"], printed(document)["quantities"])
    language = document.language if document else _language(str(saved["language"]))
    mismatches += html_mismatches(out / "report.html", saved, language)
    mismatches += pdf_mismatches(out / "report.pdf", saved)
    mismatches += notebook_mismatches(out / "report.ipynb", saved, document)
    return Verdict(
        numbers=len(saved["quantities"]),
        records=len(named),
        mismatches=tuple(mismatches),
        reasons=tuple(_reasons(saved, document)) if mismatches and document else (),
        notes=tuple(_notes(saved, lab)),
        unchecked=tuple(name for name in ("report.html", "report.pdf", "report.ipynb") if not (out / name).is_file()),
    )


def compare(saved: list[dict[str, Any]], derived: list[dict[str, Any]]) -> Iterator[Mismatch]:
    """The entries of `report.json` beside those that the runs give: changed, missing and surplus ones."""
    given = {entry["id"]: entry for entry in derived}
    known = {entry.get("id") for entry in saved}
    for entry in saved:
        if (expected := given.get(entry.get("id"))) is None:
            yield _of(entry, "the runs give no such number", found=str(entry.get("text")))
        else:
            for key in COMPARED:
                if not _same(entry.get(key), expected[key]):
                    yield _of(entry, f"its {key} is not as derived", str(entry.get(key)), str(expected[key]))
    for key, entry in given.items():
        if key not in known:
            yield _of(entry, "report.json lacks this number", expected=entry["text"])


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=PRECISION, abs_tol=1e-12)
    return bool(one == other)


def _of(entry: Mapping[str, Any], what: str, found: str = "", expected: str = "") -> Mismatch:
    return Mismatch(
        kind="number", where=str(entry.get("section")), name=str(entry.get("name")), what=what, found=found,
        expected=expected,
    )  # fmt: skip


def _damage(store: RunStore, named: list[tuple[Kind, str]]) -> Iterator[Mismatch]:
    """Every file that is not what its manifest says; two at a time, the kernel's digests letting go of Python's lock."""
    opened: list[Record] = []
    for kind, name in named:
        try:
            opened.append(store.read(kind, name))
        except StoreError as problem:
            yield Mismatch(kind="record", where=f"{kind}/{name}", name="manifest.json", what=problem.what)
    files = [(record, name, str(digest)) for record in opened for name, digest in record.manifest["files"].items()]
    with ThreadPoolExecutor(max_workers=2) as pool:
        for (record, name, expected), found in zip(files, pool.map(_digest, files), strict=True):
            if found != expected:
                what = (
                    "the file is missing or cannot be read" if found is None else "the file is not what was published"
                )
                yield Mismatch(
                    kind="record", where=f"{record.kind}/{record.id}", name=name, what=what,
                    found=f"sha256 {found}" if found else "", expected=f"sha256 {expected}",
                )  # fmt: skip


def _digest(file: tuple[Record, str, str]) -> str | None:
    record, name, _ = file
    try:
        with (record.folder / name).open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except (OSError, ValueError):
        return None


def _saved(path: Path) -> tuple[dict[str, Any] | None, Mismatch]:
    """What the report says of itself; None, and why, where that cannot be read."""
    wrong = Mismatch(kind="document", where=path.name, what="it is not a list of numbers as cnnlab writes it")
    try:
        content = json.loads(path.read_bytes(), parse_constant=_refused)
        shaped = all(isinstance(content[key], kind) for key, kind in _SHAPE.items())
        shaped = shaped and all(_is_entry(entry) for entry in content["quantities"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None, wrong
    if isinstance(content["format"], int) and content["format"] < FORMAT:
        return None, Mismatch(
            kind="document", where=path.name, what="an older cnnlab wrote it: render the report again (cnnlab report)"
        )
    return (content, wrong) if shaped and content["format"] == FORMAT else (None, wrong)


def _refused(constant: str) -> None:
    raise ValueError(f"{constant}, which is no JSON")


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("id", "section", "name"))


def _own_hash(saved: Mapping[str, Any]) -> Iterator[Mismatch]:
    """The evidence hash must be that of the entries beside it."""
    expected = evidence_hash(saved["quantities"], saved["records"])
    if expected != saved["evidence"]:
        yield Mismatch(
            kind="hash", where="report.json", name="evidence", what="the evidence hash is not that of the numbers",
            found=str(saved["evidence"]), expected=expected,
        )  # fmt: skip


def _derived(store: RunStore, lab: Lab, language: str) -> tuple[Document | None, str]:
    """The document as the runs give it now, in the report's own language; None, and why, where they give none."""
    try:
        return assemble(open_lab(store, lab.stem, strict=True), lab, Language(language)), ""
    except CnnlabError as problem:
        return None, f"the document cannot be derived from the runs: {problem.what}"


def _language(code: str) -> Language:
    """The report's language, in which its pages are compared even where the document cannot be derived."""
    try:
        return Language(code)
    except TemplateProblem:  # told already: the document could not be derived for it
        return Language("en")


def _reasons(saved: Mapping[str, Any], document: Document) -> Iterator[str]:
    """What explains that a report and its runs differ."""
    now = printed(document)
    if changed := sorted(_differing(saved["records"], now["records"])):
        yield f"the report was made from other records than the lab has now: {', '.join(changed)}"
    if edited := sorted(_differing(saved["prose"], prose_hashes(document))):
        yield f"the text was edited after the report was made: {', '.join(edited)}"
    if saved["program"] != __version__:
        yield f"the report was made by cnnlab {saved['program']}, this is {__version__}"


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    return {key for key in {*one, *other} if one.get(key) != other.get(key)}


def _notes(saved: Mapping[str, Any], lab: Lab) -> Iterator[str]:
    if saved["language"] != lab.file.lab.language:
        yield (
            f"the report is in the language “{saved['language']}”, the lab file says “{lab.file.lab.language}”: "
            "verified in the report's own"
        )
    if saved.get("title") != lab.file.lab.title:
        yield f"the report's title is “{saved.get('title')}”, the lab file says “{lab.file.lab.title}”"
