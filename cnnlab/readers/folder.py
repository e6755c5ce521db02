"""Reader `folder`: photographs of any size, one folder per class, or with a CSV file that says the classes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from cnnlab.datasets.cache import cached_table, stamp
from cnnlab.datasets.folders import by_class_folders, by_lines, display, labelled_pictures, list_images, read_csv
from cnnlab.datasets.table import DatasetAbout, ImageTable, Pictures, Report
from cnnlab.errors import DataError
from cnnlab.identity import canonical_json
from cnnlab.spec import DatasetSpec


def open_table(spec: DatasetSpec, *, data_dir: Path, report_progress: Report) -> ImageTable:
    """The images below `spec.path`; classes are the names of the folders, or what `spec.labels` says.

    Raises DataError: no `path`, or what `by_class_folders`, `read_csv` and decoding refuse.
    """
    if spec.path is None:
        expected = 'a key `path = "…"` in the data set\'s table of the lab file'
        raise DataError("the reader `folder` needs to know which folder", expected=expected)
    labels = spec.labels
    if labels is not None and not labels.is_file():
        raise DataError("the CSV file of the data set's labels is not there", where=labels, hint="check `labels`")
    listing = list_images(spec.path)
    name = display(listing.root.name)
    about = DatasetAbout(title=name, credit=None, homepage=None, source=f"folder {name}")
    found, stamps, notes = None, listing.stamps, ""
    if labels is not None:
        stamps.insert(1, stamp(labels))
    else:
        found = by_class_folders(listing)
        notes = canonical_json([asdict(one) for one in found.findings])

    def read() -> Pictures:
        images = found or by_lines({labels.resolve(): read_csv(labels)}, listing, spec.max_bad)  # type: ignore[union-attr, arg-type]
        return labelled_pictures(images, name_of=str, about=about, where=listing.root)

    return cached_table(spec, stamps, read, data_dir=data_dir, report_progress=report_progress, notes=notes)
