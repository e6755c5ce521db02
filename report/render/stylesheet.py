"""The style sheets of a report, which may be edited but must not ask for anything outside the page."""

from __future__ import annotations

import re
from pathlib import Path

from cnnlab.errors import TemplateProblem

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_OUTSIDE = re.compile(
    r"@import\b[^;\n]*|\burl\(\s*(?![\"']?(?:data:|#))[^)\n]*\)?|\b(?:image-set|src)\([^)\n]*\)?", re.IGNORECASE
)


def read_stylesheet(path: Path) -> str:
    """The style sheet's text.

    Raises:
        TemplateProblem: it cannot be read, or it asks for something outside the page, with its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise TemplateProblem("a style sheet cannot be read", where=path, received=problem) from None
    if found := _OUTSIDE.search(_COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment[0]), text)):
        line = text.count("\n", 0, found.start()) + 1
        raise TemplateProblem(
            "a style sheet asks for something outside the page",
            where=f"{path}, line {line}",
            received=found[0],
            expected="nothing but data: addresses, so that a report is one file and tells nobody that it is read",
            hint="write the rules, or the picture as a data: address, into the sheet itself",
        )
    return text
