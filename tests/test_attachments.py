"""Whole tables as CSV files: their content, formulas made harmless, and the three places where they are published."""

from __future__ import annotations

import base64
import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore
from report.activities.results import answer
from report.build import build_report
from report.data.records import open_lab
from report.evidence.language import Language
from report.evidence.quantity import Table, csv_attachment
from report.render.pdf import render_pdf
from tests.fabricate import write_store

NAMES = ["=1+1", "@SUM(A1)", "a, b", 'say "no"', "-5", "+1", *(f"class {index:02d}" for index in range(24))]


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_names_keep_their_commas_and_quotes_and_numbers_their_sign() -> None:
    text = csv_attachment("f.csv", ["Class", "x", "y"], [['a, "b"\nc', -0.5, None], ["日本 '=", 3, 0.25]]).text
    assert rows_of(text) == [["Class", "x", "y"], ['a, "b"\nc', "-0.5", ""], ["日本 '=", "3", "0.25"]]
    assert csv_attachment("f.csv", ["a"], [["b\0c\udc80"]]).text.encode() == "a\r\nb\ufffdc\ufffd\r\n".encode()


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A lab of a data set with many classes of awkward names, and of one with two."""
    folder, classes = tmp_path_factory.mktemp("runs"), {"clothes": NAMES, "digits": ["0", "1"]}
    return write_store(folder, classes=classes, networks={"clothes": ["alexnet"], "digits": ["alexnet"]})


def test_the_whole_table_has_every_class_with_the_numbers_of_the_record(big: RunStore) -> None:
    data = open_lab(big, "demo")
    evidence = answer(data, Language("es"), part="2_1")
    table = evidence.items["per_class"]
    assert isinstance(table, Table) and table.whole is not None
    assert len(table.rows) == 20
    head, *rows = rows_of(table.whole.text)
    assert len(rows) == len(NAMES)
    assert head[:4] == ["Clase", "Imágenes de test", "Aciertos", "Exactitud"]
    assert {row[0].removeprefix("'") if row[0][1:2] in "=@+-" else row[0] for row in rows} == set(NAMES)
    test = data.parts["2_1"].runs[0].predictions["test"]
    for row in rows:
        label = NAMES.index(row[0]) if row[0] in NAMES else NAMES.index(row[0][1:])
        mine = test.labels == label
        assert (int(row[1]), int(row[2])) == (int(mine.sum()), int((mine & test.right).sum()))
        assert float(row[4]) <= float(row[3]) <= float(row[5])
    small = answer(data, Language("es"), part="2_2").items["per_class"]
    assert isinstance(small, Table) and small.whole is None


def test_the_file_is_published_beside_the_report_behind_a_link_and_inside_the_pdf(
    big: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a short page in place of the PDF's, which takes seconds to lay out."""
    out = tmp_path / "out"
    result = build_report(big, load_lab("demo"), out, ["html"])
    (path,) = out.glob("*.csv")
    assert path.name == "classes-2-1.csv" and path in result.paths
    page = (out / "report.html").read_text()
    (link,) = re.findall(r'<a href="data:text/csv;charset=utf-8;base64,([^"]+)" download="classes-2-1.csv">', page)
    assert base64.b64decode(link) == path.read_bytes()
    monkeypatch.setattr("report.build.page", lambda *_: '<html lang="en"><title>T</title><p>Text.</p></html>')
    build_report(big, load_lab("demo"), out, ["pdf"])
    assert PdfReader(out / "report.pdf").attachments == {"classes-2-1.csv": [path.read_bytes()]}


def test_a_pdf_with_a_file_in_it_is_the_same_every_time() -> None:
    page = '<html lang="en"><title>T</title><p>Text.</p></html>'
    attached = csv_attachment("f.csv", ["a"], [["b"]])
    content = render_pdf(page, [attached]).content
    assert content == render_pdf(page, [attached]).content
    root: Any = PdfReader(io.BytesIO(content)).trailer["/Root"]
    _, embedded = root["/Names"]["/EmbeddedFiles"]["/Names"]
    embedded = embedded.get_object()
    assert embedded["/F"] == b"f.csv" or embedded["/F"] == "f.csv"  # PDF/UA-1 asks for both names
    assert embedded["/UF"] == "f.csv"


def test_three_hundred_classes_stay_legible_and_small(tmp_path: Path) -> None:
    names = [f"class {index:03d}" for index in range(300)]
    store = write_store(
        tmp_path / "runs", classes={"clothes": names, "digits": names}, networks={"clothes": ["alexnet"], "digits": ["alexnet"]},
        per_class=8,
    )  # fmt: skip
    build_report(store, load_lab("demo"), tmp_path / "out", ["html"])
    page = (tmp_path / "out" / "report.html").read_text()
    assert "se omiten 180 clases intermedias" in page
    assert sorted(path.name for path in (tmp_path / "out").glob("*.csv")) == [
        "classes-2-1.csv", "classes-2-2.csv", "images-digits.csv",
    ]  # fmt: skip
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.S)
    assert max(map(len, drawings)) < 200_000
    for drawing in drawings:
        assert drawing.count("<text") < 260  # names and values of 120 rows, not of 300
