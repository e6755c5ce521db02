"""What a process has worked out of a text, kept for the next one in the user's private cache folder.

What is read from there is run (compiled templates), so nothing is read from a folder that another user could write to.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

MOST = 1024
"""Files kept; the ones written longest ago go first."""


def kept(key: str) -> bytes | None:
    """The content that was kept under this key; None when there is none, or when its file is damaged."""
    path = _path(key)
    try:
        stored = path.read_bytes() if path else b""
    except OSError:
        return None
    content = stored[32:]
    return content if stored[:32] == _digest(key, content) else None


def keep(key: str, content: bytes) -> None:
    """Keep content under a key, which must change with all that the content follows from.

    A cache folder that cannot be written, or not by this user alone, only costs the next process some time.
    """
    path = _path(key)
    if path is None:
        return
    with suppress(OSError):
        swap_in(path, _digest(key, content) + content)
        _prune(path.parent)


def swap_in(path: Path, content: bytes) -> None:
    """Write a file of a cache: whole for whoever reads it, but not safe from a power cut, which its digest tells.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _path(key: str) -> Path | None:
    folder = _folder(user_cache_path("cnnlab") / "templates")
    return folder and folder / hashlib.sha256(key.encode()).hexdigest()[:32]


@cache
def _folder(path: Path) -> Path | None:
    """The folder, made where it is not there; None where it is not this user's own."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError:
        return None
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    return path if own else None


def _digest(key: str, content: bytes) -> bytes:
    return hashlib.sha256(f"{len(key)} {key}".encode() + content).digest()


def _prune(folder: Path) -> None:
    files = list(folder.iterdir())
    if len(files) > MOST:
        for path in sorted(files, key=lambda one: one.lstat().st_mtime_ns)[: len(files) - MOST // 2]:
            path.unlink(missing_ok=True)
