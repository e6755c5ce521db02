"""Who may import whom, read from the source: the two halves meet at the run store and nowhere else."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import ROOT

CORE = {
    "cnnlab.disk",
    "cnnlab.locks",
    "cnnlab.mending",
    "cnnlab.selection",
    "cnnlab.signals",
    "cnnlab.errors",
    "cnnlab.record",
    "cnnlab.registry",
    "cnnlab.spec",
    "cnnlab.store",
    "cnnlab.lab",
    "cnnlab.house_style",
    "cnnlab.resources",
    "cnnlab.toml_file",
}
FRAMEWORKS = {"tensorflow", "keras", "torch", "jax", "mlxtend"}
HEAVY = {
    "matplotlib",
    "pandas",
    "scipy",
    "statsmodels",
    "sklearn",
    "weasyprint",
    "PIL",
    "nbclient",
    "nbformat",
    "IPython",
}
FULL = {
    "cnnlab.pipeline",
    "cnnlab.cli",
    "cnnlab.cli_bundle",
    "cnnlab.cli_check",
    "cnnlab.cli_commentary",
    "cnnlab.cli_preview",
    "cnnlab.cli_training",
    "cnnlab.cli_verify",
    "cnnlab.notebook",
    "cnnlab.__main__",
}

ALLOWED_THIRD_PARTY = {
    "cnnlab.errors": set(),
    "cnnlab.registry": set(),
    "cnnlab.spec": {"pydantic"},
    "cnnlab.lab": {"pydantic"},
    "cnnlab.house_style": {"pydantic"},
    "cnnlab.submission": set(),
    "cnnlab.store": {"numpy"},
    "cnnlab.resources": {"platformdirs"},
    "cnnlab.toml_file": {"pydantic"},
    "cnnlab.plan": set(),
    "cnnlab.selection": {"pydantic"},
    "cnnlab.commentary_copy": set(),
}


def modules() -> dict[str, Path]:
    found = {}
    for package in ("cnnlab", "report"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(path: Path, *, lazily: bool = True) -> Iterator[str]:
    """Dotted names that a file imports; without `lazily`, only those of its top level (and not for typing alone)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if lazily else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (
                f"{node.module}.{alias.name}" for alias in node.names if f"{node.module}.{alias.name}" in MODULES
            )


def outside(path: Path) -> set[str]:
    names = {name.split(".")[0] for name in imports(path)}
    return names - set(sys.stdlib_module_names) - {"cnnlab", "report"}


@pytest.mark.parametrize("module", sorted(ALLOWED_THIRD_PARTY))
def test_the_core_needs_little(module: str) -> None:
    assert outside(MODULES[module]) <= ALLOWED_THIRD_PARTY[module]
    ours = {name for name in imports(MODULES[module]) if name in MODULES and name != "cnnlab"}
    assert ours <= CORE


@pytest.mark.parametrize("module", sorted(name for name in MODULES if name.split(".")[0] == "report"))
def test_the_document_side_knows_no_framework(module: str) -> None:
    assert not outside(MODULES[module]) & FRAMEWORKS
    ours = {name for name in imports(MODULES[module]) if name.startswith("cnnlab") and name in MODULES}
    assert ours <= CORE | {"cnnlab", "cnnlab.notebook"}
    top = {name.split(".")[0] for name in imports(MODULES[module], lazily=False)}
    assert not top & HEAVY, "heavy libraries are imported where they are used"


@pytest.mark.parametrize("module", sorted(name for name in MODULES if name.startswith("cnnlab") and name not in FULL))
def test_the_evidence_side_knows_no_document(module: str) -> None:
    assert not [name for name in imports(MODULES[module]) if name.split(".")[0] == "report"]


def test_tensorflow_is_named_in_few_places() -> None:
    direct = {name for name, path in MODULES.items() if "tensorflow" in {n.split(".")[0] for n in imports(path)}}
    assert direct == {"cnnlab.backend"}
    networks = [path for name, path in MODULES.items() if name.startswith("cnnlab.networks.")]
    assert [path.stem for path in networks if "tf." in path.read_text(encoding="utf-8")] == ["convolution", "layers"]
