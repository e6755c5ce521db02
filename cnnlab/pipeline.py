"""From a lab to its report on one page: plan, train what is missing, evaluate, lock, render."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.errors import CnnlabError, StoreError
from cnnlab.lab import Lab
from cnnlab.plan import Plan, PlannedRun, make_plan
from cnnlab.spec import NetworkOptions, architecture_id, evaluation_id
from cnnlab.store import Record, RunStore

if TYPE_CHECKING:
    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable
    from cnnlab.training.progress import Progress
    from report.build import BuildResult

FORMATS = ("html", "pdf", "ipynb")
PUBLISHED_SIZE = {"alexnet": 227, "vgg19": 224, "resnet50": 224}
PUBLISHED_CLASSES = 1000

Tell = Callable[[str], None]


@dataclass
class Outcome:
    """What a command came to: the files it wrote and what is missing from them, in the user's words."""

    paths: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    trained: int = 0


@dataclass(frozen=True)
class OpenData:
    """A data set ready for training: its table, its splits and its published record."""

    table: ImageTable
    splits: Splits
    record: Record


def run_lab(
    lab: Lab, *, store: RunStore, out: Path, formats: tuple[str, ...], data_dir: Path, progress: Progress, tell: Tell
) -> Outcome:
    """Train and evaluate what is missing, then render.

    Raises:
        CnnlabError: the lab or its data are wrong, or a folder cannot be written; no run was begun or lost.
        KeyboardInterrupt: the user stopped it; finished runs are published, the current one can be resumed.
    """
    outcome = Outcome()
    _check_pdf(formats, outcome, tell)
    _check_writable(out)
    store.work_folder()
    data = {name: _open_data(name, lab, store, data_dir, tell) for name in used_datasets(lab)}
    plan = make_plan(lab, store, {name: opened.table.fingerprint for name, opened in data.items()})
    architectures = _published_architectures(store)
    entries = _train_all(lab, plan, data, store=store, progress=progress, tell=tell, outcome=outcome)
    store.write_lab(lab.stem, _lock(lab, data, entries, architectures))
    return _rendered(build(lab, store, out, formats), outcome)


def render_lab(lab: Lab, *, store: RunStore, out: Path, formats: tuple[str, ...], tell: Tell) -> Outcome:
    """Render from cached runs; needs neither images nor framework.

    Raises:
        CnnlabError: the lab was never run here, or a record or template is wrong.
    """
    outcome = Outcome()
    _check_pdf(formats, outcome, tell)
    lock = store.read_lab(lab.stem)
    for planned in make_plan(lab, store, _locked_fingerprints(lab, lock)).missing:
        outcome.missing.append(f"{planned.label}: the lab asks for a run that is not cached ({planned.why})")
    return _rendered(build(lab, store, out, formats), outcome)


def build(lab: Lab, store: RunStore, out: Path, formats: tuple[str, ...]) -> BuildResult:
    """Render the lab's report into its folder below `out`."""
    from report.build import build_report

    return build_report(store, lab, out / lab.stem, set(formats))


def used_datasets(lab: Lab) -> list[str]:
    """The data sets that the lab's runs need, in file order."""
    return list(dict.fromkeys(group.dataset for group in lab.file.runs))


def fingerprints(lab: Lab, data_dir: Path, tell: Tell) -> dict[str, str]:
    """The fingerprint of each data set that the lab's runs use, by name."""
    from cnnlab.datasets import open_dataset

    return {
        name: open_dataset(name, lab.file.datasets[name], data_dir=data_dir, report_progress=tell).fingerprint
        for name in used_datasets(lab)
    }


def _rendered(result: BuildResult, outcome: Outcome) -> Outcome:
    outcome.paths = list(result.paths)
    outcome.missing = list(dict.fromkeys([*outcome.missing, *result.missing]))
    return outcome


def _check_pdf(formats: tuple[str, ...], outcome: Outcome, tell: Tell) -> None:
    """Say before hours of training, not after, that the PDF cannot be made here."""
    if "pdf" not in formats:
        return
    from report.pdf import pango_problem

    if problem := pango_problem():
        tell(problem)
        outcome.missing.append(problem)


def _check_writable(folder: Path) -> None:
    probe = folder / ".cnnlab-write-test"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as problem:
        raise StoreError(
            "the folder cannot be written", where=folder, received=problem.strerror, hint="choose another with --out"
        ) from None


def _open_data(name: str, lab: Lab, store: RunStore, data_dir: Path, tell: Tell) -> OpenData:
    from cnnlab.datasets import open_dataset
    from cnnlab.datasets.record import publish_dataset
    from cnnlab.datasets.split import split_images

    spec = lab.file.datasets[name]
    table = open_dataset(name, spec, data_dir=data_dir, report_progress=tell)
    splits = split_images(table, spec.split)
    return OpenData(table, splits, publish_dataset(store, name, spec, table, splits))


def _published_architectures(store: RunStore) -> dict[str, str]:
    """The networks as published, which Part 1 and the comparison are about whatever the lab trains."""
    return {
        name: _architecture(store, name, PUBLISHED_SIZE[name], PUBLISHED_CLASSES, NetworkOptions()).id
        for name in PUBLISHED_SIZE
    }


def _architecture(store: RunStore, name: str, size: int, classes: int, options: NetworkOptions) -> Record:
    record_id = architecture_id(name, image_size=size, classes=classes, options=options)
    if store.has("architecture", record_id):
        return store.read("architecture", record_id)
    from cnnlab.networks.anatomy import publish_architecture

    return publish_architecture(store, name, image_size=size, classes=classes, options=options)


def _train_all(
    lab: Lab,
    plan: Plan,
    data: Mapping[str, OpenData],
    *,
    store: RunStore,
    progress: Progress,
    tell: Tell,
    outcome: Outcome,
) -> list[dict[str, Any]]:
    """Every run of the lab, trained where it is missing, as entries of the lab lock."""
    architectures = {
        planned.id: _architecture(
            store,
            planned.spec.network,
            planned.spec.data.image_size,
            len(data[planned.spec.dataset].table.classes),
            planned.spec.options,
        )
        for planned in plan.runs
    }
    minutes = lab.file.lab.budget_minutes
    budget = Budget(None if minutes is None else 60 * minutes, plan.missing, architectures, data)
    entries = []
    for planned in plan.runs:
        entry = {
            "dataset": planned.spec.dataset,
            "network": planned.spec.network,
            "seed": planned.spec.seed,
            "run": planned.id,
            "evaluation": None,
            "architecture": architectures[planned.id].id,
        }
        try:
            opened = data[planned.spec.dataset]
            entry |= _train_one(planned, opened, budget.share(planned), store=store, progress=progress, outcome=outcome)
        except CnnlabError as problem:
            entry |= {"run": None, "problem": str(problem)}
        if "problem" in entry:
            tell(f"{planned.label}: {entry['problem']}")
            outcome.missing.append(f"{planned.label}: {entry['problem']}")
        entries.append(entry)
    return entries


def _train_one(
    planned: PlannedRun,
    opened: OpenData,
    budget: float | None,
    *,
    store: RunStore,
    progress: Progress,
    outcome: Outcome,
) -> dict[str, Any]:
    """Train and evaluate one run where that is missing; what the lab lock has to know of it."""
    predict = None
    if planned.cached:
        run = store.read("run", planned.id)
    else:
        from cnnlab.training.fit import train_model

        run, _, predict = train_model(
            planned.spec,
            opened.table,
            opened.splits,
            store=store,
            budget_seconds=budget,
            progress=progress,
            dataset_record=opened.record.id,
        )
        outcome.trained += 1
    if run.manifest["status"] == "diverged":
        return {"problem": "training diverged: the loss is no longer a number; lower its learning rate and run again"}
    if store.has("evaluation", evaluation_id(run.id)):
        return {"evaluation": evaluation_id(run.id)}
    from cnnlab.evaluation.predict import evaluate

    return {"evaluation": evaluate(run, opened.table, opened.splits, store=store, predict=predict).id}


class Budget:
    """Shares the lab's training time among its missing runs by what they should cost; what one saves, others get."""

    ACTIVATION_COST, UPDATE_COST = 120, 200
    """Multiply-adds whose time it takes to write and read one activation, and to update one parameter in a step; fitted
    to training speeds at 32 pixels, batch 64, in bfloat16 on two cores with AMX (images a second: VGG-19 168 and
    ResNet-50 115 with SGD; AlexNet 286 with SGD, 214 with Adam)."""

    def __init__(
        self,
        seconds: float | None,
        missing: list[PlannedRun],
        architectures: Mapping[str, Record],
        data: Mapping[str, OpenData],
    ) -> None:
        self.deadline = None if seconds is None else time.monotonic() + seconds
        self.work = {
            run.id: self._per_image(architectures[run.id], run.spec.recipe.batch_size)
            * len(data[run.spec.dataset].splits.train)
            * run.spec.recipe.epochs
            for run in missing
        }

    def _per_image(self, architecture: Record, batch_size: int) -> float:
        manifest = architecture.manifest
        memory = self.ACTIVATION_COST * manifest["activations"] + self.UPDATE_COST * manifest["parameters"] / batch_size
        return float(manifest["multiply_adds"] + memory)

    def share(self, planned: PlannedRun) -> float | None:
        """Seconds for this run, or None when the lab sets no budget or the run is cached."""
        if self.deadline is None or planned.id not in self.work:
            return None
        remaining = max(0.0, self.deadline - time.monotonic())
        part = self.work[planned.id] / sum(self.work.values())
        del self.work[planned.id]
        return float(remaining * part)


def _locked_fingerprints(lab: Lab, lock: Mapping[str, Any]) -> dict[str, str]:
    """Fingerprints of the lab's data sets as they were when it was run; empty for those it did not have."""
    locked = lock.get("datasets", {})
    return {name: locked[name]["fingerprint"] if name in locked else "" for name in used_datasets(lab)}


def _lock(
    lab: Lab, data: Mapping[str, OpenData], entries: list[dict[str, Any]], architectures: Mapping[str, str]
) -> dict[str, Any]:
    report = lab.file.report
    parts = {"2_1": {"dataset": report.part_2_1, "primary": report.primary_2_1}}
    if report.part_2_2 is not None:
        parts["2_2"] = {"dataset": report.part_2_2, "primary": report.primary_2_2}
    return {
        "stem": lab.stem,
        "lab": lab.file.lab.model_dump(mode="json", exclude={"seeds"}),
        "parts": parts,
        "datasets": {
            name: {
                "record": opened.record.id,
                "fingerprint": opened.table.fingerprint,
                "identity": lab.file.datasets[name].identity(),
            }
            for name, opened in data.items()
        },
        "runs": entries,
        "architectures": dict(architectures),
    }
