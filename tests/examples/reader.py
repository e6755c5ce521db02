"""Reader `arrays`: images and labels in one NumPy file, the way scripts keep them.

`path` is an `.npz` file with `images`, uint8 (N, h, w) or (N, h, w, 3), `labels`, (N,), and `classes`, their names.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from cnnlab.datasets.cache import cached_table, stamp
from cnnlab.datasets.table import NO_DIVISION, DatasetAbout, ImageTable, Pictures, Report, pictures_in_arrays
from cnnlab.errors import DataError
from cnnlab.spec import DatasetSpec


def open_table(spec: DatasetSpec, *, data_dir: Path, report_progress: Report) -> ImageTable:
    """The images of the file `spec.path`; cnnlab divides them.

    Raises:
        DataError: there is no such file, or it does not hold images and labels.
    """
    path = spec.path or data_dir / "arrays.npz"
    if not path.is_file():
        raise DataError("the file of the data set is not there", where=path, hint="check `path` in the lab file")

    def read() -> Pictures:
        try:
            with np.load(path, allow_pickle=False) as file:
                images, labels, names = file["images"], file["labels"].astype(int), file["classes"].tolist()
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as problem:
            expected = "images, labels and classes"
            raise DataError("the file is no data set", where=path, received=problem, expected=expected) from None
        about = DatasetAbout(title=path.stem, credit=None, homepage=None, source=f"file {path.name}")
        part = (path.stem, images, labels, NO_DIVISION)
        return pictures_in_arrays(part, classes=tuple(names), about=about, where=path)

    return cached_table(spec, [stamp(path)], read, data_dir=data_dir, report_progress=report_progress)
