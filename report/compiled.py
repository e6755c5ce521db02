"""Templates compiled once in a process: the next rendering of the same text, in a preview or on paper, compiles nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import CodeType
from typing import Any

from jinja2 import BytecodeCache, pass_context
from jinja2.bccache import Bucket

MOST = 512
"""Templates kept; the ones used longest ago go first."""


class Compiled(BytecodeCache):
    """Compiled templates by their file and the hash of their text.

    Environments may share one if they read templates by the same syntax and have the same names of filters and tests,
    and if what differs between them is not used while a template is compiled (`late`).
    """

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give the bucket the code that is known for its text."""
        place = bucket.key, bucket.checksum
        code = self._codes.pop(place, None)
        if code is not None:
            self._codes[place] = bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the bucket's code."""
        if bucket.code is not None:
            self._codes[bucket.key, bucket.checksum] = bucket.code
        while len(self._codes) > MOST:
            self._codes.pop(next(iter(self._codes)), None)


def late(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that is never called while a template is compiled, of constants, since what it gives is one document's."""

    @pass_context
    @wraps(function)
    def filtered(context: Any, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return filtered
