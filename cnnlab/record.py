"""A published record: every file that is read through it is what was published, or an error."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cnnlab.errors import StoreError

Kind = Literal["run", "evaluation", "dataset", "architecture", "search", "baseline"]


@dataclass(frozen=True)
class Record:
    """A published record. Every file read through it is checked against the manifest's sha256 first."""

    kind: Kind
    id: str
    folder: Path
    manifest: Mapping[str, Any]

    def bytes(self, name: str) -> bytes:
        """The verified content of one file.

        Raises:
            StoreError: the file is missing, unreadable, not in the manifest, or not what was published.
        """
        path = self.folder / name
        if name not in self.manifest["files"]:
            raise StoreError("the record has no such file", where=self.folder, received=name)
        try:
            content = path.read_bytes()
        except OSError as problem:
            raise StoreError("a file of the record cannot be read", where=path, received=problem.strerror) from None
        self._compare(name, hashlib.sha256(content).hexdigest())
        return content

    def check(self, name: str) -> None:
        """Verify one file without holding it in memory.

        Raises:
            StoreError: as `bytes`.
        """
        path = self.folder / name
        try:
            found = sha256_of(path)
        except OSError as problem:
            raise StoreError("a file of the record cannot be read", where=path, received=problem.strerror) from None
        self._compare(name, found)

    def _compare(self, name: str, found: str) -> None:
        if found != (expected := self.manifest["files"][name]):
            raise StoreError(
                "a file of the record is not what was published",
                where=self.folder / name,
                received=f"sha256 {found}",
                expected=f"sha256 {expected}",
                hint="run the lab again: the record is then set aside and made anew",
            )

    def text(self, name: str) -> str:
        """A verified UTF-8 file."""
        return self.bytes(name).decode("utf-8")

    def json(self, name: str) -> Any:
        """A verified JSON file."""
        return json.loads(self.text(name))

    def rows(self, name: str) -> list[dict[str, str]]:
        """A verified CSV file, one dict of strings a row."""
        return list(csv.DictReader(io.StringIO(self.text(name))))

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """A verified `.npz` file; pickled content is refused."""
        with np.load(io.BytesIO(self.bytes(name)), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}


def sha256_of(path: Path) -> str:
    """The hash of a file, read in pieces. Raises OSError."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
