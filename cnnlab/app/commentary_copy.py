"""Copies commentary files beside a lab, where they win over the project's and are its user's to edit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from cnnlab.errors import LabError, did_you_mean
from cnnlab.lab import Lab
from cnnlab.paths import templates_dir
from cnnlab.store.files import replace_file


def copy_commentary(lab: Lab, sections: Sequence[str], *, among: Collection[str] | None = None) -> list[Path]:
    """Copy the commentary of `sections` (all of them when empty) in the lab's language; existing files are kept.

    Args:
        among: the sections that the lab's report has, where the project has commentary of others too.

    Returns:
        The files written.

    Raises:
        LabError: a section does not exist.
        StoreError: the lab's folder cannot be written.
    """
    folder = Path("commentary") / lab.file.lab.language
    found = {path.name.removesuffix(".md.j2"): path for path in sorted((templates_dir() / folder).glob("*.md.j2"))}
    shipped = {name: path for name, path in found.items() if among is None or name in among}
    for name in sections:
        if name not in shipped:
            raise LabError(
                "there is no such section",
                received=name,
                expected=", ".join(shipped),
                hint=did_you_mean(name, shipped),
            )
    written = []
    for name in sections or shipped:
        target = lab.templates / folder / f"{name}.md.j2"
        if not target.exists():
            replace_file(target, shipped[name].read_bytes())
            written.append(target)
    return written
