"""The notebook as a page: everything of it, no request, no script."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cnnlab.errors import Incomplete, TemplateProblem
from cnnlab.paths import templates_dir
from report.evidence.language import Language
from report.notebook.build import notebook_page
from tests import parity
from tests.command import cnnlab


def rendered(path: Path, language: str = "en") -> BeautifulSoup:
    return BeautifulSoup(notebook_page(path, Language(language), templates=[templates_dir()]), "html.parser")


def test_cells_are_laid_out(tmp_path: Path) -> None:
    pale = {"text/html": '<pre style="color:#0ff">Total</pre>', "text/plain": "\x1b[1mTotal\x1b[0m"}
    shown = [new_output("stream", text="\x1b[31mred\x1b[0m <b>"), new_output("display_data", pale)]
    cells = [new_markdown_cell("## Activity 1: It\n\n[to it](#Activity-1:-It)"), new_code_cell("1 < 2", outputs=shown)]
    nbformat.write(new_notebook(cells=cells, metadata={"title": "A <title>"}), tmp_path / "report.ipynb")
    dom = rendered(tmp_path / "report.ipynb")
    assert dom.h2 is not None and dom.h2["id"] == "Activity-1:-It" and dom.select("a[href='#Activity-1:-It']")
    assert [pre.get_text().strip() for pre in dom.select("pre")] == ["1 < 2", "red <b>", "Total"]
    assert dom.title is not None and dom.title.get_text() == "A <title>"


def test_the_page_of_a_real_report_asks_for_nothing_and_runs_nothing(trained_lab: Path) -> None:
    book = json.loads((trained_lab / "out/shapes/report.ipynb").read_bytes())
    dom = rendered(trained_lab / "out/shapes/report.ipynb", "es")
    assert dom.html is not None and dom.html["lang"] == "es"
    addresses = [str(tag[name]) for name in ("src", "href") for tag in dom.select(f"[{name}]") if tag.name != "a"]
    assert addresses and all(address.startswith("data:") for address in addresses)
    assert not dom.select("script, link, iframe, object, [onclick], [onload]") and "@import" not in str(dom)
    assert not re.search(r"url\((?!data:)", str(dom))
    policy = dom.select_one("meta[http-equiv=Content-Security-Policy]")
    assert policy is not None and "default-src 'none'" in str(policy["content"])
    figures = [alt for shown in parity.of_notebook(book).values() for alt in shown.figures.values()]
    assert [parity.words(str(image["alt"])) for image in dom.select("img")] == figures
    assert len(dom.select(".code_cell")) == sum(cell["cell_type"] == "code" for cell in book["cells"])


def test_it_is_written_on_request_without_running_the_notebook_again(trained_lab: Path, tmp_path: Path) -> None:
    lab = shutil.copytree(trained_lab, tmp_path / "lab")
    before = (lab / "out/shapes/report.ipynb").stat().st_mtime_ns
    result = cnnlab("report", "shapes.toml", "--formats", "notebook-html", cwd=lab, block=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [f"out/shapes/report{kind}" for kind in (".ipynb", "-notebook.html", ".json")]
    assert (lab / "out/shapes/report.ipynb").stat().st_mtime_ns == before
    wrong = cnnlab("report", "shapes.toml", "--formats", "notebook", cwd=lab)
    assert wrong.returncode == 2 and "notebook-html" in wrong.stderr


def test_what_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.ipynb"
    nbformat.write(new_notebook(), path)
    with pytest.raises(TemplateProblem, match="templates cannot be read"):
        notebook_page(path, Language("en"), templates=[tmp_path])
    monkeypatch.setitem(sys.modules, "nbconvert", None)
    with pytest.raises(Incomplete, match=r"pip install 'cnnlab\[page\]'"):
        notebook_page(path, Language("en"), templates=[templates_dir()])
