"""Fixtures shared by all tests."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from report.data.records import LabData
    from tests.parity import Forms

LAB = """
    [lab]
    title = "A test"
    [datasets.shapes]
    reader = "folder"
    path = "images"
    image_size = 32
    split = { train = 0.6, validation = 0.2, test = 0.2 }
    [recipes.short]
    epochs = 2
    learning_rate = 0.01
    batch_size = 8
    [[runs]]
    dataset = "shapes"
    networks = ["alexnet"]
    recipe = "short"
    [report]
    part_2_1 = "shapes"
"""


@pytest.fixture
def write_lab(tmp_path: Path) -> Callable[..., Path]:
    """Write a lab file; `edits` replaces text in a small valid one."""

    def write(edits: dict[str, str] | None = None, *, name: str = "mine.toml", extra: str = "") -> Path:
        text = textwrap.dedent(LAB)
        for old, new in (edits or {}).items():
            assert old in text, f"{old!r} is not in the test's lab file"
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(text + textwrap.dedent(extra), encoding="utf-8")
        return path

    return write


@pytest.fixture
def lab(tmp_path: Path) -> Callable[..., LabData]:
    """Makes fabricated records of the lab `demo`, each time in a folder of their own."""
    from tests.reports import make_lab

    return partial(make_lab, tmp_path)


@pytest.fixture(scope="session")
def trained_lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lab that was run once; no test changes it."""
    from tests.trained_lab import train_lab

    return train_lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def small_report() -> Iterator[None]:
    """The engine with the small sections of `tests.pages` in place of the assignment's."""
    from report.document import assembly
    from tests.pages import REFERENCES, SECTIONS

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembly, "assemble", partial(assembly.assemble, sections=SECTIONS, references=REFERENCES))
        yield


@pytest.fixture(scope="session")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Forms]:
    """One report with everything in it, by language, as page, paper, PDF and notebook."""
    from tests.parity import Forms

    return cache(lambda code: Forms(tmp_path_factory.mktemp(f"forms-{code}"), code))
