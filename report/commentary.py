"""The prose of a report: Markdown with Jinja, one file an activity, edited by hand or left as it is shipped.

Rendered in a sandbox with every misspelt name an error. What a template prints travels through Markdown as tokens
(`report.tokens`), so that nothing printed is ever read as Markdown or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from jinja2 import (
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    pass_context,
)
from jinja2.exceptions import UndefinedError
from jinja2.ext import Extension
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from markupsafe import Markup

from cnnlab.errors import TemplateProblem, did_you_mean
from report.evidence import Evidence, Quantity
from report.language import Language
from report.names import names_of_quantities, names_used
from report.tokens import Tokens

FUNCTIONS = ("figure", "table", "gallery", "listing", "ref", "cite", "given", "lab")
"""Names that the engine adds to those of the evidence, which must not use them."""

_TAG = re.compile(r"\{%.*?%\}|\{#.*?#\}")
_GENERATED = re.compile(r"\A\s*\{#-?\s*generated\b")


@dataclass(frozen=True)
class Draft:
    """One section's rendered prose: Markdown sources with tokens, and the names of the items placed between them.

    Attributes:
        parts: in order, ("prose", source) or ("item", name).
        generated: whether the file still carries its mark as generated text.
        path: the file.
        uses: every name that the file mentions, as it is written there: `best`, `best.accuracy`.
    """

    parts: tuple[tuple[str, str], ...]
    generated: bool
    path: Path
    uses: frozenset[str]


class ParagraphEnds(Extension):
    """Keeps the line break after a tag that ends a line of text, where `trim_blocks` would join two paragraphs.

    A tag alone on its line still leaves no empty line behind; line numbers in errors stay those of the file.
    """

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Mark the last tag of each line of text with Jinja's `+`."""
        return "\n".join(_kept_break(line) for line in source.split("\n"))


def _kept_break(line: str) -> str:
    bare = line.rstrip()
    if not bare.endswith("%}") or bare.endswith(("-%}", "+%}")) or not _TAG.sub("", bare).strip():
        return line
    return f"{bare[:-2]}+%}}"


SYNTAX: Mapping[str, Any] = {
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
    "extensions": [ParagraphEnds],
}
"""How an environment reads a commentary file."""


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


class _CallError(TemplateError):
    """A template called one of the engine's functions wrongly."""

    def __init__(self, what: str, received: str, known: Sequence[str]) -> None:
        super().__init__(what)
        self.received, self.known = received, known


class Commentary:
    """Renders prose templates of one language.

    Args:
        folders: template folders, the lab's own first; a file there wins over one of the same name in the next.
        tokens: where what is printed is kept until the document is put together.
        lab: what templates see as `lab` (title, authors, course).
        on_ref: makes the token of a cross reference from (section, name, whether it begins a sentence).
        on_cite: makes the token of a citation.
        citable: the keys that can be cited.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        tokens: Tokens,
        *,
        lab: Mapping[str, Any],
        on_ref: Callable[[str, str, bool], str],
        on_cite: Callable[[str], str],
        citable: Sequence[str] = (),
    ) -> None:
        self._folders, self._tokens, self._lab = folders, tokens, lab
        self._on_ref, self._on_cite, self._citable = on_ref, on_cite, citable
        self._section, self._names = "", {}  # type: ignore[var-annotated]

    @property
    def language(self) -> Language:
        """The language that numbers and lists are printed in."""
        return self._tokens.language

    def render(self, key: str, evidence: Evidence) -> Draft:
        """The prose of section `key`, with every name of its evidence available.

        Raises:
            TemplateProblem: the file is missing, has a syntax error, misspells a name or a function's argument, prints
                nothing where it should print something, or places an item inside a paragraph.
        """
        template = f"commentary/{self.language.code}/{key}.md.j2"
        path = self._path(template)
        if taken := sorted(set(evidence.names) & set(FUNCTIONS)):
            raise ValueError(f"the evidence of {key} uses names of the engine: {', '.join(taken)}")
        self._section, self._names = key, names_of_quantities(evidence.names)
        placed: dict[str, str] = {}
        context = {**evidence.names, **self._functions(evidence, placed), "lab": self._lab}
        try:
            source = self._environment.get_template(template).render(context)
        except TemplateSyntaxError as problem:
            raise self._syntax_problem(problem, path) from None
        except Exception as problem:
            raise self._problem(problem, path, context) from None
        written = path.read_text(encoding="utf-8")
        return Draft(
            parts=tuple(self._parts(source, placed, path)),
            generated=bool(_GENERATED.match(written)),
            path=path,
            uses=names_used(self._environment.parse(written)),
        )

    def _path(self, template: str) -> Path:
        for folder in self._folders:
            if (folder / template).is_file():
                return folder / template
        raise TemplateProblem(
            "the commentary file is missing",
            where=self._folders[-1] / template,
            hint="restore it from the project, or write it",
        )

    def _parts(self, source: str, placed: Mapping[str, str], path: Path) -> list[tuple[str, str]]:
        parts, prose = [], ""
        for piece in self._tokens.split(source):
            if piece in placed:
                if prose.rpartition("\n")[2].strip():
                    raise _inline_problem(path, placed[piece])
                parts += [("prose", prose), ("item", placed[piece])]
                prose = ""
            elif parts and parts[-1][0] == "item" and not prose and piece.partition("\n")[0].strip():
                raise _inline_problem(path, parts[-1][1])
            else:
                prose += piece
        parts.append(("prose", prose))
        return [part for part in parts if part[0] == "item" or part[1].strip()]

    def _functions(self, evidence: Evidence, placed: dict[str, str]) -> dict[str, Any]:
        kinds = {"figure": "Figure", "table": "Table", "gallery": "Gallery", "listing": "Listing"}
        places = {kind: partial(self._place, kind, cls, evidence, placed) for kind, cls in kinds.items()}
        return {**places, "ref": self._ref, "cite": self._cite, "given": self._given}

    def _place(self, kind: str, cls: str, evidence: Evidence, placed: dict[str, str], name: str) -> Markup:
        known = [key for key, item in evidence.items.items() if type(item).__name__ == cls]
        if name not in known:
            raise _CallError(f"there is no {kind} of this name", name, known)
        if name in placed.values():
            raise _CallError(f"the {kind} is placed twice; say ref(“{name}”) the second time", name, [])
        token = self._tokens.add(lambda medium: "")
        placed[token] = name
        return Markup(token)

    def _ref(self, name: str, capital: bool = False) -> Markup:
        return Markup(self._on_ref(self._section, name, capital))

    def _cite(self, *keys: str) -> Markup:
        for key in keys:
            if key not in self._citable:
                raise _CallError("the bibliography has no such reference", key, self._citable)
        return Markup(" ".join(self._on_cite(key) for key in keys))

    def _given(self, text: str) -> Markup:
        """A fact that the author answers for, such as one of the assignment: printed as it stands."""
        if not isinstance(text, str) or not text:
            raise _CallError('the function takes a text, as given("224")', repr(text), [])
        return Markup(self._tokens.text(text))

    @cached_property
    def _environment(self) -> ImmutableSandboxedEnvironment:
        @pass_context  # so that Jinja does not fold constants at compile time, before there are tokens
        def finalize(context: Context, value: Any) -> Markup:
            return self._printed(value)

        environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader([str(folder) for folder in self._folders]),
            autoescape=True,
            undefined=Misspelt,
            finalize=finalize,
            **SYNTAX,
        )
        environment.filters.pop("safe")
        environment.filters |= {
            "interval": self._filter(self.language.with_interval),
            "plain": self._filter(self.language.plain),
            "signed": self._filter(self.language.signed),
            "join_words": self._join_words,
        }
        return environment

    def _filter(self, word: Callable[..., str]) -> Callable[..., Markup]:
        def filtered(value: Any, digits: int | None = None) -> Markup:
            if isinstance(value, Undefined):
                str(value)  # raises, naming what is undefined
            if not isinstance(value, Quantity):
                raise _CallError("the filter takes a quantity", repr(value), [])
            return Markup(self._quantity(value, word(value, digits)))

        return filtered

    def _quantity(self, value: Quantity, text: str) -> str:
        return self._tokens.quantity(value, text, section=self._section, name=self._names.get(id(value), ""))

    def _join_words(self, words: Sequence[Any]) -> Markup:
        if isinstance(words, str) or not isinstance(words, Sequence):
            raise _CallError("the filter takes a list", repr(words), [])
        return Markup(self._tokens.text(self.language.join([str(self._printed(word)) for word in words])))

    def _printed(self, value: Any) -> Markup:
        """What `{{ value }}` leaves in the Markdown."""
        if isinstance(value, Markup):  # made by a macro, a filter or a function of this file: nothing from data
            return value
        if isinstance(value, Undefined):
            str(value)  # raises, naming what is undefined
        if isinstance(value, Quantity):
            return Markup(self._quantity(value, self.language.quantity(value)))
        if isinstance(value, str):
            if "Quantity(value=" in value:
                raise _CallError("a quantity was joined to text with ~; print it by itself", value[:80], [])
            return Markup(self._tokens.text(value))
        if isinstance(value, int) and not isinstance(value, bool):
            return Markup(self._tokens.text(self.language.number(value)))
        raise _CallError("this cannot be printed as it is", repr(value), [])

    def _syntax_problem(self, problem: TemplateSyntaxError, path: Path) -> TemplateProblem:
        name = re.search(r"No (?:filter|test) named '(\w+)'", problem.message or "")
        known = [*self._environment.filters, *self._environment.tests]
        return TemplateProblem(
            f"the template cannot be read: {problem.message}",
            where=f"{problem.filename or path}, line {problem.lineno}",
            hint=did_you_mean(name[1], known) if name else None,
        )

    def _problem(self, problem: Exception, path: Path, context: Mapping[str, Any]) -> TemplateProblem:
        where = _line(problem, path)
        if isinstance(problem, _MisspeltError):
            known = sorted(context) if problem.owner is missing else _attributes(problem.owner)
            return TemplateProblem(
                "the template uses a name that does not exist",
                where=where,
                received=problem.name,
                expected=", ".join(known) or None,
                hint=did_you_mean(problem.name, known),
            )
        if isinstance(problem, _CallError):
            return TemplateProblem(
                str(problem),
                where=where,
                received=problem.received,
                expected=", ".join(problem.known) or None,
                hint=did_you_mean(problem.received, problem.known),
            )
        if isinstance(problem, TemplateNotFound):
            return TemplateProblem(
                "the template includes a file that does not exist", where=where, received=problem.name
            )
        return TemplateProblem("the template cannot be rendered", where=where, received=repr(problem))


def _attributes(owner: Any) -> list[str]:
    if isinstance(owner, Mapping):
        return sorted(map(str, owner))
    return sorted(name for name in dir(owner) if not name.startswith("_"))


def _line(problem: Exception, path: Path) -> str:
    """The last template and line that the exception came through; Jinja puts them into the traceback."""
    where, step = str(path), problem.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename.endswith(".j2"):
            where = f"{step.tb_frame.f_code.co_filename}, line {step.tb_lineno}"
        step = step.tb_next
    return where


def _inline_problem(path: Path, name: str) -> TemplateProblem:
    return TemplateProblem(
        "an item is placed inside a paragraph", where=path, received=name, expected="the call alone on its line"
    )
