"""Read pickles of unknown origin: a pickle is a program, and this one may build nothing but plain data and numeric arrays."""

from __future__ import annotations

import math
import mmap
import pickle
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.datasets.folders import display
from cnnlab.errors import DataError

_DAMAGE = (
    pickle.UnpicklingError, ArithmeticError, AttributeError, EOFError, ImportError, LookupError, MemoryError, OSError,
    RecursionError, TypeError, ValueError, struct.error,
)  # fmt: skip
"""What the standard library and numpy raise on bytes that are no pickle, or not one of plain data."""

_Stock: Any = pickle._Unpickler
"""The standard library's unpickler in Python: its memo is a dict, which no index can make huge."""


def load_pickle(path: Path) -> Any:
    """The content of a pickle of protocol 0 to 5, written by Python 2 or 3, with NumPy 1 or 2.

    Returns dict, list, tuple, str, bytes (also for Python 2's str), int, float, bool, None, and arrays of bool, int and
    float; of NumPy's scalars the Python number, of ordered and default dictionaries a dict.
    Raises DataError: the file is unreadable or no pickle, or holds, or asks for, anything else.
    """
    try:
        # A map gives no more bytes than the file has, whatever is asked for.
        with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _Unpickler(content, encoding="bytes").load()
    except _DAMAGE as problem:
        received = " ".join(display(f"{type(problem).__name__}: {problem}").split())[:200]
        expected = "dictionaries, lists, numbers, text and numeric NumPy arrays"
        what, hint = "the pickle cannot be read as plain data", "fetch it anew, or use the images in another layout"
        raise DataError(what, where=path, received=received, expected=expected, hint=hint) from None


class _Dtype:
    """Stand-in for numpy.dtype, whose own state could make a dtype of anything: `u1`, and then its byte order."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.code, self.order = _text(code), "|"
        if not re.fullmatch(r"b1|[iuf][1248]", self.code):
            raise pickle.UnpicklingError(f"an array of type {self.code}")


def _array(content: Any, dtype: Any, shape: Any, order: Any = "C") -> np.ndarray:
    """The array that lies in some bytes."""
    shape = (shape,) if type(shape) is int else tuple(shape)
    kind = np.dtype(dtype.order + dtype.code)
    if not isinstance(content, bytes) or math.prod(shape) * kind.itemsize != len(content) or min(shape, default=0) < 0:
        raise pickle.UnpicklingError(f"an array of impossible shape {shape}")
    found = np.frombuffer(content, kind).reshape(shape, order="F" if _text(order) == "F" else "C")
    return found if kind.isnative else found.astype(kind.newbyteorder("="))


def _dict(*arguments: Any) -> dict[Any, Any]:
    """An OrderedDict of Python 2 gets its items at once, others one by one; a defaultdict gets its factory."""
    pairs = arguments[0] if arguments and isinstance(arguments[0], list) else []
    return {_key(key): value for key, value in pairs}


def _key(key: Any) -> Any:
    """Text or a small number: the hash of tuples in tuples overflows the stack, and long numbers can collide."""
    if isinstance(key, str | bytes) or (isinstance(key, int) and abs(key) < 1 << 60):
        return key
    raise pickle.UnpicklingError(f"a dictionary's key that is {type(key).__name__}")


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): _Dtype,
    ("collections", "OrderedDict"): _dict,
    ("collections", "defaultdict"): _dict,
    ("builtins", "list"): "list",
    ("__builtin__", "list"): "list",
}
for _core in ("numpy.core", "numpy._core"):
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = lambda *_: np.empty(0, np.uint8)  # its state follows
    _ALLOWED[f"{_core}.multiarray", "scalar"] = lambda dtype, content: _array(content, dtype, ()).item()
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = _array


class _Unpickler(_Stock):
    encoded = 0

    def find_class(self, module: Any, name: Any) -> Any:
        """The stand-in of an allowed global; nothing is ever imported."""
        pair = (_text(module), _text(name))
        if pair == ("_codecs", "encode"):  # how Python 3 writes bytes in the old protocols
            return self.encode
        if pair not in _ALLOWED:
            raise pickle.UnpicklingError(f"the global {'.'.join(pair)}")
        return _ALLOWED[pair]

    def encode(self, text: str, encoding: str) -> bytes:
        """The bytes of a text in latin1, at most 2 GiB in all."""
        self.encoded += len(text)
        if encoding != "latin1" or self.encoded > 1 << 31:
            raise pickle.UnpicklingError("text that is no bytes")
        return text.encode("latin1")

    def load_bytearray8(self) -> None:
        """The stock one allocates before it looks whether there is as much."""
        (count,) = struct.unpack("<Q", self.read(8))
        self.append(self.read(count))

    def load_setitems(self) -> None:
        """SETITEMS, SETITEM and DICT, of dictionaries alone."""
        items = self.pop_mark()
        self.set_items(items)

    def load_setitem(self) -> None:
        """SETITEM."""
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def load_dict(self) -> None:
        """DICT."""
        items = self.pop_mark()
        self.append({})
        self.set_items(items)

    def set_items(self, items: list[Any]) -> None:
        """Keys and values by turns into the dictionary on top."""
        if type(self.stack[-1]) is not dict:
            raise pickle.UnpicklingError(f"items of {type(self.stack[-1]).__name__}")
        self.stack[-1].update(zip(map(_key, items[::2]), items[1::2], strict=True))

    def load_build(self) -> None:
        """The state of an array, or of a dtype; nothing else has one."""
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, _Dtype) and state[2:5] == (None, None, None) and _text(state[1]) in "|<>=":
            target.order = _text(state[1])
        elif isinstance(target, np.ndarray):
            shape, dtype, fortran, content = state[-4:]
            found = _array(content, dtype, shape)
            whole = content if found.base is not None else found.tobytes()
            target.__setstate__((1, found.shape, found.dtype, bool(fortran), whole))  # type: ignore[arg-type]
        else:
            raise pickle.UnpicklingError(f"a state for {type(target).__name__}")

    dispatch = _Stock.dispatch | {
        pickle.BYTEARRAY8[0]: load_bytearray8,
        pickle.SETITEMS[0]: load_setitems,
        pickle.SETITEM[0]: load_setitem,
        pickle.DICT[0]: load_dict,
        pickle.BUILD[0]: load_build,
    }
    for _code in (pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET):  # hashes, as in `_key`
        del dispatch[_code[0]]
