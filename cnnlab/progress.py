"""What is shown while something takes a while: a bar on a terminal, a line now and then elsewhere, on standard error.

Rich knows whether it is a terminal, how wide it is, and what `NO_COLOR` and `TERM=dumb` ask for.
"""

from __future__ import annotations

from collections.abc import Callable

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.status import Status
from rich.table import Column
from rich.text import Text

from cnnlab.errors import visible

WIDE = 120
"""Columns from which on there is room for training accuracy and speed."""

_SECONDS_BETWEEN_LINES = 5.0
_THE_TASK = TaskID(0)


def _bar(console: Console) -> rich.progress.Progress:
    """A bar that takes the room that its title, which may be cut, and its facts, which may not, leave on one line."""
    title = Column(no_wrap=True, overflow="ellipsis", max_width=console.width // 3)
    return rich.progress.Progress(
        TextColumn("{task.description}", markup=False, table_column=title),
        BarColumn(bar_width=None, table_column=Column(ratio=1)),
        TextColumn("{task.fields[facts]}", markup=False),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
        console=console,
        transient=True,
        expand=True,
        disable=not console.is_interactive,
        speed_estimate_period=3600,  # longer than an epoch, so that measuring, which steps not, counts
    )


class _Shown:
    """What is shown on a console, by default standard error; `Console(quiet=True)` shows nothing."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, force_jupyter=False)
        self._bar = _bar(self._console)

    def _left(self) -> str:
        return f"{duration(self._bar.tasks[0].time_remaining or 0)} left"


class Progress(_Shown):
    """A training's course, one training after the other: begin, step and epoch, end."""

    _title, _epochs = "", 0

    def message(self, text: str) -> None:
        """Something worth one line, at any time; above the bar where there is one."""
        self._console.out(visible(text), highlight=False)

    def busy(self, text: str) -> Status:
        """A sign of life, on a terminal, for the length of a `with`."""
        return self._console.status(Text(visible(text)))

    def begin(self, title: str, *, epochs: int, steps: int, done: int = 0) -> None:
        """Training starts: `epochs` of `steps` steps, of which `done` epochs are already behind."""
        self._title, self._epochs, self._bar = title, epochs, _bar(self._console)
        facts = f"epoch {done + 1}/{epochs}"
        self._bar.add_task(visible(title), total=epochs * steps, completed=done * steps, facts=facts)
        self._bar.start()

    def step(self) -> None:
        """A step is done."""
        self._bar.advance(_THE_TASK)

    def epoch(self, number: int, accuracy: float, val_accuracy: float, images_per_second: float) -> None:
        """An epoch is done and measured."""
        speed = f"{images_per_second:.0f} images/s"
        facts = f"epoch {min(number + 1, self._epochs)}/{self._epochs} val {val_accuracy:.3f}"
        if self._console.width >= WIDE:
            facts += f" train {accuracy:.3f} {speed}"
        self._bar.update(_THE_TASK, facts=facts)
        if not self._console.is_interactive:
            measured = f"accuracy {accuracy:.3f} training, {val_accuracy:.3f} validation, {speed}"
            self.message(f"{self._title}: epoch {number}/{self._epochs}, {measured}, {self._left()}")

    def end(self) -> None:
        """Training is over, for whatever reason."""
        self._bar.stop()


class Reading(_Shown):
    """What is done to a data set: sentences that begin with its name, and the share of work that takes a while.

    A `Report` (`cnnlab.datasets.table`). Use it in a `with`, so that a bar never outlives an error.
    """

    def __init__(self, name: str, tell: Callable[[str], None], console: Console | None = None) -> None:
        super().__init__(console)
        self._name, self._tell, self._told = name, tell, 0.0

    def __call__(self, message: str, share: float | None = None, /) -> None:
        """See `Report`."""
        text = f"{self._name}: {message}"
        if share is None:
            self._bar.stop()  # what is told by other means would be written into its line
            self._tell(text)
            return
        if not self._bar.tasks:
            self._bar.add_task(visible(text), total=1.0, facts="")
        self._bar.start()
        self._bar.update(_THE_TASK, completed=share, facts=f"{share:.0%}")
        spent = self._bar.tasks[0].elapsed or 0.0
        if not self._console.is_interactive and spent - self._told >= _SECONDS_BETWEEN_LINES and share < 1:
            self._told = spent
            self._tell(f"{text}, {share:.0%} done, {self._left()}")

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def duration(seconds: float) -> str:
    """Seconds as `42 s`, `3 min 05 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 3600:
        return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
