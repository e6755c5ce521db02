"""From a run spec and its data to a published run record."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
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
from cnnlab.training.engine import Build, Predictor, Trainer, batch_norm_momentum
from cnnlab.training.machine import Precision, git_state, hardware, peak_memory_gib, reset_peak_memory, versions
from cnnlab.training.preparation import Plan, Prepared, make_plan, prepare_run
from cnnlab.training.session import Session, Stopped, check_images, to_csv

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


def train_model(
    spec: RunSpec,
    table: ImageTable,
    splits: Splits,
    *,
    store: RunStore,
    budget_seconds: float | None,
    progress: Progress,
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
        KeyboardInterrupt: Ctrl-C; the last checkpoint stays.
    """
    run_id, started = make_run_id(spec, table.fingerprint), time.perf_counter()
    check_images(spec, splits)
    with store.lock(run_id, on_wait=lambda: progress.message(f"waiting: {store.holder(run_id)} trains {spec.label}")):
        if store.sound("run", run_id, progress.message):
            return Trained(store.read("run", run_id), None, None)
        folder = store.work_folder() / run_id
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        files.remove_leftovers(folder)
        with logged(folder / "train.log", "cnnlab.training"):
            reset_peak_memory()
            run = _Run(spec, table, splits, folder, progress, build, started)
            if not run.resumed():
                run.start(prepared, budget_seconds)
            stopped = run.train(checkpoint_seconds)
            record = store.publish("run", run_id, lambda work: run.write(work, stopped))
            shutil.rmtree(folder, ignore_errors=True)
            progress.message(run.outcome(stopped, record.manifest["seconds"]))
            trainer = run.session.trainer
            return Trained(record, trainer.model, trainer.predict, trainer)


@dataclass
class _Run:
    """One call of `train_model`, from an empty folder or a checkpoint to the record."""

    spec: RunSpec
    table: ImageTable
    splits: Splits
    folder: Path
    progress: Progress
    build: Build | None
    started: float
    earlier: float = 0.0
    resumptions: int = 0
    session: Session = field(init=False)
    plan: Plan = field(init=False)
    precision: Precision = field(init=False)
    sanity: dict[str, Any] = field(init=False)

    def start(self, prepared: Prepared | None, budget_seconds: float | None) -> None:
        """Lay out the run and say, to the user only where it differs from what was asked for, what it will take."""
        found = prepared or prepare_run(self.spec, self.table, self.splits, build=self.build)
        if prepared is not None:
            self.earlier = prepared.seconds
        plan = make_plan(
            epochs=self.spec.recipe.epochs, steps=found.steps, pace=found.pace, fixed_seconds=found.fixed_seconds,
            budget_seconds=budget_seconds,
        )  # fmt: skip
        self._open(plan, found.precision, found.sanity)
        text = f"{_epochs(plan.epochs_planned)} of {plan.steps_per_epoch} steps"
        text += f", about {duration(plan.predicted_seconds)}"
        if plan.budget_seconds is not None and plan.shortened:
            text += f"; {plan.epochs_requested} were asked for, the budget is {duration(plan.budget_seconds)}"
        if not plan.fits:
            text += "; not even one epoch fits into the budget, one is trained"
        log.info("%s, %s", self.spec.label, self.precision)
        log.info(text)
        if plan.shortened or not plan.fits:
            self.progress.message(f"{self.spec.label}: {text}")

    def resumed(self) -> bool:
        """Go on after a checkpoint; False when there is none, or it is of another model: there is nothing to go on from."""
        found = checkpoints.load_newest(self.folder, self._warn)
        if found is None:
            return False
        meta = found.meta
        self._open(Plan(**meta["plan"]), Precision(*meta["precision"]), meta["sanity"])
        try:
            self.session.resume(found)
        except ValueError as problem:
            self._warn(f"the checkpoint of epoch {found.epoch} is passed over and the run starts anew: {problem}")
            self.session.trainer.release()
            for path in checkpoints.newest_first(self.folder):
                checkpoints.set_aside(path)
            return False
        self.earlier, self.resumptions = meta["seconds"], meta["resumed"] + 1
        text = f"resumed after epoch {found.epoch} of {self.plan.epochs_planned}"
        log.info(text)
        self.progress.message(f"{self.spec.label}: {text}")
        return True

    def _open(self, plan: Plan, precision: Precision, sanity: dict[str, Any]) -> None:
        self.plan, self.precision, self.sanity, epochs = plan, precision, sanity, plan.epochs_planned
        self.session = Session(self.spec, self.table, self.splits, precision, epochs=epochs, build=self.build)

    def _warn(self, text: str) -> None:
        log.warning(text)
        self.progress.message(f"warning: {text}")

    def train(self, checkpoint_seconds: float) -> Stopped:
        """Train to the end, to the weights of the epoch that is kept."""
        saved = time.perf_counter()

        def at_boundary() -> None:
            nonlocal saved
            if time.perf_counter() - saved >= checkpoint_seconds:
                meta: dict[str, Any] = {"plan": asdict(self.plan), "precision": list(self.precision)}
                meta |= {"sanity": self.sanity, "seconds": self._seconds(), "resumed": self.resumptions}
                checkpoints.save(self.folder, self.session.checkpoint(meta))
                saved = time.perf_counter()

        stopped = self.session.run(self.progress, self.spec.label, at_boundary)
        if self.session.best_row is not None:
            self.session.trainer.set_weights(self.session.best)
        return stopped

    def _seconds(self) -> float:
        return self.earlier + time.perf_counter() - self.started

    def outcome(self, stopped: Stopped, seconds: float) -> str:
        """What came of it, in a line, with the error of the prediction where it went as planned."""
        done, best, predicted = len(self.session.rows), self.session.best_row, self.plan.predicted_seconds
        text = f"{self.spec.label}: {_epochs(done)} in {duration(seconds)}"
        if done == self.plan.epochs_planned and not self.resumptions:
            text += f" (predicted {duration(predicted)}, {seconds / predicted - 1:+.0%})"
        text += {"completed": "", "early": ", stopped early", "diverged": f", diverged in epoch {done + 1}"}[stopped]
        return text + (f", validation accuracy {best.val_accuracy:.3f} (epoch {best.epoch} is kept)" if best else "")

    def write(self, folder: Path, stopped: Stopped) -> dict[str, Any]:
        """Fill the record's folder; the further fields of its manifest."""
        spec, session, rows = self.spec, self.session, self.session.rows
        model, best = session.trainer.model, session.best_row
        identity = {**run_identity(spec, self.table.fingerprint), "dataset": spec.dataset}
        (folder / "spec.json").write_text(canonical_json(identity), encoding="utf-8")
        (folder / "sanity.json").write_text(canonical_json(self.sanity), encoding="utf-8")
        (folder / "history.csv").write_text(to_csv(rows), encoding="utf-8")
        if best is not None:
            # Of a full disk HDF5 would make an error without a reason or a crash of the process.
            size = sum(variable.value.numpy().nbytes + _HDF5_BYTES for variable in model.weights)
            files.reserve(folder / "weights.weights.h5", size + 4 * _HDF5_BYTES)
            model.save_weights(folder / "weights.weights.h5")
        log.info("%s after %d epochs, %s", stopped, len(rows), duration(self._seconds()))
        shutil.copyfile(self.folder / "train.log", folder / "train.log")
        normalises = any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)
        return {
            "status": "diverged" if stopped == "diverged" else "done",
            "seconds": round(self._seconds(), 3),
            "hardware": hardware(), "versions": versions(), "git": git_state(),
            "dataset": spec.dataset, "fingerprint": self.table.fingerprint, "network": spec.network,
            "resolved": {
                **asdict(self.plan), "shortened": self.plan.shortened,
                "precision": self.precision.policy, "precision_reason": self.precision.reason,
                "fused_batch_norm": self.precision.batch_norm_fused, "xla": self.precision.xla,
                "batch_norm_momentum": batch_norm_momentum(session.total) if normalises else None,
                "epochs_run": len(rows), "best_epoch": best.epoch if best else None,
                "stopped": stopped, "diverged_because": session.diverged_because, "resumed": self.resumptions,
                "deterministic": True, "ema": spec.recipe.ema, "parameters": model.count_params(),
                "memory_gib": peak_memory_gib(),
                "images": {"train": len(session.train), "validation": len(session.validation)},
                "seconds_per_epoch": float(np.median([row.seconds for row in rows])) if rows else None,
                "images_per_second": float(np.median([row.images_per_second for row in rows])) if rows else None,
            },
        }  # fmt: skip


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"


class _LogFile(logging.FileHandler):
    """A file that, when it cannot be written, says so to whoever logs instead of printing a traceback."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        with files.writing(Path(self.baseFilename)):
            raise  # what is being handled where this is called


@contextmanager
def logged(path: Path, *names: str) -> Iterator[None]:
    """Append what the loggers of these names say, from INFO on, to `path`, and to no other handler of theirs.

    Raises:
        Unwritable: the file cannot be written, now or when something is logged.
    """
    with files.writing(path):
        handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    former = [(logger, logger.handlers, logger.level) for logger in map(logging.getLogger, names)]
    for logger, *_ in former:
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, handlers, level in former:
            logger.handlers = handlers
            logger.setLevel(level)
        with suppress(OSError):  # what could not be written has been said when it was logged
            handler.close()
