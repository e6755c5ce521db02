"""The bibliography, read from `templates/literature.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

from cnnlab.networks import find_network, network_names
from cnnlab.paths import templates_dir


@dataclass(frozen=True)
class Reference:
    """An entry of the bibliography, as plain text; `short` is how a table names it, where authors and year would not do."""

    authors: str
    title: str
    venue: str
    year: int
    url: str = ""
    short: str = ""

    @property
    def named(self) -> str:
        """ "Simonyan & Zisserman 2015", "He et al. 2016"."""
        names = [author.split()[-1] for author in self.authors.split(", ")]
        return self.short or f"{' & '.join(names) if len(names) < 3 else f'{names[0]} et al.'} {self.year}"


_FILE = tomllib.loads((templates_dir() / "literature.toml").read_text(encoding="utf-8"))
_OF_NETWORKS = (getattr(find_network(name), "REFERENCES", {}) for name in network_names())
REFERENCES = {key: Reference(**entry) for found in (_FILE["references"], *_OF_NETWORKS) for key, entry in found.items()}


def dataset_reference(title: str) -> str:
    """Key of the reference that introduced the data set of this title, or empty."""
    return next((key for word, key in _FILE["datasets"].items() if word in title.lower()), "")
