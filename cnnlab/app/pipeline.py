"""From a lab to its report on one page: plan, train what is missing, evaluate, lock, render."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.app.plan import Key, Plan, PlannedRun, key_of, locked_entries, make_plan
from cnnlab.app.trainings import OpenData, Trainings, published, went_as_planned
from cnnlab.errors import CnnlabError, LabError, Unwritable
from cnnlab.identity import architecture_id, evaluation_id, make_search_id
from cnnlab.lab import Lab
from cnnlab.networks import find_network, network_names
from cnnlab.spec import NetworkOptions, RunSpec
from cnnlab.store.files import remove_leftovers, replace_file
from cnnlab.store.record import Kind, Record
from cnnlab.store.store import RunStore

if TYPE_CHECKING:
    from cnnlab.progress import Progress
    from report.build import BuildResult

PUBLISHED_SIZE = {name: find_network(name).PUBLISHED_SIZES[0] for name in network_names()}
PUBLISHED_CLASSES = 1000

Tell = Callable[[str], None]


@dataclass
class Outcome:
    """What a command came to: as `BuildResult`, and the number of runs that it trained."""

    paths: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    checked: str = ""
    accuracies: list[str] = field(default_factory=list)
    failed: list[CnnlabError] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    trained: int = 0


def run_lab(
    lab: Lab,
    *,
    store: RunStore,
    out: Path,
    formats: tuple[str, ...],
    data_dir: Path,
    progress: Progress,
    tell: Tell,
    budget_seconds: float | None = None,
    fresh: bool = False,
) -> Outcome:
    """Search, train and evaluate what is missing, then render.

    Args:
        budget_seconds: wall time that all trainings together should stay inside, instead of the lab's own budget.
            Searches come before it.
        fresh: start anew what was interrupted; what is finished stays.

    Raises:
        CnnlabError: the lab or its data are wrong, or a folder cannot be written; no run was begun or lost.
        KeyboardInterrupt: the user stopped it; finished runs are published, the current one can be resumed.
    """
    outcome = Outcome()
    _check_rubric(lab)
    _check_logo(lab)
    _check_folders(store, out / lab.stem)
    _check_pdf(formats, outcome, tell)
    data = {name: _open_data(name, lab, store, data_dir, tell) for name in used_datasets(lab)}
    _search(lab, data, store=store, progress=progress, tell=tell, outcome=outcome, fresh=fresh)
    fingerprints = {name: opened.table.fingerprint for name, opened in data.items()}
    for planned in make_plan(lab, store, fingerprints).runs:
        if planned.ready:
            _sound(store, "run", planned.id, tell)
            _sound(store, "evaluation", evaluation_id(planned.id, flip=planned.flip), tell)
    plan = make_plan(lab, store, fingerprints)
    minutes = lab.file.lab.budget_minutes
    seconds = budget_seconds if budget_seconds is not None or minutes is None else 60 * minutes
    trainings = Trainings(data, store, progress, tell, seconds, fresh=fresh)
    _train_all(lab, plan, trainings, outcome)
    return _rendered(build(lab, store, out, formats, tell), outcome)


def predict_lab(
    lab: Lab, plan: Plan, *, store: RunStore, data_dir: Path, tell: Tell, probe: bool
) -> dict[str, dict[str, float | None]]:
    """Say what each missing training would take on this machine; nothing is trained.

    Args:
        probe: also build each and time some steps.

    Returns:
        By run id: `memory_gib` of the process; if `probe`, as it was measured (None where the system does not tell), and
        `seconds`.

    Raises:
        CnnlabError: the lab or its data are wrong, or a training will not fit into the memory.
    """
    from cnnlab.progress import Progress

    missing = [run for run in plan.runs if not run.cached]
    if not missing:
        return {}
    data = {name: _open_data(name, lab, store, data_dir, tell) for name in used_datasets(lab)}
    trainings = Trainings(data, store, Progress(), tell, budget_seconds=None)
    _check_memory(missing, trainings)
    if probe:
        trainings.predict(plan.missing)
    return trainings.predictions


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
        needed[planned.label] = predicted_gib(planned.spec, _described(planned.spec, trainings))
        trainings.predictions[planned.id] = {"memory_gib": round(needed[planned.label], 1)}
    check_memory(needed, trainings.tell)


def render_lab(
    lab: Lab, *, store: RunStore, out: Path, formats: tuple[str, ...], tell: Tell, anew: bool = False
) -> Outcome:
    """Render from cached runs; needs neither images nor framework.

    Args:
        anew: draw, lay out and execute everything, whatever is there from before.

    Raises:
        CnnlabError: the lab was never run here, or a record or template is wrong.
    """
    outcome = Outcome()
    _check_pdf(formats, outcome, tell)
    _check_logo(lab)
    lock = store.read_lab(lab.stem)
    for planned in make_plan(lab, store, _locked_fingerprints(lab, lock)).missing:
        outcome.missing.append(f"{planned.label}: the lab asks for a run that is not cached ({planned.why})")
    return _rendered(build(lab, store, out, formats, tell, anew=anew), outcome)


def build(
    lab: Lab, store: RunStore, out: Path, formats: tuple[str, ...], tell: Tell, *, anew: bool = False
) -> BuildResult:
    """Render the lab's report into its folder below `out`, unless it is there and nothing has changed."""
    from report.build import build_report, unchanged

    folder = out / lab.stem
    if not anew and (found := unchanged(store, lab, folder, formats)):
        return found
    tell(f"writing the report into {folder}")
    return build_report(store, lab, folder, set(formats), anew=anew)


def used_datasets(lab: Lab) -> list[str]:
    """The data sets that the lab's runs need, in file order."""
    return list(dict.fromkeys(group.dataset for group in lab.file.runs))


def fingerprints(lab: Lab, data_dir: Path, tell: Tell) -> dict[str, str]:
    """The fingerprint of each data set that the lab's runs use, by name."""
    from cnnlab.readers import open_dataset

    return {
        name: open_dataset(name, lab.file.datasets[name], data_dir=data_dir, report_progress=tell).fingerprint
        for name in used_datasets(lab)
    }


def _rendered(result: BuildResult, outcome: Outcome) -> Outcome:
    outcome.paths, outcome.checked, outcome.accuracies = list(result.paths), result.checked, result.accuracies
    outcome.failed, outcome.heard = result.failed, result.heard
    outcome.missing = list(dict.fromkeys([*outcome.missing, *result.missing]))
    return outcome


def _check_pdf(formats: tuple[str, ...], outcome: Outcome, tell: Tell) -> None:
    """Say before hours of training, not after, that the PDF cannot be made here."""
    if "pdf" not in formats:
        return
    from report.render.pdf import pango_problem

    if problem := pango_problem():
        tell(problem)
        outcome.missing.append(problem)


def _check_rubric(lab: Lab) -> None:
    """Refuse a wrong rubric before hours of training, not after."""
    from report.document.rubric import load_rubric

    load_rubric(lab)


def _check_logo(lab: Lab) -> None:
    """Refuse a logo that cannot be used before hours of training, not after."""
    if lab.file.style.logo:
        from report.render.assets import logo_uri

        logo_uri(lab.file.style.logo)


def _check_folders(store: RunStore, out: Path) -> None:
    """Refuse folders that cannot be written before hours of training, not after; clear away what was left in them."""
    probe = out / ".cnnlab-write-test"
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as problem:
        raise Unwritable(
            "the folder cannot be written", where=out, received=problem.strerror, hint="choose another with --out"
        ) from None
    remove_leftovers(out)
    store.check_usable()


def _sound(store: RunStore, kind: Kind, record_id: str, tell: Tell) -> bool:
    """Whether a record is there and whole; a damaged one is set aside, which `tell` is told."""
    if not store.folder(kind, record_id).exists():
        return False
    with store.lock(record_id):
        return store.sound(kind, record_id, tell)


def _open_data(name: str, lab: Lab, store: RunStore, data_dir: Path, tell: Tell) -> OpenData:
    from cnnlab.datasets.record import publish_dataset, record_id
    from cnnlab.datasets.split import split_images
    from cnnlab.readers import open_dataset

    spec = lab.file.datasets[name]
    table = open_dataset(name, spec, data_dir=data_dir, report_progress=tell)
    splits = split_images(table, spec.split)
    _sound(store, "dataset", record_id(name, spec, table.fingerprint), tell)
    return OpenData(table, splits, publish_dataset(store, name, spec, table, splits))


def _time(entries: list[dict[str, Any]], store: RunStore) -> dict[str, float] | None:
    """Seconds of the trainings that went as planned, predicted and taken, in all; None when there are none."""
    manifests = [store.read("run", entry["run"]).manifest for entry in entries if entry["run"]]
    planned = [one for one in manifests if went_as_planned(one)]
    if not planned:
        return None
    predicted = sum(float(one["resolved"]["predicted_seconds"]) for one in planned)
    return {"predicted_seconds": predicted, "seconds": sum(float(one["seconds"]) for one in planned)}


def _baseline(name: str, lab: Lab, opened: OpenData, store: RunStore, tell: Tell) -> str:
    from cnnlab.evaluation.baseline import baseline_id, publish_baseline

    _sound(store, "baseline", baseline_id(name, lab.file.datasets[name], opened.table.fingerprint), tell)
    return publish_baseline(store, name, lab.file.datasets[name], opened.table, opened.splits).id


def _published_architectures(store: RunStore, tell: Tell) -> dict[str, str]:
    """The networks as published, which Part 1 and the comparison are about whatever the lab trains."""
    return {
        name: _architecture(store, name, PUBLISHED_SIZE[name], PUBLISHED_CLASSES, NetworkOptions(), tell).id
        for name in PUBLISHED_SIZE
    }


def _architecture(store: RunStore, name: str, size: int, classes: int, options: NetworkOptions, tell: Tell) -> Record:
    record_id = architecture_id(name, image_size=size, classes=classes, options=options)
    if _sound(store, "architecture", record_id, tell):
        return store.read("architecture", record_id)
    from cnnlab.architectures.table import publish_architecture

    return publish_architecture(store, name, image_size=size, classes=classes, options=options)


def _search(
    lab: Lab,
    data: Mapping[str, OpenData],
    *,
    store: RunStore,
    progress: Progress,
    tell: Tell,
    outcome: Outcome,
    fresh: bool,
) -> None:
    """Run the searches that the lab's runs wait for; what depends on one that fails is left out, and said."""
    tried: set[str] = set()
    for request in lab.requests():
        if request.search is None:
            continue
        base, search, opened = request.base, request.search, data[request.base.dataset]
        search_id = make_search_id(base, search, opened.table.fingerprint)
        if search_id in tried or _sound(store, "search", search_id, tell):
            continue
        tried.add(search_id)
        from cnnlab.training.search import run_search

        try:
            run_search(
                base,
                search,
                opened.table,
                opened.splits,
                store=store,
                progress=progress,
                dataset_record=opened.record.id,
                fresh=fresh,
            )
        except Unwritable:
            raise
        except CnnlabError as problem:
            tell(f"search for {base.network} on {base.dataset}: {problem}")
            outcome.missing.append(f"search for {base.network} on {base.dataset}: {problem}")


def _train_all(lab: Lab, plan: Plan, trainings: Trainings, outcome: Outcome) -> None:
    """Every training of the lab, run where it is missing; after each, the lab lock says what there is by then."""
    before = locked_entries(lab, trainings.store)
    store, tell = trainings.store, trainings.tell
    others = {
        "architectures": _published_architectures(store, tell),
        "baselines": {name: _baseline(name, lab, opened, store, tell) for name, opened in trainings.data.items()},
    }
    entries = [_pending(planned, trainings, before) for planned in plan.runs]

    def keep() -> None:
        store.write_lab(lab.stem, _lock(lab, trainings, entries, **others))

    keep()
    _check_memory(plan.missing, trainings)
    trainings.predict(plan.missing)
    for index, planned in trainings.in_turn(plan.runs):
        entries[index] = entry = _entry(planned, trainings)
        if planned.ready:
            entry |= trainings.result(planned)
        else:
            entry |= {"run": None, "problem": planned.why}
        if "problem" in entry:
            tell(f"{planned.label}: {entry['problem']}")
            outcome.missing.append(f"{planned.label}: {entry['problem']}")
            entry["problem"] = published(entry["problem"])
        keep()
    outcome.trained = trainings.trained


def _pending(planned: PlannedRun, trainings: Trainings, before: Mapping[Key, dict[str, Any]]) -> dict[str, Any]:
    """The entry of a run before its turn: what it came to, or came to last time under another recipe, or that it is
    missing."""
    entry, store = _entry(planned, trainings), trainings.store
    evaluation = evaluation_id(planned.id, flip=planned.flip)
    if planned.cached and (planned.spec.fold is not None or store.has("evaluation", evaluation)):
        return entry | ({} if planned.spec.fold is not None else {"evaluation": evaluation})
    old = before.get(key_of(planned.spec), {})
    if not planned.cached and old and not store.trouble(old):
        return old
    return entry | {"run": None, "problem": planned.why if not planned.cached else "it was not evaluated yet"}


def _entry(planned: PlannedRun, trainings: Trainings) -> dict[str, Any]:
    spec = planned.spec
    return {
        "dataset": spec.dataset,
        "network": spec.network,
        "seed": spec.seed,
        "fold": spec.fold.model_dump(mode="json") if spec.fold else None,
        "search": planned.search,
        "flip": planned.flip,
        "run": planned.id,
        "evaluation": None,
        "architecture": _described(spec, trainings).id,
    }


def _described(spec: RunSpec, trainings: Trainings) -> Record:
    classes = len(trainings.data[spec.dataset].table.classes)
    size, options = spec.data.image_size, spec.options
    return _architecture(trainings.store, spec.network, size, classes, options, trainings.tell)


def _locked_fingerprints(lab: Lab, lock: Mapping[str, Any]) -> dict[str, str]:
    """Fingerprints of the lab's data sets as they were when it was run; empty for those it did not have."""
    locked = lock.get("datasets", {})
    return {name: locked[name]["fingerprint"] if name in locked else "" for name in used_datasets(lab)}


def _lock(
    lab: Lab,
    trainings: Trainings,
    entries: list[dict[str, Any]],
    *,
    architectures: Mapping[str, str],
    baselines: Mapping[str, str],
) -> dict[str, Any]:
    report, data, store = lab.file.report, trainings.data, trainings.store
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
                "test_uses": store.test_uses(
                    opened.table.fingerprint, lab.file.datasets[name].split.model_dump(mode="json")
                ),
            }
            for name, opened in data.items()
        },
        "baselines": dict(baselines),
        "time": _time(entries, store),
        "runs": entries,
        "architectures": dict(architectures),
    }


def submission_name(template: str, lab: Lab, formats: Collection[str]) -> str:
    """The file name without extension that `template` makes: `{id}` is the lab's student number, `{stem}` its name and
    `{date}` today (or the day of `SOURCE_DATE_EPOCH`, UTC, so that a build can be repeated).

    Raises:
        LabError: a field is unknown or has no value, or the name is not safe as a file's.
    """
    where, number = "--submission-name", lab.file.style.student_id
    if not set(formats) & {"ipynb", "pdf"}:
        received = f"--formats {','.join(formats)}"
        raise LabError(
            "there is nothing to copy under that name", where=where, received=received, expected="ipynb or pdf"
        )
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        today = datetime.fromtimestamp(int(epoch), UTC).date() if epoch else date.today()
    except (ValueError, OverflowError, OSError):
        what = "the date is not a number of seconds since 1970"
        raise LabError(what, where="SOURCE_DATE_EPOCH", received=epoch, expected="a number, as 1767225600") from None
    values = {"stem": lab.stem, "date": today.isoformat(), **({"id": number} if number else {})}
    try:
        name = template.format(**values)
    except (LookupError, ValueError, AttributeError) as problem:
        add = 'add to the lab file: [style] student_id = "…" (or --set style.student_id=…)'
        raise LabError(
            "the name cannot be filled in",
            where=where,
            received=template,
            expected=", ".join(f"{{{field}}}" for field in values),
            hint=add if problem.args == ("id",) else None,
        ) from None
    own = name.lower() in ("", "report", "report-edited") or name.lower().endswith((".ipynb", ".pdf"))
    if own or not name.isprintable() or name != name.strip(" .") or set(name) & set('/\\:*?"<>|') or len(name) > 120:
        raise LabError(
            "the name is not one to hand in under",
            where=where,
            received=repr(name),
            expected='a file name without extension, other than "report", as "{id}_tarea1"',
        )
    return name


def copy_submission(paths: Sequence[Path], name: str) -> list[Path]:
    """Copy the notebook and the PDF among `paths` under `name`, each into its own folder; returns the copies."""
    copies = {path: path.with_name(f"{name}{path.suffix}") for path in paths if path.suffix in (".ipynb", ".pdf")}
    for path, copy in copies.items():
        replace_file(copy, path.read_bytes())
    return list(copies.values())
