"""The recipe that a search ended with. Light: planning a lab reads it where neither framework nor Optuna is needed."""

from __future__ import annotations

from pydantic import ValidationError

from cnnlab.errors import StoreError
from cnnlab.spec import SEARCHABLE, Recipe
from cnnlab.store.record import Record


def selected_recipe(recipe: Recipe, record: Record) -> Recipe:
    """`recipe` with the values that the search of this record selected.

    Raises:
        StoreError: the record selects nothing, or what no recipe can have.
    """
    selected = record.manifest.get("selected")
    if not isinstance(selected, dict) or not selected or set(selected) - set(SEARCHABLE):
        raise _damaged(record, selected)
    try:
        return Recipe.model_validate({**recipe.model_dump(), **selected})
    except ValidationError:
        raise _damaged(record, selected) from None


def _damaged(record: Record, selected: object) -> StoreError:
    return StoreError(
        "the search's record is damaged",
        where=f"{record.folder / 'manifest.json'}, selected",
        received=selected,
        expected=f"values of some of {', '.join(SEARCHABLE)}",
        hint="remove the record's folder and run the lab again",
    )
