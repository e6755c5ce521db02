"""Data files that travel inside pip packages: found without importing the package, trusted only by their sha256."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from importlib.util import find_spec
from pathlib import Path

from cnnlab.errors import DataError


def packaged_file(package: str, relative: str, *, install: str) -> Path:
    """Where the file of an installed package is.

    Args:
        package: import name of a top-level package, which is not imported.
        relative: path of the file inside it.
        install: name to give pip.

    Raises:
        DataError: the package is not installed, or has no such file.
    """
    found = find_spec(package)
    hint = f"pip install {install}"
    if found is None or not found.submodule_search_locations:
        raise DataError(f"the data set travels inside the Python package {install}, which is not installed", hint=hint)
    path = Path(found.submodule_search_locations[0]) / relative
    if not path.is_file():
        raise DataError(f"the installed {install} lacks the data set", where=path, hint=f"{hint} --force-reinstall")
    return path


def gunzip_checked(path: Path, sha256: str, *, most: int = 1 << 26) -> bytes:
    """The uncompressed content of a file, `.gz` or not, when it is the expected one.

    Args:
        sha256: of the uncompressed content, so that recompressed copies are as good.
        most: bytes beyond which a file is refused unread.

    Raises:
        DataError: the file is unreadable, damaged, or another one.
    """
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rb") as handle:
            content: bytes = handle.read(most + 1)
    except (OSError, EOFError, zlib.error) as problem:
        reason = (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
        raise DataError("a file of the data set cannot be read", where=path, received=reason) from None
    found = f"sha256 {hashlib.sha256(content).hexdigest()}" if len(content) <= most else f"more than {most:,} bytes"
    if found != f"sha256 {sha256}":
        raise DataError(
            "a file of the data set is not the published one",
            where=path,
            received=found,
            expected=f"sha256 {sha256} of the uncompressed content",
            hint="remove it; it is damaged, or belongs to another data set",
        )
    return content
