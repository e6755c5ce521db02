"""A published record: every file that is read through it is what was published, or an error."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
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
    """A published record. Every file read through it is checked against the manifest's sha256 first.

    All that follow raise StoreError: the file is missing, unreadable, not in the manifest, not what was published, or
    not of the kind that is asked for.
    """

    kind: Kind
    id: str
    folder: Path
    manifest: Mapping[str, Any]

    def bytes(self, name: str) -> bytes:
        """The verified content of one file."""
        return self._verified(name, lambda handle: handle.read())

    def check(self, name: str) -> None:
        """Verify one file without holding it in memory."""
        self._verified(name, lambda handle: hashlib.file_digest(handle, "sha256"))

    def text(self, name: str) -> str:
        """A verified UTF-8 file."""
        return self._parsed(name, lambda content: content.decode())

    def json(self, name: str) -> Any:
        """A verified JSON file."""
        return self._parsed(name, lambda content: json.loads(content.decode()))

    def rows(self, name: str) -> list[dict[str, str]]:
        """A verified CSV file, one dict of strings a row."""
        return self._parsed(name, lambda content: list(csv.DictReader(io.StringIO(content.decode()))))

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """A verified `.npz` file; pickled content is refused."""

        def parse(content: Any) -> dict[str, np.ndarray]:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}

        return self._parsed(name, parse)

    def _verified(self, name: str, read: Callable[[io.BufferedReader], Any]) -> Any:
        """What `read` makes of one file: its content, or its hash."""
        path = self.folder / name
        if name not in self.manifest["files"]:
            raise StoreError("the record has no such file", where=self.folder, received=name)
        try:
            with path.open("rb") as handle:
                content = read(handle)
        except (OSError, ValueError) as problem:  # a name that no file can have
            reason = problem.strerror if isinstance(problem, OSError) else problem
            raise StoreError("a file of the record cannot be read", where=path, received=reason) from None
        found = (hashlib.sha256(content) if isinstance(content, bytes) else content).hexdigest()
        if found != (expected := self.manifest["files"][name]):
            what, hint = "a file of the record is not what was published", "run the lab again, which makes it anew"
            raise StoreError(what, where=path, received=f"sha256 {found}", expected=f"sha256 {expected}", hint=hint)
        return content

    def _parsed(self, name: str, parse: Callable[[Any], Any]) -> Any:
        """A file is what was published, but what was published by others may be anything."""
        content = self.bytes(name)
        try:
            return parse(content)
        except _NOT_UNDERSTOOD as problem:
            found, hint = f"{type(problem).__name__}: {problem}"[:300], "remove the record and run the lab again"
            what = "a file of the record is not of its kind"
            raise StoreError(what, where=self.folder / name, received=found, hint=hint) from None
