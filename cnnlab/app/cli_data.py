"""`cnnlab data`: list, describe, check and fetch the data sets of a lab, without training."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer

from cnnlab import paths
from cnnlab.app.options import AsJson, Asked, Commands, asked, say, show, tell
from cnnlab.errors import CheckFailed, DataError

HELP = "Look at, check and fetch the data sets of a lab."
app = typer.Typer(cls=Commands, help=HELP, no_args_is_help=True, rich_markup_mode=None)

DESCRIBED = """\
{name}: {title}, {images:,} images, {of} classes
  {mean:.1f} images a class, from {fewest:,} to {most:,}; {shares}
  most often {width}x{height} pixels, read as {image_size}
  from {source}; fingerprint {fingerprint:.16}"""


@app.command("list")
@asked()
def list_data(about: Asked, as_json: AsJson = False) -> None:
    """Say which data sets a lab uses, and which readers there are.

    Of each, where it is looked for and whether it is there.
    """
    readers, rows = list(paths.modules("cnnlab/readers")), []
    for name, spec in about.lab.file.datasets.items():
        state = "cnnlab data fetch brings it" if spec.hub else "found, or fetched when it is needed"
        if spec.path is not None:
            state = "there" if spec.path.exists() else "not there"
        rows.append({"name": name, "reader": spec.reader, "path": spec.path and str(spec.path), "state": state})
    lines = [
        f"{one['name']}: reader {one['reader']}, {one['path'] or paths.data_dir()}: {one['state']}" for one in rows
    ]
    show({"datasets": rows, "readers": readers}, [*lines, f"readers: {', '.join(readers)}"], as_json)


@app.command()
@asked()
def describe(about: Asked, as_json: AsJson = False) -> None:
    """Count a lab's images, classes and splits."""
    import numpy as np

    from cnnlab.app.trainings import open_images
    from cnnlab.spec import SPLITS

    found, lines = [], list[str]()
    for name, spec in about.lab.file.datasets.items():
        table, splits = open_images(name, spec, tell)
        counts = np.bincount(table.labels, minlength=len(table.classes)).tolist()
        facts: dict[str, Any] = {
            "name": name, "title": spec.title or table.about.title, "source": table.about.source,
            "images": len(table.labels), "mean": sum(counts) / len(counts), "fewest": min(counts), "most": max(counts),
            "width": table.about.width, "height": table.about.height, "image_size": spec.image_size,
            "splits": {split: len(getattr(splits, split)) for split in SPLITS}, "fingerprint": table.fingerprint,
        }  # fmt: skip
        classes = zip(table.ids or table.classes, table.classes, counts, strict=True)
        found.append({**facts, "classes": [{"id": one, "name": shown, "images": n} for one, shown, n in classes]})
        shares = ", ".join(f"{split} {count:,}" for split, count in facts["splits"].items())
        lines.append(DESCRIBED.format(**facts, of=len(counts), shares=shares))
        lines += [f"  {count:6,}  {shown}" for shown, count in zip(table.classes, counts, strict=True)]
    show(found, lines, as_json)


@app.command()
@asked()
def check(about: Asked, as_json: AsJson = False) -> None:
    """Scan a lab's data sets for damage, copies and leaks.

    Exit code 3 when something may change conclusions.
    """
    from cnnlab.app.trainings import open_images
    from cnnlab.datasets.record import leak_findings

    found, lines, warned = [], list[str](), list[str]()
    for name, spec in about.lab.file.datasets.items():
        table, splits = open_images(name, spec, tell)
        findings = (*table.findings, *leak_findings(table, splits))
        facts = {"name": name, "images": len(table.labels), "classes": len(table.classes)}
        found.append({**facts, "fingerprint": table.fingerprint, "findings": [asdict(one) for one in findings]})
        lines.append("{name}: {images:,} images, {classes} classes".format(**facts))
        for one in findings:
            detail = ", ".join(f"{key} {value}" for key, value in one.detail.items())
            lines.append(f"  {one.severity}: {one.kind} ({one.count:,}){f': {detail}' if detail else ''}")
            lines += [f"    {source}" for source in one.sources]
        lines += [] if findings else ["  nothing to point out"]
        warned += [name] if any(one.severity == "warning" for one in findings) else []
    show(found, lines, as_json)
    if warned:
        raise CheckFailed("the scan found what may change conclusions", received=", ".join(warned))


@app.command()
@asked()
def fetch(about: Asked) -> None:
    """Fetch a lab's data sets.

    Those with a `hub` come from there, the others as their reader fetches them.
    """
    from cnnlab.datasets.fetch import fetch_repository
    from cnnlab.readers import open_dataset

    for name, spec in about.lab.file.datasets.items():
        if spec.hub is None:
            open_dataset(name, spec, data_dir=paths.data_dir(), report_progress=tell)
            say(f"{name}: here")
            continue
        folder, where = spec.path or paths.data_dir() / spec.reader, f"datasets.{name}.path"
        if folder.exists() and not folder.is_dir():
            hint = "let `path` name a folder, which need not exist yet"
            raise DataError("what is fetched goes into a folder", where=where, received=folder, hint=hint)
        tell(f"{name}: fetching {spec.hub.repo} at {spec.hub.revision}")
        say(f"{name}: {len(fetch_repository(spec.hub, folder))} files in {folder}")
