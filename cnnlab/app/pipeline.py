"""From a lab to its report on one page: plan, train what is missing, evaluate, lock, render."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.app.plan import Entry, PlannedRun, key_of, locked_entries, make_plan
from cnnlab.app.trainings import OpenData, Trainings, open_images, published
from cnnlab.errors import CnnlabError, LabError, Unwritable
from cnnlab.identity import architecture_id, evaluation_id, make_search_id
from cnnlab.lab import Lab
from cnnlab.networks import find_network, network_names
from cnnlab.spec import NetworkOptions, RunSpec
from cnnlab.store.files import remove_leftovers, replace_file, writing
from cnnlab.store.record import Kind, Record
from cnnlab.store.store import RunStore
from report.build import BuildResult, build_report, check, unchanged

if TYPE_CHECKING:
    from cnnlab.progress import Progress

PUBLISHED_SIZE = {name: find_network(name).PUBLISHED_SIZES[0] for name in network_names()}
PUBLISHED_CLASSES = 1000

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """A report that is asked for.

    Attributes:
        out: the folder of reports, below which it has a folder of its own.
        formats: see `report.build.FILES`.
        submission: also copy notebook and PDF under this name; see `submission_name`.
        anew: draw, lay out and execute everything, whatever is there from before.
    """

    lab: Lab
    store: RunStore
    out: Path
    formats: tuple[str, ...]
    submission: str | None = None
    anew: bool = False

    def check(self, tell: Tell) -> list[str]:
        """Refuse before hours of training what cannot be rendered; returns what will be missing. Raises CnnlabError."""
        missing = check(self.lab, self.formats)
        for problem in missing:
            tell(problem)
        if self.submission is not None:
            submission_name(self.submission, self.lab, self.formats)
        return missing

    def write(self, missing: list[str], tell: Tell) -> BuildResult:
        """Render it unless nothing has changed, and copy it; `missing` is what is known to be missing from it already.

        Raises:
            CnnlabError: a record or template is wrong, or a folder cannot be written.
        """
        result = build(self.lab, self.store, self.out, self.formats, tell, anew=self.anew)
        result.missing = list(dict.fromkeys([*missing, *result.missing]))
        name = None if self.submission is None else submission_name(self.submission, self.lab, self.formats)
        for path in [path for path in result.paths if name and path.suffix in (".ipynb", ".pdf")]:
            result.paths.append(path.with_name(f"{name}{path.suffix}"))
            replace_file(result.paths[-1], path.read_bytes())
        return result


def run_lab(
    wanted: Wanted, progress: Progress, budget_seconds: float | None = None, *, fresh: bool = False
) -> BuildResult:
    """Search, train and evaluate what is missing, then render.

    Args:
        budget_seconds: wall time that all trainings together should stay inside, instead of the lab's own budget.
            Searches come before it.
        fresh: start anew what was interrupted; what is finished stays.

    Raises:
        CnnlabError: the lab or its data are wrong, or a folder cannot be written; no run was begun or lost.
        KeyboardInterrupt: the user stopped it; finished runs are published, the current one can be resumed.
    """
    lab, store, tell, minutes = wanted.lab, wanted.store, progress.message, wanted.lab.file.lab.budget_minutes
    missing = wanted.check(tell)
    probe = wanted.out / lab.stem / ".cnnlab-write-test"
    with writing(probe):
        probe.touch()
        probe.unlink()
    remove_leftovers(probe.parent)
    store.check_usable()
    seconds = 60 * minutes if budget_seconds is None and minutes is not None else budget_seconds
    trainings = Trainings(_opened(lab, store, tell), store, progress, seconds, fresh=fresh)
    missing += _search(lab, trainings)
    for planned in make_plan(lab, store, trainings.fingerprints):
        if planned.ready:
            _sound(store, "run", planned.id, tell)
            _sound(store, "evaluation", evaluation_id(planned.id, flip=planned.flip), tell)
    missing += _train_all(lab, make_plan(lab, store, trainings.fingerprints), trainings)
    tell(f"trained {trainings.trained} run(s)" if trainings.trained else "every run was cached: nothing was trained")
    return wanted.write(missing, tell)


def render_lab(wanted: Wanted, tell: Tell) -> BuildResult:
    """Render from cached runs; needs neither images nor framework.

    Raises:
        CnnlabError: the lab was never run here, or a record or template is wrong.
    """
    lab, missing = wanted.lab, wanted.check(tell)
    locked = wanted.store.read_lab(lab.stem).get("datasets", {})
    fingerprints = {name: locked[name]["fingerprint"] if name in locked else "" for name in lab.file.datasets}
    for planned in make_plan(lab, wanted.store, fingerprints):
        if planned.missing:
            missing.append(f"{planned.spec.label}: the lab asks for a run that is not cached ({planned.why})")
    return wanted.write(missing, tell)


def build(
    lab: Lab, store: RunStore, out: Path, formats: tuple[str, ...], tell: Tell, *, anew: bool = False
) -> BuildResult:
    """Render the lab's report into its folder below `out`, unless it is there and nothing has changed."""
    folder = out / lab.stem
    if not anew and (found := unchanged(store, lab, folder, formats)):
        return found
    tell(f"writing the report into {folder}")
    return build_report(store, lab, folder, set(formats), anew=anew)


def predict_lab(
    lab: Lab, store: RunStore, progress: Progress, *, probe: bool
) -> tuple[list[PlannedRun], dict[str, dict[str, float | None]]]:
    """Say what each missing training would take on this machine; nothing is trained.

    Args:
        probe: also build each and time some steps.

    Returns:
        The plan, and by run id: `memory_gib` of the process; if `probe`, as it was measured (None where the system does
        not tell), and `seconds`.

    Raises:
        CnnlabError: the lab or its data are wrong, or a training will not fit into the memory.
    """
    trainings = Trainings(_opened(lab, store, progress.message), store, progress)
    plan = make_plan(lab, store, trainings.fingerprints)
    _check_memory([run for run in plan if not run.cached], trainings)
    if probe:
        trainings.predict([run for run in plan if run.missing])
    return plan, trainings.predictions


def submission_name(template: str, lab: Lab, formats: Collection[str]) -> str:
    """The file name without extension that `template` makes: `{id}` is the lab's student number, `{stem}` its name and
    `{date}` today (or the day of `SOURCE_DATE_EPOCH`, UTC, so that a build can be repeated).

    Raises:
        LabError: a field is unknown or has no value, the name is not safe as a file's, or no format would have it.
    """
    epoch, number, received = os.environ.get("SOURCE_DATE_EPOCH"), lab.file.style.student_id, template
    try:
        today = datetime.fromtimestamp(int(epoch), UTC).date() if epoch else date.today()
        received = name = template.format(stem=lab.stem, date=today.isoformat(), **({"id": number} if number else {}))
        own = name.lower() in ("report", "report-edited") or name.lower().endswith((".ipynb", ".pdf"))
        safe = name.isprintable() and name == name.strip(" .") and not set(name) & set('/\\:*?"<>|')
        if safe and not own and 0 < len(name) <= 120 and {"ipynb", "pdf"} & set(formats):
            return name
    except (LookupError, ValueError, AttributeError, OverflowError, OSError) as problem:
        received = f"{template} ({problem!r})"
    expected = (
        'a file name without extension, other than "report", as "{id}_tarea1", for ipynb or pdf; {stem}, {date} (of '
        'today, or SOURCE_DATE_EPOCH, in seconds) and {id} are filled in: [style] student_id = "…" in the lab file'
    )
    what = "the name is not one to hand in under"
    raise LabError(what, where="--submission-name", received=received, expected=expected)


def _sound(store: RunStore, kind: Kind, record_id: str, tell: Tell) -> bool:
    """Whether a record is there and whole; a damaged one is set aside, which `tell` is told."""
    if not store.folder(kind, record_id).exists():
        return False
    with store.lock(record_id):
        return store.sound(kind, record_id, tell)


def _opened(lab: Lab, store: RunStore, tell: Tell) -> dict[str, OpenData]:
    """The data sets that the lab's runs need, in file order."""
    from cnnlab.datasets.record import publish_dataset, record_id

    data = {}
    for name in dict.fromkeys(group.dataset for group in lab.file.runs):
        spec = lab.file.datasets[name]
        table, splits = open_images(name, spec, tell)
        _sound(store, "dataset", record_id(name, spec, table.fingerprint), tell)
        data[name] = OpenData(table, splits, publish_dataset(store, name, spec, table, splits))
    return data


def _architecture(trainings: Trainings, name: str, size: int, classes: int, options: NetworkOptions) -> Record:
    store, record_id = trainings.store, architecture_id(name, image_size=size, classes=classes, options=options)
    if _sound(store, "architecture", record_id, trainings.tell):
        return store.read("architecture", record_id)
    from cnnlab.architectures.table import publish_architecture

    return publish_architecture(store, name, image_size=size, classes=classes, options=options)


def _described(spec: RunSpec, trainings: Trainings) -> Record:
    classes = len(trainings.data[spec.dataset].table.classes)
    return _architecture(trainings, spec.network, spec.data.image_size, classes, spec.options)


def _check_memory(missing: list[PlannedRun], trainings: Trainings) -> None:
    """Predict the memory of each from its network's layers; on a GPU, which has its own, nothing is said."""
    if not missing:
        return  # no framework is loaded where nothing is trained
    from cnnlab.training.machine import accelerator
    from cnnlab.training.memory import check_memory, predicted_gib

    if accelerator() is not None:
        return
    needed = {}
    for planned in missing:
        needed[planned.spec.label] = predicted_gib(planned.spec, _described(planned.spec, trainings))
        trainings.predictions[planned.id] = {"memory_gib": round(needed[planned.spec.label], 1)}
    check_memory(needed, trainings.tell)


def _search(lab: Lab, trainings: Trainings) -> list[str]:
    """Run the searches that the lab's runs wait for; what depends on one that fails is left out, and told."""
    store, progress, tried, missing = trainings.store, trainings.progress, set[str](), list[str]()
    for base, search in ((one.base, one.search) for one in lab.requests() if one.search):
        opened = trainings.data[base.dataset]
        search_id = make_search_id(base, search, opened.table.fingerprint)
        if search_id in tried or _sound(store, "search", search_id, trainings.tell):
            continue
        tried.add(search_id)
        from cnnlab.training.search import run_search

        try:
            run_search(base, search, opened.table, opened.splits, store=store, progress=progress, fresh=trainings.fresh)
        except Unwritable:
            raise
        except CnnlabError as problem:
            missing.append(f"search for {base.network} on {base.dataset}: {problem}")
            trainings.tell(missing[-1])
    return missing


def _train_all(lab: Lab, plan: list[PlannedRun], trainings: Trainings) -> list[str]:
    """Every training of the lab, run where it is missing; after each, the lab lock says what there is by then."""
    from cnnlab.evaluation.baseline import baseline_id, publish_baseline

    store, tell, data, missing = trainings.store, trainings.tell, trainings.data, list[str]()
    report, specs, before = lab.file.report, lab.file.datasets, locked_entries(lab, store)
    parts = {"2_1": (report.part_2_1, report.primary_2_1), "2_2": (report.part_2_2, report.primary_2_2)}
    baselines = {}
    for name, opened in data.items():
        _sound(store, "baseline", baseline_id(name, specs[name], opened.table.fingerprint), tell)
        baselines[name] = publish_baseline(store, name, specs[name], opened.table, opened.splits).id
    lock: dict[str, Any] = {
        "stem": lab.stem,
        "lab": lab.file.lab.model_dump(mode="json", exclude={"seeds"}),
        "parts": {key: {"dataset": name, "primary": primary} for key, (name, primary) in parts.items() if name},
        "baselines": baselines,
        "runs": [_pending(planned, trainings, before) for planned in plan],
        # As published: Part 1 and the comparison are about them whatever the lab trains.
        "architectures": {
            name: _architecture(trainings, name, size, PUBLISHED_CLASSES, NetworkOptions()).id
            for name, size in PUBLISHED_SIZE.items()
        },
    }

    def keep() -> None:
        datasets = {}
        for name, opened in data.items():
            fingerprint = opened.table.fingerprint
            uses = store.test_uses(fingerprint, specs[name].split.model_dump(mode="json"))
            known = {"fingerprint": fingerprint, "identity": specs[name].identity(), "test_uses": uses}
            datasets[name] = {"record": opened.record.id, **known}
        store.write_lab(lab.stem, {**lock, "datasets": datasets})

    keep()
    wanted = [run for run in plan if run.missing]
    _check_memory(wanted, trainings)
    trainings.predict(wanted)
    for index, planned in trainings.in_turn(plan):
        found = trainings.result(planned) if planned.ready else {"run": None, "problem": planned.why}
        if problem := found.get("problem"):
            missing.append(f"{planned.spec.label}: {problem}")
            tell(missing[-1])
            found["problem"] = published(problem)
        lock["runs"][index] = _entry(planned, trainings) | found
        keep()
    return missing


def _pending(planned: PlannedRun, trainings: Trainings, before: Mapping[Any, Entry]) -> Entry:
    """The entry of a run before its turn: what it came to, or came to last time under another recipe, or that it is
    missing."""
    store, fold, evaluation = trainings.store, planned.spec.fold, evaluation_id(planned.id, flip=planned.flip)
    if planned.cached and (fold is not None or store.has("evaluation", evaluation)):
        return _entry(planned, trainings) | {"evaluation": None if fold else evaluation}
    old = before.get(key_of(planned.spec), {})
    if not planned.cached and old and not store.trouble(old):
        return old
    return _entry(planned, trainings) | {"run": None, "problem": planned.why or "it was not evaluated yet"}


def _entry(planned: PlannedRun, trainings: Trainings) -> Entry:
    return {
        **planned.spec.model_dump(mode="json", include={"dataset", "network", "seed", "fold"}),
        "search": planned.search,
        "flip": planned.flip,
        "run": planned.id,
        "evaluation": None,
        "architecture": _described(planned.spec, trainings).id,
    }
