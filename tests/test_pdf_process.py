"""The PDF's own process: the same bytes, what is wrong is told, and nothing is left running."""

from __future__ import annotations

import os

import pytest

from cnnlab.errors import Incomplete
from report.render.pdf import render_pdf
from report.render.pdf_process import PdfProcess

PAGE = "<html lang=es><title>Uno</title><p>Año {} \N{CHECK MARK}</p>"


def test_it_makes_what_is_made_here() -> None:
    page = PAGE.format(1)
    with PdfProcess() as paper:
        paper.begin(page)
        made = paper.result()
    assert made == render_pdf(page) and made.content[:5] == b"%PDF-"


def test_what_is_wrong_with_a_page_comes_back() -> None:
    with PdfProcess() as paper:
        paper.begin(PAGE.format("<img alt=x src='http://example.org/x.png'>\U0010fffd"))
        told = paper.result().missing
    assert ["http://example.org/x.png" in one for one in told] == [True, False] and "\U0010fffd" in told[1]


@pytest.mark.parametrize("step", ["begin", "result"])
def test_a_process_that_is_ended_is_told(step: str) -> None:
    with PdfProcess() as paper, pytest.raises(Incomplete, match="code -9"):
        if step == "result":
            paper.begin(PAGE.format(1))
        paper._process.kill()
        paper._process.join()
        paper.begin(PAGE.format(1)) if step == "begin" else paper.result()


def test_one_that_is_not_needed_ends_at_once() -> None:
    with PdfProcess() as paper:
        pid = paper._process.pid or 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_one_that_was_begun_ends_with_the_build() -> None:
    with pytest.raises(KeyboardInterrupt), PdfProcess() as paper:
        pid = paper._process.pid or 0
        paper.begin(PAGE.format("word " * 200_000))
        raise KeyboardInterrupt
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
