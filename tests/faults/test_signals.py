"""Ctrl-C and SIGTERM: what is being written is finished, the exit code is the shell's, and how to go on is said."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnlab.app import cli
from cnnlab.store.files import STOPPING, finishing
from cnnlab.store.store import RunStore
from cnnlab.training.checkpoint import Checkpoint, load_newest, save


@pytest.fixture(autouse=True)
def former_handlers() -> Any:
    """As in a terminal: a shell that starts the tests in the background has Ctrl-C ignored. What handled them comes back."""
    former = {number: signal.getsignal(number) for number in STOPPING}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_waits_for_the_end_of_the_block(number: signal.Signals) -> None:
    reached = []
    signal.signal(number, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        with finishing():
            os.kill(os.getpid(), number)
            reached.append("the end of the block")
        reached.append("after it")
    assert reached == ["the end of the block"]


def test_a_second_signal_does_not_wait() -> None:
    with pytest.raises(KeyboardInterrupt), finishing():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the second signal is to be obeyed at once")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_leaves_signals_alone() -> None:
    seen = []

    def work() -> None:
        with finishing():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_a_publication_and_a_checkpoint_are_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(folder: Path) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGINT)
        (folder / "rows.json").write_text("[]")
        return {}

    store = RunStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        store.publish("run", "x-net-s0-1", write)
    assert store.damage("run", "x-net-s0-1") is None and store.has("run", "x-net-s0-1")
    assert list(store.work_folder().iterdir()) == []

    savez = np.savez

    def stopped(*arguments: Any, **arrays: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        savez(*arguments, **arrays)

    monkeypatch.setattr(np, "savez", stopped)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "work", Checkpoint(1, [], [], [], {"rows": []}))
    found = load_newest(tmp_path / "work", pytest.fail)
    assert found is not None and found.epoch == 1


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: signal.Signals, code: int
) -> None:
    monkeypatch.setattr(sys, "argv", ["cnnlab", "run", "my lab.toml", "--profile", "cpu"])
    monkeypatch.setattr(cli, "app", lambda: os.kill(os.getpid(), number))
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == code
    assert "goes on where it stopped: cnnlab run 'my lab.toml' --profile cpu" in capsys.readouterr().err
