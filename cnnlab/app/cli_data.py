"""`cnnlab data`: list, describe, check and fetch the data sets of a lab, without training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from cnnlab import paths
from cnnlab.app.options import AsJson, Commands, LabName, Overrides, Profile, opened, print_json, say, tell
from cnnlab.errors import CheckFailed, DataError

if TYPE_CHECKING:
    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable
    from cnnlab.lab import Lab
    from cnnlab.spec import DatasetSpec

app = typer.Typer(
    cls=Commands,
    help="Look at, check and fetch the data sets of a lab.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_data(
    lab: LabName = "demo", profile: Profile = None, overrides: Overrides = None, as_json: AsJson = False
) -> None:
    """Say which data sets a lab uses, and which readers there are.

    Of each, where it is looked for and whether it is there.
    """
    readers, rows = paths.modules("cnnlab/readers"), []
    for name, spec in opened(lab, profile, overrides)[0].file.datasets.items():
        state = "cnnlab data fetch brings it" if spec.hub else "found, or fetched when it is needed"
        if spec.path is not None:
            state = "there" if spec.path.exists() else "not there"
        rows.append({"name": name, "reader": spec.reader, "path": spec.path and str(spec.path), "state": state})
    if as_json:
        print_json({"datasets": rows, "readers": list(readers)})
        return
    for row in rows:
        say(f"{row['name']}: reader {row['reader']}, {row['path'] or paths.data_dir()}: {row['state']}")
    say(f"readers: {', '.join(readers)}")


@app.command()
def describe(
    lab: LabName = "demo", profile: Profile = None, overrides: Overrides = None, as_json: AsJson = False
) -> None:
    """Count a lab's images, classes and splits."""
    import numpy as np

    from cnnlab.spec import SPLITS

    found = []
    for name, spec, table, splits in _tables(opened(lab, profile, overrides)[0]):
        counts = np.bincount(table.labels, minlength=len(table.classes)).tolist()
        classes = zip(table.ids or table.classes, table.classes, counts, strict=True)
        entry = {
            "name": name,
            "title": spec.title or table.about.title,
            "source": table.about.source,
            "images": len(table.labels),
            "mean": sum(counts) / len(counts),
            "fewest": min(counts),
            "most": max(counts),
            "width": table.about.width,
            "height": table.about.height,
            "image_size": spec.image_size,
            "splits": {split: len(getattr(splits, split)) for split in SPLITS},
            "fingerprint": table.fingerprint,
            "classes": [{"id": known, "name": shown, "images": count} for known, shown, count in classes],
        }
        found.append(entry)
    if as_json:
        print_json(found)
        return
    for entry in found:
        sizes = ", ".join(f"{split} {count:,}" for split, count in entry["splits"].items())
        say(f"{entry['name']}: {entry['title']}, {entry['images']:,} images, {len(entry['classes'])} classes")
        say(f"  {entry['mean']:.1f} images a class, from {entry['fewest']:,} to {entry['most']:,}; {sizes}")
        say(f"  most often {entry['width']}x{entry['height']} pixels, read as {entry['image_size']}")
        say(f"  from {entry['source']}; fingerprint {entry['fingerprint'][:16]}")
        for one in entry["classes"]:
            say(f"  {one['images']:6,}  {one['name']}")


@app.command()
def check(lab: LabName = "demo", profile: Profile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Scan a lab's data sets for damage, copies and leaks.

    Exit code 3 when something may change conclusions.
    """
    from cnnlab.datasets.record import leak_findings

    found: list[dict[str, Any]] = []
    for name, _, table, splits in _tables(opened(lab, profile, overrides)[0]):
        facts = {"images": len(table.labels), "classes": len(table.classes), "fingerprint": table.fingerprint}
        findings = [asdict(finding) for finding in (*table.findings, *leak_findings(table, splits))]
        found.append({"name": name, **facts, "findings": findings})
    if as_json:
        print_json(found)
    for entry in () if as_json else found:
        say(f"{entry['name']}: {entry['images']:,} images, {entry['classes']} classes")
        for finding in entry["findings"]:
            detail = ", ".join(f"{key} {value}" for key, value in finding["detail"].items())
            say(f"  {finding['severity']}: {finding['kind']} ({finding['count']:,}){f': {detail}' if detail else ''}")
            for source in finding["sources"]:
                say(f"    {source}")
        if not entry["findings"]:
            say("  nothing to point out")
    warned = [entry["name"] for entry in found if any(one["severity"] == "warning" for one in entry["findings"])]
    if warned:
        raise CheckFailed("the scan found what may change conclusions", received=", ".join(warned))


@app.command()
def fetch(lab: LabName = "demo", profile: Profile = None, overrides: Overrides = None) -> None:
    """Fetch a lab's data sets.

    Those with a `hub` come from there, the others as their reader fetches them.
    """
    from cnnlab.datasets.fetch import fetch_repository
    from cnnlab.readers import open_dataset

    for name, spec in opened(lab, profile, overrides)[0].file.datasets.items():
        if spec.hub is None:
            open_dataset(name, spec, data_dir=paths.data_dir(), report_progress=tell)
            say(f"{name}: here")
            continue
        folder = spec.path or paths.data_dir() / spec.reader
        if folder.exists() and not folder.is_dir():
            raise DataError(
                "what is fetched goes into a folder",
                where=f"datasets.{name}.path",
                received=folder,
                hint="let `path` name a folder, which need not exist yet",
            )
        tell(f"{name}: fetching {spec.hub.repo} at {spec.hub.revision}")
        files = fetch_repository(spec.hub, folder)
        say(f"{name}: {len(files)} files in {folder}")


def _tables(lab: Lab) -> Iterator[tuple[str, DatasetSpec, ImageTable, Splits]]:
    from cnnlab.datasets.split import split_images
    from cnnlab.readers import open_dataset

    for name, spec in lab.file.datasets.items():
        table = open_dataset(name, spec, data_dir=paths.data_dir(), report_progress=tell)
        yield name, spec, table, split_images(table, spec.split)
