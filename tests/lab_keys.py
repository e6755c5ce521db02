"""The keys of a lab file as tables of Markdown, made from its types: `python -m tests.lab_keys` writes them into docs/lab.md."""

from __future__ import annotations

import json
import re
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from cnnlab import spec
from cnnlab.lab import LabInfo, ReportSpec, RunGroup
from cnnlab.style import HouseStyle
from tests.command import ROOT

PAGE = ROOT / "docs" / "lab.md"
TABLES: dict[str, type[BaseModel]] = {
    "[lab]": LabInfo,
    "[datasets.NAME]": spec.DatasetSpec,
    "[datasets.NAME.split]": spec.Split,
    "[datasets.NAME.hub]": spec.HubSource,
    "[networks.NETWORK]": spec.NetworkOptions,
    "[recipes.NAME]": spec.Recipe,
    "[recipes.NAME.early_stopping]": spec.EarlyStopping,
    "[searches.NAME]": spec.SearchSpec,
    "{ low, high, log }": spec.Range,
    "[[runs]]": RunGroup,
    "[report]": ReportSpec,
    "[style]": HouseStyle,
}
PLAIN = {bool: "true, false", int: "whole number", float: "number"}


def kind(annotation: Any) -> str:
    """What a value may be, in words."""
    origin, inner = get_origin(annotation), [one for one in get_args(annotation) if one is not NoneType]
    if origin is Annotated:
        return kind(inner[0])
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in inner)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(kind, inner)))
    if origin is tuple:
        return f"list of {kind(inner[0])}"
    if origin is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return "table"
    return PLAIN.get(annotation, "text")


def table(model: type[BaseModel]) -> str:
    """A row a key: its name, what it may be, its default, what it does."""
    rows = ["| key | value | default | what it does |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        plain = not isinstance(field.default, BaseModel) and field.default not in (None, (), {})
        default = "**needed**" if field.is_required() else f"`{json.dumps(field.default)}`" if plain else ""
        rows.append(f"| `{name}` | {kind(field.annotation)} | {default} | {field.description or ''} |")
    return "\n".join(rows)


def written(page: str) -> str:
    """The page with the table of each heading as the types have it."""
    for heading, model in TABLES.items():
        place = rf"(?ms)(^#+ `{re.escape(heading)}`\n\n)(?:\|[^\n]*\n)*"
        assert len(re.findall(place, page)) == 1, heading
        page = re.sub(place, lambda found, model=model: f"{found[1]}{table(model)}\n", page)  # type: ignore[misc]
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
