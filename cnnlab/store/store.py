"""The run store: folders of plain files that are there whole or not at all, and are trusted only when they verify.

A record is written into a temporary folder on the same file system, every file and folder is synced, and one rename
publishes it. Its `manifest.json` holds the sha256 of each file; a folder without one is not a record.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cnnlab.errors import StoreError
from cnnlab.identity import canonical_json, hash8
from cnnlab.spec import FORMAT
from cnnlab.store import files
from cnnlab.store.files import writing
from cnnlab.store.record import Kind, Record

_FOLDERS: dict[str, str] = {
    "run": "", "evaluation": "evaluations", "dataset": "datasets", "architecture": "architectures",
    "search": "searches", "baseline": "baselines",
}  # fmt: skip
_RESERVED = {*_FOLDERS.values(), "test-uses", "labs", ".work", ".locks", ".damaged"}
_PART, _DOOMED = ".part", ".doomed"
_WORDS = {
    "damaged": "{problem}; cnnlab run makes it anew",
    "set aside": "was damaged, kept in {where}",
    "training": "{holder} trains it",
    "unfinished": "interrupted, goes on after epoch {epochs}",
}

Row = dict[str, Any]


class RunStore:
    """Records under one folder, conventionally `runs/`.

    Whatever writes raises Unwritable where that cannot be done, and nothing half-written is left behind.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def folder(self, kind: Kind, record_id: str) -> Path:
        """Where a record of this kind and id is, or would be."""
        return self.root / _FOLDERS[kind] / record_id

    def has(self, kind: Kind, record_id: str) -> bool:
        """Whether the record is published (it may still fail to verify when read)."""
        return (self.folder(kind, record_id) / "manifest.json").is_file()

    def ids(self, kind: Kind) -> list[str]:
        """The ids of what is published of one kind, whether it can be read or not, sorted."""
        found = [path.parent.name for path in (self.root / _FOLDERS[kind]).glob("*/manifest.json")]
        return sorted(name for name in found if kind != "run" or name not in _RESERVED)

    def read(self, kind: Kind, record_id: str) -> Record:
        """Open a record. Raises StoreError: it is absent, its manifest is damaged, or a newer cnnlab wrote it."""
        folder = self.folder(kind, record_id)
        path = folder / "manifest.json"
        manifest = _read_json(path, hint="run the lab to make it")
        if not isinstance(manifest.get("files"), dict) or manifest.get("kind") != kind:
            raise StoreError("the manifest is damaged", where=path, expected=f"a manifest of kind {kind}")
        if (found := manifest.get("id")) != record_id:
            raise StoreError("the manifest is another record's", where=path, received=found, expected=record_id)
        return Record(kind=kind, id=record_id, folder=folder, manifest=manifest)

    def damage(self, kind: Kind, record_id: str, *, weights: bool = True) -> str | None:
        """What is wrong with a record (`weights` too, or but those), in a line; None if it is what was published."""
        try:
            record = self.read(kind, record_id)
            for name in record.manifest["files"]:
                if weights or not name.endswith(".h5"):
                    record.check(name)
        except StoreError as problem:
            return f"{problem.what}: {problem.where}"
        return None

    def trouble(self, entry: Mapping[str, Any]) -> str:
        """Why a report cannot read the run or evaluation of an entry of the lab lock; "" if it can."""
        kinds: tuple[Kind, ...] = ("run", "evaluation")
        problems = [self.damage(kind, entry[kind], weights=False) for kind in kinds if entry.get(kind)]
        found = next(filter(None, problems), "")
        return f"its record is damaged ({found}); run the lab again, which makes it anew" if found else ""

    def sound(self, kind: Kind, record_id: str, tell: Callable[[str], None]) -> bool:
        """Whether the record is there and every file of it what was published; the caller holds its lock.

        A damaged one is set aside, which `tell` is told, so that it can be made again.
        """
        if not self.folder(kind, record_id).exists():
            return False
        if (problem := self.damage(kind, record_id)) is None:
            return True
        kept = self.set_aside(kind, record_id)
        tell(f"warning: the {kind} {record_id} is damaged ({problem}); it is made again, what was there is in {kept}")
        return False

    def set_aside(self, kind: Kind, record_id: str) -> Path:
        """Move a damaged record to where nothing reads it; the caller holds its lock."""
        kept = self.root / ".damaged" / f"{record_id}.{uuid.uuid4().hex[:8]}"
        with writing(kept):
            self.folder(kind, record_id).rename(kept)
            files.sync(self.folder(kind, record_id).parent)
        return kept

    def publish(
        self, kind: Kind, record_id: str, write: Callable[[Path], Mapping[str, Any]], *, replace: bool = False
    ) -> Record:
        """Make a record: `write` fills an empty folder and returns further manifest fields.

        One that is there already stays, or gives way if `replace` is true.
        """
        final, work = self.folder(kind, record_id), self.work_folder() / f"{record_id}{_PART}"
        doomed = work.with_name(f"{record_id}.{uuid.uuid4().hex[:8]}{_DOOMED}")
        with self.lock(work.name), writing(final), files.finishing():
            try:
                shutil.rmtree(work, ignore_errors=True)  # of a killed process
                work.mkdir()
                fields, digests = dict(write(work)), dict[str, str]()
                paths = sorted(path for path in work.rglob("*") if path.is_file())
                for path in paths:
                    with path.open("rb") as handle:
                        digests[path.relative_to(work).as_posix()] = hashlib.file_digest(handle, "sha256").hexdigest()
                manifest = {"format": FORMAT, "kind": kind, "id": record_id, "status": "done", "created": _now()}
                (work / "manifest.json").write_bytes(_json_bytes({**manifest, **fields, "files": digests}))
                for path in (*paths, work / "manifest.json", work):
                    files.sync(path)
                if replace and final.exists():
                    final.rename(doomed)
                if not self.has(kind, record_id):
                    work.rename(final)
                files.sync(final.parent)
            finally:
                for path in (work, doomed):
                    shutil.rmtree(path, ignore_errors=True)
        return self.read(kind, record_id)

    def check_usable(self) -> None:
        """Find out whether records can be kept here before anything is trained for one, and clear away leftovers.

        What killed processes have left of unfinished writes goes; checkpoints stay, and so does what is in use.
        Raises StoreError: the file system has no working locks or renames.
        """
        with self.lock("check"):
            for folder in (self.work_folder(), self.root / "labs", self.root):
                one, other = folder / ".check", folder / ".checked"
                with writing(one):
                    one.touch()
                    one.replace(other)
                    if one.exists() or not other.is_file():
                        what = (
                            "the file system of the runs does not rename files as it should: no record could be trusted"
                        )
                        raise StoreError(what, where=self.root, hint="choose a folder on a local disk with --runs")
                    other.unlink()
            files.remove_leftovers(self.root / "labs")
            for path in sorted(self.work_folder().iterdir()):
                if path.suffix == _DOOMED:
                    shutil.rmtree(path, ignore_errors=True)  # its remover may be at it as well
                elif path.suffix == _PART or self.has("run", path.name) or self.has("search", path.name):
                    with files.locked(self._lock_path(path.name), wait=False) as free:
                        if free:
                            shutil.rmtree(path, ignore_errors=True)

    def work_folder(self) -> Path:
        """The folder for work in progress and checkpoints, on the same file system as the records; made if need be."""
        folder = self.root / ".work"
        with writing(folder):
            folder.mkdir(exist_ok=True)
        return folder

    def lock(self, name: str, *, on_wait: Callable[[], None] = lambda: None) -> AbstractContextManager[bool]:
        """Hold the exclusive lock `name`, once another process has released it; see `files.locked`."""
        return files.locked(self._lock_path(name), on_wait)

    def held(self, name: str) -> bool:
        """Whether a process holds the lock `name` at this moment."""
        return files.is_locked(self._lock_path(name))

    def holder(self, name: str) -> str:
        """Who took the lock `name` last, in words: of use only while somebody holds it."""
        try:
            return self._lock_path(name).read_text(errors="replace") or "another process"  # which has not yet said so
        except OSError:
            return "another process"

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
        line = canonical_json({"evaluation": evaluation, "when": _now()}).encode() + b"\n"
        with self.lock(f"test-uses-{path.stem}"), writing(path), path.open("ab") as handle:
            os.ftruncate(handle.fileno(), path.read_bytes().rfind(b"\n") + 1)  # of a write that was cut short
            if os.write(handle.fileno(), line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle.fileno())
            files.sync(path.parent)
            return self.test_uses(fingerprint, split)

    def test_uses(self, fingerprint: str, split: Mapping[str, Any]) -> int:
        """How many evaluations have looked at the test images of this data set, divided in this way.

        Raises StoreError: the notes are damaged.
        """
        path = self._test_uses_path(fingerprint, split)
        try:
            lines = path.read_bytes().split(b"\n")[:-1]  # what has no end of line was not written to its end
            return len({str(json.loads(line)["evaluation"]) for line in lines})
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, KeyError, TypeError) as problem:
            what = "the notes of who has used the test images are damaged"
            raise StoreError(what, where=path, received=problem) from None

    def _test_uses_path(self, fingerprint: str, split: Mapping[str, Any]) -> Path:
        return self.root / "test-uses" / f"{hash8({'fingerprint': fingerprint, 'split': dict(split)})}.jsonl"

    def write_lab(self, stem: str, content: Mapping[str, Any]) -> Path:
        """Write the lab lock `labs/<stem>.json`: which records answer which part of the lab."""
        path = self.root / "labs" / f"{stem}.json"
        files.replace_file(path, _json_bytes({"format": FORMAT, **content}))
        return path

    def read_lab(self, stem: str) -> dict[str, Any]:
        """The lab lock. Raises StoreError: the lab was never run here, or the file is damaged or too new."""
        return _read_json(self.root / "labs" / f"{stem}.json", hint=f"run the lab first: cnnlab run {stem}")

    def rows(self) -> list[Row]:
        """One row a run: `run`, `status` and what else is known of it. Every file of a finished one is verified.

        `status` is "done" or "diverged" of a finished run; "damaged" of one with a file that is not what was published,
        which `problem` names; "set aside" of a record that was damaged and has been put away, in the folder `where`;
        "training" of one that a process, its `holder`, trains now; "unfinished" of one that the next start resumes,
        after `epochs` epochs (0: it has no checkpoint yet).
        """
        rows: list[Row] = []
        for run_id in self.ids("run"):
            if problem := self.damage("run", run_id):
                rows.append({"run": run_id, "status": "damaged", "problem": problem})
            else:
                manifest = self.read("run", run_id).manifest
                known = {key: manifest[key] for key in ("status", "created", "seconds")}
                rows.append({"run": run_id, **known, "epochs": manifest["resolved"]["epochs_run"]})
        for folder in sorted(path.parent for path in (self.root / ".work").glob("*/train.log")):
            if self.held(folder.name):
                rows.append({"run": folder.name, "status": "training", "holder": self.holder(folder.name)})
            elif not self.has("run", folder.name):
                found = [int(path.stem[6:]) for path in folder.glob("epoch-*.npz")]
                rows.append({"run": folder.name, "status": "unfinished", "epochs": max(found, default=0)})
        aside = sorted((self.root / ".damaged").glob("*"))
        return rows + [{"run": path.stem, "status": "set aside", "where": str(path)} for path in aside]


def words_of(row: Row) -> str:
    """A row of `RunStore.rows` as a line of text."""
    words = _WORDS.get(row["status"], "{epochs} epochs in {seconds:.0f} s, {created}").format_map(row)
    if row["status"] == "unfinished" and not row["epochs"]:
        words = "interrupted, starts anew"
    return f"{row['status']:10} {row['run']}  {words}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _json_bytes(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False).encode()


def _read_json(path: Path, *, hint: str) -> dict[str, Any]:
    """A JSON object of a format that this version reads. Raises StoreError."""
    try:
        content = json.loads(path.read_bytes())
        problem: object = None if isinstance(content, dict) else f"{type(content).__name__}, not a JSON object"
    except FileNotFoundError:
        raise StoreError("there is no such record", where=path, hint=hint) from None
    except (OSError, ValueError, RecursionError) as error:
        problem = error
    if problem is not None:
        raise StoreError("the record is damaged", where=path, received=problem, hint="remove it and run again")
    if not isinstance(content.get("format"), int) or content["format"] > FORMAT:
        what, found = "the record was written by a newer cnnlab", f"format {content.get('format')}"
        expected, hint = f"format {FORMAT} or older", "upgrade cnnlab: pip install --upgrade cnnlab"
        raise StoreError(what, where=path, received=found, expected=expected, hint=hint)
    return dict(content)
