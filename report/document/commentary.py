"""The prose of a report: Markdown with Jinja, one file an activity, edited by hand or left as it is shipped.

Rendered in a sandbox with every misspelt name an error. What a template prints travels through Markdown as tokens
(`report.document.tokens`), so that nothing printed is ever read as Markdown or HTML.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial, wraps
from pathlib import Path
from typing import Any

from jinja2 import FileSystemBytecodeCache, FileSystemLoader, TemplateSyntaxError, nodes, pass_context
from jinja2.ext import Extension
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup
from platformdirs import user_cache_path

from cnnlab.errors import TemplateProblem
from cnnlab.lab import Lab
from cnnlab.paths import code_hash, templates_dir
from report.document.claims import WrongClaim
from report.document.problems import (
    CallError,
    Misspelt,
    calling_place,
    checked,
    named,
    rendering_problem,
    syntax_problem,
)
from report.document.tokens import Tokens
from report.document.vocabulary import FILTERS, FUNCTIONS, named_values
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Quantity
from report.evidence.words import Words

MOST_DIGITS = 9
Where = tuple[Path, int]
"""A template and a line in it."""

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
        files: the file and those that it includes, by their names below a folder of templates.
    """

    parts: tuple[tuple[str, str], ...]
    generated: bool
    path: Path
    uses: frozenset[str]
    files: Mapping[str, Path]


class ParagraphEnds(Extension):
    """Keeps the line break after a tag that ends a line of text, where `trim_blocks` would join two paragraphs.

    A tag alone on its line still leaves no empty line behind; line numbers in errors stay those of the file.
    """

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Mark the last tag of each line of text with Jinja's `+`."""
        lines = source.split("\n")
        for index, line in enumerate(lines):
            bare = line.rstrip()
            if bare.endswith("%}") and not bare.endswith(("-%}", "+%}")) and _TAG.sub("", bare).strip():
                lines[index] = f"{bare[:-2]}+%}}"
        return "\n".join(lines)


class _Environment(ImmutableSandboxedEnvironment):
    """Remembers which files the templates include, import or extend."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.included: list[str] = []
        del self.filters["safe"]  # what stands in data would be read as Markdown

    def join_path(self, template: str, parent: str) -> str:
        self.included.append(template)
        return super().join_path(template, parent)


def compiled_templates() -> FileSystemBytecodeCache | None:
    """Compiled templates in the user's cache folder, for the next process; None where that cannot be written."""
    folder = user_cache_path("cnnlab") / "templates"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    own = os.access(folder, os.W_OK) and folder.stat().st_uid == os.geteuid()  # what is read from there is run
    return FileSystemBytecodeCache(str(folder), f"{code_hash()[:16]}-%s") if own else None


def late(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that is never called while a template is compiled, of constants, since what it gives is one document's."""

    @pass_context
    @wraps(function)
    def filtered(context: Any, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return filtered


def template_folders(lab: Lab) -> list[Path]:
    """Where the commentary of a lab is looked for: beside the lab first."""
    return [lab.templates, templates_dir()]


def commentary_path(folders: Sequence[Path], language: Language, key: str) -> Path:
    """The file of section `key`: that of the first folder that has one.

    Raises:
        TemplateProblem: none has.
    """
    paths = [folder / f"commentary/{language.code}/{key}.md.j2" for folder in folders]
    if found := next((path for path in paths if path.is_file()), None):
        return found
    hint = "restore it from the project, or write it"
    raise TemplateProblem("the commentary file is missing", where=paths[-1], hint=hint)


class Commentary:
    """Renders prose templates of one language.

    Args:
        folders: template folders, the lab's own first; a file there wins over one of the same name in the next.
        tokens: where what is printed is kept until the document is put together.
        lab: what templates see as `lab` (title, authors, course).
        on_ref: makes the token of a cross reference from (section, name, whether it begins a sentence, place).
        on_cite: makes the token of a citation.
        on_claim: makes the token of a claim from (section, text, what it is on, data set, place).
        citable: the keys that can be cited.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        tokens: Tokens,
        *,
        lab: Mapping[str, Any],
        on_ref: Callable[[str, str, bool, str], str],
        on_cite: Callable[[str], str],
        on_claim: Callable[[str, str, str, str, Where], str],
        citable: Sequence[str] = (),
    ) -> None:
        self._folders, self._tokens, self._lab = folders, tokens, lab
        self._on_ref, self._on_cite, self._on_claim, self._citable = on_ref, on_cite, on_claim, citable
        self._section, self._file = "", Path()
        self._names: Mapping[int, str] = {}
        self._placed: dict[str, tuple[str, str]] = {}
        self._language = tokens.language

    def render(self, key: str, evidence: Evidence) -> Draft:
        """The prose of section `key`, with every name of its evidence available.

        Raises:
            TemplateProblem: the file is missing, has a syntax error, misspells a name or a function's argument, prints
                nothing where it should print something, or places an item inside a paragraph.
        """
        path = commentary_path(self._folders, self._language, key)
        if taken := sorted(set(evidence.names) & set(FUNCTIONS)):
            raise ValueError(f"the evidence of {key} uses names of the engine: {', '.join(taken)}")
        values = [(name, one) for name, one in named_values(evidence.names) if isinstance(one, Quantity | Words)]
        self._names = {id(value): name for name, value in reversed(values)}  # the first of several names
        self._section, self._file, self._placed = key, path, {}
        environment, template = self._environment, f"commentary/{self._language.code}/{key}.md.j2"
        environment.included.clear()
        kinds = {"figure": "Figure", "table": "Table", "gallery": "Gallery", "listing": "Listing"}
        functions = {kind: partial(self._place, kind, cls, evidence) for kind, cls in kinds.items()}
        functions |= {"ref": self._ref, "cite": self._cite, "claim": self._claim, "given": self._given}  # type: ignore[dict-item]
        calls = {name: checked(name, one, FUNCTIONS[name].example) for name, one in functions.items()}
        context = {**evidence.names, **calls, "lab": self._lab}
        try:
            source = environment.get_template(template).render(context)
        except TemplateSyntaxError as problem:
            raise syntax_problem(problem, path, environment) from None
        except Exception as problem:
            known = environment.list_templates()
            raise rendering_problem(problem, path, context, list(evidence.items), known) from None
        places = [(name, folder / name) for name in environment.included for folder in reversed(self._folders)]
        files = {template: path, **{name: place for name, place in places if place.is_file()}}
        written = path.read_text(encoding="utf-8")
        found = environment.parse(written).find_all((nodes.Name, nodes.Getattr))
        return Draft(
            parts=tuple(self._parts(source)),
            generated=bool(_GENERATED.match(written)),
            path=path,
            uses=frozenset(filter(None, map(_dotted, found))),
            files=files,
        )

    def _parts(self, source: str) -> list[tuple[str, str]]:
        """Prose and items in order; an item has to stand alone on its line."""
        found, prose = list[tuple[str, str]](), ""
        after = ("", "")
        for piece in self._tokens.split(source):
            if piece in self._placed:
                name, where = after = self._placed[piece]
                if prose.rpartition("\n")[2].strip():
                    raise _inline_problem(name, where)
                found += [("prose", prose), ("item", name)]
                prose = ""
            elif found and not prose and piece.partition("\n")[0].strip():
                raise _inline_problem(*after)
            else:
                prose += piece
        return [part for part in [*found, ("prose", prose)] if part[0] == "item" or part[1].strip()]

    @cached_property
    def _environment(self) -> _Environment:
        @pass_context  # so that Jinja does not fold constants at compile time, before there are tokens
        def finalize(context: Context, value: Any) -> Markup:
            return self._printed(value)

        environment = _Environment(
            loader=FileSystemLoader([str(folder) for folder in self._folders]),
            autoescape=True,
            undefined=Misspelt,
            finalize=finalize,
            bytecode_cache=compiled_templates(),
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            extensions=[ParagraphEnds],
        )
        filters: dict[str, Callable[..., Any]] = {
            "interval": self._filter(self._language.with_interval),
            "plain": self._filter(self._language.plain),
            "signed": self._filter(self._language.signed),
            "join_words": self._join_words,
        }
        environment.filters |= {name: late(checked(name, one, FILTERS[name].example)) for name, one in filters.items()}
        return environment

    def _place(self, kind: str, cls: str, evidence: Evidence, name: str) -> Markup:
        name = named(name, kind, FUNCTIONS[kind].example)
        known = [key for key, item in evidence.items.items() if type(item).__name__ == cls]
        if name not in known:
            raise CallError(f"there is no {kind} of this name", name, known)
        if name in [placed for placed, _ in self._placed.values()]:
            raise CallError(f"the {kind} is placed twice; say ref(“{name}”) the second time", name, [])
        token = self._tokens.add(lambda medium: "")
        self._placed[token] = name, self._line()
        return Markup(token)

    def _line(self) -> str:
        file, line = calling_place(self._file)
        return f"{file}, line {line}" if line else str(file)

    def _ref(self, name: str, capital: bool = False) -> Markup:
        name = named(name, "ref", FUNCTIONS["ref"].example)
        return Markup(self._on_ref(self._section, name, capital, self._line()))

    def _cite(self, *keys: str) -> Markup:
        for key in [named(key, "cite", FUNCTIONS["cite"].example) for key in keys]:
            if key not in self._citable:
                raise CallError("the bibliography has no such reference", key, self._citable)
        return Markup(" ".join(self._on_cite(key) for key in keys))

    def _claim(self, text: str, on: str = "test accuracy", dataset: str = "") -> Markup:
        try:
            return Markup(self._on_claim(self._section, str(text), str(on), str(dataset), calling_place(self._file)))
        except WrongClaim as wrong:
            raise CallError(str(wrong), wrong.received, wrong.known) from None

    def _given(self, text: str) -> Markup:
        """A fact that the author answers for, such as one of the assignment: printed as it stands."""
        if not isinstance(text, str) or not text:
            raise CallError('the function takes a text, as given("224")', repr(text), [])
        return Markup(self._tokens.text(text))

    def _filter(self, word: Callable[..., str]) -> Callable[..., Markup]:
        def filtered(value: Any, digits: int | None = None) -> Markup:
            if isinstance(value, Undefined):
                str(value)  # raises, naming what is undefined
            if not isinstance(value, Quantity):
                raise CallError("the filter takes a quantity", repr(value), [])
            if digits is not None and not (type(digits) is int and 0 <= digits <= MOST_DIGITS):
                raise CallError("the filter takes a number of decimals", repr(digits), [f"0 to {MOST_DIGITS}"])
            return Markup(self._quantity(value, word(value, digits)))

        return filtered

    def _quantity(self, value: Quantity, text: str) -> str:
        return self._tokens.quantity(value, text, section=self._section, name=self._names.get(id(value), ""))

    def _join_words(self, words: Sequence[Any]) -> Markup:
        if isinstance(words, str) or not isinstance(words, Sequence):
            raise CallError("the filter takes a list", repr(words), [])
        return Markup(self._language.join([str(self._printed(word)) for word in words]))

    def _printed(self, value: Any) -> Markup:
        """What `{{ value }}` leaves in the Markdown."""
        match value:
            case Markup():  # made by a macro, a filter or a function of this file: nothing from data
                return value
            case Undefined():
                str(value)  # raises, naming what is undefined
            case Quantity():
                return Markup(self._quantity(value, self._language.quantity(value)))
            case Words():
                return Markup(self._tokens.words(value, section=self._section, name=self._names.get(id(value), "")))
            case str() if "Quantity(value=" in value:
                raise CallError("a quantity was joined to text with ~; print it by itself", value[:80], [])
            case str():
                return Markup(self._tokens.text(value))
            case int() if not isinstance(value, bool):
                return Markup(self._tokens.text(self._language.number(value)))
        raise CallError("this cannot be printed as it is", repr(value), [])


def _dotted(node: nodes.Node) -> str:
    """`best.accuracy` of a name or an attribute of one; empty for what is written otherwise."""
    if isinstance(node, nodes.Getattr) and (owner := _dotted(node.node)):
        return f"{owner}.{node.attr}"
    return node.name if isinstance(node, nodes.Name) else ""


def _inline_problem(name: str, where: str) -> TemplateProblem:
    return TemplateProblem(
        "an item is placed inside a paragraph", where=where, received=name, expected="the call alone on its line"
    )
