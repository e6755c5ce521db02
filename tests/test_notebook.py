"""The notebook: executed for real, with the numbers of the HTML, and not executed again without a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from cnnlab.architectures.construction import _listings
from cnnlab.errors import CnnlabError, LabError, StoreError
from cnnlab.lab import Lab
from cnnlab.notebook import open_lab
from cnnlab.store.store import RunStore
from report.data.records import LabData
from report.data.records import open_lab as open_records
from report.document.assembly import assemble
from report.document.model import Document
from report.evidence.language import Language
from report.evidence.quantity import Exhibit, Gallery
from report.notebook import build as notebook
from report.notebook import kernel
from report.notebook import writer as notebook_cells
from report.notebook.build import build_notebook, too_large
from report.notebook.code import run_cell
from report.notebook.kernel import has_output
from report.notebook.outputs import bundle
from tests import pages
from tests.fabricate_architectures import _construction, _vgg19_layers
from tests.figure_samples import ENGLISH, samples
from tests.notebook_pages import PRICE, PROSE, SECTIONS, kernels

Built = tuple[RunStore, Lab, Document, Path]
Quick = tuple[RunStore, Lab, Path]
STEPS = _construction(_vgg19_layers())
NETWORK = "from cnnlab.networks import vgg19\n\nprint(inspect.getsource(vgg19))"


@pytest.fixture(scope="module", autouse=True)
def _own_sections() -> Iterator[None]:
    """The cells open the lab with the sections of this test instead of the report's own."""
    with pytest.MonkeyPatch.context() as patch:
        ours = "from tests.notebook_pages import SECTIONS\n\nlab = open_lab({arguments}, sections=SECTIONS)"
        patch.setattr(notebook_cells, "OPEN", notebook_cells.OPEN.replace("lab = open_lab({arguments})", ours))
        yield


def document_of(store: RunStore, lab: Lab, language: str = "es") -> Document:
    data = open_records(store, lab.stem)
    return assemble(data, lab, Language(language), sections=SECTIONS, references=pages.REFERENCES)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A store, its lab, the document and the notebook, executed once."""
    folder = tmp_path_factory.mktemp("notebook")
    store, lab = pages.write_lab(folder, prose=PROSE, networks={"clothes": ["vgg19", "alexnet"], "digits": ["alexnet"]})
    document = document_of(store, lab)
    return store, lab, document, build_notebook(store, lab, document, folder / "out" / "demo")


def cells_of(path: Path, kind: str) -> list[Any]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def shown(cell: Any) -> str:
    """What a cell shows, as text without terminal colours."""
    parts = [output.get("text") or output["data"].get("text/plain", "") for output in cell.outputs]
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(parts))


def test_every_cell_was_run_and_shows_something(built: Built) -> None:
    path = built[3]
    found, code = nbformat.read(path, as_version=4), cells_of(path, "code")
    nbformat.validate(found)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)) and all(map(has_output, code))
    assert found.metadata.kernelspec.name == "python3" and found.metadata.language_info.name == "python"
    assert path.stat().st_size < 10_000_000
    scrolled = {cell.source: cell.metadata for cell in code}
    assert scrolled[NETWORK] == {"scrolled": True} and scrolled['lab.table(7, "results")'] == {}
    assert [text for text in map(shown, code) if "oneDNN" in text or "absl" in text or "Warning" in text] == []


def test_part_1_is_built_for_real_in_the_assignments_style(built: Built) -> None:
    code = cells_of(built[3], "code")
    sources, steps = [cell.source for cell in code], [step["code"] for step in STEPS]
    assert [source for source in sources if source in steps] == steps
    assert shown(code[sources.index(steps[0])]).split("\n")[:2] == ["(None, 224, 224, 64)", "(None, 112, 112, 64)"]
    summaries = [cell for cell in code if cell.source == "modelVGG19.summary()"]
    totals = [re.findall(r"Total params: ([\d,]+)", shown(cell)) for cell in summaries]
    expected = ["260,160", "2,325,568", "20,024,384", "20,024,384", "122,788,928", "143,667,240"]
    assert totals == [[count] for count in expected]
    assert all(cell.outputs[1]["data"]["text/html"].startswith("<pre") for cell in summaries)
    assert {step["block"]: step["code"] for step in STEPS} == {row[0]: row[2] for row in _listings()}, (
        "as the project does"
    )


def test_part_2_shows_network_recipe_and_training_before_what_is_shown_of_them(built: Built) -> None:
    cells = nbformat.read(built[3], as_version=4).cells
    sources, code = [cell.source for cell in cells], {cell.source: cell for cell in cells if cell.cell_type == "code"}
    model = code['model = build_network("vgg19", image_size=32, classes=4)\nmodel.summary()']
    assert "Total params: 38,923,332" in shown(model) and "def build(" in shown(code[NETWORK])
    assert "'learning_rate': 0.02" in shown(code['lab.recipe("clothes", "vgg19")'])
    source = next(source for source in code if source.startswith('run = lab.cached("clothes", "vgg19")'))
    assert 'spec = lab.spec("clothes", "vgg19")' in source and "trained = train_model(" in source
    assert "budget_seconds=None" in source and "flip" not in source
    for words in (built[2].lab.parts["2_1"].of("vgg19")[0].run.id, "val_accuracy", "6 of 6 epochs"):
        assert words in shown(code[source])
    (step,) = (source for source in sources if "Trainer._traced_step" in source)
    for words in ("categorical_crossentropy(targets, probabilities)", "optimizer.apply(gradients"):
        assert words in shown(code[step])
    last = max(index for index, source in enumerate(sources) if source.startswith("run = lab.cached("))
    activity = next(index for index, source in enumerate(sources) if source.startswith("### Actividad 7"))
    assert sources.index("### Las redes y su entrenamiento") < last < activity


def test_a_shortened_training_would_get_the_time_that_it_had(tmp_path: Path) -> None:
    store, _ = pages.write_lab(tmp_path, prose=PROSE)
    data = open_records(store, "demo")
    run = data.parts["2_1"].runs[0]
    short = {**run.run.manifest["resolved"], "shortened": True, "budget_seconds": 46.18}
    changed = replace(run, run=replace(run.run, manifest={**run.run.manifest, "resolved": short}), flip=True)
    source = run_cell(data.parts["2_1"], changed, '"clothes", "alexnet"')
    assert "budget_seconds=46.2" in source and "predict=trained.predict, flip=True" in source
    compile(source, "cell", "exec")


def test_items_are_shown_as_in_the_page(built: Built) -> None:
    code = {cell.source: cell.outputs for cell in cells_of(built[3], "code")}
    (curve,) = code['lab.figure(8, "loss-8")']
    placed = next(item for item in built[2].section("activity-08").items if item.name == "loss-8")
    assert curve["data"]["text/plain"] == curve["metadata"]["image/png"]["alt"] == placed.item.alt  # type: ignore[union-attr]
    assert curve["data"]["image/png"].startswith("iVBORw0KGgo")
    html, text = (code['lab.table(7, "results")'][0]["data"][kind] for kind in ("text/html", "text/plain"))
    assert "&lt;script&gt;" in html and "<script>" not in html and "mathjax_ignore" in html
    assert [html.count(one) for one in ("<strong>★ 71,0", "<tr>", "<td", "&lt;td")] == [2, 4, 9, 0]
    assert text.splitlines()[1].split("  ")[0] == "VGG-19"
    assert "→ <script>alert(1)</script> 90,0" in code['lab.gallery(7, "mistakes")'][0]["data"]["text/plain"]


def test_prose_is_that_of_the_page_and_prints_literally(built: Built) -> None:
    """That all three forms show the same numbers and figures is tested in `tests.test_parity`."""
    raw = "\n".join(cell.source for cell in cells_of(built[3], "markdown"))
    prose = re.sub(r"\\([^\w\s])", r"\1", raw)
    for section in built[2].sections:
        assert f"{'#' * section.level} {section.heading}" in prose
        for placed in section.items:
            assert f"**{placed.label}.** {placed.item.caption}" in prose
    assert [n for n in range(1, 9) if f"### Actividad {n}" not in prose] == []
    assert "<data" not in prose and "<span" not in prose
    assert r"\$5 and \$6 \<b\>" in raw and PRICE not in raw and "# A lab \\<1\\>" in raw


def test_an_unchanged_notebook_starts_no_kernel(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    store, lab, _, path = built
    monkeypatch.setattr(notebook, "execute", _forbidden)
    before = path.stat()
    assert build_notebook(store, lab, document_of(store, lab), path.parent) == path
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def _forbidden(*args: object, **options: object) -> None:
    raise AssertionError("a kernel was started")


def _pretended(book: Any, folder: Path, **options: object) -> None:
    for count, cell in enumerate((cell for cell in book.cells if cell.cell_type == "code"), 1):
        cell.execution_count = count
        cell.outputs = [nbformat.v4.new_output("stream", text="shown")]


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Quick:
    """A notebook whose cells were only pretended to run."""
    monkeypatch.setattr(notebook, "execute", _pretended)
    store, lab = pages.write_lab(tmp_path, prose=PROSE)
    path = build_notebook(store, lab, document_of(store, lab), tmp_path / "out")
    monkeypatch.setattr(notebook, "execute", _forbidden)
    return store, lab, path


def test_changed_prose_is_replaced_without_a_kernel(quick: Quick) -> None:
    store, lab, path = quick
    pages.write_prose(lab.templates, {"introduction": "Entirely new words.\n"})
    build_notebook(store, lab, document_of(store, lab), path.parent)
    assert "Entirely new words." in [cell.source for cell in cells_of(path, "markdown")]
    assert {shown(cell) for cell in cells_of(path, "code")} == {"shown"}
    assert not (path.parent / "report-edited.ipynb").exists()


@pytest.mark.parametrize("change", ["evidence", "language", "version", "cleared", "garbage"])
def test_what_has_it_executed_again(quick: Quick, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    store, lab, path = quick
    if change == "evidence":
        manifest = open_records(store, "demo").parts["2_1"].runs[0].run.folder / "manifest.json"
        manifest.write_text(json.dumps({**json.loads(manifest.read_bytes()), "seconds": 99.0}))
    elif change == "version":
        monkeypatch.setattr(notebook, "code_hash", lambda: "other")
    elif change == "cleared":
        book = json.loads(path.read_bytes())
        next(cell for cell in book["cells"] if cell["cell_type"] == "code")["outputs"] = []
        path.write_text(json.dumps(book))
    elif change == "garbage":
        path.write_text("{")
    document = document_of(store, lab, "en" if change == "language" else "es")
    with pytest.raises(AssertionError, match="a kernel was started"):
        build_notebook(store, lab, document, path.parent)
    with monkeypatch.context() as patch:
        patch.setattr(notebook, "execute", _pretended)
        build_notebook(store, lab, document, path.parent)
    build_notebook(store, lab, document, path.parent)


def test_a_notebook_edited_by_hand_is_kept_beside_the_new_one(quick: Quick) -> None:
    store, lab, path = quick
    book = nbformat.read(path, as_version=4)
    book.cells[0].source = "# My own title"
    nbformat.write(book, path)
    build_notebook(store, lab, document_of(store, lab), path.parent)
    assert nbformat.read(path, as_version=4).cells[0].source == "# My own title"  # nothing else changed: left alone
    pages.write_prose(lab.templates, {"introduction": "Entirely new words.\n"})
    build_notebook(store, lab, document_of(store, lab), path.parent)
    assert "Entirely new words." in path.read_text(encoding="utf-8")
    assert "# My own title" in (path.parent / "report-edited.ipynb").read_text(encoding="utf-8")


def test_a_failed_build_leaves_the_notebook_before(quick: Quick, monkeypatch: pytest.MonkeyPatch) -> None:
    store, lab, path = quick
    before = path.read_bytes()
    monkeypatch.setattr(notebook, "execute", kernel.execute)
    monkeypatch.setattr(notebook_cells, "OPEN", "raise SystemError({arguments!r})")
    with pytest.raises(CnnlabError, match="raised an error"):
        build_notebook(store, lab, document_of(store, lab), path.parent)
    assert path.read_bytes() == before and kernels() == set()
    assert [file.name for file in path.parent.iterdir()] == ["report.ipynb"]


def test_a_large_notebook_is_told_with_what_is_large(tmp_path: Path) -> None:
    path = tmp_path / "report.ipynb"
    small, large = new_code_cell("lab.figure(8, 'loss')"), new_code_cell("lab.gallery(9, 'best')")
    large.outputs = [nbformat.v4.new_output("stream", text="x" * 10_500_000)]
    nbformat.write(new_notebook(cells=[small]), path)
    assert too_large(path) == []
    nbformat.write(new_notebook(cells=[small, large]), path)
    assert re.fullmatch(r"report\.ipynb has 10\.5 MB, over 10 MB; .*", too_large(path)[0])
    assert "in cell 2 (lab.gallery(9, 'best')) 10.5 MB, cell 1" in too_large(path)[0]


def test_folders_above_the_project_are_not_told(quick: Quick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, lab, path = quick
    writer = notebook_cells.CellWriter(store, lab, document_of(store, lab), path.parent)
    assert 'open_lab("../demo.toml", runs="../runs", language="es"' in writer.cells()[3][1]
    assert writer.variables() == {}
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "homes" / "ana")
    elsewhere = notebook_cells.CellWriter(store, lab, document_of(store, lab), tmp_path / "homes/bob/out/demo")
    assert 'open_lab("demo.toml", language="es"' in elsewhere.cells()[3][1]
    assert "homes" not in str(elsewhere.cells()) and str(tmp_path) not in str(elsewhere.cells())
    assert elsewhere.variables() == {"CNNLAB_RUNS": str(store.root), "CNNLAB_LAB": str(lab.path)}


def test_the_lab_is_found_from_a_moved_notebook_and_mistakes_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CNNLAB_RUNS", raising=False)
    store, lab = pages.write_lab(tmp_path, prose=PROSE)
    below = tmp_path / "out" / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    found = open_lab("demo", runs="../nowhere", sections=SECTIONS)
    assert found.store.root == store.root and lab.stem in repr(found)
    for call, said in (
        (lambda: found.figure(8, "los-8"), "(?s)no such figure in 8.*loss-8"),
        (lambda: found.table(99, "results"), "no such section"),
        (lambda: found.recipe("clothes", "lenet"), "(?s)no such run.*clothes vgg19"),
    ):
        with pytest.raises(LabError, match=said):
            call()
    with pytest.raises(StoreError, match="not found"):
        open_lab("other", runs="runs", sections=SECTIONS)
    monkeypatch.chdir("/")
    monkeypatch.setenv("CNNLAB_RUNS", str(store.root))
    assert open_lab("demo", sections=SECTIONS).store.root == store.root


def test_galleries_and_charts_are_drawn_the_same_each_time() -> None:
    gallery: Any = pages.build_evidence(LabData("demo", {}, {}, {}), ENGLISH).items["mistakes"]
    for item in (samples(ENGLISH)["loss-8"], gallery):
        data, metadata = bundle(item, ENGLISH)
        assert data["image/png"] == bundle(item, ENGLISH)[0]["image/png"]
        assert metadata["image/png"]["alt"] == item.alt and metadata["image/png"]["width"] > 300


def test_a_pair_of_images_says_where_each_is_from() -> None:
    tiles = tuple(
        Exhibit(pixels=np.full((8, 8, 3), 40 * i, np.uint8), label=f"class {i}", origin="test" if i % 2 else "training")
        for i in range(6)
    )
    data, metadata = bundle(Gallery(caption="", alt="Three pairs", items=tiles, group=2), ENGLISH)
    assert data["text/plain"].splitlines()[1:3] == ["class 0 training", "class 1 test"]
    height, width = (metadata["image/png"][side] for side in ("height", "width"))
    assert height > width / 2, "pairs stay in one row: two rows of four images, not one of six"


def test_every_activity_of_the_report_has_words_and_cells(tmp_path: Path) -> None:
    store, lab = pages.write_lab(tmp_path, prose={})
    document = assemble(open_records(store, "demo"), lab, Language("es"))
    cells = notebook_cells.CellWriter(store, lab, document, tmp_path / "out").cells()
    starts = [index for index, (_, source) in enumerate(cells) if re.match(r"#{2,3} ", source)]
    activities = []
    for start, end in zip(starts, [*starts[1:], len(cells)], strict=True):
        if number := re.match(r"### Actividad (\d+): ", cells[start][1]):
            activities.append(int(number[1]))
            words = sum(len(source.split()) for kind, source in cells[start + 1 : end] if kind == "markdown")
            assert words > 30 and any(kind == "code" for kind, _ in cells[start:end]), activities
    assert activities == list(range(1, 14))
    steps = [step["code"] for step in STEPS]
    assert [source for _, source in cells if source in steps] == steps
    assert sum(source.startswith("run = lab.cached(") for _, source in cells) == 5
