"""The run store: folders of plain files that are there whole or not at all, and are trusted only when they verify.

A record is written into a temporary folder on the same file system, every file and folder is synced, and one rename
publishes it. Its `manifest.json` holds the sha256 of each file; a folder without one is not a record.
"""

from __future__ import annotations

import errno
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cnnlab.errors import StoreError
from cnnlab.identity import canonical_json, hash8
from cnnlab.spec import FORMAT
from cnnlab.store import disk
from cnnlab.store.disk import append_line as append_line
from cnnlab.store.disk import replace_file as replace_file
from cnnlab.store.locks import check_locks, free_lock, held_lock, holder, is_held
from cnnlab.store.record import Kind as Kind
from cnnlab.store.record import Record as Record
from cnnlab.store.record import sha256_of
from cnnlab.store.signals import finishing

_FOLDERS: dict[str, str] = {
    "run": "",
    "evaluation": "evaluations",
    "dataset": "datasets",
    "architecture": "architectures",
    "search": "searches",
    "baseline": "baselines",
}
_TEST_USES = "test-uses"
_DAMAGED = ".damaged"
_RESERVED = {*_FOLDERS.values(), _TEST_USES, "labs", ".work", ".locks", _DAMAGED}
_PART, _DOOMED = ".part", ".doomed"


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
        if manifest.get("id") != record_id:
            raise StoreError(
                "the manifest is another record's", where=path, received=manifest.get("id"), expected=record_id
            )
        return Record(kind=kind, id=record_id, folder=folder, manifest=manifest)

    def damage(self, kind: Kind, record_id: str) -> str | None:
        """What is wrong with a record, in a line; None when every file is what was published, or there is no record."""
        if not self.folder(kind, record_id).exists():
            return None
        try:
            record = self.read(kind, record_id)
            for name in record.manifest["files"]:
                record.check(name)
        except StoreError as problem:
            return f"{problem.what}: {problem.where}"
        return None

    def set_aside(self, kind: Kind, record_id: str) -> Path:
        """Move a damaged record out of the way, to where nothing reads it; the caller holds the lock of its id.

        Raises:
            Unwritable: it cannot be moved.
        """
        kept = self.root / _DAMAGED / f"{record_id}.{uuid.uuid4().hex[:8]}"
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            self.folder(kind, record_id).rename(kept)
            disk.sync(self.folder(kind, record_id).parent)
        except OSError as problem:
            raise disk.unwritable(problem, kept) from None
        return kept

    def put_away(self) -> list[Path]:
        """The folders of damaged records that were set aside, sorted."""
        return sorted((self.root / _DAMAGED).glob("*"))

    def sound(self, kind: Kind, record_id: str, tell: Callable[[str], None]) -> bool:
        """Whether the record is there and every file of it what was published.

        A damaged one is set aside, which `tell` is told, so that it can be made again; the caller holds its lock.
        """
        problem = self.damage(kind, record_id)
        if problem is None:
            return self.has(kind, record_id)
        kept = self.set_aside(kind, record_id)
        tell(f"warning: the {kind} {record_id} is damaged ({problem}); it is made again, what was there is in {kept}")
        return False

    def records(self, kind: Kind) -> Iterator[Record]:
        """Every published record of one kind, by id."""
        for record_id in self.ids(kind):
            yield self.read(kind, record_id)

    def ids(self, kind: Kind) -> list[str]:
        """The ids of what is published of one kind, whether it can be read or not, sorted."""
        found = [path.parent.name for path in (self.root / _FOLDERS[kind]).glob("*/manifest.json")]
        return sorted(name for name in found if kind != "run" or name not in _RESERVED)

    def publish(
        self, kind: Kind, record_id: str, write: Callable[[Path], Mapping[str, Any]], *, replace: bool = False
    ) -> Record:
        """Make a record: `write` fills an empty folder and returns further manifest fields.

        Args:
            replace: put the new record in the place of one already there (a damaged one).

        Raises:
            Unwritable: the folder cannot be written, or the disk is full; nothing half-written is left behind.
        """
        final = self.folder(kind, record_id)
        work = self.work_folder() / f"{record_id}.{uuid.uuid4().hex[:8]}{_PART}"
        with self._temporary(work), finishing():
            try:
                self._fill(work, {"kind": kind, "id": record_id}, write)
                final.parent.mkdir(parents=True, exist_ok=True)
                self._place(work, final, replace=replace)
                disk.sync(final.parent)
            except OSError as problem:
                raise disk.unwritable(problem, final) from None
        return self.read(kind, record_id)

    def _fill(self, work: Path, names: Mapping[str, str], write: Callable[[Path], Mapping[str, Any]]) -> None:
        work.mkdir(parents=True)
        fields = dict(write(work))
        manifest = {
            "format": FORMAT,
            **names,
            "status": "done",
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            **fields,
            "files": {path.relative_to(work).as_posix(): sha256_of(path) for path in _files(work)},
        }
        content = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False).encode()
        disk.write_new(work / "manifest.json", content)
        for path in _files(work):
            disk.sync(path)
        disk.sync(work)

    def _place(self, work: Path, final: Path, *, replace: bool) -> None:
        if replace and final.exists():
            self._swap(work, final)
            return
        try:
            work.rename(final)
        except OSError as problem:
            # Another process published the same content-addressed record first: theirs serves as well.
            if problem.errno not in (errno.EEXIST, errno.ENOTEMPTY) or not (final / "manifest.json").is_file():
                raise

    def _swap(self, work: Path, final: Path) -> None:
        """Put `work` in the place of `final`, in one step where the system can; `work` is then of no use."""
        try:
            disk.exchange(work, final)
        except OSError as problem:
            if problem.errno not in disk.NO_LOCKS:
                raise
            final.rename(self.work_folder() / f"{final.name}.{uuid.uuid4().hex[:8]}{_DOOMED}")
            work.rename(final)

    @contextmanager
    def _temporary(self, work: Path) -> Iterator[None]:
        """Remove `work` in the end; as long as the lock of its name is held, a start lets it be."""
        with self.lock(work.name) as lock:
            try:
                yield
            finally:
                shutil.rmtree(work, ignore_errors=True)
                lock.unlink(missing_ok=True)

    def check_usable(self) -> None:
        """Find out whether records can be kept here before anything is trained for one, and clear away leftovers.

        What killed processes have left of unfinished writes goes; checkpoints stay, and so does what is in use.

        Raises:
            Unwritable: the folder cannot be written.
            StoreError: its file system has no working locks or renames.
        """
        with self.lock("check"):
            folder = self.work_folder() / f"check{_DOOMED}"
            try:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                check_locks(folder / "lock")
                _check_renames(folder)
                disk.sync(folder)
                for needed in (self.root, self.root / "labs"):
                    needed.mkdir(exist_ok=True)
                    (needed / ".check").write_bytes(b"")
                    (needed / ".check").unlink()
                self._clean()
            except OSError as problem:
                raise disk.unwritable(problem, self.root) from None

    def _clean(self) -> None:
        disk.remove_leftovers(self.root / "labs")
        for path in sorted(self.work_folder().iterdir()):
            if path.suffix == _DOOMED:
                shutil.rmtree(path, ignore_errors=True)  # its remover may be at it as well
            elif path.suffix == _PART or self.has("run", path.name) or self.has("search", path.name):
                self._remove_unless_held(path)
        for path in sorted((self.root / ".locks").glob(f"*{_PART}.lock")):
            self._remove_unless_held(self.work_folder() / path.stem)

    def _remove_unless_held(self, path: Path) -> None:
        lock = self._lock_path(path.name)
        with free_lock(lock) as free:
            if free:
                shutil.rmtree(path, ignore_errors=True)
            if free and path.suffix == _PART:
                lock.unlink(missing_ok=True)

    def remove(self, kind: Kind, record_id: str) -> None:
        """Delete a record; it disappears at once, its files afterwards."""
        doomed = self.work_folder() / f"{record_id}.{uuid.uuid4().hex[:8]}{_DOOMED}"
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
            raise disk.unwritable(problem, folder) from None
        return folder

    @contextmanager
    def lock(self, name: str, *, on_wait: Callable[[], None] = lambda: None) -> Iterator[Path]:
        """Hold the exclusive lock `name`, waiting for another process to release it; its file.

        Raises:
            Unwritable: its file cannot be written.
            StoreError: the file system has no locks.
        """
        path = self._lock_path(name)
        with held_lock(path, on_wait=on_wait):
            yield path

    def held(self, name: str) -> bool:
        """Whether a process holds the lock `name` at this moment."""
        return is_held(self._lock_path(name))

    def holder(self, name: str) -> str:
        """Who took the lock `name` last, in words: of use only while somebody holds it."""
        return holder(self._lock_path(name))

    def _lock_path(self, name: str) -> Path:
        return self.root / ".locks" / f"{name}.lock"

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


def _read_json(path: Path, *, hint: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise StoreError("there is no such record", where=path, hint=hint) from None
    except (OSError, ValueError, RecursionError) as problem:
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


def _check_renames(folder: Path) -> None:
    """Raise where a rename does not put one file in the place of another, or moves no folder."""
    one, other, moved = folder / "one", folder / "other", folder / "moved"
    disk.write_new(one, b"new")
    disk.write_new(other, b"old")
    one.rename(other)
    (folder / "inner").mkdir()
    (folder / "inner").rename(moved)
    if one.exists() or other.read_bytes() != b"new" or not moved.is_dir():
        raise StoreError(
            "the file system of the runs does not rename files as it should, so that no record could be trusted",
            where=folder.parent,
            hint="choose a folder on a local disk with --runs",
        )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
