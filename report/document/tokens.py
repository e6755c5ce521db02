"""What a template prints, kept apart from the Markdown around it.

Everything that a commentary prints goes into the Markdown as an opaque token of private-use characters and is put back
afterwards, escaped for what it stands in. So Markdown never sees a class name, and a number keeps what it came from.
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from cnnlab.errors import TemplateProblem, printable
from report.evidence.language import Language
from report.evidence.quantity import Quantity
from report.evidence.words import pieces

Medium = Literal["screen", "print", "markdown"]

_OPEN, _CLOSE = "\ue000", "\ue001"
PERCENT_ENCODED = "%EE%80%80"
"""How Markdown writes the beginning of a token into the address of a link."""

_MARKDOWN_SPECIAL = re.compile(r"([`*_{}\[\]!|<>&~$]|^[#+=-])")
_MARKDOWN_NUMBER = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
_LINE_BREAKS = re.compile(r"\s*[\n\r]\s*|^\s+")


Place = Literal["prose", "table", "gallery", "caption", "note", "head", "alt", "problem", "appendix"]


@dataclass(frozen=True)
class Printed:
    """A quantity as it was printed: where, by which name, with what text, and in which place of the section."""

    section: str
    name: str
    quantity: Quantity
    text: str
    place: Place = "prose"


def known_of(quantity: Quantity, language: Language) -> dict[str, str]:
    """What a number's card says besides the number, as the values of its data attributes; empty where not known."""
    return {
        "n": "" if quantity.n is None else language.number(quantity.n),
        "ci": language.interval(quantity).strip("()"),
        "how": language.text(quantity.how) if quantity.how else "",
        "runs": " ".join(quantity.runs),
    }


@dataclass
class Tokens:
    """The tokens of one document, and the record of every quantity it printed."""

    language: Language
    printed: list[Printed] = field(default_factory=list)
    _makers: list[Callable[[Medium], str]] = field(default_factory=list)
    _numbers: dict[int, Printed] = field(default_factory=dict)
    _phrases: dict[int, Callable[[], str]] = field(default_factory=dict)
    _nonce: str = field(default_factory=lambda: secrets.token_hex(4))

    def add(self, make: Callable[[Medium], str]) -> str:
        """A token that `make` replaces, when the document is put together."""
        self._makers.append(make)
        return f"{_OPEN}{self._nonce}x{len(self._makers) - 1}{_CLOSE}"

    def text(self, text: str) -> str:
        """A token for a text from data: it prints literally, whatever it holds. Tokens inside it stay tokens."""
        return self.add(lambda medium: self.resolve(_escaped(text, medium), medium))

    def phrase(self, make: Callable[[], str]) -> str:
        """A token for words with tokens in them that are known only once all prose is rendered."""
        self._phrases[len(self._makers)] = make
        return self.add(lambda medium: self.resolve(make(), medium))

    def quantity(self, quantity: Quantity, text: str, *, section: str, name: str) -> str:
        """A token for a number already worded as `text`."""
        printed = Printed(section, name, quantity, text)
        self.printed.append(printed)
        self._numbers[len(self._makers)] = printed
        return self.add(lambda medium: self.marked(quantity, text, medium, focus=True))

    def marked(self, quantity: Quantity, text: str, medium: Medium, *, focus: bool) -> str:
        """A number in HTML with what it came from as data attributes; plain text on paper and in Markdown."""
        if medium != "screen":
            return _escaped(text, medium)
        known = known_of(quantity, self.language)
        if known["ci"] and known["ci"] in text:  # the interval is printed: the card says what it is the interval of
            known["is"] = self.language.quantity(quantity)
        data = "".join(f' data-{key}="{html.escape(value)}"' for key, value in known.items() if value)
        focusable = ' tabindex="0"' if data and focus else ""
        return f'<data class="q" value="{float(quantity.value)!r}"{focusable}{data}>{html.escape(text)}</data>'

    def words(self, text: str, *, section: str, name: str) -> str:
        """Tokens for a text that remembers its numbers: each of them answers for itself."""
        return "".join(
            self.text(printed)
            if number is None
            else self.quantity(
                number.quantity, printed, section=section, name=".".join(filter(None, (name, number.name)))
            )
            for printed, number in pieces(text)
        )

    def marked_words(self, text: str, medium: Medium, *, focus: bool) -> str:
        """A text outside the prose, each of its numbers marked."""
        return "".join(
            _escaped(printed, medium) if number is None else self.marked(number.quantity, printed, medium, focus=focus)
            for printed, number in pieces(text)
        )

    def resolve(self, text: str, medium: Medium) -> str:
        """`text` with every token of this document replaced.

        Raises:
            TemplateProblem: a token stands in the address of a link.
        """
        if f"{PERCENT_ENCODED}{self._nonce}" in text:  # not of a class that is called so
            raise TemplateProblem("what a template prints cannot be part of a link's address", received=text[:200])
        return self._pattern.sub(lambda match: self._makers[int(match[1])](medium), text)

    def split(self, text: str) -> list[str]:
        """`text` around its tokens: text, token, text, token, …, text."""
        return re.split(f"({_OPEN}{self._nonce}x[0-9]+{_CLOSE})", text)

    def printed_in(self, text: str) -> list[Printed]:
        """The quantities whose tokens stand in `text`, in order."""
        found = (int(match[1]) for match in self._pattern.finditer(self._spelt_out(text)))
        return [self._numbers[index] for index in found if index in self._numbers]

    def _spelt_out(self, text: str) -> str:
        """`text` with the words of its phrases, and their tokens, in place."""
        made = self._phrases
        return self._pattern.sub(lambda match: made[int(match[1])]() if int(match[1]) in made else match[0], text)

    @property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(f"{_OPEN}{self._nonce}x([0-9]+){_CLOSE}")


def _escaped(text: str, medium: Medium) -> str:
    text = printable(text)
    return _markdown_escaped(text) if medium == "markdown" else html.escape(text)


def _markdown_escaped(text: str) -> str:
    """`text` on one line, with nothing in it that Markdown, or the mathematics of a notebook, would read.

    A backslash is written as a character reference: Jupyter takes two of them before a parenthesis for mathematics.
    """
    parts = (_MARKDOWN_SPECIAL.sub(r"\\\1", part) for part in _LINE_BREAKS.sub(" ", text).split("\\"))
    return _MARKDOWN_NUMBER.sub(r"\1\\\2", "&#92;".join(parts))
