"""`cnnlab data`: list, describe, check and fetch the data sets of a lab, without training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab import paths
from cnnlab.app.terminal import print_json, say, tell
from cnnlab.errors import CheckFailed, DataError
from cnnlab.lab import Lab, load_lab
from cnnlab.paths import modules
from cnnlab.spec import SPLITS, DatasetSpec

if TYPE_CHECKING:
    from cnnlab.datasets.split import Splits
    from cnnlab.datasets.table import ImageTable

app = typer.Typer(help="Look at, check and fetch the data sets of a lab.", no_args_is_help=True, rich_markup_mode=None)

LabName = Annotated[str, typer.Argument(metavar="LAB", help="The name of a shipped lab, or the path of a lab file.")]
Profile = Annotated[str | None, typer.Option("--profile", help="Apply the overrides of this [profiles] table.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one key of the lab.")]
Runs = Annotated[Path | None, typer.Option("--runs", help="Folder of cached runs (CNNLAB_RUNS; default: runs).")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of rendered reports (CNNLAB_OUT; default: out).")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Also say what WeasyPrint said that changes nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command("list")
def list_data(
    lab: LabName = "demo", profile: Profile = None, overrides: Overrides = None, as_json: AsJson = False
) -> None:
    """Say which data sets a lab uses, where they are looked for, and which readers there are."""
    loaded = load_lab(lab, profile=profile, overrides=overrides or ())
    rows = [
        {"name": name, "reader": spec.reader, "path": str(spec.path) if spec.path else None, "state": _state(spec)}
        for name, spec in loaded.file.datasets.items()
    ]
    if as_json:
        print_json({"datasets": rows, "readers": list(modules("cnnlab/readers"))})
        return
    for row in rows:
        say(f"{row['name']}: reader {row['reader']}, {row['path'] or paths.data_dir()}: {row['state']}")
    say(f"readers: {', '.join(modules('cnnlab/readers'))}")


def _state(spec: DatasetSpec) -> str:
    if spec.path is not None:
        return "there" if spec.path.exists() else "not there"
    return "cnnlab data fetch brings it" if spec.hub else "found, or fetched when it is needed"


@app.command()
def describe(
    lab: LabName = "demo", profile: Profile = None, overrides: Overrides = None, as_json: AsJson = False
) -> None:
    """Count a lab's images, classes and splits."""
    loaded = load_lab(lab, profile=profile, overrides=overrides or ())
    found = [_description(*opened) for opened in _opened(loaded)]
    if as_json:
        print_json(found)
        return
    for entry in found:
        sizes = ", ".join(f"{name} {entry['splits'][name]:,}" for name in SPLITS)
        say(f"{entry['name']}: {entry['title']}, {entry['images']:,} images, {len(entry['classes'])} classes")
        say(f"  {entry['mean']:.1f} images a class, from {entry['fewest']:,} to {entry['most']:,}; {sizes}")
        say(f"  most often {entry['width']}x{entry['height']} pixels, read as {entry['image_size']}")
        say(f"  from {entry['source']}; fingerprint {entry['fingerprint'][:16]}")
        for one in entry["classes"]:
            say(f"  {one['images']:6,}  {one['name']}")


def _description(name: str, spec: DatasetSpec, table: ImageTable, splits: Splits) -> dict[str, Any]:
    import numpy as np

    counts = np.bincount(table.labels, minlength=len(table.classes)).tolist()
    return {
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
        "classes": [
            {"id": identifier, "name": shown, "images": count}
            for identifier, shown, count in zip(table.ids or table.classes, table.classes, counts, strict=True)
        ],
    }


@app.command()
def check(lab: LabName = "demo", profile: Profile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Scan a lab's data sets for damage, copies and leaks; exit code 3 when something may change conclusions."""
    loaded = load_lab(lab, profile=profile, overrides=overrides or ())
    found = [_checked(*opened) for opened in _opened(loaded)]
    if as_json:
        print_json(found)
    else:
        for entry in found:
            for line in _lines(entry):
                say(line)
    warned = [entry["name"] for entry in found if any(one["severity"] == "warning" for one in entry["findings"])]
    if warned:
        raise CheckFailed("the scan found what may change conclusions", received=", ".join(warned))


def _checked(name: str, spec: DatasetSpec, table: ImageTable, splits: Splits) -> dict[str, Any]:
    from cnnlab.datasets.record import leak_findings

    findings = [*table.findings, *leak_findings(table, splits)]
    return {
        "name": name,
        "images": len(table.labels),
        "classes": len(table.classes),
        "fingerprint": table.fingerprint,
        "findings": [asdict(finding) for finding in findings],
    }


def _lines(entry: dict[str, Any]) -> Iterator[str]:
    yield f"{entry['name']}: {entry['images']:,} images, {entry['classes']} classes"
    for finding in entry["findings"]:
        detail = ", ".join(f"{key} {value}" for key, value in finding["detail"].items())
        yield f"  {finding['severity']}: {finding['kind']} ({finding['count']:,}){f': {detail}' if detail else ''}"
        yield from (f"    {source}" for source in finding["sources"])
    if not entry["findings"]:
        yield "  nothing to point out"


@app.command()
def fetch(lab: LabName = "demo", profile: Profile = None, overrides: Overrides = None) -> None:
    """Fetch a lab's data sets: those with a `hub` from there, the others as their reader does."""
    from cnnlab.datasets.fetch import fetch_repository
    from cnnlab.readers import open_dataset

    loaded = load_lab(lab, profile=profile, overrides=overrides or ())
    for name, spec in loaded.file.datasets.items():
        if spec.hub is None:
            open_dataset(name, spec, data_dir=paths.data_dir(), report_progress=tell)
            say(f"{name}: here")
            continue
        folder = spec.path or paths.data_dir() / spec.reader
        _check_target(name, folder)
        tell(f"{name}: fetching {spec.hub.repo} at {spec.hub.revision}")
        files = fetch_repository(spec.hub, folder)
        say(f"{name}: {len(files)} files in {folder}")


def _check_target(name: str, folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise DataError(
            "what is fetched goes into a folder",
            where=f"datasets.{name}.path",
            received=folder,
            hint="let `path` name a folder, which need not exist yet",
        )


def _opened(lab: Lab) -> Iterator[tuple[str, DatasetSpec, ImageTable, Splits]]:
    from cnnlab.datasets.split import split_images
    from cnnlab.readers import open_dataset

    for name, spec in lab.file.datasets.items():
        table = open_dataset(name, spec, data_dir=paths.data_dir(), report_progress=tell)
        yield name, spec, table, split_images(table, spec.split)
