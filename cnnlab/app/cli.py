"""The command line. Data goes to stdout, progress and messages to stderr; frameworks are imported only to train.

Exit codes: 0 done; 2 the call, the lab or the data are wrong; 3 a check failed; 4 finished, but something is missing;
130 and 143 interrupted and resumable.
"""

from __future__ import annotations

import re
import shlex
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from cnnlab import __version__, paths
from cnnlab.app import cli_data, cli_more, cli_text
from cnnlab.app.options import (
    AsJson,
    Commands,
    LabName,
    Out,
    Overrides,
    Profile,
    Runs,
    Verbose,
    opened,
    print_json,
    say,
    tell,
)
from cnnlab.errors import CnnlabError, Incomplete, LabError, did_you_mean

if TYPE_CHECKING:
    from cnnlab.app.pipeline import Outcome

FORMATS = ("html", "pdf", "ipynb")
MORE_FORMATS = ("notebook-html",)
"""Made when they are asked for."""


class Sections(Commands):
    """All commands, by what one wants to do."""

    sections = {
        "Make a report": ("run", "report", "bundle"),
        "Look before and after": ("plan", "find-rate", "status", "data", "doctor"),
        "Write its text": ("init", "commentary", "preview"),
        "Check it": ("check", "verify"),
    }


app = typer.Typer(
    cls=Sections, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
app.add_typer(cli_data.app, name="data")
app.add_typer(cli_text.app, name="commentary")
app.command("find-rate")(cli_more.find_rate)
app.command("preview")(cli_more.preview)
app.command("bundle")(cli_more.bundle)
app.command("check")(cli_text.check)
app.command("verify")(cli_text.verify)

SubmissionName = Annotated[
    str | None,
    typer.Option("--submission-name", metavar="NAME", help="Also copy notebook and PDF as NAME; {id}, {stem}, {date}."),
]
Formats = Annotated[
    str, typer.Option("--formats", help="Which of html, pdf, ipynb, notebook-html to write, separated by commas.")
]
ALL_FORMATS = ",".join(FORMATS)


def _version(asked: bool) -> None:
    if asked:
        say(f"cnnlab {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Say which one.")
    ] = False,
) -> None:
    """Train networks on image data sets, cache every run, and render the lab report."""


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
    (loaded, store), wanted = opened(lab, profile, overrides, runs), _formats(formats)
    from cnnlab.app.pipeline import run_lab, submission_name
    from cnnlab.progress import Progress

    name = None if submission is None else submission_name(submission, loaded, wanted)
    outcome = run_lab(
        loaded,
        store=store,
        out=paths.out_dir(out),
        formats=wanted,
        data_dir=paths.data_dir(),
        progress=Progress(),
        tell=tell,
        budget_seconds=None if budget is None else _seconds(budget),
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
    """Render the report from cached runs, without training.

    It needs no images and, but for the notebook, no framework.
    """
    (loaded, store), wanted = opened(lab, profile, overrides, runs), _formats(formats)
    from cnnlab.app.pipeline import render_lab, submission_name

    name = None if submission is None else submission_name(submission, loaded, wanted)
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

    loaded, store = opened(lab, profile, overrides, runs)
    planned = make_plan(loaded, store, fingerprints(loaded, paths.data_dir(), tell))
    predicted = predict_lab(loaded, planned, store=store, data_dir=paths.data_dir(), tell=tell, probe=probe)
    if as_json:
        facts = ({"run": one.id, "cached": one.cached, "why": one.why} for one in planned.runs)
        print_json([{**one, **predicted.get(str(one["run"]), {})} for one in facts])
        return
    for one in planned.runs:
        state = "cached" if one.cached else "train " if one.ready else "search"
        memory = predicted.get(one.id, {}).get("memory_gib")
        why = one.why + (f"; about {memory:.1f} GiB of memory" if memory else "")
        say(f"{state}  {one.id if one.ready else one.search}  {why}".rstrip())


@app.command()
def status(runs: Runs = None, as_json: AsJson = False) -> None:
    """List the cached runs, the damaged and the unfinished ones."""
    from cnnlab.store.store import RunStore, words_of

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
    """Copy commentary files beside the lab, to be edited there.

    Nothing is overwritten.
    """
    from cnnlab.store.files import replace_file
    from report.document.rubric import load_rubric

    loaded, _ = opened(lab, None, None)
    folder = Path("commentary") / loaded.file.lab.language
    shipped: dict[str, Path] = {}
    for section in load_rubric(loaded).sections:
        for name in (section.module, section.key):  # its own text before that of its kind
            if (place := paths.templates_dir() / folder / f"{name}.md.j2").is_file():
                shipped[section.key] = place
    for name in sections or ():
        if name not in shipped:
            hint = did_you_mean(name, shipped)
            raise LabError("there is no such section", received=name, expected=", ".join(shipped), hint=hint)
    for name in sections or sorted(shipped):
        target = loaded.templates / folder / f"{name}.md.j2"
        if not target.exists():
            replace_file(target, shipped[name].read_bytes())
            say(str(target))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what this machine has for training and rendering."""
    from cnnlab.lab import shipped_labs
    from cnnlab.training.machine import hardware, resolve
    from cnnlab.training.memory import DEMO_GIB, machine_gib
    from report.render.pdf import try_pdf

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
    if (total := 3600 * hours + 60 * minutes + seconds) > 0:
        return total
    raise LabError("there is no such length of time", where="--budget", received=text, expected="90m, 2h or 1h30m")


def _formats(text: str) -> tuple[str, ...]:
    wanted, known = tuple(part.strip() for part in text.split(",") if part.strip()), (*FORMATS, *MORE_FORMATS)
    if not wanted or set(wanted) - set(known):
        raise LabError("there is no such format", where="--formats", received=text, expected=", ".join(known))
    return wanted


def _finish(outcome: Outcome, submission: str | None, verbose: bool) -> None:
    """Say what a build came to, and leave with the exit code of what failed or is missing."""
    from cnnlab.app.pipeline import copy_submission

    outcome.paths += copy_submission(outcome.paths, submission) if submission is not None else []
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
