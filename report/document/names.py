"""Names of the evidence: those that a template mentions, and that of everything that one can mention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from jinja2 import nodes

from report.evidence.quantity import Quantity
from report.evidence.words import Words

DEEPEST = 5
"""Levels of names that are followed: `pairs.0.difference` has three."""


def names_used(template: nodes.Template) -> frozenset[str]:
    """Every name that a parsed template mentions, as it is written there: `best`, `best.accuracy`."""
    return frozenset(filter(None, map(_dotted, template.find_all((nodes.Name, nodes.Getattr)))))


def _dotted(node: nodes.Node) -> str:
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr) and (owner := _dotted(node.node)):
        return f"{owner}.{node.attr}"
    return ""


def named_values(names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dotted name and value of everything reachable from the evidence's names, what holds others before them."""
    for name, value in names.items():
        yield from _below(value, str(name), DEEPEST - 1)


def _below(value: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    yield name, value
    if depth > 0:
        for key, inner in parts(value):
            yield from _below(inner, f"{name}.{key}", depth - 1)


def parts(value: Any) -> list[tuple[str, Any]]:
    """What a value holds, by the name that a template reaches it with; nothing of a quantity or a text."""
    if isinstance(value, Quantity | str | bytes):
        return []
    if isinstance(value, Mapping):
        return [(str(key), inner) for key, inner in value.items()]
    if isinstance(value, list | tuple):
        return [(str(index), inner) for index, inner in enumerate(value)]
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        found = [field.name for field in fields(value)]
        found += [key for key in dir(kind) if not key.startswith("_") and isinstance(getattr(kind, key), property)]
        return [(key, getattr(value, key)) for key in found]
    return []


def named_quantities(names: Mapping[str, Any]) -> list[tuple[str, Quantity]]:
    """Dotted name and value of every quantity reachable from the evidence's names."""
    return [(name, value) for name, value in named_values(names) if isinstance(value, Quantity)]


def names_of_quantities(names: Mapping[str, Any]) -> dict[int, str]:
    """Dotted name by identity of every quantity, and every text with quantities; the first where it has several."""
    found: dict[int, str] = {}
    for name, value in named_values(names):
        if isinstance(value, Quantity | Words):
            found.setdefault(id(value), name)
    return found
