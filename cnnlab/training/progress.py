"""What is shown while a network trains: a live display on a terminal, plain lines elsewhere, nothing in tests."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from cnnlab.terminal import visible
from cnnlab.training.history import EpochRow


class Progress(Protocol):
    """Told of a training's course, in the order of these methods."""

    def message(self, text: str) -> None:
        """Something worth one line, at any time: a prediction, a warning, the outcome."""

    def begin(self, network: str, dataset: str, *, epochs: int, steps: int, done: int = 0) -> None:
        """Training starts: `epochs` of `steps` steps, of which `done` epochs are already behind."""

    def step(self, images: int) -> None:
        """A step on `images` images is done."""

    def epoch(self, row: EpochRow) -> None:
        """An epoch is done and measured."""

    def end(self) -> None:
        """Training is over, for whatever reason."""


class QuietProgress:
    """Shows nothing and keeps what it was told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.rows: list[EpochRow] = []
        self.steps = 0

    def message(self, text: str) -> None:
        """Keep the text."""
        self.messages.append(text)

    def begin(self, network: str, dataset: str, *, epochs: int, steps: int, done: int = 0) -> None:
        """Nothing to show."""

    def step(self, images: int) -> None:
        """Count the step."""
        self.steps += 1

    def epoch(self, row: EpochRow) -> None:
        """Keep the row."""
        self.rows.append(row)

    def end(self) -> None:
        """Nothing to close."""


class LineProgress:
    """One plain line an epoch."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._title, self._epochs, self._done, self._started = "", 0, 0, 0.0

    def message(self, text: str) -> None:
        """Print the text."""
        print(visible(text), file=self._stream, flush=True)

    def begin(self, network: str, dataset: str, *, epochs: int, steps: int, done: int = 0) -> None:
        """Remember what the lines are about."""
        self._title, self._epochs, self._done, self._started = f"{network} on {dataset}", epochs, done, time.monotonic()

    def step(self, images: int) -> None:
        """Steps are too many for lines."""

    def epoch(self, row: EpochRow) -> None:
        """Print the epoch's line."""
        spent = time.monotonic() - self._started
        left = spent / max(1, row.epoch - self._done) * (self._epochs - row.epoch)
        self.message(f"{self._title}: {epoch_text(row, self._epochs)}, {duration(left)} left")

    def end(self) -> None:
        """Nothing to close."""


class LiveProgress:
    """A bar with steps, the latest accuracies, speed and time left, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: RichProgress | None = None
        self._task = TaskID(0)
        self._title, self._epochs = "", 0
        self._speed, self._stepped = 0.0, 0.0

    def message(self, text: str) -> None:
        """Print the text above the bar."""
        self._console.print(visible(text), markup=False, highlight=False)

    def begin(self, network: str, dataset: str, *, epochs: int, steps: int, done: int = 0) -> None:
        """Show the bar."""
        self._title, self._epochs, self._stepped = f"{network} on {dataset}", epochs, time.monotonic()
        self._bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            TextColumn("{task.fields[measured]}", markup=False),
            TextColumn("{task.fields[speed]:.0f} images/s"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        fields: dict[str, Any] = {"epoch": done + 1, "epochs": epochs, "measured": "", "speed": 0.0}
        self._task = self._bar.add_task(visible(self._title), total=epochs * steps, completed=done * steps, **fields)
        self._bar.start()

    def step(self, images: int) -> None:
        """Advance the bar."""
        if self._bar is None:
            return
        now = time.monotonic()
        speed = images / max(now - self._stepped, 1e-9)
        self._speed = speed if not self._speed else 0.9 * self._speed + 0.1 * speed
        self._stepped = now
        self._bar.update(self._task, advance=1, speed=self._speed)

    def epoch(self, row: EpochRow) -> None:
        """Show the new accuracies."""
        if self._bar is None:
            return
        measured = f"accuracy {row.accuracy:.3f} train, {row.val_accuracy:.3f} validation"
        self._bar.update(self._task, epoch=min(row.epoch + 1, self._epochs), measured=measured)
        self._stepped = time.monotonic()

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def open_progress(stream: TextIO | None = None) -> Progress:
    """The live display when `stream` (standard error by default) is a terminal, lines otherwise.

    `NO_COLOR` and `TERM=dumb` are honoured, the first by Rich, the second by lines.
    """
    target = stream or sys.stderr
    if target.isatty() and os.environ.get("TERM") != "dumb":
        return LiveProgress(Console(file=target))
    return LineProgress(target)


def epoch_text(row: EpochRow, epochs: int) -> str:
    """One epoch in words and numbers, for lines and the log."""
    return (
        f"epoch {row.epoch}/{epochs}, loss {row.loss:.4f}, accuracy {row.accuracy:.3f}, "
        f"validation loss {row.val_loss:.4f}, accuracy {row.val_accuracy:.3f}, {row.images_per_second:.0f} images/s"
    )


def duration(seconds: float) -> str:
    """Seconds as `42 s`, `3 min 05 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
