"""Copies commentary files beside a lab, where they win over the project's and are its user's to edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cnnlab.errors import LabError, did_you_mean
from cnnlab.lab import Lab
from cnnlab.paths import templates_dir
from cnnlab.store.files import replace_file


def copy_commentary(lab: Lab, sections: Sequence[str], kinds: Mapping[str, str]) -> list[Path]:
    """Copy the commentary of `sections` (all of them when empty) in the lab's language; existing files are kept.

    Args:
        kinds: the sections that the lab's report has, with the kind whose text serves those that have none of their own.

    Returns:
        The files written.

    Raises:
        LabError: a section does not exist.
        StoreError: the lab's folder cannot be written.
    """
    folder = Path("commentary") / lab.file.lab.language
    found = {key: [templates_dir() / folder / f"{name}.md.j2" for name in (key, kind)] for key, kind in kinds.items()}
    shipped = {key: next((path for path in paths if path.is_file()), paths[0]) for key, paths in found.items()}
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
