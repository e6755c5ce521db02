"""A notebook's cells run in a fresh kernel of this very interpreter, which never outlives the call."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cnnlab
from cnnlab.errors import CnnlabError, Incomplete

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

CELL_SECONDS = 600
"""The longest that a cell may take: building VGG-19 takes seconds, on a slow and busy machine a minute."""

CELL_BYTES = 10_000_000
"""The most that a cell may show: as much as the whole notebook may hold."""

START_SECONDS = 120
_INTERRUPT_SECONDS = 3.0
_SHOWN_LINES = 12
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_REACHED = re.compile(r"(?:Cell In\[\d+\], line |/ipykernel_\d+/\d+\.py in .*\n(?:.*\n)*?-+> )(\d+)")
"""A cell's line in a traceback; the second form is that of IPython 7, which Google Colab has."""


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
        Incomplete: a cell raised, took too long, showed nothing or too much, or the kernel died; the kernel, and
            whatever its cells started, is gone by then.
    """
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    with _kernel(variables or {}) as (manager, environment):
        client = _client(notebook, manager, cell_seconds)
        index = 0
        # Not client.execute(): it takes the handlers of SIGINT and SIGTERM away from the caller.
        try:
            # What the process itself writes, outside of cells, would land between this program's own messages.
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            with client.setup_kernel(cleanup_kc=True, cwd=str(folder), env=environment, **quiet):
                for index, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, index, execution_count=client.code_cells_executed + 1)
                    if cell.cell_type == "code" and not has_output(cell):
                        raise _failure("showed nothing, so it would count as not executed", notebook, index)
        except CellExecutionError as problem:
            raise _failure("raised an error", notebook, index, traceback=problem.traceback) from None
        except CellTimeoutError:
            reached = _reached(notebook.cells[index])
            raise _failure(f"took longer than {cell_seconds} s", notebook, index, traceback=reached) from None
        except DeadKernelError:
            if client.flooded:
                raise _failure(f"showed more than {CELL_BYTES // 10**6} MB", notebook, index) from None
            hint = "make sure that there is enough memory"
            raise _failure("ended the kernel", notebook, index, hint=hint) from None
        except RuntimeError as problem:
            raise Incomplete(
                "the notebook's kernel does not start",
                received=_tail(str(problem)),
                hint=f"try it by hand: {sys.executable} -m ipykernel_launcher",
            ) from None


def _client(notebook: Any, manager: AsyncKernelManager, cell_seconds: int) -> Any:
    """A client that stops a cell which shows too much, and asks one that takes too long where it is."""
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    class Client(NotebookClient):
        flooded = False
        _received = 0, 0  # of which cell, and how much

        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            before = self._received[1] if self._received[0] == cell_index else 0
            self._received = cell_index, before + _size(msg["content"])
            if self._received[1] > CELL_BYTES and self.task_poll_for_reply is not None:
                self.flooded = True
                self.task_poll_for_reply.cancel()  # nbclient takes that for a kernel that died
                return None
            return super().process_message(msg, cell, cell_index)

        async def _async_check_alive(self) -> None:
            if self.kc is None:  # nbclient leaves this watch behind where it gave the cell up
                raise DeadKernelError
            await super()._async_check_alive()

        async def _async_handle_timeout(self, timeout: int, cell: Any = None) -> Any:
            await _interrupted(self, cell)
            return await super()._async_handle_timeout(timeout, cell)

    return Client(
        notebook,
        km=manager,
        timeout=cell_seconds,
        startup_timeout=START_SECONDS,
        coalesce_streams=True,
        record_timing=False,
        log=logging.Logger("nbclient", logging.CRITICAL),  # it repeats on stderr what is raised here
    )


async def _interrupted(client: NotebookClient, cell: Any) -> None:
    """Interrupt the cell and wait a little for the traceback that says where it was; one stuck in C gives none."""
    from jupyter_core.utils import ensure_async

    assert client.km is not None
    await ensure_async(client.km.interrupt_kernel())
    for _ in range(round(_INTERRUPT_SECONDS / 0.1)):
        if _reached(cell):
            return
        await asyncio.sleep(0.1)


def _reached(cell: Any) -> str:
    """The traceback among the cell's outputs, empty when there is none."""
    found = [output for output in cell.get("outputs", []) if output["output_type"] == "error"]
    return "\n".join(found[0]["traceback"]) if found else ""


def _size(content: Mapping[str, Any]) -> int:
    """Characters that a message shows."""
    shown = [content.get("text", ""), *(content.get("data") or {}).values()]
    return sum(len(one) for one in shown if isinstance(one, str))


@contextmanager
def _kernel(variables: Mapping[str, str]) -> Iterator[tuple[AsyncKernelManager, dict[str, str]]]:
    """A manager of kernels of this interpreter, and their environment.

    On the way out none is left running, nor anything that its cells have started.
    """
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_core.utils import run_sync

    class ThisInterpreter(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python", resource_dir="")

    class Manager(AsyncKernelManager):
        group: int | None = None

        async def _async_post_start_kernel(self, **options: Any) -> None:
            await super()._async_post_start_kernel(**options)
            self.group = getattr(self.provisioner, "pgid", None)

        post_start_kernel = _async_post_start_kernel

    with tempfile.TemporaryDirectory(prefix="cnnlab-") as private:
        manager = Manager(
            kernel_name="python3",
            kernel_spec_manager=ThisInterpreter(),
            connection_file=f"{private}/kernel.json",
            transport="ipc",  # sockets that only this user can reach, and no port to fight over
            ip=f"{private}/kernel",
        )
        try:
            yield manager, {**_environment(private), **variables}
        finally:
            if manager.has_kernel:  # an interrupt, or a death that nbclient found first
                run_sync(manager.shutdown_kernel)(now=True)
            if manager.group:
                with suppress(ProcessLookupError):  # nothing is left
                    os.killpg(manager.group, signal.SIGKILL)


def _environment(private: str) -> dict[str, str]:
    """This process's environment, with this project's code on the path and none of the user's own IPython start-up."""
    project = str(Path(cnnlab.__file__).resolve().parents[1])
    paths = [project, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "IPYTHONDIR": f"{private}/ipython",
    }


def has_output(cell: Mapping[str, Any]) -> bool:
    """Whether a code cell was executed and shows something."""
    shown = any(output.get("text", "").strip() or output.get("data") for output in map(_joined, cell["outputs"]))
    return cell.get("execution_count") is not None and shown


def _joined(output: Mapping[str, Any]) -> Mapping[str, Any]:
    """The output with its text in one piece: nbformat stores lists of lines on disk."""
    text = output.get("text", "")
    return {**output, "text": text if isinstance(text, str) else "".join(text)}


def _failure(did: str, notebook: Any, index: int, *, traceback: str = "", hint: str | None = None) -> CnnlabError:
    cell = notebook.cells[index]
    lines = cell.source.splitlines()
    where = [f"{_heading(notebook, index)}cell {index + 1}"]
    if reached := _REACHED.findall(_ANSI.sub("", traceback)):
        number = int(reached[-1])
        where.append(f"line {number}: {lines[number - 1].strip()}")
    source = "\n".join(f"    {line}" for line in lines[:_SHOWN_LINES])
    return Incomplete(
        f"a cell of the notebook {did}",
        where=f"{', '.join(where)}\n{source}",
        received=_tail(traceback) if traceback else None,
        hint=hint,
    )


def _heading(notebook: Any, index: int) -> str:
    """The heading that the cell stands under, followed by a comma; empty when there is none."""
    for cell in reversed(notebook.cells[:index]):
        if cell.cell_type == "markdown" and (found := re.match(r"#{1,3} (.+)", cell.source)):
            return re.sub(r"\\([^\w\s])", r"\1", found[1]) + ", "
    return ""


def _tail(text: str) -> str:
    lines = _ANSI.sub("", text).strip().splitlines()[-_SHOWN_LINES:]
    return "\n".join(["", *(f"    {line}" for line in lines)])
