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

from cnnlab.errors import printable
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


@dataclass
class Tokens:
    """The tokens of one document, and the record of every quantity it printed."""

    language: Language
    printed: list[Printed] = field(default_factory=list)
    _makers: list[Callable[[Medium], str]] = field(default_factory=list)
    _met: list[Printed] = field(default_factory=list)
    _nonce: str = field(default_factory=lambda: secrets.token_hex(4))

    def add(self, make: Callable[[Medium], str]) -> str:
        """A token that `make` replaces, when the document is put together; what it makes may hold tokens."""
        self._makers.append(make)
        return f"{_OPEN}{self._nonce}x{len(self._makers) - 1}{_CLOSE}"

    def text(self, text: str) -> str:
        """A token for a text from data: it prints literally, whatever it holds. Tokens inside it stay tokens."""
        return self.add(lambda medium: _escaped(text, medium))

    def quantity(self, quantity: Quantity, text: str, *, section: str, name: str) -> str:
        """A token for a number already worded as `text`."""
        printed = Printed(section, name, quantity, text)
        self.printed.append(printed)

        def make(medium: Medium) -> str:
            self._met.append(printed)
            return self._marked(quantity, text, medium, focus=True)

        return self.add(make)

    def words(self, text: str, *, section: str, name: str) -> str:
        """Tokens for a text that remembers its numbers: each of them answers for itself."""
        return "".join(
            self.text(printed)
            if one is None
            else self.quantity(one.quantity, printed, section=section, name=f"{name}.{one.name}".strip("."))
            for printed, one in pieces(text)
        )

    def marked_words(self, text: str, medium: Medium, *, focus: bool) -> str:
        """A text outside the prose, each of its numbers marked."""
        return "".join(
            _escaped(printed, medium) if number is None else self._marked(number.quantity, printed, medium, focus=focus)
            for printed, number in pieces(text)
        )

    def _marked(self, quantity: Quantity, text: str, medium: Medium, *, focus: bool) -> str:
        """A number in HTML with what its card says as data attributes; plain text on paper and in Markdown."""
        if medium != "screen":
            return _escaped(text, medium)
        known = {
            "n": "" if quantity.n is None else self.language.number(quantity.n),
            "ci": self.language.interval(quantity).strip("()"),
            "how": self.language.text(quantity.how) if quantity.how else "",
            "runs": " ".join(quantity.runs),
        }
        if known["ci"] and known["ci"] in text:  # the interval is printed: the card says what it is the interval of
            known["is"] = self.language.quantity(quantity)
        data = "".join(f' data-{key}="{html.escape(value)}"' for key, value in known.items() if value)
        focusable = ' tabindex="0"' if data and focus else ""
        return f'<data class="q" value="{float(quantity.value)!r}"{focusable}{data}>{html.escape(text)}</data>'

    def resolve(self, text: str, medium: Medium) -> str:
        """`text` with every token of this document replaced, and those in what replaces them."""

        def made(match: re.Match[str]) -> str:
            return self.resolve(self._makers[int(match[1])](medium), medium)

        return re.sub(f"{_OPEN}{self._nonce}x([0-9]+){_CLOSE}", made, text)

    def read(self, text: str) -> tuple[str, tuple[Printed, ...]]:
        """`text` as Markdown, and the quantities in it, in order."""
        self._met.clear()
        return self.resolve(text, "markdown"), tuple(self._met)

    def split(self, text: str) -> list[str]:
        """`text` around its tokens: text, token, text, token, …, text."""
        return re.split(f"({_OPEN}{self._nonce}x[0-9]+{_CLOSE})", text)


def _escaped(text: str, medium: Medium) -> str:
    """`text` fit for HTML; or on one line, with nothing that Markdown, or the mathematics of a notebook, would read.

    A backslash is written as a character reference: Jupyter takes two of them before a parenthesis for mathematics.
    """
    text = printable(text)
    if medium != "markdown":
        return html.escape(text)
    parts = (_MARKDOWN_SPECIAL.sub(r"\\\1", part) for part in _LINE_BREAKS.sub(" ", text).split("\\"))
    return _MARKDOWN_NUMBER.sub(r"\1\\\2", "&#92;".join(parts))
