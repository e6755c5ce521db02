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
from report.build import page
from report.data.records import LabData
from report.data.records import open_lab as open_records
from report.document.assembly import assemble
from report.document.model import Document
from report.document.provenance import printed
from report.evidence.language import Language
from report.evidence.quantity import Exhibit, Gallery
from report.figures.theme import SCREEN
from report.notebook import build as notebook
from report.notebook import kernel
from report.notebook import writer as notebook_cells
from report.notebook.build import build_notebook, too_large
from report.notebook.code import run_cell
from report.notebook.kernel import has_output
from report.notebook.outputs import _grid, bundle
from tests import pages
from tests.fabricate_architectures import _construction, _vgg19_layers
from tests.figure_samples import samples
from tests.notebook_pages import PRICE, PROSE, SECTIONS, kernels

Built = tuple[RunStore, Lab, Document, Path]
Quick = tuple[RunStore, Lab, Path]


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


def unescaped(markdown: str) -> str:
    return re.sub(r"\\([^\w\s])", r"\1", markdown)


def test_every_cell_was_run_and_shows_something(built: Built) -> None:
    path = built[3]
    found = nbformat.read(path, as_version=4)
    nbformat.validate(found)
    code = cells_of(path, "code")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert all(map(has_output, code))
    assert found.metadata.kernelspec.name == "python3" and found.metadata.language_info.name == "python"
    assert path.stat().st_size < 10_000_000
    scrolled = {cell.source: cell.metadata for cell in code}
    assert scrolled["from cnnlab.networks import vgg19\n\nprint(inspect.getsource(vgg19))"] == {"scrolled": True}
    assert scrolled['lab.table(7, "results")'] == {}
    logs = [shown(cell) for cell in code]
    assert not [text for text in logs if "oneDNN" in text or "absl" in text or "Warning" in text]


def test_part_1_is_built_for_real_in_the_assignments_style(built: Built) -> None:
    code = cells_of(built[3], "code")
    sources = [cell.source for cell in code]
    steps = [step["code"] for step in _construction(_vgg19_layers())]
    assert [source for source in sources if source in steps] == steps
    assert shown(code[sources.index(steps[0])]).split("\n")[:2] == ["(None, 224, 224, 64)", "(None, 112, 112, 64)"]
    summaries = [cell for cell in code if cell.source == "modelVGG19.summary()"]
    totals = [re.search(r"Total params: ([\d,]+)", shown(cell))[1] for cell in summaries]  # type: ignore[index]
    assert totals == ["260,160", "2,325,568", "20,024,384", "20,024,384", "122,788,928", "143,667,240"]
    assert all(cell.outputs[1]["data"]["text/html"].startswith("<pre") for cell in summaries)


def test_the_fabricated_construction_is_the_projects_own() -> None:
    fabricated = {step["block"]: step for step in _construction(_vgg19_layers())}
    assert {block: step["code"] for block, step in fabricated.items()} == {row[0]: row[2] for row in _listings()}


def test_part_2_shows_network_recipe_and_training(built: Built) -> None:
    code = {cell.source: cell for cell in cells_of(built[3], "code")}
    built_cell = code['model = build_network("vgg19", image_size=32, classes=4)\nmodel.summary()']
    assert "Total params: 38,923,332" in shown(built_cell)
    assert "def build(" in shown(code["from cnnlab.networks import vgg19\n\nprint(inspect.getsource(vgg19))"])
    assert "'learning_rate': 0.02" in shown(code['lab.recipe("clothes", "vgg19")'])
    run = built[2].lab.parts["2_1"].of("vgg19")[0]
    source = next(source for source in code if source.startswith('run = lab.cached("clothes", "vgg19")'))
    assert 'spec = lab.spec("clothes", "vgg19")' in source and "trained = train_model(" in source
    assert "budget_seconds=None" in source and "flip" not in source
    trained = shown(code[source])
    assert run.run.id in trained and "val_accuracy" in trained and "6 of 6 epochs" in trained
    step = next(shown(code[source]) for source in code if "Trainer._traced_step" in source)
    assert "categorical_crossentropy(targets, probabilities)" in step and "optimizer.apply(gradients" in step


def test_trainings_come_before_what_is_shown_of_them(built: Built) -> None:
    sources = [cell.source for cell in nbformat.read(built[3], as_version=4).cells]
    training = sources.index("### Las redes y su entrenamiento")
    last = max(index for index, source in enumerate(sources) if source.startswith("run = lab.cached("))
    activity = next(index for index, source in enumerate(sources) if source.startswith("### Actividad 7"))
    assert training < last < activity
    assert sum("Trainer._traced_step" in source for source in sources) == 1


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
    code = {cell.source: cell for cell in cells_of(built[3], "code")}
    curve = code['lab.figure(8, "loss-8")'].outputs[0]
    placed = next(item for item in built[2].section("activity-08").items if item.name == "loss-8")
    assert curve["data"]["text/plain"] == curve["metadata"]["image/png"]["alt"] == placed.item.alt  # type: ignore[union-attr]
    assert curve["data"]["image/png"].startswith("iVBORw0KGgo")
    table = code['lab.table(7, "results")'].outputs[0]["data"]
    assert "&lt;script&gt;" in table["text/html"] and "<script>" not in table["text/html"]
    assert table["text/html"].count("<strong>★ 71,0") == 2
    assert "mathjax_ignore" in table["text/html"]
    assert (table["text/html"].count("<tr>"), table["text/html"].count("<td"), table["text/html"].count("&lt;td")) == (
        4,
        9,
        0,
    )
    assert table["text/plain"].splitlines()[1].split("  ")[0] == "VGG-19"
    assert "→ <script>alert(1)</script> 90,0" in code['lab.gallery(7, "mistakes")'].outputs[0]["data"]["text/plain"]


def test_prose_numbers_and_captions_are_those_of_the_page(built: Built) -> None:
    _, lab, document, path = built
    prose = unescaped("\n".join(cell.source for cell in cells_of(path, "markdown")))
    outputs = "\n".join(shown(cell) for cell in cells_of(path, "code"))
    html = page(document, lab, path.parent, "screen")
    quantities = printed(document)["quantities"]
    assert len(quantities) > 12
    for entry in quantities:
        assert entry["text"] in (prose + outputs), entry
        assert entry["text"] in html, entry
    for section in document.sections:
        assert f"{'#' * section.level} {section.heading}" in prose
        for placed in section.items:
            assert f"**{placed.label}.** {placed.item.caption}" in prose
    assert [n for n in range(1, 9) if f"### Actividad {n}" not in prose] == []
    assert "<data" not in prose and "<span" not in prose
    raw = "\n".join(cell.source for cell in cells_of(path, "markdown"))
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


def test_changed_evidence_is_executed_again(quick: Quick, monkeypatch: pytest.MonkeyPatch) -> None:
    store, lab, path = quick
    run = open_records(store, "demo").parts["2_1"].runs[0].run
    manifest = json.loads((run.folder / "manifest.json").read_bytes())
    (run.folder / "manifest.json").write_text(json.dumps({**manifest, "seconds": 99.0}))
    with pytest.raises(AssertionError, match="a kernel was started"):
        build_notebook(store, lab, document_of(store, lab), path.parent)
    monkeypatch.setattr(notebook, "execute", _pretended)
    build_notebook(store, lab, document_of(store, lab), path.parent)
    monkeypatch.setattr(notebook, "execute", _forbidden)
    build_notebook(store, lab, document_of(store, lab), path.parent)


@pytest.mark.parametrize("change", ["language", "version", "cleared", "garbage"])
def test_what_else_has_it_executed_again(quick: Quick, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    store, lab, path = quick
    if change == "version":
        monkeypatch.setattr(notebook, "code_hash", lambda: "other")
    elif change == "cleared":
        book = json.loads(path.read_bytes())
        next(cell for cell in book["cells"] if cell["cell_type"] == "code")["outputs"] = []
        path.write_text(json.dumps(book))
    elif change == "garbage":
        path.write_text("{")
    with pytest.raises(AssertionError, match="a kernel was started"):
        build_notebook(store, lab, document_of(store, lab, "en" if change == "language" else "es"), path.parent)


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
    assert 'open_lab("../demo.toml", runs="../runs", language="es")' in writer.cells()[3][1].replace(
        ", sections=SECTIONS", ""
    )
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
    assert found.store.root == store.root
    with pytest.raises(LabError, match="no such figure in 8") as mistake:
        found.figure(8, "los-8")
    assert "loss-8" in str(mistake.value)
    with pytest.raises(LabError, match="no such section"):
        found.table(99, "results")
    with pytest.raises(LabError, match="no such run") as missing:
        found.recipe("clothes", "lenet")
    assert "clothes vgg19" in str(missing.value)
    with pytest.raises(StoreError, match="not found"):
        open_lab("other", runs="runs", sections=SECTIONS)
    monkeypatch.chdir("/")
    monkeypatch.setenv("CNNLAB_RUNS", str(store.root))
    assert open_lab("demo", sections=SECTIONS).store.root == store.root
    assert lab.stem in repr(found)


def test_galleries_and_charts_are_drawn_the_same_each_time() -> None:
    language = Language("en")
    figure, gallery = _items(language)
    for item in (figure, gallery):
        data, metadata = bundle(item, language)
        assert data["image/png"] == bundle(item, language)[0]["image/png"]
        assert metadata["image/png"]["alt"] == item.alt and metadata["image/png"]["width"] > 300


def test_a_pair_of_images_stays_in_one_row_and_says_where_each_is_from() -> None:
    tiles = tuple(
        Exhibit(pixels=np.full((8, 8, 3), 40 * i, np.uint8), label=f"class {i}", origin="test" if i % 2 else "training")
        for i in range(6)
    )
    gallery = Gallery(caption="", alt="Three pairs", items=tiles, group=2)
    first = _grid(gallery, [["x"]] * 6, SCREEN).axes[0].get_subplotspec()
    assert first is not None and first.get_gridspec().ncols == 4
    data, _ = bundle(gallery, Language("en"))
    assert data["text/plain"].splitlines()[1:3] == ["class 0 training", "class 1 test"]


def _items(language: Language) -> tuple[Any, Any]:
    class NoParts:
        parts: dict[str, Any] = {}

    return samples(language)["loss-8"], pages.build_evidence(LabData("demo", {}, {}, {}), language).items["mistakes"]


def test_every_activity_of_the_report_has_an_answer_and_cells_that_can_show_its_items(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, lab = pages.write_lab(tmp_path, prose={})
    document = assemble(open_records(store, "demo"), lab, Language("es"))
    cells = notebook_cells.CellWriter(store, lab, document, tmp_path / "out").cells()
    starts = [i for i, (_, source) in enumerate(cells) if re.match(r"#{2,3} ", source)]
    activities = {}
    for start, end in zip(starts, [*starts[1:], len(cells)], strict=True):
        if number := re.match(r"### Actividad (\d+): ", cells[start][1]):
            activities[int(number[1])] = cells[start + 1 : end]
    assert list(activities) == list(range(1, 14))
    for number, answer in activities.items():
        assert any(kind == "code" for kind, _ in answer), number
        words = sum(len(source.split()) for kind, source in answer if kind == "markdown")
        assert words > 30, number
    sources = [source for kind, source in cells if kind == "code"]
    calls = [source for source in sources if re.match(r"lab\.(figure|table|gallery|recipe)\(", source)]
    opened, shown_items = open_lab("demo", runs=store.root, language="es"), []
    monkeypatch.setattr(opened, "_show", shown_items.append)
    for call in calls:
        eval(call, {"lab": opened})
    placed = [item.item for section in document.sections for item in section.items]
    assert [item.caption for item in shown_items] == [i.caption for i in placed if not hasattr(i, "code")]
    expected = [step["code"] for step in _construction(_vgg19_layers())]
    assert [source for source in sources if source in expected] == expected
    assert sum(source.startswith("run = lab.cached(") for source in sources) == 5
