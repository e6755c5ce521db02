"""Names of the evidence: those that a template mentions, and that of each quantity and each text with quantities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from jinja2 import nodes

from report.evidence import Quantity
from report.words import Words


def names_used(template: nodes.Template) -> frozenset[str]:
    """Every name that a parsed template mentions, as it is written there: `best`, `best.accuracy`."""
    return frozenset(filter(None, map(_dotted, template.find_all((nodes.Name, nodes.Getattr)))))


def _dotted(node: nodes.Node) -> str:
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr) and (owner := _dotted(node.node)):
        return f"{owner}.{node.attr}"
    return ""


def names_of_quantities(names: Mapping[str, Any]) -> dict[int, str]:
    """Dotted name by identity of every quantity, and every text with quantities, reachable from the evidence's names."""
    found: dict[int, str] = {}

    def walk(value: Any, name: str, depth: int) -> None:
        if isinstance(value, Quantity | Words):
            found.setdefault(id(value), name)
        elif depth == 0 or isinstance(value, str | bytes):
            return
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                walk(inner, f"{name}.{key}" if name else str(key), depth - 1)
        elif isinstance(value, list | tuple):
            for index, inner in enumerate(value):
                walk(inner, f"{name}.{index}", depth - 1)
        elif is_dataclass(value) and not isinstance(value, type):
            for part in fields(value):
                walk(getattr(value, part.name), f"{name}.{part.name}", depth - 1)

    walk(names, "", 5)
    return found
