"""One hash of the project's own code: what was made by other code may be out of date."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import cnnlab


@cache
def code_hash() -> str:
    """The sha256 over every Python file of the packages `cnnlab` and `report`, in hexadecimal."""
    packages = [Path(cnnlab.__file__).parent, Path(__file__).parent]
    found = hashlib.sha256()
    for package in packages:
        for path in sorted(package.rglob("*.py")):
            content = path.read_bytes()
            found.update(f"{package.name}/{path.relative_to(package).as_posix()} {len(content)} ".encode() + content)
    return found.hexdigest()
