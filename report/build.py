"""From cached runs to the files of a report; trains nothing and imports no framework."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnnlab.errors import CnnlabError, LabError, printable
from cnnlab.lab import Lab
from cnnlab.store.store import RunStore, replace_file
from report.activities.common import accuracy_lines
from report.built import (
    FILES,
    NOTE,
    NUMBERS,
    BuildResult,
    Note,
    NotedStore,
    inputs_hash,
    page_hash,
    read_note,
)
from report.checks.audit import audit
from report.data.records import open_lab
from report.document.assembly import assemble
from report.document.model import Document
from report.document.provenance import printed
from report.evidence.language import Language
from report.evidence.quantity import Attachment, Table
from report.render.html import render_html, template_folders
from report.render.pdf import pango_problem
from report.render.pdf_process import PdfProcess

FIGURES = ".figures"
"""The folder of drawn figures below a report's."""


def build_report(store: RunStore, lab: Lab, out: Path, formats: Collection[str], *, anew: bool = False) -> BuildResult:
    """Render the lab's report into the folder `out`: report.html, .pdf, .ipynb, and report.json beside them.

    The PDF is laid out in a process of its own while the other files are made; one that shows the same page stays.

    Args:
        formats: any of `html`, `pdf`, `ipynb`, and `notebook-html`: the notebook, and `report-notebook.html` of it.
        anew: draw, lay out and execute everything, whatever is there from before.

    Returns:
        What was written, and what kept another format from being written.

    Raises:
        LabError: a format is unknown.
        StoreError: the lab was never run, a record is damaged, or `out` cannot be written.
        TemplateProblem: a commentary file, which every format shows, is wrong.
    """
    if unknown := sorted(set(formats) - set(FILES)):
        raise LabError("an unknown report format", received=", ".join(unknown), expected=", ".join(FILES))
    if anew:
        _forget(out)
    build = _Build(NotedStore(store.root), lab, out, inputs_hash(store, lab, out), read_note(out))
    problem = pango_problem() if "pdf" in formats else None
    build.problems += [problem] if problem else []
    with PdfProcess() if "pdf" in formats and not problem else nullcontext() as paper:
        document = assemble(open_lab(build.store, lab.stem), lab, Language(lab.file.lab.language))
        if paper:
            with build.alone():
                build.begin(paper, document)
        for attachment in attachments(document):
            build.write(attachment.name, attachment.text)
        if "html" in formats:
            with build.alone():
                build.write(FILES["html"], page(document, lab, out, "screen"))
        if {"ipynb", "notebook-html"} & set(formats):
            with build.alone():
                build.notebook(document, formats)
        if paper and build.page:
            with build.alone():
                build.finish(paper)
    return build.result(document, audit(document, lab).summary)


def _forget(out: Path) -> None:
    """Take away what an earlier build left for the next one; its files stay until they are replaced."""
    shutil.rmtree(out / FIGURES, ignore_errors=True)
    for name in (NOTE, FILES["ipynb"]):
        (out / name).unlink(missing_ok=True)


@dataclass
class _Build:
    """The files of one build.

    Attributes:
        inputs: hash of what they are made of.
        before: what is known of the files that are there from earlier builds.
        written: sha256 of those of this one, by name; without one that is not as it should be, as `digests` has it.
        page: hash of the page that the PDF shows; empty until that is begun.
        problems, failed, heard: as `missing`, `failed` and `heard` of `BuildResult`.
    """

    store: NotedStore
    lab: Lab
    out: Path
    inputs: str
    before: Note | None
    paths: list[Path] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    page: str = ""
    problems: list[str] = field(default_factory=list)
    failed: list[CnnlabError] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    def write(self, name: str, text: str) -> None:
        """Write a file of text."""
        self._replace(name, printable(text).encode())

    @contextmanager
    def alone(self) -> Iterator[None]:
        """What fails in one format costs no other."""
        try:
            yield
        except CnnlabError as problem:
            self.failed.append(problem)

    def begin(self, paper: PdfProcess, document: Document) -> None:
        """Have the PDF made, unless it is there already."""
        shown, attached = page(document, self.lab, self.out, "print"), attachments(document)
        hashed = page_hash(shown, attached)
        if not self._pdf_is_right(hashed):
            paper.begin(shown, attached)
        self.page = hashed

    def finish(self, paper: PdfProcess) -> None:
        """Write the PDF that was begun."""
        name = FILES["pdf"]
        if self._pdf_is_right(self.page):
            self._note(name, (self.out / name).read_bytes())
            return
        made = paper.result()
        self.heard += made.heard
        self._replace(name, made.content)
        if made.missing:
            self.problems += made.missing
            del self.written[name]

    def notebook(self, document: Document, formats: Collection[str]) -> None:
        """Write the notebook, and the page of it where it is wanted."""
        from report.notebook.build import build_notebook, too_large

        path = build_notebook(self.store, self.lab, document, self.out)
        self._note(path.name, path.read_bytes())
        if large := too_large(path):
            self.problems.extend(large)
            del self.written[path.name]
        if "notebook-html" in formats:
            from report.notebook.page import render_notebook

            folders = template_folders(self.lab.templates)
            self.write(FILES["notebook-html"], render_notebook(path, document.language, templates=folders))

    def result(self, document: Document, checked: str) -> BuildResult:
        """What it all came to, noted for the next build."""
        accuracies = list(accuracy_lines(document.lab))
        kept = self.before if self.before and self._still_right(self.before) else None
        files = {name: digest for name, digest in (kept.files if kept else {}).items() if name != NUMBERS}
        self.write(NUMBERS, _json(printed(document, files | self.digests)))
        note = Note(
            inputs=self.inputs,
            records={**(kept.records if kept else {}), **self.store.noted},
            files={**(kept.files if kept else {}), **self.written},
            page=self.page if FILES["pdf"] in self.written else kept.page if kept else "",
            missing=document.missing,
            checked=checked,
            accuracies=accuracies,
        )
        note.write(self.out)
        names = [*FILES.values(), NUMBERS, *note.attached]
        paths = sorted(self.paths, key=lambda path: names.index(path.name))
        return BuildResult(paths, [*document.missing, *self.problems], checked, accuracies, self.failed, self.heard)

    def _pdf_is_right(self, shown: str) -> bool:
        return bool(self.before and self.before.page == shown and self.before.holds_for(self.out, [FILES["pdf"]]))

    def _still_right(self, before: Note) -> bool:
        """Whether files of earlier builds, in other formats, were made of the same as those of this one."""
        shared = before.records.keys() & self.store.noted.keys()
        return before.inputs == self.inputs and all(before.records[one] == self.store.noted[one] for one in shared)

    def _replace(self, name: str, content: bytes) -> None:
        replace_file(self.out / name, content)
        self._note(name, content)

    def _note(self, name: str, content: bytes) -> None:
        self.paths.append(self.out / name)
        self.written[name] = self.digests[name] = hashlib.sha256(content).hexdigest()


def attachments(document: Document) -> list[Attachment]:
    """The files of all tables of a document, in order."""
    placed = (piece for section in document.sections for piece in section.items)
    return [one.item.whole for one in placed if isinstance(one.item, Table) and one.item.whole]


def page(document: Document, lab: Lab, out: Path, medium: Any) -> str:
    """The report as one HTML page for the screen or for paper, its figures cached below `out`."""
    return render_html(document, medium, templates=template_folders(lab.templates), cache=out / FIGURES)


def _json(content: dict[str, Any]) -> str:
    """The content of `report.json`: a line for each of its keys, and for each quantity."""
    texts = {key: json.dumps(value, ensure_ascii=False, allow_nan=False) for key, value in content.items()}
    quantities = (json.dumps(one, ensure_ascii=False, allow_nan=False) for one in content["quantities"])
    texts["quantities"] = "[\n  {}\n ]".format(",\n  ".join(quantities))
    return "{{\n {}\n}}\n".format(",\n ".join(f"{json.dumps(key)}: {text}" for key, text in texts.items()))
