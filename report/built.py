"""What a build wrote and what it was made of, noted beside the files: where none of it changed, nothing is built again.

Everything is compared by content. Whatever is not known for sure to be the same counts as changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnnlab.errors import CnnlabError, StoreError
from cnnlab.lab import Lab
from cnnlab.paths import code_hash, templates_dir
from cnnlab.store.files import replace_file
from cnnlab.store.record import Kind, Record
from cnnlab.store.store import RunStore
from report.evidence.quantity import Attachment

FORMAT = 1
"""Version of the note."""

NOTE = ".built.json"
FILES = {"html": "report.html", "pdf": "report.pdf", "ipynb": "report.ipynb", "notebook-html": "report-notebook.html"}
NUMBERS = "report.json"


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Note:
    """What is known of the files in a folder.

    Attributes:
        inputs: hash of all that a build is made of, but for the records (`inputs_hash`).
        records: sha256 of every file of records that was read, by its path below the folder of runs.
        files: sha256 of each file that was written, by name.
        page: hash of the page that the PDF shows, and of what laid it out (`layout_hash`).
        missing, checked, accuracies: as in `BuildResult`.
    """

    inputs: str
    records: Mapping[str, str]
    files: Mapping[str, str]
    page: str
    missing: Sequence[str]
    checked: str
    accuracies: Sequence[str]

    @property
    def attached(self) -> list[str]:
        """The tables that lie beside the report."""
        return sorted(name for name in self.files if name.endswith(".csv"))

    def write(self, folder: Path) -> None:
        """Put the note into the folder of the files."""
        content = {"format": FORMAT, **vars(self)}
        replace_file(folder / NOTE, json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True).encode())

    def holds_for(self, folder: Path, names: Collection[str]) -> bool:
        """Whether these files are in the folder as they were written."""
        return all(name in self.files and _sha256(folder / name) == self.files[name] for name in names)


def read_note(folder: Path) -> Note | None:
    """The note in a folder; None where there is none that this version understands."""
    try:
        content = json.loads((folder / NOTE).read_bytes())
        if content.pop("format") != FORMAT:
            return None
        note = Note(**content)
        whole = all(isinstance(one, dict) for one in (note.records, note.files))
        whole = whole and all(isinstance(one, list) for one in (note.missing, note.accuracies))
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return None
    return note if whole else None


def unchanged(store: RunStore, lab: Lab, out: Path, formats: Collection[str]) -> BuildResult | None:
    """What building these formats into `out` would come to, where everything is as it was; None where it may not be."""
    note = read_note(out)
    if note is None:
        return None
    names = [*(FILES[one] for one in FILES if one in formats), NUMBERS, *note.attached]
    if note.inputs != inputs_hash(store, lab, out) or not note.holds_for(out, names):
        return None
    if any(_sha256(store.root / path) != digest for path, digest in note.records.items()):
        return None
    if "pdf" in formats and not note.page.endswith(layout_hash()):
        return None
    return BuildResult([out / name for name in names], list(note.missing), note.checked, list(note.accuracies))


def inputs_hash(store: RunStore, lab: Lab, out: Path) -> str:
    """The hash of all that a report is made of, but for the records: the lab, its lock, every template, the project's
    own code, the libraries, and where the runs and the report are, which the notebook says."""
    return _hashed(
        [
            lab.model_dump(mode="json"),
            [str(one.resolve()) for one in (lab.path, store.root, out)],
            dict(_contents(lab, store)),
            code_hash(),
            _machine(),
            os.environ.get("SOURCE_DATE_EPOCH"),
        ]
    )


def page_hash(page: str, attachments: Sequence[Attachment]) -> str:
    """The hash of a page with the files inside it, and of what lays it out."""
    return f"{_hashed([page, [vars(one) for one in attachments]])} {layout_hash()}"


def layout_hash() -> str:
    """The hash of what turns pages into PDF: code and libraries, the system's Pango among them."""
    from report.render.pdf import pango_version

    return _hashed([code_hash(), _machine(), pango_version()])


def _contents(lab: Lab, store: RunStore) -> Iterator[tuple[str, str]]:
    """The sha256 of files by path; one that is not there has none. A new template file counts as a changed one."""
    single = [store.root / "labs" / f"{lab.stem}.json", lab.reviews]
    single += [lab.file.style.logo] if lab.file.style.logo else []
    for path in single:
        yield str(path), _sha256(path)
    for folder in (lab.templates, templates_dir()):
        for below, folders, names in os.walk(folder, followlinks=True):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            yield from ((f"{below}/{name}", _sha256(Path(below, name))) for name in sorted(names))


def _machine() -> list[str]:
    """Python, the kind of machine, and every installed library with its version, as pip names their folders."""
    folders = [Path(entry) for entry in sys.path if entry and Path(entry).is_dir()]
    names = {path.name for folder in folders for path in folder.iterdir()}
    installed = sorted(name for name in names if name.endswith((".dist-info", ".egg-info")))
    return [sys.version, sys.platform, platform.machine(), *installed]


def _hashed(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    """Of the file's content; empty where it cannot be read."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError:
        return ""


@dataclass(frozen=True)
class _NotedRecord(Record):
    noted: Callable[[Path, str], None] = field(repr=False, compare=False)

    def bytes(self, name: str) -> bytes:
        """The verified content of one file."""
        with self._told(name):
            return super().bytes(name)

    def check(self, name: str) -> None:
        """Verify one file without holding it in memory."""
        with self._told(name):
            super().check(name)

    def _compare(self, name: str, found: str) -> None:
        self.noted(self.folder / name, found)
        super()._compare(name, found)

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """A file that cannot be read, or is not what was published, is noted too: one day it may be."""
        try:
            yield
        except StoreError:
            self.noted(self.folder / name, _sha256(self.folder / name))
            raise


class NotedStore(RunStore):
    """A run store that notes every file that is read through it: `noted` is its sha256 by path below the root."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.noted: dict[str, str] = {}

    def has(self, kind: Kind, record_id: str) -> bool:
        """Whether the record is published."""
        manifest = self.folder(kind, record_id) / "manifest.json"
        self._note(manifest, _sha256(manifest))
        return super().has(kind, record_id)

    def read(self, kind: Kind, record_id: str) -> Record:
        """Open a record."""
        manifest = self.folder(kind, record_id) / "manifest.json"
        self._note(manifest, _sha256(manifest))  # before it is read: what changes from here on is found the next time
        return _NotedRecord(**vars(super().read(kind, record_id)), noted=self._note)

    def _note(self, path: Path, digest: str) -> None:
        """A file that changes meanwhile is never again the same."""
        known = self.noted.setdefault(path.relative_to(self.root).as_posix(), digest)
        if known != digest:
            self.noted[path.relative_to(self.root).as_posix()] = "changed"
