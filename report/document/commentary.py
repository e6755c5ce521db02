"""The prose of a report: Markdown with Jinja, one file an activity, edited by hand or left as it is shipped.

Rendered in a sandbox with every misspelt name an error. What a template prints travels through Markdown as tokens
(`report.document.tokens`), so that nothing printed is ever read as Markdown or HTML.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import Environment, FileSystemLoader, TemplateSyntaxError, pass_context
from jinja2.ext import Extension
from jinja2.runtime import Context, Undefined
from markupsafe import Markup

from cnnlab.errors import TemplateProblem
from cnnlab.lab import Lab
from cnnlab.paths import code_hash, templates_dir
from report.data.kept import keep, kept
from report.document import usage
from report.document.claims import WrongClaim
from report.document.compiled import Compiled, late
from report.document.limits import LimitedEnvironment
from report.document.names import names_of_quantities, names_used
from report.document.problems import (
    CallError,
    Misspelt,
    calling_line,
    calling_place,
    checked,
    named,
    rendering_problem,
    syntax_problem,
)
from report.document.tokens import Tokens
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Quantity
from report.evidence.words import Words

FUNCTIONS = tuple(usage.FUNCTIONS)
"""Names that the engine adds to those of the evidence, which must not use them."""

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

_COMPILED = Compiled("prose")


@lru_cache(maxsize=256)
def _uses(written: str) -> frozenset[str]:
    """Every name that a commentary file of this text mentions."""
    key = f"names {code_hash()} {jinja2.__version__} {hashlib.sha256(written.encode()).hexdigest()}"
    if content := kept(key):
        return frozenset(json.loads(content))
    names = names_used(Environment(**SYNTAX).parse(written))
    keep(key, json.dumps(sorted(names)).encode())
    return names


class _Environment(LimitedEnvironment):
    """Remembers which files the templates include, import or extend."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.included: list[str] = []

    def join_path(self, template: str, parent: str) -> str:
        self.included.append(template)
        return super().join_path(template, parent)


def template_folders(lab: Lab) -> list[Path]:
    """Where the commentary of a lab is looked for: beside the lab first."""
    return [lab.templates, templates_dir()]


def commentary_path(folders: Sequence[Path], language: Language, key: str, kind: str = "") -> Path:
    """The file of section `key`: in the first folder that has one, its own, or that of its `kind` ("results").

    Raises:
        TemplateProblem: none has.
    """
    for folder in folders:
        for name in (key, kind):
            if (path := folder / _template(language, name)).is_file():
                return path
    raise TemplateProblem(
        "the commentary file is missing",
        where=folders[-1] / _template(language, key),
        hint="restore it from the project, or write it",
    )


def _template(language: Language, key: str) -> str:
    return f"commentary/{language.code}/{key}.md.j2"


class Commentary:
    """Renders prose templates of one language.

    Args:
        folders: template folders, the lab's own first; a file there wins over one of the same name in the next.
        tokens: where what is printed is kept until the document is put together.
        lab: what templates see as `lab` (title, authors, course).
        on_ref: makes the token of a cross reference from (section, name, whether it begins a sentence, line).
        on_cite: makes the token of a citation.
        on_claim: makes the token of a claim from (section, text, what it is on, data set, where it stands).
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
        self._section, self._names, self._file = "", {}, Path()  # type: ignore[var-annotated]
        self._lines: dict[str, str] = {}

    @property
    def language(self) -> Language:
        """The language that numbers and lists are printed in."""
        return self._tokens.language

    def render(self, key: str, evidence: Evidence, kind: str = "") -> Draft:
        """The prose of section `key`, or of sections of its `kind`, with every name of its evidence available.

        Raises:
            TemplateProblem: the file is missing, has a syntax error, misspells a name or a function's argument, prints
                nothing where it should print something, or places an item inside a paragraph.
        """
        path = commentary_path(self._folders, self.language, key, kind)
        template = _template(self.language, path.name.removesuffix(".md.j2"))
        if taken := sorted(set(evidence.names) & set(FUNCTIONS)):
            raise ValueError(f"the evidence of {key} uses names of the engine: {', '.join(taken)}")
        self._section, self._names, self._file = key, names_of_quantities(evidence.names), path
        self._environment.included.clear()
        self._environment.begin()
        placed: dict[str, str] = {}
        context = {**evidence.names, **self._functions(evidence, placed), "lab": self._lab}
        try:
            source = self._environment.get_template(template).render(context)
        except TemplateSyntaxError as problem:
            raise syntax_problem(problem, path, self._environment) from None
        except Exception as problem:
            known = self._environment.list_templates()
            raise rendering_problem(problem, path, context, list(evidence.items), known) from None
        written = path.read_text(encoding="utf-8")
        return Draft(
            parts=tuple(self._parts(source, placed)),
            generated=bool(_GENERATED.match(written)),
            path=path,
            uses=_uses(written),
            files={template: path, **self._included()},
        )

    def _included(self) -> dict[str, Path]:
        """The files that the last rendering took in; of an `ignore missing`, none."""
        names = dict.fromkeys(self._environment.included)
        found = {name: [folder / name for folder in self._folders if (folder / name).is_file()] for name in names}
        return {name: paths[0] for name, paths in found.items() if paths}

    def _parts(self, source: str, placed: Mapping[str, str]) -> list[tuple[str, str]]:
        parts, prose, before = [], "", ""
        for piece in self._tokens.split(source):
            if piece in placed:
                if prose.rpartition("\n")[2].strip():
                    raise _inline_problem(self._lines[piece], placed[piece])
                parts += [("prose", prose), ("item", placed[piece])]
                prose, before = "", piece
            elif parts and parts[-1][0] == "item" and not prose and piece.partition("\n")[0].strip():
                raise _inline_problem(self._lines[before], parts[-1][1])
            else:
                prose += piece
        parts.append(("prose", prose))
        return [part for part in parts if part[0] == "item" or part[1].strip()]

    def _functions(self, evidence: Evidence, placed: dict[str, str]) -> dict[str, Any]:
        kinds = {"figure": "Figure", "table": "Table", "gallery": "Gallery", "listing": "Listing"}
        places = {kind: partial(self._place, kind, cls, evidence, placed) for kind, cls in kinds.items()}
        functions: dict[str, Callable[..., Markup]] = {
            **places,
            "ref": self._ref,
            "cite": self._cite,
            "claim": self._claim,
            "given": self._given,
        }
        return {name: checked(name, one, usage.FUNCTIONS[name].example) for name, one in functions.items()}

    def _place(self, kind: str, cls: str, evidence: Evidence, placed: dict[str, str], name: str) -> Markup:
        name = named(name, kind, usage.FUNCTIONS[kind].example)
        known = [key for key, item in evidence.items.items() if type(item).__name__ == cls]
        if name not in known:
            raise CallError(f"there is no {kind} of this name", name, known)
        if name in placed.values():
            raise CallError(f"the {kind} is placed twice; say ref(“{name}”) the second time", name, [])
        token = self._tokens.add(lambda medium: "")
        placed[token], self._lines[token] = name, calling_line(self._file)
        return Markup(token)

    def _ref(self, name: str, capital: bool = False) -> Markup:
        name = named(name, "ref", usage.FUNCTIONS["ref"].example)
        return Markup(self._on_ref(self._section, name, capital, calling_line(self._file)))

    def _cite(self, *keys: str) -> Markup:
        for key in [named(key, "cite", usage.FUNCTIONS["cite"].example) for key in keys]:
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
            bytecode_cache=_COMPILED,
            **SYNTAX,
        )
        filters: dict[str, Callable[..., Any]] = {
            "interval": self._filter(self.language.with_interval),
            "plain": self._filter(self.language.plain),
            "signed": self._filter(self.language.signed),
            "join_words": self._join_words,
        }
        environment.filters |= {
            name: late(checked(name, one, usage.FILTERS[name].example)) for name, one in filters.items()
        }
        return environment

    def _filter(self, word: Callable[..., str]) -> Callable[..., Markup]:
        def filtered(value: Any, digits: int | None = None) -> Markup:
            if isinstance(value, Undefined):
                str(value)  # raises, naming what is undefined
            if not isinstance(value, Quantity):
                raise CallError("the filter takes a quantity", repr(value), [])
            if digits is not None and not (type(digits) is int and 0 <= digits <= usage.MOST_DIGITS):
                raise CallError("the filter takes a number of decimals", repr(digits), [f"0 to {usage.MOST_DIGITS}"])
            return Markup(self._quantity(value, word(value, digits)))

        return filtered

    def _quantity(self, value: Quantity, text: str) -> str:
        return self._tokens.quantity(value, text, section=self._section, name=self._names.get(id(value), ""))

    def _join_words(self, words: Sequence[Any]) -> Markup:
        if isinstance(words, str) or not isinstance(words, Sequence):
            raise CallError("the filter takes a list", repr(words), [])
        return Markup(self.language.join([str(self._printed(word)) for word in words]))

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
                raise CallError("a quantity was joined to text with ~; print it by itself", value[:80], [])
            if isinstance(value, Words):
                return Markup(self._tokens.words(value, section=self._section, name=self._names.get(id(value), "")))
            return Markup(self._tokens.text(value))
        if isinstance(value, int) and not isinstance(value, bool):
            return Markup(self._tokens.text(self.language.number(value)))
        raise CallError("this cannot be printed as it is", repr(value), [])


def _inline_problem(where: str, name: str) -> TemplateProblem:
    return TemplateProblem(
        "an item is placed inside a paragraph", where=where, received=name, expected="the call alone on its line"
    )
