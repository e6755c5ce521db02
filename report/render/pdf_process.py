"""The PDF made in a process of its own: it loads WeasyPrint while the page is still being put together, then lays it out
while the other files are written."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

from cnnlab.errors import Incomplete
from report.evidence.quantity import Attachment
from report.figures.fonts import font_faces
from report.render.pdf import Pdf, pango_problem, render_pdf


class PdfProcess:
    """Begins to load when it is entered; nothing of it is left when it is exited."""

    def __enter__(self) -> PdfProcess:
        context = get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other,))
        self._process.start()
        other.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def begin(self, page: str, attachments: Sequence[Attachment] = ()) -> None:
        """Have the page laid out, with files inside the PDF; returns when the process has loaded."""
        with self._alive():
            self._pipe.send((page, attachments))

    def result(self) -> Pdf:
        """The PDF of the page that was begun with, when it is ready.

        Raises:
            Incomplete: the process did not live to the end.
        """
        with self._alive():
            return self._pipe.recv()  # type: ignore[no-any-return]

    @contextmanager
    def _alive(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError):
            self._process.join()
            raise Incomplete(
                "the PDF could not be made",
                received=f"its process ended with code {self._process.exitcode}",
                hint="what it said is above; code -9 is what the system does where memory runs out",
            ) from None


def _serve(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to both: who asked for the PDF ends this
    os.dup2(2, 1)  # whatever a library prints is no data
    gc.disable()  # a short life: collecting costs a tenth of it, and frees next to nothing
    import weasyprint  # noqa: F401  while the page is put together

    pipe.send(render_pdf(*pipe.recv()))


def try_pdf() -> tuple[str, list[str]]:
    """What keeps this machine from a whole PDF, empty where nothing does, and what else WeasyPrint says of a small page."""
    if problem := pango_problem():
        return problem, []
    try:
        with PdfProcess() as paper:
            style = f"<style>{font_faces('print')} p {{ font-family: 'Source Serif 4' }}</style>"
            paper.begin(f"<html lang=en><title>A page</title>{style}<p>A page</p></html>")
            made = paper.result()
    except Incomplete as failure:
        return str(failure), []
    return "; ".join(made.missing), made.heard
