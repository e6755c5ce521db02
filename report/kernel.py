"""A notebook's cells run in a fresh kernel of this very interpreter, which never outlives the call."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cnnlab
from cnnlab.errors import CnnlabError, Incomplete

if TYPE_CHECKING:
    from jupyter_client.manager import KernelManager

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

    with _kernel(folder) as manager:
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=cell_seconds,
            startup_timeout=START_SECONDS,
            coalesce_streams=True,
            record_timing=False,
        )
        # Not client.execute(): it takes the handlers of SIGINT and SIGTERM away from the caller.
        try:
            with client.setup_kernel(cleanup_kc=True):
                for index, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, index, execution_count=client.code_cells_executed + 1)
                    _require_output(cell, index)
        except CellExecutionError as problem:
            raise _failure("raised an error", index, cell, _tail(problem.traceback or str(problem))) from None
        except CellTimeoutError:
            raise _failure(f"took longer than {cell_seconds} s", index, cell, None) from None
        except DeadKernelError:
            raise _failure("ended the kernel", index, cell, None, hint="is there enough memory?") from None
        except RuntimeError as problem:
            raise Incomplete(
                "the notebook's kernel does not start",
                received=_tail(str(problem)),
                hint=f"try it by hand: {sys.executable} -m ipykernel_launcher --version",
            ) from None


@contextmanager
def _kernel(folder: Path) -> Iterator[KernelManager]:
    """A manager whose kernel, once it is started, is stopped on the way out, whatever happened."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import KernelManager

    class ThisInterpreter(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python", resource_dir="")

    with tempfile.TemporaryDirectory(prefix="cnnlab-") as private:
        manager = KernelManager(
            kernel_name="python3",
            kernel_spec_manager=ThisInterpreter(),
            connection_file=f"{private}/kernel.json",
            transport="ipc",  # sockets that only this user can reach, and no port to fight over
            ip=f"{private}/kernel",
        )
        manager.start_kernel(cwd=str(folder), env=_environment(private), extra_arguments=["--quiet"])
        try:
            yield manager
        finally:
            if manager.has_kernel:
                manager.shutdown_kernel(now=True)
            manager.cleanup_resources()


def _environment(private: str) -> Mapping[str, str]:
    """This process's environment, with this project's code on the path and none of the user's own IPython start-up."""
    project = str(Path(cnnlab.__file__).resolve().parents[1])
    paths = [project, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "IPYTHONDIR": f"{private}/ipython",
        # As in a front end of 110 columns, wherever the build runs: tables and summaries must not depend on a terminal.
        "COLUMNS": "110",
        "PYTHONWARNINGS": "ignore",
    }


def _require_output(cell: Any, index: int) -> None:
    if cell.cell_type == "code" and not has_output(cell):
        raise _failure("showed nothing, so it would count as not executed", index, cell, None)


def has_output(cell: Mapping[str, Any]) -> bool:
    """Whether a code cell was executed and shows something."""
    shown = any(output.get("text", "").strip() or output.get("data") for output in map(_joined, cell["outputs"]))
    return cell.get("execution_count") is not None and shown


def _joined(output: Mapping[str, Any]) -> Mapping[str, Any]:
    """The output with its text in one piece: nbformat stores lists of lines on disk."""
    text = output.get("text", "")
    return {**output, "text": text if isinstance(text, str) else "".join(text)}


def _failure(did: str, index: int, cell: Any, received: str | None, hint: str | None = None) -> CnnlabError:
    source = "\n".join(f"    {line}" for line in cell.source.splitlines()[:_SHOWN_LINES])
    return Incomplete(f"a cell of the notebook {did}", where=f"cell {index + 1}\n{source}", received=received, hint=hint)


def _tail(text: str) -> str:
    lines = _ANSI.sub("", text).strip().splitlines()[-_SHOWN_LINES:]
    return "\n".join(["", *(f"    {line}" for line in lines)])
