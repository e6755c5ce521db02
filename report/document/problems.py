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
from report.document.vocabulary import parts
from report.evidence.quantity import Quantity


class _MisspeltError(UndefinedError):
    def __init__(self, name: Any, owner: Any, message: str) -> None:
        super().__init__(message)
        self.name, self.owner = str(name), owner


class Misspelt(StrictUndefined):
    """An undefined name whose error knows it, and on what it was looked up."""

    __slots__ = ()

    def __init__(self, hint: Any = None, obj: Any = missing, name: Any = None, exc: Any = None) -> None:
        super().__init__(hint, obj, name, partial(_MisspeltError, name, obj))  # type: ignore[arg-type]


class CallError(TemplateError):
    """A template called one of the engine's functions or filters wrongly."""

    def __init__(self, what: str, received: object, known: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.received, self.known = str(received), known


def checked(name: str, function: Callable[..., Any], example: str, *, quoted: bool = False) -> Callable[..., Any]:
    """`function`, whose wrong arguments are a `CallError` that shows how `name` is called.

    Args:
        quoted: whether it takes names, so that what is no text had its quotes forgotten.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as problem:
            raise CallError(f"{name} is called with wrong arguments", problem, [example]) from None
        for value in args:
            if isinstance(value, Undefined):
                str(value)  # raises, naming what is undefined
            if quoted and not isinstance(value, str | bool):
                raise CallError(f"{name} takes a name in quotes", repr(value), [example])
        return function(*args, **kwargs)

    return call


def calling_place() -> tuple[Path, int]:
    """The template and the line that is being rendered now."""
    frame = sys._getframe(1)
    while (template := frame.f_globals.get("__jinja_template__")) is None:
        assert frame.f_back is not None, "called by a template"
        frame = frame.f_back
    return Path(template.filename), int(template.get_corresponding_lineno(frame.f_lineno))


def line_of(path: Path, pattern: str) -> str:
    """The file, with the first line that `pattern` matches where one does."""
    text = path.read_text(encoding="utf-8")
    found = re.search(pattern, text)
    return f"{path}, line {text.count(chr(10), 0, found.start()) + 1}" if found else str(path)


def line_reached(problem: Exception, path: Path) -> str:
    """The last template and line that the exception came through; Jinja puts them into the traceback."""
    where, step = str(path), problem.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename.endswith(".j2"):
            where = f"{step.tb_frame.f_code.co_filename}, line {step.tb_lineno}"
        step = step.tb_next
    return where


def rendering_problem(
    problem: Exception, path: Path, context: Mapping[str, Any], items: Sequence[str], environment: Environment
) -> TemplateProblem:
    """What went wrong while a template was read, or rendered with the names of `context`."""
    where, received, known, hint = line_reached(problem, path), str(problem), list[str](), None
    match problem:
        case TemplateSyntaxError(message=message):
            what = f"the template cannot be read: {message}"
            where = f"{problem.filename or path}, line {problem.lineno}"
            name = re.search(r"No (?:filter|test) named '(\w+)'", message or "")
            hint = did_you_mean(name[1], [*environment.filters, *environment.tests]) if name else None
            return TemplateProblem(what, where=where, hint=hint)
        case _MisspeltError(owner=owner, name=received):
            what = "the template uses a name that does not exist"
            match owner:
                case _ if owner is missing:
                    known = sorted(context)
                    hint = f'write it in quotes: "{received}"' if received in items else None
                case None:
                    hint = "it has no value in this report: ask for it with {% if … %} first"
                case Quantity():
                    known = ["value", "unit", "n", "low", "high", "how"]
                case list() | tuple():
                    hint = "it is a list: go through it with {% for one in … %}, or name one of it by its place, as in pairs.0"
                case str() | bool() | int() | float():
                    hint = "it is a single value, with nothing below it"
                case _:
                    known = sorted(dict(parts(owner)))
        case CallError():
            what, received, known = str(problem), problem.received, list(problem.known)
        case TemplateNotFound():
            what, received = "the template includes a file that does not exist", str(problem.name)
            hint = did_you_mean(received, environment.list_templates())
        case RecursionError() | MemoryError() | OverflowError():
            what = "the template asks for more than a report's prose needs"
            hint = "look for a loop or a macro without an end"
        case _:
            what, received = "the template cannot be rendered", repr(problem)
    hint = hint or did_you_mean(received, known)
    return TemplateProblem(what, where=where, received=received, expected=", ".join(known) or None, hint=hint)
