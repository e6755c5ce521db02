"""The files that a lab's report is made of, and whether any of them changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cnnlab.lab import Lab
from cnnlab.paths import templates_dir
from cnnlab.store.store import RunStore

EVIDENCE_FOLDERS = ("rubrics", "locale")
"""Folders of templates whose files decide what the evidence is, and its words."""

State = tuple[int, int, int]
"""Of one file: time of its last change in ns, bytes, inode."""


@dataclass(frozen=True)
class Snapshot:
    """The states of all files at one moment.

    Attributes:
        evidence: the lab file, the lab lock, rubrics and catalogues; if one changes, everything is computed again.
        text: other templates, commentary, styles and reviews; if one changes, the report is only put together again.
    """

    evidence: dict[Path, State]
    text: dict[Path, State]


def snapshot(lab: Lab, store: RunStore) -> Snapshot:
    """The states of the files now. Hidden files and editors' copies (`name~`) do not count."""
    evidence: dict[Path, State] = {}
    text: dict[Path, State] = {}
    for path in (lab.path, lock_path(lab, store)):
        evidence |= _state(path)
    for folder in _template_folders(lab):
        for path in _files(folder):
            found = _state(path)
            if path.relative_to(folder).parts[0] in EVIDENCE_FOLDERS:
                evidence |= found
            else:
                text |= found
    return Snapshot(evidence, text | _state(lab.reviews))


def watched_folders(lab: Lab, store: RunStore) -> list[Path]:
    """The folders, of those that exist, in which a change counts; none stands for what is below it."""
    folders = {lab.path.parent, lab.templates.parent, lab.reviews.parent, lock_path(lab, store).parent}
    for folder in _template_folders(lab):
        folders |= {folder, *(Path(below) for below, _, _ in os.walk(folder))}
    return sorted(folder for folder in folders if folder.is_dir())


def lock_path(lab: Lab, store: RunStore) -> Path:
    """The lab lock, which each run of the lab writes anew."""
    return store.root / "labs" / f"{lab.stem}.json"


def _template_folders(lab: Lab) -> tuple[Path, Path]:
    return lab.templates, templates_dir()


def _files(folder: Path) -> Iterator[Path]:
    for below, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(below, name) for name in names if not name.startswith(".") and not name.endswith("~"))


def _state(path: Path) -> dict[Path, State]:
    """The file's state by its path; nothing where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return {}
    return {path: (found.st_mtime_ns, found.st_size, found.st_ino)}
