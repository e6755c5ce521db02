"""Tell a user what is done to a data set: sentences, and a bar for what takes a while."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 5.0


class Narration:
    """A `Report` that begins each sentence with the data set's name.

    On a terminal work in progress is a bar on standard error, elsewhere a line now and then through `tell`. Use it in a
    `with`, so that a bar never outlives an error.
    """

    def __init__(self, name: str, tell: Callable[[str], None], stream: TextIO | None = None) -> None:
        self._name, self._tell = name, tell
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._begun: float | None = None
        self._told = 0.0

    def __call__(self, message: str, share: float | None = None, /) -> None:
        """See `Report`."""
        if share is None:
            self._tell(f"{self._name}: {message}")
        elif self._live:
            self._draw(message, share)
        else:
            self._line(message, share)

    def __enter__(self) -> Narration:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _draw(self, message: str, share: float) -> None:
        if self._bar is None:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TaskProgressColumn(),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=Console(file=self._stream), transient=True)
            self._task = self._bar.add_task(f"{self._name}: {message}", total=1.0)
            self._bar.start()
        self._bar.update(self._task, completed=share)
        if share >= 1:
            self._close()

    def _line(self, message: str, share: float) -> None:
        now = time.monotonic()
        if self._begun is None:
            self._begun = self._told = now
        elif now - self._told >= SECONDS_BETWEEN_LINES and share < 1:
            self._told = now
            left = (now - self._begun) / max(share, 1e-9) * (1 - share)
            self._tell(f"{self._name}: {message}, {share:.0%} done, {left:.0f} s left")

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
