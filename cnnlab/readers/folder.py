"""Reader `folder`: photographs of any size, one folder per class, or with a CSV file that says the classes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from cnnlab.datasets.cache import Stamp, cached_table, stamp
from cnnlab.datasets.csv_list import labelled_lines, read_csv
from cnnlab.datasets.labelled import Labelled, labelled_pictures
from cnnlab.datasets.listing import display, list_images
from cnnlab.datasets.pictures import Pictures, Report
from cnnlab.datasets.scan import Scan, scan_folder
from cnnlab.datasets.table import DatasetAbout, ImageTable
from cnnlab.errors import DataError
from cnnlab.identity import canonical_json
from cnnlab.spec import DatasetSpec


def open_table(spec: DatasetSpec, *, data_dir: Path, report_progress: Report) -> ImageTable:
    """The images below `spec.path`; classes are the names of the folders, or what `spec.labels` says.

    Raises:
        DataError: no `path`, or what `scan_folder`, `read_csv` and decoding refuse.
    """
    if spec.path is None:
        raise DataError(
            "the reader `folder` needs to know which folder",
            expected='a key `path = "…"` in the data set\'s table of the lab file',
        )
    if spec.labels is not None:
        return _by_csv(spec, spec.path, spec.labels, data_dir, report_progress)
    scan = scan_folder(spec.path)
    findings = canonical_json([asdict(finding) for finding in scan.findings()])
    return cached_table(
        spec,
        [Stamp(str(scan.root), 0, 0), *(found.stamp for found in scan.images)],
        lambda: _pictures(scan_labelled(scan), scan.root),
        data_dir=data_dir,
        report_progress=report_progress,
        notes=findings,
    )


def _by_csv(spec: DatasetSpec, root: Path, labels: Path, data_dir: Path, report: Report) -> ImageTable:
    if not labels.is_file():
        raise DataError("the CSV file of the data set's labels is not there", where=labels, hint="check `labels`")
    listing = list_images(root)
    return cached_table(
        spec,
        [Stamp(str(listing.root), 0, 0), stamp(labels), *listing.images.values()],
        lambda: _pictures(labelled_lines({labels.resolve(): read_csv(labels)}, listing, spec.max_bad), listing.root),
        data_dir=data_dir,
        report_progress=report,
    )


def scan_labelled(scan: Scan) -> Labelled:
    """The images of a scanned folder with their classes."""
    images = scan.images
    return Labelled(
        [found.name for found in images],
        [found.official for found in images],
        [found.stamp.path for found in images],
        lambda index: scan.root / images[index].stamp.path,
        scan.findings(),
    )


def _pictures(images: Labelled, root: Path) -> Pictures:
    name = display(root.name)
    about = DatasetAbout(title=name, credit=None, homepage=None, source=f"folder {name}")
    return labelled_pictures(images, name_of=str, about=about, where=root)
