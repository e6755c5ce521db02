"""Files that are there whole or not at all, locks that end with their holder, and signals that wait for a write."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import re
import signal
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from cnnlab.errors import StoreError, Unwritable

STOPPING = (signal.SIGINT, signal.SIGTERM)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds the old content or the new, which is there even after an Unwritable."""
    with writing(path), replacing(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path` to be filled, which takes its place, synced, when the block ends without an exception."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    with finishing():
        while True:
            descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT, 0o666)
            with suppress(OSError):  # where there are no locks, nobody removes another's files
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                break
            os.close(descriptor)  # a start that came between making and locking it took it for a dead process's
        try:
            yield temporary
            os.fsync(descriptor)
            temporary.replace(path)
            sync(path.parent)
        finally:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that dead processes have left in a folder; those of living ones stay."""
    for path in sorted(folder.glob(".*.part")):
        if re.fullmatch(r"\..+\.[0-9a-f]{8}\.part", path.name):
            # It may be finished meanwhile, another user's, in use, or where it cannot be told, for lack of locks.
            with suppress(OSError), path.open("rb") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)


def reserve(path: Path, size: int) -> None:
    """For libraries that do not survive a full disk: OSError when a new file of `size` bytes has no space at `path`."""
    with path.open("xb") as handle:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(handle.fileno(), 0, size)
            else:  # macOS
                handle.write(bytes(size))
        finally:
            path.unlink()


def sync(path: Path) -> None:
    """See a file, or a folder's list of files, on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make the folder of `path`; whatever the disk refuses in the block is raised as Unwritable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as problem:
        what = "the file or folder cannot be written"
        hint = "free some space or choose another folder with --runs or --out"
        raise Unwritable(what, where=path, received=problem.strerror or problem, hint=hint) from None


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] = lambda: None, *, wait: bool = True) -> Iterator[bool]:
    """Hold the exclusive lock of a file, which the kernel frees at once when its holder is killed.

    While another process holds it, `on_wait` is called, then it is waited for; without `wait` the block is entered with
    False. Raises Unwritable: the file cannot be written; StoreError: the file system has no locks.
    """
    with writing(path):
        handle = path.open("ab+")
    with handle:
        held = _flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, path)
        if not held and wait:
            on_wait()
            held = _flock(handle, fcntl.LOCK_EX, path)
        if held:
            since = datetime.now(UTC).isoformat(timespec="seconds")
            with writing(path):  # for people: nothing depends on what it says
                handle.truncate(0)
                handle.write(f"process {os.getpid()} on {socket.gethostname()}, since {since}".encode())
                handle.flush()
        yield held


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock at this moment."""
    try:
        handle = path.open("rb")  # to look, in a folder that others share, nothing need be written
    except FileNotFoundError:
        return False
    with handle:
        return not _flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB, path)


def _flock(handle: io.BufferedRandom | io.BufferedReader, how: int, path: Path) -> bool:
    """Take a lock that keeps others out; False where one of theirs does."""
    try:
        fcntl.flock(handle, how)
        if how & fcntl.LOCK_EX and not is_locked(path):
            raise OSError(errno.ENOLCK, "a lock that keeps nobody out")
    except BlockingIOError:
        return False
    except OSError as problem:
        what = "the file system of the runs has no working file locks, so that two processes would train the same run"
        hint = "choose a folder on a local disk with --runs"
        raise StoreError(what, where=path.parent, received=problem.strerror, hint=hint) from None
    return True


@contextmanager
def finishing() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM take effect when the block has ended; a second one takes effect at once.

    Signals are handled by the main thread alone: in another one the block runs as it is.
    """
    former = {number: signal.getsignal(number) for number in STOPPING}
    if threading.current_thread() is not threading.main_thread() or None in former.values():
        yield
        return
    came: list[int] = []

    def restore() -> None:
        for number, handler in former.items():
            signal.signal(number, handler)

    def keep(number: int, _: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            restore()
            signal.raise_signal(signal.Signals(number))

    for number in STOPPING:
        signal.signal(number, keep)
    try:
        yield
    finally:
        restore()
        if len(came) == 1:
            signal.raise_signal(signal.Signals(came[0]))
