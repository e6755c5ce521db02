"""What a commentary file says in its author's own words: sentences of literal text, each with its lines.

A sentence keeps one character for each `{{ … }}` (`PRINT`) and each `{% … %}` (`TAG`), so that positions stay those of
the text; code and the addresses of links are blank, and comments and the bodies of macros are not there at all.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from jinja2 import Environment

from report.document.commentary import FUNCTIONS, SYNTAX

PRINT, TAG = "\ue010", "\ue011"
Kind = Literal["text", "heading", "row"]
_HIDING = ("macro", "set")
_NAME = re.compile(r"[^\W\d]\w*(?:\s*\.\s*\w+|\s*\[\s*\d+\s*\])*")


@dataclass(frozen=True)
class Expression:
    """One `{{ … }}`: what stands in it, and in which line."""

    source: str
    line: int

    @property
    def call(self) -> str:
        """The engine's function that it calls: `cite`; empty where it prints something else."""
        name = re.match(r"(\w+)\s*\(", self.source)
        return name[1] if name and name[1] in (*FUNCTIONS, "claim") else ""

    @property
    def name(self) -> str:
        """The dotted name that it prints: `best.accuracy`; empty where it calls a function."""
        name = _NAME.match(self.source)
        return re.sub(r"\s*\[\s*(\d+)\s*\]", r".\1", name[0]).replace(" ", "") if name and not self.call else ""


@dataclass(frozen=True)
class Sentence:
    """A sentence, a heading or a row of a table.

    Attributes:
        start, end: its place in `source.flat`.
        kind: what it is.
        paragraph: number of the paragraph, list item or table that it stands in.
        heads: of a row, the cells of the table's first row.
    """

    source: Source = field(repr=False)
    start: int
    end: int
    kind: Kind
    paragraph: int
    heads: tuple[str, ...] = ()

    @cached_property
    def text(self) -> str:
        """Its literal text, with `PRINT` and `TAG`."""
        return self.source.flat[self.start : self.end]

    @cached_property
    def expressions(self) -> tuple[Expression, ...]:
        """Every `{{ … }}` in it, in order."""
        return self.source.between(self.start, self.end)

    def calls(self, function: str) -> bool:
        """Whether it calls this function of the engine: `cite`, `given`, `claim`."""
        return any(one.call == function for one in self.expressions)

    @property
    def prints(self) -> tuple[Expression, ...]:
        """The expressions that print evidence."""
        return tuple(one for one in self.expressions if one.name and not one.name.startswith("lab."))

    def line(self, index: int = 0) -> int:
        """Line of the file of its character `index`, or of its first word."""
        blank = len(self.text) - len(self.text.lstrip(f" \n{TAG}")) if index == 0 else index
        return self.source.line(self.start + blank)

    def after(self, index: int, length: int = 80) -> str:
        """The text that follows `index` when it is printed: the other branches of an `if` are left out."""
        found: list[str] = []
        at = self.start + index
        while at < len(self.source.flat) and len(found) < length:
            if (letter := self.source.flat[at]) != TAG:
                found.append(letter)
            at = self.source.ends.get(at, at + 1)
        return "".join(found).split("\n\n")[0]

    def before(self, index: int, length: int = 60) -> str:
        """The text that comes before `index` when it is printed, without the other branches of an `if`."""
        found: list[str] = []
        at = self.start + index - 1
        while at >= 0 and len(found) < length:
            if (letter := self.source.flat[at]) != TAG:
                found.append(letter)
            at = self.source.begins.get(at, at) - 1
        return "".join(reversed(found)).split("\n\n")[-1]


class Source:
    """One commentary file, read as its author's words.

    Args:
        text: the file's content, which Jinja must be able to read.
    """

    def __init__(self, text: str) -> None:
        self._pieces: list[str] = []
        self._starts: list[int] = []
        self._lines: list[int] = []
        self._places: list[int] = []
        self._expressions: list[Expression] = []
        self._length = self._hidden = 0
        self._open: list[int] = []
        self._branches: list[list[int]] = []
        self._guards: list[tuple[int, int, str]] = []
        self._conditions: list[tuple[int, str]] = []
        self.begins: dict[int, int] = {}
        """By position of an `else`, that of its `if`."""
        self.ends: dict[int, int] = {}
        """By position of an `else`, that behind its `endif`."""
        self.loops: dict[str, str] = {}
        """By the variable of a `for`, the name of the list that it runs over."""
        self._read(text)
        self._printed = "".join(self._pieces)
        self.flat = _without_code(self._printed)

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """All sentences, headings and rows, in order."""
        return tuple(self._sentences())

    def line(self, position: int) -> int:
        """Line of the file of a position in `flat`."""
        piece = max(bisect_right(self._starts, position) - 1, 0)
        return self._lines[piece] + self.flat.count("\n", self._starts[piece], position)

    def guards(self, position: int) -> tuple[str, ...]:
        """The conditions under which what stands at a position of `flat` is printed; those of an `else` are its `if`'s."""
        return tuple(condition for start, end, condition in self._guards if start < position < end)

    def between(self, start: int, end: int) -> tuple[Expression, ...]:
        """The expressions printed from `start` to before `end`."""
        first, last = (bisect_right(self._places, place - 1) for place in (start, end))
        return tuple(self._expressions[first:last])

    def _read(self, text: str) -> None:
        environment, inside, words, line = _environment(), "", [""], 1
        for number, kind, value in environment.lex(environment.preprocess(text)):
            if kind in ("variable_begin", "block_begin"):
                inside, words, line = kind, [], number
            elif kind == "variable_end":
                inside = ""
                self._print(words, line)
            elif kind == "block_end":
                inside = ""
                self._tag([word for word in words if not word.isspace()], line)
            elif inside:
                words.append(value)
            elif kind == "data":
                self._add(value.replace(PRINT, " ").replace(TAG, " "), number)

    def _add(self, text: str, line: int) -> None:
        if not self._hidden and text:
            self._pieces.append(text)
            self._starts.append(self._length)
            self._lines.append(line)
            self._length += len(text)

    def _print(self, words: list[str], line: int) -> None:
        source = "".join(words).strip()
        if constant := re.fullmatch(r"\"([^\"]*)\"|'([^']*)'|([\d._]+)", source):  # typed by hand all the same
            self._add(next(filter(None, constant.groups()), ""), line)
        elif not self._hidden:
            self._places.append(self._length)
            self._expressions.append(Expression(source, line))
            self._add(PRINT, line)

    def _tag(self, words: list[str], line: int) -> None:
        word = words[0] if words else ""
        if word in _HIDING and not (word == "set" and "=" in words):
            self._hidden += 1
        elif word.removeprefix("end") in _HIDING and word.startswith("end"):
            self._hidden -= 1
        elif not self._hidden:
            self._branch(word, self._length)
            self._guard(word, " ".join(words[1:]), self._length)
            if word == "for" and "in" in words:
                self.loops[words[1]] = "".join(words[words.index("in") + 1 :])
            self._add(TAG, line)

    def _branch(self, word: str, here: int) -> None:
        if word in ("if", "for"):
            self._open.append(here)
            self._branches.append([])
        elif word in ("else", "elif") and self._open:
            self.begins[here] = self._open[-1]
            self._branches[-1].append(here)
        elif word in ("endif", "endfor") and self._open:
            self._open.pop()
            self.ends |= dict.fromkeys(self._branches.pop(), here + 1)

    def _guard(self, word: str, condition: str, here: int) -> None:
        if word in ("if", "for"):
            self._conditions.append((here, condition if word == "if" else ""))
        elif word in ("elif", "else", "endif", "endfor") and self._conditions:
            start, before = self._conditions.pop()
            if before:
                self._guards.append((start, here, before))
            if word in ("elif", "else"):
                self._conditions.append((here, condition or before))

    def _sentences(self) -> Iterator[Sentence]:
        heads: tuple[str, ...] = ()
        for paragraph, (start, end, kind) in enumerate(_blocks(self.flat, self._printed)):
            if kind != "row":
                heads = ()
            elif not heads:
                heads = tuple(_cells(self.flat[start:end]))
            for first, last in _split(self.flat, start, end) if kind == "text" else [(start, end)]:
                yield Sentence(self, first, last, kind, paragraph, heads)


def read_source(path: Path) -> Source:
    """The words of this file; the same content is read once."""
    return _source(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=128)
def _source(text: str) -> Source:
    return Source(text)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(autoescape=True, **SYNTAX)


_CODE = re.compile(
    r"^ {0,3}(?P<fence>```+|~~~+)[^\n]*\n.*?(?:^ {0,3}(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|(?<!`)(?P<tick>`+)(?!`)(?:(?!\n[ \t]*\n).)+?(?<!`)(?P=tick)(?!`)"
    r"|(?<=\])\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)"
    r"|<https?://[^>\s]*>|https?://[^\s)\]]+|^ {0,3}\[[^\]\n]+\]:[^\n]*$",
    re.DOTALL | re.MULTILINE,
)


def _without_code(text: str) -> str:
    return _CODE.sub(lambda match: re.sub(rf"[^\n{PRINT}]", " ", match[0]), text)


def _cells(row: str) -> list[str]:
    return [cell.strip(f" \t{TAG}") for cell in row.strip(f" \n{TAG}").strip("|").split("|")]


_ITEM = re.compile(rf"[\s{TAG}]*(?:[-*+]|\d{{1,9}}[.)])[ \t]+")


def _blocks(text: str, printed: str) -> Iterator[tuple[int, int, Kind]]:
    """Start, end and kind of every paragraph, list item, heading and row of a table."""
    start, at, item = -1, 0, False
    for line in text.split("\n"):
        bare, here, at = line.strip(f" \t{TAG}"), at, at + len(line) + 1
        mark = _ITEM.match(line)
        code = line.startswith(("    ", "\t")) and start < 0 and not item
        alone: Kind | None = "heading" if re.match(r"#{1,6}\s", bare) else "row" if bare.startswith("|") else None
        if (not bare or mark or alone) and start >= 0:
            yield start, here - 1, "text"
            start = -1
        if alone:
            yield here, at - 1, alone
        elif mark:
            start = here + mark.end()
        elif bare and start < 0 and not code:
            start = here
        item = bool(mark) or (item and (not bare or line.startswith((" ", "\t")) or start >= 0))
    if start >= 0:
        yield start, len(text), "text"


_END = re.compile(rf"[.!?…][)\]”»\"'*_]*(?=[\s{TAG}]|$)")
_ABBREVIATED = re.compile(r"\b(?:e\.g|i\.e|p|ej|figs?|vs|approx|aprox|cf|núm|pág|sec)\.$", re.IGNORECASE)


def _split(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Start and end of every sentence between two positions."""
    first = start
    for stop in _END.finditer(text, start, end):
        if text[stop.start()] == "." and _ABBREVIATED.search(text, max(first, stop.start() - 8), stop.start() + 1):
            continue
        yield first, stop.end()
        first = stop.end()
    if text[first:end].strip(f" \n{TAG}"):
        yield first, end
