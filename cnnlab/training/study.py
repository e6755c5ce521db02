"""The Optuna study of a search: its space, its sampler and pruner, and the journal that it is resumed from."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from cnnlab.errors import LabError
from cnnlab.spec import Range, Recipe, SearchSpec
from cnnlab.store import files

if TYPE_CHECKING:
    import optuna

PRUNING_TRIALS, PRUNING_EPOCHS = 4, 1
"""No trial is cut short before so many are complete, and none in its first epochs."""

_STARTUP_TRIALS = 10
_STUDY = "search"


def require_optuna() -> None:
    """Say how to install Optuna where it is missing.

    Raises:
        LabError: it is not installed.
    """
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise LabError("a search needs Optuna, which is not installed", hint='pip install "cnnlab[search]"') from None


def open_study(path: Path, search: SearchSpec, recipe: Recipe, warn: Callable[[str], None]) -> optuna.Study:
    """The study with the finished trials of the journal `path`, which is made where there is none.

    A trial that was running when its process ended is left out, so that it is made again under its own number; so are
    a line that was not written to its end and a lock that a killed process left behind. Of a damaged journal, which
    `warn` is told, the trials before the damage are kept. The caller's lock keeps other processes out.

    Raises:
        Unwritable: the journal cannot be written.
    """
    fresh = path.with_name("journal.new")
    try:
        for left_over in (fresh, *(path.with_name(f"{one.name}.lock") for one in (path, fresh))):
            left_over.unlink(missing_ok=True)
        finished = _salvaged(path, warn) if path.exists() else []
        _journal(fresh, search).add_trials(finished)
        files.sync(fresh)
        fresh.replace(path)
        study = _journal(path, search)
        if not finished and (own := _own_params(recipe, search)) is not None:
            study.enqueue_trial(own)
    except OSError as problem:
        raise files.unwritable(problem, path) from None
    return study


def _salvaged(path: Path, warn: Callable[[str], None]) -> list[optuna.trial.FrozenTrial]:
    """The finished trials of a journal, or of what comes before its first damaged line."""
    lines = path.read_bytes().split(b"\n")[:-1]
    sound = list(itertools.takewhile(_is_entry, lines))
    try:
        if len(sound) == len(lines):
            return _finished(path)
        before = path.with_name("journal.before")
        before.write_bytes(b"".join(line + b"\n" for line in sound))
        finished = _finished(before)
    except (ValueError, KeyError, TypeError, AssertionError):
        finished = []
    kept = path.with_name("journal.damaged")
    path.replace(kept)
    warn(f"the journal of an interrupted search is damaged, of its trials {len(finished)} can be kept: {kept}")
    return finished


def _is_entry(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _finished(path: Path) -> list[optuna.trial.FrozenTrial]:
    """The finished trials of a journal, which is only read; none when it ends before its study begins."""
    import optuna

    storage = _storage(path)  # which reads the whole journal
    if _STUDY not in optuna.get_all_study_names(storage):
        return []
    trials = optuna.load_study(study_name=_STUDY, storage=storage).trials
    return [trial for trial in trials if trial.state.is_finished()]


def _storage(path: Path) -> optuna.storages.JournalStorage:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    return optuna.storages.JournalStorage(JournalFileBackend(str(path)))


def _journal(path: Path, search: SearchSpec) -> optuna.Study:
    import optuna

    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if search.pruning == "median":
        pruner = optuna.pruners.MedianPruner(n_startup_trials=PRUNING_TRIALS, n_warmup_steps=PRUNING_EPOCHS)
    return optuna.create_study(
        storage=_storage(path),
        study_name=_STUDY,
        direction="maximize",
        pruner=pruner,
        load_if_exists=True,
    )


def sampler(search: SearchSpec, done: int) -> optuna.samplers.TPESampler:
    """A sampler whose draws depend on the search's seed, on how many trials are done, and on these trials alone."""
    import optuna

    seed = int(np.random.SeedSequence([search.seed, done]).generate_state(1)[0])
    startup = min(_STARTUP_TRIALS, max(1, search.trials // 2))
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)


def suggested(trial: optuna.Trial, search: SearchSpec) -> dict[str, Any]:
    """The trial's value of each varied key, as JSON."""
    params: dict[str, Any] = {}
    for key in search.varied:
        space = getattr(search, key)
        if isinstance(space, Range):
            params[key] = trial.suggest_float(key, space.low, space.high, log=space.log)
        elif key == "augmentation":
            named = {augmentation_name(names): sorted(set(names)) for names in space}
            params[key] = named[trial.suggest_categorical(key, list(named))]
        else:
            params[key] = trial.suggest_categorical(key, list(dict.fromkeys(space)))
    return params


def _own_params(recipe: Recipe, search: SearchSpec) -> dict[str, Any] | None:
    """The recipe's own values of what is varied, as Optuna knows them; None when one lies outside the space."""
    own: dict[str, Any] = {}
    for key in search.varied:
        space, value = getattr(search, key), getattr(recipe, key)
        if isinstance(space, Range):
            inside = space.low <= value <= space.high
        else:
            inside = value in ([tuple(sorted(set(names))) for names in space] if key == "augmentation" else space)
        if not inside:
            return None
        own[key] = augmentation_name(value) if key == "augmentation" else value
    return own


def augmentation_name(names: Sequence[str]) -> str:
    """A set of augmentations in one word, as Optuna keeps it."""
    return "+".join(sorted(set(names))) or "none"


def check_ranges(recipe: Recipe, search: SearchSpec) -> None:
    """Refuse a range before the first trial, not at the one that draws what no recipe can have.

    Raises:
        LabError: an end of a range is such a value.
    """
    for key, end, value in _ends(search):
        try:
            Recipe.model_validate({**recipe.model_dump(), key: value})
        except ValidationError as problem:
            raise LabError(
                "a search's range reaches beyond what a recipe can have",
                where=f"searches, {key}.{end}",
                received=f"{value:g}",
                expected=problem.errors(include_url=False)[0]["msg"],
            ) from None


def _ends(search: SearchSpec) -> Iterator[tuple[str, str, float]]:
    for key in search.varied:
        if isinstance(space := getattr(search, key), Range):
            yield from ((key, "low", space.low), (key, "high", space.high))
