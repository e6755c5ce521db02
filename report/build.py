"""From cached runs to the files of a report; trains nothing and imports no framework. Where nothing changed, nothing is built.

`.built.json` beside the files notes what they were made of; everything is compared by content, and what is not known for
sure to be the same counts as changed. What takes a while to import is imported where something is built.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.errors import CnnlabError, LabError, StoreError, printable
from cnnlab.lab import Lab
from cnnlab.paths import code_hash, templates_dir
from cnnlab.store.files import replace_file
from cnnlab.store.store import RunStore
from report.data.records import locked_records, open_lab
from report.evidence.quantity import Attachment, Table

if TYPE_CHECKING:
    from report.document.model import Document

FILES = {"html": "report.html", "pdf": "report.pdf", "ipynb": "report.ipynb", "notebook-html": "report-notebook.html"}
NUMBERS = "report.json"
NOTE = ".built.json"
FIGURES = ".figures"
"""The folder of drawn figures below a report's."""


@dataclass
class BuildResult:
    """What a build came to.

    Attributes:
        paths: the files written, the one to open first.
        missing: what is missing from them, in the user's words.
        checked: what the checks sum up to.
        accuracies: the test accuracy of each network, a line each.
        failed: what kept a format from being written.
        heard: what the libraries said that changes nothing.
    """

    paths: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    checked: str = ""
    accuracies: list[str] = field(default_factory=list)
    failed: list[CnnlabError] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)


@dataclass
class _Files:
    """The files of one build.

    Attributes:
        inputs: the hash of what they are made of; `before` is the note of the build before.
        hashes: the sha256 of those written that are as they should be.
        page: the hash of the page that the PDF shows, and of what lays it out.
    """

    folder: Path
    inputs: str
    before: dict[str, Any]
    hashes: dict[str, str] = field(default_factory=dict)
    page: str = ""
    result: BuildResult = field(default_factory=BuildResult)

    def write(self, name: str, content: bytes, *, missing: Sequence[str] = ()) -> None:
        replace_file(self.folder / name, content)
        self.keep(name, missing=missing)

    def keep(self, name: str, *, missing: Sequence[str] = ()) -> None:
        """Count a file that is there as one of this build; one from which something is missing is made again by the next."""
        self.result.paths.append(self.folder / name)
        self.result.missing.extend(missing)
        if not missing:
            self.hashes[name] = _sha256(self.folder / name)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """What fails in one format costs no other."""
        try:
            yield
        except CnnlabError as problem:
            self.result.failed.append(problem)

    def pdf_shows(self, page: str) -> bool:
        """Whether the PDF that is there is of the page with this hash."""
        name = FILES["pdf"]
        return self.before.get("page") == page and self.before["files"].get(name) == _sha256(self.folder / name)

    def finished(self, document: Document) -> BuildResult:
        """Write `report.json`, which lists the other files, and note what it all came to for the next build."""
        from report.document.provenance import printed

        same: dict[str, Any] = self.before if self.before.get("inputs") == self.inputs else {"files": {}, "page": ""}
        listed = {name: digest for name, digest in {**same["files"], **self.hashes}.items() if name != NUMBERS}
        self.write(NUMBERS, _json({**printed(document), "files": listed}).encode())
        note = {
            "inputs": self.inputs,
            "files": {**listed, NUMBERS: self.hashes[NUMBERS]},
            "page": self.page if FILES["pdf"] in self.hashes else same["page"],
            "result": [document.missing, self.result.checked, self.result.accuracies],
        }
        replace_file(self.folder / NOTE, json.dumps(note, ensure_ascii=False, indent=1, sort_keys=True).encode())
        names = [*FILES.values(), NUMBERS, *(one.name for one in attachments(document))]
        self.result.paths.sort(key=lambda path: names.index(path.name))
        self.result.missing[:0] = document.missing
        return self.result


def build_report(store: RunStore, lab: Lab, out: Path, formats: Collection[str], *, anew: bool = False) -> BuildResult:
    """Render the lab's report into the folder `out`: report.html, .pdf, .ipynb, and report.json beside them.

    The PDF is laid out in a process of its own while the other files are made; one that shows the same page stays.

    Args:
        formats: any of `html`, `pdf`, `ipynb`, and `notebook-html`: the notebook, and `report-notebook.html` of it.
        anew: draw, lay out and execute everything, whatever is there from before.

    Raises:
        LabError: a format is unknown.
        StoreError: the lab was never run, a record is damaged, or `out` cannot be written.
        TemplateProblem: a commentary file, which every format shows, is wrong.
    """
    from report.activities.common import accuracy_lines
    from report.checks.audit import audit
    from report.document.assembly import assemble
    from report.document.rubric import template_folders
    from report.evidence.language import Language
    from report.notebook.build import build_notebook, notebook_page, too_large
    from report.render.pdf import PdfProcess, pango_problem

    if unknown := sorted(set(formats) - set(FILES)):
        raise LabError("an unknown report format", received=", ".join(unknown), expected=", ".join(FILES))
    if anew:
        shutil.rmtree(out / FIGURES, ignore_errors=True)
        for name in (NOTE, FILES["ipynb"]):
            (out / name).unlink(missing_ok=True)
    files = _Files(out, _inputs(store, lab, out), _note(out))
    problem = pango_problem() if "pdf" in formats else None
    files.result.missing += [problem] if problem else []
    with PdfProcess() if "pdf" in formats and not problem else nullcontext() as paper:
        document = assemble(open_lab(store, lab.stem), lab, Language(lab.file.lab.language))
        attached, begun = attachments(document), False
        if paper:
            with files.alone():
                laid_out = page(document, lab, out, "print")
                hashed = _hashed([laid_out, *map(vars, attached), _made_by()])
                if not files.pdf_shows(hashed):
                    paper.begin(laid_out, attached)
                    begun = True
                files.page = hashed
        for attachment in attached:
            files.write(attachment.name, printable(attachment.text).encode())
        if "html" in formats:
            with files.alone():
                files.write(FILES["html"], printable(page(document, lab, out, "screen")).encode())
        if {"ipynb", "notebook-html"} & set(formats):
            with files.alone():
                path = build_notebook(store, lab, document, out)
                files.keep(path.name, missing=too_large(path))
                if "notebook-html" in formats:
                    text = notebook_page(path, document.language, templates=template_folders(lab))
                    files.write(FILES["notebook-html"], text.encode())
        if paper and begun:
            with files.alone():
                made = paper.result()
                files.result.heard.extend(made.heard)
                files.write(FILES["pdf"], made.content, missing=made.missing)
        elif files.page:
            files.keep(FILES["pdf"])
    files.result.checked = audit(document, lab).summary
    files.result.accuracies.extend(accuracy_lines(document.lab))
    return files.finished(document)


def unchanged(store: RunStore, lab: Lab, out: Path, formats: Collection[str]) -> BuildResult | None:
    """What building these formats into `out` would come to, where everything is as it was; None where it may not be."""
    note = _note(out)
    if note.get("inputs") != _inputs(store, lab, out):
        return None
    tables = sorted(name for name in note["files"] if name.endswith(".csv"))
    names = [*(FILES[one] for one in FILES if one in formats), NUMBERS, *tables]
    if any(note["files"].get(name) != _sha256(out / name) for name in names):
        return None
    return BuildResult([out / name for name in names], *note["result"])


def attachments(document: Document) -> list[Attachment]:
    """The files of all tables of a document, in order."""
    placed = (piece for section in document.sections for piece in section.items)
    return [one.item.whole for one in placed if isinstance(one.item, Table) and one.item.whole]


def page(document: Document, lab: Lab, out: Path, medium: Any) -> str:
    """The report as one HTML page for the screen or for paper, its figures cached below `out`."""
    from report.document.rubric import template_folders
    from report.render.html import render_html

    return render_html(document, medium, templates=template_folders(lab), cache=out / FIGURES)


def _note(out: Path) -> dict[str, Any]:
    """What the last build noted; its hashes are of this very code, or they are not looked for."""
    try:
        note = json.loads((out / NOTE).read_bytes())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _inputs(store: RunStore, lab: Lab, out: Path) -> str:
    """The hash of all that a report is made of: the lab, its lock and records (but for weights), every template, the code
    and the libraries, and where the runs and the report are, which the notebook says."""
    files = [store.root / "labs" / f"{lab.stem}.json", lab.reviews, lab.file.style.logo or lab.path]
    try:
        folders = [store.folder(*named) for named in locked_records(store.read_lab(lab.stem))]
    except (StoreError, KeyError, TypeError, AttributeError):  # never run, or damaged: told when it is opened
        folders = []
    for folder in (*folders, lab.templates, templates_dir()):
        for below, _, names in os.walk(folder, followlinks=True):
            files += [Path(below, name) for name in names if not name.endswith(".h5")]
    contents = {str(path): _sha256(path) for path in files}
    places = [str(one.resolve()) for one in (lab.path, store.root, out)]
    return _hashed([lab.model_dump(mode="json"), places, contents, _made_by(), os.environ.get("SOURCE_DATE_EPOCH")])


def _made_by() -> list[str]:
    """The code, Python, the kind of machine, Pango, and every installed library, as pip names their folders."""
    from report.render.pdf import pango_version

    names = {path.name for entry in sys.path if entry and Path(entry).is_dir() for path in Path(entry).iterdir()}
    installed = sorted(name for name in names if name.endswith((".dist-info", ".egg-info")))
    return [code_hash(), sys.version, sys.platform, platform.machine(), pango_version(), *installed]


def _hashed(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    """Of the file's content; empty where it cannot be read."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError:
        return ""


def _json(content: dict[str, Any]) -> str:
    """The content of `report.json`: a line for each of its keys, and for each quantity."""
    texts = {key: json.dumps(value, ensure_ascii=False, allow_nan=False) for key, value in content.items()}
    quantities = (json.dumps(one, ensure_ascii=False, allow_nan=False) for one in content["quantities"])
    texts["quantities"] = "[\n  {}\n ]".format(",\n  ".join(quantities))
    return "{{\n {}\n}}\n".format(",\n ".join(f"{json.dumps(key)}: {text}" for key, text in texts.items()))
