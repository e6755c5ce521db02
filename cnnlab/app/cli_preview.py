"""`cnnlab preview`: the HTML report in a browser, which follows what its author edits."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from cnnlab import paths
from cnnlab.app.cli_data import LabName, Out, Overrides, Profile, Runs
from cnnlab.app.terminal import tell
from cnnlab.lab import load_lab
from cnnlab.store.store import RunStore


def preview(
    lab: LabName = "demo",
    profile: Profile = None,
    overrides: Overrides = None,
    runs: Runs = None,
    out: Out = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port to serve on; 0: a free one.")] = 0,
) -> None:
    """Show the report in a browser of this machine, anew with each change of a text, a template, the lab or its runs."""
    from report.preview import Preview, serve

    load = partial(load_lab, lab, profile=profile, overrides=tuple(overrides or ()))
    opened = Preview(load, RunStore(paths.runs_dir(runs)), paths.out_dir(out))
    serve(opened, port, _announce)


def _announce(address: str) -> None:
    print(address, flush=True)
    tell("open this address; the page follows your edits until you stop it with Ctrl-C")
