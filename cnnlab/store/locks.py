"""Locks that the kernel keeps: a killed holder's is free at once, which no file with a process id in it is."""

from __future__ import annotations

import fcntl
import io
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cnnlab.errors import StoreError
from cnnlab.identity import canonical_json
from cnnlab.store.disk import unwritable


@contextmanager
def held_lock(path: Path, *, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the exclusive lock of a file, waiting for another process to release it.

    What the file says of its holder is for people: nothing depends on it.

    Raises:
        Unwritable: the file cannot be written.
        StoreError: the file system has no locks.
    """
    with _taken(path, on_wait) as handle:
        try:
            _sign(handle)
        except OSError as problem:
            raise unwritable(problem, path) from None
        yield


@contextmanager
def free_lock(path: Path) -> Iterator[bool]:
    """Hold the lock unless another process does; whether it is held now by this one."""
    with _opened(path) as handle:
        yield _locked(handle, fcntl.LOCK_EX, path)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock at this moment."""
    try:
        handle = path.open("rb")  # to look, in a folder that others share, nothing need be written
    except FileNotFoundError:
        return False
    with handle:
        return not _locked(handle, fcntl.LOCK_SH, path)


def holder(path: Path) -> str:
    """Who took the lock last, in words: of use only while somebody holds it."""
    try:
        said = json.loads(path.read_bytes())
        return f"process {said['process']} on {said['host']}, since {said['since']}"
    except (OSError, ValueError, KeyError, TypeError):  # it has not yet said so
        return "another process"


def check_locks(path: Path) -> None:
    """Raise where locks are missing, or keep nobody out.

    Raises:
        OSError: the file cannot be written.
        StoreError: the file system has no working locks.
    """
    with _opened(path) as mine, _opened(path) as theirs:
        if not _locked(mine, fcntl.LOCK_EX, path) or _locked(theirs, fcntl.LOCK_EX, path):
            raise _without_locks("a lock that keeps nobody out", path)


def _taken(path: Path, on_wait: Callable[[], None]) -> io.BufferedRandom:
    while True:
        handle = _opened(path)
        try:
            if not _locked(handle, fcntl.LOCK_EX, path):
                on_wait()
                fcntl.flock(handle, fcntl.LOCK_EX)
        except BaseException:
            handle.close()
            raise
        if os.fstat(handle.fileno()).st_nlink:
            return handle
        handle.close()  # its file was removed before it was locked: nobody else would find this lock


def _opened(path: Path) -> io.BufferedRandom:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab+")
    except OSError as problem:
        raise unwritable(problem, path) from None


def _locked(handle: io.BufferedRandom | io.BufferedReader, how: int, path: Path) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as problem:
        raise _without_locks(str(problem.strerror), path) from None
    return True


def _sign(handle: io.BufferedRandom) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    handle.truncate(0)
    handle.write(canonical_json({"process": os.getpid(), "host": socket.gethostname(), "since": since}).encode())
    handle.flush()


def _without_locks(received: str, path: Path) -> StoreError:
    return StoreError(
        "the file system of the runs has no working file locks, without which two processes would train the same run",
        where=path.parent,
        received=received,
        hint="choose a folder on a local disk with --runs",
    )
