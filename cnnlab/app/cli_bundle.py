"""`cnnlab bundle`: the notebook with its runs and this program in one zip, to be run elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from cnnlab import paths
from cnnlab.app.bundle import write_bundle
from cnnlab.app.cli_data import LabName, Out, Overrides, Profile, Runs
from cnnlab.app.terminal import say, tell
from cnnlab.errors import Incomplete
from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore


def bundle(
    lab: LabName = "demo",
    profile: Profile = None,
    overrides: Overrides = None,
    runs: Runs = None,
    out: Out = None,
    weights: Annotated[bool, typer.Option("--weights", help="With the trained weights, to evaluate anew.")] = False,
) -> None:
    """Put the notebook, its cached runs and this program into one zip for Colab or another machine."""
    from cnnlab.app.pipeline import render_lab

    loaded = load_lab(lab, profile=profile, overrides=overrides or ())
    store, folder = RunStore(paths.runs_dir(runs)), paths.out_dir(out)
    outcome = render_lab(loaded, store=store, out=folder, formats=("ipynb",), tell=tell)
    for problem in outcome.failed:
        raise problem
    made = write_bundle(store, loaded, folder / loaded.stem, weights=weights)
    say(str(made.path))
    share = "with" if weights else "without"
    tell(f"{made.size / 1e6:.1f} MB, {share} the trained weights ({made.weights / 1e6:.0f} MB)")
    if outcome.missing:
        raise Incomplete("finished, but something is missing", received="\n    ".join(["", *outcome.missing]))
