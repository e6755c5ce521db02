"""Read pickles of untrusted origin: plain containers, numbers, text and numeric arrays, and nothing else.

A pickle is a program. This machine knows only the instructions that build plain data, calls nothing but its own
stand-ins for numpy's functions, and gives out no more memory than the file itself has bytes for.
"""

from __future__ import annotations

import math
import mmap
import pickle
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.datasets.folders import display
from cnnlab.errors import DataError

MOST_OPCODES = 1_000_000
"""Instructions of one pickle: 38,400 row numbers as NumPy scalars take about ten each; each may cost 100 bytes."""

_DEEPEST, _MOST_AXES = 8, 8

_OPCODES = [
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "NONE", "NEWTRUE", "NEWFALSE", "INT",
    "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "EMPTY_LIST",
    "LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "GET", "BINGET",
    "LONG_BINGET", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD",
]  # fmt: skip

_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
    struct.error,
)
"""What the stock machine raises on bytes that are no pickle."""


class Refused(Exception):
    """The pickle asks for what is not given; the text says what."""


def load_pickle(path: Path) -> Any:
    """The content of a pickle of protocol 0 to 5, written by Python 2 or 3, with NumPy 1 or 2.

    Returns:
        dict, list, tuple, str, bytes (also for Python 2's str), int, float, bool, None, and arrays of bool, int and
        float; of NumPy's scalars the Python number, of ordered and default dictionaries a dict. Memory is that of the
        file's content, twice while text is turned into bytes (protocols 0 to 2 of Python 3).

    Raises:
        DataError: the file is unreadable or no pickle, or holds, or asks for, anything else.
    """
    try:
        with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
            value = _Machine(_Source(content)).load()
        return _plain(value, 0, [MOST_OPCODES])
    except Refused as problem:
        raise _error("the pickle holds more than plain data", path, str(problem)) from None
    except OSError as problem:
        raise _error("the pickle cannot be read", path, problem.strerror or str(problem)) from None
    except _DAMAGE as problem:
        reason = " ".join(str(problem).split())[:200]
        raise _error("the file is not a whole pickle", path, display(f"{type(problem).__name__}: {reason}")) from None


def _error(what: str, path: Path, received: str) -> DataError:
    return DataError(
        what,
        where=path,
        received=received,
        expected="dictionaries, lists, numbers, text and numeric NumPy arrays",
        hint="fetch it again from a source you trust, or use the images in another layout",
    )


class _Source:
    """The file, which never gives, nor lets anyone allocate for, more bytes than are left in it."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self.size = len(content)
        self.readline = content.readline

    def read(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        left = self.size - self._content.tell()
        if not 0 <= count <= left:
            raise Refused(f"{count:,} bytes where {left:,} are left in the file")
        return self._content.read(count)


class _Opcodes:
    """The table of allowed instructions, which counts how often it is asked."""

    def __init__(self) -> None:
        self._left = MOST_OPCODES

    def __getitem__(self, code: int) -> Callable[[_Machine], None]:
        self._left -= 1
        if self._left < 0:
            raise Refused(f"more than {MOST_OPCODES:,} instructions")
        if code not in _HANDLERS:
            raise Refused(f"the instruction {bytes([code])!r}")
        return _HANDLERS[code]


_Stock: Any = pickle._Unpickler


class _Machine(_Stock):
    """The standard library's own unpickler in Python: its memo is a dict, which no index can make huge."""

    def __init__(self, source: _Source) -> None:
        super().__init__(source, encoding="bytes")
        self.dispatch = _Opcodes()
        self._source = source
        self._encoded = 0

    def find_class(self, module: Any, name: Any) -> Any:
        """The stand-in of an allowed global."""
        pair = (_text(module), _text(name))
        if pair == ("_codecs", "encode"):
            return self._encode
        if pair not in _GLOBALS:
            raise Refused(display(f"the global {'.'.join(pair)}"[:200]))
        return _GLOBALS[pair]

    def _encode(self, text: Any, encoding: Any = None) -> bytes:
        """How Python 3 writes bytes in the old protocols."""
        if not isinstance(text, str) or encoding != "latin1":
            raise Refused("a conversion of text other than latin1")
        self._encoded += len(text)
        if self._encoded > self._source.size:
            raise Refused("more bytes than the file holds")
        return text.encode("latin1")

    def load_bytearray(self) -> None:
        """The stock one allocates before it looks whether there is as much."""
        (count,) = struct.unpack("<Q", self.read(8))
        self.append(self._sized(count))

    def _sized(self, count: int) -> bytes:
        if count > self._source.size:
            raise Refused(f"{count:,} bytes from a file of {self._source.size:,}")
        content: bytes = self.read(count)
        return content

    def load_pair(self) -> None:
        """SETITEM."""
        self._fill(self.stack[-3], [self.stack[-2], self.stack[-1]])
        del self.stack[-2:]

    def load_pairs(self) -> None:
        """SETITEMS."""
        items = self.pop_mark()
        self._fill(self.stack[-1], items)

    def load_dict(self) -> None:
        """DICT."""
        items = self.pop_mark()
        self.append({})
        self._fill(self.stack[-1], items)

    def _fill(self, target: Any, items: list[Any]) -> None:
        if type(target) is not dict:
            raise Refused(f"items of {type(target).__name__}")
        target.update((_key(key), value) for key, value in zip(items[::2], items[1::2], strict=True))

    def load_put(self) -> None:
        """PUT, which names its place in text."""
        place = self.readline()[:-1]
        if len(place) > 9 or not place.isdigit():
            raise Refused("an impossible place in the memo")
        self.memo[int(place)] = self.stack[-1]

    def load_state(self) -> None:
        """Only arrays and dtypes have one."""
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, _Array | _Dtype):
            raise Refused(f"a state for {type(target).__name__}")
        target.set_state(state)


_HANDLERS: dict[int, Callable[[Any], None]] = {
    getattr(pickle, name)[0]: _Stock.dispatch[getattr(pickle, name)[0]] for name in _OPCODES
} | {
    pickle.BUILD[0]: _Machine.load_state,
    pickle.BYTEARRAY8[0]: _Machine.load_bytearray,
    pickle.SETITEM[0]: _Machine.load_pair,
    pickle.SETITEMS[0]: _Machine.load_pairs,
    pickle.DICT[0]: _Machine.load_dict,
    pickle.PUT[0]: _Machine.load_put,
}


class _Dtype:
    """Stand-in for numpy.dtype: `u1`, and then its byte order."""

    def __init__(self, code: Any, *_: Any) -> None:
        self._code, self._order = _text(code), "|"
        if not re.fullmatch(r"b1|[iuf][1248]", self._code):
            raise Refused(display(f"an array of type {self._code}"[:100]))

    def set_state(self, state: Any) -> None:
        """(version, order, subtype, names, fields, size, alignment, flags)."""
        if not isinstance(state, tuple) or len(state) < 5 or any(part is not None for part in state[2:5]):
            raise Refused("an array of compound type")
        self._order = _text(state[1])
        if self._order not in ("|", "<", ">", "="):
            raise Refused("an unknown order of bytes")

    def numpy(self) -> np.dtype[Any]:
        """The real one."""
        return np.dtype(self._order + self._code)


class _Array:
    """Stand-in for an array that is made first and filled afterwards."""

    def __init__(self) -> None:
        self.value: np.ndarray | None = None

    def set_state(self, state: Any) -> None:
        """(version, shape, dtype, whether in Fortran's order, bytes); very old ones have no version."""
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise Refused("an array of unknown form")
        shape, dtype, fortran, content = state[-4:]
        self.value = _frombuffer(content, dtype, shape, "F" if fortran else "C")


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any = "C") -> np.ndarray:
    """The array that lies in some bytes, without a copy."""
    if not isinstance(content, bytes) or not isinstance(dtype, _Dtype):
        raise Refused("an array without bytes or type")
    shape = (shape,) if type(shape) is int else shape
    if not isinstance(shape, tuple) or len(shape) > _MOST_AXES or not all(type(n) is int and n >= 0 for n in shape):
        raise Refused("an array of impossible shape")
    kind = dtype.numpy()
    if math.prod(shape) * kind.itemsize != len(content):
        raise Refused(f"an array of shape {shape} in {len(content):,} bytes")
    found = np.frombuffer(content, kind).reshape(shape, order="F" if _text(order) == "F" else "C")
    return found if kind.isnative else found.astype(kind.newbyteorder("="))


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _scalar(dtype: Any, content: Any) -> Any:
    return _frombuffer(content, dtype, ()).item()


def _dict(*arguments: Any) -> dict[Any, Any]:
    """An OrderedDict of Python 2 gets its items at once, others by SETITEMS; a defaultdict gets its factory."""
    pairs = arguments[0] if arguments and isinstance(arguments[0], list) else []
    return {_key(key): value for key, value in pairs}


def _key(key: Any) -> Any:
    """Text or a small number: the hash of tuples in tuples overflows the stack, and long numbers can collide."""
    if isinstance(key, str | bytes) or (isinstance(key, int) and abs(key) < 1 << 60):
        return key
    raise Refused(f"a dictionary's key that is {type(key).__name__}")


_NUMPY = ("numpy.core", "numpy._core")
_GLOBALS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): _Dtype,
    **{(f"{package}.multiarray", "_reconstruct"): _reconstruct for package in _NUMPY},
    **{(f"{package}.multiarray", "scalar"): _scalar for package in _NUMPY},
    **{(f"{package}.numeric", "_frombuffer"): _frombuffer for package in _NUMPY},
    ("collections", "OrderedDict"): _dict,
    ("collections", "defaultdict"): _dict,
    ("builtins", "list"): "list",
    ("__builtin__", "list"): "list",
}


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin1")
    if not isinstance(value, str):
        raise Refused(f"a name that is {type(value).__name__}")
    return value


def _plain(value: Any, depth: int, left: list[int]) -> Any:
    """The value with arrays in place of their stand-ins; `left` counts down over all that is looked at."""
    left[0] -= 1
    if depth > _DEEPEST or left[0] < 0:
        raise Refused("containers within containers")
    if isinstance(value, _Array):
        if value.value is None:
            raise Refused("an array without content")
        return value.value
    if isinstance(value, dict):
        return {key: _plain(one, depth + 1, left) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(one, depth + 1, left) for one in value)
    if value is None or isinstance(value, str | bytes | int | float | np.ndarray):
        return value
    raise Refused(f"a {type(value).__name__.strip('_')}")
