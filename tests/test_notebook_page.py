"""The notebook as a page: everything of it, no request, no script, and nothing that an output could start."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cnnlab.errors import TemplateProblem
from cnnlab.paths import templates_dir
from report.evidence.language import Language
from report.notebook.page import render_notebook
from tests import parity
from tests.command import cnnlab

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def code(source: str, *outputs: Any, **metadata: Any) -> Any:
    return new_code_cell(source, outputs=list(outputs), execution_count=1, metadata=metadata)


def rendered(folder: Path, *cells: Any, language: str = "en") -> BeautifulSoup:
    path = folder / "report.ipynb"
    nbformat.write(new_notebook(cells=list(cells), metadata={"title": "A <title>"}), path)
    return BeautifulSoup(render_notebook(path, Language(language), templates=[templates_dir()]), "html.parser")


def test_cells_are_laid_out(tmp_path: Path) -> None:
    picture = new_output(
        "display_data", {"image/png": PIXEL, "text/plain": "x"}, metadata={"image/png": {"alt": "A <b> curve"}}
    )
    table = new_output("display_data", {"text/html": "<table><tr><td>63.2%</td></tr></table>", "text/plain": "63.2%"})
    pale = new_output(
        "display_data", {"text/html": '<pre style="color:#0ff">Total</pre>', "text/plain": "\x1b[1mTotal\x1b[0m"}
    )
    dom = rendered(
        tmp_path,
        new_markdown_cell("## Activity 1: It\n\n[to it](#Activity-1:-It) **bold** <script>x</script>"),
        code("if a < b:\n    print('$5')", new_output("stream", text="\x1b[31mred\x1b[0m <b>"), picture, scrolled=True),
        code("lab.table(1, 't')", table, pale),
    )
    heading = dom.h2
    assert heading is not None and heading["id"] == "Activity-1:-It"
    assert dom.select_one("a[href='#Activity-1:-It']") is not None
    assert dom.select_one("strong") is not None and dom.select_one("script") is None
    assert [pre.get_text() for pre in dom.select(".source")] == ["if a < b:\n    print('$5')", "lab.table(1, 't')"]
    image = dom.img
    assert image is not None and image["alt"] == "A <b> curve" and image["src"] == f"data:image/png;base64,{PIXEL}"
    assert [pre.get_text() for pre in dom.select(".outputs pre")] == ["red <b>", "Total"]
    assert [cell.get_text() for cell in dom.select(".outputs td")] == ["63.2%"]
    assert [("scrolled" in tag["class"], tag["aria-label"]) for tag in dom.select(".outputs")] == [
        (True, "Output of cell 1"),
        (False, "Output of cell 1"),
    ]
    assert dom.title is not None and dom.title.get_text() == "A <title>"


def test_nothing_in_it_runs_or_asks_for_anything(tmp_path: Path) -> None:
    hostile = (
        '<script>alert(1)</script><img src="https://example.org/x.png"><link rel="stylesheet" href="//example.org">'
    )
    dom = rendered(tmp_path, code("x", new_output("display_data", {"text/html": hostile})))
    policy = dom.select_one("meta[http-equiv=Content-Security-Policy]")
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in str(policy["content"]).split(";"))
    assert rules["default-src"] == "'none'" and "script-src" not in rules
    assert rules["img-src"] == "data:" and rules["font-src"] == "data:"


def test_the_page_of_a_real_report(trained_lab: Path, tmp_path: Path) -> None:
    book = json.loads((trained_lab / "out/shapes/report.ipynb").read_bytes())
    page = render_notebook(trained_lab / "out/shapes/report.ipynb", Language("es"), templates=[templates_dir()])
    dom = BeautifulSoup(page, "html.parser")
    assert dom.html is not None and dom.html["lang"] == "es"
    addresses = [str(tag[name]) for name in ("src", "href") for tag in dom.select(f"[{name}]") if tag.name != "a"]
    assert addresses and all(address.startswith("data:") for address in addresses)
    assert not dom.select("script, link, iframe, object, [onclick], [onload]") and "@import" not in page
    assert not re.search(r"url\((?!data:)", page)
    images = [str(image["alt"]) for image in dom.select("img")]
    figures = [alt for shown in parity.of_notebook(book).values() for alt in shown.figures.values()]
    assert [parity.words(alt) for alt in images] == figures
    assert len(dom.select(".cell")) == sum(cell["cell_type"] == "code" for cell in book["cells"])
    assert all(cell.select_one(".outputs").get_text(strip=True) or cell.select("img") for cell in dom.select(".cell"))
    ids = {tag["id"] for tag in dom.select("[id]")}
    links = {unquote(str(link["href"])[1:]) for link in dom.select("a[href^='#']")}
    assert links and links <= ids


def test_it_is_written_on_request_without_running_the_notebook_again(trained_lab: Path, tmp_path: Path) -> None:
    lab = shutil.copytree(trained_lab, tmp_path / "lab")
    before = (lab / "out/shapes/report.ipynb").stat().st_mtime_ns
    result = cnnlab("report", "shapes.toml", "--formats", "notebook-html", cwd=lab, block=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [f"out/shapes/report{kind}" for kind in (".ipynb", "-notebook.html", ".json")]
    assert (lab / "out/shapes/report.ipynb").stat().st_mtime_ns == before
    first = (lab / "out/shapes/report-notebook.html").read_bytes()
    cnnlab("report", "shapes.toml", "--formats", "notebook-html", cwd=lab, block=True)
    assert (lab / "out/shapes/report-notebook.html").read_bytes() == first
    wrong = cnnlab("report", "shapes.toml", "--formats", "notebook", cwd=lab)
    assert wrong.returncode == 2 and "notebook-html" in wrong.stderr


def test_a_missing_style_is_told(tmp_path: Path) -> None:
    nbformat.write(new_notebook(), tmp_path / "report.ipynb")
    with pytest.raises(TemplateProblem, match="file of the notebook's page is missing"):
        render_notebook(tmp_path / "report.ipynb", Language("en"), templates=[tmp_path])
