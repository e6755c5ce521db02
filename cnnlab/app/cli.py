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
from cnnlab.app.options import AsJson, Asked, Commands, Runs, asked, say, show, tell
from cnnlab.errors import CnnlabError, Incomplete, LabError

if TYPE_CHECKING:
    from report.build import BuildResult

app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
app.add_typer(cli_data.app, name="data")
app.add_typer(cli_text.app, name="commentary")
app.command("find-rate")(cli_more.find_rate)
for command in (cli_more.preview, cli_more.bundle, cli_text.check, cli_text.verify):
    app.command()(command)

SubmissionName = Annotated[
    str | None,
    typer.Option("--submission-name", metavar="NAME", help="Also copy notebook and PDF as NAME; {id}, {stem}, {date}."),
]
Formats = Annotated[
    str, typer.Option("--formats", help="Which of html, pdf, ipynb, notebook-html to write, separated by commas.")
]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Also say what WeasyPrint said that changes nothing.")]
FORMATS = "html,pdf,ipynb"


def _version(wanted: bool) -> None:
    if wanted:
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
@asked("runs", "out")
def run(
    about: Asked,
    formats: Formats = FORMATS,
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
    from cnnlab.app.pipeline import Wanted, run_lab
    from cnnlab.progress import Progress

    wanted = Wanted(about.lab, about.store, about.folder, _listed(formats), submission)
    _finish(run_lab(wanted, Progress(), None if budget is None else _seconds(budget), fresh=fresh), verbose)


@app.command()
@asked("runs", "out")
def report(
    about: Asked,
    formats: Formats = FORMATS,
    force: Annotated[bool, typer.Option("--force", help="Make everything anew, even if nothing has changed.")] = False,
    submission: SubmissionName = None,
    verbose: Verbose = False,
) -> None:
    """Render the report from cached runs, without training.

    It needs no images and, but for the notebook, no framework.
    """
    from cnnlab.app.pipeline import Wanted, render_lab

    wanted = Wanted(about.lab, about.store, about.folder, _listed(formats), submission, anew=force)
    _finish(render_lab(wanted, tell), verbose)


@app.command()
@asked("runs")
def plan(
    about: Asked,
    as_json: AsJson = False,
    probe: Annotated[
        bool, typer.Option("--probe", help="Also time some steps of each: measured minutes and memory.")
    ] = False,
) -> None:
    """Say what would be trained, why, and in how much memory."""
    from cnnlab.app.pipeline import predict_lab
    from cnnlab.progress import Progress

    rows, lines = [], []
    planned, predicted = predict_lab(about.lab, about.store, Progress(), probe=probe)
    for one in planned:
        found = predicted.get(one.id, {})
        rows.append({"run": one.id, "cached": one.cached, "why": one.why, **found})
        state = "cached" if one.cached else "train " if one.ready else "search"
        memory = f"; about {found['memory_gib']:.1f} GiB of memory" if found.get("memory_gib") else ""
        lines.append(f"{state}  {one.id if one.ready else one.search}  {one.why}{memory}".rstrip())
    show(rows, lines, as_json)


@app.command()
def status(runs: Runs = None, as_json: AsJson = False) -> None:
    """List the cached runs, the damaged and the unfinished ones."""
    from cnnlab.store.store import words_of

    store = Asked(runs=runs).store
    rows = store.rows()
    show(rows, map(words_of, rows), as_json)
    if not rows and not as_json:
        tell(f"no cached runs in {store.root}")


@app.command()
@asked()
def init(
    about: Asked,
    sections: Annotated[list[str] | None, typer.Argument(help="Sections, as activity-07; all when none.")] = None,
) -> None:
    """Copy commentary files beside the lab, to be edited there.

    Nothing is overwritten.
    """
    from cnnlab.store.files import replace_file
    from report.document.rubric import load_rubric

    folder = Path("commentary") / about.lab.file.lab.language
    shipped = {  # a section's own text before that of its kind
        section.key: place
        for section in load_rubric(about.lab).sections
        for name in (section.module, section.key)
        if (place := paths.templates_dir() / folder / f"{name}.md.j2").is_file()
    }
    for name in sections or sorted(shipped):
        if name not in shipped:
            raise LabError.unknown("there is no such section", name, shipped)
        target = about.lab.templates / folder / f"{name}.md.j2"
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

    precision, (problem, heard), (total, available) = resolve("auto"), try_pdf(), machine_gib()
    facts = {
        "hardware": hardware(),
        "memory_gib": {"total": round(total, 1), "available": round(available, 1), "demo": DEMO_GIB},
        "precision": {"auto": precision.policy, "reason": precision.reason},
        "pdf": problem or "ready",
        "weasyprint": heard or "said nothing",
        "labs": shipped_labs(),
        "data": str(paths.data_dir()),
    }
    show(facts, (f"{key}: {value}" for key, value in facts.items()), as_json)
    if problem:
        raise Incomplete(problem)


class _Stopped(SystemExit):
    """Ctrl-C or SIGTERM arrived. What there is to say is said later: inside a handler nothing may be printed."""


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    """Leave through every `finally` on the way, with the shell's code for the signal."""
    raise _Stopped(128 + signum)


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


def _seconds(text: str) -> float:
    """`90m`, `1.5h`, `1h30m` or `45s` in seconds."""
    found = re.fullmatch(r"(?:(\d+\.?\d*)h)?(?:(\d+\.?\d*)m(?:in)?)?(?:(\d+\.?\d*)s)?", text.replace(" ", ""))
    hours, minutes, seconds = (float(part or 0) for part in (found.groups() if found else (0, 0, 0)))
    if (total := 3600 * hours + 60 * minutes + seconds) > 0:
        return total
    raise LabError("there is no such length of time", where="--budget", received=text, expected="90m, 2h or 1h30m")


def _listed(formats: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in formats.split(",") if part.strip()) or (formats,)


def _finish(result: BuildResult, verbose: bool) -> None:
    """Say what a build came to, and leave with the exit code of what failed or is missing."""
    for line in (*result.accuracies, f"{result.checked}: cnnlab check says which", "open:"):
        tell(line)
    for path in result.paths:
        say(str(path))
    for message in result.heard if verbose else ():
        tell(f"WeasyPrint: {message}")
    for problem in result.problems:
        tell(f"cnnlab: {problem}")
    if result.problems:
        sys.exit(min(problem.exit_code for problem in result.problems))
