"""Data sets: one reader per source, all giving the same `ImageTable`.

Opening one needs no framework; a reader's own module is imported only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from cnnlab.datasets.table import ImageTable, silent
from cnnlab.errors import DataError
from cnnlab.paths import modules
from cnnlab.progress import Reading
from cnnlab.spec import DatasetSpec


def open_dataset(
    name: str, spec: DatasetSpec, *, data_dir: Path, report_progress: Callable[[str], None] = silent
) -> ImageTable:
    """Find, fetch if need be, decode (once) and open a data set.

    Args:
        name: of the data set in the lab; only begins the messages.
        spec: which reader, where, at what size.
        data_dir: where fetched data and decoded caches live.
        report_progress: told what is going on, one sentence a call; on a terminal, decoding shows a bar besides.

    Raises DataError: the data set is missing, unreadable or unfit.
    """
    known = modules("cnnlab/readers")
    if spec.reader not in known:
        raise DataError.unknown("there is no such data set reader", spec.reader, known, where=f"datasets.{name}.reader")
    reader = import_module(f"{__name__}.{spec.reader.replace('-', '_')}")
    with Reading(name, report_progress) as report:
        table: ImageTable = reader.open_table(spec, data_dir=data_dir.absolute(), report_progress=report)
    return table
