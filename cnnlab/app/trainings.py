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
from cnnlab.progress import duration
from cnnlab.spec import RunSpec
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
    tell: Callable[[str], None]
    budget_seconds: float | None
    fresh: bool = False
    trained: int = 0
    predictions: dict[str, dict[str, float | None]] = field(default_factory=dict)
    _paces: dict[str, Prepared] = field(default_factory=dict)
    _prepared: dict[str, Prepared] = field(default_factory=dict)
    _failed: dict[str, str] = field(default_factory=dict)
    _left: dict[str, float] = field(default_factory=dict)
    _deadline: float | None = None

    def predict(self, missing: list[PlannedRun]) -> None:
        """Prepare each run and say what it will take, in minutes and memory."""
        if self.budget_seconds is not None:
            self._deadline = time.monotonic() + self.budget_seconds
        for planned in missing:
            try:
                self._predict(planned)
            except Unwritable:
                raise
            except Exception as problem:
                self._failed[planned.id] = self._told(planned, problem)
        self._check_space([planned for planned in missing if planned.id not in self._failed])

    def _predict(self, planned: PlannedRun) -> None:
        key = _pace_key(planned)
        if key not in self._paces:
            with self.progress.busy(f"timing some steps of {planned.label}"):
                self._paces[key] = self._prepare(planned)
        epochs, pace = planned.spec.recipe.epochs, self._paces[key]
        self._left[planned.id] = pace.fixed_seconds + epochs * pace.pace.epoch
        self.predictions[planned.id] = {"seconds": round(self._left[planned.id], 1), "memory_gib": pace.memory_gib}
        memory = f", {pace.memory_gib:.1f} GiB" if pace.memory_gib else ""
        length = "1 epoch" if epochs == 1 else f"{epochs} epochs"
        self.tell(f"predicted: {planned.label}: {length}, {duration(self._left[planned.id])}{memory}")

    def _prepare(self, planned: PlannedRun) -> Prepared:
        from cnnlab.training.preparation import prepare_run

        opened, spec = self.data[planned.spec.dataset], planned.spec
        prepared = prepare_run(spec, opened.table, opened.splits_for(spec), overfit_batch=spec.fold is None)
        self._prepared[planned.id] = prepared
        return prepared

    def in_turn(self, runs: list[PlannedRun]) -> Iterator[tuple[int, PlannedRun]]:
        """Each run once with its place, those that another process trains at this moment after those that are free."""
        left, passed_over = list(enumerate(runs)), set()
        while left:
            free = next((one for one in left if one[1].cached or not self.store.held(one[1].id)), left[0])
            for _, planned in left[: left.index(free)]:
                if planned.id not in passed_over:
                    passed_over.add(planned.id)
                    self.tell(f"{self.store.holder(planned.id)} trains {planned.label}: another run is taken first")
            left.remove(free)
            yield free

    def _check_space(self, missing: list[PlannedRun]) -> None:
        """Say what all of them will take, and refuse before training what would end with a full disk.

        Raises:
            Unwritable: there is less space than that.
        """
        if not missing:
            return
        spaces = [self._paces[_pace_key(planned)].space for planned in missing]
        images = sum(len(self.data[planned.spec.dataset].table.labels) for planned in missing)
        classes = max(len(self.data[planned.spec.dataset].table.classes) for planned in missing)
        needed = float(sum(space.record for space in spaces) + max(space.checkpoints for space in spaces))
        needed += len(missing) * _EVALUATION_BYTES + 2 * images * classes
        free = shutil.disk_usage(self.store.work_folder()).free
        trainings = "1 training" if len(missing) == 1 else f"{len(missing)} trainings"
        disk = f"{_size(needed)} of {_size(free)} free below {self.store.root}"
        self.tell(f"predicted: {trainings} in all: {duration(sum(self._left.values()))}, {disk}")
        if free < needed:
            raise Unwritable(
                "there is not enough space for what the trainings keep",
                where=self.store.root,
                received=f"{_size(free)} free",
                expected=f"about {_size(needed)} for {len(missing)} missing runs and the checkpoints of one",
                hint="free some space or choose another folder with --runs",
            )

    def result(self, planned: PlannedRun) -> dict[str, Any]:
        """Train and evaluate where that is missing; what the lab lock has to know of it: `evaluation` or `problem`.

        Raises:
            Unwritable: the disk is full, or no longer to be written: no other run would fare better.
        """
        if planned.id in self._failed:
            return {"run": None, "problem": self._failed[planned.id]}
        try:
            return self._finished(planned)
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
            log.error("%s failed", planned.label, exc_info=problem)
        return f"failed: {type(problem).__name__}: {problem} (more in {path})"

    def _finished(self, planned: PlannedRun) -> dict[str, Any]:
        trained = None
        if planned.cached:
            run = self.store.read("run", planned.id)
        else:
            trained = self._train(planned)
            run = trained.record
        try:
            return self._evaluated(planned, run, trained)
        finally:
            if trained is not None:
                trained.release()

    def _train(self, planned: PlannedRun) -> Trained:
        from cnnlab.training.run import train_model

        opened = self.data[planned.spec.dataset]
        prepared = self._prepared.get(planned.id)
        trained = train_model(
            planned.spec,
            opened.table,
            opened.splits_for(planned.spec),
            store=self.store,
            budget_seconds=self._share(planned, prepared),
            progress=self.progress,
            dataset_record=opened.record.id,
            prepared=prepared,
            fresh=self.fresh,
        )
        if trained.model is None:
            self.tell(f"{planned.label}: another process has trained it meanwhile")
            return trained
        self.trained += 1
        return trained

    def _share(self, planned: PlannedRun, prepared: Prepared | None) -> float | None:
        """Seconds for this run of what is left, by what the runs that are left should take; what one saves, others get."""
        part = self._left.pop(planned.id, 0.0)
        if self._deadline is None:
            return None
        remaining = max(0.0, self._deadline - time.monotonic())
        spent = prepared.seconds if prepared else 0.0
        return spent + remaining * part / (part + sum(self._left.values()) or 1.0)

    def _evaluated(self, planned: PlannedRun, run: Record, trained: Trained | None) -> dict[str, Any]:
        if run.manifest["status"] == "diverged":
            because = run.manifest["resolved"].get("diverged_because") or "the loss is no longer a number"
            return {"problem": f"training diverged: {because}; lower its learning rate and run again"}
        if planned.spec.fold is not None:
            return {}
        evaluation = evaluation_id(run.id, flip=planned.flip)
        if not self._is_evaluated(run, evaluation):
            from cnnlab.evaluation.predict import evaluate

            opened = self.data[planned.spec.dataset]
            predict = trained.predict if trained else None
            with self.progress.busy(f"evaluating {planned.label}"):
                evaluate(run, opened.table, opened.splits, store=self.store, predict=predict, flip=planned.flip)
        return {"evaluation": evaluation}

    def _is_evaluated(self, run: Record, evaluation: str) -> bool:
        """Whether the evaluation is there; one of the weights of a run that was damaged meanwhile is set aside."""
        if not self.store.has("evaluation", evaluation):
            return False
        weights = run.manifest["files"].get("weights.weights.h5")
        if self.store.read("evaluation", evaluation).manifest.get("weights", weights) == weights:
            return True
        with self.store.lock(evaluation):
            self.store.set_aside("evaluation", evaluation)
        return False


def published(problem: str) -> str:
    """The problem as a lab lock may keep it, which is published: its first line, without the folders of this machine."""
    return re.sub(r"(?<![\w.])/(?:[^/\s'\"]+/)+", "…/", problem.partition("\n")[0])


def went_as_planned(manifest: Mapping[str, Any]) -> bool:
    """Whether a training was neither interrupted nor ended before its time, so that its prediction can be judged."""
    resolved = manifest["resolved"]
    return not resolved["resumed"] and resolved["epochs_run"] == resolved["epochs_planned"]


def _pace_key(planned: PlannedRun) -> str:
    return canonical_json(planned.spec.model_dump(mode="json", exclude={"seed"}))


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
