"""The documents name what there is, lead where they say, quote what tests run, and stay short."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import typer

from cnnlab.app.cli import app
from cnnlab.lab import shipped_labs
from cnnlab.networks import find_network, network_names
from cnnlab.paths import modules
from cnnlab.spec import DatasetSpec, EarlyStopping, HubSource, NetworkOptions, Range, Recipe, SearchSpec, Split
from cnnlab.style import HouseStyle
from tests.command import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "runs/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
TEXT = "\n".join(text for page, text in TEXTS.items() if page.name != "CHANGELOG.md")
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KEYS = {
    key
    for spec in (
        DatasetSpec, EarlyStopping, HouseStyle, HubSource, NetworkOptions, Range, Recipe, SearchSpec, Split,
    )
    for key in spec.model_fields
}  # fmt: skip


def commands(group: click.Command, name: str = "cnnlab") -> dict[str, click.Command]:
    """Every command, by what one types."""
    if not isinstance(group, click.Group):
        return {name: group}
    return {
        typed: one for key, inner in group.commands.items() for typed, one in commands(inner, f"{name} {key}").items()
    }


COMMANDS = commands(typer.main.get_command(app))
OPTIONS = sorted(
    {word for one in COMMANDS.values() for option in one.params for word in option.opts if word[:2] == "--"}
)


@pytest.mark.parametrize(
    "name", [*(find_network(name).TITLE for name in network_names()), *modules("cnnlab/readers"), *shipped_labs()]
)
def test_every_network_reader_and_lab_is_named(name: str) -> None:
    assert name in TEXT


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_shown(command: str) -> None:
    assert re.search(rf"{command.removesuffix(' list') if 'commentary' in command else command}\b", TEXT)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_documented(option: str) -> None:
    assert re.search(rf"(?<![\w-]){option}(?![\w-])", TEXT)


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_key_of_a_lab_is_documented(key: str) -> None:
    assert re.search(rf"`(?:[^`\n]*\W)?{key}(?:\W[^`\n]*)?`", TEXT)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_files_are_there(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", FENCE.sub("", TEXTS[page])):
        if not target.startswith("http"):
            place = (page.parent / target).resolve() if target else page
            assert place.exists(), target
            assert not anchor or anchor in _anchors(place), f"{target}#{anchor}"
    if page.name != "CHANGELOG.md":
        for name in re.findall(
            r"`((?:cnnlab|report|tests|benchmarks|templates|labs)/[a-z0-9_/.-]+\.[a-z0-9]+)`", TEXTS[page]
        ):
            assert (ROOT / name).exists() or name.startswith("labs/mine"), name


def _anchors(page: Path) -> set[str]:
    """Of each heading, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize(
    ("fence", "block"), [one for text in TEXTS.values() for one in FENCE.findall(text) if "file=" in one[0]]
)
def test_quotes_are_what_the_tests_run(fence: str, block: str) -> None:
    """A block whose fence names a file, as `python file=tests/examples/reader.py`, stands in it; a line `# …` leaves out."""
    rest = (ROOT / fence.partition("file=")[2]).read_text(encoding="utf-8")
    for part in re.split(r"^ *# …\n", block, flags=re.MULTILINE):
        _, found, rest = rest.partition(part.strip("\n"))
        assert found, part


@pytest.mark.parametrize(("pattern", "most"), [("docs/*.md", 12_000), ("README.md", 900)])
def test_they_can_be_read(pattern: str, most: int) -> None:
    assert sum(len(path.read_text(encoding="utf-8").split()) for path in ROOT.glob(pattern)) <= most
