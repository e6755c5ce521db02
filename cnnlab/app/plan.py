"""What a lab would train, and why: each training it asks for, whether it is cached, and else which input changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cnnlab.errors import StoreError
from cnnlab.identity import make_run_id, make_search_id, run_identity
from cnnlab.lab import Lab, Request
from cnnlab.spec import SEARCHABLE, Recipe, RunSpec
from cnnlab.store.record import Kind, Record
from cnnlab.store.store import RunStore

Key = tuple[str, str, int, int | None]
Entry = dict[str, Any]
"""Of a run, in the lab lock."""


@dataclass(frozen=True)
class PlannedRun:
    """One training of a lab: `id` is its record's, `why` says what makes it missing (empty when it is cached).

    `search` is the record of the search that its recipe comes from; as long as that is not there, `ready` is false and
    `spec` and `id` are those of the recipe that the search starts from.
    """

    spec: RunSpec
    id: str
    why: str
    search: str | None = None
    ready: bool = True
    flip: bool = False

    @property
    def cached(self) -> bool:
        """Whether there is nothing to train."""
        return not self.why

    @property
    def missing(self) -> bool:
        """Whether it would be trained now; what waits for a search is not."""
        return self.ready and not self.cached


def key_of(spec: RunSpec) -> Key:
    """Which training of a lab it is, whatever its recipe."""
    return spec.dataset, spec.network, spec.seed, spec.fold.index if spec.fold else None


def make_plan(lab: Lab, store: RunStore, fingerprints: Mapping[str, str]) -> list[PlannedRun]:
    """Every training that the lab asks for, in its order, compared with what is cached.

    Args:
        fingerprints: of each data set that the lab's runs use, by name.
    """
    before = locked_entries(lab, store)
    return [plan_run(request, store, fingerprints[request.spec.dataset], before) for request in lab.requests()]


def plan_run(
    request: Request, store: RunStore, fingerprint: str, before: Mapping[Key, Entry] | None = None
) -> PlannedRun:
    """One training, by the recipe that its search selected where it has one; a damaged record is as good as none.

    Args:
        fingerprint: of its data set.
        before: the lab's last trainings, to say what changed since.
    """
    spec, search = request.spec, None
    if request.search is not None:
        search = make_search_id(request.base, request.search, fingerprint)
        if why := _trouble(store, "search", search, "its search was never finished here"):
            return PlannedRun(spec, make_run_id(spec, fingerprint), why, search, ready=False)
        spec = spec.model_copy(update={"recipe": selected_recipe(spec.recipe, store.read("search", search))})
    run_id = make_run_id(spec, fingerprint)
    why = _trouble(store, "run", run_id, "never trained here")
    if why and not store.has("run", run_id) and (entry := (before or {}).get(key_of(spec))):
        with suppress(StoreError, ValueError):  # removed or damaged: there is nothing to compare with
            old = store.read("run", entry["run"]).json("spec.json")
            why = "; ".join(_changes(old, run_identity(spec, fingerprint))) or why
    return PlannedRun(spec, run_id, why, search, flip=request.flip)


def _trouble(store: RunStore, kind: Kind, record_id: str, absent: str) -> str:
    """Why a record cannot be used, as far as its manifest tells; "" when it can."""
    if not store.has(kind, record_id):
        return absent
    try:
        store.read(kind, record_id)
    except StoreError as problem:
        return f"its record is damaged: {problem.what}: {problem.where}"
    return ""


def locked_entries(lab: Lab, store: RunStore) -> dict[Key, Entry]:
    """The entries of the lab lock that name a run, by what they are of; none when the lab was never run here."""
    found: dict[Key, Entry] = {}
    with suppress(StoreError, KeyError, TypeError):  # never run here, or damaged, which the next run mends
        for one in store.read_lab(lab.stem)["runs"]:
            fold = one["fold"]["index"] if one.get("fold") else None
            found |= {(one["dataset"], one["network"], one["seed"], fold): one} if one["run"] else {}
    return found


def selected_recipe(recipe: Recipe, record: Record) -> Recipe:
    """`recipe` with the values that the search of this record selected.

    Raises:
        StoreError: the record selects nothing, or what no recipe can have.
    """
    selected = record.manifest.get("selected")
    with suppress(ValidationError):
        if isinstance(selected, dict) and selected and set(selected) <= set(SEARCHABLE):
            return Recipe.model_validate({**recipe.model_dump(), **selected})
    where, expected = f"{record.folder / 'manifest.json'}, selected", f"values of some of {', '.join(SEARCHABLE)}"
    hint = "remove the record's folder and run the lab again"
    raise StoreError("the search's record is damaged", where=where, received=selected, expected=expected, hint=hint)


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """`key: before -> after` for each leaf that differs; what `old` holds beyond `new` is no change."""
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            yield from _changes(before, value, f"{prefix}{key}.")
        elif before != value:
            old_text, new_text = (text[:8] if len(text) == 64 else text for text in (str(before), str(value)))
            yield f"{prefix}{key}: {old_text} -> {new_text}"
