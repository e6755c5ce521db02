"""The document side loads no framework, and a rebuild nothing heavy."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import report

FRAMEWORKS = ("tensorflow", "keras", "jax", "torch")
HEAVY = ("matplotlib", "scipy", "weasyprint", "pandas", "statsmodels", "sklearn", "nbclient", "PIL", "fontTools")


def loaded_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running `code`."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=True, capture_output=True, text=True, cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    return set(run.stdout.split())


def test_no_module_of_the_report_loads_a_framework() -> None:
    names = [module.name for module in pkgutil.walk_packages(report.__path__, "report.")]
    assert {"report.build", "report.pdf", "report.html"} <= set(names)
    assert loaded_after("import " + ", ".join(names)).isdisjoint(FRAMEWORKS)


def test_the_build_alone_loads_nothing_heavy() -> None:
    assert loaded_after("import report.build").isdisjoint((*FRAMEWORKS, *HEAVY))


def test_a_rebuild_with_drawn_figures_draws_nothing(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from tests import pages\n"
        "from report.build import page\nfrom report.assembly import assemble\n"
        "from report.language import Language\nfrom report.records import open_lab\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "store, lab = pages.write_lab(folder / 'lab')\n"
        "document = assemble(open_lab(store, 'demo'), lab, Language('es'), sections=pages.SECTIONS,"
        " references=pages.REFERENCES)\n"
        "assert '<svg' in page(document, lab, folder / 'out', 'screen')\n"
    )
    assert "matplotlib" in loaded_after(code)
    again = loaded_after(code.replace("folder / 'lab'", "folder / 'again'"))
    assert again.isdisjoint((*FRAMEWORKS, "matplotlib", "scipy", "weasyprint", "fontTools"))


@pytest.mark.parametrize("module", ["report.pdf"])
def test_asking_for_pango_loads_neither_framework_nor_weasyprint(module: str) -> None:
    code = f"from {module} import pango_problem; pango_problem()"
    assert loaded_after(code).isdisjoint((*FRAMEWORKS, "weasyprint"))


def test_every_module_can_be_the_first_to_be_imported() -> None:
    names = [module.name for module in pkgutil.walk_packages(report.__path__, "report.")]
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    for loaded in [one for one in sys.modules if one.partition('.')[0] == 'report']:\n"
        "        del sys.modules[loaded]\n"
        "    importlib.import_module(name)\n"
    )
    assert "report" in loaded_after(code)
