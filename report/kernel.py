"""A notebook's cells run in a fresh kernel of this very interpreter, which never outlives the call."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cnnlab
from cnnlab.errors import CnnlabError, Incomplete

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

CELL_SECONDS = 600
"""The longest that a cell may take: building VGG-19 takes seconds, on a slow and busy machine a minute."""

START_SECONDS = 120
_SHOWN_LINES = 12
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def execute(notebook: Any, folder: Path, *, cell_seconds: int = CELL_SECONDS) -> None:
    """Run every code cell in order, with `folder` as the current one; outputs are stored in the cells.

    Neither a kernel named `python3` nor any other piece of a Jupyter installation beside ipykernel is needed.

    Args:
        notebook: an nbformat 4 notebook.
        cell_seconds: the longest that one cell may take.

    Raises:
        Incomplete: a cell raised, took too long, showed nothing, or the kernel died; the kernel is gone by then.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    with _kernel() as (manager, environment):
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=cell_seconds,
            startup_timeout=START_SECONDS,
            coalesce_streams=True,
            record_timing=False,
        )
        client.log.disabled = True  # it repeats on stderr what is raised here
        index, cell = 0, notebook.cells[0]
        # Not client.execute(): it takes the handlers of SIGINT and SIGTERM away from the caller.
        try:
            # What the process itself writes, outside of cells, would land between this program's own messages.
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            with client.setup_kernel(cleanup_kc=True, cwd=str(folder), env=environment, **quiet):
                for index, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, index, execution_count=client.code_cells_executed + 1)
                    if cell.cell_type == "code" and not has_output(cell):
                        raise _failure("showed nothing, so it would count as not executed", index, cell)
        except CellExecutionError as problem:
            raise _failure("raised an error", index, cell, received=_tail(problem.traceback)) from None
        except CellTimeoutError:
            raise _failure(f"took longer than {cell_seconds} s", index, cell) from None
        except DeadKernelError:
            raise _failure("ended the kernel", index, cell, hint="make sure that there is enough memory") from None
        except RuntimeError as problem:
            raise Incomplete(
                "the notebook's kernel does not start",
                received=_tail(str(problem)),
                hint=f"try it by hand: {sys.executable} -m ipykernel_launcher",
            ) from None


@contextmanager
def _kernel() -> Iterator[tuple[AsyncKernelManager, dict[str, str]]]:
    """A manager of kernels of this interpreter, and their environment; none is left running on the way out."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_core.utils import run_sync

    class ThisInterpreter(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python", resource_dir="")

    with tempfile.TemporaryDirectory(prefix="cnnlab-") as private:
        manager = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=ThisInterpreter(),
            connection_file=f"{private}/kernel.json",
            transport="ipc",  # sockets that only this user can reach, and no port to fight over
            ip=f"{private}/kernel",
        )
        try:
            yield manager, _environment(private)
        finally:
            if manager.has_kernel:  # an interrupt, or a death that nbclient found first
                run_sync(manager.shutdown_kernel)(now=True)


def _environment(private: str) -> dict[str, str]:
    """This process's environment, with this project's code on the path and none of the user's own IPython start-up."""
    project = str(Path(cnnlab.__file__).resolve().parents[1])
    paths = [project, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "IPYTHONDIR": f"{private}/ipython",
        "COLUMNS": "110",  # what is printed must not depend on the terminal that the build was started from
    }


def has_output(cell: Mapping[str, Any]) -> bool:
    """Whether a code cell was executed and shows something."""
    shown = any(output.get("text", "").strip() or output.get("data") for output in map(_joined, cell["outputs"]))
    return cell.get("execution_count") is not None and shown


def _joined(output: Mapping[str, Any]) -> Mapping[str, Any]:
    """The output with its text in one piece: nbformat stores lists of lines on disk."""
    text = output.get("text", "")
    return {**output, "text": text if isinstance(text, str) else "".join(text)}


def _failure(did: str, index: int, cell: Any, *, received: str | None = None, hint: str | None = None) -> CnnlabError:
    source = "\n".join(f"    {line}" for line in cell.source.splitlines()[:_SHOWN_LINES])
    return Incomplete(
        f"a cell of the notebook {did}", where=f"cell {index + 1}\n{source}", received=received, hint=hint
    )


def _tail(text: str) -> str:
    lines = _ANSI.sub("", text).strip().splitlines()[-_SHOWN_LINES:]
    return "\n".join(["", *(f"    {line}" for line in lines)])
