"""The trainings of a lab: each is predicted, then run inside the lab's budget, and none takes the others down."""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cnnlab.app.plan import PlannedRun
from cnnlab.errors import CnnlabError, Unwritable
from cnnlab.identity import canonical_json, evaluation_id
from cnnlab.paths import data_dir
from cnnlab.progress import duration
from cnnlab.spec import DatasetSpec, RunSpec
from cnnlab.store.record import Record
from cnnlab.store.store import RunStore

if TYPE_CHECKING:
    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable
    from cnnlab.progress import Progress
    from cnnlab.training.preparation import Prepared
    from cnnlab.training.run import Trained

log = logging.getLogger("cnnlab.training")

_EVALUATION_BYTES = 20e6
"""Of an evaluation's images and maps, at most; its probabilities are counted one by one."""


def open_images(name: str, spec: DatasetSpec, tell: Callable[[str], None]) -> tuple[ImageTable, Splits]:
    """The images of a data set of a lab, and how they are divided. Raises DataError."""
    from cnnlab.datasets.split import split_images
    from cnnlab.readers import open_dataset

    table = open_dataset(name, spec, data_dir=data_dir(), report_progress=tell)
    return table, split_images(table, spec.split)


@dataclass(frozen=True)
class OpenData:
    """A data set ready for training: its table, its splits and its published record."""

    table: ImageTable
    splits: Splits
    record: Record

    def splits_for(self, spec: RunSpec) -> Splits:
        """The splits of a run: the data set's own, or those of its fold."""
        if spec.fold is None:
            return self.splits
        from cnnlab.datasets.split import fold_splits

        return fold_splits(self.splits, self.table.labels, spec.fold, seed=spec.data.split.seed)


@dataclass
class Trainings:
    """The trainings of one call.

    Attributes:
        budget_seconds: that all of them together should stay inside, by leaving out epochs; None: no limit.
        trained: how many ended, converged or not.
        fresh: start runs anew where there is a checkpoint.
        predictions: by run id, `seconds` and `memory_gib` (None where the system does not tell).
    """

    data: Mapping[str, OpenData]
    store: RunStore
    progress: Progress
    budget_seconds: float | None = None
    fresh: bool = False
    trained: int = 0
    predictions: dict[str, dict[str, float | None]] = field(default_factory=dict)
    _paces: dict[str, Prepared] = field(default_factory=dict)  # by recipe, whatever the seed
    _prepared: dict[str, Prepared] = field(default_factory=dict)  # the rest by run
    _failed: dict[str, str] = field(default_factory=dict)
    _left: dict[str, float] = field(default_factory=dict)
    _deadline: float | None = None

    def tell(self, text: str) -> None:
        """A line to the user."""
        self.progress.message(text)

    @property
    def fingerprints(self) -> dict[str, str]:
        """Of each data set, by name."""
        return {name: opened.table.fingerprint for name, opened in self.data.items()}

    def predict(self, missing: list[PlannedRun]) -> None:
        """Prepare each run and say what it will take, in minutes and memory, and all of them on the disk.

        Raises:
            Unwritable: there is less space than that.
        """
        if self.budget_seconds is not None:
            self._deadline = time.monotonic() + self.budget_seconds
        known: list[tuple[PlannedRun, Prepared]] = []
        for planned in missing:
            try:
                known.append((planned, self._predicted(planned)))
            except Unwritable:
                raise
            except Exception as problem:
                self._failed[planned.id] = self._told(planned, problem)
        if not known:
            return
        tables = [self.data[planned.spec.dataset].table for planned, _ in known]
        answers = 2 * sum(len(table.labels) for table in tables) * max(len(table.classes) for table in tables)
        records = sum(one.record_bytes for _, one in known) + max(one.checkpoint_bytes for _, one in known)
        needed = records + len(known) * _EVALUATION_BYTES + answers
        free = shutil.disk_usage(self.store.work_folder()).free
        trainings = "1 training" if len(known) == 1 else f"{len(known)} trainings"
        disk = f"{_size(needed)} of {_size(free)} free below {self.store.root}"
        self.tell(f"predicted: {trainings} in all: {duration(sum(self._left.values()))}, {disk}")
        if free < needed:
            what = "there is not enough space for what the trainings keep"
            hint = "free some space or choose another folder with --runs"
            expected = f"about {_size(needed)} for {len(known)} missing runs and the checkpoints of one"
            raise Unwritable(what, where=self.store.root, received=f"{_size(free)} free", expected=expected, hint=hint)

    def _predicted(self, planned: PlannedRun) -> Prepared:
        from cnnlab.training.preparation import prepare_run

        spec, opened = planned.spec, self.data[planned.spec.dataset]
        key = canonical_json(spec.model_dump(mode="json", exclude={"seed"}))
        if key not in self._paces:
            with self.progress.busy(f"timing some steps of {planned.spec.label}"):
                prepared = prepare_run(spec, opened.table, opened.splits_for(spec), overfit_batch=spec.fold is None)
            self._paces[key] = self._prepared[planned.id] = prepared
        pace, epochs = self._paces[key], spec.recipe.epochs
        self._left[planned.id] = pace.fixed_seconds + epochs * pace.pace.epoch
        self.predictions[planned.id] = {"seconds": round(self._left[planned.id], 1), "memory_gib": pace.memory_gib}
        memory = f", {pace.memory_gib:.1f} GiB" if pace.memory_gib else ""
        length = "1 epoch" if epochs == 1 else f"{epochs} epochs"
        self.tell(f"predicted: {planned.spec.label}: {length}, {duration(self._left[planned.id])}{memory}")
        return pace

    def in_turn(self, runs: list[PlannedRun]) -> Iterator[tuple[int, PlannedRun]]:
        """Each run once with its place, those that another process trains at this moment after those that are free."""
        left, passed_over = list(enumerate(runs)), set()
        while left:
            free = next((one for one in left if one[1].cached or not self.store.held(one[1].id)), left[0])
            for _, planned in left[: left.index(free)]:
                if planned.id not in passed_over:
                    passed_over.add(planned.id)
                    holder = self.store.holder(planned.id)
                    self.tell(f"{holder} trains {planned.spec.label}: another run is taken first")
            left.remove(free)
            yield free

    def result(self, planned: PlannedRun) -> dict[str, Any]:
        """Train and evaluate where that is missing; what the lab lock has to know of it: `evaluation` or `problem`.

        Raises:
            Unwritable: the disk is full, or no longer to be written: no other run would fare better.
        """
        if planned.id in self._failed:
            return {"run": None, "problem": self._failed[planned.id]}
        try:
            if planned.cached:
                return self._evaluated(planned, self.store.read("run", planned.id), None)
            trained = self._train(planned)
            try:
                return self._evaluated(planned, trained.record, trained)
            finally:
                trained.release()
        except Unwritable:
            raise
        except Exception as problem:
            return {"run": None, "problem": self._told(planned, problem)}

    def _told(self, planned: PlannedRun, problem: Exception) -> str:
        """The problem in a line; what was not foreseen leaves its traceback in the run's log."""
        if isinstance(problem, CnnlabError):
            return str(problem)
        from cnnlab.training.run import logged

        path = self.store.work_folder() / planned.id / "train.log"
        with logged(path, "cnnlab.training"):
            log.error("%s failed", planned.spec.label, exc_info=problem)
        return f"failed: {type(problem).__name__}: {problem} (more in {path})"

    def _train(self, planned: PlannedRun) -> Trained:
        from cnnlab.training.run import train_model

        spec, prepared, seconds = planned.spec, self._prepared.get(planned.id), None
        part = self._left.pop(planned.id, 0.0)
        if self._deadline is not None:  # by what the runs that are left should take; what one saves, others get
            remaining = max(0.0, self._deadline - time.monotonic())
            seconds = remaining * part / (part + sum(self._left.values()) or 1.0)
            seconds += prepared.seconds if prepared else 0.0
        opened = self.data[spec.dataset]
        trained = train_model(
            spec, opened.table, opened.splits_for(spec), store=self.store, progress=self.progress,
            budget_seconds=seconds, prepared=prepared, fresh=self.fresh,
        )  # fmt: skip
        if trained.model is None:
            self.tell(f"{spec.label}: another process has trained it meanwhile")
        else:
            self.trained += 1
        return trained

    def _evaluated(self, planned: PlannedRun, run: Record, trained: Trained | None) -> dict[str, Any]:
        if run.manifest["status"] == "diverged":
            because = run.manifest["resolved"].get("diverged_because") or "the loss is no longer a number"
            return {"problem": f"training diverged: {because}; lower its learning rate and run again"}
        if planned.spec.fold is not None:
            return {}
        evaluation, weights = evaluation_id(run.id, flip=planned.flip), run.manifest["files"].get("weights.weights.h5")
        if self.store.has("evaluation", evaluation):
            if self.store.read("evaluation", evaluation).manifest.get("weights", weights) == weights:
                return {"evaluation": evaluation}
            with self.store.lock(evaluation):  # of the weights of a run that was damaged meanwhile
                self.store.set_aside("evaluation", evaluation)
        from cnnlab.evaluation.predict import evaluate

        opened, predict = self.data[planned.spec.dataset], trained.predict if trained else None
        with self.progress.busy(f"evaluating {planned.spec.label}"):
            evaluate(run, opened.table, opened.splits, store=self.store, predict=predict, flip=planned.flip)
        return {"evaluation": evaluation}


def published(problem: str) -> str:
    """The problem as a lab lock may keep it, which is published: its first line, without the folders of this machine."""
    return re.sub(r"(?<![\w.])/(?:[^/\s'\"]+/)+", "…/", problem.partition("\n")[0])


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
