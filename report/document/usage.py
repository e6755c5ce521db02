"""What a commentary can call: the engine's functions and filters, each with an example and what it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Use(NamedTuple):
    """How something is called, and what for."""

    example: str
    purpose: str


FUNCTIONS: Mapping[str, Use] = {
    "figure": Use('{{ figure("name") }}', "places a figure; alone on its line"),
    "table": Use('{{ table("name") }}', "places a table; alone on its line"),
    "gallery": Use('{{ gallery("name") }}', "places images; alone on its line"),
    "listing": Use('{{ listing("name") }}', "places code with its output; alone on its line"),
    "ref": Use(
        '{{ ref("name") }}', 'refers to an item: “figure 3”; ref("activity-09/name"), ref("name", capital=true)'
    ),
    "cite": Use('{{ cite("key") }}', 'cites: “[2]”; cite("key", "key") for several'),
    "claim": Use(
        '{{ claim("resnet50 > vgg19") }}',
        'tests a comparison on the runs and prints what came of it; claim("…", on="validation accuracy", dataset="…")',
    ),
    "given": Use(
        '{{ given("7×7×512") }}',
        "a number that you answer for, as one of the assignment: it is printed and not checked",
    ),
    "lab": Use("{{ lab.title }}", "the lab file's title, authors and course"),
}
"""Names that the engine adds to those of the evidence."""

FILTERS: Mapping[str, Use] = {
    "interval": Use("{{ name|interval }}", "a number with its 95 % interval; interval(2) with two decimals"),
    "plain": Use("{{ name|plain }}", "a number without its unit; plain(2) with two decimals"),
    "signed": Use("{{ name|signed }}", "a number with its sign also where it is positive"),
    "join_words": Use("{{ names|join_words }}", "a list in words: “A, B and C”"),
}
"""Filters that the engine adds to Jinja's own."""

MOST_DIGITS = 9
