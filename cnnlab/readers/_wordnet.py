"""Readable names of WordNet ids: "house finch" for n01532829."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_WNID = re.compile(r"n\d{8}")


@cache
def names() -> dict[str, str]:
    """English name by WordNet id, for the 100 classes of mini-ImageNet (names of ImageNet's classes, from WordNet)."""
    text = files("cnnlab.readers").joinpath("wordnet_names.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines()[1:])
    return dict(rows)


@cache
def _ids() -> dict[str, str]:
    return {_plain(name): wnid for wnid, name in names().items()}


def wordnet_id(label: str) -> str:
    """The WordNet id that a label is or names; the label itself when it is neither."""
    return label if _WNID.fullmatch(label) else _ids().get(_plain(label), label)


def readable(wnid: str) -> str:
    """The name of a WordNet id; the id itself when none is known."""
    return names().get(wnid, wnid)


def _plain(name: str) -> str:
    # Copies write "house_finch", and give all of WordNet's synonyms after a comma.
    return name.split(",")[0].replace("_", " ").strip().casefold()
