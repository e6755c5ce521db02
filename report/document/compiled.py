"""Templates compiled once: the next rendering of the same text, in this process or in the next, compiles nothing."""

from __future__ import annotations

import marshal
from collections.abc import Callable
from functools import wraps
from importlib.util import MAGIC_NUMBER
from types import CodeType
from typing import Any

import jinja2
from jinja2 import BytecodeCache, pass_context
from jinja2.bccache import Bucket

from cnnlab.paths import code_hash
from report.data.kept import keep, kept

MOST = 512
"""Templates kept in memory; the ones used longest ago go first."""


class Compiled(BytecodeCache):
    """Compiled templates by their file and the hash of their text.

    Environments may share one if they read templates by the same syntax and have the same names of filters and tests,
    and if what differs between them is not used while a template is compiled (`late`).

    Args:
        name: under which the code is also kept for the next process, by this project's code, Jinja and Python; without
            one it is forgotten.
    """

    def __init__(self, name: str = "") -> None:
        self._name = name
        self._codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give the bucket the code that is known for its text."""
        place = bucket.key, bucket.checksum
        code = self._codes.pop(place, None)
        if code is None and self._name and (content := kept(self._key(bucket))):
            code = marshal.loads(content)
        if code is not None:
            self._codes[place] = bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the bucket's code."""
        if bucket.code is not None:
            self._codes[bucket.key, bucket.checksum] = bucket.code
            if self._name:
                keep(self._key(bucket), marshal.dumps(bucket.code))
        while len(self._codes) > MOST:
            self._codes.pop(next(iter(self._codes)), None)

    def _key(self, bucket: Bucket) -> str:
        made_by = f"{code_hash()} {jinja2.__version__} {MAGIC_NUMBER.hex()}"
        return f"template {self._name} {bucket.key} {bucket.checksum} {made_by}"


def late(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that is never called while a template is compiled, of constants, since what it gives is one document's."""

    @pass_context
    @wraps(function)
    def filtered(context: Any, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return filtered
