"""`cnnlab find-rate`, `preview` and `bundle`: what is of use now and then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cnnlab.app.options import AsJson, Asked, asked, say, show, tell
from cnnlab.errors import LabError


@asked("out")
def find_rate(
    about: Asked,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="One of the lab's data sets (default: its first run's).")
    ] = None,
    network: Annotated[
        str | None, typer.Option(metavar="NAME", help="A network that the lab trains on it (default: first).")
    ] = None,
    steps: Annotated[int, typer.Option(help="Training steps, one batch each.")] = 100,
    low: Annotated[float, typer.Option(help="Learning rate of the first step.")] = 1e-6,
    high: Annotated[float, typer.Option(help="Learning rate of the last step.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Find the learning rate at which the loss falls most steeply.

    Trains a few steps of the lab's first run on the data set with the network, at a rising rate.
    """
    from cnnlab.app.trainings import open_images
    from cnnlab.progress import Progress
    from cnnlab.store.files import replace_file
    from cnnlab.training.range_test import check_range, range_test
    from report.evidence.language import Language
    from report.figures.trials import range_test_figure, range_test_svg

    lab, specs = about.lab, about.lab.run_specs()
    no_network = f"the lab trains no such network{f' on {dataset}' if dataset else ''}"
    wanted = (("dataset", dataset, "the lab trains on no such data set"), ("network", network, no_network))
    for option, name, what in wanted:
        known = dict.fromkeys(getattr(spec, option) for spec in specs)
        if name is not None and name not in known:
            raise LabError.unknown(what, name, known, where=f"--{option}")
        specs = [spec for spec in specs if name in (None, getattr(spec, option))]
    spec = specs[0]
    names = {"dataset": spec.dataset, "network": spec.network}
    check_range(low, high, steps)
    table, splits = open_images(spec.dataset, spec.data, tell)
    tell(f"{spec.network} on {spec.dataset}: {steps} steps of {spec.recipe.batch_size} images, {low:g} to {high:g}")
    found = range_test(spec, table, splits, low=low, high=high, steps=steps, progress=Progress())
    course = found.rates, found.losses, found.smoothed, found.suggested
    language = Language(lab.file.lab.language)
    drawing = range_test_svg(range_test_figure(*course, language, network=spec.network, dataset=spec.dataset))
    place = about.folder / lab.stem / f"learning-rate-{spec.dataset}-{spec.network}"
    files = {f"{place}.svg": drawing, f"{place}.csv": found.to_csv()}
    for file, text in files.items():
        replace_file(Path(file), text.encode())
    facts = {"suggested": found.suggested, "steps": len(found.rates), "stopped_because": found.stopped_because}
    rate = "no learning rate is suggested, since the loss fell at none"
    if found.suggested is not None:
        rate = f"suggested learning rate: {found.suggested:.2g}"
    lines = [f"{rate} (after {len(found.rates)} steps: {found.stopped_because})", *files]
    show({**names, **facts, "files": list(files)}, lines, as_json)


@asked("runs", "out")
def preview(
    about: Asked, port: Annotated[int, typer.Option(min=0, max=65535, help="The port to serve on; 0: a free one.")] = 0
) -> None:
    """Show the report in a browser as it is edited.

    It is made anew with each change of a text, a template, the lab or its runs, for this machine alone.
    """
    from report.preview import Preview, serve

    def announce(address: str) -> None:
        print(address, flush=True)
        tell("open this address; the page follows your edits until you stop it with Ctrl-C")

    serve(Preview(lambda: replace(about).lab, about.store, about.folder), port, announce)


@asked("runs", "out")
def bundle(
    about: Asked,
    weights: Annotated[bool, typer.Option("--weights", help="With the trained weights, to evaluate anew.")] = False,
) -> None:
    """Zip the notebook, its runs and this program, for Colab."""
    from cnnlab.app.bundle import write_bundle
    from cnnlab.app.pipeline import Wanted, render_lab

    result = render_lab(Wanted(about.lab, about.store, about.folder, ("ipynb",)), tell)
    if result.failed:
        raise result.failed[0]
    made = write_bundle(about.store, about.lab, about.folder / about.lab.stem, weights=weights)
    say(str(made.path))
    share = "with" if weights else "without"
    tell(f"{made.size / 1e6:.1f} MB, {share} the trained weights ({made.weights / 1e6:.0f} MB)")
    for problem in result.problems:
        raise problem
