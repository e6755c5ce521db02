"""Faults at a chosen step: every call by which the store changes the disk is counted, and one fails."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

CALLS = ("open", "write", "fsync", "rename", "replace", "mkdir", "unlink", "rmdir", "ftruncate")
NEED_SPACE = ("open", "write", "fsync", "rename", "replace", "mkdir")

Fault = Callable[[str, tuple[Any, ...]], None]


class Steps:
    """Counts the steps of this process and has `fault` happen before step `at` (1-based; 0: never)."""

    def __init__(self, at: int, fault: Fault, *, calls: tuple[str, ...] = CALLS, lasting: bool = False) -> None:
        self.at, self.fault, self.calls, self.lasting = at, fault, calls, lasting
        self.count = 0

    @contextmanager
    def counted(self) -> Iterator[Steps]:
        """Count inside the block."""
        patches = [mock.patch.object(os, name, self._counting(name)) for name in self.calls]
        patches.append(mock.patch.object(Path, "write_bytes", self._counting("write_bytes", Path)))
        for patch in patches:
            patch.start()
        try:
            yield self
        finally:
            for patch in patches:
                patch.stop()

    def _counting(self, name: str, module: Any = os) -> Callable[..., Any]:
        former = getattr(module, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if name != "open" or arguments[1] & os.O_CREAT:
                self.count += 1
                if self.count == self.at or (self.lasting and 0 < self.at < self.count):
                    self.fault(name, arguments)
            return former(*arguments, **options)

        return call


def kill(name: str, arguments: tuple[Any, ...]) -> None:
    """SIGKILL, of a write in its middle."""
    half = bytes(arguments[1])[: len(arguments[1]) // 2] if "write" in name else b""
    if name == "write":
        os.pwrite(arguments[0], half, os.lseek(arguments[0], 0, os.SEEK_CUR))
    if name == "write_bytes":
        with arguments[0].open("wb") as handle:
            handle.write(half)
    os.kill(os.getpid(), signal.SIGKILL)


def full(name: str, arguments: tuple[Any, ...]) -> None:
    """The disk is full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
