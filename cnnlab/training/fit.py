"""From a run spec and its data to a published run record."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cnnlab.backend import keras
from cnnlab.identity import canonical_json, make_run_id, run_identity
from cnnlab.progress import Progress, duration
from cnnlab.spec import RunSpec
from cnnlab.store import files
from cnnlab.store.record import Record
from cnnlab.store.store import RunStore
from cnnlab.training import checkpoint as checkpoints
from cnnlab.training.budget import Plan, make_plan
from cnnlab.training.hardware import git_state, hardware, peak_memory_gib, reset_peak_memory, versions
from cnnlab.training.history import to_csv
from cnnlab.training.interruption import terminable
from cnnlab.training.logs import logged
from cnnlab.training.loop import Predictor, Trainer
from cnnlab.training.model import Build, batch_norm_momentum, has_batch_norm
from cnnlab.training.precision import Precision
from cnnlab.training.preparation import Prepared, prepare_run
from cnnlab.training.session import Session, Stopped
from cnnlab.training.start import check_images, open_trainer, unfrozen

if TYPE_CHECKING:
    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable

log = logging.getLogger("cnnlab.training")

CHECKPOINT_SECONDS = 20.0
"""A boundary this soon after the last checkpoint writes none."""


_HDF5_BYTES = 4096
"""Of an array's description in a file of weights, at most."""


class Trained(NamedTuple):
    """A run's record with its model and traced inference on the published weights.

    No model and no inference when the record was there already. `release` it when both have been used.
    """

    record: Record
    model: keras.Model | None
    predict: Predictor | None
    trainer: Trainer | None = None

    def release(self) -> None:
        """Free the memory of model and optimiser, which TensorFlow keeps otherwise."""
        if self.trainer is not None:
            self.trainer.release()


def train(
    spec: RunSpec,
    table: ImageTable,
    splits: Splits,
    *,
    store: RunStore,
    budget_seconds: float | None,
    progress: Progress,
    dataset_record: str | None = None,
) -> Record:
    """`train_model` for callers that want the record alone."""
    options: dict[str, Any] = {"store": store, "budget_seconds": budget_seconds, "progress": progress}
    return train_model(spec, table, splits, dataset_record=dataset_record, **options).record


def train_model(
    spec: RunSpec,
    table: ImageTable,
    splits: Splits,
    *,
    store: RunStore,
    budget_seconds: float | None,
    progress: Progress,
    dataset_record: str | None = None,
    build: Build | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    prepared: Prepared | None = None,
    fresh: bool = False,
) -> Trained:
    """Train what `spec` asks for and publish it, or return the record that is there already, unless it is damaged.

    Holds the run's lock. Resumes from a checkpoint under `runs/.work/<run id>/`, to the same bits on a CPU as without
    interruption; what was resolved at the first start (epochs, precision) is kept.

    Args:
        budget_seconds: wall time from now that the run should stay inside, by training fewer epochs (at least 1).
        dataset_record: id of the data set's record, for the manifest.
        build: replaces `cnnlab.layers.factory.build_network`.
        checkpoint_seconds: least time between two checkpoints; an interruption loses at most that and the epoch begun.
        prepared: of this spec, if it has been prepared already.
        fresh: start anew where there is a checkpoint.

    Returns:
        A record of status "done", or "diverged" when the loss stopped being finite; that one holds the kept weights of
        the epochs before, or no weights when there were none.

    Raises:
        DataError: nothing to train or to validate on.
        Unwritable: a checkpoint or the record cannot be written; the checkpoints before stay.
        KeyboardInterrupt: Ctrl-C, or `Terminated` on SIGTERM; the last checkpoint stays.
    """
    run_id = make_run_id(spec, table.fingerprint)
    started = time.perf_counter()
    check_images(spec, splits)
    with store.lock(run_id, on_wait=lambda: progress.message(f"waiting: {store.holder(run_id)} trains {spec.label}")):
        if store.sound("run", run_id, progress.message):
            return Trained(store.read("run", run_id), None, None)
        folder = store.work_folder() / run_id
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        files.remove_leftovers(folder)
        with logged(folder / "train.log", "cnnlab.training"), terminable():
            job = _Job(
                spec, table, splits, folder, progress, build, budget_seconds, started, checkpoint_seconds, prepared
            )
            return job.run(store, run_id, dataset_record)


@dataclass
class _Job:
    """One call of `train`, from an empty folder or a checkpoint to the record."""

    spec: RunSpec
    table: ImageTable
    splits: Splits
    folder: Path
    progress: Progress
    build: Build | None
    budget_seconds: float | None
    started: float
    checkpoint_seconds: float
    prepared: Prepared | None

    def run(self, store: RunStore, run_id: str, dataset_record: str | None) -> Trained:
        """Train to the end and publish."""
        self._earlier, self._resumed = 0.0, 0
        reset_peak_memory()
        if not self._resume(checkpoints.load_newest(self.folder, self._warn)):
            self._start()
        self._saved = time.perf_counter()
        stopped = self.session.run(self.progress, self.spec.label, self._at_boundary)
        if self.session.best_row is not None:
            self.session.trainer.set_weights(self.session.best)
        record = store.publish("run", run_id, lambda folder: self._write(folder, stopped, dataset_record))
        shutil.rmtree(self.folder, ignore_errors=True)
        self.progress.message(self._outcome(stopped, record.manifest["seconds"]))
        trainer = self.session.trainer
        return Trained(record, trainer.model, trainer.predict, trainer)

    def _start(self) -> None:
        recipe, spec = self.spec.recipe, self.spec
        prepared = self.prepared or prepare_run(spec, self.table, self.splits, build=self.build)
        if self.prepared is not None:
            self._earlier = prepared.seconds
        self.precision, self.sanity, self.memory = prepared.precision, prepared.sanity, prepared.memory_gib
        self.plan = make_plan(
            epochs=recipe.epochs,
            steps=prepared.steps,
            pace=prepared.pace,
            fixed_seconds=prepared.fixed_seconds,
            budget_seconds=self.budget_seconds,
        )
        self.momentum = batch_norm_momentum(prepared.steps * self.plan.epochs_planned)
        self.session = self._session(self._opened())
        log.info("%s, %s", spec.label, self.precision)
        self._announce()

    def _opened(self) -> Trainer:
        return open_trainer(
            self.spec,
            len(self.table.classes),
            self.precision,
            total_steps=self._total_steps,
            momentum=self.momentum,
            build=self.build,
        )

    @property
    def _total_steps(self) -> int:
        return self.plan.epochs_planned * self.plan.steps_per_epoch

    def _resume(self, found: checkpoints.Checkpoint | None) -> bool:
        """Go on after a checkpoint; False when there is none, or it is of another model: there is nothing to go on from."""
        if found is None:
            return False
        meta = found.meta
        self.plan, self.precision = Plan(**meta["plan"]), Precision(*meta["precision"])
        self.momentum, self._earlier, self._resumed = meta["momentum"], meta["seconds"], meta["resumed"] + 1
        self.sanity, self.memory = meta["sanity"], meta["memory"]
        trainer = self._opened()
        if 0 < self.spec.recipe.frozen_epochs < found.epoch:
            trainer = self._unfrozen(trainer)
        self.session = self._session(trainer)
        try:
            self.session.resume(found)
        except ValueError as problem:
            self._warn(f"the checkpoint of epoch {found.epoch} is passed over and the run starts anew: {problem}")
            trainer.release()
            checkpoints.set_all_aside(self.folder)
            self._earlier, self._resumed = 0.0, 0
            return False
        text = f"resumed after epoch {found.epoch} of {self.plan.epochs_planned}"
        log.info(text)
        self.progress.message(f"{self.spec.label}: {text}")
        return True

    def _unfrozen(self, former: Trainer) -> Trainer:
        steps = self.plan.steps_per_epoch
        return unfrozen(former, self.spec, self.precision, total_steps=self._total_steps, steps=steps)

    def _session(self, trainer: Trainer) -> Session:
        return Session(
            spec=self.spec,
            trainer=trainer,
            images=self.table.images,
            labels=self.table.labels,
            train=self.splits.train,
            validation=self.splits.validation,
            epochs=self.plan.epochs_planned,
            steps=self.plan.steps_per_epoch,
            unfrozen=self._unfrozen,
        )

    def _announce(self) -> None:
        """Into the log; to the user only what differs from what was asked for."""
        plan = self.plan
        text = (
            f"{_epochs(plan.epochs_planned)} of {plan.steps_per_epoch} steps, about {duration(plan.predicted_seconds)}"
        )
        if plan.budget_seconds is not None and plan.shortened:
            text += f"; {plan.epochs_requested} were asked for, the budget is {duration(plan.budget_seconds)}"
        if not plan.fits:
            text += "; not even one epoch fits into the budget, one is trained"
        log.info(text)
        if plan.shortened or not plan.fits:
            self.progress.message(f"{self.spec.label}: {text}")

    def _outcome(self, stopped: Stopped, seconds: float) -> str:
        """What came of it, in a line, with the error of the prediction where it went as planned."""
        done, best, predicted = len(self.session.rows), self.session.best_row, self.plan.predicted_seconds
        text = f"{self.spec.label}: {_epochs(done)} in {duration(seconds)}"
        if done == self.plan.epochs_planned and not self._resumed:
            text += f" (predicted {duration(predicted)}, {seconds / predicted - 1:+.0%})"
        text += {"completed": "", "early": ", stopped early", "diverged": f", diverged in epoch {done + 1}"}[stopped]
        return text + (f", validation accuracy {best.val_accuracy:.3f} (epoch {best.epoch} is kept)" if best else "")

    def _warn(self, text: str) -> None:
        log.warning(text)
        self.progress.message(f"warning: {text}")

    def _at_boundary(self) -> None:
        if time.perf_counter() - self._saved < self.checkpoint_seconds:
            return
        meta = {
            "plan": self.plan.as_dict(),
            "precision": list(self.precision),
            "momentum": self.momentum,
            "sanity": self.sanity,
            "memory": self.memory,
            "seconds": self._seconds(),
            "resumed": self._resumed,
        }
        checkpoints.save(self.folder, self.session.checkpoint(meta))
        self._saved = time.perf_counter()

    def _seconds(self) -> float:
        return self._earlier + time.perf_counter() - self.started

    def _write(self, folder: Path, stopped: Stopped, dataset_record: str | None) -> dict[str, Any]:
        """Fill the record's folder; the further fields of its manifest."""
        spec, session = self.spec, self.session
        identity = {**run_identity(spec, self.table.fingerprint), "dataset": spec.dataset}
        (folder / "spec.json").write_text(canonical_json(identity), encoding="utf-8")
        (folder / "sanity.json").write_text(canonical_json(self.sanity), encoding="utf-8")
        (folder / "history.csv").write_text(to_csv(session.rows), encoding="utf-8")
        if session.best_row is not None:
            _save_weights(session.trainer.model, folder / "weights.weights.h5")
        log.info("%s after %d epochs, %s", stopped, len(session.rows), duration(self._seconds()))
        shutil.copyfile(self.folder / "train.log", folder / "train.log")
        return {
            "status": "diverged" if stopped == "diverged" else "done",
            "seconds": round(self._seconds(), 3),
            "hardware": hardware(),
            "versions": versions(),
            "git": git_state(),
            "resolved": self._resolved(stopped),
            "dataset": spec.dataset,
            "dataset_record": dataset_record,
            "fingerprint": self.table.fingerprint,
            "network": spec.network,
        }

    def _resolved(self, stopped: Stopped) -> dict[str, Any]:
        session, model, rows = self.session, self.session.trainer.model, self.session.rows
        return {
            **self.plan.as_dict(),
            "shortened": self.plan.shortened,
            "precision": self.precision.policy,
            "precision_reason": self.precision.reason,
            "fused_batch_norm": self.precision.batch_norm_fused,
            "xla": self.precision.xla,
            "batch_norm_momentum": self.momentum if has_batch_norm(model) else None,
            "epochs_run": len(rows),
            "best_epoch": session.best_row.epoch if session.best_row else None,
            "stopped": stopped,
            "diverged_because": session.diverged_because,
            "deterministic": True,
            "ema": self.spec.recipe.ema,
            "predicted_memory_gib": self.memory,
            "memory_gib": peak_memory_gib(),
            "images": {"train": len(session.train), "validation": len(session.validation)},
            "parameters": model.count_params(),
            "seconds_per_epoch": float(np.median([row.seconds for row in rows])) if rows else None,
            "images_per_second": float(np.median([row.images_per_second for row in rows])) if rows else None,
            "resumed": self._resumed,
        }


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"


def _save_weights(model: keras.Model, path: Path) -> None:
    """Raises OSError when there is no space, of which HDF5 would make an error or a crash of the process."""
    size = sum(variable.value.numpy().nbytes + _HDF5_BYTES for variable in model.weights)
    files.reserve(path, size + 4 * _HDF5_BYTES)
    model.save_weights(path)
