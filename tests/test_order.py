"""Every import goes to the room itself or to one that stands before it; type-checking and lazy imports count too."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import ROOT

ORDER = (
    "cnnlab.__init__", "cnnlab.errors", "cnnlab.toml_file", "cnnlab.paths", "cnnlab.spec", "cnnlab.style",
    "cnnlab.progress", "cnnlab.backend", "cnnlab.networks", "cnnlab.identity", "cnnlab.lab", "cnnlab.store",
    "cnnlab.datasets", "cnnlab.readers", "cnnlab.layers", "cnnlab.architectures", "cnnlab.training",
    "cnnlab.evaluation",
    "report.__init__", "report.data", "report.evidence", "report.figures", "report.activities", "report.document",
    "report.render", "report.notebook", "report.checks", "report.build", "report.preview",
    "cnnlab.app", "cnnlab.notebook", "cnnlab.__main__",
)  # fmt: skip
"""Rooms, each a file or a folder, from the ground up."""

SHARED = {"__init__", "errors", "spec", "identity", "lab", "style", "toml_file", "paths", "store", "networks"}
"""The rooms of `cnnlab` that `report` may enter."""


def _room(module: str) -> int:
    """Where a module stands; a package's own `__init__` belongs to the folder's room."""
    for place, room in enumerate(ORDER):
        if module == room or module.startswith(f"{room}.") or f"{module}.__init__" == room:
            return place
    raise AssertionError(f"{module} stands in no room: give it one in ORDER")


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module in ("cnnlab", "report"):
            for one in node.names:
                inner = (ROOT / node.module / f"{one.name}.py").exists() or (ROOT / node.module / one.name).is_dir()
                yield node.lineno, f"{node.module}.{one.name}" if inner else node.module
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""


def test_no_import_runs_backwards() -> None:
    wrong = []
    for path in (path for package in ("cnnlab", "report") for path in sorted((ROOT / package).rglob("*.py"))):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        own = _room(module.removesuffix(".__init__") if module.count(".") > 1 else module)
        for line, name in _imports(path):
            if name.split(".")[0] not in ("cnnlab", "report"):
                continue
            backwards = _room(name) > own
            foreign = module.startswith("report") and name.startswith("cnnlab.") and name.split(".")[1] not in SHARED
            if backwards or foreign:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


FRAMEWORKS = {"tensorflow", "keras"}
HEAVY = {"matplotlib", "scipy", "weasyprint", "pandas", "sklearn", "nbclient", "PIL", "fontTools", "optuna"}


def loaded_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running `code`."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return set(run.stdout.split())


def test_the_report_loads_no_framework_and_nothing_heavy_before_it_is_needed() -> None:
    assert loaded_after("import report.build, report.preview").isdisjoint(FRAMEWORKS | HEAVY)


@pytest.mark.parametrize("module", ["cnnlab.app.cli", "cnnlab.notebook", "cnnlab.store.store"])
def test_a_command_that_trains_nothing_loads_no_framework(module: str) -> None:
    assert loaded_after(f"import {module}").isdisjoint(FRAMEWORKS | HEAVY)
