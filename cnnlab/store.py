"""The run store: folders of plain files that are there whole or not at all, and are trusted only when they verify.

A record is written into a temporary folder on the same file system, every file and folder is synced, and one rename
publishes it. Its `manifest.json` holds the sha256 of each file; a folder without one is not a record.
"""

from __future__ import annotations

import csv
import errno
import fcntl
import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cnnlab.errors import StoreError
from cnnlab.spec import FORMAT, canonical_json, hash8

Kind = Literal["run", "evaluation", "dataset", "architecture", "search", "baseline"]

_FOLDERS: dict[str, str] = {
    "run": "",
    "evaluation": "evaluations",
    "dataset": "datasets",
    "architecture": "architectures",
    "search": "searches",
    "baseline": "baselines",
}
_TEST_USES = "test-uses"
_RESERVED = {*_FOLDERS.values(), _TEST_USES, "labs", ".work", ".locks"}


@dataclass(frozen=True)
class Record:
    """A published record. Every file read through it is checked against the manifest's sha256 first."""

    kind: Kind
    id: str
    folder: Path
    manifest: Mapping[str, Any]

    def bytes(self, name: str) -> bytes:
        """The verified content of one file.

        Raises:
            StoreError: the file is missing, unreadable, not in the manifest, or not what was published.
        """
        expected = self.manifest["files"].get(name)
        path = self.folder / name
        if expected is None:
            raise StoreError("the record has no such file", where=self.folder, received=name)
        try:
            content = path.read_bytes()
        except OSError as problem:
            raise StoreError("a file of the record cannot be read", where=path, received=problem.strerror) from None
        found = hashlib.sha256(content).hexdigest()
        if found != expected:
            raise StoreError(
                "a file of the record is not what was published",
                where=path,
                received=f"sha256 {found}",
                expected=f"sha256 {expected}",
                hint="remove the record's folder and run the lab again",
            )
        return content

    def text(self, name: str) -> str:
        """A verified UTF-8 file."""
        return self.bytes(name).decode("utf-8")

    def json(self, name: str) -> Any:
        """A verified JSON file."""
        return json.loads(self.text(name))

    def rows(self, name: str) -> list[dict[str, str]]:
        """A verified CSV file, one dict of strings a row."""
        return list(csv.DictReader(io.StringIO(self.text(name))))

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """A verified `.npz` file; pickled content is refused."""
        with np.load(io.BytesIO(self.bytes(name)), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}


class RunStore:
    """Records under one folder, conventionally `runs/`."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def folder(self, kind: Kind, record_id: str) -> Path:
        """Where a record of this kind and id is, or would be."""
        return self.root / _FOLDERS[kind] / record_id

    def has(self, kind: Kind, record_id: str) -> bool:
        """Whether the record is published (it may still fail to verify when read)."""
        return (self.folder(kind, record_id) / "manifest.json").is_file()

    def read(self, kind: Kind, record_id: str) -> Record:
        """Open a record.

        Raises:
            StoreError: it is absent, its manifest is damaged, or a newer cnnlab wrote it.
        """
        folder = self.folder(kind, record_id)
        path = folder / "manifest.json"
        manifest = _read_json(path, hint="run the lab to make it")
        _check_format(manifest, path)
        if not isinstance(manifest.get("files"), dict) or manifest.get("kind") != kind:
            raise StoreError("the manifest is damaged", where=path, expected=f"a manifest of kind {kind}")
        return Record(kind=kind, id=record_id, folder=folder, manifest=manifest)

    def records(self, kind: Kind) -> Iterator[Record]:
        """Every published record of one kind, by id."""
        parent = self.root / _FOLDERS[kind]
        for manifest in sorted(parent.glob("*/manifest.json")):
            if kind != "run" or manifest.parent.name not in _RESERVED:
                yield self.read(kind, manifest.parent.name)

    def publish(
        self, kind: Kind, record_id: str, write: Callable[[Path], Mapping[str, Any]], *, replace: bool = False
    ) -> Record:
        """Make a record: `write` fills an empty folder and returns further manifest fields.

        Args:
            replace: put the new record in the place of one already there (a damaged one).

        Raises:
            StoreError: the folder cannot be written, or the disk is full; nothing half-written is left behind.
        """
        final = self.folder(kind, record_id)
        work = self.work_folder() / f"{record_id}-{uuid.uuid4().hex[:8]}"
        try:
            work.mkdir(parents=True)
            fields = dict(write(work))
            manifest = {
                "format": FORMAT,
                "kind": kind,
                "id": record_id,
                "status": "done",
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                **fields,
                "files": {path.relative_to(work).as_posix(): _sha256(path) for path in _files(work)},
            }
            _write(work / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False).encode())
            for path in _files(work):
                _sync(path)
            _sync(work)
            final.parent.mkdir(parents=True, exist_ok=True)
            self._place(work, final, replace=replace)
            _sync(final.parent)
        except OSError as problem:
            raise _write_error(problem, final) from None
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return self.read(kind, record_id)

    def _place(self, work: Path, final: Path, *, replace: bool) -> None:
        if replace and final.exists():
            final.rename(self.work_folder() / f"replaced-{uuid.uuid4().hex[:8]}")
        try:
            work.rename(final)
        except OSError as problem:
            # Another process published the same content-addressed record first: theirs serves as well.
            if problem.errno not in (errno.EEXIST, errno.ENOTEMPTY) or not (final / "manifest.json").is_file():
                raise

    def remove(self, kind: Kind, record_id: str) -> None:
        """Delete a record; it disappears at once, its files afterwards."""
        doomed = self.work_folder() / f"removed-{uuid.uuid4().hex[:8]}"
        self.folder(kind, record_id).rename(doomed)
        shutil.rmtree(doomed)

    def work_folder(self) -> Path:
        """The folder for work in progress and checkpoints, on the same file system as the records.

        Raises:
            StoreError: it cannot be made.
        """
        folder = self.root / ".work"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise _write_error(problem, folder) from None
        return folder

    @contextmanager
    def lock(self, name: str, *, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the exclusive lock `name`, waiting for another process to release it.

        The kernel frees a killed holder's lock at once, which no file with a process id in it does.
        """
        folder = self.root / ".locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = (folder / f"{name}.lock").open("a+")
        except OSError as problem:
            raise _write_error(problem, folder) from None
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def note_test_use(self, fingerprint: str, split: Mapping[str, Any], *, evaluation: str) -> int:
        """Put on record that an evaluation looks at a data set's test images, before it does.

        The more often a test set has been looked at, the less a result on it says of images never seen.

        Args:
            fingerprint: of the data set.
            split: how it is divided, `Split.model_dump(mode="json")`.
            evaluation: the evaluation's id; noting one again counts as one.

        Returns:
            How many evaluations have looked at these test images, this one included.

        Raises:
            StoreError: the note cannot be written, or the notes before it are damaged.
        """
        path = self._test_uses_path(fingerprint, split)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        with self.lock(f"{_TEST_USES}-{path.stem}"):
            append_line(path, canonical_json({"evaluation": evaluation, "when": when}))
            return self.test_uses(fingerprint, split)

    def test_uses(self, fingerprint: str, split: Mapping[str, Any]) -> int:
        """How many evaluations have looked at the test images of this data set, divided in this way.

        Raises:
            StoreError: the notes are damaged.
        """
        path = self._test_uses_path(fingerprint, split)
        try:
            lines = path.read_bytes().split(b"\n")[:-1]  # what has no end of line was not written to its end
            return len({str(json.loads(line)["evaluation"]) for line in lines})
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise StoreError(
                "the notes of who has used the test images are damaged", where=path, received=problem
            ) from None

    def _test_uses_path(self, fingerprint: str, split: Mapping[str, Any]) -> Path:
        return self.root / _TEST_USES / f"{hash8({'fingerprint': fingerprint, 'split': dict(split)})}.jsonl"

    def write_lab(self, stem: str, content: Mapping[str, Any]) -> Path:
        """Write the lab lock `labs/<stem>.json`: which records answer which part of the lab."""
        path = self.root / "labs" / f"{stem}.json"
        replace_file(
            path, json.dumps({"format": FORMAT, **content}, indent=1, sort_keys=True, allow_nan=False).encode()
        )
        return path

    def read_lab(self, stem: str) -> dict[str, Any]:
        """The lab lock.

        Raises:
            StoreError: the lab was never run here, or the file is damaged or too new.
        """
        path = self.root / "labs" / f"{stem}.json"
        content = _read_json(path, hint=f"run the lab first: cnnlab run {stem}")
        _check_format(content, path)
        return content


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds the old content or the new, never a mixture.

    Raises:
        StoreError: the folder cannot be written, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(temporary, content)
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as problem:
        raise _write_error(problem, path) from None
    finally:
        with suppress(NotADirectoryError):  # a file stands where the folder should: the error above says so
            temporary.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, on disk when this returns; the caller keeps other writers away.

    What a write that was cut short has left behind the last end of line is taken away first.

    Raises:
        StoreError: the file cannot be written, or the disk is full.
    """
    content = line.encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.ftruncate(descriptor, path.read_bytes().rfind(b"\n") + 1)
            if os.write(descriptor, content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _sync(path.parent)
    except OSError as problem:
        raise _write_error(problem, path) from None


def _read_json(path: Path, *, hint: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise StoreError("there is no such record", where=path, hint=hint) from None
    except (OSError, ValueError) as problem:
        raise StoreError(
            "the record is damaged", where=path, received=problem, hint="remove it and run again"
        ) from None
    if not isinstance(content, dict):
        raise StoreError("the record is damaged", where=path, received=type(content).__name__, expected="a JSON object")
    return content


def _check_format(content: Mapping[str, Any], path: Path) -> None:
    found = content.get("format")
    if not isinstance(found, int) or found > FORMAT:
        raise StoreError(
            "the record was written by a newer cnnlab",
            where=path,
            received=f"format {found}",
            expected=f"format {FORMAT} or older",
            hint="upgrade cnnlab: pip install --upgrade cnnlab",
        )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_error(problem: OSError, path: Path) -> StoreError:
    return StoreError(
        "the file or folder cannot be written",
        where=path,
        received=problem.strerror,
        hint="free some space or choose another folder with --runs or --out",
    )
