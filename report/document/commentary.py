"""The prose of a report: Markdown with Jinja, one file an activity, edited by hand or left as it is shipped.

Rendered in a sandbox with every misspelt name an error. What a template prints travels through Markdown as tokens
(`report.document.tokens`), so that nothing printed is ever read as Markdown or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import Any

from jinja2 import FileSystemBytecodeCache, FileSystemLoader, nodes, pass_context
from jinja2.ext import Extension
from jinja2.runtime import Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from cnnlab.errors import TemplateProblem
from cnnlab.paths import cache_dir, code_hash
from report.document.problems import CallError, Misspelt, calling_place, checked, rendering_problem
from report.document.tokens import Tokens
from report.document.vocabulary import FILTERS, FUNCTIONS, named_values
from report.evidence.language import Language
from report.evidence.quantity import Evidence, Quantity
from report.evidence.words import Words

MOST_DIGITS = 9
ITEMS = ("figure", "table", "gallery", "listing")
"""What places an item of this kind."""

_TAG = re.compile(r"\{%.*?%\}|\{#.*?#\}")
_GENERATED = re.compile(r"\A\s*\{#-?\s*generated\b")


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

    included: list[str] = []

    def join_path(self, template: str, parent: str) -> str:
        self.included.append(template)
        return super().join_path(template, parent)


def compiled_templates() -> FileSystemBytecodeCache:
    """Compiled templates, for the next process; those of other code are not looked for."""
    return FileSystemBytecodeCache(str(cache_dir()), f"{code_hash()[:16]}-%s")


def late(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that is never called while a template is compiled, of constants, since what it gives is one document's."""

    @pass_context
    @wraps(function)
    def filtered(context: Any, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return filtered


def commentary_path(folders: Sequence[Path], language: Language, key: str, module: str = "") -> Path:
    """The file of section `key`: in the first folder that has one, its own, or that of its `module` ("results").

    Raises:
        TemplateProblem: none has.
    """
    paths = [folder / f"commentary/{language.code}/{name}.md.j2" for folder in folders for name in (key, module)]
    if found := next((path for path in paths if path.is_file()), None):
        return found
    hint = "restore it from the project, or write it"
    raise TemplateProblem("the commentary file is missing", where=paths[-2], hint=hint)


class Commentary:
    """Renders prose templates of one language; `section` is the key of the one that is being rendered.

    Args:
        folders: template folders, the lab's own first; a file there wins over one of the same name in the next.
        tokens: where what is printed is kept until the document is put together.
        lab: what templates see as `lab` (title, authors, course).
        functions: `ref`, `cite` and `claim`, each of which returns tokens.
    """

    def __init__(
        self, folders: Sequence[Path], tokens: Tokens, *, lab: Mapping[str, Any], functions: Mapping[str, Callable[..., str]]
    ) -> None:  # fmt: skip
        self._folders, self._tokens, self._language, self.section = folders, tokens, tokens.language, ""
        self._names, self._placed = dict[int, str](), dict[str, tuple[str, str]]()
        filters: dict[str, Callable[..., Any]] = {
            "interval": partial(self._worded, tokens.language.with_interval),
            "plain": partial(self._worded, tokens.language.plain),
            "signed": partial(self._worded, tokens.language.signed),
            "join_words": self._join_words,
        }
        known: dict[str, Callable[..., str]] = {**functions, "given": lambda text: str(text)}
        self._globals = {"lab": lab} | {
            name: checked(name, one, FUNCTIONS[name].example, quoted=name in ("ref", "cite"))
            for name, one in known.items()
        }
        self._environment = _Environment(
            loader=FileSystemLoader([str(folder) for folder in folders]),
            autoescape=True,
            undefined=Misspelt,
            # Taking the context, so that Jinja does not fold constants at compile time, before there are tokens.
            finalize=pass_context(lambda context, value: self._printed(value)),
            bytecode_cache=compiled_templates(),
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            extensions=[ParagraphEnds],
        )
        del self._environment.filters["safe"]  # what stands in data would be read as Markdown
        for name, one in filters.items():
            self._environment.filters[name] = late(checked(name, one, FILTERS[name].example))

    def render(self, key: str, evidence: Evidence, module: str = "") -> tuple[list[tuple[str, str]], dict[str, Any]]:
        """The prose of section `key`, or of sections of its `module`, with every name of its evidence available.

        Returns:
            In order, ("prose", Markdown with tokens) and ("item", name); and `path`, `files`, `uses` and `review` of the
            `SectionText`, as far as its file says.

        Raises:
            TemplateProblem: the file is missing, has a syntax error, misspells a name or a function's argument, prints
                nothing where it should print something, or places an item inside a paragraph.
        """
        path = commentary_path(self._folders, self._language, key, module)
        if taken := sorted(set(evidence.names) & set(FUNCTIONS)):
            raise ValueError(f"the evidence of {key} uses names of the engine: {', '.join(taken)}")
        values = [(name, one) for name, one in named_values(evidence.names) if isinstance(one, Quantity | Words)]
        self._names = {id(value): name for name, value in reversed(values)}  # the first of several names
        self.section, self._placed = key, {}
        environment, template = self._environment, f"commentary/{self._language.code}/{path.name}"
        environment.included = []
        context = {**evidence.names, **self._globals}
        for kind in ITEMS:
            place = partial(self._place, kind, evidence)
            context[kind] = checked(kind, place, FUNCTIONS[kind].example, quoted=True)
        try:
            source = environment.get_template(template).render(context)
        except Exception as problem:
            raise rendering_problem(problem, path, context, list(evidence.items), environment) from None
        places = [(name, folder / name) for name in environment.included for folder in reversed(self._folders)]
        written = path.read_text(encoding="utf-8")
        mentioned = map(_dotted, environment.parse(written).find_all((nodes.Name, nodes.Getattr)))
        return self._parts(source), {
            "path": path,
            "files": {template: path, **{name: place for name, place in places if place.is_file()}},
            "uses": frozenset(filter(None, mentioned)),
            "review": "generated" if _GENERATED.match(written) else "written",
        }

    def _parts(self, source: str) -> list[tuple[str, str]]:
        """Prose and items in order; an item has to stand alone on its line."""
        found, prose, after = list[tuple[str, str]](), "", ("", "")
        for piece in self._tokens.split(source):
            placed, inline = self._placed.get(piece), ("", "")
            if placed and prose.rpartition("\n")[2].strip():
                inline = placed
            elif not placed and found and not prose and piece.partition("\n")[0].strip():
                inline = after
            if inline[0]:
                what, expected = "an item is placed inside a paragraph", "the call alone on its line"
                raise TemplateProblem(what, where=inline[1], received=inline[0], expected=expected)
            if placed:
                found += [("prose", prose), ("item", placed[0])]
                prose, after = "", placed
            else:
                prose += piece
        return [part for part in [*found, ("prose", prose)] if part[0] == "item" or part[1].strip()]

    def _place(self, kind: str, evidence: Evidence, name: str) -> Markup:
        known = [key for key, item in evidence.items.items() if type(item).__name__.lower() == kind]
        if name not in known:
            raise CallError(f"there is no {kind} of this name", name, known)
        if name in [placed for placed, _ in self._placed.values()]:
            raise CallError(f"the {kind} is placed twice; say ref(“{name}”) the second time", name)
        token = self._tokens.add(lambda medium: "")
        self._placed[token] = name, "{}, line {}".format(*calling_place())
        return Markup(token)

    def _worded(self, word: Callable[..., str], value: Any, digits: int | None = None) -> Markup:
        if not isinstance(value, Quantity):
            raise CallError("the filter takes a quantity", repr(value))
        if digits is not None and not (type(digits) is int and 0 <= digits <= MOST_DIGITS):
            raise CallError("the filter takes a number of decimals", repr(digits), [f"0 to {MOST_DIGITS}"])
        return self._quantity(value, word(value, digits))

    def _quantity(self, value: Quantity, text: str) -> Markup:
        return Markup(self._tokens.quantity(value, text, section=self.section, name=self._names.get(id(value), "")))

    def _join_words(self, words: Sequence[Any]) -> Markup:
        if isinstance(words, str) or not isinstance(words, Sequence):
            raise CallError("the filter takes a list", repr(words))
        return Markup(self._language.join([str(self._printed(word)) for word in words]))

    def _printed(self, value: Any) -> Markup:
        """What `{{ value }}` leaves in the Markdown."""
        match value:
            case Markup():  # made by a macro, a filter or a function of this file: nothing from data
                return value
            case Undefined():
                str(value)  # raises, naming what is undefined
            case Quantity():
                return self._quantity(value, self._language.quantity(value))
            case Words():
                return Markup(self._tokens.words(value, section=self.section, name=self._names.get(id(value), "")))
            case str() if "Quantity(value=" in value:
                raise CallError("a quantity was joined to text with ~; print it by itself", value[:80])
            case str():
                return Markup(self._tokens.text(value))
            case int() if not isinstance(value, bool):
                return Markup(self._tokens.text(self._language.number(value)))
        raise CallError("this cannot be printed as it is", repr(value))


def _dotted(node: nodes.Node) -> str:
    """`best.accuracy` of a name or an attribute of one; empty for what is written otherwise."""
    if isinstance(node, nodes.Getattr) and (owner := _dotted(node.node)):
        return f"{owner}.{node.attr}"
    return node.name if isinstance(node, nodes.Name) else ""
