"""The few calls that the cells of a report's notebook make.

from cnnlab.notebook import open_lab
lab = open_lab("demo", runs="../../runs")
lab.figure(8, "loss")                                   # shows the figure of Activity 8 with this name
run = lab.train_or_load("fashion-mnist", "vgg19")       # the cached run; trains it when there is none
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.errors import LabError, StoreError, did_you_mean
from cnnlab.lab import DEFAULT_RUBRIC, Lab, load_lab
from cnnlab.plan import plan_run
from cnnlab.resources import data_dir, labs_dir, templates_dir
from cnnlab.store import Record, RunStore
from report.evidence import Evidence, Figure, Gallery, Item, Table
from report.language import Language
from report.records import LabData
from report.records import open_lab as open_records

if TYPE_CHECKING:
    import pandas as pd

    from report.document import Section


def open_lab(
    name: str,
    *,
    runs: str | Path = "runs",
    profile: str | None = None,
    language: str | None = None,
    rubric: str = DEFAULT_RUBRIC,
    sections: Sequence[Section] | None = None,
) -> NotebookLab:
    """Open the cached runs of a lab.

    Args:
        name: of a shipped lab, or the path of a lab file.
        runs: the run store, relative to the current folder. Where it does not know the lab, `CNNLAB_RUNS` and every
            folder `runs` in the current folder and above are tried: a notebook still works after it was moved.
        language: of words and numbers; default: the lab's.
        rubric: the assignment that the lab's report answers.
        sections: in place of those of the rubric.

    Raises:
        StoreError: no store knows the lab, or a record is absent or damaged.
        TemplateProblem: there is no such rubric, beside the lab or in the project.
    """
    stem = Path(name).stem if "/" in name or name.endswith(".toml") else name
    stem = f"{stem}-{profile}" if profile else stem
    store = RunStore(_find_runs(Path(runs), stem))
    data = open_records(store, stem)
    if sections is None:
        from report.rubric import read_rubric

        sections = read_rubric(rubric, [_templates(name), templates_dir()]).report_sections()
    return NotebookLab(name, profile, store, data, Language(language or data.info["language"]), sections)


def _templates(name: str) -> Path:
    """The lab's own templates, whether or not its file is still there."""
    path = Path(name) if "/" in name or name.endswith(".toml") else labs_dir() / name
    return path.parent / path.stem / "templates"


def _find_runs(given: Path, stem: str) -> Path:
    here = Path.cwd()
    chosen = [Path(text) for text in [os.environ.get("CNNLAB_RUNS", "")] if text]
    places = [given, *chosen, *(folder / "runs" for folder in (here, *here.parents))]
    for place in places:
        if (place / "labs" / f"{stem}.json").is_file():
            return place
    raise StoreError(
        "the lab's cached runs are not found",
        where=given.resolve(),
        received=f"no labs/{stem}.json there, nor in a folder “runs” above",
        hint="say where they are: open_lab(…, runs=…)",
    )


class NotebookLab:
    """A lab's cached runs and what the report shows of them."""

    def __init__(
        self,
        name: str,
        profile: str | None,
        store: RunStore,
        data: LabData,
        language: Language,
        sections: Sequence[Section],
    ) -> None:
        self._name, self._profile = name, profile
        self.store, self.data, self.language = store, data, language
        self._sections = {section.number or section.key: section for section in sections}
        self._answer = cache(self._answered)

    def __repr__(self) -> str:
        runs = [run for part in self.data.parts.values() for run in part.runs]
        lines = [f"  {run.dataset:<16} {run.network:<10} {run.run.id}" for run in runs]
        return "\n".join([f"{self.data.stem}: {self.data.info['title']}", *lines])

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
        runs = [run for part in self.data.parts.values() for run in part.runs]
        run = next((run for run in runs if (run.dataset, run.network) == (dataset, network)), None)
        if run is None:
            raise self._no_run(f"{dataset} {network}")
        return dict(run.spec["recipe"])

    def train_or_load(self, dataset: str, network: str, *, seed: int = 0) -> NotebookRun:
        """The finished run of the lab; where there is none it is trained and evaluated, which can take hours.

        Raises:
            LabError: the lab asks for no such run.
            DataError: it would have to be trained, and its images are not there.
        """
        wanted = (dataset, network, seed)
        entries = [e for e in self.data.lock["runs"] if (e["dataset"], e["network"], e["seed"]) == wanted]
        for entry in entries:  # those of folds have no evaluation
            if entry["evaluation"] and self.store.has("run", entry["run"]):
                return NotebookRun(self.store.read("run", entry["run"]))
        return NotebookRun(self._trained(dataset, network, seed))

    def _no_run(self, wanted: str) -> LabError:
        known = dict.fromkeys(f"{entry['dataset']} {entry['network']}" for entry in self.data.lock["runs"])
        return LabError("the lab has no such run", received=wanted, expected=", ".join(known))

    def _trained(self, dataset: str, network: str, seed: int) -> Record:
        lab: Lab = load_lab(self._name, profile=self._profile)
        wanted = (dataset, network, seed, None)
        request = next(
            (r for r in lab.requests() if (r.spec.dataset, r.spec.network, r.spec.seed, r.spec.fold) == wanted), None
        )
        if request is None:
            raise self._no_run(f"{dataset} {network}, seed {seed}")
        from cnnlab.datasets import open_dataset
        from cnnlab.datasets.split import split_images
        from cnnlab.evaluation.predict import evaluate
        from cnnlab.training.fit import train
        from cnnlab.training.progress import open_progress

        data = request.spec.data
        table = open_dataset(dataset, data, data_dir=data_dir(), report_progress=print)
        splits = split_images(table, data.split)
        planned = plan_run(request, self.store, table.fingerprint)
        if not planned.ready:
            raise LabError(
                "the run waits for a search that is not in the cache",
                received=planned.search,
                hint=f"run it first: cnnlab run {self._name}",
            )
        run = train(planned.spec, table, splits, store=self.store, budget_seconds=None, progress=open_progress())
        if run.manifest["status"] == "done":
            evaluate(run, table, splits, store=self.store, flip=planned.flip)
        return run

    def _answered(self, activity: int | str) -> Evidence:
        return self._sections[activity].answer(self.data, self.language)

    def _item(self, activity: int | str, name: str, kind: type[Item]) -> Item:
        if activity not in self._sections:
            raise LabError(
                "the report has no such section", received=activity, expected=", ".join(map(str, self._sections))
            )
        items = {key: item for key, item in self._answer(activity).items.items() if isinstance(item, kind)}
        if name not in items:
            raise LabError(
                f"there is no such {kind.__name__.lower()} in {activity}",
                received=name,
                expected=", ".join(items) or "none",
                hint=did_you_mean(name, items),
            )
        return items[name]

    def _show(self, item: Item) -> None:
        from IPython.display import publish_display_data

        from report.cells import bundle

        data, metadata = bundle(item, self.language)
        publish_display_data(data, metadata)


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

        rows = self.record.rows("history.csv")
        table: pd.DataFrame = pd.DataFrame(rows).apply(pd.to_numeric).set_index("epoch").round(4)
        return table

    def __repr__(self) -> str:
        manifest, resolved = self.record.manifest, self.record.manifest["resolved"]
        hardware = manifest["hardware"]
        device = hardware["accelerator"] or f"{hardware['cpu']}, {hardware['cores']} cores"
        epochs = (
            f"{resolved['epochs_run']} of {resolved['epochs_requested']} epochs, the best is {resolved['best_epoch']}"
        )
        return (
            f"{self.id} ({manifest['status']}, {manifest['created']})\n"
            f"  {epochs}; {manifest['seconds']:.0f} s in {resolved['precision']} on {device}"
        )
