"""`cnnlab find-rate`, `preview` and `bundle`: what is of use now and then."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cnnlab import paths
from cnnlab.app.options import AsJson, LabName, Out, Overrides, Profile, Runs, opened, print_json, say, tell
from cnnlab.errors import Incomplete, LabError, did_you_mean

DatasetName = Annotated[
    str | None, typer.Option("--dataset", metavar="NAME", help="One of the lab's data sets (default: its first run's).")
]
NetworkName = Annotated[
    str | None, typer.Option("--network", metavar="NAME", help="A network that the lab trains on it (default: first).")
]


def find_rate(
    lab: LabName = "demo",
    dataset: DatasetName = None,
    network: NetworkName = None,
    profile: Profile = None,
    overrides: Overrides = None,
    steps: Annotated[int, typer.Option("--steps", help="Training steps, one batch each.")] = 100,
    low: Annotated[float, typer.Option("--low", help="Learning rate of the first step.")] = 1e-6,
    high: Annotated[float, typer.Option("--high", help="Learning rate of the last step.")] = 1.0,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Find the learning rate at which the loss falls most steeply.

    Trains a few steps of the lab's first run on the data set with the network, at a rising rate.
    """
    from cnnlab.datasets.split import split_images
    from cnnlab.progress import Progress
    from cnnlab.readers import open_dataset
    from cnnlab.store.files import replace_file
    from cnnlab.training.range_test import check_range, range_test
    from report.evidence.language import Language
    from report.figures.trials import range_test_figure, range_test_svg

    loaded, _ = opened(lab, profile, overrides)
    specs = loaded.run_specs()
    for option, name in (("dataset", dataset), ("network", network)):
        known = list(dict.fromkeys(getattr(spec, option) for spec in specs))
        if name is not None and name not in known:
            where = f" on {dataset}" if option == "network" and dataset else ""
            what = (
                f"the lab trains no such network{where}"
                if option == "network"
                else "the lab trains on no such data set"
            )
            hint = did_you_mean(name, known)
            raise LabError(what, where=f"--{option}", received=name, expected=", ".join(known), hint=hint)
        specs = [spec for spec in specs if name in (None, getattr(spec, option))]
    spec = specs[0]
    check_range(low, high, steps)
    table = open_dataset(spec.dataset, spec.data, data_dir=paths.data_dir(), report_progress=tell)
    splits = split_images(table, spec.data.split)
    tell(f"{spec.network} on {spec.dataset}: {steps} steps of {spec.recipe.batch_size} images, {low:g} to {high:g}")
    found = range_test(spec, table, splits, low=low, high=high, steps=steps, progress=Progress())

    stem = paths.out_dir(out) / loaded.stem / f"learning-rate-{spec.dataset}-{spec.network}"
    files = [Path(f"{stem}.svg"), Path(f"{stem}.csv")]
    course, language = (found.rates, found.losses, found.smoothed, found.suggested), Language(loaded.file.lab.language)
    figure = range_test_figure(*course, language, network=spec.network, dataset=spec.dataset)
    replace_file(files[0], range_test_svg(figure).encode())
    replace_file(files[1], found.to_csv().encode())
    if as_json:
        facts = {"suggested": found.suggested, "steps": len(found.rates), "stopped_because": found.stopped_because}
        print_json({"dataset": spec.dataset, "network": spec.network, **facts, "files": [str(path) for path in files]})
        return
    ended = f"after {len(found.rates)} steps: {found.stopped_because}"
    if found.suggested is None:
        say(f"no learning rate is suggested, since the loss fell at none ({ended})")
    else:
        say(f"suggested learning rate: {found.suggested:.2g} ({ended})")
    for path in files:
        say(str(path))


def preview(
    lab: LabName = "demo",
    profile: Profile = None,
    overrides: Overrides = None,
    runs: Runs = None,
    out: Out = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port to serve on; 0: a free one.")] = 0,
) -> None:
    """Show the report in a browser as it is edited.

    It is made anew with each change of a text, a template, the lab or its runs, for this machine alone.
    """
    from cnnlab.lab import load_lab
    from cnnlab.store.store import RunStore
    from report.preview import Preview, serve

    def announce(address: str) -> None:
        print(address, flush=True)
        tell("open this address; the page follows your edits until you stop it with Ctrl-C")

    load = partial(load_lab, lab, profile=profile, overrides=tuple(overrides or ()))
    serve(Preview(load, RunStore(paths.runs_dir(runs)), paths.out_dir(out)), port, announce)


def bundle(
    lab: LabName = "demo",
    profile: Profile = None,
    overrides: Overrides = None,
    runs: Runs = None,
    out: Out = None,
    weights: Annotated[bool, typer.Option("--weights", help="With the trained weights, to evaluate anew.")] = False,
) -> None:
    """Zip the notebook, its runs and this program, for Colab."""
    from cnnlab.app.bundle import write_bundle
    from cnnlab.app.pipeline import render_lab

    loaded, store = opened(lab, profile, overrides, runs)
    folder = paths.out_dir(out)
    outcome = render_lab(loaded, store=store, out=folder, formats=("ipynb",), tell=tell)
    for problem in outcome.failed:
        raise problem
    made = write_bundle(store, loaded, folder / loaded.stem, weights=weights)
    say(str(made.path))
    share = "with" if weights else "without"
    tell(f"{made.size / 1e6:.1f} MB, {share} the trained weights ({made.weights / 1e6:.0f} MB)")
    if outcome.missing:
        raise Incomplete("finished, but something is missing", received="\n    ".join(["", *outcome.missing]))
