"""A published record: every file that is read through it is what was published, or an error."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cnnlab.errors import StoreError

_NOT_UNDERSTOOD = (
    AttributeError, EOFError, KeyError, MemoryError, NotImplementedError, OSError, OverflowError, RecursionError,
    RuntimeError, TypeError, ValueError, csv.Error, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What the readers of JSON, CSV and `.npz` raise on content that is none."""

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
        with self._opened(name) as handle:
            content: bytes = handle.read()
        self._compare(name, hashlib.sha256(content).hexdigest())
        return content

    def check(self, name: str) -> None:
        """Verify one file without holding it in memory. Raises StoreError as `bytes` does."""
        with self._opened(name) as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
        self._compare(name, found)

    def text(self, name: str) -> str:
        """A verified UTF-8 file. Raises StoreError as `bytes` does, and where it is none, as do the next three."""
        with self._understood(name):
            return self.bytes(name).decode("utf-8")

    def json(self, name: str) -> Any:
        """A verified JSON file."""
        with self._understood(name):
            return json.loads(self.text(name))

    def rows(self, name: str) -> list[dict[str, str]]:
        """A verified CSV file, one dict of strings a row."""
        with self._understood(name):
            return list(csv.DictReader(io.StringIO(self.text(name))))

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """A verified `.npz` file; pickled content is refused."""
        with self._understood(name), np.load(io.BytesIO(self.bytes(name)), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}

    @contextmanager
    def _opened(self, name: str) -> Iterator[io.BufferedReader]:
        if name not in self.manifest["files"]:
            raise StoreError("the record has no such file", where=self.folder, received=name)
        path = self.folder / name
        try:
            with path.open("rb") as handle:
                yield handle
        except (OSError, ValueError) as problem:  # a name that no file can have
            reason = problem.strerror if isinstance(problem, OSError) else problem
            raise StoreError("a file of the record cannot be read", where=path, received=reason) from None

    def _compare(self, name: str, found: str) -> None:
        if found != (expected := self.manifest["files"][name]):
            raise StoreError(
                "a file of the record is not what was published",
                where=self.folder / name,
                received=f"sha256 {found}",
                expected=f"sha256 {expected}",
                hint="run the lab again: the record is then set aside and made anew",
            )

    @contextmanager
    def _understood(self, name: str) -> Iterator[None]:
        """A file is what was published, but what was published by others may be anything."""
        try:
            yield
        except _NOT_UNDERSTOOD as problem:
            raise StoreError(
                "a file of the record is not of its kind",
                where=self.folder / name,
                received=f"{type(problem).__name__}: {problem}"[:300],
                hint="remove the record and run the lab again",
            ) from None
