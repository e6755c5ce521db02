"""A wheel of the very code that runs, from a checkout or an installation, without build tools or network."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from cnnlab import paths
from cnnlab.app.archive import write_zip
from cnnlab.errors import StoreError
from cnnlab.lab import Lab

PACKAGES = ("cnnlab", "report")
_TAGS = "Wheel-Version: 1.0\nGenerator: cnnlab\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_COPIED = ("METADATA", "entry_points.txt", "licenses/LICENSE")


def make_wheel(lab: Lab) -> tuple[str, bytes]:
    """The wheel's file name and content. Of the shipped labs it carries that of `lab` alone, when it is one.

    Raises:
        StoreError: cnnlab runs without being installed, so that its version and libraries are not known.
    """
    try:
        installed = metadata.distribution("cnnlab")
    except metadata.PackageNotFoundError:
        raise StoreError("cnnlab is not installed", hint="pip install -e . in its checkout") from None
    files = {name: path.read_bytes() for name, path in _code(lab)}
    information = f"cnnlab-{installed.version}.dist-info"
    for name in _COPIED:
        if text := installed.read_text(name):
            files[f"{information}/{name}"] = text.encode()
    files[f"{information}/WHEEL"] = _TAGS.encode()
    record = f"{information}/RECORD"
    files[record] = "".join([*(_line(name, files[name]) for name in sorted(files)), f"{record},,\n"]).encode()
    buffer = io.BytesIO()
    write_zip(buffer, sorted(files.items(), key=lambda item: (item[0].startswith(information), item[0])))
    return f"cnnlab-{installed.version}-py3-none-any.whl", buffer.getvalue()


def _code(lab: Lab) -> Iterator[tuple[str, Path]]:
    """Modules, templates and the lab, by their names in the wheel."""
    home = Path(__file__).resolve().parents[1]
    own = (home / "labs", home / "templates")  # an installation has them in the package, a checkout beside it
    for package in PACKAGES:
        for path in _files(home.parent / package):
            if not path.is_relative_to(own[0]) and not path.is_relative_to(own[1]):
                yield path.relative_to(home.parent).as_posix(), path
    for path in _files(paths.templates_dir()):
        yield f"cnnlab/templates/{path.relative_to(paths.templates_dir()).as_posix()}", path
    if lab.path.parent == paths.labs_dir():
        for path in [lab.path, *_files(lab.templates)]:
            yield f"cnnlab/labs/{path.relative_to(lab.path.parent).as_posix()}", path


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _line(name: str, content: bytes) -> str:
    """A line of RECORD."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}\n"
