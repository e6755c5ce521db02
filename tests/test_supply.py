"""What the project's own code may not do, and which versions of its libraries it may not be installed with."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for package in ("cnnlab", "report") for path in (ROOT / package).rglob("*.py"))
RUNS_CODE = {
    "cnnlab/architectures/construction.py": "exec",  # the listings of Part 1, constants of that file
    "cnnlab/datasets/unpickle.py": "pickle",  # the published mini-ImageNet; exact names, bounded memory
}
MENDED = {
    "fonttools": "4.61.0", "jinja2": "3.1.6", "keras": "3.13.2", "nbconvert": "7.17.1", "pyarrow": "14.0.1",
    "torch": "2.6.0", "weasyprint": "70.0",
}  # fmt: skip
"""The first version without the faults that docs/security.md names."""
COLAB = """
babel==2.18.0 fonttools==4.63.0 h5py==3.16.0 ipykernel==6.17.1 jinja2==3.1.6 keras==3.13.2
markdown-it-py==4.2.0 matplotlib==3.10.0 mlxtend==0.23.4 nbclient==0.10.4 nbformat==5.11.1 numpy==2.1.3 pandas==2.2.3
pillow==11.3.0 platformdirs==4.11.3 psutil==5.9.5 pydantic==2.13.4 pygments==2.21.0 rich==13.9.4
scikit-learn==1.6.1 scipy==1.16.3 tensorflow==2.20.0 typer==0.27.1
"""
"""What Google Colab had in August 2026, on Python 3.13; replacing one of them in a running session breaks it."""


def dangers(source: str) -> set[str]:
    """The kinds of dangerous things that a module does."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            options = {option.arg: ast.unparse(option.value) for option in node.keywords}
            found |= {called, called.rpartition(".")[2]}
            if called == "np.load" and options.get("allow_pickle") != "False":
                found.add("np.load with pickles")
            found |= {f"{name}={value}" for name, value in options.items()}
    unsafe = {"pickle", "dill", "joblib", "marshal", "yaml", "eval", "exec", "os.system", "popen", "mktemp", "shell=True",
              "safe_mode=False", "np.load with pickles", "keras.models.load_model", "keras.saving.load_model",
              "allow_pickle=True", "trust_remote_code=True", "verify=False", "shelve"}  # fmt: skip
    return found & unsafe


def test_no_module_runs_what_it_reads() -> None:
    for path in SOURCES:
        allowed = {RUNS_CODE[name]} if (name := str(path.relative_to(ROOT))) in RUNS_CODE else set()
        assert dangers(path.read_text(encoding="utf-8")) <= allowed, name
    for line, danger in {
        "import pickle": "pickle",
        "from pickle import loads": "pickle",
        "np.load('a.npy')": "np.load with pickles",
        "keras.saving.load_model('m')": "keras.saving.load_model",
        "subprocess.run('ls', shell=True)": "shell=True",
        "os.system('ls')": "os.system",
        "eval('1')": "eval",
    }.items():
        assert dangers(line) == {danger}


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize(("library", "version"), MENDED.items())
def test_versions_with_known_faults_are_refused(library: str, version: str) -> None:
    bounds = [one.specifier for one in requirements() if one.name.lower() == library]
    assert bounds
    lower = [Version(part.version) for bound in bounds for part in bound if part.operator == ">="]
    assert min(lower) >= Version(version) and len(lower) == len(bounds)
    assert f"{library} {version}" in (ROOT / "docs/security.md").read_text(encoding="utf-8").lower()


def test_colab_keeps_every_library_that_it_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert SpecifierSet(project["requires-python"]).contains("3.13.15")
    there = dict(line.split("==") for line in COLAB.split())
    missing = set()
    for one in map(Requirement, project["dependencies"]):
        if one.name in there:
            assert one.specifier.contains(there[one.name]), f"{one} would replace {there[one.name]}"
        else:
            missing.add(one.name)
    fonts = {"fontpkg-source-code-pro", "fontpkg-source-sans-3", "fontpkg-source-serif-4"}
    assert missing == {*fonts, "imagehash", "weasyprint"}


PINNED = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()))


def test_every_pinned_version_is_one_that_the_project_accepts() -> None:
    for one in requirements():
        name = one.name.lower().replace("_", "-")
        if name in PINNED:
            assert one.specifier.contains(PINNED[name]), f"{one} is pinned as {PINNED[name]}"


def test_every_pinned_version_is_one_that_debian_12_can_install() -> None:
    here = {found.name.lower(): found for found in distributions()}
    pinned = [here[name] for name, version in PINNED.items() if name in here and here[name].version == version]
    assert len(pinned) > 100
    for found in pinned:
        versions = found.metadata["Requires-Python"] or ""
        assert SpecifierSet(versions).contains("3.11.2"), f"{found.name} {found.version} asks for Python {versions}"
