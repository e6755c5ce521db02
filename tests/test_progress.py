"""What a person sees while something works: on terminals of several widths, and in a file."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from cnnlab.progress import Progress, Reading, duration

LONG = "resnet50 on a-data-set-with-quite-a-long-name (seed 0)"


def on(width: int, **options: bool) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, width=width, force_jupyter=False, **options), stream  # type: ignore[arg-type]


def last_frame(stream: io.StringIO) -> str:
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    return [line for line in re.split(r"[\r\n]+", text) if line.strip()][-1]


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.mark.parametrize(
    ("width", "title", "shown"),
    [
        (60, LONG, "resnet50 on a-data-…"),
        (80, "vgg19 on fashion-mnist", "vgg19 on fashion-mnist "),
        (80, LONG, "resnet50 on a-data-set-wi…"),
        (80, "red\x1b[31m\u202e", "red\ufffd[31m\ufffd"),
        (120, LONG, "resnet50 on a-data-set-with-quite-a-lon…"),
    ],
)
def test_a_line_holds_all_that_matters(width: int, title: str, shown: str) -> None:
    console, stream = on(width, force_terminal=True)
    progress = Progress(console)
    progress.begin(title, epochs=12, steps=3, done=8)
    for epoch in (9, 10):
        for _ in range(3):
            progress.step()
        progress.epoch(epoch, 0.83456, 0.8123, 1234.5)
        progress.message(f"after {epoch}")
    progress.end()
    frame = last_frame(stream)
    assert frame.startswith(shown) and len(frame) <= width
    assert re.search(r"[━╸╺]{5,} +epoch 11/12 val 0\.812 .*\d\d:\d\d left", frame), frame
    assert ("train 0.835 1234 images/s" in frame) == (width >= 120)
    assert "after 9" in stream.getvalue() and "\x1b[31m\u202e" not in stream.getvalue()


@pytest.mark.parametrize(
    ("variable", "value", "live", "coloured"),
    [("TERM", "xterm-256color", True, True), ("NO_COLOR", "1", True, False), ("TERM", "dumb", False, False)],
)
def test_the_environment_is_heeded(
    variable: str, value: str, live: bool, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(variable, value)
    console, stream = on(80, force_terminal=True)
    progress = Progress(console)
    progress.begin("vgg19 on toy", epochs=1, steps=1)
    progress.step()
    progress.epoch(1, 0.5, 0.25, 120)
    progress.end()
    assert ("\x1b[?25l" in stream.getvalue()) == live
    assert bool(re.search(r"\x1b\[[0-9;]*3\dm|\x1b\[38;", stream.getvalue())) == coloured
    assert ("vgg19 on toy: epoch 1/1, " in stream.getvalue()) != live


def test_a_file_gets_a_line_an_epoch() -> None:
    console, stream = on(40, force_terminal=False)
    progress = Progress(console)
    with progress.busy("timing"):
        progress.message("a\x1b[31mb\u202e")
    progress.begin("vgg19 on toy (seed 0)", epochs=2, steps=1, done=1)
    progress.step()
    progress.epoch(2, 0.5, 0.25, 120)
    progress.end()
    assert stream.getvalue().splitlines() == [
        "a\ufffd[31mb\ufffd",
        "vgg19 on toy (seed 0): epoch 2/2, accuracy 0.500 training, 0.250 validation, 120 images/s, 0 s left",
    ]


def test_reading_shows_its_share_on_a_terminal_and_sentences_anywhere() -> None:
    told: list[str] = []
    for terminal in (True, False):
        console, stream = on(60, force_terminal=terminal)
        with Reading("photos", told.append, console) as report:
            report("decoding 10 images")
            report("decoding 10 images", 0.4)
            report("decoding 10 images", 0.8)
        if terminal:
            assert re.fullmatch(r"photos: decoding 10… [━╸╺]+ 80% \d\d:\d\d left", last_frame(stream).strip())
        else:
            assert not stream.getvalue()
    assert told == ["photos: decoding 10 images"] * 2
    assert [duration(s) for s in (42.4, 185, 7800)] == ["42 s", "3 min 05 s", "2 h 10 min"]
