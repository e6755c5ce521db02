"""What is wrong with a commentary file, in its author's words: the file, the line, and the nearest name."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError
from jinja2.exceptions import UndefinedError
from jinja2.runtime import Undefined
from jinja2.utils import missing

from cnnlab.errors import TemplateProblem, did_you_mean
from report.document.limits import TooMuch
from report.document.names import parts
from report.evidence.quantity import Quantity

_MARKS = re.compile(r"\{\{|\}\}|\{%|%\}|\{#|#\}")
_CLOSING = {"{{": "}}", "{%": "%}", "{#": "#}"}
_BLOCKS = frozenset({"if", "for", "macro", "call", "filter", "block", "with", "autoescape"})


class Misspelt(StrictUndefined):
    """An undefined name that remembers on what it was looked up."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._undefined_exception = partial(_MisspeltError, self)  # type: ignore[assignment]


class _MisspeltError(UndefinedError):
    def __init__(self, undefined: Misspelt, message: str) -> None:
        super().__init__(message)
        self.name, self.owner = str(undefined._undefined_name), undefined._undefined_obj


class CallError(TemplateError):
    """A template called one of the engine's functions or filters wrongly."""

    def __init__(self, what: str, received: object, known: Sequence[str]) -> None:
        super().__init__(what)
        self.received, self.known = str(received), known


def checked(name: str, function: Callable[..., Any], example: str) -> Callable[..., Any]:
    """`function`, whose wrong arguments are a `CallError` that shows how `name` is called."""
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as problem:
            raise CallError(f"{name} is called with wrong arguments", problem, [example]) from None
        return function(*args, **kwargs)

    return call


def named(value: Any, what: str, example: str) -> str:
    """A name given to one of the engine's functions.

    Raises:
        CallError: it is no text, as when the quotes were forgotten around a name of the evidence.
    """
    if isinstance(value, Undefined):
        str(value)  # raises, naming what is undefined
    if not isinstance(value, str):
        raise CallError(f"{what} takes a name in quotes", repr(value), [example])
    return value


def calling_line(path: Path) -> str:
    """The template and the line that is being rendered now, in words; `path` where it is none."""
    file, line = calling_place(path)
    return f"{file}, line {line}" if line else str(file)


def calling_place(path: Path) -> tuple[Path, int]:
    """The template and the line that is being rendered now; `path` and 0 where it is none."""
    frame = sys._getframe(1)
    while frame is not None:
        template = frame.f_globals.get("__jinja_template__")
        if template is not None:
            return Path(template.filename), int(template.get_corresponding_lineno(frame.f_lineno))
        frame = frame.f_back  # type: ignore[assignment]
    return path, 0


def line_of(path: Path, pattern: str) -> str:
    """The file, with the first line that `pattern` matches where one does."""
    text = path.read_text(encoding="utf-8")
    found = re.search(pattern, text)
    return f"{path}, line {text.count(chr(10), 0, found.start()) + 1}" if found else str(path)


def syntax_problem(problem: TemplateSyntaxError, path: Path, environment: Environment) -> TemplateProblem:
    """A template that Jinja cannot read; what is never closed is told by the line that opens it."""
    file, line, hint = Path(problem.filename or path), problem.lineno, None
    source = file.read_text(encoding="utf-8") if file.is_file() else ""
    if name := re.search(r"No (?:filter|test) named '(\w+)'", problem.message or ""):
        hint = did_you_mean(name[1], [*environment.filters, *environment.tests])
    elif mark := _open_mark(source, line):
        hint = f"the {mark[0]} of line {mark[1]} has no {_CLOSING[mark[0]]}"
        line = mark[1]
    elif opened := _open_block(source, line, environment):
        hint = f"the {{% {opened[0]} %}} of line {opened[1]} has no {{% end{opened[0]} %}}"
        line = opened[1] if "end of template" in str(problem.message) else line
    return TemplateProblem(f"the template cannot be read: {problem.message}", where=f"{file}, line {line}", hint=hint)


def _open_mark(source: str, line: int) -> tuple[str, int] | None:
    """The last tag up to `line` that another begins in, or the file ends in, before it is closed."""
    opened: tuple[str, int] | None = None
    for match in _MARKS.finditer(source):
        at = source.count("\n", 0, match.start()) + 1
        if match[0] in _CLOSING:
            if opened and opened[0] != "{#":
                return opened
            opened = opened or (match[0], at)
        elif opened and match[0] == _CLOSING[opened[0]]:
            opened = None
    return opened if opened and opened[1] <= line else None


def _open_block(source: str, line: int, environment: Environment) -> tuple[str, int] | None:
    """The innermost block tag that is still open at `line`, and the line where it opens."""
    opened: list[tuple[str, int]] = []
    for match in re.finditer(
        r"\{%[-+]?\s*(\w+)(.*?)[-+]?%\}", re.sub(r"\{#.*?#\}", _blanked, source, flags=re.S), re.S
    ):
        tag, at = match[1], source.count("\n", 0, match.start()) + 1
        if at > line:
            break
        if tag in _BLOCKS or (tag == "set" and "=" not in match[2]):
            opened.append((tag, at))
        elif opened and tag == f"end{opened[-1][0]}":
            opened.pop()
    return opened[-1] if opened else None


def _blanked(comment: re.Match[str]) -> str:
    """A comment's place, with nothing but its line breaks."""
    return re.sub(r"[^\n]", " ", comment[0])


def rendering_problem(
    problem: Exception, path: Path, context: Mapping[str, Any], items: Sequence[str], templates: Sequence[str]
) -> TemplateProblem:
    """What went wrong while a template was rendered with the names of `context`."""
    where = line_reached(problem, path)
    if isinstance(problem, _MisspeltError):
        return _misspelt(problem, where, context, items)
    if isinstance(problem, CallError):
        return TemplateProblem(
            str(problem),
            where=where,
            received=problem.received,
            expected=", ".join(problem.known) or None,
            hint=did_you_mean(problem.received, problem.known),
        )
    if isinstance(problem, TemplateNotFound):
        return TemplateProblem(
            "the template includes a file that does not exist",
            where=where,
            received=problem.name,
            hint=did_you_mean(str(problem.name), templates),
        )
    if isinstance(problem, TooMuch | RecursionError | MemoryError):
        return TemplateProblem(
            "the template asks for more than a report's prose needs",
            where=where,
            received=str(problem),
            hint="look for a loop or a macro without an end",
        )
    return TemplateProblem("the template cannot be rendered", where=where, received=repr(problem))


def _misspelt(problem: _MisspeltError, where: str, context: Mapping[str, Any], items: Sequence[str]) -> TemplateProblem:
    what = "the template uses a name that does not exist"
    if problem.owner is missing:
        known, hint = sorted(context), f'write it in quotes: "{problem.name}"' if problem.name in items else None
    else:
        known, hint = _attributes(problem.owner), _advice(problem.owner)
    return TemplateProblem(
        what,
        where=where,
        received=problem.name,
        expected=", ".join(known) or None,
        hint=hint or did_you_mean(problem.name, known),
    )


def _attributes(owner: Any) -> list[str]:
    if isinstance(owner, list | tuple | str | bool | int | float | None):
        return []
    if isinstance(owner, Quantity):
        return ["value", "unit", "n", "low", "high", "how"]
    return sorted(key for key, _ in parts(owner)) or sorted(name for name in dir(owner) if not name.startswith("_"))


def _advice(owner: Any) -> str | None:
    if owner is None:
        return "it has no value in this report: ask for it with {% if … %} first"
    if isinstance(owner, list | tuple):
        return "it is a list: go through it with {% for one in … %}, or name one of it by its place, as in pairs.0"
    if isinstance(owner, str | bool | int):
        return "it is a single value, with nothing below it"
    return None


def line_reached(problem: Exception, path: Path) -> str:
    """The last template and line that the exception came through; Jinja puts them into the traceback."""
    where, step = str(path), problem.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename.endswith(".j2"):
            where = f"{step.tb_frame.f_code.co_filename}, line {step.tb_lineno}"
        step = step.tb_next
    return where
