"""Pickles: what people hold is read; what a pickle could do to them, is not done."""

from __future__ import annotations

import collections
import os
import pickle
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnlab.datasets.unpickle import load_pickle
from cnnlab.errors import DataError
from tests.datasets import put

PIXELS = np.random.RandomState(0).randint(0, 256, (5, 4, 4, 3), dtype=np.uint8)


def read(content: bytes, folder: Path) -> Any:
    return load_pickle(put(folder / "some.pkl", content))


def short(text: str) -> bytes:
    """SHORT_BINUNICODE."""
    return b"\x8c" + bytes([len(text)]) + text.encode()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("contiguous", ["C", "F"])
def test_plain_data_and_arrays_come_back(protocol: int, contiguous: str, tmp_path: Path) -> None:
    value = {
        "image_data": np.asarray(PIXELS, order=contiguous),  # type: ignore[call-overload]
        "class_dict": collections.OrderedDict(n1=[0, 2], n2=np.array([1, 3])),
        "more": collections.defaultdict(list, a=(1, 2.5, True, None, b"x", "é")),
        "scalars": [np.int64(7), np.float32(0.5)],
        "big": np.array([1, 2], dtype=">i4"),
    }
    found = read(pickle.dumps(value, protocol=protocol), tmp_path)
    assert np.array_equal(found["image_data"], PIXELS) and found["image_data"].dtype == np.uint8
    assert type(found["class_dict"]) is dict and found["class_dict"]["n1"] == [0, 2]
    assert found["class_dict"]["n2"].tolist() == [1, 3]
    assert found["more"] == {"a": (1, 2.5, True, None, b"x", "é")}
    assert found["scalars"] == [7, 0.5] and [type(one) for one in found["scalars"]] == [int, float]
    assert found["big"].tolist() == [1, 2] and found["big"].dtype == np.dtype("i4")


RAW = bytes(range(24))
ESCAPED = "".join(f"\\x{byte:02x}" for byte in RAW)
PYTHON_2 = {
    0: "(dp1\nS'image_data'\np2\ncnumpy.core.multiarray\n_reconstruct\np3\n(cnumpy\nndarray\np4\n(I0\ntS'b'\ntRp5\n"
       "(I1\n(I2\nI2\nI2\nI3\ntcnumpy\ndtype\np6\n(S'u1'\nI0\nI1\ntRp7\n(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\n"
       f"S'{ESCAPED}'\ntbsS'class_dict'\n(dS'n1'\n(lp8\nI0\naI1\nass.".encode(),
    2: b"\x80\x02}q\x01(U\nimage_datacnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01b"
       b"\x87R(K\x01(K\x02K\x02K\x02K\x03tcnumpy\ndtype\nq\x04U\x02u1K\x00K\x01\x87Rq\x05(K\x03U\x01|NNNJ\xff\xff"
       b"\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<i", 24) + RAW
       + b"tbU\nclass_dict}U\x02n1]q\x06(K\x00K\x01esu.",
}  # fmt: skip
"""{'image_data': array, 'class_dict': {'n1': [0, 1]}} as cPickle and NumPy 1 write it, by protocol."""


@pytest.mark.parametrize("protocol", PYTHON_2)
def test_python_2_wrote_them_too(protocol: int, tmp_path: Path) -> None:
    found = read(PYTHON_2[protocol], tmp_path)
    assert found[b"image_data"].shape == (2, 2, 2, 3) and found[b"image_data"].tobytes() == RAW
    assert found[b"class_dict"] == {b"n1": [0, 1]}


class Calls:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.what = (function, arguments)

    def __reduce__(self) -> Any:
        return self.what


def small_array(shape: bytes) -> bytes:
    """An array of this shape, written with one byte of content."""
    head = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01"
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
    return head + shape + dtype + b"\x89U\x01xtb."


HUGE = 1 << 34
HOSTILE = {
    "system": (pickle.dumps(Calls(os.system, "touch pwned")), "global posix.system"),
    "system-0": (b"cos\nsystem\n(S'touch pwned'\ntR.", "global os.system"),
    "eval": (pickle.dumps(Calls(eval, "1")), "global builtins.eval"),
    "numpy": (pickle.dumps(Calls(np.zeros, 9)), "global numpy.zeros"),
    "dotted": (b"\x80\x04" + short("numpy") + short("core.multiarray._reconstruct") + b"\x93.", "global numpy.core"),
    "instance": (b"(ios\nsystem\n.", "global os.system"),
    "object": (b"(cos\nsystem\no.", "global os.system"),
    "persistent": (b"Pfile\n.", "persistent id"),
    "extension": (b"\x82\x01.", "extension code"),
    "shape": (small_array(b"\x8a\x05" + HUGE.to_bytes(5, "little") + b"\x85"), "impossible shape"),
    "negative": (small_array(b"J\xff\xff\xff\xff\x85"), "impossible shape"),
    "objects": (pickle.dumps(np.array([None, {}], dtype=object)), "array of type O8"),
    "records": (pickle.dumps(np.zeros(1, dtype=[("a", "u1")])), "array of type V1"),
    "bytearray": (b"\x80\x05\x96" + HUGE.to_bytes(8, "little") + b"x.", "EOFError"),
    "bytes": (b"\x80\x04\x8e" + HUGE.to_bytes(8, "little") + b"x.", "EOFError"),
    "text": (b"\x80\x04\x8d" + HUGE.to_bytes(8, "little") + b"x.", "EOFError"),
    "long": (b"\x80\x02\x8b" + (2**31 - 1).to_bytes(4, "little") + b"x.", "EOFError"),
    "state": (b"\x80\x02}}b.", "a state for dict"),
    "key": (b"\x80\x02})" + b"\x85" * 900_000 + b"Ns.", "key that is tuple"),
    "keys": (b"\x80\x02}(" + b"\x8a\x09" + b"\xff" * 8 + b"\x00Nu.", "key that is int"),
    "ordered": (b"\x80\x02ccollections\nOrderedDict\n](" + b")\x85\x85N\x86" + b"e\x85R.", "key that is tuple"),
    "set": (b"\x80\x04\x8f.", "143"),
    "items": (b"\x80\x02]NNs.", "items of list"),
}


def cost_of(content: bytes, folder: Path) -> tuple[Any, float]:
    """What is read, and the bytes of memory that it took at most."""
    path = put(folder / "some.pkl", content)
    tracemalloc.start()
    try:
        return load_pickle(path), tracemalloc.get_traced_memory()[1]
    except DataError as problem:
        assert problem.where == path and problem.what == "the pickle cannot be read as plain data"
        return str(problem.received), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_pickle_gets_nowhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content, said = HOSTILE[name]
    received, peak = cost_of(content, tmp_path)
    assert said in received and peak < (150e6 if name == "key" else 5e6) and not (tmp_path / "pwned").exists()


def test_an_index_of_the_memo_costs_nothing(tmp_path: Path) -> None:
    found, peak = cost_of(b"\x80\x02Nr" + (2**31 - 1).to_bytes(4, "little") + b".", tmp_path)
    assert found is None and peak < 1e6


@pytest.mark.parametrize(
    "content",
    [b"", b"no pickle", b"\x80\x04", b"\x80\x09N.", b".", b"N", b"I" + b"9" * 9999 + b"\n.", "folder", "gone"],
)
def test_what_is_no_pickle_or_cannot_be_opened_is_refused(content: bytes | str, tmp_path: Path) -> None:
    path = put(tmp_path / "a.pkl", content) if isinstance(content, bytes) else tmp_path / content
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="the pickle cannot be read"):
        load_pickle(path)


def test_damage_ends_in_an_error_or_in_plain_data(tmp_path: Path) -> None:
    random = np.random.RandomState(1)
    value = {"image_data": PIXELS[:1], "class_dict": {"n1": [0, np.int64(3)]}}
    refused = 0
    for trial in range(900):
        content = bytearray(pickle.dumps(value, protocol=trial % 6))
        if trial % 3 == 0:
            del content[random.randint(1, len(content)) :]
        for _ in range(random.randint(1, 4)):
            content[random.randint(len(content))] = random.randint(256)
        try:
            found = read(bytes(content), tmp_path)
        except DataError:
            refused += 1
        else:
            pickle.dumps(found)
    assert 300 < refused < 900
