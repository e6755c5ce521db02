"""Ctrl-C and SIGTERM wait until a write is finished, so that what was being written is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def finishing() -> Iterator[None]:
    """Let a stopping signal take effect when the block has ended; a second one takes effect at once.

    Signals are handled by the main thread alone: in another one the block runs as it is.
    """
    former = {number: signal.getsignal(number) for number in STOPPING}
    if threading.current_thread() is not threading.main_thread() or None in former.values():
        yield
        return
    came: list[int] = []

    def keep(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            _restore(former)
            signal.raise_signal(signal.Signals(number))

    for number in STOPPING:
        signal.signal(number, keep)
    try:
        yield
    finally:
        _restore(former)
        if len(came) == 1:
            signal.raise_signal(signal.Signals(came[0]))


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
