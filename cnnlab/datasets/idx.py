"""The IDX format of MNIST and its relatives: a magic number, big-endian dimensions, then bytes."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from cnnlab.errors import DataError

_UNSIGNED_BYTE = 0x08


def parse_idx(content: bytes, where: Path, *, dimensions: int) -> np.ndarray:
    """The array in an uncompressed IDX file of unsigned bytes.

    Returns:
        uint8, read-only, with `dimensions` axes: (N, h, w) for images, (N,) for labels.

    Raises:
        DataError: the header is another one, or does not match the size of the content.
    """
    header = 4 + 4 * dimensions
    magic = bytes((0, 0, _UNSIGNED_BYTE, dimensions))
    if content[:4] != magic:
        raise DataError(
            "the file is not an IDX file of this kind",
            where=where,
            received=f"it begins with {content[:4].hex(' ') or 'nothing'}",
            expected=f"{magic.hex(' ')}: unsigned bytes in {dimensions} dimensions",
        )
    if len(content) < header:
        raise DataError("the IDX file ends inside its header", where=where, received=f"{len(content)} bytes")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    if math.prod(shape) != len(content) - header:
        raise DataError(
            "the IDX file is truncated or too long",
            where=where,
            received=f"{len(content) - header:,} bytes after the header",
            expected=f"{math.prod(shape):,} for {' x '.join(map(str, shape))}",
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)
