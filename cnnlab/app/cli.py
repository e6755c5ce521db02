"""The command line. Data goes to stdout, progress and messages to stderr; frameworks are imported only to train.

Exit codes: 0 done; 2 the call, the lab or the data are wrong; 3 a check failed; 4 finished, but something is missing;
130 and 143 interrupted and resumable.
"""

from __future__ import annotations

import re
import shlex
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from cnnlab import paths
from cnnlab.app import cli_bundle, cli_check, cli_commentary, cli_data, cli_preview, cli_training, cli_verify
from cnnlab.app.cli_data import AsJson, LabName, Out, Profile, Runs, Verbose
from cnnlab.app.pipeline import FORMATS, MORE_FORMATS, Outcome
from cnnlab.app.terminal import print_json, say, tell
from cnnlab.errors import CnnlabError, Incomplete, LabError
from cnnlab.lab import Lab, load_lab, shipped_labs
from cnnlab.store.store import RunStore

app = typer.Typer(
    help="Train networks on image data sets, cache every run, and render the lab report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(cli_data.app, name="data")
app.add_typer(cli_commentary.app, name="commentary")
app.command("find-rate")(cli_training.find_rate)
app.command("preview")(cli_preview.preview)
app.command("bundle")(cli_bundle.bundle)
app.command("check")(cli_check.check)
app.command("verify")(cli_verify.verify)

ALL_FORMATS = ",".join(FORMATS)

Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one key, as recipes.NAME.epochs=5.")
]
SubmissionName = Annotated[
    str | None,
    typer.Option("--submission-name", metavar="NAME", help="Also copy notebook and PDF as NAME; {id}, {stem}, {date}."),
]
Formats = Annotated[
    str, typer.Option("--formats", help="Which of html, pdf, ipynb, notebook-html to write, separated by commas.")
]


@app.command()
def run(
    lab: LabName = "demo",
    profile: Profile = None,
    overrides: Overrides = None,
    runs: Runs = None,
    out: Out = None,
    formats: Formats = ALL_FORMATS,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Time for all trainings, as 90m or 2h, in place of the lab's.")
    ] = None,
    submission: SubmissionName = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start anew what was interrupted; finished runs are kept.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Train and evaluate what is missing, then render the report."""
    loaded, wanted = load_lab(lab, profile=profile, overrides=overrides or ()), _formats(formats)
    name = _submission_name(submission, loaded, wanted)
    seconds = None if budget is None else _seconds(budget)
    from cnnlab.app.pipeline import run_lab
    from cnnlab.progress import Progress

    outcome = run_lab(
        loaded,
        store=RunStore(paths.runs_dir(runs)),
        out=paths.out_dir(out),
        formats=wanted,
        data_dir=paths.data_dir(),
        progress=Progress(),
        tell=tell,
        budget_seconds=seconds,
        fresh=fresh,
    )
    tell(f"trained {outcome.trained} run(s)" if outcome.trained else "every run was cached: nothing was trained")
    _finish(outcome, name, verbose)


@app.command()
def report(
    lab: LabName = "demo",
    profile: Profile = None,
    overrides: Overrides = None,
    runs: Runs = None,
    out: Out = None,
    formats: Formats = ALL_FORMATS,
    force: Annotated[bool, typer.Option("--force", help="Make everything anew, even if nothing has changed.")] = False,
    submission: SubmissionName = None,
    verbose: Verbose = False,
) -> None:
    """Render the report from cached runs; never trains, needs no images and no framework (but for the notebook)."""
    from cnnlab.app.pipeline import render_lab

    loaded, wanted = load_lab(lab, profile=profile, overrides=overrides or ()), _formats(formats)
    name = _submission_name(submission, loaded, wanted)
    store = RunStore(paths.runs_dir(runs))
    outcome = render_lab(loaded, store=store, out=paths.out_dir(out), formats=wanted, tell=tell, anew=force)
    _finish(outcome, name, verbose)


@app.command()
def plan(
    lab: LabName = "demo",
    profile: Profile = None,
    overrides: Overrides = None,
    runs: Runs = None,
    as_json: AsJson = False,
    probe: Annotated[
        bool, typer.Option("--probe", help="Also time some steps of each: measured minutes and memory.")
    ] = False,
) -> None:
    """Say what would be trained, why, and in how much memory."""
    from cnnlab.app.pipeline import fingerprints, predict_lab
    from cnnlab.app.plan import make_plan

    loaded = load_lab(lab, profile=profile, overrides=overrides or ())
    store = RunStore(paths.runs_dir(runs))
    planned = make_plan(loaded, store, fingerprints(loaded, paths.data_dir(), tell))
    predicted = predict_lab(loaded, planned, store=store, data_dir=paths.data_dir(), tell=tell, probe=probe)
    rows = [{"run": one.id, "cached": one.cached, "why": one.why, **predicted.get(one.id, {})} for one in planned.runs]
    if as_json:
        print_json(rows)
        return
    for one in planned.runs:
        state = "cached" if one.cached else "train " if one.ready else "search"
        memory = predicted.get(one.id, {}).get("memory_gib")
        why = one.why + (f"; about {memory:.1f} GiB of memory" if memory else "")
        say(f"{state}  {one.id if one.ready else one.search}  {why}".rstrip())


@app.command()
def status(runs: Runs = None, as_json: AsJson = False) -> None:
    """List the cached runs, with what each came to, the damaged and the unfinished ones."""
    from cnnlab.store.store import words_of

    store = RunStore(paths.runs_dir(runs))
    rows = store.rows()
    if as_json:
        print_json(rows)
        return
    for row in rows:
        say(words_of(row))
    if not rows:
        tell(f"no cached runs in {store.root}")


@app.command()
def init(
    lab: LabName = "demo",
    sections: Annotated[list[str] | None, typer.Argument(help="Sections, as activity-07; all when none.")] = None,
) -> None:
    """Copy commentary files beside the lab, to be edited there; nothing is overwritten."""
    from cnnlab.app.commentary_copy import copy_commentary
    from report.document.rubric import load_rubric

    opened = load_lab(lab)
    kinds = {section.key: section.kind for section in load_rubric(opened).sections}
    for path in copy_commentary(opened, sections or [], kinds):
        say(str(path))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what this machine has for training and rendering, and what it lacks."""
    from cnnlab.training.hardware import hardware
    from cnnlab.training.memory import DEMO_GIB, machine_gib
    from cnnlab.training.precision import resolve
    from report.render.pdf_process import try_pdf

    precision = resolve("auto")
    problem, heard = try_pdf()
    facts = {
        "hardware": hardware(),
        "memory_gib": dict(zip(("total", "available"), (round(size, 1) for size in machine_gib()), strict=True))
        | {"demo": DEMO_GIB},
        "precision": {"auto": precision.policy, "reason": precision.reason},
        "pdf": problem or "ready",
        "weasyprint": heard or "said nothing",
        "labs": shipped_labs(),
        "data": str(paths.data_dir()),
    }
    if as_json:
        print_json(facts)
    else:
        for key, value in facts.items():
            say(f"{key}: {value}")
    if problem:
        raise Incomplete(problem)


def main() -> NoReturn:
    """Run the command line, turning errors that users can mend into one message and an exit code."""
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    try:
        app()
    except CnnlabError as problem:
        tell(f"cnnlab: {problem}")
        sys.exit(problem.exit_code)
    except _Stopped as stopped:
        command = shlex.join(["cnnlab", *sys.argv[1:]])
        tell(f"stopped; finished runs are kept, and the same command goes on where it stopped: {command}")
        sys.exit(stopped.code)
    sys.exit(0)


class _Stopped(SystemExit):
    """Ctrl-C or SIGTERM arrived. What there is to say is said later: inside a handler nothing may be printed."""


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    """Leave through every `finally` on the way, with the shell's code for the signal."""
    raise _Stopped(128 + signum)


def _seconds(text: str) -> float:
    """`90m`, `1.5h`, `1h30m` or `45s` in seconds."""
    found = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m(?:in)?)?(?:([\d.]+)s)?", text.strip().replace(" ", ""))
    try:
        hours, minutes, seconds = (float(part or 0) for part in (found.groups() if found else ()))
    except ValueError:
        hours = minutes = seconds = 0.0
    total = 3600 * hours + 60 * minutes + seconds
    if total <= 0:
        raise LabError("there is no such length of time", where="--budget", received=text, expected="90m, 2h or 1h30m")
    return total


def _formats(text: str) -> tuple[str, ...]:
    wanted = tuple(part.strip() for part in text.split(",") if part.strip())
    known = (*FORMATS, *MORE_FORMATS)
    if not wanted or set(wanted) - set(known):
        raise LabError("there is no such format", where="--formats", received=text, expected=", ".join(known))
    return wanted


def _submission_name(template: str | None, lab: Lab, formats: tuple[str, ...]) -> str | None:
    if template is None:
        return None
    from cnnlab.app.submission import submission_name, today

    return submission_name(template, lab, formats, today())


def _finish(outcome: Outcome, submission: str | None, verbose: bool) -> None:
    if submission is not None:
        from cnnlab.app.submission import copy_submission

        outcome.paths += copy_submission(outcome.paths, submission)
    for line in (*outcome.accuracies, f"{outcome.checked}: cnnlab check says which", "open:"):
        tell(line)
    for path in outcome.paths:
        say(str(path))
    for message in outcome.heard if verbose else ():
        tell(f"WeasyPrint: {message}")
    problems = list({str(problem): problem for problem in outcome.failed}.values())
    if outcome.missing:
        missing = "\n    ".join(["", *outcome.missing])
        problems.append(Incomplete("finished, but something is missing", received=missing))
    for problem in problems:
        tell(f"cnnlab: {problem}")
    if problems:
        sys.exit(min(problem.exit_code for problem in problems))
