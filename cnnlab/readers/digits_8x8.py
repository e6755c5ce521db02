"""Reader `digits-8x8`: 1,797 handwritten digits of 8x8 pixels from inside the pip package scikit-learn."""

from __future__ import annotations

from pathlib import Path

from cnnlab.datasets.cache import cached_table, stamp
from cnnlab.datasets.fetch import gunzip_checked, packaged_file
from cnnlab.datasets.table import DatasetAbout, ImageTable, Pictures, Report
from cnnlab.readers.mnist_5k import digits_in_csv
from cnnlab.spec import DatasetSpec

SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"
"""Of the uncompressed CSV: 1,797 lines of 64 grey values in 0..16 and the digit."""

ABOUT = DatasetAbout(
    title="Optical Recognition of Handwritten Digits (8x8)",
    credit="E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, CC BY 4.0",
    homepage="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
    source="the Python package scikit-learn",
)


def open_table(spec: DatasetSpec, *, data_dir: Path, report_progress: Report) -> ImageTable:
    """The test part of the UCI data set, as `sklearn.datasets.load_digits` has it, without an official division.

    The file is read directly: importing scikit-learn takes longer than everything else here. Raises DataError:
    scikit-learn is not installed, or its file is not the expected one.
    """
    path = packaged_file("sklearn", "datasets/data/digits.csv.gz", install="scikit-learn")

    def read() -> Pictures:
        return digits_in_csv(gunzip_checked(path, SHA256), path, side=8, brightest=16, about=ABOUT)

    return cached_table(spec, [stamp(path)], read, data_dir=data_dir, report_progress=report_progress)
