"""Files that are there whole or not at all: the one place that writes, syncs and renames records and reports.

Everything goes through `os.open`, `os.write`, `os.fsync` and `os.rename`, and a killed process leaves nothing behind
but temporary files, which nobody reads and the next start removes.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import io
import os
import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cnnlab.errors import Unwritable
from cnnlab.store.signals import finishing

NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
"""What file systems without file locks answer."""

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.part")
_HERE, _SWAP = -100, 2
"""`AT_FDCWD` and `RENAME_EXCHANGE` of Linux; macOS's `RENAME_SWAP` has the latter's value."""


class _File(io.FileIO):
    """A file whose every write is one of `os.write`."""

    def write(self, content: object) -> int:
        return os.write(self.fileno(), content)  # type: ignore[arg-type]


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds the old content or the new, never a mixture.

    Raises:
        Unwritable: the folder cannot be written, or the disk is full; the old content is still there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with finishing(), replacing(path) as handle:
            handle.write(content)
    except OSError as problem:
        raise unwritable(problem, path) from None


@contextmanager
def replacing(path: Path) -> Iterator[io.BufferedRandom]:
    """A new file that takes the place of `path`, synced, when the block ends without an exception.

    Raises:
        OSError: it cannot be written; `path` is as it was.
    """
    handle, temporary = _claimed(path)
    try:
        with handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
            temporary.rename(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _claimed(path: Path) -> tuple[io.BufferedRandom, Path]:
    """A new temporary file beside `path`, locked, so that nobody takes it for a dead process's."""
    while True:
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
        handle = _new(temporary)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as problem:
            if problem.errno not in NO_LOCKS:  # without locks nobody removes another's files
                handle.close()
                temporary.unlink()
                raise
        if os.fstat(handle.fileno()).st_nlink:
            return handle, temporary
        handle.close()  # removed by a start that came between making and locking it


def _new(path: Path) -> io.BufferedRandom:
    return io.BufferedRandom(_File(path, "x+", opener=lambda name, flags: os.open(name, flags, 0o666)))


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet; the caller syncs it.

    Raises:
        OSError: it cannot be written.
    """
    with _new(path) as handle:
        handle.write(content)


def reserve(path: Path, size: int) -> None:
    """See that a new file of `size` bytes has space, for libraries that do not survive a disk that is full.

    Raises:
        OSError: it has not.
    """
    with _new(path) as handle:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(handle.fileno(), 0, size)
            else:  # macOS
                handle.write(bytes(size))
                handle.flush()
        finally:
            path.unlink()


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that dead processes have left in a folder; those of living ones stay."""
    for path in sorted(folder.glob(".*.part")):
        if not _TEMPORARY.fullmatch(path.name):
            continue
        try:
            handle = path.open("rb+")
        except (FileNotFoundError, PermissionError):  # finished meanwhile, or another user's
            continue
        with handle:
            if _is_free(handle):
                path.unlink(missing_ok=True)


def _is_free(handle: io.BufferedRandom) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as problem:
        if problem.errno in NO_LOCKS:
            return False  # who holds it cannot be known here
        raise
    return True


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, on disk when this returns; the caller keeps other writers away.

    What a write that was cut short has left behind the last end of line is taken away first.

    Raises:
        Unwritable: the file cannot be written, or the disk is full.
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
        sync(path.parent)
    except OSError as problem:
        raise unwritable(problem, path) from None


def sync(path: Path) -> None:
    """See a file, or a folder's list of files, on the disk.

    Raises:
        OSError: it cannot be.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def exchange(one: Path, other: Path) -> None:
    """Swap two folders in one step.

    Raises:
        OSError: one is not there, or (`NO_LOCKS` has the numbers) the system or the file system cannot do it.
    """
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin":
        failed = library.renamex_np(*names, _SWAP)
    elif hasattr(library, "renameat2"):
        failed = library.renameat2(_HERE, names[0], _HERE, names[1], _SWAP)
    else:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(one))


def unwritable(problem: OSError, path: Path) -> Unwritable:
    """The error to raise when `path` cannot be written."""
    return Unwritable(
        "the file or folder cannot be written",
        where=path,
        received=problem.strerror or str(problem),
        hint="free some space or choose another folder with --runs or --out",
    )
