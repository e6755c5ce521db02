"""Zip archives that are the same bytes whenever they hold the same files."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

Files = Iterable[tuple[str, bytes | Path]]
"""Name in the archive, and the content or where it is."""

_WHEN = (1980, 1, 1, 0, 0, 0)
_FILE = 0o100644 << 16  # a plain file that its owner may write
_COMPRESSED = (".h5", ".npz", ".whl")


def write_zip(handle: IO[bytes], files: Files) -> None:
    """Write an archive of `files` in their order, without dates or owners; what is compressed already is stored."""
    with zipfile.ZipFile(handle, "w") as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.external_attr, entry.create_system = _FILE, 3  # as made on Unix, wherever that is
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(_COMPRESSED) else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content if isinstance(content, bytes) else content.read_bytes())
