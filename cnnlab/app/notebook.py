"""The few calls that the cells of a report's notebook make.

from cnnlab.notebook import open_lab
lab = open_lab("demo", runs="../../runs")
lab.figure(8, "loss")                          # shows the figure of Activity 8 with this name
run = lab.cached("fashion-mnist", "vgg19")     # the cached run; None when there is none
spec = lab.spec("fashion-mnist", "vgg19")      # what it is trained by, and on which images:
images, splits = lab.images("fashion-mnist")
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.app.plan import key_of, plan_run
from cnnlab.errors import DataError, LabError, StoreError
from cnnlab.identity import canonical_json
from cnnlab.lab import DEFAULT_RUBRIC, Lab, load_lab
from cnnlab.paths import data_dir, labs_dir, templates_dir
from cnnlab.spec import RunSpec
from cnnlab.store.record import Kind, Record
from cnnlab.store.store import RunStore
from report.data.records import REMOVED, LabData
from report.data.records import open_lab as open_records
from report.evidence.language import Language
from report.evidence.quantity import Figure, Gallery, Item, Table
from report.notebook.code import LAB_VARIABLE

if TYPE_CHECKING:
    import pandas as pd

    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable
    from report.document.rubric import Section

KINDS: tuple[Kind, ...] = ("run", "evaluation")


def open_lab(
    name: str,
    *,
    runs: str | Path = "runs",
    profile: str | None = None,
    language: str | None = None,
    rubric: str = DEFAULT_RUBRIC,
    without: Sequence[str] = (),
    sections: Sequence[Section] | None = None,
) -> NotebookLab:
    """Open the cached runs of a lab.

    Args:
        name: of a shipped lab, or the path of a lab file. Where there is no such file, one of its name beside `runs`
            is taken: a bundle has it there.
        runs: the run store, relative to the current folder. Where it does not know the lab, `CNNLAB_RUNS` and every
            folder `runs` in the current folder and above are tried: a notebook still works after it was moved.
            A run that is missing there is missed by whatever needs it, not before.
        language: of words and numbers; default: the lab's.
        rubric: the assignment that the lab's report answers.
        without: runs of the lab that the report was made without, since their records were gone or damaged.
        sections: in place of those of the rubric.

    Raises:
        StoreError: no store knows the lab, or a record other than a run's is absent or damaged.
        TemplateProblem: there is no such rubric, beside the lab or in the project.
    """
    is_file = "/" in name or name.endswith(".toml")
    stem = (Path(name).stem if is_file else name) + (f"-{profile}" if profile else "")
    here, chosen = Path.cwd(), os.environ.get("CNNLAB_RUNS")
    places = [Path(runs), *([Path(chosen)] if chosen else []), *(folder / "runs" for folder in (here, *here.parents))]
    root = next((place for place in places if (place / "labs" / f"{stem}.json").is_file()), None)
    if root is None:
        raise StoreError(
            "the lab's cached runs are not found",
            where=Path(runs).resolve(),
            received=f"no labs/{stem}.json there, nor in a folder “runs” above",
            hint="say where they are: open_lab(…, runs=…)",
        )
    if is_file:
        told = Path(os.environ.get(LAB_VARIABLE, ""))
        files = [Path(name), *([told] if told.name == Path(name).name else []), root.parent / Path(name).name]
        name = str(next((file for file in files if file.is_file()), name))
    if sections is None:
        from report.document.rubric import read_rubric

        path = Path(name) if is_file else labs_dir() / name
        sections = read_rubric(rubric, [path.parent / path.stem / "templates", templates_dir()]).sections
    load = partial(load_lab, name, profile=profile)
    return NotebookLab(load, _PatientStore(root, without), stem, language, sections)


class _Absent(dict[str, Any]):
    """In place of the manifest of a record that is not there: it says so when it is looked into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __missing__(self, key: str) -> Any:
        hint = "run the cell above that trains it, or: cnnlab run"
        raise StoreError("the run is not in the cache", where=self.folder, hint=hint)

    def get(self, key: str, default: Any = None) -> Any:
        return self[key]


class _PatientStore(RunStore):
    """The store as the report saw it, made `without` some runs; one that is missing now complains when it is needed."""

    def __init__(self, root: Path, without: Sequence[str]) -> None:
        super().__init__(root)
        self.without = without

    def read_lab(self, stem: str) -> dict[str, Any]:
        """The lab lock as the report was made from it."""
        lock, nothing = super().read_lab(stem), {"run": None, "evaluation": None, "problem": REMOVED}
        return lock | {"runs": [one | (nothing if one["run"] in self.without else {}) for one in lock["runs"]]}

    def read(self, kind: Kind, record_id: str) -> Record:
        """Open a record."""
        if kind not in KINDS or self.has(kind, record_id):
            return super().read(kind, record_id)
        folder = self.folder(kind, record_id)
        return Record(kind=kind, id=record_id, folder=folder, manifest=_Absent(folder))


class NotebookLab:
    """A lab's cached runs and what the report shows of them."""

    def __init__(
        self,
        load: Callable[[], Lab],
        store: RunStore,
        stem: str,
        language: str | None,
        sections: Sequence[Section],
    ) -> None:
        self._load, self._patient, self.store, self._stem = load, store, RunStore(store.root), stem
        self._sections = {section.number or section.key: section for section in sections}
        self._open()
        self.language = Language(language or self.data.lock["lab"]["language"])

    def _open(self) -> None:
        """Read the records that there are now."""
        self.data: LabData = open_records(self._patient, self._stem, strict=True)
        self._runs = [entry for entry in self.data.lock["runs"] if entry.get("fold") is None]
        self._missing = [entry for entry in self._runs if entry["evaluation"] and not self._has(entry)]
        self._answer = cache(lambda activity: self._sections[activity].answer(self.data, self.language))

    def _has(self, entry: Mapping[str, Any]) -> bool:
        return all(entry[kind] and self.store.has(kind, entry[kind]) for kind in KINDS)

    def __repr__(self) -> str:
        lines = [f"{self.data.stem}: {self.data.lock['lab']['title']}"]
        for entry in (entry for entry in self._runs if entry["evaluation"]):
            state = "  (not in the cache: trained by its cell below)" if entry in self._missing else ""
            lines.append(f"  {entry['dataset']:<16} {entry['network']:<10} {entry['run']}{state}")
        return "\n".join(lines)

    def figure(self, activity: int | str, name: str) -> None:
        """Show a chart of an activity (its number, or `"comparison"` and the like)."""
        self._show(self._item(activity, name, Figure))

    def table(self, activity: int | str, name: str) -> None:
        """Show a table of an activity."""
        self._show(self._item(activity, name, Table))

    def gallery(self, activity: int | str, name: str) -> None:
        """Show a grid of images of an activity."""
        self._show(self._item(activity, name, Gallery))

    def recipe(self, dataset: str, network: str) -> dict[str, Any]:
        """How the network was trained, from whichever seed: optimiser, rates, batch size, epochs and the rest."""
        entry = self._entry(dataset, network)
        if entry in self._missing:
            recipe = self.spec(dataset, network, seed=entry["seed"]).recipe.model_dump(mode="json")
            return dict(json.loads(canonical_json(recipe)))
        return dict(self.store.read("run", entry["run"]).json("spec.json")["recipe"])

    def cached(self, dataset: str, network: str, *, seed: int = 0) -> NotebookRun | None:
        """The lab's run, trained and evaluated; None where the cache has none."""
        entry = self._entry(dataset, network, seed)
        if not self._has(entry):
            return None
        if entry in self._missing:
            self._open()
        return NotebookRun(self.store.read("run", entry["run"]))

    def spec(self, dataset: str, network: str, *, seed: int = 0) -> RunSpec:
        """What the run is trained by: the images' size and split, the network's options, the recipe and the seed.

        Raises:
            LabError: the lab file asks for no such run, or by now for another one than the report has.
        """
        entry, lab = self._entry(dataset, network, seed), self._load()
        wanted = (dataset, network, seed, None)
        request = next((one for one in lab.requests() if key_of(one.spec) == wanted), None)
        if request is None:
            raise self._no_run(f"{dataset} {network}, seed {seed}")
        planned = plan_run(request, self.store, self._fingerprint(dataset))
        if not planned.ready:
            what, hint = "the run waits for a search that is not in the cache", f"run it first: cnnlab run {lab.path}"
            raise LabError(what, received=planned.search, hint=hint)
        if entry["run"] not in (None, planned.id):
            raise LabError(
                "the lab file asks for another run than the one that this report is about",
                where=lab.path,
                received=planned.id,
                expected=entry["run"],
                hint=f"make the report anew: cnnlab run {lab.path}",
            )
        return planned.spec

    def images(self, dataset: str) -> tuple[ImageTable, Splits]:
        """The images of a data set of the lab, with their labels and how they are divided.

        Raises:
            DataError: they are not there, or not those that the report is about.
        """
        from cnnlab.datasets.split import split_images
        from cnnlab.readers import open_dataset

        spec = self._load().file.datasets[dataset]
        table = open_dataset(dataset, spec, data_dir=data_dir(), report_progress=print)
        if table.fingerprint != self._fingerprint(dataset):
            received, expected = (f"fingerprint {one[:16]}" for one in (table.fingerprint, self._fingerprint(dataset)))
            what = "the images are not those that this report is about"
            raise DataError(what, where=f"datasets.{dataset}", received=received, expected=expected)
        return table, split_images(table, spec.split)

    def _fingerprint(self, dataset: str) -> str:
        return str(self.data.lock["datasets"][dataset]["fingerprint"])

    def _entry(self, dataset: str, network: str, seed: int | None = None) -> Mapping[str, Any]:
        """What the lab lock says of a run; those of folds are not runs of their own."""
        for entry in self._runs:
            if (entry["dataset"], entry["network"]) == (dataset, network) and seed in (None, entry["seed"]):
                return entry
        raise self._no_run(f"{dataset} {network}" + ("" if seed is None else f", seed {seed}"))

    def _no_run(self, wanted: str) -> LabError:
        known = dict.fromkeys(f"{entry['dataset']} {entry['network']}" for entry in self._runs)
        return LabError.unknown("the lab has no such run", wanted, known)

    def _item(self, activity: int | str, name: str, kind: type[Item]) -> Item:
        if activity not in self._sections:
            raise LabError.unknown("the report has no such section", activity, self._sections)
        items = {key: item for key, item in self._answer(activity).items.items() if isinstance(item, kind)}
        if name not in items:
            raise LabError.unknown(f"there is no such {kind.__name__.lower()} in {activity}", name, items)
        return items[name]

    def _show(self, item: Item) -> None:
        from IPython.display import publish_display_data

        from report.notebook.outputs import bundle

        publish_display_data(*bundle(item, self.language))


class NotebookRun:
    """A trained network as its record has it."""

    def __init__(self, record: Record) -> None:
        self.record = record

    @property
    def id(self) -> str:
        """The name of its folder in the run store."""
        return self.record.id

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch: losses, accuracies, learning rate and speed."""
        import pandas as pd

        table: pd.DataFrame = pd.DataFrame(self.record.rows("history.csv")).apply(pd.to_numeric)
        return table.set_index("epoch").round(4)

    def __repr__(self) -> str:
        manifest, resolved = self.record.manifest, self.record.manifest["resolved"]
        hardware = manifest["hardware"]
        device = hardware["accelerator"] or f"{hardware['cpu']}, {hardware['cores']} cores"
        epochs = f"{resolved['epochs_run']} of {resolved['epochs_requested']} epochs"
        return (
            f"{self.id} ({manifest['status']}, {manifest['created']})\n  {epochs}, the best is {resolved['best_epoch']}; "
            f"{manifest['seconds']:.0f} s in {resolved['precision']} on {device}"
        )
