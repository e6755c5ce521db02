"""The PDF's own process: the same bytes, what is wrong is told, and nothing is left running."""

from __future__ import annotations

import os
import signal

import pytest

from cnnlab.errors import Incomplete, TemplateProblem
from report.pdf import render_pdf
from report.pdf_process import PdfProcess

PAGE = "<html lang=es><title>Uno</title><p>Año {} \N{CHECK MARK}</p>"


def test_it_makes_what_is_made_here() -> None:
    page = PAGE.format(1)
    with PdfProcess() as paper:
        paper.begin(page)
        made = paper.result()
    assert made == render_pdf(page) and made.content[:5] == b"%PDF-"


def test_characters_that_no_font_has_come_back() -> None:
    with PdfProcess() as paper:
        paper.begin(PAGE.format("\U0010fffd"))
        assert paper.result().unshown == "\U0010fffd"


def test_what_is_wrong_with_a_page_is_told() -> None:
    with PdfProcess() as paper, pytest.raises(TemplateProblem, match="outside itself") as told:
        paper.begin(PAGE.format("<img alt=x src='http://example.org/x.png'>"))
        paper.result()
    assert "example.org" in str(told.value)


def test_a_process_that_is_ended_is_told() -> None:
    with PdfProcess() as paper, pytest.raises(Incomplete, match="code -9"):
        paper.begin(PAGE.format(1))
        os.kill(paper._process.pid, signal.SIGKILL)
        paper.result()


def test_one_that_is_not_needed_ends_at_once() -> None:
    with PdfProcess() as paper:
        pid = paper._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_one_that_was_begun_ends_with_the_build() -> None:
    with pytest.raises(KeyboardInterrupt), PdfProcess() as paper:
        pid = paper._process.pid
        paper.begin(PAGE.format("word " * 200_000))
        raise KeyboardInterrupt
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
