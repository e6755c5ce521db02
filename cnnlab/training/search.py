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
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
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
        if find_spec("optuna") is None:
            raise LabError("a search needs Optuna, which is not installed", hint='pip install "cnnlab[search]"')
        folder = store.work_folder() / search_id
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        run = _Search(spec, search, table, splits, folder, progress, build)
        run.check_ranges()
        with logged(folder / "search.log", "cnnlab.training", "optuna"):
            run.try_all()
            record = store.publish("search", search_id, run.write)
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
    """The trials of one call of `run_search`, from those that are `done` to the last one.

    `spaces`: of each varied key the range, or by what Optuna keeps of a choice the choice as JSON.
    """

    spec: RunSpec
    search: SearchSpec
    table: ImageTable
    splits: Splits
    folder: Path
    progress: Progress
    build: Build | None
    spaces: dict[str, Range | dict[Any, Any]] = field(default_factory=dict)
    done: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        for key in self.search.varied:
            space = getattr(self.search, key)
            if not isinstance(space, Range):
                space = {_name(one): sorted(set(one)) if isinstance(one, tuple) else one for one in space}
            self.spaces[key] = space

    def check_ranges(self) -> None:
        """Refuse a range before the first trial, not at the one that draws what no recipe can have. Raises LabError."""
        ranges = {key: space for key, space in self.spaces.items() if isinstance(space, Range)}
        for key, end in [(key, end) for key in ranges for end in ("low", "high")]:
            try:
                Recipe.model_validate({**self.spec.recipe.model_dump(), key: getattr(ranges[key], end)})
            except ValidationError as problem:
                raise LabError(
                    "a search's range reaches beyond what a recipe can have", where=f"searches, {key}.{end}",
                    received=f"{getattr(ranges[key], end):g}", expected=problem.errors(include_url=False)[0]["msg"],
                ) from None  # fmt: skip

    def try_all(self) -> None:
        """Make the trials that an interrupted call has not made.

        Raises:
            LabError: every one failed.
            Unwritable: what is finished cannot be kept.
        """
        path, search, done = self.folder / "trials.json", self.search, self.done
        try:
            done += json.loads(path.read_bytes()) if path.exists() else []
        except ValueError:
            self._tell(f"warning: {path} is damaged, its trials are made again: {path.replace(f'{path}.damaged')}")
        if done:
            self._tell(f"search {self.folder.name}: goes on after trial {len(done)} of {search.trials}")
        while len(done) < search.trials:
            done.append(entry := self._tried(self._asked()))
            files.replace_file(path, json.dumps(done, allow_nan=False).encode())
            gc.collect()  # what is left of the model: it and its traced functions refer to each other
            text = f"trial {len(done)} of {search.trials}: {_words(entry['params'])}: "
            text += f"failed ({entry['problem']})" if entry["state"] == "failed" else f"{100 * entry['value']:.1f} %"
            text += f", cut short after epoch {entry['epochs']}" if entry["state"] == "pruned" else ""
            if (best := best_trial(done)) is not None:
                text += f", best so far {100 * best['value']:.1f} % (trial {best['number']})"
            self._tell(text)
        if best_trial(done) is None:
            path.unlink()  # so that the same search can be tried again
            raise LabError(
                f"all {len(done)} trials of the search failed", where=self.folder.name,
                received="; ".join(dict.fromkeys(str(entry["problem"]) for entry in done)),
                expected="at least one trial that trains to its end",
                hint=f"lower the search's learning rates; {self.folder / 'search.log'} says more",
            )  # fmt: skip

    def _tell(self, text: str) -> None:
        log.info(text)
        self.progress.message(text)

    def _asked(self) -> optuna.Trial:
        """The next trial with its values, which Optuna chooses from those that are done and nothing else."""
        import optuna
        from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
        from optuna.trial import TrialState, create_trial

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        optuna.logging.disable_default_handler()  # warnings go into the log alone
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if self.search.pruning == "median":
            pruner = optuna.pruners.MedianPruner(n_startup_trials=PRUNING_TRIALS, n_warmup_steps=PRUNING_EPOCHS)
        seed = int(np.random.SeedSequence([self.search.seed, len(self.done)]).generate_state(1)[0])
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=min(10, max(1, self.search.trials // 2)))
        study = optuna.create_study(sampler=sampler, pruner=pruner, direction="maximize")
        kinds: dict[str, BaseDistribution] = {}
        own = {key: _name(getattr(self.spec.recipe, key)) for key in self.spaces}
        inside = not self.done
        for key, space in self.spaces.items():
            if isinstance(space, Range):
                kinds[key] = FloatDistribution(space.low, space.high, log=space.log)
                inside = inside and space.low <= own[key] <= space.high
            else:
                kinds[key] = CategoricalDistribution(list(space))
                inside = inside and own[key] in space
        for one in self.done:
            # A failed trial counts as a pruned one, from which the sampler learns where not to look; of a failed one it
            # learns nothing.
            complete, values = one["state"] == "complete", one["values"]
            trial = create_trial(
                state=TrialState.COMPLETE if complete else TrialState.PRUNED,
                value=one["value"] if complete else next(reversed(values), None),
                params={key: _name(value) for key, value in one["params"].items()},
                distributions=kinds, intermediate_values=dict(enumerate(values)),
            )  # fmt: skip
            study.add_trial(trial)
        if inside:
            study.enqueue_trial(own)
        return study.ask(kinds)

    def _tried(self, trial: optuna.Trial) -> Entry:
        """Train one trial to its end, or as long as the pruner lets it."""
        started, number, problem, state = time.perf_counter(), len(self.done) + 1, None, "complete"
        params = {
            key: value if isinstance(space := self.spaces[key], Range) else space[value]
            for key, value in trial.params.items()
        }
        log.info("trial %d: %s", number, _words(params))
        session: Session | None = None
        rows: list[EpochRow] = []

        def report() -> None:
            trial.report(rows[-1].val_accuracy, rows[-1].epoch - 1)

        def at_boundary() -> None:
            report()
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
                report()
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

    def write(self, work: Path) -> dict[str, Any]:
        """Fill the record's folder; the further fields of its manifest."""
        spec, entries, best = self.spec, self.done, best_trial(self.done) or {}
        (work / "trials.json").write_text(json.dumps(entries, indent=1, allow_nan=False), encoding="utf-8")
        shutil.copyfile(self.folder / "search.log", work / "search.log")
        states = [entry["state"] for entry in entries]
        return {
            "dataset": spec.dataset, "network": spec.network, "seed": spec.seed, "fingerprint": self.table.fingerprint,
            "seconds": round(sum(entry["seconds"] for entry in entries), 3),
            "hardware": hardware(), "versions": versions() | {"optuna": version("optuna")}, "git": git_state(),
            "objective": "val_accuracy", "space": self.search.model_dump(mode="json"),
            "varied": list(self.search.varied), "recipe": spec.recipe.model_dump(mode="json"),
            "selected": best["params"], "best": best["number"],
            "counts": {state: states.count(state) for state in ("complete", "pruned", "failed")},
        }  # fmt: skip


def _name(value: Any) -> Any:
    """A value as Optuna keeps it: a set of augmentations in one word."""
    return "+".join(sorted(set(value))) or "none" if isinstance(value, list | tuple) else value


def _words(params: dict[str, Any]) -> str:
    shown = {key: f"{value:.2g}" if isinstance(value, float) else _name(value) for key, value in params.items()}
    return ", ".join(f"{key} {value}" for key, value in shown.items())
