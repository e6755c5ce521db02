"""A progress that shows nothing and keeps what it was told."""

from __future__ import annotations

from rich.console import Console

from cnnlab.progress import Progress


class QuietProgress(Progress):
    """Keeps messages, the numbers of finished epochs, and the count of steps."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True))
        self.messages: list[str] = []
        self.epochs_done: list[int] = []
        self.steps = 0

    def message(self, text: str) -> None:
        self.messages.append(text)

    def begin(self, title: str, *, epochs: int, steps: int, done: int = 0) -> None:
        """Nothing to show."""

    def step(self) -> None:
        self.steps += 1

    def epoch(self, number: int, accuracy: float, val_accuracy: float, images_per_second: float) -> None:
        self.epochs_done.append(number)
