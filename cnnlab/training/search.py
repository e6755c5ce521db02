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
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.errors import CnnlabError, LabError
from cnnlab.identity import make_search_id
from cnnlab.progress import Progress
from cnnlab.spec import Recipe, RunSpec, SearchSpec
from cnnlab.store.record import Record
from cnnlab.store.store import RunStore
from cnnlab.training.hardware import git_state, hardware, versions
from cnnlab.training.history import EpochRow
from cnnlab.training.interruption import terminable
from cnnlab.training.logs import logged
from cnnlab.training.model import Build
from cnnlab.training.precision import resolve
from cnnlab.training.session import Session
from cnnlab.training.start import open_session, release
from cnnlab.training.study import augmentation_name, check_ranges, open_study, require_optuna, sampler, suggested

if TYPE_CHECKING:
    import optuna

    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable

log = logging.getLogger("cnnlab.training")

_ENTRY = "entry"
_PROBLEM_LENGTH = 300

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
        KeyboardInterrupt: Ctrl-C, or `Terminated` on SIGTERM; finished trials stay.
    """
    search_id = make_search_id(spec, search, table.fingerprint)
    with store.lock(
        search_id, on_wait=lambda: progress.message(f"waiting: {store.holder(search_id)} searches {search_id}")
    ):
        if store.sound("search", search_id, progress.message):
            return store.read("search", search_id)
        require_optuna()
        check_ranges(spec.recipe, search)
        folder = store.work_folder() / search_id
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        with logged(folder / "search.log", "cnnlab.training", "optuna"), terminable():
            one = _Search(spec, search, table, splits, folder, progress, build)
            return one.run(store, search_id, dataset_record)


def best_trial(entries: Sequence[Entry]) -> Entry | None:
    """The complete trial of the highest value, then of the lowest loss in that epoch, then the earliest."""
    complete = [entry for entry in entries if entry["state"] == "complete"]
    return min(complete, key=lambda one: (-one["value"], one["losses"][one["best_epoch"] - 1]), default=None)


@dataclass
class _Search:
    """One call of `run_search`, from an empty folder or a journal to the record."""

    spec: RunSpec
    search: SearchSpec
    table: ImageTable
    splits: Splits
    folder: Path
    progress: Progress
    build: Build | None

    def run(self, store: RunStore, search_id: str, dataset_record: str | None) -> Record:
        """Try what has not been tried and publish."""
        study = open_study(self.folder / "journal.log", self.search, self.spec.recipe, self._warn)
        entries = [trial.user_attrs[_ENTRY] for trial in study.trials if trial.state.is_finished()]
        if entries:
            self.progress.message(f"search {search_id}: goes on after trial {len(entries)} of {self.search.trials}")
        while len(entries) < self.search.trials:
            study.sampler = sampler(self.search, len(entries))
            entries.append(self._next(study, len(entries) + 1))
            self._announce(entries)
        best = best_trial(entries)
        if best is None:
            raise self._all_failed(search_id, entries)
        record = store.publish("search", search_id, lambda work: self._write(work, entries, best, dataset_record))
        shutil.rmtree(self.folder, ignore_errors=True)
        return record

    def _warn(self, text: str) -> None:
        log.warning(text)
        self.progress.message(f"warning: {text}")

    def _next(self, study: optuna.Study, number: int) -> Entry:
        """Train one trial; its entry, which the study then has too."""
        from optuna.trial import TrialState

        trial = study.ask()
        params = suggested(trial, self.search)
        entry = self._tried(trial, number, params)
        trial.set_user_attr(_ENTRY, entry)
        if entry["state"] == "complete":
            study.tell(trial, entry["value"])
        else:
            # A failed trial is told as a pruned one, from which the sampler learns where not to look; of one told as
            # failed it learns nothing.
            study.tell(trial, state=TrialState.PRUNED)
        gc.collect()  # what is left of the model: it and its traced functions refer to each other
        return entry

    def _tried(self, trial: optuna.Trial, number: int, params: dict[str, Any]) -> Entry:
        started, session, problem = time.perf_counter(), None, None
        log.info("trial %d: %s", number, _words(params))
        try:
            recipe = Recipe.model_validate({**self.spec.recipe.model_dump(), **params})
            spec = self.spec.model_copy(update={"recipe": recipe})
            session = open_session(spec, self.table, self.splits, self._precision, build=self.build)
            state, problem = self._trained(session, trial, number)
        except CnnlabError:
            raise  # the lab, the data or the disk are wrong, which no other values mend
        except Exception as raised:
            log.exception("trial %d failed", number)
            state, problem = "failed", f"{type(raised).__name__}: {raised}"[:_PROBLEM_LENGTH]
        rows = session.rows if session is not None else []
        if session is not None:
            release(session)
        measured = _entry(number, state, params, rows, problem)
        return {**measured, "seconds": round(time.perf_counter() - started, 3)}

    @cached_property
    def _precision(self) -> Any:
        return resolve(self.spec.recipe.precision)

    def _trained(self, session: Session, trial: optuna.Trial, number: int) -> tuple[str, str | None]:
        """Train to the end, or as long as the pruner lets it: state and problem."""

        def at_boundary() -> None:
            _report(trial, session.rows[-1])
            if trial.should_prune():
                raise _CutShort

        title = f"trial {number} of {self.search.trials}, {self.spec.label}"
        try:
            stopped = session.run(self.progress, title, at_boundary)
        except _CutShort:
            return "pruned", None
        if stopped == "diverged":
            return "failed", f"diverged in epoch {len(session.rows) + 1}: the loss is no longer a number"
        _report(trial, session.rows[-1])
        return "complete", None

    def _announce(self, entries: Sequence[Entry]) -> None:
        entry, best = entries[-1], best_trial(entries)
        text = f"trial {entry['number']} of {self.search.trials}: {_words(entry['params'])}: {_outcome(entry)}"
        if best is not None:
            text += f", best so far {100 * best['value']:.1f} % (trial {best['number']})"
        log.info(text)
        self.progress.message(text)

    def _all_failed(self, search_id: str, entries: Sequence[Entry]) -> CnnlabError:
        """The error to raise; the journal goes, so that the same search can be tried again."""
        (self.folder / "journal.log").unlink()
        return LabError(
            f"all {len(entries)} trials of the search failed",
            where=search_id,
            received="; ".join(dict.fromkeys(str(entry["problem"]) for entry in entries)),
            expected="at least one trial that trains to its end",
            hint=f"lower the search's learning rates; {self.folder / 'search.log'} says more",
        )

    def _write(self, work: Path, entries: list[Entry], best: Entry, dataset_record: str | None) -> dict[str, Any]:
        """Fill the record's folder; the further fields of its manifest."""
        import optuna

        (work / "trials.json").write_text(json.dumps(entries, indent=1, allow_nan=False), encoding="utf-8")
        shutil.copyfile(self.folder / "search.log", work / "search.log")
        states = [entry["state"] for entry in entries]
        return {
            "dataset": self.spec.dataset,
            "dataset_record": dataset_record,
            "network": self.spec.network,
            "seed": self.spec.seed,
            "fingerprint": self.table.fingerprint,
            "seconds": round(sum(entry["seconds"] for entry in entries), 3),
            "hardware": hardware(),
            "versions": versions() | {"optuna": optuna.__version__},
            "git": git_state(),
            "objective": "val_accuracy",
            "space": self.search.model_dump(mode="json"),
            "varied": list(self.search.varied),
            "recipe": self.spec.recipe.model_dump(mode="json"),
            "selected": best["params"],
            "best": best["number"],
            "counts": {state: states.count(state) for state in ("complete", "pruned", "failed")},
        }


class _CutShort(Exception):
    """The pruner has seen enough of this trial."""


def _report(trial: optuna.Trial, row: EpochRow) -> None:
    trial.report(row.val_accuracy, row.epoch - 1)


def _entry(
    number: int, state: str, params: dict[str, Any], rows: Sequence[EpochRow], problem: str | None
) -> dict[str, Any]:
    best = min(rows, key=lambda row: (-row.val_accuracy, row.val_loss), default=None)
    return {
        "number": number,
        "state": state,
        "params": params,
        "value": best.val_accuracy if best else None,
        "best_epoch": best.epoch if best else None,
        "epochs": len(rows),
        "values": [row.val_accuracy for row in rows],
        "losses": [row.val_loss for row in rows],
        "problem": problem,
    }


def _words(params: dict[str, Any]) -> str:
    return ", ".join(f"{key} {_shown(value)}" for key, value in params.items())


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return augmentation_name(value)
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def _outcome(entry: Entry) -> str:
    if entry["state"] == "failed":
        return f"failed ({entry['problem']})"
    cut = f", cut short after epoch {entry['epochs']}" if entry["state"] == "pruned" else ""
    return f"{100 * entry['value']:.1f} %{cut}"
