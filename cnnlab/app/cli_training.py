"""`cnnlab find-rate`: which learning rate suits a network and a data set of a lab, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnlab import paths
from cnnlab.app.cli_data import AsJson, LabName, Overrides, Profile
from cnnlab.app.terminal import print_json, say, tell
from cnnlab.errors import LabError, did_you_mean
from cnnlab.lab import Lab, load_lab
from cnnlab.spec import RunSpec
from cnnlab.store.files import replace_file

if TYPE_CHECKING:
    from cnnlab.training.range_test import RangeTest

DatasetName = Annotated[
    str | None, typer.Option("--dataset", metavar="NAME", help="One of the lab's data sets (default: its first run's).")
]
NetworkName = Annotated[
    str | None, typer.Option("--network", metavar="NAME", help="A network that the lab trains on it (default: first).")
]
Steps = Annotated[int, typer.Option("--steps", help="Training steps, one batch each.")]
Low = Annotated[float, typer.Option("--low", help="Learning rate of the first step.")]
High = Annotated[float, typer.Option("--high", help="Learning rate of the last step.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of results (CNNLAB_OUT; default: out).")]


def find_rate(
    lab: LabName = "demo",
    dataset: DatasetName = None,
    network: NetworkName = None,
    profile: Profile = None,
    overrides: Overrides = None,
    steps: Steps = 100,
    low: Low = 1e-6,
    high: High = 1.0,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Train a few steps at a rising learning rate, and say at which rate the loss falls most steeply."""
    loaded = load_lab(lab, profile=profile, overrides=overrides or ())
    spec = _chosen(loaded, dataset, network)
    found = _tested(spec, low, high, steps)
    stem = paths.out_dir(out) / loaded.stem / f"learning-rate-{spec.dataset}-{spec.network}"
    files = [Path(f"{stem}.svg"), Path(f"{stem}.csv")]
    replace_file(files[0], _drawn(found, spec, loaded.file.lab.language).encode())
    replace_file(files[1], found.to_csv().encode())
    if as_json:
        print_json(
            {
                "dataset": spec.dataset,
                "network": spec.network,
                "suggested": found.suggested,
                "steps": len(found.rates),
                "stopped_because": found.stopped_because,
                "files": [str(path) for path in files],
            }
        )
        return
    say(_sentence(found))
    for path in files:
        say(str(path))


def _chosen(lab: Lab, dataset: str | None, network: str | None) -> RunSpec:
    """The lab's first run on this data set with this network.

    Raises:
        LabError: the lab has no such run.
    """
    specs = lab.run_specs()
    if dataset is not None:
        _known(dataset, [spec.dataset for spec in specs], "--dataset", "the lab trains on no such data set")
        specs = [spec for spec in specs if spec.dataset == dataset]
    if network is not None:
        what = f"the lab trains no such network on {specs[0].dataset}" if dataset else "the lab trains no such network"
        _known(network, [spec.network for spec in specs], "--network", what)
        specs = [spec for spec in specs if spec.network == network]
    return specs[0]


def _known(name: str, names: list[str], option: str, what: str) -> None:
    if name not in names:
        known = list(dict.fromkeys(names))
        raise LabError(what, where=option, received=name, expected=", ".join(known), hint=did_you_mean(name, known))


def _tested(spec: RunSpec, low: float, high: float, steps: int) -> RangeTest:
    from cnnlab.datasets.split import split_images
    from cnnlab.progress import Progress
    from cnnlab.readers import open_dataset
    from cnnlab.training.range_test import check_range, range_test

    check_range(low, high, steps)
    table = open_dataset(spec.dataset, spec.data, data_dir=paths.data_dir(), report_progress=tell)
    splits = split_images(table, spec.data.split)
    tell(f"{spec.network} on {spec.dataset}: {steps} steps of {spec.recipe.batch_size} images, {low:g} to {high:g}")
    return range_test(spec, table, splits, low=low, high=high, steps=steps, progress=Progress())


def _drawn(found: RangeTest, spec: RunSpec, language: str) -> str:
    from report.evidence.language import Language
    from report.figures.trials import range_test_figure, range_test_svg

    course = (found.rates, found.losses, found.smoothed, found.suggested)
    return range_test_svg(range_test_figure(*course, Language(language), network=spec.network, dataset=spec.dataset))


def _sentence(found: RangeTest) -> str:
    ended = f"after {len(found.rates)} steps: {found.stopped_because}"
    if found.suggested is None:
        return f"no learning rate is suggested, since the loss fell at none ({ended})"
    return f"suggested learning rate: {found.suggested:.2g} ({ended})"
