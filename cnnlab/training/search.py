"""A search over hyper-parameters: Optuna chooses recipes, each is trained and judged on the validation images.

What trial n tries depends on the search's seed, on n and on the finished trials before it, and on nothing else: a
search that was interrupted goes on where it stopped and ends as it would have ended without the interruption.
"""

from __future__ import annotations

import gc
import json
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from cnnlab.errors import CnnlabError, LabError
from cnnlab.identity import make_search_id
from cnnlab.progress import Progress
from cnnlab.spec import Range, Recipe, RunSpec, SearchSpec
from cnnlab.store import files
from cnnlab.store.record import Record
from cnnlab.store.store import RunStore
from cnnlab.training.engine import Build
from cnnlab.training.machine import git_state, hardware, resolve, versions
from cnnlab.training.run import logged
from cnnlab.training.session import EpochRow, Session

if TYPE_CHECKING:
    import optuna

    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable

log = logging.getLogger("cnnlab.training")

PRUNING_TRIALS, PRUNING_EPOCHS = 4, 1
"""No trial is cut short before so many are complete, and none in its first epochs."""

_ENTRY = "entry"

Entry = dict[str, Any]
"""One trial, as in `trials.json`."""


def run_search(
    spec: RunSpec,
    search: SearchSpec,
    table: ImageTable,
    splits: Splits,
    *,
    store: RunStore,
    progress: Progress,
    dataset_record: str | None = None,
    build: Build | None = None,
    fresh: bool = False,
) -> Record:
    """Search as `search` says and publish it, or return the record that is there already, unless it is damaged.

    Each trial is `spec` with other values of what is varied, trained from the spec's seed; its value is its best
    validation accuracy, at equal accuracy the lower validation loss is better, then the earlier trial. The first trial
    is the recipe as the lab has it, where that lies in the space. A trial that diverges or raises is "failed", and the
    search goes on. Test images are never looked at. Holds the search's lock; finished trials are kept under
    `runs/.work/<search id>/` until all are.

    Args:
        dataset_record: id of the data set's record, for the manifest.
        build: replaces `cnnlab.layers.factory.build_network`.
        fresh: start anew where there are finished trials.

    Raises:
        LabError: Optuna is not installed, a range reaches beyond what a recipe can have, or every trial failed.
        DataError: nothing to train or to validate on.
        Unwritable: a folder cannot be written.
        KeyboardInterrupt: Ctrl-C; finished trials stay.
    """
    search_id = make_search_id(spec, search, table.fingerprint)
    waiting = f"waiting: {{}} searches {search_id}"
    with store.lock(search_id, on_wait=lambda: progress.message(waiting.format(store.holder(search_id)))):
        if store.sound("search", search_id, progress.message):
            return store.read("search", search_id)
        try:
            import optuna
        except ImportError:
            hint = 'pip install "cnnlab[search]"'
            raise LabError("a search needs Optuna, which is not installed", hint=hint) from None
        check_ranges(spec.recipe, search)
        folder = store.work_folder() / search_id
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        with logged(folder / "search.log", "cnnlab.training", "optuna"):
            entries = list(_Search(spec, search, table, splits, folder, progress, build).entries())
            best = best_trial(entries)
            if best is None:
                (folder / "journal.log").unlink()  # so that the same search can be tried again
                raise LabError(
                    f"all {len(entries)} trials of the search failed", where=search_id,
                    received="; ".join(dict.fromkeys(str(entry["problem"]) for entry in entries)),
                    expected="at least one trial that trains to its end",
                    hint=f"lower the search's learning rates; {folder / 'search.log'} says more",
                )  # fmt: skip

            def write(work: Path) -> dict[str, Any]:
                (work / "trials.json").write_text(json.dumps(entries, indent=1, allow_nan=False), encoding="utf-8")
                shutil.copyfile(folder / "search.log", work / "search.log")
                states = [entry["state"] for entry in entries]
                return {
                    "dataset": spec.dataset, "dataset_record": dataset_record, "network": spec.network,
                    "seed": spec.seed, "fingerprint": table.fingerprint,
                    "seconds": round(sum(entry["seconds"] for entry in entries), 3),
                    "hardware": hardware(), "versions": versions() | {"optuna": optuna.__version__}, "git": git_state(),
                    "objective": "val_accuracy", "space": search.model_dump(mode="json"),
                    "varied": list(search.varied), "recipe": spec.recipe.model_dump(mode="json"),
                    "selected": best["params"], "best": best["number"],
                    "counts": {state: states.count(state) for state in ("complete", "pruned", "failed")},
                }  # fmt: skip

            record = store.publish("search", search_id, write)
        shutil.rmtree(folder, ignore_errors=True)
        return record


def best_trial(entries: Sequence[Entry]) -> Entry | None:
    """The complete trial of the highest value, then of the lowest loss in that epoch, then the earliest."""
    complete = [entry for entry in entries if entry["state"] == "complete"]
    return min(complete, key=lambda one: (-one["value"], one["losses"][one["best_epoch"] - 1]), default=None)


class _CutShort(Exception):
    """The pruner has seen enough of this trial."""


@dataclass
class _Search:
    """The trials of one call of `run_search`, from an empty folder or a journal to the last one."""

    spec: RunSpec
    search: SearchSpec
    table: ImageTable
    splits: Splits
    folder: Path
    progress: Progress
    build: Build | None

    def entries(self) -> Iterator[Entry]:
        """All trials; those that the journal does not have are made."""
        from optuna.samplers import TPESampler
        from optuna.trial import TrialState

        study, search, done = self._study(), self.search, list[Entry]()
        for finished in study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)):
            done.append(finished.user_attrs[_ENTRY])
        if done:
            self.progress.message(f"search {self.folder.name}: goes on after trial {len(done)} of {search.trials}")
        yield from done
        while len(done) < search.trials:
            seed = int(np.random.SeedSequence([search.seed, len(done)]).generate_state(1)[0])
            study.sampler = TPESampler(seed=seed, n_startup_trials=min(10, max(1, search.trials // 2)))
            trial = study.ask()
            entry = self._tried(trial, len(done) + 1)
            trial.set_user_attr(_ENTRY, entry)
            # A failed trial is told as a pruned one, from which the sampler learns where not to look; of one told as
            # failed it learns nothing.
            complete = entry["state"] == "complete"
            study.tell(trial, entry["value"] if complete else None, None if complete else TrialState.PRUNED)
            gc.collect()  # what is left of the model: it and its traced functions refer to each other
            done.append(entry)
            text = f"trial {len(done)} of {search.trials}: {_words(entry['params'])}: "
            text += f"failed ({entry['problem']})" if entry["state"] == "failed" else f"{100 * entry['value']:.1f} %"
            text += f", cut short after epoch {entry['epochs']}" if entry["state"] == "pruned" else ""
            if (best := best_trial(done)) is not None:
                text += f", best so far {100 * best['value']:.1f} % (trial {best['number']})"
            log.info(text)
            self.progress.message(text)
            yield entry

    def _study(self) -> optuna.Study:
        """Optuna's study with the trials of the journal; one that cannot be read is set aside, which is said.

        A trial that was running when its process ended counts for nothing. Raises Unwritable.
        """
        import optuna
        from optuna.storages.journal import JournalFileBackend
        from optuna.trial import TrialState

        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if self.search.pruning == "median":
            pruner = optuna.pruners.MedianPruner(n_startup_trials=PRUNING_TRIALS, n_warmup_steps=PRUNING_EPOCHS)
        path = self.folder / "journal.log"
        with files.writing(path):
            path.with_name("journal.log.lock").unlink(missing_ok=True)  # a dead process's: the search's lock is held
            path.touch()
            with path.open("rb+") as journal:
                journal.truncate(journal.read().rfind(b"\n") + 1)  # of what it was writing

            def opened() -> optuna.Study:
                storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
                return optuna.create_study(
                    storage=storage, pruner=pruner, study_name="search", direction="maximize", load_if_exists=True
                )

            try:
                study = opened()
            except (ValueError, LookupError, TypeError, AssertionError):
                kept = path.replace(path.with_name("journal.damaged"))
                text = f"warning: the journal of an interrupted search is damaged, its trials are made again: {kept}"
                log.warning(text)
                self.progress.message(text)
                study = opened()
            for trial in study.get_trials(states=(TrialState.RUNNING,)):
                study.tell(trial.number, state=TrialState.FAIL)
            own = {key: _name(getattr(self.spec.recipe, key)) for key in self.search.varied}
            inside = all(
                space.low <= own[key] <= space.high if isinstance(space, Range) else own[key] in space
                for key, space in _spaces(self.search).items()
            )
            if inside and not study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.WAITING)):
                study.enqueue_trial(own)
        return study

    def _tried(self, trial: optuna.Trial, number: int) -> Entry:
        """Train one trial to its end, or as long as the pruner lets it."""
        started, params, problem, state = time.perf_counter(), dict[str, Any](), None, "complete"
        for key, space in _spaces(self.search).items():
            if isinstance(space, Range):
                params[key] = trial.suggest_float(key, space.low, space.high, log=space.log)
            else:
                params[key] = space[trial.suggest_categorical(key, list(space))]
        log.info("trial %d: %s", number, _words(params))
        session: Session | None = None
        rows: list[EpochRow] = []

        def at_boundary() -> None:
            trial.report(rows[-1].val_accuracy, rows[-1].epoch - 1)
            if trial.should_prune():
                raise _CutShort

        try:
            recipe = Recipe.model_validate({**self.spec.recipe.model_dump(), **params})
            spec, precision = self.spec.model_copy(update={"recipe": recipe}), resolve(recipe.precision)
            session = Session(spec, self.table, self.splits, precision, build=self.build)
            rows = session.rows
            title = f"trial {number} of {self.search.trials}, {self.spec.label}"
            if session.run(self.progress, title, at_boundary) == "diverged":
                state, problem = "failed", f"diverged in epoch {len(rows) + 1}: the loss is no longer a number"
            else:
                trial.report(rows[-1].val_accuracy, rows[-1].epoch - 1)
        except _CutShort:
            state = "pruned"
        except CnnlabError:
            raise  # the lab, the data or the disk are wrong, which no other values mend
        except Exception as raised:
            log.exception("trial %d failed", number)
            state, problem = "failed", f"{type(raised).__name__}: {raised}"[:300]
        if session is not None:
            session.trainer.release()
        best = min(rows, key=lambda row: (-row.val_accuracy, row.val_loss), default=None)
        return {
            "number": number, "state": state, "params": params, "value": best.val_accuracy if best else None,
            "best_epoch": best.epoch if best else None, "epochs": len(rows),
            "values": [row.val_accuracy for row in rows], "losses": [row.val_loss for row in rows],
            "problem": problem, "seconds": round(time.perf_counter() - started, 3),
        }  # fmt: skip


def _spaces(search: SearchSpec) -> dict[str, Range | dict[Any, Any]]:
    """Of each varied key the range, or by what Optuna keeps of a choice the choice as JSON."""
    spaces: dict[str, Range | dict[Any, Any]] = {}
    for key in search.varied:
        space = getattr(search, key)
        if not isinstance(space, Range):
            space = {_name(one): sorted(set(one)) if isinstance(one, tuple) else one for one in space}
        spaces[key] = space
    return spaces


def _name(value: Any) -> Any:
    """A value as Optuna keeps it: a set of augmentations in one word."""
    return "+".join(sorted(set(value))) or "none" if isinstance(value, list | tuple) else value


def _words(params: dict[str, Any]) -> str:
    shown = {key: f"{value:.2g}" if isinstance(value, float) else _name(value) for key, value in params.items()}
    return ", ".join(f"{key} {value}" for key, value in shown.items())


def check_ranges(recipe: Recipe, search: SearchSpec) -> None:
    """Refuse a range before the first trial, not at the one that draws what no recipe can have.

    Raises:
        LabError: an end of a range is such a value.
    """
    ranges = {key: space for key, space in _spaces(search).items() if isinstance(space, Range)}
    for key, end, value in [(key, end, getattr(one, end)) for key, one in ranges.items() for end in ("low", "high")]:
        try:
            Recipe.model_validate({**recipe.model_dump(), key: value})
        except ValidationError as problem:
            raise LabError(
                "a search's range reaches beyond what a recipe can have", where=f"searches, {key}.{end}",
                received=f"{value:g}", expected=problem.errors(include_url=False)[0]["msg"],
            ) from None  # fmt: skip
