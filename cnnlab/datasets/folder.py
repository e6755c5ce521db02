"""Reader `folder`: photographs of any size, one folder per class."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from cnnlab.datasets.cache import Stamp, cached_table
from cnnlab.datasets.listing import display
from cnnlab.datasets.pictures import Pictures, Report
from cnnlab.datasets.pixels import decode_file
from cnnlab.datasets.scan import Scan, scan_folder
from cnnlab.datasets.table import DatasetAbout, ImageTable
from cnnlab.errors import DataError
from cnnlab.spec import DatasetSpec, canonical_json


def open_table(spec: DatasetSpec, *, data_dir: Path, report_progress: Report) -> ImageTable:
    """The images below `spec.path`; classes are the names of the folders, sorted.

    Raises:
        DataError: no `path`, or what `scan_folder` and decoding refuse.
    """
    if spec.path is None:
        raise DataError(
            "the reader `folder` needs to know which folder",
            expected='a key `path = "…"` in the data set\'s table of the lab file',
        )
    scan = scan_folder(spec.path)
    findings = canonical_json([asdict(finding) for finding in scan.findings()])
    return cached_table(
        spec,
        [Stamp(str(scan.root), 0, 0), *(found.stamp for found in scan.images)],
        lambda: _pictures(scan),
        data_dir=data_dir,
        report_progress=report_progress,
        notes=findings,
    )


def _pictures(scan: Scan) -> Pictures:
    index = {name: label for label, name in enumerate(scan.classes)}
    images, name = scan.images, display(scan.root.name)
    return Pictures(
        classes=tuple(scan.classes),
        labels=[index[found.name] for found in images],
        sources=[display(found.stamp.path) for found in images],
        official=[found.official for found in images],
        about=DatasetAbout(title=name, credit=None, homepage=None, source=f"folder {name}"),
        decode=lambda i: decode_file(images[i].path),
        where=scan.root,
        findings=scan.findings(),
    )
