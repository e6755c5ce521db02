"""The documents name what there is: every network, reader, command, lab and recipe key."""

from __future__ import annotations

import re

import pytest

from cnnlab.app import cli_data, cli_text
from cnnlab.app.cli import app
from cnnlab.lab import shipped_labs
from cnnlab.networks import find_network, network_names
from cnnlab.paths import modules
from cnnlab.spec import DatasetSpec, HubSource, NetworkOptions, Recipe, Split
from cnnlab.style import HouseStyle
from tests.command import ROOT

TEXT = "\n".join(
    path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
)
COMMANDS = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
GROUPS = {"data": cli_data.app, "commentary": cli_text.app}
GROUP_COMMANDS = [
    f"{group} {command.name or command.callback.__name__}"
    for group, commands in GROUPS.items()
    for command in commands.registered_commands
    if command.callback
]
KEYS = [
    *Recipe.model_fields,
    *DatasetSpec.model_fields,
    *NetworkOptions.model_fields,
    *Split.model_fields,
    *HubSource.model_fields,
    *HouseStyle.model_fields,
]


@pytest.mark.parametrize(
    "name", [*(find_network(name).TITLE for name in network_names()), *modules("cnnlab/readers"), *shipped_labs()]
)
def test_every_network_reader_and_lab_is_named(name: str) -> None:
    assert name in TEXT


@pytest.mark.parametrize("command", [*COMMANDS, *GROUP_COMMANDS])
def test_every_command_is_shown(command: str) -> None:
    assert re.search(rf"cnnlab {command}\b", TEXT)


@pytest.mark.parametrize("key", sorted(set(KEYS)))
def test_every_key_of_a_lab_is_documented(key: str) -> None:
    assert f"`{key}`" in TEXT


def test_pictures_and_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert target.startswith("http") or (ROOT / target).exists(), target
