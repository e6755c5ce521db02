"""The PDF made in a process of its own: it loads WeasyPrint while the page is still being put together, then lays it out
while the other files are written."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import cnnlab
from cnnlab.errors import Incomplete, TemplateProblem
from report.evidence import Attachment
from report.pdf import Pdf, render_pdf

_SERVE = "from report.pdf_process import serve; serve()"
_ANY_PAGE = (
    "<html lang={language}><title>-</title><style>p {{ hyphens: auto; width: 9em }}</style><p>constituciones</p>"
)


class PdfProcess:
    """Begins to load when it is entered; nothing of it is left when it is exited."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._answer: Future[tuple[bytes, bytes]] | None = None

    def __enter__(self) -> PdfProcess:
        command = [sys.executable, "-P", "-c", _SERVE]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._thread.shutdown()
        self._process.communicate() if self._answer is None else self._process.wait()

    def begin(self, page: str, attachments: Sequence[Attachment] = ()) -> None:
        """Have the page laid out, with files inside the PDF; returns at once."""
        asked = json.dumps({"page": page, "attachments": [vars(one) for one in attachments]})
        self._answer = self._thread.submit(self._process.communicate, asked.encode())

    def result(self) -> Pdf:
        """The PDF of the page that was begun with, when it is ready.

        Raises:
            TemplateProblem: as `render_pdf`.
            Incomplete: the process did not live to the end.
        """
        assert self._answer is not None
        head, _, content = self._answer.result()[0].partition(b"\n")
        if self._process.returncode != 0:
            raise Incomplete(
                "the PDF could not be made",
                received=f"its process ended with code {self._process.returncode}",
                hint="what it said is above; code -9 is what the system does where memory runs out",
            )
        told = json.loads(head)
        if "what" in told:
            raise TemplateProblem(told["what"], received=told["received"])
        return Pdf(content, told["unshown"])


def serve() -> None:
    """Lay out the page that comes on standard input; what is wrong, or the PDF, goes to standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to both: who asked for the PDF ends this
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is not part of the answer
    gc.disable()  # a short life: collecting costs a tenth of it, and frees next to nothing
    import weasyprint  # noqa: F401  while the page is put together

    asked = json.loads(sys.stdin.buffer.read())
    try:
        made = render_pdf(asked["page"], [Attachment(**one) for one in asked["attachments"]])
        answer.write(json.dumps({"unshown": made.unshown}).encode() + b"\n" + made.content)
    except TemplateProblem as problem:
        answer.write(json.dumps({"what": problem.what, "received": str(problem.received)}).encode() + b"\n")
    answer.close()


def _environment() -> dict[str, str]:
    """This process's environment, with this project's code on the path."""
    project = str(Path(cnnlab.__file__).resolve().parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [project, os.environ.get("PYTHONPATH")]))}
