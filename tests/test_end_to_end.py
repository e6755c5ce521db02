"""A tiny lab from photographs to report: trained for real, read back from the HTML, the PDF and the notebook."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

from tests.command import ROOT, Ran, cnnlab


@pytest.fixture(name="lab")
def _lab(trained_lab: Path) -> Path:
    """The folder of a lab that was run once."""
    return trained_lab


def test_every_activity_is_answered_with_evidence(lab: Path) -> None:
    page = BeautifulSoup((lab / "out/shapes/report.html").read_text(encoding="utf-8"), "html.parser")
    headings = [" ".join(h.get_text(" ").split()) for h in page.select("section.activity > .section")]
    assert [heading.split()[:2] for heading in headings] == [["Actividad", str(number)] for number in range(1, 14)]
    for section in page.select("section.activity"):
        sentences = [p.get_text() for p in section.find_all("p") if p.get_text().strip().endswith(".")]
        assert len(" ".join(sentences)) > 150, section["id"]
        assert section.select("figure, table"), section["id"]
    text = page.get_text()
    for fact in ("260.160", "2.325.568", "20.024.384", "25.088", "122.788.928", "143.667.240", "mini-ImageNet"):
        assert fact in text


def test_the_network_learned_and_the_report_says_by_how_much(lab: Path) -> None:
    quantities = json.loads((lab / "out/shapes/report.json").read_text(encoding="utf-8"))
    run = next((lab / "runs").glob("shapes-alexnet-s0-*"))
    evaluation = json.loads(next((lab / "runs/evaluations").glob(f"{run.name}-*/manifest.json")).read_text())
    accuracy = evaluation["correct"]["test"] / evaluation["splits"]["test"]
    assert accuracy >= 0.75
    printed = [q for q in quantities["quantities"] if q["section"] == "activity-09" and q["name"] == "test"]
    assert printed and printed[0]["value"] == pytest.approx(accuracy)
    assert printed[0]["n"] == 12 and printed[0]["runs"] == [run.name]


def test_the_pdf_has_text_and_outline_and_the_notebook_was_executed(lab: Path) -> None:
    reader = PdfReader(lab / "out/shapes/report.pdf")
    text = "\n".join(page.extract_text() for page in reader.pages)
    assert "143.667.240" in text and "Formas" in text
    marked = str(reader.outline).replace("\N{NO-BREAK SPACE}", " ")
    assert [number for number in range(1, 14) if f"Actividad {number}:" not in marked] == []
    notebook = json.loads((lab / "out/shapes/report.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(code) > 20 and all(cell["execution_count"] and cell["outputs"] for cell in code)


def test_a_second_run_trains_nothing_and_starts_no_kernel(lab: Path) -> None:
    before = (lab / "out/shapes/report.ipynb").stat().st_mtime_ns
    result = cnnlab("run", "shapes.toml", cwd=lab, block=True)
    assert result.returncode == 0 and "nothing was trained" in result.stderr, result.stderr
    assert (lab / "out/shapes/report.ipynb").stat().st_mtime_ns == before


def test_html_and_pdf_need_neither_framework_nor_data(lab: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(lab, copy, ignore=shutil.ignore_patterns("shapes", "tones", "data", "out"))
    result = cnnlab("report", "shapes.toml", "--formats", "html,pdf", cwd=copy, block=True)
    assert result.returncode == 0, result.stderr
    assert (copy / "out/shapes/report.html").read_bytes() == (lab / "out/shapes/report.html").read_bytes()


def report(lab: Path, out: Path, *more: str, **variables: str) -> Ran:
    """The report as HTML in another folder."""
    arguments = ("report", "shapes.toml", "--formats", "html", "--out", str(out), *more)
    return cnnlab(*arguments, cwd=lab, block=True, **variables)


def test_what_is_unchanged_stays_unless_it_is_forced(lab: Path, tmp_path: Path) -> None:
    said, times = [], []
    for more in ((), (), ("--force",)):
        result = report(lab, tmp_path, *more)
        closing = [line for line in result.stderr.splitlines() if not line.startswith("writing the report")]
        said.append((result.returncode, result.stdout, closing))
        times.append((tmp_path / "shapes/report.html").stat().st_mtime_ns)
    assert said[0] == said[1] == said[2] and said[0][0] == 0 and "things asked" in str(said[0][2])
    assert times[0] == times[1] < times[2]


def test_commentary_edited_beside_the_lab_changes_the_text_alone(lab: Path, tmp_path: Path) -> None:
    own = lab / "shapes/templates/commentary/es/activity-08.md.j2"
    own.parent.mkdir(parents=True)
    try:
        own.write_text("Mi propio análisis: {{ best_val_accuracy }}.\n")
        assert report(lab, tmp_path).returncode == 0
        assert "Mi propio análisis: " in (tmp_path / "shapes/report.html").read_text(encoding="utf-8")
        own.write_text("{{ best_val_acuracy }}")
        result = report(lab, tmp_path)
        assert result.returncode == 2 and "Traceback" not in result.stderr
        assert "best_val_accuracy" in result.stderr and "activity-08.md.j2" in result.stderr
    finally:
        shutil.rmtree(lab / "shapes/templates")


def test_the_report_is_complete_in_english(lab: Path, tmp_path: Path) -> None:
    assert report(lab, tmp_path, "--set", "lab.language=en").returncode == 0
    page = BeautifulSoup((tmp_path / "shapes/report.html").read_text(encoding="utf-8"), "html.parser")
    assert page.html is not None and page.html["lang"] == "en"
    text = page.get_text()
    assert "143,667,240" in text
    for word in (" la red ", " de los ", "Actividad", " para "):
        assert word not in text


def test_a_changed_rate_is_reported_as_missing_not_rendered_as_done(lab: Path, tmp_path: Path) -> None:
    result = report(lab, tmp_path, "--set", "recipes.short.learning_rate=0.002")
    assert result.returncode == 4
    assert "recipe.learning_rate: 0.001 -> 0.002" in result.stderr
    assert (tmp_path / "shapes/report.html").is_file()


def test_the_wheel_carries_templates_and_labs(lab: Path, tmp_path: Path) -> None:
    options = ["--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(ROOT)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options], check=True, capture_output=True, timeout=120)
    site = tmp_path / "site"
    with zipfile.ZipFile(next(tmp_path.glob("cnnlab-*.whl"))) as wheel:
        wheel.extractall(site)
    result = report(lab, tmp_path / "out", PYTHONPATH=str(site))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out/shapes/report.html").read_bytes() == (lab / "out/shapes/report.html").read_bytes()
    shipped = cnnlab("run", "no-such-lab", cwd=tmp_path, PYTHONPATH=str(site))
    assert "demo" in shipped.stderr and shipped.returncode == 2
