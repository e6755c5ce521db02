"""A notebook's cells run by nbclient in a fresh kernel of this very interpreter, which never outlives the call."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import cnnlab
from cnnlab.errors import Incomplete

CELL_SECONDS = 600
"""The longest that a cell may take: building VGG-19 takes seconds, on a slow and busy machine a minute."""

CELL_BYTES = 10_000_000
"""The most that a cell may show: as much as the whole notebook may hold."""

_LATE = "cnnlab: took too long"


def execute(
    notebook: Any, folder: Path, *, cell_seconds: int = CELL_SECONDS, variables: Mapping[str, str] | None = None
) -> None:
    """Run every code cell in order, with `folder` as the current one; outputs are stored in the cells.

    Neither a kernel named `python3` nor any other piece of a Jupyter installation beside ipykernel is needed.

    Args:
        notebook: an nbformat 4 notebook.
        cell_seconds: the longest that one cell may take.
        variables: of the kernel's environment, besides this process's own.

    Raises:
        Incomplete: a cell raised, took too long, showed nothing or too much, or the kernel died or does not start; the
            kernel, and whatever its cells started, is gone by then.
    """
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_core.utils import run_sync
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    path = [str(Path(cnnlab.__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # of the process; cells have their own
    with tempfile.TemporaryDirectory(prefix="cnnlab-") as private:
        manager = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),  # knows ipykernel alone, of this interpreter
            connection_file=f"{private}/kernel.json",
            transport="ipc",  # sockets that only this user can reach, and no port to fight over
            ip=f"{private}/kernel",
        )
        client, index, group = _client(notebook, manager, cell_seconds), 0, 0
        own = {"PYTHONPATH": os.pathsep.join(path), "IPYTHONDIR": f"{private}/ipython", **(variables or {})}
        # Not client.execute(): it takes the handlers of SIGINT and SIGTERM away from the caller.
        try:
            with client.setup_kernel(cleanup_kc=True, cwd=str(folder), env={**os.environ, **own}, **quiet):
                group = getattr(manager.provisioner, "pgid", None) or 0
                for index, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, index, execution_count=client.code_cells_executed + 1)
                    if cell.cell_type == "code" and not has_output(cell):
                        raise _failure("showed nothing, so it would count as not executed", notebook, index)
        except CellExecutionError as problem:
            did = f"took longer than {cell_seconds} s" if problem.ename == _LATE else "raised an error"
            raise _failure(did, notebook, index) from None
        except DeadKernelError:
            much = f"showed more than {CELL_BYTES // 10**6} MB" if client.received > CELL_BYTES else ""
            raise _failure(much or "ended the kernel; there may not be enough memory", notebook, index) from None
        except RuntimeError as problem:
            hint = f"try it by hand: {sys.executable} -m ipykernel_launcher"
            raise Incomplete("the notebook's kernel does not start", received=_tail(str(problem)), hint=hint) from None
        finally:
            if manager.has_kernel:  # an interrupt, or a death that nbclient found first
                run_sync(manager.shutdown_kernel)(now=True)
            if group:
                with suppress(ProcessLookupError):  # nothing that its cells started is left
                    os.killpg(group, signal.SIGKILL)


def _client(notebook: Any, manager: Any, cell_seconds: int) -> Any:
    """A client that interrupts a cell which takes too long, and gives one up that shows too much."""
    from nbclient import NotebookClient

    class Client(NotebookClient):
        cell, received = -1, 0

        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            data = [msg["content"].get("text", ""), *(msg["content"].get("data") or {}).values()]
            before = self.received if self.cell == cell_index else 0
            self.cell, self.received = cell_index, before + sum(len(one) for one in data if isinstance(one, str))
            if self.received > CELL_BYTES and self.task_poll_for_reply is not None:
                self.task_poll_for_reply.cancel()  # nbclient takes that for a kernel that died
                return None
            return super().process_message(msg, cell, cell_index)

    return Client(
        notebook, km=manager, timeout=cell_seconds, startup_timeout=120, interrupt_on_timeout=True,
        error_on_timeout={"ename": _LATE, "evalue": "", "traceback": []}, coalesce_streams=True, record_timing=False,
        log=logging.Logger("nbclient", logging.CRITICAL),  # it repeats on stderr what is raised here
    )  # fmt: skip


def has_output(cell: Mapping[str, Any]) -> bool:
    """Whether a code cell was executed and shows something."""
    shown = any("".join(output.get("text", "")).strip() or output.get("data") for output in cell["outputs"])
    return cell.get("execution_count") is not None and shown


def _failure(did: str, notebook: Any, index: int) -> Incomplete:
    """The error that cell `index`, counted from 0, did something: under which heading it stands, its code, its traceback."""
    cell = notebook.cells[index]
    heads = [one.source for one in notebook.cells[:index] if one.cell_type == "markdown" and one.source[:1] == "#"]
    under = re.sub(r"\\([^\w\s])", r"\1", heads[-1].splitlines()[0]).lstrip("# ") + ", " if heads else ""
    shown = [line for output in cell.outputs if output.output_type == "error" for line in output.traceback]
    code = "".join(f"\n    {line}" for line in cell.source.splitlines()[:12])
    where = f"{under}cell {index + 1}{code}"
    return Incomplete(f"a cell of the notebook {did}", where=where, received=_tail("\n".join(shown)) or None)


def _tail(text: str) -> str:
    return "".join(f"\n    {line}" for line in re.sub(r"\x1b\[[0-9;]*m", "", text).strip().splitlines()[-12:])
