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

from cnnlab.errors import CnnlabError, Incomplete, LabError, StoreError, printable
from cnnlab.lab import Lab
from cnnlab.paths import code_hash, templates_dir
from cnnlab.store.files import replace_file
from cnnlab.store.store import RunStore
from report.data.records import locked_records, open_lab
from report.evidence.quantity import Table

if TYPE_CHECKING:
    from report.document.model import Document

FILES = {"html": "report.html", "pdf": "report.pdf", "ipynb": "report.ipynb", "notebook-html": "report-notebook.html"}
NUMBERS = "report.json"
NOTE = ".built.json"
FIGURES = ".figures"
"""The folder of drawn figures below a report's."""


@dataclass
class BuildResult:
    """What a build came to."""

    paths: list[Path] = field(default_factory=list)  # the files written, the one to open first
    missing: list[str] = field(default_factory=list)  # from them, in the user's words
    checked: str = ""  # what the checks sum up to
    accuracies: list[str] = field(default_factory=list)  # on the test images, a line a network
    failed: list[CnnlabError] = field(default_factory=list)  # what kept a format from being written
    heard: list[str] = field(default_factory=list)  # what the libraries said that changes nothing
    hashes: dict[str, str] = field(default_factory=dict, compare=False)  # sha256 of each file that is as it should be

    @property
    def problems(self) -> list[CnnlabError]:
        """What failed, each once, and in one error what is missing; none where the report is whole."""
        found = {str(problem): problem for problem in self.failed}
        if self.missing:
            listed = "\n    ".join(["", *self.missing])
            found["missing"] = Incomplete("finished, but something is missing", received=listed)
        return list(found.values())

    def write(self, path: Path, content: bytes, missing: Sequence[str] = ()) -> None:
        """Write one of the report's files."""
        replace_file(path, content)
        self.keep(path, missing)

    def keep(self, path: Path, missing: Sequence[str] = ()) -> None:
        """Count a file as one of this build; one from which something is missing is made again by the next."""
        self.paths.append(path)
        self.missing.extend(missing)
        if not missing:
            self.hashes[path.name] = _sha256(path)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """What fails in one format costs no other."""
        try:
            yield
        except CnnlabError as problem:
            self.failed.append(problem)


def check(lab: Lab, formats: Collection[str]) -> list[str]:
    """Refuse what no report can be made of, before hours of training; returns what will be missing from it here.

    Raises:
        LabError: a format is unknown, or the logo cannot be used.
        TemplateProblem: the rubric is wrong.
    """
    from report.document.rubric import load_rubric
    from report.render.assets import logo_uri
    from report.render.pdf import pango_problem

    if set(formats) - set(FILES):
        received = ", ".join(sorted(formats))
        raise LabError("there is no such report format", received=received, expected=", ".join(FILES))
    load_rubric(lab)
    if lab.file.style.logo:
        logo_uri(lab.file.style.logo)
    problem = pango_problem() if "pdf" in formats else None
    return [problem] if problem else []


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
    from report.document.assembly import assemble
    from report.document.rubric import template_folders
    from report.evidence.language import Language
    from report.render.pdf import PdfProcess

    result = BuildResult(missing=check(lab, formats))
    html, pdf, ipynb, notebook = (out / name for name in FILES.values())
    if anew:
        shutil.rmtree(out / FIGURES, ignore_errors=True)
        for path in (out / NOTE, ipynb):
            path.unlink(missing_ok=True)
    inputs, before, shown, same = _inputs(store, lab, out), _note(out), "", False
    with PdfProcess() if "pdf" in formats and not result.missing else nullcontext() as paper:
        document = assemble(open_lab(store, lab.stem), lab, Language(lab.file.lab.language))
        tables = [one.item for section in document.sections for one in section.items if isinstance(one.item, Table)]
        attached = [table.whole for table in tables if table.whole]
        if paper:
            with result.alone():
                laid_out = page(document, lab, out, "print")
                shown = _hashed([laid_out, *map(vars, attached), _made_by()])
                same = before.get("page") == shown and before["files"].get(pdf.name) == _sha256(pdf)
                if not same:
                    paper.begin(laid_out, attached)
        for attachment in attached:
            result.write(out / attachment.name, printable(attachment.text).encode())
        if "html" in formats:
            with result.alone():
                result.write(html, printable(page(document, lab, out, "screen")).encode())
        if {"ipynb", "notebook-html"} & set(formats):
            from report.notebook.build import build_notebook, notebook_page, too_large

            with result.alone():
                result.keep(build_notebook(store, lab, document, out), too_large(ipynb))
                if "notebook-html" in formats:
                    text = notebook_page(ipynb, document.language, templates=template_folders(lab))
                    result.write(notebook, text.encode())
        if same:
            result.keep(pdf)
        elif paper and shown:
            with result.alone():
                content, missing, heard = paper.result()
                result.heard.extend(heard)
                result.write(pdf, content, missing)
    _finish(document, lab, out, result, inputs, shown, before)
    return result


def _finish(
    document: Document, lab: Lab, out: Path, result: BuildResult, inputs: str, shown: str, before: dict[str, Any]
) -> None:
    """Write `report.json`, which lists the other files, and note what it all came to for the next build."""
    from report.activities.common import accuracy_lines
    from report.checks.audit import audit
    from report.document.provenance import printed

    same: dict[str, Any] = before if before.get("inputs") == inputs else {"files": {}, "page": ""}
    listed = {name: digest for name, digest in {**same["files"], **result.hashes}.items() if name != NUMBERS}
    content = printed(document, listed)
    texts = {key: json.dumps(value, ensure_ascii=False, allow_nan=False) for key, value in content.items()}
    quantities = (json.dumps(one, ensure_ascii=False, allow_nan=False) for one in content["quantities"])
    texts["quantities"] = "[\n  {}\n ]".format(",\n  ".join(quantities))  # a line for each of them, and for each key
    numbers = "{{\n {}\n}}\n".format(",\n ".join(f"{json.dumps(key)}: {text}" for key, text in texts.items()))
    result.write(out / NUMBERS, numbers.encode())
    result.checked, result.accuracies = audit(document, lab).summary, list(accuracy_lines(document.lab))
    note = {
        "inputs": inputs,
        "files": {**listed, NUMBERS: result.hashes[NUMBERS]},
        "page": shown if FILES["pdf"] in result.hashes else same["page"],
        "result": [document.missing, result.checked, result.accuracies],
    }
    replace_file(out / NOTE, json.dumps(note, ensure_ascii=False, indent=1, sort_keys=True).encode())
    order = {name: place for place, name in enumerate([*FILES.values(), NUMBERS])}  # then the tables, as they stand
    result.paths.sort(key=lambda path: order.get(path.name, len(order)))
    result.missing[:0] = document.missing


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
        folders = [store.folder(*named) for named in locked_records(store, lab.stem)]
    except StoreError:  # never run, or damaged: told when it is opened
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
