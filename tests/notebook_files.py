"""Notebook files as tests compare them: their outputs, and the cells that are cheap enough to be run again."""

from __future__ import annotations

import copy
from typing import Any

COSTLY = ("modelVGG19", "build_network(", "shapes_only")
"""Cells that build networks of many million weights are run where the notebook is built, and not once more."""


def code_cells(book: dict[str, Any]) -> list[dict[str, Any]]:
    """The code cells of a notebook as read from its file."""
    return [cell for cell in book["cells"] if cell["cell_type"] == "code"]


def source(cell: dict[str, Any]) -> str:
    """A cell's source in one piece."""
    return "".join(cell["source"])


def shortened(book: dict[str, Any], *, cleared: bool = True) -> dict[str, Any]:
    """The notebook without its costly cells, and with no output when `cleared`; those that import stay."""
    book = copy.deepcopy(book)
    keep = [cell for cell in code_cells(book) if not costly(source(cell))]
    for cell in keep if cleared else []:
        cell["outputs"], cell["execution_count"] = [], None
    return {**book, "cells": keep}


def costly(text: str) -> bool:
    """Whether a cell builds a network."""
    return any(word in text for word in COSTLY) and "open_lab" not in text


def outputs(book: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    """Source and outputs of every code cell, without the numbers of execution."""
    return [(source(cell), [_plain(output) for output in cell["outputs"]]) for cell in code_cells(book)]


def _plain(output: dict[str, Any]) -> Any:
    data = {kind: "".join(content) for kind, content in output.get("data", {}).items()}
    return output["output_type"], "".join(output.get("text", "")), data
