"""From cached runs to the files of a report; trains nothing and imports no framework."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnnlab import __version__
from cnnlab.errors import LabError
from cnnlab.lab import Lab
from cnnlab.store import RunStore, replace_file
from report.assembly import assemble
from report.attachments import attachments
from report.checks.audit import audit
from report.document import Document
from report.html import render_html, template_folders
from report.language import Language
from report.provenance import entries, record_hashes
from report.records import open_lab
from report.tokens import printable

FORMATS = ("html", "pdf", "ipynb")
FORMAT = 2
"""Version of `report.json`."""


@dataclass(frozen=True)
class BuildResult:
    """The files written, in order, what is missing from them, in the user's words, and what the checks sum up to."""

    paths: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    checked: str = ""


def build_report(store: RunStore, lab: Lab, out: Path, formats: Collection[str]) -> BuildResult:
    """Render the lab's report into the folder `out`: report.html, .pdf, .ipynb, and report.json beside them.

    Args:
        formats: any of `html`, `pdf`, `ipynb`.

    Raises:
        LabError: a format is unknown.
        StoreError: the lab was never run, a record is damaged, or `out` cannot be written.
        TemplateProblem: a template or a commentary file is wrong.
    """
    if unknown := sorted(set(formats) - set(FORMATS)):
        raise LabError("an unknown report format", received=", ".join(unknown), expected=", ".join(FORMATS))
    document = assemble(open_lab(store, lab.stem), lab, Language(lab.file.lab.language))
    result = BuildResult(missing=list(document.missing), checked=audit(document, lab).summary)
    _write(result, out / "report.json", json.dumps(printed(document), ensure_ascii=False, indent=1, allow_nan=False))
    for attachment in attachments(document):
        _write(result, out / attachment.name, attachment.text)
    if "html" in formats:
        _write(result, out / "report.html", page(document, lab, out, "screen"))
    if "pdf" in formats:
        _pdf(result, document, lab, out)
    if "ipynb" in formats:
        from report.notebook import build_notebook

        result.paths.append(build_notebook(store, lab, document, out))
    return result


def page(document: Document, lab: Lab, out: Path, medium: Any) -> str:
    """The report as one HTML page for the screen or for paper, its figures cached below `out`."""
    return render_html(document, medium, templates=template_folders(lab.templates), cache=out / ".figures")


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


def _pdf(result: BuildResult, document: Document, lab: Lab, out: Path) -> None:
    from report.pdf import pango_problem, render_pdf

    if problem := pango_problem():
        result.missing.append(problem)
        return
    path = out / "report.pdf"
    made = render_pdf(page(document, lab, out, "print"), attachments(document))
    replace_file(path, made.content)
    result.paths.append(path)
    if made.problem:
        result.missing.append(made.problem)


def _write(result: BuildResult, path: Path, text: str) -> None:
    replace_file(path, printable(text).encode())
    result.paths.append(path)
