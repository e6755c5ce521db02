"""Texts, bytes and JSON with mistakes put into them, and what a reader may do with such a file."""

from __future__ import annotations

import copy
import json
import os
import warnings
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings

from cnnlab.errors import CnnlabError

EXAMPLES = int(os.environ.get("CNNLAB_FUZZ", "25"))
"""Of each property: few in the suite, 10,000 and more in a long trial."""

FUZZ = settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES < 1000,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

STRANGE_TEXT = [
    "", "\x00", "~nobody-here/x", "$HOME", "../..", "a" * 5000, "\ud800", "\u202e", "{number}", "{", "1e999", "-0", "nan",
    "C:\\x", "/dev/null", "/", ".", "a\nb", "0x", "{0.__class__}", "%s",
]  # fmt: skip
STRANGE_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**40, 0.0, -1.5, 1e308, 1e-320, float("nan"), float("inf"), [], {}, [[]],
    [None], {"": None}, {"format": 2}, [1, "a", {}], *STRANGE_TEXT,
]  # fmt: skip

strange = st.sampled_from(STRANGE_VALUES) | st.text(max_size=20) | st.integers() | st.floats()


@st.composite
def garbled(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes with one to six cuts, insertions, repetitions or flipped bytes; sometimes nothing of them."""
    if draw(st.integers(0, 15)) == 0:
        return draw(st.binary(max_size=200))
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        at, length = draw(st.integers(0, len(content))), draw(st.integers(0, 40))
        match draw(st.integers(0, 4)):
            case 0:
                del content[at : at + length]
            case 1:
                content[at:at] = draw(st.binary(max_size=20))
            case 2:
                content[at:at] = content[at : at + length] * draw(st.integers(1, 50))
            case 3:
                del content[at:]
            case _:
                content[at : at + 1] = bytes([draw(st.integers(0, 255))])
    return bytes(content)


@st.composite
def misshapen(draw: st.DrawFn, whole: Any) -> Any:
    """The JSON value with one to three of its parts replaced, removed or renamed."""
    value = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        if not isinstance(value, dict | list) or not value:
            return draw(strange)
        owner = value
        while True:
            keys = list(owner) if isinstance(owner, dict) else list(range(len(owner)))
            key = keys[draw(st.integers(0, len(keys) - 1))]
            if not isinstance(owner[key], dict | list) or not owner[key] or draw(st.integers(0, 3)) == 0:
                break
            owner = owner[key]
        match draw(st.integers(0, 4)):
            case 0:
                del owner[key]
            case 1 if isinstance(owner, dict):
                owner[draw(st.sampled_from(STRANGE_TEXT))] = owner.pop(key)
            case _:
                owner[key] = copy.deepcopy(draw(strange))
    return value


def dumped(value: Any) -> bytes:
    """JSON as Python writes it, NaN, halves of characters and all."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


def attempt(read: Callable[[], Any]) -> Any:
    """What the reader gives, or the error in its user's words; anything else that it raises, warnings too, is a fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return read()
        except CnnlabError as problem:
            assert problem.what and str(problem)
            return problem
